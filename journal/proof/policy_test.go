package proof_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/journal/proof"
)

func cosigner(t testing.TB, n int) *proof.Cosigner {
	t.Helper()
	c, err := proof.NewCosigner(fmt.Sprintf("witness%d.example", n), privateKey(byte(100+n)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// expand replaces LOG and W1..W6 by keys.
func expand(t testing.TB, policy string) []byte {
	policy = strings.ReplaceAll(policy, "LOG", newSigner(t, origin, 1).Verifier().String())
	for n := range 7 {
		policy = strings.ReplaceAll(policy, fmt.Sprintf("W%d", n), cosigner(t, n).Verifier().String())
	}
	return []byte(policy)
}

func parsePolicy(t testing.TB, text string) *proof.Policy {
	t.Helper()
	p, err := proof.ParsePolicy(expand(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func cosign(t testing.TB, signed []byte, c proof.Checkpoint, witnesses ...int) []byte {
	t.Helper()
	for _, n := range witnesses {
		w := cosigner(t, n)
		sig, err := w.Sign(c, 1790000000+uint64(n))
		if err != nil {
			t.Fatal(err)
		}
		signed = proof.AddSignature(signed, w.Verifier().Name(), w.Verifier().KeyHash(), sig)
	}
	return signed
}

// The example of c2sp.org/tlog-policy.
const twoLevels = `log LOG

witness X1 W1
witness X2 W2 https://two.example/
witness X3 W3
group X-witnesses 2 X1 X2 X3

witness Y1 W4
witness Y2 W5
group	Y-witnesses any Y1  Y2
  # both organisations
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
`

// Requirement: FM-05
func TestAQuorumOfTwoLevels(t *testing.T) {
	p := parsePolicy(t, twoLevels)
	c := proof.Checkpoint{Origin: origin, Size: 3, Root: leaf(3)}
	for _, row := range []struct {
		witnesses []int
		want      error
	}{
		{nil, proof.ErrQuorum}, {[]int{1, 2}, proof.ErrQuorum}, {[]int{1, 4}, proof.ErrQuorum}, {[]int{4, 5}, proof.ErrQuorum},
		{[]int{1, 2, 3, 6}, proof.ErrQuorum}, {[]int{1, 3, 5}, nil}, {[]int{1, 2, 3, 4, 5, 6}, nil}, {[]int{1, 1, 4}, proof.ErrQuorum},
	} {
		e, err := p.Verify(cosign(t, signedNote(t, c, 1), c, row.witnesses...))
		if !errors.Is(err, row.want) || e == nil || e.Log.Name() != origin {
			t.Errorf("witnesses %v: %+v, %v; want %v", row.witnesses, e, err, row.want)
		}
	}
	e, err := p.Verify(cosign(t, signedNote(t, c, 1), c, 1, 3, 5, 6))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range e.Witnesses {
		got = append(got, fmt.Sprintf("%s %s %d", w.Witness, w.Key.Name(), w.Seconds))
	}
	want := []string{"X1 witness1.example 1790000001", "X3 witness3.example 1790000003", "Y2 witness5.example 1790000005"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("witnesses (-want +got):\n%s", diff)
	}
}

func TestAPolicyRefusesWhatItsKeysDidNotSign(t *testing.T) {
	p := parsePolicy(t, "log LOG\nwitness w W1\nquorum w\n")
	c := proof.Checkpoint{Origin: origin, Size: 3, Root: leaf(3)}
	good := cosign(t, signedNote(t, c, 1), c, 1)
	other := c
	other.Size = 4
	wrongWitness := cosign(t, signedNote(t, c, 1), other, 1)
	for _, row := range []struct {
		name   string
		signed []byte
		want   error
	}{
		{"whole", good, nil},
		{"changed text", bytes.Replace(good, []byte("\n3\n"), []byte("\n2\n"), 1), proof.ErrSignature},
		{"witness signed another size", wrongWitness, proof.ErrSignature},
		{"the witness alone", cosign(t, append(c.Text(), '\n'), c, 1), proof.ErrUnknownKey},
		{"another key of the till", cosign(t, signedNote(t, c, 2), c, 1), proof.ErrUnknownKey},
	} {
		if e, err := p.Verify(row.signed); !errors.Is(err, row.want) || row.want != nil && e != nil {
			t.Errorf("%s: %+v, %v; want %v", row.name, e, err, row.want)
		}
	}
	if !p.KnowsLog(origin) || p.KnowsLog("other.example") || len(p.LogKeys()) != 1 {
		t.Error("the policy knows one log")
	}
}

func TestACosignatureIsThatOfC2SP(t *testing.T) {
	c := proof.Checkpoint{Origin: origin, Size: 3, Root: leaf(3)}
	w := cosigner(t, 1)
	sig, err := w.Sign(c, 1679315147)
	if err != nil {
		t.Fatal(err)
	}
	pub := privateKey(101).Public().(ed25519.PublicKey)
	msg := append([]byte("cosignature/v1\ntime 1679315147\n"), c.Text()...)
	if len(sig) != 72 || !ed25519.Verify(pub, msg, sig[8:]) {
		t.Errorf("cosignature %x is not over %q", sig, msg)
	}
	if err := w.Verifier().VerifyCheckpoint(c, sig); err != nil {
		t.Error(err)
	}
	for i := range sig {
		changed := bytes.Clone(sig)
		changed[i] ^= 0x80
		if w.Verifier().VerifyCheckpoint(c, changed) == nil {
			t.Errorf("byte %d changed: still verifies", i)
		}
	}
	if _, err := w.Sign(c, 1<<63); err == nil {
		t.Error("a time beyond 2^63-1 was signed")
	}
	if w.Verifier().VerifyCheckpoint(c, sig[:71]) == nil {
		t.Error("a short cosignature verifies")
	}
}

func TestAPolicyThatBreaksTheRulesIsRefused(t *testing.T) {
	sameKey, err := proof.NewVerifier("other.example", privateKey(1).Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"no quorum":                       "log LOG\n",
		"two quorums":                     "quorum none\nquorum none\n",
		"undefined quorum":                "quorum w\n",
		"quorum before its witness":       "quorum w\nwitness w W1\n",
		"no newline at the end":           "quorum none",
		"carriage return":                 "quorum none\r\n",
		"unknown line":                    "quorum none\nmirror W1\n",
		"log twice":                       "log LOG\nlog LOG\nquorum none\n",
		"a log's key under two names":     "log LOG\nlog " + sameKey.String() + "\nquorum none\n",
		"witness key as log":              "log W1\nquorum none\n",
		"log key as witness":              "witness w LOG\nquorum none\n",
		"witness twice":                   "witness a W1\nwitness b W1\nquorum none\n",
		"name twice":                      "witness a W1\nwitness a W2\nquorum none\n",
		"witness called none":             "witness none W1\nquorum none\n",
		"none in a group":                 "group g any none\nquorum g\n",
		"undefined member":                "group g any w\nquorum g\n",
		"member before its line":          "group g any w\nwitness w W1\nquorum g\n",
		"member of itself":                "group g any g\nquorum g\n",
		"member twice in a group":         "witness w W1\ngroup g any w w\nquorum g\n",
		"member of two groups":            "witness w W1\ngroup g any w\ngroup h any w\nquorum g\n",
		"threshold zero":                  "witness w W1\ngroup g 0 w\nquorum g\n",
		"threshold too high":              "witness w W1\ngroup g 2 w\nquorum g\n",
		"threshold with sign":             "witness w W1\ngroup g +1 w\nquorum g\n",
		"group without members":           "group g any\nquorum g\n",
		"malformed key":                   "log x+y+z\nquorum none\n",
		"witness key of unknown type":     "witness w example+00000000+/wAA\nquorum none\n",
		"far too long":                    "#" + strings.Repeat("x", 1<<20) + "\nquorum none\n",
		"more names than anybody can use": strings.Repeat("group g any w\n", 5000),
	} {
		if _, err := proof.ParsePolicy(expand(t, text)); !errors.Is(err, proof.ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
}

func TestAPolicyWithoutLogsTrustsNobody(t *testing.T) {
	c := proof.Checkpoint{Origin: origin, Size: 3, Root: leaf(3)}
	if _, err := parsePolicy(t, "quorum none\n").Verify(signedNote(t, c, 1)); !errors.Is(err, proof.ErrUnknownKey) {
		t.Errorf("%v, want ErrUnknownKey", err)
	}
}

func TestAWitnessWithAPostQuantumKeyNeverCounts(t *testing.T) {
	raw := append([]byte{6}, make([]byte, 1312)...)
	name := "pq.example"
	vkey := fmt.Sprintf("%s+%08x+%s", name, proof.KeyHashOf(name, 6, raw[1:]), base64.StdEncoding.EncodeToString(raw))
	p := parsePolicy(t, "log LOG\nwitness pq "+vkey+"\nwitness w W1\ngroup g any pq w\nquorum g\n")
	c := proof.Checkpoint{Origin: origin, Size: 3, Root: leaf(3)}
	signed := proof.AddSignature(signedNote(t, c, 1), name, proof.KeyHashOf(name, 6, raw[1:]), make([]byte, 2428))
	if _, err := p.Verify(signed); !errors.Is(err, proof.ErrQuorum) {
		t.Errorf("only the post-quantum witness: %v, want ErrQuorum", err)
	}
	if _, err := p.Verify(cosign(t, signed, c, 1)); err != nil {
		t.Errorf("with another witness: %v", err)
	}
}

// inclusion is the proof of entry i in the tree of n leaves.
func inclusion(t testing.TB, i, n uint64, witnesses ...int) *proof.Inclusion {
	t.Helper()
	f, s := grow(t, int(n))
	c := proof.Checkpoint{Origin: origin, Size: n, Root: f.Root()}
	path, err := proof.ProveInclusion(n, i, s)
	if err != nil {
		t.Fatal(err)
	}
	return &proof.Inclusion{Extra: []byte("leaf"), Index: i, Path: path, Note: cosign(t, signedNote(t, c, 1), c, witnesses...)}
}

// Requirement: FM-05
func TestAProofStandsAlone(t *testing.T) {
	p := parsePolicy(t, "log LOG\nwitness w W1\nquorum w\n")
	i, err := proof.ParseInclusion(inclusion(t, 5, 11, 1).Text())
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.VerifyInclusion(i, leaf(5))
	if err != nil || e.Checkpoint.Size != 11 || len(e.Witnesses) != 1 {
		t.Errorf("VerifyInclusion = %+v, %v", e, err)
	}
	if _, err := p.VerifyInclusion(i, leaf(6)); err == nil {
		t.Error("another leaf passes")
	}
	if c, err := i.Verify(leaf(5), p.Logs()); err != nil || c.Size != 11 {
		t.Errorf("Verify = %+v, %v", c, err)
	}
	if c, err := i.Check(leaf(5)); err != nil || c.Size != 11 {
		t.Errorf("Check = %+v, %v", c, err)
	}
	if _, err := i.Check(leaf(4)); err == nil {
		t.Error("Check passes another leaf")
	}
	if e, err := p.VerifyInclusion(inclusion(t, 5, 11), leaf(5)); !errors.Is(err, proof.ErrQuorum) || e == nil {
		t.Errorf("without the witness: %+v, %v", e, err)
	}
	if _, err := i.Verify(leaf(5), note.VerifierList()); !errors.Is(err, proof.ErrUnknownKey) {
		t.Errorf("without keys: %v", err)
	}
}

func TestAProofHasTheTextOfC2SP(t *testing.T) {
	i := inclusion(t, 1, 3)
	lines := strings.Split(string(i.Text()), "\n")
	want := []string{"c2sp.org/tlog-proof@v1", "extra bGVhZg==", "index 1", leaf(0).String(), leaf(2).String(), "", origin, "3"}
	if diff := cmp.Diff(want, lines[:len(want)]); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	good := string(i.Text())
	for name, text := range map[string]string{
		"empty": "", "another version": strings.Replace(good, "@v1", "@v2", 1), "no index": strings.Replace(good, "index 1\n", "", 1),
		"leading zero": strings.Replace(good, "index 1", "index 01", 1), "empty extra": strings.Replace(good, "bGVhZg==", "", 1),
		"extra not canonical": strings.Replace(good, "bGVhZg==", "bGVhZh==", 1), "malformed hash": strings.Replace(good, leaf(0).String(), "AAAA", 1),
		"cut": good[:len(good)-1], "no note": "c2sp.org/tlog-proof@v1\nindex 1\n\n", "path of 64": strings.Replace(good, "index 1\n", "index 1\n"+strings.Repeat(leaf(0).String()+"\n", 64), 1),
		"header only": "c2sp.org/tlog-proof@v1\n\n" + string(i.Note),
	} {
		if _, err := proof.ParseInclusion([]byte(text)); !errors.Is(err, proof.ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
}

func FuzzInclusion(f *testing.F) {
	f.Add(inclusion(f, 5, 11, 1).Text())
	f.Add(inclusion(f, 0, 1).Text())
	f.Fuzz(func(t *testing.T, b []byte) {
		if i, err := proof.ParseInclusion(b); err == nil && !bytes.Equal(i.Text(), b) {
			t.Errorf("%q parses and encodes to %q", b, i.Text())
		}
	})
}

func FuzzPolicy(f *testing.F) {
	f.Add(expand(f, twoLevels))
	f.Add([]byte("quorum none\n"))
	c := proof.Checkpoint{Origin: origin, Size: 3, Root: leaf(3)}
	signed := cosign(f, signedNote(f, c, 1), c, 1, 2)
	stranger := signedNote(f, c, 99)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := proof.ParsePolicy(b)
		if err != nil {
			return
		}
		p.Verify(signed)
		if e, err := p.Verify(stranger); err == nil && !bytes.Contains(b, []byte(e.Log.String())) {
			t.Errorf("policy %q trusts a stranger", b)
		}
	})
}

func FuzzNote(f *testing.F) {
	c := proof.Checkpoint{Origin: origin, Size: 3, Root: leaf(3)}
	good := cosign(f, signedNote(f, c, 1), c, 1)
	keys := note.VerifierList(newSigner(f, origin, 1).Verifier())
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		got, _, err := proof.OpenNote(b, keys)
		if err == nil && !bytes.Equal(got.Text(), c.Text()) {
			t.Errorf("%q verifies as %+v", b, got)
		}
	})
}
