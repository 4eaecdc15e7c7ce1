package pcsc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Card is a connection to the card in a reader. Its methods may be called
// concurrently and follow one another in any order, so exchanges that belong
// together stand between Begin and End.
type Card struct {
	c      *Context
	reader string
	handle int32
	events uint32 // of the reader, when the card was connected

	mu     sync.Mutex // guards what follows
	active Protocol
	gone   bool // disconnected: pcscd punishes unknown handles
}

// Connect powers the card in a reader and chooses one of the protocols; with Direct
// a card need not be there.
func (c *Context) Connect(ctx context.Context, reader string, share Share, protocols Protocol) (*Card, error) {
	m := connectMessage{Context: c.handle, Share: uint32(share), Protocol: uint32(protocols)}
	if len(reader) >= maxName {
		return nil, fmt.Errorf("connect to card: %w", UnknownReader)
	}
	copy(m.Reader[:], reader)
	if err := c.call(ctx, cmdConnect, &m); err != nil {
		return nil, fmt.Errorf("connect to card in %q: %w", reader, err)
	}
	card := &Card{c: c, reader: reader, handle: m.Card, active: Protocol(m.Active)}
	r, err := card.Status(ctx)
	card.events = r.Events
	return card, err
}

// Protocol is the one in use; 0 without a card.
func (k *Card) Protocol() Protocol {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.active
}

// call is Context.call for as long as the card is connected.
func (k *Card) call(ctx context.Context, command uint32, m message) error {
	return k.do(ctx, func() error { return k.c.roundTrip(command, m, nil) })
}

func (k *Card) do(ctx context.Context, f func() error) error {
	k.mu.Lock()
	gone := k.gone
	k.mu.Unlock()
	if gone {
		return InvalidHandle
	}
	return k.c.do(ctx, f)
}

// Status reads the state of the reader that the card was connected in.
func (k *Card) Status(ctx context.Context) (Reader, error) {
	list, err := k.c.Readers(ctx)
	if err != nil {
		return Reader{}, err
	}
	r, ok := Find(list, k.reader)
	if !ok {
		return Reader{}, fmt.Errorf("%q: %w", k.reader, ReaderGone)
	}
	return r, nil
}

