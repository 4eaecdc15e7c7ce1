// Package simtest puts a simulated device behind a real host with a real client,
// for the tests of the devices. It is for tests only.
//
//	c := simtest.Serve(t, device.Service())
//	resp, events, err := simtest.Do(c, deposit.Entry, &deposit.EntryCommand{})
package simtest

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/conform"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// Client is connected to one service.
type Client struct {
	*client.Conn
	t testing.TB

	mu      sync.Mutex // guards what follows
	heard   []*xfs4iot.Message
	changed chan struct{}
}

// Serve serves s on a host of its own until the test ends and connects to it.
func Serve(t testing.TB, s *host.Service) *Client {
	t.Helper()
	server := host.New(host.Config{VendorName: "test"})
	if err := server.Add(s); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return connect(t, "ws://"+ln.Addr().String()+"/xfs4iot/v1.0/"+s.Name())
}

func connect(t testing.TB, url string) *Client {
	t.Helper()
	c := &Client{t: t, changed: make(chan struct{})}
	conn, err := client.Dial(t.Context(), url, client.Options{Unsolicited: c.hear})
	if err != nil {
		t.Fatal(err)
	}
	c.Conn = conn
	t.Cleanup(func() { conn.Close() })
	// The handshake ends before the service counts the connection among its own: only
	// an answer proves that no event is missed from here on.
	if _, err := client.Do(t.Context(), conn, common.Status, nil); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *Client) hear(m *xfs4iot.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, m)
	close(c.changed)
	c.changed = make(chan struct{})
}

// patience is how long a test waits for an event.
const patience = 5 * time.Second

// Heard waits for the next unsolicited event of a name, drops it and those before
// it, and decodes it into e; it fails the test when none comes.
func (c *Client) Heard(e xfs4iot.Event) {
	c.t.Helper()
	over := time.After(patience)
	for {
		m, changed := c.take(e.EventName())
		if m != nil {
			if err := m.Into(e); err != nil {
				c.t.Fatal(err)
			}
			return
		}
		select {
		case <-changed:
		case <-over:
			c.t.Fatalf("no %s came", e.EventName())
		}
	}
}

func (c *Client) take(name string) (*xfs4iot.Message, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.heard, func(m *xfs4iot.Message) bool { return m.Header.Name == name })
	if i < 0 {
		return nil, c.changed
	}
	m := c.heard[i]
	c.heard = c.heard[i+1:]
	return m, nil
}

// Events are the events of one command.
type Events []*xfs4iot.Message

// Names are the names of the events, in their order.
func (e Events) Names() []string {
	out := []string{}
	for _, m := range e {
		out = append(out, m.Header.Name)
	}
	return out
}

// Do sends a command and waits for its end.
func Do[Req, Resp any](c *Client, cmd xfs4iot.Command[Req, Resp], req *Req, opts ...client.CallOption) (*Resp, Events, error) {
	var events Events
	opts = append(opts, client.OnEvent(func(m *xfs4iot.Message) { events = append(events, m) }))
	resp, err := client.Do(c.t.Context(), c.Conn, cmd, req, opts...)
	return resp, events, err
}

// Must is Do for a command that has to succeed.
func Must[Req, Resp any](c *Client, cmd xfs4iot.Command[Req, Resp], req *Req) (*Resp, Events) {
	c.t.Helper()
	resp, events, err := Do(c, cmd, req)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, events
}

// Call is a command under way.
type Call[Resp any] struct {
	Events chan *xfs4iot.Message
	done   chan struct{}
	resp   *Resp
	err    error
	stop   context.CancelFunc
}

// Start sends a command that waits for somebody.
func Start[Req, Resp any](c *Client, cmd xfs4iot.Command[Req, Resp], req *Req) *Call[Resp] {
	ctx, stop := context.WithCancel(c.t.Context())
	call := &Call[Resp]{Events: make(chan *xfs4iot.Message, 1000), done: make(chan struct{}), stop: stop}
	go func() {
		defer close(call.done)
		call.resp, call.err = client.Do(ctx, c.Conn, cmd, req, client.OnEvent(func(m *xfs4iot.Message) { call.Events <- m }))
	}()
	return call
}

// Cancel cancels the command.
func (c *Call[Resp]) Cancel() { c.stop() }

// End waits for the command's end.
func (c *Call[Resp]) End() (*Resp, error) {
	<-c.done
	c.stop()
	return c.resp, c.err
}

// Await waits for the command's next event of a name and decodes it into e.
func (c *Call[Resp]) Await(t testing.TB, e xfs4iot.Event) {
	t.Helper()
	over := time.After(patience)
	for {
		select {
		case m := <-c.Events:
			if m.Header.Name != e.EventName() {
				continue
			}
			if err := m.Into(e); err != nil {
				t.Fatal(err)
			}
			return
		case <-over:
			t.Fatalf("no %s came", e.EventName())
		}
	}
}

// Code is how a command ended in one word: success, an errorCode or a completion
// code.
func Code(err error) string {
	var e *xfs4iot.Error
	switch {
	case err == nil:
		return "success"
	case !errors.As(err, &e):
		return err.Error()
	case e.ErrorCode != "":
		return e.ErrorCode
	}
	return string(e.Code)
}

// ServesAll fails the test for each command of the interfaces that the service
// does not offer, and for each unsolicited event that it does not declare.
func ServesAll(t testing.TB, c *Client, interfaces ...xfs4iot.Interface) {
	t.Helper()
	caps, _ := Must(c, common.Capabilities, &common.CapabilitiesCommand{})
	offered := map[string]bool{}
	for _, i := range caps.Interfaces {
		for name := range i.Commands {
			offered[name] = true
		}
		for name := range i.Events {
			offered[name] = true
		}
	}
	for _, i := range interfaces {
		for _, cmd := range i.Commands {
			missing(t, offered, cmd.Name)
		}
		for _, e := range i.Events {
			missing(t, offered, e.Name)
		}
	}
}

func missing(t testing.TB, offered map[string]bool, name string) {
	t.Helper()
	if !offered[name] {
		t.Errorf("%s is not offered", name)
	}
}

// Conforms runs the conformance suite in both generations. long is a command that
// runs until it is cancelled; payload is its payload as JSON, if it needs one. A
// device without such a command gives none, and the rules that need one do not run.
func Conforms(t *testing.T, c *Client, long xfs4iot.CommandInfo, payload ...string) {
	t.Helper()
	target := conform.Target{URL: c.URL()}
	if long.Name != "" {
		target.Long = &xfs4iot.Message{Header: xfs4iot.Header{Name: long.Name, Version: long.Version}, Payload: jsontext.Value(strings.Join(payload, ""))}
	}
	for _, g := range []xfs4iot.Generation{xfs4iot.Gen2021, xfs4iot.Gen2023} {
		target.Generation = g
		for _, r := range conform.Run(t.Context(), target) {
			if r.Err != nil {
				t.Errorf("%s: %s", g, r)
			}
		}
	}
}
