package virtualcard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
)

// Messages of vpcd that have one byte; every other message is an APDU. Each message
// stands behind its length in two bytes, high byte first.
const (
	powerOff = 0
	powerOn  = 1
	reset    = 2
	askATR   = 4
)

// Inserted is a card in a virtual reader. Its methods may be called concurrently.
type Inserted struct {
	conn  net.Conn
	card  Card
	pull  atomic.Int64 // APDUs until the card is pulled; 0: not
	ended chan struct{}
}

// VPCDPort is where Debian's vpcd waits for the card of its first reader; that of
// the second is one more.
const VPCDPort = 35963

// Insert puts a card into the reader that waits at addr. ctx bounds the connecting.
// The reader notices within about half a second.
func Insert(ctx context.Context, addr string, card Card) (*Inserted, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("insert card: %w", err)
	}
	return InsertOver(conn, card), nil
}

// InsertOver is Insert over a connection that exists.
func InsertOver(conn net.Conn, card Card) *Inserted {
	in := &Inserted{conn: conn, card: card, ended: make(chan struct{})}
	go in.run()
	return in
}

// Pull takes the card out and returns when nothing more of it will happen. An
// exchange that runs stays without answer.
func (in *Inserted) Pull() error {
	err := in.conn.Close()
	<-in.ended
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// PullDuring pulls the card in the middle of the n-th APDU from now: the card has
// done it, its answer gets lost. n is 1 or more.
func (in *Inserted) PullDuring(n int) { in.pull.Store(int64(n)) }

// Done is closed when the card is out.
func (in *Inserted) Done() <-chan struct{} { return in.ended }

func (in *Inserted) run() {
	defer close(in.ended)
	defer in.conn.Close()
	for {
		message, err := in.read()
		if err == nil {
			err = in.answer(message)
		}
		if err != nil {
			return
		}
	}
}

// read takes one message. vpcd writes length and bytes apart, which costs 40 ms
// unless the first is acknowledged at once.
func (in *Inserted) read() ([]byte, error) {
	var length [2]byte
	acknowledgeAtOnce(in.conn)
	if _, err := io.ReadFull(in.conn, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	acknowledgeAtOnce(in.conn)
	_, err := io.ReadFull(in.conn, message)
	return message, err
}

var errPulled = errors.New("pulled during an exchange")

func (in *Inserted) answer(message []byte) error {
	if len(message) == 1 {
		return in.control(message[0])
	}
	answer := in.card.Exchange(message)
	if in.pull.Load() > 0 && in.pull.Add(-1) == 0 {
		return errPulled
	}
	return in.write(answer)
}

func (in *Inserted) control(code byte) error {
	switch code {
	case powerOn, reset:
		in.card.Reset()
	case askATR:
		return in.write(in.card.ATR())
	}
	return nil
}

// write sends what fits the protocol: an answer of 65535 bytes at most.
func (in *Inserted) write(answer []byte) error {
	if len(answer) > 1<<16-1 {
		answer = binary.BigEndian.AppendUint16(nil, uint16(WrongLength))
	}
	out := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(answer)), uint16(len(answer)))
	_, err := in.conn.Write(append(out, answer...))
	return err
}
