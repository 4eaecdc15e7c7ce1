package proof_test

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/journal/proof"
)

// receipt signs head as the last leaf of a tree.
func receipt(t testing.TB, h *proof.Head, key byte) *proof.Receipt {
	t.Helper()
	head := encode(t, h)
	l := proof.LeafHash(head)
	f := new(proof.Frontier)
	for i := range h.Index {
		f.Append(leaf(int(i)))
	}
	f.Append(l)
	c := proof.Checkpoint{Origin: h.Origin, Size: h.Index + 1, Root: f.Root(), Leaf: &l}
	s := newSigner(t, h.Origin, key)
	r, err := proof.NewReceipt(head, c, s.KeyHash(), sign(t, s, c))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Requirement: POS-08
func TestAReceiptVerifiesAlone(t *testing.T) {
	key := newSigner(t, origin, 1).Verifier()
	text := receipt(t, exampleHead(), 1).Encode()
	r, err := proof.ParseReceipt(text)
	if err != nil {
		t.Fatal(err)
	}
	h, err := r.Verify(note.VerifierList(key))
	if err != nil || h.Index != 7 {
		t.Fatalf("Verify = %+v, %v", h, err)
	}
	for name, keys := range map[string]note.Verifiers{
		"no keys": nil, "another key": note.VerifierList(newSigner(t, origin, 2).Verifier()),
		"the same key of another till": note.VerifierList(newSigner(t, "other.example", 1).Verifier()),
	} {
		if _, err := r.Verify(keys); !errors.Is(err, proof.ErrUnknownKey) {
			t.Errorf("%s: %v, want ErrUnknownKey", name, err)
		}
	}
}

// Requirement: POS-08
func TestNoCharacterOfAReceiptCodeCanBeChanged(t *testing.T) {
	keys := note.VerifierList(newSigner(t, origin, 1).Verifier())
	text := receipt(t, exampleHead(), 1).Encode()
	for i := range text {
		for _, c := range []string{"0", "A", "%", "é"} {
			changed := text[:i] + c + text[i+1:]
			if changed == text {
				continue
			}
			if r, err := proof.ParseReceipt(changed); err == nil {
				if _, err := r.Verify(keys); err == nil {
					t.Errorf("character %d as %s: still verifies", i, c)
				}
			}
		}
	}
}

func TestAReceiptCodeFitsTheAlphanumericMode(t *testing.T) {
	text := receipt(t, exampleHead(), 1).Encode()
	if i := strings.IndexFunc(text, func(r rune) bool {
		return !strings.ContainsRune("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", r)
	}); i >= 0 {
		t.Errorf("character %d of %q is not in the alphabet", i, text)
	}
	if want := 7 + (3+123+100)*3/2; len(text) != want {
		t.Errorf("code has %d characters, want %d", len(text), want)
	}
}

func TestTextThatIsNoReceiptIsRefused(t *testing.T) {
	good := receipt(t, exampleHead(), 1).Encode()
	for name, s := range map[string]string{
		"empty": "", "prefix only": proof.ReceiptPrefix, "another prefix": "PLOMB2:" + good[7:], "lower case": strings.ToLower(good),
		"cut by one": good[:len(good)-1], "cut by three": good[:len(good)-3], "longer": good + "00", "with a space": good + " ",
		"group beyond 65535": "PLOMB1::::" + good[10:], "far too long": good + strings.Repeat("000", 1000),
	} {
		if _, err := proof.ParseReceipt(s); !errors.Is(err, proof.ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
}

func TestAReceiptIsMadeOfWhatBelongsTogether(t *testing.T) {
	r := receipt(t, exampleHead(), 1)
	c, err := r.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proof.NewReceipt(r.Head, c, r.KeyHash, r.Sig[:63]); !errors.Is(err, proof.ErrFormat) {
		t.Errorf("short signature: %v", err)
	}
	other := c
	other.Size++
	if _, err := proof.NewReceipt(r.Head, other, r.KeyHash, r.Sig[:]); !errors.Is(err, proof.ErrFormat) {
		t.Errorf("checkpoint of another size: %v", err)
	}
	other = c
	other.Leaf = nil
	if _, err := proof.NewReceipt(r.Head, other, r.KeyHash, r.Sig[:]); !errors.Is(err, proof.ErrFormat) {
		t.Errorf("checkpoint without leaf: %v", err)
	}
	if _, err := proof.NewReceipt([]byte("no head"), c, r.KeyHash, r.Sig[:]); !errors.Is(err, proof.ErrFormat) {
		t.Errorf("no head: %v", err)
	}
	last := exampleHead()
	last.Index = 1<<64 - 1
	r.Head = encode(t, last)
	if _, err := r.Verify(nil); !errors.Is(err, proof.ErrFormat) {
		t.Errorf("index without a next size: %v", err)
	}
}

func TestBase45IsThatOfRFC9285(t *testing.T) {
	for plain, code := range map[string]string{"AB": "BB8", "Hello!!": "%69 VD92EX0", "base-45": "UJCLQE7W581", "ietf!": "QED8WEX0", "": ""} {
		if got := proof.EncodeBase45([]byte(plain)); got != code {
			t.Errorf("base45 of %q = %q, want %q", plain, got, code)
		}
		if got, err := proof.DecodeBase45(code); err != nil || string(got) != plain {
			t.Errorf("decoded %q = %q, %v", code, got, err)
		}
	}
	for _, bad := range []string{"A", "GGW", ":::", "::", "ab", "é", "BB8 "} {
		if got, err := proof.DecodeBase45(bad); err == nil {
			t.Errorf("decoded %q = %x, want an error", bad, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		if got, err := proof.DecodeBase45(proof.EncodeBase45(b)); err != nil || string(got) != string(b) {
			t.Fatalf("%x comes back as %x, %v", b, got, err)
		}
	})
}

func FuzzReceipt(f *testing.F) {
	f.Add(receipt(f, exampleHead(), 1).Encode())
	f.Add("PLOMB1:000")
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := proof.ParseReceipt(s); err == nil && r.Encode() != s {
			t.Errorf("%q parses and encodes to %q", s, r.Encode())
		}
	})
}

func BenchmarkVerifyReceipt(b *testing.B) {
	keys := note.VerifierList(newSigner(b, origin, 1).Verifier())
	text := receipt(b, exampleHead(), 1).Encode()
	for b.Loop() {
		r, err := proof.ParseReceipt(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Verify(keys); err != nil {
			b.Fatal(err)
		}
	}
}
