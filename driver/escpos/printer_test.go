package escpos_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing/qrcode"

	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/driver/escpos/emulator"
	"github.com/plomb-pos/plomb/receipt/paper"
)

// bench is a driver and the printer that it drives, over real TCP.
type bench struct {
	*testing.T
	printer *escpos.Printer
	device  *emulator.Emulator
	states  chan escpos.Status
}

func newBench(t *testing.T, p escpos.Profile) *bench {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := benchOver(t, p, escpos.TCP(ln.Addr().String()))
	go b.device.Serve(t.Context(), ln)
	b.run()
	return b
}

func benchOver(t *testing.T, p escpos.Profile, dial escpos.Dial) *bench {
	b := &bench{T: t, printer: escpos.New(dial, p), device: emulator.New(p), states: make(chan escpos.Status, 100)}
	b.printer.OnStatus = func(s escpos.Status) { b.states <- s }
	b.printer.Heartbeat, b.printer.Redial = 500*time.Millisecond, time.Millisecond
	return b
}

func (b *bench) run() {
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); b.printer.Run(ctx) }()
	b.Cleanup(func() { stop(); <-ended })
	b.await(func(s escpos.Status) bool { return s.Connected })
}

// await waits until the driver has reported a state.
func (b *bench) await(wanted func(escpos.Status) bool) {
	b.Helper()
	limit := time.After(5 * time.Second)
	for !wanted(b.printer.Status()) {
		select {
		case <-b.states:
		case <-limit:
			b.Fatalf("state is still %+v", b.printer.Status())
		}
	}
}

func (b *bench) print(doc paper.Doc) (escpos.Outcome, error) {
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	r, err := b.printer.Print(ctx, doc)
	return r.Outcome, err
}

func (b *bench) expect(doc paper.Doc, outcome escpos.Outcome, why error) {
	b.Helper()
	if got, err := b.print(doc); got != outcome || !errors.Is(err, why) {
		b.Errorf("Print = %v, %v; want %v, %v", got, err, outcome, why)
	}
}

// Requirement: POS-02
func TestPrintedMeansOnPaper(t *testing.T) {
	b := newBench(t, escpos.Generic80())
	b.expect(receipt(t), escpos.Printed, nil)
	sheets := b.device.Sheets()
	if len(sheets) != 1 || sheets[0].Cut != escpos.PartialCut {
		t.Fatalf("sheets = %d, want one that is cut", len(sheets))
	}
	if got := readCode(t, keep(t, "over-tcp", sheets[0]), qrcode.NewQRCodeReader()); got != receiptURL {
		t.Errorf("qr code says %q", got)
	}
	if p := b.device.Problems(); p != nil {
		t.Errorf("the printer did not understand: %v", p)
	}
}

func TestPrintedIsKnownWithoutProcessIDs(t *testing.T) {
	p := escpos.Generic58()
	p.NoProcess = true
	b := newBench(t, p)
	b.expect(receipt(t), escpos.Printed, nil)
	b.expect(receipt(t), escpos.Printed, nil)
	if n := len(b.device.Sheets()); n != 1 {
		t.Errorf("%d sheets, want 1 uncut one", n)
	}
}

func TestDrawerOpensAndItsStateIsReadBack(t *testing.T) {
	for _, low := range []bool{false, true} {
		p := escpos.Generic80()
		p.DrawerOpenLow = low
		b := newBench(t, p)
		b.await(func(s escpos.Status) bool { return s.Drawer == escpos.DrawerClosed })
		b.expect(paper.Doc{paper.Drawer{Pin: 5, OnMS: 120}}, escpos.Printed, nil)
		b.await(func(s escpos.Status) bool { return s.Drawer == escpos.DrawerOpen })
		if got := b.device.Pulses(); len(got) != 1 || got[0].Pin != 1 || got[0].On != 60 {
			t.Errorf("pulses = %+v, want one of 120 ms on pin 5", got)
		}
		b.device.CloseDrawer()
		b.await(func(s escpos.Status) bool { return s.Drawer == escpos.DrawerClosed })
	}
}

func TestNothingIsSentToAPrinterThatCannotPrint(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func(*emulator.Emulator)
		mend  func(*emulator.Emulator)
		why   error
	}{
		{"no paper", func(e *emulator.Emulator) { e.SetPaper(escpos.PaperOut) }, func(e *emulator.Emulator) { e.SetPaper(escpos.PaperOK) }, escpos.ErrPaperOut},
		{"cover open", func(e *emulator.Emulator) { e.SetCover(true) }, func(e *emulator.Emulator) { e.SetCover(false) }, escpos.ErrCoverOpen},
		{"cutter stuck", func(e *emulator.Emulator) { e.SetCutter(true) }, func(e *emulator.Emulator) { e.SetCutter(false) }, escpos.ErrCutter},
		{"switched off", (*emulator.Emulator).PowerOff, (*emulator.Emulator).PowerOn, escpos.ErrDisconnected},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, escpos.Generic80())
			c.fault(b.device)
			b.await(func(s escpos.Status) bool { return s.Trouble() != nil })
			b.expect(receipt(t), escpos.NotPrinted, c.why)
			c.mend(b.device)
			b.await(func(s escpos.Status) bool { return s.Trouble() == nil })
			if n := len(b.device.Sheets()); n != 0 {
				t.Errorf("%d sheets came out", n)
			}
			b.expect(receipt(t), escpos.Printed, nil)
		})
	}
}

