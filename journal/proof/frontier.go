package proof

import (
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// MaxSize is the largest tree this package handles. Beyond it the stored hash
// indexes of package tlog would overflow.
const MaxSize = 1 << 62

// emptyRoot is the root of the tree without leaves, SHA-256 of nothing (RFC 6962 section 2.1).
var emptyRoot = tlog.Hash{
	0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
	0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
}

// Frontier is the right edge of a tree: the roots of its complete subtrees,
// at most 62 hashes. It is all that is needed to append leaves and to compute
// roots. The zero value is the empty tree. Not safe for concurrent use.
type Frontier struct {
	size  uint64
	level [64]tlog.Hash // level[l] is a complete subtree of 1<<l leaves when bit l of size is set
	fresh [64]tlog.Hash // what Append returns
}

// NewFrontier continues a tree of the given size from its frontier hashes,
// ordered from the left (largest subtree first), as Hashes returns them.
func NewFrontier(size uint64, hashes []tlog.Hash) (*Frontier, error) {
	if size > MaxSize || len(hashes) != bits.OnesCount64(size) {
		return nil, fmt.Errorf("frontier of %d hashes for size %d: %w", len(hashes), size, ErrFormat)
	}
	f := &Frontier{size: size}
	rest := size
	for _, h := range hashes {
		l := bits.Len64(rest) - 1
		f.level[l] = h
		rest &^= 1 << l
	}
	return f, nil
}

// Size is the number of leaves.
func (f *Frontier) Size() uint64 { return f.size }

// Append adds a leaf hash and returns the stored hashes that it completes, the
// leaf's own first, in the order of tlog.StoredHashesForRecordHash. The slice
// is overwritten by the next Append.
func (f *Frontier) Append(leaf tlog.Hash) []tlog.Hash {
	f.fresh[0] = leaf
	l := 0
	for f.size>>l&1 == 1 {
		f.fresh[l+1] = nodeHash(&f.level[l], &f.fresh[l])
		l++
	}
	f.level[l] = f.fresh[l]
	f.size++
	return f.fresh[:l+1]
}

// Root is the tree's root hash, equal to tlog.TreeHash.
func (f *Frontier) Root() tlog.Hash {
	if f.size == 0 {
		return emptyRoot
	}
	l := bits.TrailingZeros64(f.size)
	root := f.level[l]
	for rest := f.size &^ (1 << l); rest != 0; rest &^= 1 << l {
		l = bits.TrailingZeros64(rest)
		root = nodeHash(&f.level[l], &root)
	}
	return root
}

// Hashes returns the frontier from the left, largest subtree first.
func (f *Frontier) Hashes() []tlog.Hash {
	hashes := make([]tlog.Hash, 0, bits.OnesCount64(f.size))
	for rest := f.size; rest != 0; {
		l := bits.Len64(rest) - 1
		hashes = append(hashes, f.level[l])
		rest &^= 1 << l
	}
	return hashes
}

// Clone returns an independent copy.
func (f *Frontier) Clone() *Frontier {
	c := *f
	return &c
}
