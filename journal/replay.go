package journal

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

// replay computes the tree over the groups of segments, filling in for damaged
// ones, and notes what recovery must know.
type replay struct {
	ctx    context.Context
	reader *reader
	tree   *proof.Frontier
	// leaf gives a leaf hash from elsewhere, the tree cache; it is believed only if
	// a later commit's root agrees.
	leaf func(index uint64) (tlog.Hash, bool)
	// visit, if set, is told each leaf in order; rec is nil where the entry is damaged.
	visit func(index uint64, leaf tlog.Hash, rec *record)

	segment   uint32
	snapshot  uint64
	due       uint64
	unproven  bool // a leaf of elsewhere is in the tree, under no root yet
	holes     []*HoleError
	signature func(*signatureRecord)
}

// begin sets the tree to what stood before a segment.
func (rp *replay) begin(info *segmentInfo) (err error) {
	rp.tree, err = proof.NewFrontier(info.Size, info.Frontier)
	rp.snapshot = info.Snapshot
	return err
}

// group takes in the next group.
func (rp *replay) group(segment uint32, g *group) error {
	rp.segment = segment
	for i := range g.Signatures {
		if rp.signature != nil {
			rp.signature(&g.Signatures[i])
		}
	}
	if g.Commit == nil {
		return rp.uncommitted(g)
	}
	return rp.committed(g)
}

func (rp *replay) committed(g *group) error {
	c := g.Commit
	if c.Before < rp.tree.Size() {
		return fmt.Errorf("segment %d at %d: group of entries %d to %d after %d entries: %w", rp.segment, g.Start, c.Before, c.Size, rp.tree.Size(), ErrDamaged)
	}
	if err := rp.fill(nil, c.Before, "their group is missing"); err != nil {
		return err
	}
	entries := g.Entries
	for i := range int(c.Size - c.Before) {
		rec := cutEntry(&entries, c.Before+uint64(i))
		if rec == nil {
			rp.hole(c.Before+uint64(i), "its record is damaged")
		}
		rp.add(c.leaf(i), rec)
	}
	if rp.tree.Root() != c.Root {
		return fmt.Errorf("segment %d at %d: root of size %d is not that of its leaves: %w", rp.segment, g.Start, c.Size, ErrDamaged)
	}
	rp.snapshot, rp.due, rp.unproven = c.Snapshot, c.Due, false
	return nil
}

// uncommitted takes in a group whose commit is damaged: its entries give all back.
func (rp *replay) uncommitted(g *group) error {
	size := rp.tree.Size() + uint64(max(g.Count, 0))
	if n := len(g.Entries); n > 0 {
		size = max(size, g.Entries[n-1].Index+1)
	}
	return rp.fill(g.Entries, size, "its record is damaged")
}

// fill adds the leaves up to size from whole entry records or, failing those,
// from elsewhere.
func (rp *replay) fill(entries []record, size uint64, reason string) error {
	for rp.tree.Size() < size {
		index := rp.tree.Size()
		rec := cutEntry(&entries, index)
		leaf, err := rp.leafOf(rec, index, reason)
		if err != nil {
			return err
		}
		rp.add(leaf, rec)
	}
	return nil
}

func (rp *replay) leafOf(rec *record, index uint64, reason string) (tlog.Hash, error) {
	if rec != nil {
		if e, err := rp.reader.open(rp.ctx, rec); err == nil {
			rp.noteSnapshot(&e)
			return e.Leaf, nil
		}
	}
	if rec == nil {
		rp.hole(index, reason)
	}
	if rp.leaf != nil {
		if h, ok := rp.leaf(index); ok {
			rp.unproven = true
			return h, nil
		}
	}
	return tlog.Hash{}, &HoleError{From: index, To: index + 1, Segment: rp.segment, Reason: "entry and leaf hash are lost; the tree cannot be continued"}
}

func (rp *replay) noteSnapshot(e *Entry) {
	if e.Head.Flags&proof.FlagSnapshot != 0 {
		rp.snapshot = e.Head.Index + 1
	}
}

func (rp *replay) add(leaf tlog.Hash, rec *record) {
	index := rp.tree.Size()
	rp.tree.Append(leaf)
	if rp.visit != nil {
		rp.visit(index, leaf, rec)
	}
}

// hole names a damaged entry; neighbours become one finding.
func (rp *replay) hole(index uint64, reason string) {
	if n := len(rp.holes); n > 0 {
		if h := rp.holes[n-1]; h.To == index && h.Segment == rp.segment && h.Reason == reason {
			h.To++
			return
		}
	}
	rp.holes = append(rp.holes, &HoleError{From: index, To: index + 1, Segment: rp.segment, Reason: reason})
}

// cutEntry takes the record of an index off the front of ascending entries, nil
// if it is not there.
func cutEntry(entries *[]record, index uint64) *record {
	for len(*entries) > 0 && (*entries)[0].Index < index {
		*entries = (*entries)[1:]
	}
	if len(*entries) == 0 || (*entries)[0].Index != index {
		return nil
	}
	rec := &(*entries)[0]
	*entries = (*entries)[1:]
	return rec
}
