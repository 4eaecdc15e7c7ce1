// Package dialout lets devices that cannot be reached reach out: the device's
// side dials the data centre and keeps one connection there, and the application
// in the data centre drives the device's services through it as if they stood
// beside it.
//
// # Parties and keys
//
//   - The [Agent] runs beside the devices. It dials, with TLS 1.3 and a certificate
//     of its own, an address it was told, and trusts only the roots it was given.
//   - The [Server] runs beside the application. It takes connections of the
//     identities that it was told, one session each, and gives the application a
//     dial function per identity ([Device.DialContext]).
//   - The devices' own services stay what they are: XFS4IoT over wss with mutual TLS.
//     That TLS runs inside the tunnel, between application and service, so the agent
//     and whoever holds the agent's key see and change nothing.
//
// # On the wire
//
// TLS 1.3 with ALPN "plomb-dialout/1", in it a yamux session (hashicorp/yamux,
// protocol version 0) whose streams the server opens. A stream begins with a
// request, one byte of version (1), one of length and the name of a target; the
// agent answers one byte, 0 for open, and from then on the stream is the connection
// to that target. A target is a name that the agent maps to an address; what it
// does not map cannot be reached. An agent that opens streams is cut off.
//
// # Promises
//
//   - One session per identity: a new connection takes an older one's place, unless
//     its certificate was issued before that of the living session ([ErrOlder]).
//   - One connection at a time and nothing late: the agent dials again only when all
//     that the last connection delivered has been handed to the services and they have
//     hung up, or a few seconds have passed. What the server reads from a device over a new connection is therefore
//     not overtaken by commands of the old one.
//   - A peer that is silent, does not read, sends garbage or too much is cut off
//     within the heartbeat or the handshake's limit and holds up nobody else.
//   - A session ends when its certificate expires.
//
// The package repeats nothing: what became of a command under way when a
// connection ended is for the application to find out from the device.
//
//	agent := &dialout.Agent{Address: "till.example:5860", TLS: credentials.Client, Allow: map[string]string{dialout.Publisher: "127.0.0.1:5846"}}
//	go agent.Run(ctx)
//
//	server, err := dialout.NewServer(dialout.Config{TLS: conf, Allowed: dialout.Only("shop-7")})
//	go server.Serve(ctx, listener)
//	client.Dial(ctx, url, client.Options{TLS: inner, DialContext: server.Device("shop-7").DialContext(dialout.Publisher)})
package dialout

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/hashicorp/yamux"
)

// Publisher is the target that is allowed by custom: the XFS4IoT service publisher
// beside the agent, with all its services.
const Publisher = "xfs4iot"

// Protocol is the ALPN name both sides insist on.
const Protocol = "plomb-dialout/1"

// Limits bound what a peer may cost. Zero values take the defaults.
type Limits struct {
	Heartbeat  time.Duration // default 10 s; a link that is dead for up to two of them is noticed
	Handshake  time.Duration // default 10 s, for TLS and for opening a stream
	Streams    int           // connections through one session at a time; default 64
	Handshakes int           // connections that have not proved who they are yet; default 64 (server)
}

func (l Limits) withDefaults() Limits {
	if l.Heartbeat == 0 {
		l.Heartbeat = 10 * time.Second
	}
	if l.Handshake == 0 {
		l.Handshake = 10 * time.Second
	}
	if l.Streams == 0 {
		l.Streams = 64
	}
	if l.Handshakes == 0 {
		l.Handshakes = 64
	}
	return l
}

// mux makes the yamux configuration for one session.
func (l Limits) mux(log *slog.Logger) *yamux.Config {
	c := yamux.DefaultConfig()
	c.AcceptBacklog = l.Streams
	c.KeepAliveInterval = l.Heartbeat
	c.ConnectionWriteTimeout = l.Heartbeat
	c.StreamOpenTimeout = l.Handshake + l.Heartbeat
	c.StreamCloseTimeout = l.Handshake
	c.LogOutput = nil
	c.Logger = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	return c
}

// EventKind says what an Event is about.
type EventKind string

// The kinds of events.
const (
	Connected    EventKind = "connected"
	Disconnected EventKind = "disconnected"
	TakenOver    EventKind = "taken-over"    // an identity's session gave way to a newer connection
	Refused      EventKind = "refused"       // a connection that was not let in, or an attempt that failed
	StreamDenied EventKind = "target-denied" // a target that is not allowed was asked for (agent)
)

