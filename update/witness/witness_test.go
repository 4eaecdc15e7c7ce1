package witness_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/update/witness"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const origin = "maker/log"

// noteSigner signs notes with an Ed25519 key.
type noteSigner struct {
	*proof.Verifier
	priv ed25519.PrivateKey
}

func (s noteSigner) Sign(text []byte) ([]byte, error) { return ed25519.Sign(s.priv, text), nil }

func newSigner(name string, priv ed25519.PrivateKey) (note.Signer, error) {
	v, err := proof.NewVerifier(name, priv.Public().(ed25519.PublicKey))
	return noteSigner{v, priv}, err
}

// log is a log in memory; salt makes another one of the same name.
type log struct {
	hashes []tlog.Hash
	roots  []tlog.Hash // by size
	signer note.Signer
	key    *proof.Verifier
}

func (l *log) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x >= int64(len(l.hashes)) {
			return nil, errors.New("no such hash")
		}
		out[i] = l.hashes[x]
	}
	return out, nil
}

func key(seed string) ed25519.PrivateKey {
	sum := sha256.Sum256([]byte(seed))
	return ed25519.NewKeyFromSeed(sum[:])
}

func newLog(t testing.TB, size int64, salt string) *log {
	t.Helper()
	signer, err := newSigner(origin, key("log"))
	must(t, err)
	v, err := proof.NewVerifier(origin, key("log").Public().(ed25519.PublicKey))
	must(t, err)
	l := &log{signer: signer, key: v}
	for i := range size {
		root, err := tlog.TreeHash(i, l)
		must(t, err)
		l.roots = append(l.roots, root)
		more, err := tlog.StoredHashes(i, fmt.Append(nil, salt, i), l)
		must(t, err)
		l.hashes = append(l.hashes, more...)
	}
	root, err := tlog.TreeHash(size, l)
	must(t, err)
	l.roots = append(l.roots, root)
	return l
}

func (l *log) checkpoint(t testing.TB, size uint64, signers ...note.Signer) []byte {
	t.Helper()
	cp := proof.Checkpoint{Origin: origin, Size: size, Root: l.roots[size]}
	signed, err := note.Sign(&note.Note{Text: string(cp.Text())}, append(signers, l.signer)...)
	must(t, err)
	return signed
}

func (l *log) request(t testing.TB, old, size uint64) witness.Request {
	t.Helper()
	p, err := proof.ProveConsistency(size, old, l)
	must(t, err)
	return witness.Request{Old: old, Proof: p, Checkpoint: l.checkpoint(t, size)}
}

// memory is a store that remembers what was kept, and can fail.
type memory struct {
	mu   sync.Mutex
	last proof.Checkpoint
	fail error
}

func (m *memory) Latest(string) (proof.Checkpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last, nil
}

func (m *memory) Keep(cp proof.Checkpoint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		m.last = cp
	}
	return m.fail
}

// start serves a witness, below a prefix.
func start(t testing.TB, l *log) (*httptest.Server, *memory, *proof.Verifier) {
	t.Helper()
	c, err := proof.NewCosigner("nmi/witness", key("witness"))
	must(t, err)
	store := new(memory)
	w := &witness.Witness{Logs: []*proof.Verifier{l.key}, Store: store, Cosign: func(cp proof.Checkpoint, signed []byte) ([]byte, error) {
		sig, err := c.Sign(cp, 1_795_000_000)
		return proof.AddSignature(signed, c.Verifier().Name(), c.Verifier().KeyHash(), sig)[len(signed):], err
	}}
	s := httptest.NewServer(w)
	t.Cleanup(s.Close)
	return s, store, c.Verifier()
}

