// Package client is the application's side of XFS4IoT: it finds services, sends
// commands, follows their events and says how they ended.
//
// A [Conn] is one connection to one service. Commands of several goroutines run
// over it at a time; [Do] sends one and waits for its completion, typed by the
// command's descriptor:
//
//	conn, err := client.Dial(ctx, "ws://127.0.0.1:5846/xfs4iot/v1.0/ReceiptPrinter", client.Options{})
//	resp, err := client.Do(ctx, conn, printer.PrintRaw, &printer.PrintRawCommand{Data: text},
//		client.Timeout(20*time.Second),
//		client.OnEvent(func(m *xfs4iot.Message) { ... }))
//
// # How a command ends
//
//   - err is nil: the device did it.
//   - err is an *xfs4iot.Error: the service answered otherwise. SafeToRepeat tells
//     whether the device certainly did nothing. The completion's payload, where
//     there is one, is returned beside the error.
//   - err is an *UnknownOutcomeError: the command was sent and no completion came,
//     because the connection ended or the service did not answer a cancel in time.
//     The device may have done it or not: read its status and counts, never repeat.
//   - any other error: the command was never sent.
//
// When ctx ends, Do sends Common.Cancel and goes on waiting for the real outcome,
// for Options.CancelWait at most. So Do may return success although ctx has ended.
//
// # What it does not do
//
// Nothing is ever sent twice. A [Session] dials again after a connection ended and
// tells the caller; what became of the commands is the caller's to find out.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// Options tell how to connect. The zero value is for a plain connection.
type Options struct {
	// Credentials are for wss URLs: whom to trust and what to show. Each connection
	// uses what they last read; a connection to a service that they do not accept any
	// more is closed.
	Credentials *pki.Credentials
	// TLS is for those who bring a configuration of their own instead; RootCAs must be
	// set. Without MinVersion it is TLS 1.3. Both nil: wss URLs are refused (ErrTrust).
	TLS *tls.Config

	Generation xfs4iot.Generation // of the envelopes sent; both are understood
	Limits     xfs4iot.Limits     // of one received message

	// DialContext replaces the network, for tunnels and tests.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// Unsolicited is called with every unsolicited event, one at a time, in order,
	// on a goroutine of the connection. When it falls 1024 events behind, the
	// connection is closed rather than an event dropped.
	Unsolicited func(m *xfs4iot.Message)

	// CancelWait bounds how long Do waits for the outcome after its context ended;
	// default 5 s.
	CancelWait time.Duration

	// Record is called with each message as it is sent and received, whole and in
	// order for each direction; it must not block nor keep data. See package record.
	Record func(sent bool, data []byte)

	WriteTimeout time.Duration // for one message; default 10 s
	Log          *slog.Logger  // messages that make no sense; nil discards
}

func (o Options) withDefaults() Options {
	if o.CancelWait == 0 {
		o.CancelWait = 5 * time.Second
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 10 * time.Second
	}
	if o.Limits.Bytes == 0 {
		o.Limits.Bytes = xfs4iot.DefaultBytes
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// eventBacklog is how far callbacks may fall behind what arrives.
const eventBacklog = 1024

// Conn is a connection to one service. Its methods may be called concurrently.
type Conn struct {
	url    string
	opts   Options
	ws     *websocket.Conn
	tls    *tls.ConnectionState // nil: plain
	lastID atomic.Int64
	ctx    context.Context // ends with the connection
	end    context.CancelCauseFunc
	events chan *xfs4iot.Message
	loops  sync.WaitGroup

	mu    sync.Mutex // guards calls
	calls map[int64]*call
}

// ErrClosed is the cause of a connection's end when Close was called.
var ErrClosed = errors.New("connection was closed")

// maxNonsense is how many messages in a row may make no sense.
const maxNonsense = 100

var (
	errBehind   = errors.New("events arrive faster than they are handled")
	errNonsense = errors.New("the service sends messages that make no sense")
)

// URL is where the connection goes.
func (c *Conn) URL() string { return c.url }

// Done is closed when the connection has ended; Err then says why.
func (c *Conn) Done() <-chan struct{} { return c.ctx.Done() }

// Err is why the connection ended, nil while it is up.
func (c *Conn) Err() error { return context.Cause(c.ctx) }

// Close ends the connection; commands under way end with an unknown outcome. It
// returns when no callback will be called any more, so it must not be called from
// one.
func (c *Conn) Close() error {
	c.end(ErrClosed)
	err := c.ws.Close(websocket.StatusNormalClosure, "")
	c.loops.Wait()
	if errors.Is(c.Err(), ErrClosed) {
		return nil
	}
	return err
}

// TLS is what the handshake settled, nil for a plain connection.
func (c *Conn) TLS() *tls.ConnectionState { return c.tls }

// read takes in messages until the connection ends.
func (c *Conn) read() {
	for nonsense := 0; ; {
		_, data, err := c.ws.Read(context.Background())
		if err != nil {
			c.end(fmt.Errorf("connection to %s ended: %w", c.url, err))
			return
		}
		if c.opts.Record != nil {
			c.opts.Record(false, data)
		}
		m, err := xfs4iot.Decode(data, c.opts.Limits)
		if err != nil {
			c.opts.Log.Warn("message not understood", "url", c.url, "err", err)
			if nonsense++; nonsense >= maxNonsense {
				c.end(errNonsense)
				_ = c.ws.CloseNow()
				return
			}
			continue
		}
		nonsense = 0
		c.route(m)
	}
}

// route gives a message to whom it concerns without ever waiting.
func (c *Conn) route(m *xfs4iot.Message) {
	if !c.accept(m) {
		c.end(errBehind)
		_ = c.ws.CloseNow()
	}
}

func (c *Conn) accept(m *xfs4iot.Message) bool {
	if m.Header.Type != xfs4iot.TypeUnsolicited {
		c.mu.Lock()
		k := c.calls[m.Header.RequestID]
		c.mu.Unlock()
		return k == nil || k.put(m) // nil: the completion of a command that was given up
	}
	select {
	case c.events <- m:
		return true
	default:
		return false
	}
}

// deliver calls the callback for unsolicited events.
func (c *Conn) deliver() {
	for {
		select {
		case <-c.ctx.Done():
			return
		case m := <-c.events:
			if c.opts.Unsolicited != nil {
				c.opts.Unsolicited(m)
			}
		}
	}
}

// send writes a message; the line under the connection bounds how long it takes.
func (c *Conn) send(m *xfs4iot.Message) error {
	m.Generation = c.opts.Generation
	data, err := m.Encode()
	if err != nil {
		return err
	}
	if c.opts.Record != nil {
		c.opts.Record(true, data)
	}
	return c.ws.Write(context.Background(), websocket.MessageText, data)
}

func (c *Conn) register() (int64, *call) {
	id, k := c.lastID.Add(1), newCall()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[id] = k
	return id, k
}

func (c *Conn) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, id)
}
