package pcsc_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/driver/pcsc"
)

// daemon is a scripted pcscd at the other end of a pipe.
type daemon struct {
	net.Conn
	minor   int32 // its protocol
	lenient bool  // takes older clients
	present bool
	answer  func(apdu []byte) (code pcsc.Code, answer []byte)
	offered []int32 // minors that clients offered
}

func newContext(t *testing.T, d *daemon) (*pcsc.Context, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	d.Conn = theirs
	served := make(chan struct{})
	go func() {
		defer close(served)
		d.serve()
	}()
	c, err := pcsc.New(t.Context(), ours)
	t.Cleanup(func() {
		_ = ours.Close()
		<-served
	})
	return c, err
}

func (d *daemon) serve() {
	defer d.Close()
	for {
		var header struct{ Size, Command uint32 }
		if binary.Read(d, binary.NativeEndian, &header) != nil {
			return
		}
		body := make([]byte, header.Size)
		if _, err := io.ReadFull(d, body); err != nil {
			return
		}
		if _, err := d.Write(d.reply(header.Command, body)); err != nil {
			return
		}
	}
}

func (d *daemon) reply(command uint32, body []byte) []byte {
	put := func(offset int, v uint32) { binary.NativeEndian.PutUint32(body[offset:], v) }
	switch command {
	case 0x11: // version
		minor := int32(binary.NativeEndian.Uint32(body[4:]))
		d.offered = append(d.offered, minor)
		if minor != d.minor && !(d.lenient && minor < d.minor) {
			put(8, uint32(pcsc.ServiceStopped))
		} else {
			put(8, 0)
		}
		put(4, uint32(d.minor))
	case 0x12:
		return d.table()
	case 0x04:
		put(4+128+8, 7)  // card
		put(4+128+12, 2) // T=1
	case 0x09:
		return d.transmit(body)
	}
	return body
}

func (d *daemon) table() []byte {
	out := make([]byte, 16*184)
	copy(out, "Scripted Reader\x00")
	state := uint32(pcsc.StateAbsent)
	if d.present {
		state = uint32(pcsc.StatePresent | pcsc.StatePowered | pcsc.StateSpecific)
	}
	binary.NativeEndian.PutUint32(out[132:], state)
	return out
}

func (d *daemon) transmit(body []byte) []byte {
	apdu := make([]byte, binary.NativeEndian.Uint32(body[12:]))
	if _, err := io.ReadFull(d, apdu); err != nil {
		return nil
	}
	code, answer := d.answer(apdu)
	binary.NativeEndian.PutUint32(body[24:], uint32(len(answer)))
	binary.NativeEndian.PutUint32(body[28:], uint32(code))
	if code == 0 {
		body = append(body, answer...)
	}
	return body
}

func TestTheVersionOfTheDaemonIsTakenOverWhereItIsKnown(t *testing.T) {
	for name, row := range map[string]struct {
		d       daemon
		offered int
		refused bool
	}{
		"4.4, Debian 12":              {daemon{minor: 4}, 1, false},
		"4.5 strict, pcsc-lite 2.3":   {daemon{minor: 5}, 2, false},
		"4.6 with backward, from 2.5": {daemon{minor: 6, lenient: true}, 1, false},
		"4.3, older":                  {daemon{minor: 3}, 1, true},
		"4.7, unknown":                {daemon{minor: 7}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newContext(t, &row.d)
			var version *pcsc.VersionError
			if errors.As(err, &version) != row.refused || (err != nil) != row.refused {
				t.Errorf("New = %v", err)
			}
			if len(row.d.offered) != row.offered || row.d.offered[0] != 4 {
				t.Errorf("offered %v", row.d.offered)
			}
		})
	}
}

