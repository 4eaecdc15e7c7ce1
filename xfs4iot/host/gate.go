package host

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
)

// gate is the listener under the HTTP server. It counts connections and hands each
// on at once; the TLS handshake is done by the connection's own goroutine, so that
// nobody waits for another one's.
type gate struct {
	net.Listener
	srv *Server
	tls *tls.Config // nil: plain

	mu   sync.Mutex // guards open
	open int
}

// knocking is how many connections may be between TCP and WebSocket beyond those
// that Config.Connections allows.
const knocking = 256

// Accept gives the next connection that there is room for.
func (g *gate) Accept() (net.Conn, error) {
	for {
		raw, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if g.enter() {
			return g.wrap(raw), nil
		}
		g.srv.refuse(Refusal{Reason: RefusedConnections, Client: Client{Addr: raw.RemoteAddr().String()}})
		_ = raw.Close()
	}
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open >= g.srv.cfg.Connections+knocking {
		return false
	}
	g.open++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
}

func (g *gate) wrap(raw net.Conn) *guarded {
	c := &guarded{Conn: raw, gate: g}
	if g.tls != nil {
		c.secure = tls.Server(raw, g.tls)
		c.Conn = c.secure
	}
	return c
}

// guarded is a connection that does its handshake before the first read, with a
// deadline, and reports why it failed.
type guarded struct {
	net.Conn
	gate   *gate
	secure *tls.Conn // nil: plain

	shake sync.Once
	err   error // of the handshake
	gone  sync.Once
}

// Read does the handshake if it has not been done.
func (c *guarded) Read(p []byte) (int, error) {
	if c.secure != nil {
		if c.shake.Do(c.handshake); c.err != nil {
			return 0, c.err
		}
	}
	return c.Conn.Read(p)
}

func (c *guarded) handshake() {
	ctx, cancel := context.WithTimeout(c.gate.srv.life, c.gate.srv.cfg.HandshakeTimeout)
	defer cancel()
	if c.err = c.secure.HandshakeContext(ctx); c.err == nil {
		return
	}
	if c.gate.srv.life.Err() != nil {
		return // not refused: the server stops
	}
	reason := reasonOf(c.err)
	if ctx.Err() != nil {
		reason = RefusedTimeout
	}
	if reason == RefusedPlain {
		c.answerPlain()
	}
	client := Client{Addr: c.RemoteAddr().String(), Certificates: c.secure.ConnectionState().PeerCertificates}
	c.gate.srv.refuse(Refusal{Reason: reason, Client: client, Err: fmt.Errorf("TLS handshake: %w", c.err)})
}

// answerPlain tells who spoke HTTP to a TLS port what is wrong.
func (c *guarded) answerPlain() {
	var record tls.RecordHeaderError
	if errors.As(c.err, &record) && record.Conn != nil {
		_, _ = record.Conn.Write([]byte("HTTP/1.0 400 Bad Request\r\n\r\nTLS is required here\n"))
	}
}

// Close closes the connection and makes room for another.
func (c *guarded) Close() error {
	c.gone.Do(c.gate.leave)
	return c.Conn.Close()
}

// guardedKey is where a request's context holds its connection.
type guardedKey struct{}

// state is what is known of a request's TLS connection, nil for a plain one.
func tlsState(ctx context.Context, behind *tls.ConnectionState) *tls.ConnectionState {
	c, ok := ctx.Value(guardedKey{}).(*guarded)
	if !ok || c.secure == nil {
		return behind
	}
	s := c.secure.ConnectionState()
	return &s
}

// The faults of a TLS configuration with which nothing is served.
var (
	ErrPlain     = errors.New("plain connections are for loopback only")
	ErrAnonymous = errors.New("clients without a certificate are for loopback only")
	ErrTrust     = errors.New("no authorities to trust are given; the system's are never used")
	ErrOpen      = errors.New("beyond loopback a server needs Rights or Authorize")
)

// security settles how a listener at an address is protected; nil for plain.
func (c *Config) security(loopback bool) (*tls.Config, error) {
	conf := c.TLS
	if c.Credentials != nil {
		var err error
		if conf, err = c.Credentials.Server(); err != nil {
			return nil, err
		}
	}
	if conf == nil {
		if !loopback && !c.AllowPlain {
			return nil, ErrPlain
		}
		return nil, nil
	}
	return c.checked(conf, loopback)
}

// checked refuses a configuration that lets in whom it should not.
func (c *Config) checked(conf *tls.Config, loopback bool) (*tls.Config, error) {
	mutual := conf.ClientAuth == tls.RequireAndVerifyClientCert
	verifies := mutual || conf.ClientAuth == tls.VerifyClientCertIfGiven
	switch {
	case verifies && conf.ClientCAs == nil:
		return nil, fmt.Errorf("client certificates: %w", ErrTrust)
	case !mutual && !loopback && !c.AllowAnonymous:
		return nil, ErrAnonymous
	case !loopback && c.Rights == nil && c.Authorize == nil && !c.AllowEverything:
		return nil, ErrOpen
	}
	conf = conf.Clone()
	if conf.MinVersion == 0 {
		conf.MinVersion = tls.VersionTLS13
	}
	return conf, nil
}
