package seal

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/journal/proof"
)

// maxConns bounds the signatures that are under way at once: more than the signer
// has cores is worth nothing.
const maxConns = 8

// Remote is a signer in another process. It connects when it is first asked and
// again after the connection broke; while the other side is down Sign fails at
// once, which the journal takes as "signer down".
//
// Who asks writes the request and reads the answer itself, on a connection that is
// its own meanwhile.
type Remote struct {
	path    string
	keyHash uint32
	origin  string
	slots   chan struct{} // holds one for each connection in use

	mu     sync.Mutex
	free   []*connection
	closed bool
}

// errRefused is what the signer says, over a connection that is in order.
var errRefused = errors.New("the signer refuses")

// Dial reaches the signer on a Unix socket and learns its key hash.
func Dial(path string) (*Remote, error) {
	r := &Remote{path: path, slots: make(chan struct{}, maxConns)}
	answer, err := r.ask(context.Background(), func(dst []byte) []byte { return append(dst, askDescribe) })
	if err != nil {
		return nil, fmt.Errorf("dial signer %s: %w", path, err)
	}
	if len(answer) < 4 {
		return nil, fmt.Errorf("dial signer %s: %w", path, errFrame)
	}
	r.keyHash, r.origin = binary.BigEndian.Uint32(answer), string(answer[4:])
	return r, nil
}

// Origin is the origin the signer signs for.
func (r *Remote) Origin() string { return r.origin }

// KeyHash is the signed-note hash of the signer's key.
func (r *Remote) KeyHash() uint32 { return r.keyHash }

// Sign asks the other process. When ctx ends first, the signature may still be made; asking again gives the same one.
func (r *Remote) Sign(ctx context.Context, c proof.Checkpoint) ([]byte, error) {
	sig, err := r.ask(ctx, func(dst []byte) []byte { return appendSign(dst, c) })
	if err != nil {
		return nil, fmt.Errorf("sign size %d: %w", c.Size, err)
	}
	return sig, nil
}

// ask sends one request. A connection that was left over may be one to a signer
// that has ended meanwhile: then a new one is tried, since asking twice does no harm.
func (r *Remote) ask(ctx context.Context, put func([]byte) []byte) ([]byte, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		c, err := r.take(ctx)
		if err != nil {
			return nil, err
		}
		used := c.used
		answer, err := c.ask(ctx, put)
		if err == nil || errors.Is(err, errRefused) {
			r.give(c)
			return answer, err
		}
		c.Close()
		if !used || ctx.Err() != nil {
			return nil, errors.Join(ctx.Err(), err)
		}
	}
}

// take is a free connection, or a new one.
func (r *Remote) take(ctx context.Context) (*connection, error) {
	r.mu.Lock()
	if n := len(r.free); n > 0 {
		c := r.free[n-1]
		r.free = r.free[:n-1]
		r.mu.Unlock()
		return c, nil
	}
	closed := r.closed
	r.mu.Unlock()
	if closed {
		return nil, net.ErrClosed
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", r.path)
	if err != nil {
		return nil, fmt.Errorf("dial signer: %w", err)
	}
	return &connection{Conn: conn, in: bufio.NewReader(conn)}, nil
}

func (r *Remote) give(c *connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		c.Close()
		return
	}
	c.used = true
	r.free = append(r.free, c)
}

// Close ends the connections.
func (r *Remote) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	var errs []error
	for _, c := range r.free {
		errs = append(errs, c.Close())
	}
	r.free = nil
	return errors.Join(errs...)
}

// connection is in one goroutine's hands at a time.
type connection struct {
	net.Conn
	in   *bufio.Reader
	out  []byte
	used bool // it has answered before
}

func (c *connection) ask(ctx context.Context, put func([]byte) []byte) ([]byte, error) {
	past := time.Unix(1, 0)
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(past) }) // the reader then finds out
	defer stop()
	c.out = appendFrame(c.out[:0], put)
	if _, err := c.Write(c.out); err != nil {
		return nil, err
	}
	answer, err := readFrame(c.in, nil)
	if err != nil {
		return nil, err
	}
	if !stop() {
		return nil, ctx.Err() // the deadline may have come: the connection is of no use any more
	}
	switch answer[0] {
	case answered:
		return answer[1:], nil
	case refused:
		return nil, fmt.Errorf("%w: %q", errRefused, answer[1:])
	}
	return nil, errFrame
}
