package dialout

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

// Agent is the device's side. Set its fields, then call Run once.
type Agent struct {
	Address string // of the data centre, "host:port"
	// TLS is asked for each connection, so that renewed certificates count. It has the
	// agent's certificate, the roots it trusts and, where Address is not what the
	// server's certificate names, ServerName.
	TLS func() *tls.Config
	// Allow maps the names of targets (lower-case letters, digits, '.', '-', ':') to
	// addresses on the agent's side. Nothing else can be reached.
	Allow map[string]string

	Limits   Limits
	Min, Max time.Duration // bounds of the wait between attempts; default 500 ms and 30 s
	Event    func(Event)   // nil: nobody is told
	Log      *slog.Logger  // nil discards

	// Dial replaces the network, for tests; both for Address and for targets.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu    sync.Mutex // guards state
	state State
}

// drainPatience is how long the services may take to hang up after a connection
// has ended, before the agent dials again.
const drainPatience = 5 * time.Second

// State is how the connection is now.
func (a *Agent) State() State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

func (a *Agent) setState(s State) {
	s.Since = time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state = s
}

func (a *Agent) tell(e Event) {
	if a.Event != nil {
		a.Event(e)
	}
}

// Run keeps the connection until ctx ends. It returns an error at once, before
// dialling, when the settings are not safe or make no sense; otherwise nil, after
// ctx has ended.
//
// The wait before an attempt doubles from Min to Max, less a random part of up to a
// half; it starts again at Min once a connection has lasted for Max.
func (a *Agent) Run(ctx context.Context) error {
	if err := a.check(); err != nil {
		return fmt.Errorf("dial out to %s: %w", a.Address, err)
	}
	for attempt := 0; ctx.Err() == nil; attempt++ {
		began := time.Now()
		err := a.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) >= a.longest() {
			attempt = 0
		}
		a.setState(State{LastError: err.Error()})
		pause(ctx, a.backoff(attempt))
	}
	return nil
}

func (a *Agent) check() error {
	a.Limits = a.Limits.withDefaults()
	if a.Log == nil {
		a.Log = slog.New(slog.DiscardHandler)
	}
	if a.Dial == nil {
		a.Dial = (&net.Dialer{}).DialContext
	}
	for target := range a.Allow {
		if !validTarget(target) {
			return fmt.Errorf("target %.70q is not a name", target)
		}
	}
	_, err := a.config()
	return err
}

// config is the TLS of the next connection.
func (a *Agent) config() (*tls.Config, error) {
	host, _, err := net.SplitHostPort(a.Address)
	if err != nil {
		return nil, err
	}
	if a.TLS == nil {
		return nil, fmt.Errorf("%w: no TLS", ErrConfig)
	}
	return clientTLS(a.TLS(), host)
}

// once dials and serves one connection to its end; the error says why it ended.
func (a *Agent) once(ctx context.Context) error {
	conn, err := a.connect(ctx)
	if err != nil {
		err = fmt.Errorf("connect to %s: %w", a.Address, err)
		a.tell(Event{Kind: Refused, Address: a.Address, Err: err})
		return err
	}
	session, err := yamux.Server(conn, a.Limits.mux(a.Log))
	if err != nil {
		conn.Close()
		return err
	}
	a.setState(State{Connected: true, Address: conn.RemoteAddr().String()})
	a.tell(Event{Kind: Connected, Address: a.Address})
	err = a.serve(ctx, session)
	a.tell(Event{Kind: Disconnected, Address: a.Address, Err: err})
	return err
}

func (a *Agent) connect(ctx context.Context) (*tls.Conn, error) {
	conf, err := a.config()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.Limits.Handshake)
	defer cancel()
	raw, err := a.Dial(ctx, "tcp", a.Address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, conf)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	if err := negotiated(conn.ConnectionState()); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

// serve answers streams until the session ends, and returns when nothing of it is
// left.
func (a *Agent) serve(ctx context.Context, session *yamux.Session) error {
	stop := context.AfterFunc(ctx, func() { session.Close() })
	defer stop()
	var streams sync.WaitGroup
	defer streams.Wait()
	defer session.Close()
	places := make(chan struct{}, a.Limits.Streams)
	for {
		stream, err := session.AcceptStream()
		if err != nil {
			return fmt.Errorf("connection to %s ended: %w", a.Address, err)
		}
		select {
		case places <- struct{}{}:
			streams.Go(func() { defer func() { <-places }(); a.stream(ctx, stream) })
		default:
			_ = a.reply(stream, answerBusy)
			stream.Close()
		}
	}
}

// stream connects one stream to its target.
func (a *Agent) stream(ctx context.Context, stream *yamux.Stream) {
	defer stream.Close()
	target, err := a.request(stream)
	if err != nil {
		a.Log.Warn("stream", "err", err)
		return
	}
	service, reply := a.open(ctx, target)
	if service != nil {
		defer service.Close()
	}
	if err := a.reply(stream, reply); err != nil || service == nil {
		return
	}
	pipe(stream, service, drainPatience)
}

func (a *Agent) request(stream *yamux.Stream) (string, error) {
	if err := stream.SetReadDeadline(time.Now().Add(a.Limits.Handshake)); err != nil {
		return "", err
	}
	target, err := readRequest(stream)
	if err != nil {
		return "", err
	}
	return target, stream.SetReadDeadline(time.Time{})
}

func (a *Agent) open(ctx context.Context, target string) (net.Conn, answer) {
	address, ok := a.Allow[target]
	if !ok {
		a.tell(Event{Kind: StreamDenied, Address: a.Address, Target: target, Err: ErrNotAllowed})
		return nil, answerNotAllowed
	}
	ctx, cancel := context.WithTimeout(ctx, a.Limits.Handshake)
	defer cancel()
	conn, err := a.Dial(ctx, "tcp", address)
	if err != nil {
		a.Log.Warn("service not reached", "target", target, "err", err)
		return nil, answerUnreachable
	}
	return conn, answerOpen
}

func (a *Agent) reply(w io.Writer, r answer) error {
	_, err := w.Write([]byte{byte(r)})
	return err
}

func (a *Agent) longest() time.Duration {
	if a.Max == 0 {
		return 30 * time.Second
	}
	return a.Max
}

func (a *Agent) backoff(attempt int) time.Duration {
	d := a.Min
	if d == 0 {
		d = 500 * time.Millisecond
	}
	for range attempt {
		if d = 2 * d; d >= a.longest() {
			d = a.longest()
			break
		}
	}
	return d/2 + rand.N(d/2+1)
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
