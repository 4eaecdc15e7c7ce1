package dialout

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

// Device is one identity at a server. It stays the same over reconnections.
type Device struct {
	identity string
	server   *Server

	// guarded by server.mu
	current *session // nil: not connected
	state   State
}

// session is one connection of a device.
type session struct {
	mux    *yamux.Session
	issued time.Time // of its certificate
	proved tls.ConnectionState
	places chan struct{}

	once sync.Once
	why  error // set once, by end
}

// end closes the session; only the first reason counts.
func (s *session) end(why error) {
	s.once.Do(func() {
		s.why = why
		_ = s.mux.Close()
	})
}

// Identity is who the device is.
func (d *Device) Identity() string { return d.identity }

// State is how its connection is now.
func (d *Device) State() State {
	d.server.mu.Lock()
	defer d.server.mu.Unlock()
	return d.state
}

// Disconnect ends the device's session, if there is one: its certificate was
// revoked, say. Whether it may come back is for Config.Allowed and TLS.
func (d *Device) Disconnect(why error) {
	d.server.mu.Lock()
	s := d.current
	d.server.mu.Unlock()
	if s != nil {
		s.end(why)
	}
}

// host gives a proved connection its place and keeps it there until it ends.
func (s *Server) host(ctx context.Context, conn *tls.Conn, identity, address string) {
	mux, err := yamux.Client(conn, s.cfg.Limits.mux(s.cfg.Log))
	if err != nil {
		s.tell(Event{Kind: Refused, Identity: identity, Address: address, Err: err})
		return
	}
	leaf := conn.ConnectionState().PeerCertificates[0]
	live := &session{mux: mux, issued: leaf.NotBefore, proved: conn.ConnectionState(), places: make(chan struct{}, s.cfg.Limits.Streams)}
	d := s.Device(identity)
	before, err := d.take(live, address)
	if err != nil {
		live.end(err)
		s.tell(Event{Kind: Refused, Identity: identity, Address: address, Err: err})
		return
	}
	if before != nil {
		before.end(ErrReplaced)
		s.tell(Event{Kind: TakenOver, Identity: identity, Address: address})
	}
	s.tell(Event{Kind: Connected, Identity: identity, Address: address})
	expiry := time.AfterFunc(time.Until(leaf.NotAfter), func() { live.end(ErrExpired) })
	defer expiry.Stop()
	stop := context.AfterFunc(ctx, func() { live.end(net.ErrClosed) })
	defer stop()
	live.watch()
	d.leave(live)
	s.tell(Event{Kind: Disconnected, Identity: identity, Address: address, Err: live.why})
}

// take makes a session the device's current one and gives the one before.
func (d *Device) take(live *session, address string) (*session, error) {
	d.server.mu.Lock()
	defer d.server.mu.Unlock()
	before := d.current
	switch {
	case d.server.closed:
		return nil, net.ErrClosed
	case before != nil && live.issued.Before(before.issued):
		return nil, ErrOlder
	}
	d.current = live
	d.state = State{Connected: true, Since: time.Now(), Address: address}
	return before, nil
}

// leave notes that a session has ended, unless another one took its place.
func (d *Device) leave(live *session) {
	d.server.mu.Lock()
	defer d.server.mu.Unlock()
	if d.current == live {
		d.current = nil
		d.state = State{Since: time.Now(), LastError: live.why.Error()}
	}
}

// watch returns when the session has ended. Devices open no streams: one that does
// is cut off.
func (s *session) watch() {
	stream, err := s.mux.AcceptStream()
	if err == nil {
		_ = stream.Close()
		err = fmt.Errorf("%w: it opened a stream", ErrProtocol)
	}
	s.end(err)
}

// Dial opens a connection to a target on the device's side. Errors: ErrNotConnected,
// ErrNotAllowed, ErrUnreachable, ErrBusy.
func (d *Device) Dial(ctx context.Context, target string) (net.Conn, error) {
	conn, err := d.dial(ctx, target)
	if err != nil {
		return nil, fmt.Errorf("dial %s at %s: %w", target, d.identity, err)
	}
	return conn, nil
}

// DialContext is Dial for a fixed target, in the form that net/http and xfs4iot/client
// want; network and address are not looked at.
func (d *Device) DialContext(target string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return d.Dial(ctx, target) }
}

func (d *Device) dial(ctx context.Context, target string) (net.Conn, error) {
	request, err := appendRequest(nil, target)
	if err != nil {
		return nil, err
	}
	d.server.mu.Lock()
	live, last := d.current, d.state.LastError
	d.server.mu.Unlock()
	if live == nil {
		return nil, fmt.Errorf("%w: %s", ErrNotConnected, cmp.Or(last, "it has not connected yet"))
	}
	select {
	case live.places <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	stream, err := open(ctx, live.mux, request, d.server.cfg.Limits.Handshake)
	if err != nil {
		<-live.places
		return nil, err
	}
	return &tunnelled{Stream: stream, release: sync.OnceFunc(func() { <-live.places })}, nil
}

// open opens a stream and asks for its target. It may take as long as the mux's own
// limits when the link is dead; ctx ends it by closing the stream.
func open(ctx context.Context, mux *yamux.Session, request []byte, limit time.Duration) (*yamux.Stream, error) {
	stream, err := mux.OpenStream()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotConnected, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = stream.SetDeadline(time.Unix(1, 0)) })
	_ = stream.SetDeadline(time.Now().Add(limit))
	_, err = stream.Write(request)
	if err == nil {
		err = readAnswer(stream)
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, stream.Close())
	}
	return stream, stream.SetDeadline(time.Time{})
}

// tunnelled is a stream that gives its place back when it is closed.
type tunnelled struct {
	*yamux.Stream
	release func()
}

// Close ends the connection in both directions.
func (t *tunnelled) Close() error {
	defer t.release()
	return t.Stream.Close()
}
