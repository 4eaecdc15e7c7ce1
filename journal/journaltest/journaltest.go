// Package journaltest holds what tests of and around journals need: keys in
// memory, a signer that remembers what it was asked, and a suite that every file
// system below a journal must pass.
//
// The signer is the referee of the rule that no size is ever handed out for
// signing with two roots: it lives across losses of power, as a security chip
// does, and reports each breach.
//
//	keys, signer := journaltest.NewKeys(), journaltest.NewSigner("till/e1")
//	j, err := journal.Create(ctx, dir, "till/e1", first, journal.Options{Keys: keys, Signer: signer})
//	...
//	if err := signer.Breach(); err != nil { t.Fatal(err) }
package journaltest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
)

// Keys are month keys in memory, derived from the month so that they outlive a
// simulated loss of power. The zero value is usable.
type Keys struct {
	mu     sync.Mutex
	erased map[uint32]bool
	fails  error
}

// NewKeys returns keys for every month.
func NewKeys() *Keys { return new(Keys) }

var _ journal.Keys = (*Keys)(nil)

// Month returns the key for reading.
func (k *Keys) Month(_ context.Context, yyyymm uint32) (key [32]byte, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.erased[yyyymm] {
		return key, journal.ErrErased
	}
	if k.fails != nil {
		return key, k.fails
	}
	return sha256.Sum256(binary.BigEndian.AppendUint32([]byte("test month key"), yyyymm)), nil
}

// Current returns the key for writing.
func (k *Keys) Current(ctx context.Context, yyyymm uint32) ([32]byte, error) {
	return k.Month(ctx, yyyymm)
}

// Erase destroys a month's key.
func (k *Keys) Erase(yyyymm uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.erased == nil {
		k.erased = make(map[uint32]bool)
	}
	k.erased[yyyymm] = true
}

// Fail makes all calls return err; nil: works again.
func (k *Keys) Fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fails = err
}

// Signer signs with a fixed Ed25519 key and remembers every size and root it was
// asked for. Safe for concurrent use.
type Signer struct {
	signer *proof.Ed25519Signer

	mu     sync.Mutex
	roots  map[uint64]tlog.Hash
	breach error
	fails  error
	cheap  bool
	asked  int
	check  func(proof.Checkpoint) error
}

// NewSigner returns the signer of an origin; the same origin has the same key.
func NewSigner(origin string) *Signer {
	seed := sha256.Sum256([]byte("test signer " + origin))
	s, err := proof.NewEd25519Signer(origin, ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		panic("internal error: " + err.Error()) // an origin that a test made up wrongly
	}
	return &Signer{signer: s, roots: make(map[uint64]tlog.Hash)}
}

// NewRecorder is NewSigner without the cost of signatures: what it returns has
// the form of one and verifies with nothing.
func NewRecorder(origin string) *Signer {
	s := NewSigner(origin)
	s.cheap = true
	return s
}

var _ proof.Signer = (*Signer)(nil)

// KeyHash implements proof.Signer.
func (s *Signer) KeyHash() uint32 { return s.signer.KeyHash() }

// Verifier is the key's public half.
func (s *Signer) Verifier() *proof.Verifier { return s.signer.Verifier() }

// Sign implements proof.Signer.
func (s *Signer) Sign(ctx context.Context, c proof.Checkpoint) ([]byte, error) {
	if err := s.record(c); err != nil {
		return nil, err
	}
	if s.cheap {
		sum := sha256.Sum256(c.Text())
		return append(sum[:], sum[:]...), nil
	}
	return s.signer.Sign(ctx, c)
}

// record counts as asked even when the signer is then made to fail: the
// checkpoint has left the journal.
func (s *Signer) record(c proof.Checkpoint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if root, ok := s.roots[c.Size]; ok && root != c.Root && s.breach == nil {
		s.breach = fmt.Errorf("size %d was handed to the signer with roots %v and %v", c.Size, root, c.Root)
	}
	if s.check != nil && s.breach == nil {
		s.breach = s.check(c)
	}
	s.roots[c.Size] = c.Root
	return s.fails
}

// Fail makes Sign return err; nil: works again.
func (s *Signer) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = err
}

// Check sets a function that judges every checkpoint asked for; its first error
// is a breach.
func (s *Signer) Check(f func(proof.Checkpoint) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.check = f
}

// Breach is the first breach of the rules, nil if there was none.
func (s *Signer) Breach() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.breach
}

// Asked is how often a signature was asked for.
func (s *Signer) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Roots returns what was asked for, by size.
func (s *Signer) Roots() map[uint64]tlog.Hash {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[uint64]tlog.Hash, len(s.roots))
	for size, root := range s.roots {
		out[size] = root
	}
	return out
}
