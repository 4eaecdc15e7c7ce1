package client

import (
	"context"
	"fmt"

	"github.com/coder/websocket"
)

// Raw is a connection to a service on which messages are bytes: nothing is numbered,
// checked or followed. It is for tools that must see or send what a Conn would not:
// conformance suites, replays, hostile tests.
type Raw struct{ ws *websocket.Conn }

// DialRaw connects as Dial does; of the options it uses those that concern the
// connection itself.
func DialRaw(ctx context.Context, url string, o Options) (*Raw, error) {
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
	return &Raw{ws}, nil
}

// Send writes one text message, whatever it holds. When ctx ends meanwhile the
// connection is closed.
func (r *Raw) Send(ctx context.Context, data []byte) error {
	return r.ws.Write(ctx, websocket.MessageText, data)
}

// Receive gives the next message. When ctx ends meanwhile the connection is closed.
func (r *Raw) Receive(ctx context.Context) ([]byte, error) {
	_, data, err := r.ws.Read(ctx)
	return data, err
}

// CloseCode reads from an error of Receive with which code of RFC 6455 the other side
// closed the connection; -1 when it did not say.
func CloseCode(err error) int { return int(websocket.CloseStatus(err)) }

// Close cuts the connection without a word.
func (r *Raw) Close() error { return r.ws.CloseNow() }
