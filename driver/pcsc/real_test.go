package pcsc_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/driver/pcsc"
	"github.com/plomb-pos/plomb/driver/pcsc/pcsctest"
	"github.com/plomb-pos/plomb/driver/pcsc/virtualcard"
)

var aid = []byte{0xF0, 'p', 'l', 'o', 'm', 'b', 1}

// station is a real pcscd with two contexts, one to work with and one to watch.
type station struct {
	*testing.T
	*pcsctest.Daemon
	work, watch *pcsc.Context
}

func newStation(t *testing.T) *station {
	t.Helper()
	s := &station{T: t, Daemon: pcsctest.Start(t)}
	s.work, s.watch = s.dial(), s.dial()
	return s
}

func (s *station) dial() *pcsc.Context {
	s.Helper()
	c, err := pcsc.Dial(s.Context(), s.Socket)
	if err != nil {
		s.Fatalf("Dial = %v; pcscd: %s", err, s.Log())
	}
	s.Cleanup(func() { _ = c.Close() })
	return c
}

// await waits until the reader is as wanted.
func (s *station) await(what string, wanted func(pcsc.Reader) bool) pcsc.Reader {
	s.Helper()
	ctx, stop := context.WithTimeout(s.Context(), 10*time.Second)
	defer stop()
	list, err := s.watch.Readers(ctx)
	for {
		if err != nil {
			s.Fatalf("wait for %s: %v; readers %+v; pcscd: %s", what, err, list, s.Log())
		}
		if r, ok := pcsc.Find(list, pcsctest.ReaderName); ok && wanted(r) {
			return r
		}
		list, err = s.watch.Await(ctx, list)
	}
}

func card() virtualcard.Card {
	return virtualcard.New(virtualcard.NewFiles(aid, virtualcard.FilesOptions{
		Files: map[uint16]virtualcard.File{0x0101: {Content: bytes.Repeat([]byte("0123456789"), 300)}}, PIN: "1234"}))
}

func (s *station) connect() *pcsc.Card {
	s.Helper()
	k, err := s.work.Connect(s.Context(), pcsctest.ReaderName, pcsc.Shared, pcsc.T0|pcsc.T1)
	if err != nil {
		s.Fatal(err)
	}
	return k
}

func (s *station) transmit(k *pcsc.Card, apdu ...byte) []byte {
	s.Helper()
	answer, err := k.Transmit(s.Context(), apdu)
	if err != nil {
		s.Fatalf("Transmit(% X) = %v", apdu, err)
	}
	return answer
}

// Requirement: XFS-11
func TestARealDaemonServesAVirtualCard(t *testing.T) {
	s := newStation(t)
	s.await("an empty reader", func(r pcsc.Reader) bool { return !r.Present() })
	started := time.Now()
	c := card()
	s.Insert(t, c)
	r := s.await("a card", func(r pcsc.Reader) bool { return r.Present() && len(r.ATR) > 0 })
	t.Logf("card seen after %v", time.Since(started))
	if !bytes.Equal(r.ATR, c.ATR()) {
		t.Fatalf("ATR = % X, want % X", r.ATR, c.ATR())
	}
	k := s.connect()
	if k.Protocol() != pcsc.T1 {
		t.Errorf("Protocol = %d, want T=1", k.Protocol())
	}
	if err := k.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	selectByName := append([]byte{0, 0xA4, 4, 0, byte(len(aid))}, aid...)
	if got := s.transmit(k, append(selectByName, 0)...); virtualcard.StatusOf(got) != virtualcard.OK {
		t.Errorf("SELECT = % X", got)
	}
	if got := s.transmit(k, 0, 0x84, 0, 0, 8); len(got) != 10 {
		t.Errorf("GET CHALLENGE = % X", got)
	}
	s.transmit(k, 0, 0xA4, 0, 0x0C, 2, 1, 1)
	before := time.Now()
	got := s.transmit(k, 0, 0xB0, 0, 0, 0, 0x07, 0xD0) // 2000 bytes, extended
	t.Logf("%d bytes in %v", len(got), time.Since(before))
	if len(got) != 2002 || virtualcard.StatusOf(got) != virtualcard.OK || !bytes.HasPrefix(got, []byte("0123")) {
		t.Errorf("READ BINARY gave %d bytes, status %04X", len(got), virtualcard.StatusOf(got))
	}
	if err := k.End(t.Context(), pcsc.Leave); err != nil {
		t.Error(err)
	}
	if err := k.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := k.Reconnect(t.Context(), pcsc.Shared, pcsc.T1, pcsc.Unpower); err != nil {
		t.Error(err)
	}
	if _, err := k.Attribute(t.Context(), pcsc.AttributeSerial); !errors.Is(err, pcsc.Unsupported) {
		t.Errorf("Attribute(serial) = %v, want not supported", err)
	}
	if _, err := k.Control(t.Context(), 0x42000001, nil); err == nil {
		t.Error("a reader without controls takes one")
	}
	if err := k.Disconnect(t.Context(), pcsc.Leave); err != nil {
		t.Error(err)
	}
	if _, err := k.Transmit(t.Context(), []byte{0, 0x84, 0, 0, 8}); !errors.Is(err, pcsc.InvalidHandle) {
		t.Errorf("Transmit after Disconnect = %v", err)
	}
}

