package proof_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

// vectors is testdata/vectors.json, for implementations in other languages.
// Bytes are hex, hashes of the tree base64 as in checkpoints. Leaf i of the
// trees is SHA-256(0x00 || i as 8 bytes big-endian).
type vectors struct {
	About       string              `json:"about"`
	Commitments []commitVector      `json:"commitments"`
	Heads       []headVector        `json:"heads"`
	Trees       []treeVector        `json:"trees"`
	Inclusion   []inclusionVector   `json:"inclusion"`
	Consistency []consistencyVector `json:"consistency"`
	Signatures  []signatureVector   `json:"signatures"`
	Receipts    []receiptVector     `json:"receipts"`
	Malformed   malformedVector     `json:"malformed"`
}

type commitVector struct {
	Salt       string `json:"salt"`
	Body       string `json:"body"`
	Commitment string `json:"commitment"`
}

type headVector struct {
	Head    string     `json:"head"`
	Leaf    tlog.Hash  `json:"leaf"`
	Flags   uint8      `json:"flags"`
	Kind    uint16     `json:"kind"`
	Index   uint64     `json:"index"`
	Time    int64      `json:"time"`
	Uptime  uint64     `json:"uptime"`
	Boot    string     `json:"boot"`
	Command string     `json:"command"`
	Body    string     `json:"body"`
	BodyLen uint32     `json:"bodyLen"`
	Origin  string     `json:"origin"`
	Numbers [][2]int64 `json:"numbers"` // tag, value
}

type treeVector struct {
	Size     uint64      `json:"size"`
	Root     tlog.Hash   `json:"root"`
	Frontier []tlog.Hash `json:"frontier"` // from the left
}

type inclusionVector struct {
	Size  uint64      `json:"size"`
	Index uint64      `json:"index"`
	Root  tlog.Hash   `json:"root"`
	Leaf  tlog.Hash   `json:"leaf"`
	Path  []tlog.Hash `json:"path"`
}

type consistencyVector struct {
	Older     uint64      `json:"older"`
	Newer     uint64      `json:"newer"`
	OlderRoot tlog.Hash   `json:"olderRoot"`
	NewerRoot tlog.Hash   `json:"newerRoot"`
	Proof     []tlog.Hash `json:"proof"`
}

type signatureVector struct {
	Seed      string `json:"seed"` // Ed25519 private key, 32 bytes
	Vkey      string `json:"vkey"`
	Text      string `json:"text"`
	Signature string `json:"signature"` // with 8 bytes of time before it for a witness
	Note      string `json:"note"`
}

type receiptVector struct {
	Receipt string `json:"receipt"`
	Vkey    string `json:"vkey"`
	Head    string `json:"head"`
	Text    string `json:"text"` // what is signed
	Valid   bool   `json:"valid"`
}

type malformedVector struct {
	Heads       []string `json:"heads"`
	Checkpoints []string `json:"checkpoints"`
	Receipts    []string `json:"receipts"`
}

