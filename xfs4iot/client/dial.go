package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/internal/line"
)

// ErrTrust is returned by Dial for a wss URL when the options do not say whose
// certificates to accept. The system's authorities are never used.
var ErrTrust = errors.New("no authorities to trust are given")

// Dial connects to a service or a publisher. ctx bounds the handshake only.
func Dial(ctx context.Context, url string, o Options) (*Conn, error) {
	o = o.withDefaults()
	d := dialer{opts: o}
	if err := d.secure(url); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", url, err)
	}
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: d.web()})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", url, err)
	}
	ws.SetReadLimit(int64(o.Limits.Bytes))
	c := &Conn{url: url, opts: o, ws: ws, tls: d.state(), calls: map[int64]*call{}, events: make(chan *xfs4iot.Message, eventBacklog)}
	c.ctx, c.end = context.WithCancelCause(context.Background())
	if o.Credentials != nil && c.tls != nil {
		stop := o.Credentials.OnChange(c.recheck)
		context.AfterFunc(c.ctx, stop)
	}
	c.loops.Go(c.read)
	c.loops.Go(c.deliver)
	return c, nil
}

// recheck ends the connection when the service's certificate is not accepted any more.
func (c *Conn) recheck() {
	if err := c.opts.Credentials.Check(*c.tls); err != nil {
		c.end(fmt.Errorf("connection to %s ended: %w", c.url, err))
		_ = c.ws.CloseNow()
	}
}

// dialer makes one connection and keeps what is known of its TLS.
type dialer struct {
	opts Options
	conf *tls.Config // nil for a plain URL

	mu  sync.Mutex
	tls *tls.ConnectionState
}

// secure settles the TLS configuration of a URL.
func (d *dialer) secure(url string) error {
	if scheme, _, _ := strings.Cut(url, "://"); !strings.EqualFold(scheme, "wss") {
		return nil
	}
	switch {
	case d.opts.Credentials != nil:
		d.conf = d.opts.Credentials.Client()
	case d.opts.TLS == nil || d.opts.TLS.RootCAs == nil:
		return ErrTrust
	default:
		d.conf = d.opts.TLS.Clone()
	}
	if d.conf.MinVersion == 0 {
		d.conf.MinVersion = tls.VersionTLS13
	}
	return nil
}

// web gives an HTTP client for one handshake: no redirects, no proxy.
func (d *dialer) web() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DialContext: d.dialPlain, DialTLSContext: d.dialTLS},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.opts.DialContext != nil {
		return d.opts.DialContext(ctx, network, addr)
	}
	return (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext(ctx, network, addr)
}

func (d *dialer) dialPlain(ctx context.Context, network, addr string) (net.Conn, error) {
	raw, err := d.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return line.New(raw, d.opts.WriteTimeout), nil
}

func (d *dialer) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.conf == nil {
		return nil, ErrTrust
	}
	raw, err := d.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	conf := d.conf.Clone()
	if conf.ServerName == "" {
		conf.ServerName, _, _ = net.SplitHostPort(addr)
	}
	secure := tls.Client(raw, conf)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	state := secure.ConnectionState()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tls = &state
	return line.New(secure, d.opts.WriteTimeout), nil
}

func (d *dialer) state() *tls.ConnectionState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tls
}
