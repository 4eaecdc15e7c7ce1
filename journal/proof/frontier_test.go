package proof_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/journal/proof"
)

// store is a tree's stored hashes in memory.
type store []tlog.Hash

func (s store) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = s[x]
	}
	return out, nil
}

func leaf(n int) tlog.Hash {
	return proof.LeafHash(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// grow builds a tree of n leaves both ways.
func grow(t testing.TB, n int) (*proof.Frontier, store) {
	t.Helper()
	f, s := new(proof.Frontier), store{}
	for i := range n {
		want, err := tlog.StoredHashesForRecordHash(int64(i), leaf(i), s)
		if err != nil {
			t.Fatal(err)
		}
		got := f.Append(leaf(i))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("stored hashes of leaf %d (-tlog +frontier):\n%s", i, diff)
		}
		s = append(s, got...)
	}
	return f, s
}

// Requirement: POS-08
func TestTheFrontierEqualsTheTreeOfRFC6962(t *testing.T) {
	f, s := new(proof.Frontier), store{}
	for n := range 600 {
		want, err := tlog.TreeHash(int64(n), s)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Root(); got != want || f.Size() != uint64(n) {
			t.Fatalf("root at %d = %v (size %d), want %v", n, got, f.Size(), want)
		}
		again, err := proof.NewFrontier(f.Size(), f.Hashes())
		if err != nil || again.Root() != want {
			t.Fatalf("frontier at %d does not survive Hashes: %v", n, err)
		}
		s = append(s, f.Append(leaf(n))...)
	}
}

func TestAFrontierGoesOnFromItsHashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, more := rapid.IntRange(0, 5000).Draw(t, "size"), rapid.IntRange(1, 100).Draw(t, "more")
		whole := new(proof.Frontier)
		for i := range n {
			whole.Append(leaf(i))
		}
		part, err := proof.NewFrontier(whole.Size(), whole.Hashes())
		if err != nil {
			t.Fatal(err)
		}
		clone := whole.Clone()
		for i := range more {
			if diff := cmp.Diff(whole.Append(leaf(n+i)), part.Append(leaf(n+i))); diff != "" {
				t.Fatalf("leaf %d:\n%s", n+i, diff)
			}
		}
		if whole.Root() != part.Root() || clone.Size() != uint64(n) {
			t.Fatalf("roots differ at %d", n+more)
		}
	})
}

func TestAFrontierOfTheWrongLengthIsRefused(t *testing.T) {
	for size, hashes := range map[uint64]int{0: 1, 1: 0, 3: 1, 8: 2, 1<<62 + 1: 2} {
		if _, err := proof.NewFrontier(size, make([]tlog.Hash, hashes)); !errors.Is(err, proof.ErrFormat) {
			t.Errorf("NewFrontier(%d, %d hashes): %v, want ErrFormat", size, hashes, err)
		}
	}
}

func TestAppendAndRootDoNotAllocate(t *testing.T) {
	f := new(proof.Frontier)
	h := leaf(1)
	if n := testing.AllocsPerRun(1000, func() { f.Append(h); f.Root() }); n != 0 {
		t.Errorf("%v allocations a leaf, want none", n)
	}
}

// Requirement: POS-08
func TestInclusionAndConsistencyOfEveryTree(t *testing.T) {
	_, s := grow(t, 70)
	for size := uint64(1); size <= 70; size++ {
		root, err := tlog.TreeHash(int64(size), s)
		if err != nil {
			t.Fatal(err)
		}
		c := proof.Checkpoint{Origin: "o", Size: size, Root: root}
		for i := range size {
			p, err := proof.ProveInclusion(size, i, s)
			if err != nil {
				t.Fatal(err)
			}
			if err := proof.CheckInclusion(p, c, i, leaf(int(i))); err != nil {
				t.Errorf("entry %d of %d: %v", i, size, err)
			}
			if err := proof.CheckInclusion(p, c, i, leaf(1000)); err == nil {
				t.Errorf("entry %d of %d: another leaf passes", i, size)
			}
		}
		for older := range size + 1 {
			checkConsistency(t, s, c, older)
		}
	}
}

func checkConsistency(t *testing.T, s store, newer proof.Checkpoint, size uint64) {
	t.Helper()
	root, err := tlog.TreeHash(int64(size), s)
	if err != nil {
		t.Fatal(err)
	}
	p, err := proof.ProveConsistency(newer.Size, size, s)
	if err != nil {
		t.Fatal(err)
	}
	older := proof.Checkpoint{Origin: "o", Size: size, Root: root}
	if err := proof.CheckConsistency(p, newer, older); err != nil {
		t.Errorf("%d in %d: %v", size, newer.Size, err)
	}
	older.Root[3] ^= 1
	if err := proof.CheckConsistency(p, newer, older); err == nil {
		t.Errorf("%d in %d: another root passes", size, newer.Size)
	}
}

func TestProofsOutsideTheTreeAreRefused(t *testing.T) {
	_, s := grow(t, 3)
	if _, err := proof.ProveInclusion(3, 3, s); err == nil {
		t.Error("entry 3 of 3 was proven")
	}
	if _, err := proof.ProveConsistency(2, 3, s); err == nil {
		t.Error("3 in 2 was proven")
	}
	if err := proof.CheckInclusion(nil, proof.Checkpoint{}, 0, tlog.Hash{}); err == nil {
		t.Error("an entry of the empty tree passes")
	}
}

func BenchmarkFrontierAppend(b *testing.B) {
	f, h := new(proof.Frontier), leaf(1)
	for b.Loop() {
		f.Append(h)
	}
}
