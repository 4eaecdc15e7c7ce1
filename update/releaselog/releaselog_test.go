package releaselog_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/releaselog"
	"github.com/plomb-pos/plomb/update/slot"
)

// log is a release log with one witness, in memory.
type log struct {
	key     ed25519.PrivateKey
	name    *proof.Verifier
	witness *proof.Cosigner
	hashes  []tlog.Hash
	leaves  int64
}

func newLog(t testing.TB) *log {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))
	name, err := proof.NewVerifier("releases.example", key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	witness, err := proof.NewCosigner("witness.example", ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return &log{key: key, name: name, witness: witness}
}

func (l *log) ReadHashes(at []int64) (out []tlog.Hash, err error) {
	for _, i := range at {
		out = append(out, l.hashes[i])
	}
	return out, nil
}

func (l *log) add(t testing.TB, entry []byte) {
	t.Helper()
	more, err := tlog.StoredHashes(l.leaves, entry, l)
	if err != nil {
		t.Fatal(err)
	}
	l.hashes = append(l.hashes, more...)
	l.leaves++
}

func (l *log) policy(t testing.TB) *proof.Policy {
	t.Helper()
	p, err := proof.ParsePolicy(fmt.Appendf(nil, "log %s\nwitness w %s\nquorum w\n", l.name, l.witness.Verifier()))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// prove is the proof of an entry; seconds 0: no witness cosigns.
func (l *log) prove(t testing.TB, index uint64, seconds uint64) []byte {
	t.Helper()
	root, err := tlog.TreeHash(l.leaves, l)
	if err != nil {
		t.Fatal(err)
	}
	c := proof.Checkpoint{Origin: "releases.example", Size: uint64(l.leaves), Root: root}
	signed := proof.Note(c, l.name.Name(), l.name.KeyHash(), ed25519.Sign(l.key, c.Text()))
	if seconds > 0 {
		sig, err := l.witness.Sign(c, seconds)
		if err != nil {
			t.Fatal(err)
		}
		signed = proof.AddSignature(signed, l.witness.Verifier().Name(), l.witness.Verifier().KeyHash(), sig)
	}
	path, err := proof.ProveInclusion(c.Size, index, l)
	if err != nil {
		t.Fatal(err)
	}
	return (&proof.Inclusion{Index: index, Path: path, Note: signed}).Text()
}

func TestOnlyALoggedReleaseIsProved(t *testing.T) {
	l := newLog(t)
	one, two := manifest.Sum([]byte("one")), manifest.Sum([]byte("two"))
	l.add(t, releaselog.Entry(releaselog.Released, one))
	l.add(t, releaselog.Entry(releaselog.Approved("ptb"), one))
	l.add(t, releaselog.Entry(releaselog.Approved("ptb"), two))
	check := slot.Check{Log: releaselog.Check(l.policy(t))}.Log
	if err := check(one, l.prove(t, 0, 1_790_000_000)); err != nil {
		t.Errorf("a logged release: %v", err)
	}
	at, err := releaselog.Verify(l.policy(t), releaselog.Approved("ptb"), one, l.prove(t, 1, 1_790_000_000))
	if err != nil || !at.Equal(time.Unix(1_790_000_000, 0)) {
		t.Errorf("a logged approval: %v, %v", at, err)
	}
	whole := l.prove(t, 0, 1_790_000_000)
	for name, c := range map[string]struct {
		digest manifest.Digest
		text   []byte
	}{
		"another release":            {two, whole},
		"an approval for a release":  {two, l.prove(t, 2, 1_790_000_000)},
		"the proof of another entry": {one, l.prove(t, 1, 1_790_000_000)},
		"no witness":                 {one, l.prove(t, 0, 0)},
		"a flipped byte":             {one, flipped(whole, len(whole)-20)},
		"cut short":                  {one, whole[:len(whole)/2]},
		"nothing":                    {one, nil},
	} {
		if err := check(c.digest, c.text); !errors.Is(err, releaselog.ErrUnlogged) {
			t.Errorf("%s: %v, want ErrUnlogged", name, err)
		}
	}
}

func flipped(data []byte, at int) []byte {
	out := bytes.Clone(data)
	out[at] ^= 1
	return out
}

func TestAnotherLogIsNotTheLog(t *testing.T) {
	l, other := newLog(t), newLog(t)
	other.key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32))
	other.name, _ = proof.NewVerifier("releases.example", other.key.Public().(ed25519.PublicKey))
	digest := manifest.Sum([]byte("one"))
	other.add(t, releaselog.Entry(releaselog.Released, digest))
	if err := releaselog.Check(l.policy(t))(digest, other.prove(t, 0, 1)); !errors.Is(err, releaselog.ErrUnlogged) {
		t.Errorf("a log with another key: %v, want ErrUnlogged", err)
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add(releaselog.Entry(releaselog.Released, manifest.Sum(nil)))
	f.Add(releaselog.Entry(releaselog.Withdrawn("ptb"), manifest.Sum(nil)))
	f.Fuzz(func(t *testing.T, text []byte) {
		event, digest, err := releaselog.ParseEntry(text)
		if err == nil && !bytes.Equal(releaselog.Entry(event, digest), text) {
			t.Errorf("%q is accepted and encodes as %q", text, releaselog.Entry(event, digest))
		}
	})
}

func FuzzVerify(f *testing.F) {
	l := newLog(f)
	digest := manifest.Sum([]byte("one"))
	l.add(f, releaselog.Entry(releaselog.Released, digest))
	p, good := l.policy(f), l.prove(f, 0, 1)
	f.Add(good)
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := releaselog.Verify(p, releaselog.Released, digest, text)
		if err != nil && !errors.Is(err, releaselog.ErrUnlogged) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