func post(t testing.TB, s *httptest.Server, body []byte) (int, string, http.Header) {
	t.Helper()
	r, err := http.Post(s.URL+"/add-checkpoint", "text/plain", bytes.NewReader(body))
	must(t, err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	must(t, err)
	return r.StatusCode, string(text), r.Header
}

// The statuses of c2sp.org/tlog-witness, add-checkpoint, one by one.
// Requirement: FM-10
func TestAWitnessAnswersAsTheSpecificationSays(t *testing.T) {
	l, fork := newLog(t, 20, "a"), newLog(t, 20, "b")
	s, store, _ := start(t, l)
	stranger, err := newSigner("another/log", key("x"))
	must(t, err)
	wrongKey, err := newSigner(origin, key("not the log's"))
	must(t, err)
	cp := proof.Checkpoint{Origin: origin, Size: 5, Root: l.roots[5]}
	byAnother, err := note.Sign(&note.Note{Text: string(cp.Text())}, wrongKey)
	must(t, err)
	unknown, err := note.Sign(&note.Note{Text: strings.Replace(string(cp.Text()), origin, "another/log", 1)}, stranger)
	must(t, err)
	bent := bytes.Clone(l.checkpoint(t, 5))
	bent[len(bent)-20] ^= 1
	first := l.request(t, 0, 5).Encode()
	emptyBent := proof.Checkpoint{Origin: origin, Size: 0, Root: l.roots[3]}
	zero, err := note.Sign(&note.Note{Text: string(emptyBent.Text())}, l.signer)
	must(t, err)
	with := func(old uint64, p tlog.TreeProof, cp []byte) []byte {
		return witness.Request{Old: old, Proof: p, Checkpoint: cp}.Encode()
	}
	for _, c := range []struct {
		what string
		body []byte
		code int
	}{
		{"no request", []byte("x"), 400},
		{"leading zero", bytes.Replace(first, []byte("old 0"), []byte("old 00"), 1), 400},
		{"no checkpoint", []byte("old 0\n\n"), 400},
		{"64 proof lines", with(0, make(tlog.TreeProof, 64), l.checkpoint(t, 5)), 400},
		{"too long", bytes.Repeat([]byte("x"), 1<<20), 400},
		{"unknown origin", with(0, nil, unknown), 404},
		{"signed by another key", with(0, nil, byAnother), 403},
		{"signature bent", with(0, nil, bent), 403},
		{"old size above the new", with(6, nil, l.checkpoint(t, 5)), 400},
		{"empty tree with another root", with(0, nil, zero), 422},
		{"proof from the empty tree", with(0, l.request(t, 3, 5).Proof, l.checkpoint(t, 5)), 422},
		{"never seen, old 3", l.request(t, 3, 5).Encode(), 409},
		{"first", first, 200},
		{"first again, from zero", first, 409},
		{"the same size", l.request(t, 5, 5).Encode(), 200},
		{"the same size, another root", with(5, nil, fork.checkpoint(t, 5)), 422},
		{"a fork", fork.request(t, 5, 9).Encode(), 422},
		{"a proof of something else", with(5, l.request(t, 4, 9).Proof, l.checkpoint(t, 9)), 422},
		{"grown", l.request(t, 5, 9).Encode(), 200},
		{"back", l.request(t, 5, 7).Encode(), 409},
		{"more signatures", with(9, l.request(t, 9, 12).Proof, l.checkpoint(t, 12, stranger)), 200},
	} {
		code, text, header := post(t, s, c.body)
		if code != c.code {
			t.Errorf("%s: status %d, want %d: %s", c.what, code, c.code, text)
		}
		if code == 409 && (header.Get("Content-Type") != "text/x.tlog.size" || text != fmt.Sprintf("%d\n", store.last.Size)) {
			t.Errorf("%s: %q of type %q, and the size is %d", c.what, text, header.Get("Content-Type"), store.last.Size)
		}
		if code == 200 && (!strings.HasPrefix(text, "— nmi/witness ") || !strings.HasSuffix(text, "\n") || strings.Count(text, "\n") != 1) {
			t.Errorf("%s: %q is not a signature line", c.what, text)
		}
	}
	r, err := http.Get(s.URL + "/add-checkpoint")
	must(t, err)
	r.Body.Close()
	if r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d", r.StatusCode)
	}
	store.fail = errors.New("disk full")
	if code, text, _ := post(t, s, l.request(t, 12, 20).Encode()); code != 500 || strings.Contains(text, "—") {
		t.Errorf("signed what it could not keep: %d %s", code, text)
	}
}