// Requirement: XFS-11
func TestACardPulledInTheMiddleOfAnExchangeIsReportedAsGone(t *testing.T) {
	s := newStation(t)
	for round := range 2 {
		in := s.Insert(t, card())
		s.await("a card", func(r pcsc.Reader) bool { return r.Present() && len(r.ATR) > 0 })
		k := s.connect()
		s.transmit(k, 0, 0x84, 0, 0, 8)
		in.PullDuring(1)
		_, err := k.Transmit(t.Context(), []byte{0, 0x84, 0, 0, 8})
		var lost *pcsc.ExchangeError
		if !errors.As(err, &lost) || !lost.Gone || !errors.Is(err, pcsc.Removed) {
			t.Fatalf("round %d: Transmit = %v", round, err)
		}
		t.Logf("round %d: %v, reader says state %#x", round, err, lost.Reader.State)
		s.await("an empty reader", func(r pcsc.Reader) bool { return !r.Present() })
		if _, err := k.Transmit(t.Context(), []byte{0, 0x84, 0, 0, 8}); !errors.Is(err, pcsc.Removed) {
			t.Errorf("round %d: the next Transmit = %v", round, err)
		}
	}
}

func TestExchangesWithAVirtualCardAreNotHeldUpByTCP(t *testing.T) {
	s := newStation(t)
	s.Insert(t, card())
	s.await("a card", func(r pcsc.Reader) bool { return r.Present() && len(r.ATR) > 0 })
	k := s.connect()
	const n = 50
	started := time.Now()
	for range n {
		s.transmit(k, 0, 0x84, 0, 0, 8)
	}
	each := time.Since(started) / n
	t.Logf("%v an exchange", each)
	if each > 25*time.Millisecond { // 49 ms when acknowledgements are delayed
		t.Errorf("an exchange takes %v", each)
	}
}

func TestADaemonThatStopsEndsItsContexts(t *testing.T) {
	s := newStation(t)
	s.await("a reader", func(pcsc.Reader) bool { return true })
	s.Stop()
	if _, err := s.work.Readers(t.Context()); err == nil {
		t.Error("Readers succeeds without a daemon")
	}
	if _, err := s.work.Readers(t.Context()); !errors.Is(err, pcsc.ErrBroken) {
		t.Errorf("the next Readers = %v", err)
	}
	if _, err := pcsc.Dial(t.Context(), s.Socket); err == nil {
		t.Error("Dial succeeds without a daemon")
	}
}

func TestAwaitEndsWithItsContextAndTheConnectionLivesOn(t *testing.T) {
	s := newStation(t)
	list, err := s.work.Readers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
		_, err := s.work.Await(ctx, list)
		stop()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Await = %v", err)
		}
		if list, err = s.work.Readers(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