func TestPaperThatRunsOutInTheMiddleIsNotPrinted(t *testing.T) {
	b := newBench(t, escpos.Generic80())
	b.device.OutAfter(7)
	b.expect(receipt(t), escpos.NotPrinted, escpos.ErrPaperOut)
	b.device.TakePaper()
	b.device.SetPaper(escpos.PaperOK)
	b.await(func(s escpos.Status) bool { return s.Paper == escpos.PaperOK })
	b.expect(paper.Doc{paper.Line("neu"), paper.Cut{}}, escpos.Printed, nil)
	if got := b.device.Sheets()[0].Text(); got != "neu\n" {
		t.Errorf("after the change of paper came %q, want nothing of the old job", got)
	}
}

func TestCoverOpenedInTheMiddleIsNotPrinted(t *testing.T) {
	b := newBench(t, escpos.Generic80())
	b.device.SetSpeed(2000)
	result := make(chan escpos.Outcome)
	go func() { o, _ := b.print(receipt(t)[1:]); result <- o }()
	for len(b.device.Sheets()) == 0 {
		<-b.device.Changed()
	}
	b.device.SetCover(true)
	if got := <-result; got != escpos.NotPrinted {
		t.Errorf("outcome = %v, want not printed", got)
	}
}

func TestAPrinterThatDiesInTheMiddleLeavesTheOutcomeUncertain(t *testing.T) {
	b := newBench(t, escpos.Generic80())
	b.device.SetSpeed(50_000)
	b.device.DieAfter(4000)
	b.expect(receipt(t), escpos.Uncertain, escpos.ErrDisconnected)
	b.device.PowerOn()
	b.device.SetSpeed(0)
	b.await(func(s escpos.Status) bool { return s.Connected })
	if s := b.device.Sheets(); len(s) != 1 || s[0].Cut != escpos.Torn || !strings.Contains(s[0].Text(), "Kiosk am Eck") {
		t.Errorf("sheets = %v, want the torn beginning only: nothing may be sent twice", s)
	}
}

func TestAPrinterThatCannotClearLeavesTheOutcomeUncertain(t *testing.T) {
	p := escpos.Generic80()
	p.NoClear = true
	b := newBench(t, p)
	b.device.OutAfter(3)
	b.expect(receipt(t), escpos.Uncertain, escpos.ErrPaperOut)
}

func TestCancellingASlowJobThrowsTheRestAway(t *testing.T) {
	b := newBench(t, escpos.Generic80())
	b.device.SetSpeed(2000)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for len(b.device.Sheets()) == 0 {
			<-b.device.Changed()
		}
		cancel()
	}()
	r, err := b.printer.Print(ctx, receipt(t)[1:])
	if r.Outcome != escpos.NotPrinted || !errors.Is(err, context.Canceled) {
		t.Errorf("Print = %v, %v; want not printed, canceled", r.Outcome, err)
	}
}

func TestLowPaperIsReportedAndPrintedOn(t *testing.T) {
	b := newBench(t, escpos.Generic80())
	b.device.SetPaper(escpos.PaperLow)
	b.await(func(s escpos.Status) bool { return s.Paper == escpos.PaperLow })
	b.expect(receipt(t), escpos.Printed, nil)
}

func TestASilentPrinterCountsAsGone(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan net.Conn, 100)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	b := benchOver(t, escpos.Generic80(), escpos.TCP(ln.Addr().String()))
	b.printer.Heartbeat = 20 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); b.printer.Run(ctx) }()
	defer func() { stop(); <-ended }()
	<-accepted // and never answers
	<-accepted // given up, dialled again
	if b.printer.Status().Connected {
		t.Error("a printer that never answered counts as connected")
	}
}

func TestJobsAreNotMixed(t *testing.T) {
	b := newBench(t, escpos.Generic80())
	done := make(chan error)
	for range 8 {
		go func() {
			_, err := b.print(paper.Doc{paper.Line("eins"), paper.Line("zwei"), paper.Cut{}})
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for _, s := range b.device.Sheets() {
		if s.Text() != "eins\nzwei\n" {
			t.Errorf("sheet says %q", s.Text())
		}
	}
}

// A link that is cut in the middle of a picture leaves half a command in the
// printer; the next connection must not feed its first bytes into it.
func TestHalfAJobIsClearedByTheNextConnection(t *testing.T) {
	first := make(chan []byte, 2)
	near, far := net.Pipe()
	conns := make(chan net.Conn, 2)
	conns <- near
	b := benchOver(t, escpos.Generic80(), func(ctx context.Context) (io.ReadWriteCloser, error) {
		select {
		case c := <-conns:
			return c, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	go scripted(far, first, 1500)
	b.run()
	<-first
	b.expect(receipt(t), escpos.Uncertain, escpos.ErrDisconnected)
	near, far = net.Pipe()
	go scripted(far, first, 1<<20)
	conns <- near
	if got := <-first; !bytes.HasPrefix(got, escpos.RealtimeClear{}.AppendTo(nil)) {
		t.Errorf("the next connection begins with % x", got)
	}
}

// scripted is a printer that is well, reports the first bytes it gets, and cuts the
// connection after so many.
func scripted(conn net.Conn, first chan<- []byte, after int) {
	defer conn.Close()
	buf := make([]byte, 256)
	n, err := conn.Read(buf)
	if err != nil {
		return
	}
	first <- bytes.Clone(buf[:n])
	if _, err := conn.Write([]byte("\x10\x00\x00\x00")); err != nil {
		return
	}
	io.CopyN(io.Discard, conn, int64(after))
}