func TestAMonitorGetsTheNewestCheckpoint(t *testing.T) {
	l := newLog(t, 9, "a")
	s, _, v := start(t, l)
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(origin)))
	get := func() (int, []byte) {
		r, err := http.Get(s.URL + "/" + hash + "/checkpoint")
		must(t, err)
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		must(t, err)
		return r.StatusCode, text
	}
	if code, _ := get(); code != 404 {
		t.Errorf("before the first: %d", code)
	}
	post(t, s, l.request(t, 0, 5).Encode())
	code, text := get()
	cp, sigs, err := proof.OpenNote(text, note.VerifierList(l.key, v))
	if code != 200 || err != nil || cp.Size != 5 || len(sigs) != 2 {
		t.Errorf("%d, %d entries, %d signatures: %v", code, cp.Size, len(sigs), err)
	}
}

func TestAClientFindsOutTheSizeAndBelievesOneKeyAlone(t *testing.T) {
	l, fork := newLog(t, 20, "a"), newLog(t, 20, "b")
	s, _, v := start(t, l)
	post(t, s, l.request(t, 0, 5).Encode())
	c := &witness.Client{URL: s.URL + "/", Key: v}
	ctx := context.Background()
	var conflict *witness.ConflictError
	if _, err := c.Cosign(ctx, l.checkpoint(t, 9), 0, nil); !errors.As(err, &conflict) || conflict.Size != 5 {
		t.Fatalf("%v", err)
	}
	if size, err := c.Size(ctx, origin); err != nil || size != 5 {
		t.Errorf("size %d, %v", size, err)
	}
	r := l.request(t, 5, 9)
	signed, err := c.Cosign(ctx, r.Checkpoint, 5, r.Proof)
	must(t, err)
	if _, sigs, err := proof.OpenNote(signed, note.VerifierList(l.key, v)); err != nil || len(sigs) != 2 {
		t.Errorf("%d signatures, %v", len(sigs), err)
	}
	f := fork.request(t, 9, 12)
	if _, err := c.Cosign(ctx, f.Checkpoint, 9, f.Proof); !errors.Is(err, witness.ErrProof) {
		t.Errorf("a fork: %v", err)
	}
	other, err := proof.NewWitnessVerifier("nmi/witness", key("another").Public().(ed25519.PublicKey))
	must(t, err)
	r = l.request(t, 9, 12)
	if _, err := (&witness.Client{URL: s.URL, Key: other}).Cosign(ctx, r.Checkpoint, 9, r.Proof); !errors.Is(err, witness.ErrUnsigned) {
		t.Errorf("by another key: %v", err)
	}
	for code, answer := range map[int]string{200: "— nmi/witness AAAA\n", 409: "many\n", 503: "later"} {
		liar := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(code)
			io.WriteString(rw, answer)
		}))
		if _, err := (&witness.Client{URL: liar.URL, Key: v}).Cosign(ctx, r.Checkpoint, 9, r.Proof); err == nil {
			t.Errorf("status %d with %q: no error", code, answer)
		}
		liar.Close()
	}
}

func TestOfManyRequestsAtOnceNoneTakesTheTreeBack(t *testing.T) {
	l := newLog(t, 40, "a")
	s, store, _ := start(t, l)
	var all sync.WaitGroup
	for size := uint64(1); size <= 40; size++ {
		body := l.request(t, 0, size).Encode()
		all.Go(func() {
			if code, text, _ := post(t, s, body); code != 200 && code != 409 {
				t.Errorf("status %d: %s", code, text)
			}
		})
	}
	all.Wait()
	first := store.last.Size
	for size := first + 1; size <= 40; size++ {
		if code, text, _ := post(t, s, l.request(t, store.last.Size, size).Encode()); code != 200 {
			t.Fatalf("status %d: %s", code, text)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	l := newLog(f, 9, "a")
	f.Add(l.request(f, 0, 5).Encode())
	f.Add(l.request(f, 3, 9).Encode())
	f.Add([]byte("old 1\n\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := witness.ParseRequest(body)
		if err != nil {
			return
		}
		if !bytes.Equal(r.Encode(), body) {
			t.Errorf("%q is written as %q", body, r.Encode())
		}
	})
}
