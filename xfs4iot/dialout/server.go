package dialout

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// Config tells a server whom to let in.
type Config struct {
	// TLS has the server's certificate and the authorities whose device certificates
	// count (ClientCAs). A certificate is always required.
	TLS *tls.Config
	// Allowed decides about a proved identity; it must not block. See Only.
	Allowed func(identity string) error
	// Identity reads who a peer is from its verified certificate; nil: pki.Identity.
	Identity func(*x509.Certificate) (string, error)

	Limits Limits
	Event  func(Event)  // nil: nobody is told
	Log    *slog.Logger // nil discards
}

// Only allows the identities it is given and no other.
func Only(identities ...string) func(string) error {
	return func(identity string) error {
		if slices.Contains(identities, identity) {
			return nil
		}
		return ErrNotAllowed
	}
}

// Server accepts the connections of devices. Its methods may be called concurrently.
type Server struct {
	cfg Config
	tls *tls.Config

	mu      sync.Mutex // guards what follows and each device's fields
	devices map[string]*Device
	closed  bool
}

// NewServer checks the settings; it opens nothing. Error: ErrConfig.
func NewServer(c Config) (*Server, error) {
	if c.Allowed == nil {
		return nil, fmt.Errorf("accept devices: %w: no list of identities", ErrConfig)
	}
	conf, err := serverTLS(c.TLS)
	if err != nil {
		return nil, fmt.Errorf("accept devices: %w", err)
	}
	if c.Identity == nil {
		c.Identity = named
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Limits = c.Limits.withDefaults()
	return &Server{cfg: c, tls: conf, devices: map[string]*Device{}}, nil
}

func named(c *x509.Certificate) (string, error) {
	if name := pki.Identity(c); name != "" {
		return name, nil
	}
	return "", ErrNoIdentity
}

func (s *Server) tell(e Event) {
	if s.cfg.Event != nil {
		s.cfg.Event(e)
	}
}

// Device is the handle for an identity, connected or not.
func (s *Server) Device(identity string) *Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.devices[identity]
	if d == nil {
		d = &Device{identity: identity, server: s, state: State{LastError: "it has not connected yet"}}
		s.devices[identity] = d
	}
	return d
}

// Devices lists the identities that have connected or been asked for, by name.
func (s *Server) Devices() []*Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Device, 0, len(s.devices))
	for _, d := range s.devices {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *Device) int { return strings.Compare(a.identity, b.identity) })
	return list
}

// Recheck ends the sessions whose certificates check does not accept any more: after
// a revocation list was read again, say, with pki.Credentials.Check.
func (s *Server) Recheck(check func(tls.ConnectionState) error) {
	s.mu.Lock()
	var live []*session
	for _, d := range s.devices {
		if d.current != nil {
			live = append(live, d.current)
		}
	}
	s.mu.Unlock()
	for _, l := range live {
		if err := check(l.proved); err != nil {
			l.end(err)
		}
	}
}

// Serve accepts connections until ctx ends or the listener fails, then closes all
// sessions. A handshake never waits for another one.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var all sync.WaitGroup
	defer all.Wait()
	defer s.closeAll()
	places := make(chan struct{}, s.cfg.Limits.Handshakes)
	for {
		conn, err := l.Accept()
		if err != nil && ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("accept devices: %w", err)
		}
		if err != nil { // too many open files, a peer that is gone already: the next may come
			s.cfg.Log.Error("accept devices", "err", err)
			pause(ctx, 100*time.Millisecond)
			continue
		}
		select {
		case places <- struct{}{}:
			all.Go(func() { s.admit(ctx, conn, func() { <-places }) })
		default:
			conn.Close()
			s.tell(Event{Kind: Refused, Address: conn.RemoteAddr().String(), Err: ErrBusy})
		}
	}
}

// admit takes one connection through its handshake and, if it is let in, serves
// its session to the end.
func (s *Server) admit(ctx context.Context, raw net.Conn, handshakeDone func()) {
	release := sync.OnceFunc(handshakeDone)
	defer release()
	defer raw.Close()
	address := raw.RemoteAddr().String()
	conn, identity, err := s.handshake(ctx, raw)
	release()
	if err != nil {
		s.tell(Event{Kind: Refused, Identity: identity, Address: address, Err: err})
		return
	}
	s.host(ctx, conn, identity, address)
}

// handshake proves who is there. The identity is given beside an error once the
// certificate was verified.
func (s *Server) handshake(ctx context.Context, raw net.Conn) (*tls.Conn, string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Limits.Handshake)
	defer cancel()
	_ = raw.SetDeadline(time.Now().Add(s.cfg.Limits.Handshake))
	conn := tls.Server(raw, s.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, "", err
	}
	state := conn.ConnectionState()
	if err := negotiated(state); err != nil {
		return nil, "", err
	}
	identity, err := s.cfg.Identity(state.PeerCertificates[0])
	if err != nil {
		return nil, "", err
	}
	if err := s.cfg.Allowed(identity); err != nil {
		return nil, identity, err
	}
	return conn, identity, raw.SetDeadline(time.Time{})
}

func (s *Server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, d := range s.devices {
		if d.current != nil {
			d.current.end(net.ErrClosed)
		}
	}
}
