package journal

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

// comparePoints compares the given checkpoints up to size.
func (v *verification) comparePoints(size uint64) {
	for len(v.points) > 0 && v.points[0].Size <= size {
		c := v.points[0]
		v.points = v.points[1:]
		root, ok := v.tree.Root(), c.Size == size
		if !ok && v.cur != nil {
			root, ok = v.cur.root(c.Size)
		}
		switch {
		case !ok:
			v.find(Finding{Index: c.Size, What: WhatDamaged, Detail: fmt.Sprintf("damage hides the tree at %d entries; the checkpoint could not be compared", c.Size)})
		case root != c.Root:
			v.find(Finding{Index: c.Size, What: WhatFork, Detail: fmt.Sprintf("the first %d entries are not those of the checkpoint", c.Size)})
		default:
			v.report.Signed = max(v.report.Signed, c.Size)
		}
	}
}

// signedTree returns root and last leaf of the tree at an earlier size.
func (v *verification) signedTree(size uint64) (root, leaf tlog.Hash, ok bool) {
	for _, w := range []*treeWindow{v.cur, v.prev, v.old} {
		if w == nil {
			continue
		}
		if root, leaf, ok = w.at(size); ok {
			return root, leaf, true
		}
	}
	if w := v.reread(size); w != nil {
		return w.at(size)
	}
	return root, leaf, false
}

// reread reads an earlier segment again, for a signature that came late. After
// an outage that is once a segment; so often and no more, since crafted
// signatures must not cost a segment each.
func (v *verification) reread(size uint64) *treeWindow {
	i, _ := slices.BinarySearchFunc(v.starts, size, func(s segmentStart, size uint64) int { return cmp.Compare(s.size, size) })
	if i--; i < 0 || i >= len(v.starts)-1 || v.starts[i].number == v.oldNumber {
		return nil
	}
	if v.rereads--; v.rereads < 0 {
		return nil
	}
	v.old, v.oldNumber = nil, v.starts[i].number
	r := segmentResult{number: v.oldNumber}
	if v.load(&r) == nil {
		v.old = readTreeWindow(newScanner(r.buf, r.number))
	}
	v.recycle(r.workspace)
	return v.old
}

// treeWindow is the part of the tree that one segment adds: its stored hashes
// (leaves and complete subtrees) in the order of package tlog, with the edge of
// the tree that it begins from. It tells root and leaf at any size within, in
// any order, for as many hashes as the tree is high.
type treeWindow struct {
	start  uint64        // tree size before
	left   [64]tlog.Hash // left[l] is the complete subtree of 1<<l leaves that ends before start, if bit l of start is set
	leaves uint64
	hashes []tlog.Hash
	known  []knownRoot // of the groups' ends, ascending: most signatures are over one
}

type knownRoot struct {
	size uint64
	root tlog.Hash
}

// begin is a window from the tree on, for as many leaves, in the memory of one
// that is not needed any more; nil has none.
func (w *treeWindow) begin(tree *proof.Frontier, leaves int) *treeWindow {
	next := &treeWindow{start: tree.Size()}
	if w != nil {
		next.hashes, next.known = w.hashes[:0], w.known[:0]
	}
	next.hashes = slices.Grow(next.hashes, 2*leaves)
	rest := next.start
	for _, h := range tree.Hashes() {
		l := bits.Len64(rest) - 1
		next.left[l] = h
		rest &^= 1 << l
	}
	return next
}

// append adds a leaf to the tree, which must end where the window does.
func (w *treeWindow) append(tree *proof.Frontier, leaf tlog.Hash) {
	w.hashes = append(w.hashes, tree.Append(leaf)...)
	w.leaves++
}

// know keeps the root that the tree has at its present end.
func (w *treeWindow) know(root tlog.Hash) { w.known = append(w.known, knownRoot{w.end(), root}) }

func (w *treeWindow) end() uint64 { return w.start + w.leaves }

// readTreeWindow reads a segment's leaves as far as they are whole.
func readTreeWindow(s *scanner) *treeWindow {
	g := s.next()
	if g == nil || g.Segment == nil {
		return nil
	}
	tree, err := proof.NewFrontier(g.Segment.Size, g.Segment.Frontier)
	if err != nil {
		return nil
	}
	var none *treeWindow
	w := none.begin(tree, 0)
	for ; g != nil && g.Commit != nil && g.Commit.Before == w.end(); g = s.next() {
		leaves := leafHashes(g.Commit.Leaves)
		for i := range leaves.count() {
			w.append(tree, leaves.at(i))
		}
	}
	return w
}

// root is the tree's root at a size.
func (w *treeWindow) root(size uint64) (root tlog.Hash, ok bool) {
	if size < w.start || size > w.end() {
		return root, false
	}
	i, ok := slices.BinarySearchFunc(w.known, size, func(k knownRoot, size uint64) int { return cmp.Compare(k.size, size) })
	if ok {
		return w.known[i].root, true
	}
	return w.fold(size), true
}

// fold makes a root from its subtrees, from the right (RFC 6962 section 2.1).
func (w *treeWindow) fold(size uint64) tlog.Hash {
	if size == 0 {
		return new(proof.Frontier).Root()
	}
	l := bits.TrailingZeros64(size)
	rest := size &^ (1 << l)
	root := w.subtree(rest, l)
	for rest != 0 {
		l = bits.TrailingZeros64(rest)
		rest &^= 1 << l
		root = tlog.NodeHash(w.subtree(rest, l), root)
	}
	return root
}

// at is root and last leaf at size.
func (w *treeWindow) at(size uint64) (root, leaf tlog.Hash, ok bool) {
	if size <= w.start || size > w.end() {
		return root, leaf, false
	}
	root, ok = w.root(size)
	return root, w.subtree(size-1, 0), ok
}

// subtree is the complete subtree of 1<<level leaves from first on.
func (w *treeWindow) subtree(first uint64, level int) tlog.Hash {
	last := first + 1<<level - 1
	if last < w.start {
		return w.left[level]
	}
	return w.hashes[storedBefore(last)+uint64(level)-storedBefore(w.start)]
}

// storedBefore is how many hashes are stored before those that a leaf
// completes: of n leaves there are n, and n less the bits of n complete subtrees.
func storedBefore(leaf uint64) uint64 { return 2*leaf - uint64(bits.OnesCount64(leaf)) }
