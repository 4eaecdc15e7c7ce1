// Package pcsc talks to smart cards through pcscd, the PC/SC daemon of Linux, on
// the daemon's own socket and without cgo.
//
// Parties: the program (this package), the daemon (pcsc-lite's pcscd), its reader
// drivers, and the card. The program opens one connection to the daemon for each
// [Context]; on it requests and answers follow one another, so a context that
// waits for a card cannot exchange with another one at the same time: dial two.
//
//	ctx := context.Background()
//	c, err := pcsc.Dial(ctx, pcsc.DefaultSocket)
//	readers, err := c.Readers(ctx)
//	card, err := c.Connect(ctx, readers[0].Name, pcsc.Shared, pcsc.T0|pcsc.T1)
//	answer, err := card.Transmit(ctx, []byte{0x00, 0x84, 0x00, 0x00, 0x08})
//
// # Protocol versions
//
// The message layout is that of pcsc-lite's protocol 4.4 (1.8.24 to 2.2, among them
// Debian 12's 1.9.9, with which it is tested). Where the daemon is newer (4.5, from
// 2.3 on) its number is taken over, as its layout of our messages is the same; that
// is tested against a scripted daemon only. From 2.5 on (4.6) the daemon itself
// falls back to 4.4. Any other version is refused with a [VersionError].
//
// Numbers are in the byte order of the machine, as both ends run on it.
//
// # A card that is pulled
//
// Readers differ in how they report it, and some report success without an answer
// while the daemon still believes the card to be there. Transmit therefore takes
// every answer shorter than a status word for a removed card, asks for the reader's
// state after every error, and returns an [ExchangeError]. Whether the card did what
// it was told is then unknown: nothing is ever sent twice here.
//
// # What it does not do
//
// It starts no daemon, keeps no connection alive, logs nothing, and knows nothing
// of what APDUs mean. Answers longer than pcsc-lite's own buffers are refused, and
// no answer of a daemon makes it panic.
package pcsc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// DefaultSocket is where Debian's pcscd listens.
const DefaultSocket = "/run/pcscd/pcscd.comm"

// Context is a connection to the daemon. Its methods, and those of its cards, may
// be called concurrently and wait for one another. When the ctx of a call ends
// while the daemon works, the connection is closed, since the answer that is still
// to come could not be told from the next one; every later call fails then. Only
// Await takes its end without harm.
type Context struct {
	mu     sync.Mutex // one request at a time; guards what follows
	conn   net.Conn
	broken error // why the connection cannot be used any more
	handle uint32
}

// Dial connects to the daemon's socket, agrees on a version and establishes a
// context of system scope. ctx bounds these steps only.
func Dial(ctx context.Context, socket string) (*Context, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("connect to pcscd: %w", err)
	}
	return New(ctx, conn)
}

// New does as Dial over a connection that exists; it closes it when it fails.
func New(ctx context.Context, conn net.Conn) (*Context, error) {
	c := &Context{conn: conn}
	if err := c.handshake(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	answer := establishMessage{Scope: scopeSystem}
	if err := c.call(ctx, cmdEstablish, &answer); err != nil {
		return nil, errors.Join(fmt.Errorf("establish context: %w", err), conn.Close())
	}
	c.handle = answer.Context
	return c, nil
}

// VersionError is a daemon whose protocol is not known here.
type VersionError struct{ Major, Minor int32 }

// Error names the daemon's version.
func (e *VersionError) Error() string {
	return fmt.Sprintf("pcscd speaks protocol %d.%d, known are %d.%d to %d.%d",
		e.Major, e.Minor, protocolMajor, protocolMinor, protocolMajor, protocolMinorMax)
}

// handshake offers 4.4; a daemon that wants another minor is offered its own.
func (c *Context) handshake(ctx context.Context) error {
	answer := versionMessage{Major: protocolMajor, Minor: protocolMinor}
	err := c.call(ctx, cmdVersion, &answer)
	if answer.Major != protocolMajor || answer.Minor < protocolMinor || answer.Minor > protocolMinorMax {
		if isRefusal(err) || err == nil {
			return &VersionError{answer.Major, answer.Minor}
		}
	}
	if err == ServiceStopped {
		answer.Result = 0
		err = c.call(ctx, cmdVersion, &answer)
	}
	if err != nil {
		return fmt.Errorf("agree on a version with pcscd: %w", err)
	}
	return nil
}

func isRefusal(err error) bool {
	var code Code
	return errors.As(err, &code)
}

// Close gives the context back and closes the connection; cards connected in it
// are let go by the daemon.
func (c *Context) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return nil
	}
	c.broken = net.ErrClosed
	return c.conn.Close()
}

