package journal

import (
	"encoding/binary"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/journal/proof"
)

func TestAWindowKnowsEveryRootWithinItInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Uint64Range(0, 300).Draw(t, "start")
		end := start + rapid.Uint64Range(0, 300).Draw(t, "leaves")
		tree := new(proof.Frontier)
		var w *treeWindow
		roots := make([]tlog.Hash, end+1)
		for size := uint64(0); ; size++ {
			roots[size] = tree.Root()
			if size == start {
				w = w.begin(tree, int(end-start))
			}
			if size == end {
				break
			}
			if leaf := leafNumber(size); size < start {
				tree.Append(leaf)
			} else {
				w.append(tree, leaf)
			}
			if size%7 == 0 && size >= start {
				w.know(tree.Root())
			}
		}
		for range 20 {
			size := rapid.Uint64Range(0, end+1).Draw(t, "size")
			root, ok := w.root(size)
			if want := start <= size && size <= end; ok != want || ok && root != roots[size] {
				t.Fatalf("root at %d of a window from %d to %d: %v, %t", size, start, end, root, ok)
			}
			if _, leaf, ok := w.at(size); ok && leaf != leafNumber(size-1) || ok != (start < size && size <= end) {
				t.Fatalf("last leaf at %d of a window from %d to %d: %v, %t", size, start, end, leaf, ok)
			}
		}
	})
}

func leafNumber(n uint64) (h tlog.Hash) {
	binary.BigEndian.PutUint64(h[:], n)
	return h
}