func TestEveryWayInWhichReadersReportAPulledCardIsUnderstood(t *testing.T) {
	for name, row := range map[string]struct {
		code    pcsc.Code
		answer  []byte
		present bool // what the reader says afterwards
		gone    bool
	}{
		"success without an answer":          {0, nil, true, true},
		"success with one byte":              {0, []byte{0x90}, true, true},
		"not transacted, reader is empty":    {pcsc.NotTransacted, nil, false, true},
		"removed, reader lags behind":        {pcsc.Removed, nil, true, true},
		"communication error, card is there": {pcsc.CommError, nil, true, false},
		"communication error, card is gone":  {pcsc.CommError, nil, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := &daemon{minor: 4, present: true}
			d.answer = func([]byte) (pcsc.Code, []byte) {
				d.present = row.present
				return row.code, row.answer
			}
			c, err := newContext(t, d)
			if err != nil {
				t.Fatal(err)
			}
			k, err := c.Connect(t.Context(), "Scripted Reader", pcsc.Shared, pcsc.T1)
			if err != nil {
				t.Fatal(err)
			}
			_, err = k.Transmit(t.Context(), []byte{0, 0xB0, 0, 0, 0})
			var lost *pcsc.ExchangeError
			if !errors.As(err, &lost) || lost.Gone != row.gone || errors.Is(err, pcsc.Removed) != row.gone {
				t.Errorf("Transmit = %v, want gone %t", err, row.gone)
			}
		})
	}
}

func TestAnInterruptedExchangeGivesItsConnectionUp(t *testing.T) {
	hold := make(chan struct{})
	d := &daemon{minor: 4, present: true, answer: func([]byte) (pcsc.Code, []byte) { <-hold; return 0, []byte{0x90, 0} }}
	c, err := newContext(t, d)
	if err != nil {
		t.Fatal(err)
	}
	k, err := c.Connect(t.Context(), "Scripted Reader", pcsc.Shared, pcsc.T1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	_, err = k.Transmit(ctx, []byte{0, 0xB0, 0, 0, 0})
	close(hold)
	if !errors.Is(err, pcsc.ErrBroken) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Transmit = %v", err)
	}
	if _, err := c.Readers(t.Context()); !errors.Is(err, pcsc.ErrBroken) {
		t.Errorf("Readers afterwards = %v", err)
	}
}

// canned gives bytes to whoever reads, and takes everything.
type canned struct {
	net.Conn
	io.Reader
}

func (c canned) Read(p []byte) (int, error)      { return c.Reader.Read(p) }
func (c canned) Write(p []byte) (int, error)     { return len(p), nil }
func (c canned) Close() error                    { return nil }
func (c canned) SetReadDeadline(time.Time) error { return nil }

func FuzzNoAnswerOfADaemonEndsTheProgram(f *testing.F) {
	n := binary.NativeEndian
	good := n.AppendUint32(n.AppendUint32(n.AppendUint32(nil, 4), 4), 0)
	good = append(good, make([]byte, 12)...)
	table := make([]byte, 16*184)
	copy(table, "R\x00")
	f.Add(append(bytes.Clone(good), table...))
	f.Add(append(bytes.Clone(good), bytes.Repeat([]byte{0xFF}, 16*184)...))
	f.Add(good[:20])
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx := t.Context()
		c, err := pcsc.New(ctx, canned{Reader: bytes.NewReader(data)})
		if err != nil {
			return
		}
		list, err := c.Readers(ctx)
		if err == nil {
			for _, r := range list {
				if len(r.ATR) > 33 || len(r.Name) > 127 {
					t.Errorf("reader %+v", r)
				}
			}
		}
		k, err := c.Connect(ctx, "R", pcsc.Shared, pcsc.T1)
		if k == nil || err != nil {
			return
		}
		if answer, err := k.Transmit(ctx, []byte{0, 0, 0, 0}); err == nil && (len(answer) < 2 || len(answer) > pcsc.MaxAnswer) {
			t.Errorf("an answer of %d bytes", len(answer))
		}
		_, _ = k.Attribute(ctx, pcsc.AttributeATR)
		_, _ = c.Await(ctx, list)
	})
}
