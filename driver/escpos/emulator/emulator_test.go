package emulator_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/driver/escpos/emulator"
)

// line is a connection to a printer, byte by byte.
type line struct {
	*testing.T
	*emulator.Emulator
	conn net.Conn
}

func newLine(t *testing.T) *line {
	t.Helper()
	near, far := net.Pipe()
	l := &line{t, emulator.New(escpos.Generic80()), near}
	ended := make(chan struct{})
	go func() { defer close(ended); l.ServeConn(t.Context(), far) }()
	t.Cleanup(func() { near.Close(); l.PowerOff(); <-ended })
	near.SetDeadline(time.Now().Add(5 * time.Second))
	return l
}

func (l *line) send(s string) {
	l.Helper()
	if _, err := io.WriteString(l.conn, s); err != nil {
		l.Fatal(err)
	}
}

func (l *line) expect(what, answer string) {
	l.Helper()
	got := make([]byte, len(answer))
	if _, err := io.ReadFull(l.conn, got); err != nil {
		l.Fatalf("%s: %v", what, err)
	}
	if !bytes.Equal(got, []byte(answer)) {
		l.Errorf("%s: answer % x, want % x", what, got, answer)
	}
}

// The bytes are those of the published command reference, not of our constants.
func TestAnswersAreThoseOfTheReference(t *testing.T) {
	l := newLine(t)
	l.send("\x10\x04\x01\x10\x04\x02\x10\x04\x03\x10\x04\x04")
	l.expect("DLE EOT 1 to 4, in order", "\x12\x12\x12\x12")
	l.send("\x1da\x0f")
	l.expect("GS a", "\x10\x00\x00\x00")
	l.send("Tee\n\x1d(H\x06\x0000wxyz")
	l.expect("GS ( H, function 48", "\x37\x22wxyz\x00")
	l.send("\x1dr\x01\x1dr\x02")
	l.expect("GS r", "\x00\x00")
	l.send("\x1bp\x00\x19\xfa")
	l.expect("drawer open", "\x14\x00\x00\x00")
	l.send("\x10\x04\x01")
	l.expect("DLE EOT 1, drawer open", "\x16")
	l.CloseDrawer()
	l.expect("drawer closed", "\x10\x00\x00\x00")
	l.SetPaper(escpos.PaperLow)
	l.expect("paper low", "\x10\x00\x03\x00")
	l.SetPaper(escpos.PaperOut)
	l.expect("paper out", "\x18\x00\x0f\x00")
	l.send("\x10\x04\x04\x10\x04\x02")
	l.expect("DLE EOT 4 and 2, paper out", "\x7e\x32")
	l.SetCover(true)
	l.expect("cover open too", "\x38\x00\x0f\x00")
}

func TestWithoutPaperTheBufferStandsStillAndCanBeCleared(t *testing.T) {
	l := newLine(t)
	l.send("\x1da\x0f")
	l.expect("GS a", "\x10\x00\x00\x00")
	l.SetPaper(escpos.PaperOut)
	l.expect("paper out", "\x18\x00\x0f\x00")
	l.send("alt\n\x1d(H\x06\x0000wxyz\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08")
	l.expect("DLE DC4, function 8", "\x37\x25\x00")
	l.SetPaper(escpos.PaperOK)
	l.expect("paper in", "\x10\x00\x00\x00")
	l.send("neu\n\x1d(H\x06\x00001234")
	l.expect("the new job alone", "\x37\x221234\x00")
	if got := l.Sheets(); len(got) != 1 || got[0].Text() != "neu\n" {
		t.Errorf("sheets = %v", got)
	}
}

func TestWaitingDataIsPrintedOnNewPaper(t *testing.T) {
	l := newLine(t)
	l.OutAfter(1)
	l.send("eins\nzwei\n")
	for l.Status().Paper != escpos.PaperOut {
		<-l.Changed()
	}
	if got := l.Sheets()[0].Text(); got != "eins\n" {
		t.Errorf("printed %q before the paper ended", got)
	}
	l.SetPaper(escpos.PaperOK)
	for changed := l.Changed(); l.Sheets()[0].Text() != "eins\nzwei\n"; changed = l.Changed() {
		<-changed
	}
}

func TestEndlessPrintingDoesNotFillTheMemory(t *testing.T) {
	l := newLine(t)
	for range 200 {
		l.send("\x1b3\xff\x1bd\xff") // 255 lines of 255 dots: 8 m
	}
	l.send("\x1d(H\x06\x0000wxyz")
	l.expect("the end", "\x37\x22wxyz\x00")
	rows := 0
	for _, s := range l.Sheets() {
		rows += s.Image.Bounds().Dy()
	}
	if rows > 500_000 {
		t.Errorf("%d rows are kept", rows)
	}
}

func TestUnknownBytesAreReported(t *testing.T) {
	l := newLine(t)
	l.send("\x1b\x7f\x1d(H\x06\x0000wxyz")
	l.expect("the end", "\x37\x22wxyz\x00")
	if got := l.Problems(); len(got) != 1 {
		t.Errorf("problems = %v, want one", got)
	}
}
