package host

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
)

// gate is the listener under the HTTP server. It hands each connection on at once;
// the TLS handshake is done by the connection's own goroutine, so that nobody waits
// for another one's. Until it is let in, a connection is knocking: of those there are
// only so many, and the longest of whoever knocks most makes room for the next. So a
// flood of connections that say nothing keeps nobody out.
type gate struct {
	net.Listener
	srv *Server
	tls *tls.Config // nil: plain

	mu       sync.Mutex // guards knocking
	knocking []*guarded // the longest first
}

// maxKnocking is how many connections may be between TCP and WebSocket; those that
// have been let in are counted by Config.Connections.
const maxKnocking = 256

// Accept gives the next connection.
func (g *gate) Accept() (net.Conn, error) {
	raw, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := g.wrap(raw)
	if out := g.enter(c); out != nil {
		g.srv.refuse(Refusal{Reason: RefusedConnections, Client: Client{Addr: out.RemoteAddr().String()}, Err: errKnocking})
		_ = out.Close()
	}
	return c, nil
}

var errKnocking = errors.New("too many connections that have not said what they want")

// enter notes that a connection knocks, and gives the one that has to make room.
func (g *gate) enter(c *guarded) (out *guarded) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.knocking) >= maxKnocking {
		out = longest(g.knocking)
	}
	g.knocking = append(g.knocking, c)
	return out
}

// longest gives the connection that has knocked longest of the address that has most.
func longest(knocking []*guarded) *guarded {
	count, most := map[string]int{}, 0
	for _, c := range knocking {
		count[c.from]++
		most = max(most, count[c.from])
	}
	return knocking[slices.IndexFunc(knocking, func(c *guarded) bool { return count[c.from] == most })]
}

// leave notes that a connection knocks no more: it was let in, or is closed.
func (g *gate) leave(c *guarded) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.knocking, c); i >= 0 {
		g.knocking = slices.Delete(g.knocking, i, i+1)
	}
}

func (g *gate) wrap(raw net.Conn) *guarded {
	c := &guarded{Conn: raw, gate: g, from: raw.RemoteAddr().String()}
	if host, _, err := net.SplitHostPort(c.from); err == nil {
		c.from = host
	}
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
	from   string    // the host it comes from
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

// letIn notes that the connection has become a WebSocket.
func (c *guarded) letIn() { c.gone.Do(func() { c.gate.leave(c) }) }

// Close closes the connection and makes room for another.
func (c *guarded) Close() error {
	c.gone.Do(func() { c.gate.leave(c) })
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
