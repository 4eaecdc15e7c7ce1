package proof_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

const origin = "shop.example/till1/e1"

func privateKey(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func newSigner(t testing.TB, name string, key byte) *proof.Ed25519Signer {
	t.Helper()
	s, err := proof.NewEd25519Signer(name, privateKey(key))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t testing.TB, s proof.Signer, c proof.Checkpoint) []byte {
	t.Helper()
	sig, err := s.Sign(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func signedNote(t testing.TB, c proof.Checkpoint, key byte) []byte {
	t.Helper()
	s := newSigner(t, c.Origin, key)
	return proof.Note(c, c.Origin, s.KeyHash(), sign(t, s, c))
}

func TestACheckpointHasTheTextOfC2SP(t *testing.T) {
	leaf := tlog.Hash{31: 2}
	c := proof.Checkpoint{Origin: origin, Size: 12, Root: tlog.Hash{1}, Leaf: &leaf, Extensions: []string{"more of it"}}
	want := "shop.example/till1/e1\n12\nAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" +
		"leaf AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAI=\nmore of it\n"
	if diff := cmp.Diff(want, string(c.Text())); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	got, err := proof.ParseCheckpoint([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, got); diff != "" {
		t.Errorf("parsed (-want +got):\n%s", diff)
	}
}

func TestOtherPeoplesCheckpointsAreRead(t *testing.T) {
	text := "go.sum database tree\n15368405\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nextension: 1\nleaflet\n"
	c, err := proof.ParseCheckpoint([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if c.Origin != "go.sum database tree" || c.Size != 15368405 || c.Leaf != nil || len(c.Extensions) != 2 {
		t.Errorf("parsed %+v", c)
	}
	if got := string(c.Text()); got != text {
		t.Errorf("text again %q", got)
	}
}

func TestTextThatIsNoCheckpointIsRefused(t *testing.T) {
	const root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
	for name, text := range map[string]string{
		"empty":                   "",
		"two lines":               "o\n1\n",
		"no newline at the end":   "o\n1\n" + root,
		"empty origin":            "\n1\n" + root + "\n",
		"empty line at the end":   "o\n1\n" + root + "\n\n",
		"carriage return":         "o\r\n1\n" + root + "\n",
		"leading zero":            "o\n01\n" + root + "\n",
		"plus sign":               "o\n+1\n" + root + "\n",
		"minus one":               "o\n-1\n" + root + "\n",
		"size beyond all":         "o\n99999999999999999999\n" + root + "\n",
		"short root":              "o\n1\nAAAA\n",
		"root not canonical":      "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
		"root without padding":    "o\n1\n" + root[:43] + "\n",
		"malformed leaf":          "o\n1\n" + root + "\nleaf AAAA\n",
		"leaf behind another":     "o\n1\n" + root + "\nother\nleaf " + root + "\n",
		"two leaves":              "o\n1\n" + root + "\nleaf " + root + "\nleaf " + root + "\n",
		"not UTF-8":               "o\xff\n1\n" + root + "\n",
		"far too long to believe": strings.Repeat("o", 20000) + "\n1\n" + root + "\n",
	} {
		if c, err := proof.ParseCheckpoint([]byte(text)); !errors.Is(err, proof.ErrFormat) {
			t.Errorf("%s: ParseCheckpoint = %+v, %v; want ErrFormat", name, c, err)
		}
	}
}

// Requirement: POS-08
func TestAnotherToolsNoteLibraryVerifiesOurNotes(t *testing.T) {
	c := proof.Checkpoint{Origin: origin, Size: 3, Root: leaf(3)}
	s := newSigner(t, origin, 1)
	theirs, err := note.NewVerifier(s.Verifier().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(signedNote(t, c, 1), note.VerifierList(theirs))
	if err != nil || n.Text != string(c.Text()) {
		t.Errorf("note.Open = %v, %v", n, err)
	}
	skey, vkey, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{9}, 64)), origin)
	if err != nil {
		t.Fatal(err)
	}
	theirSigner, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := note.Sign(&note.Note{Text: string(c.Text())}, theirSigner)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := proof.ParseVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := proof.OpenNote(msg, note.VerifierList(ours)); err != nil || !cmp.Equal(got, c) {
		t.Errorf("OpenNote of their note = %+v, %v", got, err)
	}
}

func TestOpenNoteWantsTheOriginsOwnKey(t *testing.T) {
	c := proof.Checkpoint{Origin: origin, Size: 3, Root: leaf(3)}
	own, other := newSigner(t, origin, 1).Verifier(), newSigner(t, "other.example", 2)
	signed := signedNote(t, c, 1)
	stranger := proof.AddSignature(signed, "stranger.example", 77, make([]byte, 64))

	foreign := proof.Checkpoint{Origin: origin, Size: 3, Root: leaf(3)}
	foreignSig := ed25519.Sign(privateKey(2), foreign.Text())
	forged := bytes.Replace(signed, []byte("\n3\n"), []byte("\n4\n"), 1)

	for _, row := range []struct {
		name   string
		signed []byte
		keys   note.Verifiers
		want   error
	}{
		{"its own key", signed, note.VerifierList(own), nil},
		{"a stranger's signature beside it", stranger, note.VerifierList(own), nil},
		{"no key known", signed, note.VerifierList(), proof.ErrUnknownKey},
		{"no keys at all", signed, nil, proof.ErrUnknownKey},
		{"another key under the same name", signed, note.VerifierList(newSigner(t, origin, 2).Verifier()), proof.ErrUnknownKey},
		{"only another log's key signed", proof.Note(foreign, "other.example", other.KeyHash(), foreignSig), note.VerifierList(other.Verifier()), proof.ErrUnknownKey},
		{"changed text", forged, note.VerifierList(own), proof.ErrSignature},
		{"no note", []byte("plomb"), note.VerifierList(own), proof.ErrFormat},
		{"too long", bytes.Repeat([]byte("a\n"), 1<<20), note.VerifierList(own), proof.ErrFormat},
	} {
		got, sigs, err := proof.OpenNote(row.signed, row.keys)
		if !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
		if row.want == nil && (len(sigs) != 1 || !cmp.Equal(got, c)) {
			t.Errorf("%s: %+v, %v", row.name, got, sigs)
		}
	}
	if got, sigs, err := proof.ParseNote(forged); err != nil || got.Size != 4 || len(sigs) != 1 {
		t.Errorf("ParseNote of a forged note = %+v, %v, %v; it only reads", got, sigs, err)
	}
}

func TestASignatureBindsEveryPartOfACheckpoint(t *testing.T) {
	l := leaf(2)
	c := proof.Checkpoint{Origin: origin, Size: 3, Root: leaf(3), Leaf: &l}
	s := newSigner(t, origin, 1)
	sig, vkey := sign(t, s, c), s.Verifier().String()
	if err := proof.VerifySignature(c, vkey, sig); err != nil {
		t.Fatal(err)
	}
	other := leaf(9)
	for name, change := range map[string]func(*proof.Checkpoint){
		"origin": func(c *proof.Checkpoint) { c.Origin = "shop.example/till1/e2" }, "size": func(c *proof.Checkpoint) { c.Size++ },
		"root": func(c *proof.Checkpoint) { c.Root[0] ^= 1 }, "leaf": func(c *proof.Checkpoint) { c.Leaf = &other },
		"no leaf": func(c *proof.Checkpoint) { c.Leaf = nil }, "extension": func(c *proof.Checkpoint) { c.Extensions = []string{"x"} },
	} {
		changed := c
		change(&changed)
		if err := proof.VerifySignature(changed, vkey, sig); err == nil {
			t.Errorf("%s changed: the signature still verifies", name)
		}
	}
	if err := proof.VerifySignature(c, vkey, sig[:63]); !errors.Is(err, proof.ErrSignature) {
		t.Errorf("short signature: %v", err)
	}
	if _, err := s.Sign(context.Background(), proof.Checkpoint{Origin: "other"}); !errors.Is(err, proof.ErrUnknownKey) {
		t.Errorf("signing for another origin: %v, want ErrUnknownKey", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Sign(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("signing after cancel: %v", err)
	}
}

func TestVerifierKeysAreCanonical(t *testing.T) {
	v := newSigner(t, origin, 1).Verifier()
	w, err := proof.NewWitnessVerifier("witness.example", privateKey(3).Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []*proof.Verifier{v, w} {
		got, err := proof.ParseVerifier(k.String())
		if err != nil || got.String() != k.String() || got.Witness() != (k == w) || !got.PublicKey().Equal(k.PublicKey()) {
			t.Errorf("ParseVerifier(%s) = %v, %v", k, got, err)
		}
	}
	good := v.String()
	for name, s := range map[string]string{
		"empty": "", "no key": origin + "+00000000+", "wrong hash": strings.Replace(good, good[22:30], "00000000", 1),
		"upper case hash": strings.Replace(good, good[22:30], strings.ToUpper(good[22:30]), 1),
		"space in name":   "a b" + good[21:], "cut": good[:len(good)-4], "trailing": good + "AAAA",
	} {
		if s == good {
			continue // a hash of digits only has no upper case
		}
		if _, err := proof.ParseVerifier(s); !errors.Is(err, proof.ErrFormat) {
			t.Errorf("%s: ParseVerifier(%q): %v, want ErrFormat", name, s, err)
		}
	}
	if _, err := proof.NewEd25519Signer("bad name", privateKey(1)); err == nil {
		t.Error("a signer with a space in its name")
	}
	if _, err := proof.NewEd25519Signer("x", privateKey(1)[:10]); err == nil {
		t.Error("a signer with a short key")
	}
}

func FuzzCheckpoint(f *testing.F) {
	l := leaf(1)
	f.Add(proof.Checkpoint{Origin: origin, Size: 2, Root: leaf(2), Leaf: &l}.Text())
	f.Add([]byte("go.sum database tree\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nmore\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := proof.ParseCheckpoint(b); err == nil && !bytes.Equal(c.Text(), b) {
			t.Errorf("%q parses and encodes to %q", b, c.Text())
		}
	})
}

func FuzzVerifier(f *testing.F) {
	f.Add(newSigner(f, origin, 1).Verifier().String())
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := proof.ParseVerifier(s); err == nil && v.String() != s {
			t.Errorf("%q parses and encodes to %q", s, v)
		}
	})
}

func BenchmarkVerifyCheckpoint(b *testing.B) {
	l := leaf(1)
	c := proof.Checkpoint{Origin: origin, Size: 2, Root: leaf(2), Leaf: &l}
	s := newSigner(b, origin, 1)
	sig := sign(b, s, c)
	for b.Loop() {
		if err := s.Verifier().VerifyCheckpoint(c, sig); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareEd25519(b *testing.B) {
	msg := proof.Checkpoint{Origin: origin, Size: 2, Root: leaf(2)}.Text()
	sig, pub := ed25519.Sign(privateKey(1), msg), privateKey(1).Public().(ed25519.PublicKey)
	for b.Loop() {
		if !ed25519.Verify(pub, msg, sig) {
			b.Fatal("does not verify")
		}
	}
}
