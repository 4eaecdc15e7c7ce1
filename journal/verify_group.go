package journal

import (
	"fmt"

	"github.com/plomb-pos/plomb/journal/proof"
)

// segmentStart is where a segment begins.
type segmentStart struct {
	number uint32
	size   uint64 // of the tree before it
}

// merge holds a segment against the tree so far.
func (v *verification) merge(r *segmentResult) {
	v.checkFile(r)
	if len(r.groups) == 0 {
		v.ended = true
		return
	}
	v.resolveTorn()
	if v.ended {
		v.find(Finding{Index: v.tree.Size(), Segment: r.number, What: WhatSegment, Detail: "the segment before holds nothing"})
		v.ended = false
	}
	v.beginSegment(r)
	for i := range r.groups {
		g := &r.groups[i]
		if last := i == len(r.groups)-1; last && g.torn {
			kept := *g
			v.torn, v.tornIn = &kept, r.number
			break
		}
		v.mergeGroup(r.number, g)
	}
}

// checkFile looks at number and length of a segment file.
func (v *verification) checkFile(r *segmentResult) {
	want := uint32(1)
	if n := len(v.starts); n > 0 {
		want = v.starts[n-1].number + 1
	}
	v.starts = append(v.starts, segmentStart{r.number, v.tree.Size()})
	if r.number != want {
		v.find(Finding{Index: v.tree.Size(), Segment: want, What: WhatSegment, Detail: fmt.Sprintf("missing; the next one is %s", segmentName(r.number))})
		v.broken = true
	}
	if r.short || r.long {
		v.find(Finding{Index: v.tree.Size(), Segment: r.number, What: WhatSegment, Detail: fmt.Sprintf("the file has not %d bytes", v.segment)})
	}
}

// beginSegment compares the tree that a segment says it begins with.
func (v *verification) beginSegment(r *segmentResult) {
	if r.info != nil {
		v.adopt(r.number, r.info)
	}
	v.starts[len(v.starts)-1].size = v.tree.Size()
	v.cur, v.prev = v.prev.begin(&v.tree, r.leaves()), v.cur // nobody looks at the one before the last any more
}

// adopt takes a segment's word for the tree that it begins with.
func (v *verification) adopt(number uint32, info *segmentInfo) {
	if info.Origin != v.origin {
		v.find(Finding{Index: info.Size, Segment: number, What: WhatOrigin, Detail: fmt.Sprintf("the segment is of %s", info.Origin)})
	}
	claimed, err := proof.NewFrontier(info.Size, info.Frontier)
	if err != nil {
		return
	}
	same := claimed.Size() == v.tree.Size() && claimed.Root() == v.tree.Root()
	if !same && !v.broken && !v.badRoots {
		v.find(Finding{Index: v.tree.Size(), Segment: number, What: WhatSegment,
			Detail: fmt.Sprintf("begins with a tree of %d entries that is not the tree of the %d entries before", info.Size, v.tree.Size())})
	}
	if !same { // from here on this tree can be followed; signatures say whether it is the right one
		v.tree = *claimed
	}
	v.broken, v.badRoots = false, false
}

// resolveTorn: what looked like a torn tail is damage, since something follows.
func (v *verification) resolveTorn() {
	if v.torn == nil {
		return
	}
	g := v.torn
	v.torn = nil
	v.mergeGroup(v.tornIn, g)
}

func (v *verification) mergeGroup(segment uint32, g *groupResult) {
	at := Finding{Index: v.tree.Size(), Segment: segment, Offset: g.start}
	v.damage(at, g)
	v.keepFindings(g)
	if g.leaves != nil || g.committed {
		v.appendGroup(at, g)
	} else {
		v.broken = true
	}
	v.checkTime(at, g)
	v.checkEntries(segment, g)
	v.checkSignatures(segment, g)
}

// damage tells which entries of a group are not as written.
func (v *verification) damage(at Finding, g *groupResult) {
	at.What = WhatDamaged
	switch {
	case g.padded:
		at.What, at.Detail = WhatHidden, "bytes between or behind the records"
		v.find(at)
	case !g.committed:
		at.Detail = fmt.Sprintf("the group's end is not as written; %d entries of it are whole", g.entries)
		v.find(at)
	case !g.whole && len(g.missing) == 0:
		at.Detail = "a record beside the group's entries is not as written"
		v.find(at)
	}
	for _, i := range g.missing {
		at.Index, at.Detail = i, "the entry is not as written; its leaf hash is known"
		v.find(at)
	}
}

func (v *verification) keepFindings(g *groupResult) {
	for _, f := range g.findings {
		v.find(f)
	}
	v.report.Erased += g.erased
}

// appendGroup puts a group's leaves into the tree and compares its root.
func (v *verification) appendGroup(at Finding, g *groupResult) {
	if !v.inOrder(at, g) || v.broken {
		return
	}
	for i := range g.leaves.count() {
		v.cur.append(&v.tree, g.leaves.at(i))
	}
	if g.committed {
		v.checkRoot(at, g)
	}
	v.comparePoints(v.tree.Size())
}

// checkRoot compares the root that a group's commit says with that of the tree.
func (v *verification) checkRoot(at Finding, g *groupResult) {
	root := v.tree.Root()
	v.cur.know(root)
	bad := root != g.root
	if bad && !v.badRoots {
		at.What, at.Detail = WhatRoot, fmt.Sprintf("the root stored at size %d is not that of the entries", g.size)
		v.find(at)
	}
	v.badRoots = bad
}

// inOrder reports whether a group goes on where the one before ended.
func (v *verification) inOrder(at Finding, g *groupResult) bool {
	size := v.tree.Size()
	switch {
	case v.broken || g.before == size:
		return true
	case g.before > size:
		at.What, at.Detail = WhatMissing, fmt.Sprintf("entries %d to %d are not there", size, g.before-1)
		v.broken = true
	default:
		at.Index = g.before
		at.What, at.Detail = WhatRepeated, fmt.Sprintf("entries %d to %d stand where %d was expected", g.before, g.size-1, size)
	}
	v.find(at)
	return false
}

func (v *verification) checkTime(at Finding, g *groupResult) {
	if !g.timed {
		return
	}
	if v.timed && g.firstTime < v.lastTime {
		at.Index = g.before
		at.What, at.Detail = WhatTime, fmt.Sprintf("%d ms before the entry before", v.lastTime-g.firstTime)
		v.find(at)
	}
	v.lastTime, v.timed = max(g.lastTime, v.lastTime), true
}

// checkEntries counts what was opened and asks the semantic check.
func (v *verification) checkEntries(segment uint32, g *groupResult) {
	if v.keys == nil {
		return
	}
	v.report.Contents += uint64(g.entries) - g.erased - g.sealed
	for _, e := range g.opened {
		if v.head.UnmarshalBinary(e.head) != nil {
			continue
		}
		if err := v.opts.Check(&v.head, e.body); err != nil {
			v.find(Finding{Index: v.head.Index, Segment: segment, Offset: e.offset, What: WhatContent, Detail: err.Error()})
		}
	}
}