// Reconnect resets the card (Reset is warm, Unpower cold, Leave none) and connects
// to it anew.
func (k *Card) Reconnect(ctx context.Context, share Share, protocols Protocol, first Disposition) error {
	m := reconnectMessage{Card: k.handle, Share: uint32(share), Protocol: uint32(protocols), Action: uint32(first)}
	if err := k.call(ctx, cmdReconnect, &m); err != nil {
		return k.lost(ctx, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.active = Protocol(m.Active)
	return nil
}

// ErrNoAnswer says that a reader reported success without a status word: so do some
// when a card is pulled.
var ErrNoAnswer = errors.New("no answer")

// Transmit exchanges one APDU. A nil error means at least two bytes of answer, the
// last two of which are the status word; what it says is the caller's to judge.
func (k *Card) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	if len(apdu) == 0 || len(apdu) > MaxAnswer {
		return nil, fmt.Errorf("exchange with card: %w: an APDU of %d bytes", InvalidParameter, len(apdu))
	}
	answer, err := k.exchange(ctx, apdu)
	if err == nil && len(answer) < 2 {
		err = ErrNoAnswer
	}
	if err != nil {
		return nil, k.lost(ctx, err)
	}
	return answer, nil
}

func (k *Card) exchange(ctx context.Context, apdu []byte) (answer []byte, err error) {
	protocol := uint32(k.Protocol())
	m := transmitMessage{Card: k.handle, SendProtocol: protocol, SendPCI: 16,
		SendLength: uint32(len(apdu)), ReceiveProtocol: protocol, RecvPCI: 16, ReceiveLength: MaxAnswer}
	err = k.do(ctx, func() error {
		if err := k.c.roundTrip(cmdTransmit, &m, apdu); err != nil {
			return err
		}
		answer, err = k.tail(m.ReceiveLength)
		return err
	})
	return answer, err
}

// tail reads the bytes behind an answer.
func (k *Card) tail(n uint32) ([]byte, error) {
	if n > MaxAnswer {
		return nil, fmt.Errorf("pcscd announces %d bytes", n)
	}
	return k.c.receiveBytes(int(n))
}

// lost makes an ExchangeError: the reader's state is read before anything is said
// about the card.
func (k *Card) lost(ctx context.Context, cause error) error {
	e := &ExchangeError{Err: cause, Gone: errors.Is(cause, ErrNoAnswer)}
	r, err := k.Status(context.WithoutCancel(ctx))
	if err != nil {
		e.Gone = e.Gone || errors.Is(err, ReaderGone)
		return e
	}
	e.Reader = r
	e.Gone = e.Gone || !r.Present() || r.Events != k.events ||
		errors.Is(cause, Removed) || errors.Is(cause, NoCard) || errors.Is(cause, ReaderGone)
	return e
}

// Control sends a command to the reader itself; codes and data are its maker's.
func (k *Card) Control(ctx context.Context, code uint32, data []byte) (answer []byte, err error) {
	if len(data) > MaxAnswer {
		return nil, fmt.Errorf("control reader: %w: %d bytes", InvalidParameter, len(data))
	}
	m := controlMessage{Card: k.handle, Control: code, SendLength: uint32(len(data)), Capacity: MaxAnswer}
	err = k.do(ctx, func() error {
		if err := k.c.roundTrip(cmdControl, &m, data); err != nil {
			return err
		}
		answer, err = k.tail(m.Returned)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("control reader: %w", err)
	}
	return answer, nil
}

// Attributes of readers and cards (PC/SC part 3, 3.1.1).
const (
	AttributeVendor uint32 = 0x00010100 // the reader's maker
	AttributeModel  uint32 = 0x00010101
	AttributeSerial uint32 = 0x00010103
	AttributeATR    uint32 = 0x00090303
)

// Attribute reads one attribute; Unsupported where the reader has none.
func (k *Card) Attribute(ctx context.Context, id uint32) ([]byte, error) {
	m := attributeMessage{Card: k.handle, ID: id, Length: maxAttribute}
	if err := k.call(ctx, cmdAttribute, &m); err != nil {
		return nil, fmt.Errorf("read attribute 0x%08X: %w", id, err)
	}
	if m.Length > maxAttribute {
		return nil, fmt.Errorf("read attribute 0x%08X: pcscd announces %d bytes", id, m.Length)
	}
	return bytes.Clone(m.Value[:m.Length]), nil
}

// Check asks the daemon whether the connection to the card still holds: Removed or
// WasReset tell what happened since the last exchange.
func (k *Card) Check(ctx context.Context) error {
	if err := k.call(ctx, cmdStatus, &cardMessage{Card: k.handle}); err != nil {
		return fmt.Errorf("check card: %w", err)
	}
	return nil
}

// Begin locks the card for this connection until End; it waits for others.
func (k *Card) Begin(ctx context.Context) error {
	for {
		err := k.call(ctx, cmdBegin, &cardMessage{Card: k.handle})
		if err == SharingViolation && ctx.Err() == nil { // pcscd lets its clients ask again
			if err := pause(ctx); err != nil {
				return fmt.Errorf("begin transaction: %w", err)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("begin transaction: %w", err)
		}
		return nil
	}
}

// End gives the card free for others.
func (k *Card) End(ctx context.Context, d Disposition) error {
	if err := k.call(ctx, cmdEnd, &actionMessage{Card: k.handle, Action: uint32(d)}); err != nil {
		return fmt.Errorf("end transaction: %w", err)
	}
	return nil
}

// Disconnect ends the connection to the card; d says what becomes of it.
func (k *Card) Disconnect(ctx context.Context, d Disposition) error {
	if err := k.call(ctx, cmdDisconnect, &actionMessage{Card: k.handle, Action: uint32(d)}); err != nil {
		return fmt.Errorf("disconnect card: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gone = true
	return nil
}

// pause waits as long as pcsc-lite's own library does before it asks again.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(100 * time.Millisecond):
		return nil
	}
}