func TestTheSharedVectorsAreWhatThisPackageMakes(t *testing.T) {
	const name = "testdata/vectors.json"
	want, err := json.MarshalIndent(makeVectors(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("formats are durable and must not change; %s (-made +stored):\n%s", name, diff)
	}
}

// Requirement: POS-08
func TestTheSharedVectorsHold(t *testing.T) {
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	for _, s := range v.Signatures {
		key, err := proof.ParseVerifier(s.Vkey)
		if err != nil || !key.Verify([]byte(s.Text), unhex(t, s.Signature)) {
			t.Errorf("signature over %q does not verify: %v", s.Text, err)
		}
	}
	for _, r := range v.Receipts {
		checkReceiptVector(t, r)
	}
	checkMalformed(t, v.Malformed)
}

func checkReceiptVector(t *testing.T, v receiptVector) {
	t.Helper()
	r, err := proof.ParseReceipt(v.Receipt)
	if err != nil {
		t.Errorf("receipt %s: %v", v.Receipt, err)
		return
	}
	key, err := proof.ParseVerifier(v.Vkey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(note.VerifierList(key)); (err == nil) != v.Valid || !bytes.Equal(r.Head, unhex(t, v.Head)) {
		t.Errorf("receipt %s: %v, want valid: %t", v.Receipt, err, v.Valid)
	}
}

func checkMalformed(t *testing.T, v malformedVector) {
	t.Helper()
	for _, s := range v.Heads {
		if _, err := proof.ParseHead(unhex(t, s)); !errors.Is(err, proof.ErrFormat) {
			t.Errorf("head %s: %v, want ErrFormat", s, err)
		}
	}
	for _, s := range v.Checkpoints {
		if _, err := proof.ParseCheckpoint([]byte(s)); !errors.Is(err, proof.ErrFormat) {
			t.Errorf("checkpoint %q: %v, want ErrFormat", s, err)
		}
	}
	for _, s := range v.Receipts {
		if _, err := proof.ParseReceipt(s); !errors.Is(err, proof.ErrFormat) {
			t.Errorf("receipt %s: %v, want ErrFormat", s, err)
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func makeVectors(t *testing.T) vectors {
	salt := [16]byte{1, 2, 3}
	commitment := proof.Commit(salt, []byte(`{"a":1}`))
	v := vectors{
		About:       "plomb journal formats, version 1; see docs/design/0001-journal.md. Bytes are hex, tree hashes base64. Leaf i of the trees is SHA-256(0x00 || i as 8 bytes big-endian).",
		Commitments: []commitVector{{hex.EncodeToString(salt[:]), hex.EncodeToString([]byte(`{"a":1}`)), hex.EncodeToString(commitment[:])}},
		Malformed:   malformed(t),
	}
	extreme := &proof.Head{Origin: "é", Index: 1<<64 - 1, Time: -1 << 63, Numbers: []proof.Number{{Tag: 1, Value: -1 << 63}, {Tag: 255, Value: 1<<63 - 1}}}
	for _, h := range []*proof.Head{exampleHead(), {Origin: "x"}, extreme} {
		v.Heads = append(v.Heads, describeHead(t, h))
	}
	f, s := grow(t, 13)
	v.Inclusion, v.Consistency = treeProofs(t, s)
	v.Trees = trees(t, 13)
	l := leaf(12)
	v.Signatures = []signatureVector{
		signature(t, proof.Checkpoint{Origin: origin, Size: 13, Root: f.Root()}),
		signature(t, proof.Checkpoint{Origin: origin, Size: 13, Root: f.Root(), Leaf: &l}),
		cosignature(t, proof.Checkpoint{Origin: origin, Size: 13, Root: f.Root()}),
	}
	v.Receipts = receipts(t)
	return v
}

func describeHead(t *testing.T, h *proof.Head) headVector {
	b := encode(t, h)
	v := headVector{
		Head: hex.EncodeToString(b), Leaf: proof.LeafHash(b), Flags: uint8(h.Flags), Kind: uint16(h.Kind), Index: h.Index,
		Time: h.Time, Uptime: h.Uptime, Boot: hex.EncodeToString(h.Boot[:]), Command: hex.EncodeToString(h.Command[:]),
		Body: hex.EncodeToString(h.Body[:]), BodyLen: h.BodyLen, Origin: h.Origin, Numbers: [][2]int64{},
	}
	for _, n := range h.Numbers {
		v.Numbers = append(v.Numbers, [2]int64{int64(n.Tag), n.Value})
	}
	return v
}

func trees(t *testing.T, upTo int) (v []treeVector) {
	for n := range upTo + 1 {
		f, _ := grow(t, n)
		v = append(v, treeVector{f.Size(), f.Root(), f.Hashes()})
	}
	return v
}

func treeProofs(t *testing.T, s store) (in []inclusionVector, con []consistencyVector) {
	root := func(n uint64) tlog.Hash {
		f, _ := grow(t, int(n))
		return f.Root()
	}
	for _, x := range [][2]uint64{{1, 0}, {2, 1}, {7, 6}, {13, 0}, {13, 7}, {13, 12}} {
		p, err := proof.ProveInclusion(x[0], x[1], s)
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, inclusionVector{x[0], x[1], root(x[0]), leaf(int(x[1])), p})
	}
	for _, x := range [][2]uint64{{1, 2}, {4, 7}, {7, 13}, {12, 13}, {13, 13}} {
		p, err := proof.ProveConsistency(x[1], x[0], s)
		if err != nil {
			t.Fatal(err)
		}
		con = append(con, consistencyVector{x[0], x[1], root(x[0]), root(x[1]), append([]tlog.Hash{}, p...)})
	}
	return in, con
}

func signature(t *testing.T, c proof.Checkpoint) signatureVector {
	s := newSigner(t, c.Origin, 1)
	return signatureVector{
		Seed: hex.EncodeToString(privateKey(1).Seed()), Vkey: s.Verifier().String(), Text: string(c.Text()),
		Signature: hex.EncodeToString(sign(t, s, c)), Note: string(signedNote(t, c, 1)),
	}
}

func cosignature(t *testing.T, c proof.Checkpoint) signatureVector {
	w := cosigner(t, 1)
	sig, err := w.Sign(c, 1790000001)
	if err != nil {
		t.Fatal(err)
	}
	return signatureVector{
		Seed: hex.EncodeToString(privateKey(101).Seed()), Vkey: w.Verifier().String(), Text: string(c.Text()),
		Signature: hex.EncodeToString(sig), Note: string(cosign(t, signedNote(t, c, 1), c, 1)),
	}
}

func receipts(t *testing.T) []receiptVector {
	good := receipt(t, exampleHead(), 1)
	changed := exampleHead()
	changed.Numbers[0].Value = 43
	forged := *good
	forged.Head = encode(t, changed)
	foreign := receipt(t, exampleHead(), 2)
	vkey := newSigner(t, origin, 1).Verifier().String()
	var out []receiptVector
	for _, r := range []*proof.Receipt{good, &forged, foreign} {
		c, err := r.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, receiptVector{r.Encode(), vkey, hex.EncodeToString(r.Head), string(c.Text()), r == good})
	}
	return out
}

func malformed(t *testing.T) malformedVector {
	good := encode(t, exampleHead())
	change := func(at int, b byte) string {
		c := bytes.Clone(good)
		c[at] = b
		return hex.EncodeToString(c)
	}
	const root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
	code := receipt(t, exampleHead(), 1).Encode()
	return malformedVector{
		Heads: []string{
			"", change(0, 2), change(1, 16), change(96, 0), change(97, '+'), change(119, 0),
			hex.EncodeToString(good[:len(good)-1]), hex.EncodeToString(append(bytes.Clone(good), 0)),
			hex.EncodeToString(append(bytes.Clone(good[:len(good)-1]), 0x81, 0)),
		},
		Checkpoints: []string{
			"", "o\n1\n" + root, "o\n01\n" + root + "\n", "o\n1\n" + root + "\n\n", "o\n1\n" + root + "\nleaf AAAA\n",
			"o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n", "o\n1\n" + root + "\nother\nleaf " + root + "\n",
		},
		Receipts: []string{"", "PLOMB1:", code[:len(code)-1], code + "00", "PLOMB1::::" + code[10:]},
	}
}