// Event is something for a journal. It is told outside all locks, by the goroutine
// that it happened in.
type Event struct {
	Kind     EventKind
	Identity string // of the device; "" where it did not prove one
	Address  string // network address of the other side
	Target   string // of StreamDenied
	Err      error  // why
}

// State is how a connection is.
type State struct {
	Connected bool
	Since     time.Time // of the last change
	Address   string    // of the other side, while connected
	LastError string    // why it is not connected, or why the last connection ended
}

// Errors to decide on.
var (
	ErrNoIdentity   = errors.New("the other side has proved no identity")
	ErrNotAllowed   = errors.New("not on the list of what is allowed")
	ErrNotConnected = errors.New("device is not connected")
	ErrUnreachable  = errors.New("the device's side could not reach the service")
	ErrBusy         = errors.New("too many connections at a time")
	ErrProtocol     = errors.New("the other side does not keep to the protocol")
	ErrReplaced     = errors.New("a newer connection of the same identity took over")
	ErrOlder        = errors.New("a connection with a newer certificate of this identity is up")
	ErrExpired      = errors.New("the certificate has expired")
	ErrConfig       = errors.New("this would not be safe")
)

// clientTLS gives a copy of c with what this protocol insists on. Verification must
// rest on given roots, or on a check of the caller's own: the system's trust store
// is never asked.
func clientTLS(c *tls.Config, serverName string) (*tls.Config, error) {
	if c == nil {
		return nil, fmt.Errorf("%w: no TLS", ErrConfig)
	}
	if err := sound(c, c.RootCAs); err != nil {
		return nil, err
	}
	c = strict(c)
	if c.ServerName == "" {
		c.ServerName = serverName
	}
	return c, nil
}

// serverTLS is clientTLS for the accepting side. A configuration that is chosen for
// each handshake (GetConfigForClient) is checked at each handshake.
func serverTLS(c *tls.Config) (*tls.Config, error) {
	if c == nil {
		return nil, fmt.Errorf("%w: no TLS", ErrConfig)
	}
	choose := c.GetConfigForClient
	if choose == nil {
		if err := sound(c, c.ClientCAs); err != nil {
			return nil, err
		}
		return mutual(strict(c)), nil
	}
	c = mutual(strict(c))
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		now, err := choose(hello)
		if err != nil || now == nil {
			return nil, errors.Join(err, ErrConfig)
		}
		if err := sound(now, now.ClientCAs); err != nil {
			return nil, err
		}
		return mutual(strict(now)), nil
	}
	return c, nil
}

func sound(c *tls.Config, roots *x509.CertPool) error {
	switch {
	case len(c.Certificates) == 0 && c.GetCertificate == nil && c.GetClientCertificate == nil:
		return fmt.Errorf("%w: no certificate", ErrConfig)
	case roots == nil:
		return fmt.Errorf("%w: no certificate authority to trust", ErrConfig)
	case c.InsecureSkipVerify:
		return fmt.Errorf("%w: certificates are not checked", ErrConfig)
	}
	return nil
}

func strict(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.MinVersion = tls.VersionTLS13
	c.NextProtos = []string{Protocol}
	c.SessionTicketsDisabled = true // every connection proves its certificate
	c.ClientSessionCache = nil
	return c
}

func mutual(c *tls.Config) *tls.Config {
	c.ClientAuth = tls.RequireAndVerifyClientCert
	return c
}

// negotiated checks what TLS leaves to the two sides.
func negotiated(s tls.ConnectionState) error {
	if s.Version < tls.VersionTLS13 || s.NegotiatedProtocol != Protocol {
		return fmt.Errorf("%w: TLS %#x with protocol %.40q", ErrProtocol, s.Version, s.NegotiatedProtocol)
	}
	if len(s.PeerCertificates) == 0 {
		return ErrNoIdentity
	}
	return nil
}

// pipe copies between two connections until both directions have ended. When one
// side has ended in its direction the other is told so, and may take patience to
// hang up as well.
func pipe(a, b net.Conn, patience time.Duration) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		forward(a, b, patience)
	}()
	forward(b, a, patience)
	<-done
}

// forward copies from src to dst. Whatever ends it, src is read to its end within
// patience, so that its peer sees an orderly end and not a reset.
func forward(dst, src net.Conn, patience time.Duration) {
	_, err := io.Copy(dst, src)
	closeWrite(dst)
	_ = dst.SetReadDeadline(time.Now().Add(patience))
	if err != nil {
		_ = src.SetReadDeadline(time.Now().Add(patience))
		_, _ = io.Copy(io.Discard, src)
	}
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = c.Close() // of a yamux stream: sends the end, what comes is still read
}
