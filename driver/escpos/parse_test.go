package escpos_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/receipt/paper"
)

func TestCommandsAreParsedAsTheReferenceWritesThem(t *testing.T) {
	for _, c := range []struct {
		bytes string
		want  escpos.Command
	}{
		{"\x1b@", escpos.Init{}},
		{"\x1bt\x13", escpos.CodePage{Number: 19}},
		{"\x1bE\x01", escpos.Bold{On: true}},
		{"\x1b-\x02", escpos.Underline{Dots: 2}},
		{"\x1d!\x11", escpos.Size{Width: 2, Height: 2}},
		{"\x1ba\x01", escpos.Align{Where: 1}},
		{"\x1bd\x05", escpos.Feed{Lines: 5}},
		{"\x1dVB\x00", escpos.Cut{Partial: true, Feed: true}},
		{"\x1dV\x00", escpos.Cut{}},
		{"\x1bp\x00\x32\xff", escpos.Pulse{Pin: 0, On: 50, Off: 255}},
		{"\x1d(k\x04\x001A2\x00", escpos.QRModel{Model: 50}},
		{"\x1d(k\x03\x001C\x06", escpos.QRModule{Dots: 6}},
		{"\x1d(k\x03\x001E1", escpos.QRLevel{Level: '1'}},
		{"\x1d(k\x06\x001P0abc", escpos.QRStore{Data: []byte("abc")}},
		{"\x1d(k\x03\x001Q0", escpos.QRPrint{}},
		{"\x1dkC\x0d4006381333931", escpos.Barcode{Kind: 67, Data: []byte("4006381333931")}},
		{"\x1dv0\x00\x01\x00\x02\x00\xf0\x0f", escpos.Raster{WidthBytes: 1, Height: 2, Bits: []byte{0xf0, 0x0f}}},
		{"\x1d(H\x06\x0000abcd", escpos.ProcessID{ID: [4]byte{'a', 'b', 'c', 'd'}}},
		{"\x1da\x0f", escpos.AutoStatus{Bits: 15}},
		{"\x1dr\x01", escpos.StatusRequest{What: 1}},
		{"\x10\x04\x04", escpos.RealtimeStatus{What: 4}},
		{"\x10\x05\x02", escpos.RealtimeRecover{How: 2}},
		{"\x10\x14\x01\x00\x02", escpos.RealtimePulse{Pin: 0, On: 2}},
		{"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08", escpos.RealtimeClear{}},
		{"\x1c&", escpos.Kanji{On: true}},
		{"Gr\x81\xe1e", escpos.Text{Bytes: []byte("Gr\x81\xe1e")}},
	} {
		got, n, err := escpos.Decode([]byte(c.bytes))
		if err != nil || n != len(c.bytes) {
			t.Errorf("Decode(%q) = length %d, %v", c.bytes, n, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("Decode(%q): %s", c.bytes, diff)
		}
		for cut := 1; cut < len(c.bytes); cut++ {
			if _, text := c.want.(escpos.Text); text {
				break // a shorter text is a text
			}
			if _, _, err := escpos.Decode([]byte(c.bytes[:cut])); !errors.Is(err, escpos.ErrShort) {
				t.Errorf("Decode(%q) = %v, want ErrShort", c.bytes[:cut], err)
			}
		}
	}
}

func TestUnknownCommandsAreReportedWithTheirOffset(t *testing.T) {
	steps, err := escpos.Parse([]byte("ab\x1b\x7fcd\x07"))
	var unknown *escpos.UnknownError
	if !errors.As(err, &unknown) || unknown.Offset != 2 || !bytes.Equal(unknown.Bytes, []byte("\x1b\x7f")) {
		t.Errorf("error = %v, want unknown 1b 7f at 2", err)
	}
	if len(steps) != 4 || steps[3].Offset != 6 {
		t.Errorf("steps = %+v, want the rest parsed too", steps)
	}
}

// Property: what is encoded parses without anything unknown and appends to the
// same bytes.
func TestEncodedDocumentsParseCompletely(t *testing.T) {
	for _, p := range []escpos.Profile{escpos.Generic80(), escpos.Generic58(), escpos.Chinese80()} {
		rapid.Check(t, func(t *rapid.T) {
			text := rapid.StringOfN(rapid.RuneFrom([]rune(" aäžłЖ茶€😀…")), 0, 80, -1)
			doc := paper.Doc{
				paper.Columns{Left: text.Draw(t, "left"), Right: text.Draw(t, "right"), Style: paper.Style{Wide: rapid.Bool().Draw(t, "wide")}},
				paper.Line(text.Draw(t, "line")), paper.QR{Data: "x" + text.Draw(t, "qr")}, paper.Cut{},
			}
			job, err := escpos.Encode(doc, p)
			if err != nil {
				t.Fatal(err)
			}
			steps, err := escpos.Parse(job.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if got := join(steps); !bytes.Equal(got, job.Bytes) {
				t.Fatalf("% x parsed and appended is % x", job.Bytes, got)
			}
		})
	}
}

func join(steps []escpos.Step) []byte {
	var out []byte
	for _, s := range steps {
		out = s.Command.AppendTo(out)
	}
	return out
}

// Any bytes parse, without loss, and can be drawn.
func FuzzParse(f *testing.F) {
	job, err := escpos.Encode(receipt(f), escpos.Generic58())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(job.Bytes)
	f.Add([]byte("\x1d(k\x03\x001Q0\x1dkI\x02{B\x1dkC\x01x"))
	f.Add([]byte("\x1c&\x81\x30\x81\x1c.\x1b!\xff\x1d!\x77W\n\x1b3\xff\x1bd\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 2000 {
			return
		}
		steps, _ := escpos.Parse(data)
		if got := join(steps); !bytes.Equal(got, data) {
			t.Fatalf("% x parsed and appended is % x", data, got)
		}
		escpos.Render(data, escpos.Generic58())
	})
}

// Any answer parses without loss.
func FuzzDecodeAnswer(f *testing.F) {
	f.Add([]byte("\x10\x00\x00\x00\x12\x16\x37\x22abcd\x00\x37\x25\x00\x11\x13\x0c\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var out []byte
		for rest := data; ; {
			a, n, err := escpos.DecodeAnswer(rest)
			if err != nil {
				out = append(out, rest...)
				break
			}
			out, rest = a.AppendTo(out), rest[n:]
		}
		if !bytes.Equal(out, data) {
			t.Fatalf("% x parsed and appended is % x", data, out)
		}
	})
}