// Readers lists the readers with their present state, in the daemon's order.
func (c *Context) Readers(ctx context.Context) ([]Reader, error) {
	var list []Reader
	err := c.do(ctx, func() (err error) {
		if err = c.send(cmdReadersState, nil); err == nil {
			list, err = c.receiveReaders()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list readers: %w", err)
	}
	return list, nil
}

// Await returns the readers as soon as their state differs from known, which is what
// Readers or Await gave last. When ctx ends it returns its cause, and the context
// can be used on.
func (c *Context) Await(ctx context.Context, known []Reader) ([]Reader, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		list, err := c.registerAndRead()
		if err != nil {
			return nil, fmt.Errorf("watch readers: %w", err)
		}
		if !equal(list, known) {
			return list, c.deregister()
		}
		if err := c.awaitEvent(ctx); err != nil {
			return nil, fmt.Errorf("watch readers: %w", err)
		}
	}
}

// registerAndRead asks to be told of the next change; the daemon answers with the
// present state.
func (c *Context) registerAndRead() (list []Reader, err error) {
	err = c.doLocked(context.Background(), func() (err error) {
		if err = c.send(cmdWaitChange, nil); err == nil {
			list, err = c.receiveReaders()
		}
		return err
	})
	return list, err
}

// awaitEvent waits for the change, or takes the registration back when ctx ends. The
// daemon sends one answer, for whichever of the two came first.
func (c *Context) awaitEvent(ctx context.Context) error {
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		_ = c.conn.SetReadDeadline(time.Now().Add(answerTime)) // what fails here fails in receive
		_ = c.write(encode(cmdStopWaiting, nil))
	})
	var answer waitMessage
	err := c.doLocked(context.Background(), func() error { return c.receive(&answer) })
	if stop() {
		return errors.Join(err, answer.Result.err())
	}
	<-told
	if err == nil {
		err = c.conn.SetReadDeadline(time.Time{})
	}
	return errors.Join(err, context.Cause(ctx))
}

// answerTime is how long the daemon may take to an order that it answers at once.
const answerTime = 5 * time.Second

// deregister takes the registration back after a state that was news at once. The
// daemon answers exactly one message: that of a change which came first, or that
// of the order to stop.
func (c *Context) deregister() error {
	var answer waitMessage
	return c.doLocked(context.Background(), func() error {
		if err := c.send(cmdStopWaiting, nil); err != nil {
			return err
		}
		return c.receive(&answer)
	})
}

// ErrBroken says that a call was interrupted and its connection given up.
var ErrBroken = errors.New("connection to pcscd given up")

// do runs one request with its answer. f's errors of the connection end it.
func (c *Context) do(ctx context.Context, f func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.doLocked(ctx, f)
}

func (c *Context) doLocked(ctx context.Context, f func() error) error {
	if c.broken != nil {
		return fmt.Errorf("%w: %w", ErrBroken, c.broken)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	err := f()
	if !stop() {
		err = context.Cause(ctx)
		c.broken = err
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if err != nil && !isRefusal(err) {
		c.broken = err
		_ = c.conn.Close()
	}
	return err
}

// call sends a message and reads the answer, of the same layout, into it.
func (c *Context) call(ctx context.Context, command uint32, m message) error {
	return c.do(ctx, func() error { return c.roundTrip(command, m, nil) })
}

// roundTrip is call within do; tail follows the message.
func (c *Context) roundTrip(command uint32, m message, tail []byte) error {
	if err := c.send(command, m, tail...); err != nil {
		return err
	}
	if err := c.receive(m); err != nil {
		return err
	}
	return m.result().err()
}

func (c *Context) send(command uint32, m message, tail ...byte) error {
	return c.write(append(encode(command, m), tail...))
}

func (c *Context) write(data []byte) error {
	_, err := c.conn.Write(data)
	return err
}

func (c *Context) receive(m message) error {
	data, err := c.receiveBytes(binary.Size(m))
	if err != nil {
		return err
	}
	_, err = binary.Decode(data, binary.NativeEndian, m)
	return err
}

func (c *Context) receiveBytes(n int) ([]byte, error) {
	data := make([]byte, n)
	if _, err := io.ReadFull(c.conn, data); err != nil {
		return nil, err
	}
	return data, nil
}

func (c *Context) receiveReaders() ([]Reader, error) {
	data, err := c.receiveBytes(maxReaders * readerSize)
	if err != nil {
		return nil, err
	}
	return decodeReaders(data)
}
