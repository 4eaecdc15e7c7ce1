package emulator

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/driver/escpos"
)

// conn is one connection with its buffer.
type conn struct {
	printer *Emulator
	rwc     io.ReadWriteCloser
	closed  chan struct{}
	once    sync.Once
	out     chan []byte // answers on their way; a client that does not read is cut off
	mask    byte        // of AutoStatus; guarded by Emulator.mu

	mu     sync.Mutex // guards what follows; taken after Emulator.mu
	buffer []escpos.Command
	size   int           // bytes in buffer
	drops  int           // how often buffer was thrown away
	moved  chan struct{} // closed when buffer grows or shrinks
}

// bufferSize is how many bytes wait for being printed before no more are read.
const bufferSize = 64 << 10

// maxCommand bounds the bytes of one command: a picture of the largest size.
const maxCommand = 8 << 20

func newConn(e *Emulator, rwc io.ReadWriteCloser) *conn {
	return &conn{printer: e, rwc: rwc, closed: make(chan struct{}), out: make(chan []byte, 256), moved: make(chan struct{})}
}

func (c *conn) run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(c.read)
	running.Go(c.write)
	running.Go(c.work)
	select {
	case <-ctx.Done():
	case <-c.closed:
	}
	c.close()
	running.Wait()
}

func (c *conn) close() {
	c.once.Do(func() {
		close(c.closed)
		c.rwc.Close() // the other side is gone or is to be gone
	})
}

// reply never waits.
func (c *conn) reply(a escpos.Answer) {
	select {
	case c.out <- a.AppendTo(nil):
	default:
		go c.close()
	}
}

func (c *conn) write() {
	for {
		select {
		case <-c.closed:
			return
		case answer := <-c.out:
			if _, err := c.rwc.Write(answer); err != nil {
				c.close()
				return
			}
		}
	}
}

func (c *conn) read() {
	defer c.finish()
	var pending []byte
	buf := make([]byte, 4096)
	for {
		n, err := c.rwc.Read(buf)
		if err != nil {
			return
		}
		pending = append(pending, buf[:n]...)
		pending = pending[c.receive(pending):]
		if len(pending) > maxCommand {
			return
		}
	}
}

// finish lets what was received be printed before the connection counts as closed:
// a printer prints what it has when its client hangs up.
func (c *conn) finish() {
	for {
		n, moved := c.waiting()
		if n == 0 {
			c.close()
			return
		}
		select {
		case <-moved:
		case <-c.closed:
			return
		}
	}
}

// receive takes all complete commands out of data and returns their length.
func (c *conn) receive(data []byte) (used int) {
	for {
		cmd, n, err := escpos.Decode(data[used:])
		if err != nil {
			return used
		}
		used += n
		if !c.printer.realtime(c, cmd) && !c.push(cmd, n) {
			return used
		}
	}
}

// push waits for room in the buffer; false when the connection ended meanwhile.
func (c *conn) push(cmd escpos.Command, n int) bool {
	for {
		size, moved := c.waiting()
		if size == 0 || size+n <= bufferSize {
			break
		}
		select {
		case <-moved:
		case <-c.closed:
			return false
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buffer = append(c.buffer, cmd)
	c.size += n
	c.tell()
	return true
}

func (c *conn) waiting() (size int, moved <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size, c.moved
}

// tell is called with mu held.
func (c *conn) tell() {
	close(c.moved)
	c.moved = make(chan struct{})
}

// drop throws the buffer away.
func (c *conn) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buffer, c.size = nil, 0
	c.drops++
	c.tell()
}

// work prints the buffer, command by command, while the printer can.
func (c *conn) work() {
	for {
		ok, speed, changed := c.printer.ready()
		cmd, drops, moved := c.first()
		if ok && cmd != nil {
			c.pause(size(cmd), speed)
			c.printer.execute(c, drops)
			continue
		}
		select {
		case <-changed:
		case <-moved:
		case <-c.closed:
			return
		}
	}
}

// first looks at the command that comes next, nil if there is none.
func (c *conn) first() (cmd escpos.Command, drops int, moved <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.buffer) > 0 {
		cmd = c.buffer[0]
	}
	return cmd, c.drops, c.moved
}

// pop takes the first command, unless the buffer was thrown away since first.
func (c *conn) pop(drops int) (escpos.Command, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drops != drops || len(c.buffer) == 0 {
		return nil, false
	}
	cmd := c.buffer[0]
	c.buffer = c.buffer[1:]
	c.size -= size(cmd)
	c.tell()
	return cmd, true
}

func (c *conn) pause(bytes, speed int) {
	if speed == 0 {
		return
	}
	timer := time.NewTimer(time.Duration(bytes) * time.Second / time.Duration(speed))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.closed:
	}
}
