package proof_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/journal/proof"
)

// exampleHead is a plausible sale.
func exampleHead() *proof.Head {
	return &proof.Head{
		Flags: proof.FlagClockUnsure | proof.FlagLate, Kind: 0x0102, Index: 7,
		Time: 1793000000123, Uptime: 99000,
		Boot: [16]byte{1, 2, 3}, Command: [16]byte{15: 9}, Body: proof.Commit([16]byte{5}, []byte("{}")), BodyLen: 2,
		Origin: "shop.example/till1/e1", Numbers: []proof.Number{{Tag: 1, Value: 42}, {Tag: 9, Value: -1}},
	}
}

func encode(t testing.TB, h *proof.Head) []byte {
	t.Helper()
	b, err := h.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAHeadHasTheBytesOfTheDesignPaper(t *testing.T) {
	body := proof.Commit([16]byte{5}, []byte("{}"))
	want := "01" + "09" + "0102" + "0000000000000007" + "000001a17720ca7b" + "00000000000182b8" +
		"01020300000000000000000000000000" + "00000000000000000000000000000009" + hex.EncodeToString(body[:]) + "00000002" +
		"15" + hex.EncodeToString([]byte("shop.example/till1/e1")) + "02" + "0154" + "0901"
	if diff := cmp.Diff(want, hex.EncodeToString(encode(t, exampleHead()))); diff != "" {
		t.Errorf("head (-want +got):\n%s", diff)
	}
}

func TestTheBodyCommitmentHasItsDomain(t *testing.T) {
	salt := [16]byte{1, 2}
	want := sha256.Sum256(append(append([]byte("plomb body v1\n"), salt[:]...), "body"...))
	if got := proof.Commit(salt, []byte("body")); got != want {
		t.Errorf("Commit = %x, want %x", got, want)
	}
}

func TestTheLeafHashIsThatOfRFC6962(t *testing.T) {
	for _, n := range []int{0, 1, 100, proof.MaxHead, proof.MaxHead + 1} {
		b := bytes.Repeat([]byte{7}, n)
		if got, want := proof.LeafHash(b), tlog.RecordHash(b); got != want {
			t.Errorf("LeafHash of %d bytes = %v, want %v", n, got, want)
		}
	}
}

func genHead() *rapid.Generator[*proof.Head] {
	return rapid.Custom(func(t *rapid.T) *proof.Head {
		h := &proof.Head{
			Flags: proof.Flags(rapid.Uint8Range(0, 15).Draw(t, "flags")), Kind: proof.Kind(rapid.Uint16().Draw(t, "kind")),
			Index: rapid.Uint64().Draw(t, "index"), Time: rapid.Int64().Draw(t, "time"), Uptime: rapid.Uint64().Draw(t, "uptime"),
			BodyLen: rapid.Uint32().Draw(t, "length"),
			Origin:  rapid.StringMatching(`[a-z0-9./é-]{1,30}`).Draw(t, "origin"),
		}
		copy(h.Boot[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "boot"))
		copy(h.Body[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "body"))
		for tag := 1; tag < 256; tag += rapid.IntRange(1, 90).Draw(t, "gap") {
			h.Numbers = append(h.Numbers, proof.Number{Tag: uint8(tag), Value: rapid.Int64().Draw(t, "value")})
			if len(h.Numbers) == 20 {
				break
			}
		}
		return h
	})
}

func TestEveryHeadSurvivesItsEncoding(t *testing.T) {
	reused := new(proof.Head)
	rapid.Check(t, func(t *rapid.T) {
		h := genHead().Draw(t, "head")
		b, err := h.AppendBinary([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := proof.ParseHead(b[6:])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(h, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if err := reused.UnmarshalBinary(b[6:]); err != nil || !cmp.Equal(h, reused) {
			t.Fatalf("into a used head: %v, %v", reused, err)
		}
	})
}

func TestNumbersAreFoundByTag(t *testing.T) {
	h := exampleHead()
	if v, ok := h.Number(9); v != -1 || !ok {
		t.Errorf("Number(9) = %d, %t", v, ok)
	}
	if v, ok := h.Number(2); v != 0 || ok {
		t.Errorf("Number(2) = %d, %t", v, ok)
	}
	c := h.Clone()
	c.Numbers[0].Value++
	if h.Numbers[0].Value != 42 {
		t.Error("a clone shares its numbers")
	}
}

func TestAHeadThatCannotBeWrittenIsRefused(t *testing.T) {
	full := make([]proof.Number, 255)
	for i := range full {
		full[i] = proof.Number{Tag: uint8(i + 1), Value: math.MinInt64}
	}
	for name, change := range map[string]func(*proof.Head){
		"unknown flag":           func(h *proof.Head) { h.Flags = 16 },
		"no origin":              func(h *proof.Head) { h.Origin = "" },
		"origin of 65 bytes":     func(h *proof.Head) { h.Origin = strings.Repeat("a", 65) },
		"plus in the origin":     func(h *proof.Head) { h.Origin = "a+b" },
		"space in the origin":    func(h *proof.Head) { h.Origin = "a b" },
		"no-break space":         func(h *proof.Head) { h.Origin = "a\u00a0b" },
		"newline in the origin":  func(h *proof.Head) { h.Origin = "a\nb" },
		"control in the origin":  func(h *proof.Head) { h.Origin = "a\x01b" },
		"origin is not UTF-8":    func(h *proof.Head) { h.Origin = "a\xff" },
		"tag zero":               func(h *proof.Head) { h.Numbers = []proof.Number{{Tag: 0}} },
		"tags out of order":      func(h *proof.Head) { h.Numbers = []proof.Number{{Tag: 2}, {Tag: 1}} },
		"a tag twice":            func(h *proof.Head) { h.Numbers = []proof.Number{{Tag: 2}, {Tag: 2}} },
		"longer than 512 bytes":  func(h *proof.Head) { h.Numbers = full },
		"too long by the origin": func(h *proof.Head) { h.Origin = strings.Repeat("o", 64); h.Numbers = full[:33] },
	} {
		h := exampleHead()
		change(h)
		if b, err := h.AppendBinary([]byte("kept")); err == nil || string(b) != "kept" {
			t.Errorf("%s: AppendBinary = %q, %v", name, b, err)
		}
	}
	h := exampleHead()
	h.Origin, h.Numbers = strings.Repeat("o", 64), full[:31]
	if b, err := h.AppendBinary(nil); err != nil || len(b) != 503 {
		t.Errorf("a head of 503 bytes: %d, %v", len(b), err)
	}
}

func TestBytesThatAreNoHeadAreRefused(t *testing.T) {
	good := encode(t, exampleHead())
	numbers := 97 + int(good[96])
	for name, change := range map[string]func([]byte) []byte{
		"empty":                   func(b []byte) []byte { return nil },
		"another version":         func(b []byte) []byte { b[0] = 2; return b },
		"unknown flag":            func(b []byte) []byte { b[1] |= 0x80; return b },
		"cut off":                 func(b []byte) []byte { return b[:len(b)-1] },
		"cut in the origin":       func(b []byte) []byte { return b[:105] },
		"a byte too much":         func(b []byte) []byte { return append(b, 0) },
		"origin beyond the end":   func(b []byte) []byte { b[96] = 200; return b },
		"no origin":               func(b []byte) []byte { b[96] = 0; return b },
		"plus in the origin":      func(b []byte) []byte { b[97] = '+'; return b },
		"fewer numbers than said": func(b []byte) []byte { b[numbers]++; return b },
		"more numbers than said":  func(b []byte) []byte { b[numbers]--; return b },
		"tag zero":                func(b []byte) []byte { b[numbers+1] = 0; return b },
		"tags out of order":       func(b []byte) []byte { b[numbers+1] = 10; return b },
		"varint not minimal":      func(b []byte) []byte { b[len(b)-1] = 0x81; return append(b, 0) },
		"varint overflows": func(b []byte) []byte {
			return append(b[:len(b)-1], bytes.Repeat([]byte{0xff}, 10)...)
		},
		"513 bytes": func(b []byte) []byte { return append(b, make([]byte, 513-len(b))...) },
	} {
		b := change(bytes.Clone(good))
		if h, err := proof.ParseHead(b); !errors.Is(err, proof.ErrFormat) {
			t.Errorf("%s: ParseHead = %v, %v; want ErrFormat", name, h, err)
		}
	}
}

func FuzzHead(f *testing.F) {
	f.Add(encode(f, exampleHead()))
	f.Add(encode(f, &proof.Head{Origin: "x"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := proof.ParseHead(b)
		if err != nil {
			return
		}
		again, err := h.AppendBinary(nil)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x parses and encodes to %x, %v", b, again, err)
		}
	})
}
