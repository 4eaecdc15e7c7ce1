// Package line wraps the network connection under a WebSocket so that several
// messages go out in one write, and no write waits longer than a time.
//
// A Conn writes through until Hold; what is written from then on is kept and goes
// out as one write with Release. Under TLS that is one record where each message
// would be one of its own.
package line

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Conn is a network connection that can hold back what is written. Its methods may
// be called concurrently.
type Conn struct {
	net.Conn
	patience time.Duration // for one write; 0: no bound

	mu   sync.Mutex // guards what follows, and writing
	held *[]byte    // nil while it writes through
}

// New wraps a connection; patience bounds each write, after which the connection
// cannot be used any more.
func New(c net.Conn, patience time.Duration) *Conn { return &Conn{Conn: c, patience: patience} }

// buffers are shared by all connections, so that an idle one has none.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// largest is what a pooled buffer may have grown to; held data beyond it goes out
// before Release.
const largest = 64 << 10

// Hold begins to keep what is written.
func (c *Conn) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		c.held = buffers.Get().(*[]byte)
	}
}

// Release writes what was kept.
func (c *Conn) Release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		return nil
	}
	err := c.flush()
	buffers.Put(c.held)
	c.held = nil
	return err
}

// Write keeps or writes data.
func (c *Conn) Write(data []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		return c.write(data)
	}
	if len(*c.held)+len(data) > largest {
		if err := c.flush(); err != nil {
			return 0, err
		}
		if len(data) > largest {
			return c.write(data)
		}
	}
	*c.held = append(*c.held, data...)
	return len(data), nil
}

func (c *Conn) flush() error {
	data := *c.held
	*c.held = data[:0]
	if len(data) == 0 {
		return nil
	}
	_, err := c.write(data)
	return err
}

func (c *Conn) write(data []byte) (int, error) {
	if c.patience > 0 {
		if err := c.SetWriteDeadline(time.Now().Add(c.patience)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(data)
}

// Response gives the writer of a WebSocket handshake whose connection, once taken
// over, is a Conn.
type Response struct {
	http.ResponseWriter
	Patience time.Duration
	Conn     *Conn // set by Hijack
}

// Sizes of the buffers that every connection keeps: room for the headers of frames
// and small messages. What is longer passes them by.
const (
	readSize  = 1 << 10
	writeSize = 512
)

// Hijack takes the connection over.
func (r *Response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("take over connection: %w", err)
	}
	r.Conn = New(raw, r.Patience)
	early, err := rw.Reader.Peek(rw.Reader.Buffered()) // what came behind the handshake
	if err != nil {
		return nil, nil, fmt.Errorf("take over connection: %w", err)
	}
	in := io.MultiReader(bytes.NewReader(bytes.Clone(early)), r.Conn)
	small := bufio.NewReaderSize(in, max(readSize, len(early)))
	if _, err := small.Peek(len(early)); err != nil {
		return nil, nil, fmt.Errorf("take over connection: %w", err)
	}
	return r.Conn, bufio.NewReadWriter(small, bufio.NewWriterSize(r.Conn, writeSize)), nil
}
