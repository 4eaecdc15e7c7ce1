package virtualcard_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/driver/pcsc/virtualcard"
)

var aid = []byte{0xF0, 'p', 'l', 'o', 'm', 'b', 1}

func newCard(o virtualcard.FilesOptions) (virtualcard.Card, *virtualcard.FilesApplication) {
	if o.Files == nil {
		o.Files = map[uint16]virtualcard.File{1: {Content: []byte("open")}, 2: {Content: []byte("secret"), Secret: true}}
	}
	app := virtualcard.NewFiles(aid, o)
	return virtualcard.New(app), app
}

// ask sends an APDU in hexadecimal and gives the answer so.
func ask(c virtualcard.Card, apdu string) string {
	raw, err := hex.DecodeString(strings.ReplaceAll(apdu, " ", ""))
	if err != nil {
		panic(err)
	}
	return strings.ToUpper(hex.EncodeToString(c.Exchange(raw)))
}

func TestCommandsAreAnsweredByTheBook(t *testing.T) {
	c, _ := newCard(virtualcard.FilesOptions{PIN: "1234"})
	for _, row := range []struct{ what, apdu, want string }{
		{"read without a file", "00B0000000", "6986"},
		{"select by name", "00A4040007F0706C6F6D620100", "6F098407F0706C6F6D62019000"},
		{"select by a part of the name", "00A4040005F0706C6F6D", "9000"},
		{"select an unknown name", "00A4040005A000000003", "6A82"},
		{"select a file", "00A4000C020001", "9000"},
		{"select an unknown file", "00A4000C020009", "6A82"},
		{"read all", "00B0000000", "6F70656E9000"},
		{"read two bytes", "00B0000102", "70659000"},
		{"read at the end", "00B0000401", "9000"},
		{"read beyond the end", "00B0000501", "6B00"},
		{"read extended", "00B0000000000A", "6F70656E9000"},
		{"a secret file", "00A4000C020002", "9000"},
		{"is closed", "00B0000000", "6982"},
		{"tries left", "00200001", "63C3"},
		{"wrong PIN", "002000010431313131", "63C2"},
		{"right PIN", "002000010431323334", "9000"},
		{"opens it", "00B0000000", "7365637265749000"},
		{"unknown instruction", "00FE0000", "6D00"},
		{"unknown class", "04B00000", "6E00"},
		{"half a command", "00B0", "6700"},
		{"lengths that do not fit", "00A4000C050001", "6700"},
		{"challenge without length", "00840000", "6700"},
	} {
		if got := ask(c, row.apdu); got != row.want {
			t.Errorf("%s: %s = %s, want %s", row.what, row.apdu, got, row.want)
		}
	}
	if a, b := ask(c, "0084000008"), ask(c, "0084000008"); len(a) != 20 || a == b {
		t.Errorf("challenges %s and %s", a, b)
	}
	c.Reset()
	if got := ask(c, "00A4000C020002"); got != "9000" {
		t.Error(got)
	}
	if got := ask(c, "00B0000000"); got != "6982" {
		t.Errorf("after a reset the secret file answers %s", got)
	}
}

func TestAPINBlocksAfterItsTriesAndStaysBlocked(t *testing.T) {
	c, app := newCard(virtualcard.FilesOptions{PIN: "1234", Tries: 2})
	for i, want := range []string{"63C1", "6983", "6983"} {
		if got := ask(c, "002000010431313131"); got != want {
			t.Errorf("try %d: %s, want %s", i+1, got, want)
		}
		c.Reset()
	}
	if got := ask(c, "002000010431323334"); got != "6983" || app.Left() != 0 {
		t.Errorf("the right PIN of a blocked card: %s, %d left", got, app.Left())
	}
}

func TestATryIsUsedBeforeThePINIsCompared(t *testing.T) {
	var kept []int
	c, _ := newCard(virtualcard.FilesOptions{PIN: "1234", Used: func(left int) error { kept = append(kept, left); return nil }})
	ask(c, "002000010431313131")
	ask(c, "002000010431323334")
	if diff := cmp.Diff([]int{2, 1, 3}, kept); diff != "" {
		t.Error(diff)
	}
	c, _ = newCard(virtualcard.FilesOptions{PIN: "1234", Used: func(int) error { return errors.New("worn out") }})
	if got := ask(c, "002000010431323334"); got != "6983" {
		t.Errorf("a PIN whose try could not be kept: %s", got)
	}
}

func TestWhatIsEncodedIsParsedBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{0, 1, 2, 254, 255, 256, 257, 65535}).Draw(t, "size")
		c := virtualcard.Command{
			Class: rapid.Byte().Draw(t, "class"), Instruction: rapid.Byte().Draw(t, "ins"), P1: rapid.Byte().Draw(t, "p1"), P2: rapid.Byte().Draw(t, "p2"),
			Expected: rapid.SampledFrom([]int{0, 1, 255, 256, 257, 65535, 65536}).Draw(t, "expected"),
		}
		if size > 0 {
			c.Data = bytes.Repeat([]byte{7}, size)
		}
		raw, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := virtualcard.ParseCommand(raw)
		if err != nil || !cmp.Equal(c, back) {
			t.Fatalf("ParseCommand(% X) = %+v, %v, want %+v", raw[:min(len(raw), 16)], back, err, c)
		}
	})
}

func FuzzNoCommandUpsetsACard(f *testing.F) {
	for _, s := range []string{"00A4040007F0706C6F6D620100", "00B0000000000A", "002000010431313131", "00"} {
		raw, _ := hex.DecodeString(s)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, apdu []byte) {
		c, _ := newCard(virtualcard.FilesOptions{PIN: "1234"})
		answer := c.Exchange(apdu)
		if len(answer) < 2 {
			t.Fatalf("an answer of %d bytes", len(answer))
		}
		cmd, err := virtualcard.ParseCommand(apdu)
		if err != nil {
			if virtualcard.StatusOf(answer) != virtualcard.WrongLength {
				t.Errorf("% X is no command, and answered % X", apdu, answer)
			}
			return
		}
		if len(answer)-2 > cmd.Expected {
			t.Errorf("%d bytes for a command that expects %d", len(answer)-2, cmd.Expected)
		}
		if _, err := cmd.Encode(); err != nil {
			t.Error(err)
		}
	})
}

func TestAReaderOfVpcdIsServedUntilTheCardIsPulled(t *testing.T) {
	ours, theirs := net.Pipe()
	c, _ := newCard(virtualcard.FilesOptions{})
	in := virtualcard.InsertOver(theirs, c)
	send := func(b ...byte) {
		t.Helper()
		if _, err := ours.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)); err != nil {
			t.Fatal(err)
		}
	}
	receive := func() []byte {
		t.Helper()
		var n [2]byte
		if _, err := io.ReadFull(ours, n[:]); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, binary.BigEndian.Uint16(n[:]))
		if _, err := io.ReadFull(ours, b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	send(1)
	send(4)
	if got := receive(); !bytes.Equal(got, c.ATR()) {
		t.Errorf("ATR = % X, want % X", got, c.ATR())
	}
	send(0, 0x84, 0, 0, 4)
	if got := receive(); len(got) != 6 {
		t.Errorf("GET CHALLENGE = % X", got)
	}
	in.PullDuring(1)
	send(0, 0x84, 0, 0, 4)
	if _, err := ours.Read(make([]byte, 1)); err == nil {
		t.Error("an answer came although the card was pulled")
	}
	<-in.Done()
	if err := in.Pull(); err != nil {
		t.Errorf("Pull of a card that is out = %v", err)
	}
}

func FuzzNoReaderUpsetsACard(f *testing.F) {
	f.Add([]byte{0, 1, 1, 0, 1, 4, 0, 5, 0, 0x84, 0, 0, 4})
	f.Add([]byte{0, 0, 0xFF, 0xFF, 1})
	f.Fuzz(func(t *testing.T, sent []byte) {
		ours, theirs := net.Pipe()
		c, _ := newCard(virtualcard.FilesOptions{})
		in := virtualcard.InsertOver(theirs, c)
		go func() { _, _ = io.Copy(io.Discard, ours) }()
		_, _ = ours.Write(sent)
		_ = ours.Close()
		<-in.Done()
	})
}

func ExampleNew() {
	card := virtualcard.New(virtualcard.NewFiles([]byte{0xF0, 1, 2, 3, 4}, virtualcard.FilesOptions{PIN: "1234"}))
	fmt.Printf("% X\n", card.ATR())
	fmt.Printf("% X\n", card.Exchange([]byte{0x00, 0x20, 0x00, 0x01}))
	// Output:
	// 3B 85 01 70 6C 6F 6D 62 F8
	// 63 C3
}
