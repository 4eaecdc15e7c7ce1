package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal/proof"
)

// Recovery says what Open found and did.
type Recovery struct {
	Size uint64    // entries in the journal
	Root tlog.Hash // of the tree over them
	// Torn are the tails that a loss of power tore: never acknowledged, removed.
	Torn []TornTail
	// Holes are damaged entries among those that Open looked at: the last segment
	// and those with signatures due. The caller records them; Repair mends them.
	Holes []*HoleError
	// Due are the sizes whose receipt signature was not stored and has been asked for.
	Due []uint64
	// Anchors are what the anchors said.
	Anchors []AnchorSeen
}

// TornTail is a group that was never acknowledged.
type TornTail struct {
	Segment, Offset uint32
	Bytes           uint32 // up to the last one that is not zero, in whole sectors
}

// recovering is Open at work.
type recovering struct {
	ctx    context.Context
	opts   *Options
	dir    string
	m      *manifest
	reader *reader
	report *Recovery

	numbers []uint32 // of the segment files
	base    *loaded  // the last segment with a group in it
	leaf    func(uint64) (tlog.Hash, bool)
	until   *tail // do not look further, nil: to the end
}

// loaded is a segment in memory.
type loaded struct {
	number uint32
	buf    []byte
	groups []*group
	short  bool
}

// end is where the group after the last one begins.
func (l *loaded) end() uint32 {
	if len(l.groups) == 0 {
		return 0
	}
	return l.groups[len(l.groups)-1].End
}

func (l *loaded) last() *group { return l.groups[len(l.groups)-1] }

func (rc *recovering) load(n uint32, buf []byte) (*loaded, error) {
	if buf == nil {
		buf = make([]byte, rc.m.Segment)
	}
	l := &loaded{number: n, buf: buf}
	var err error
	if l.short, err = readSegment(rc.opts.FS, rc.dir, n, buf); err != nil {
		return nil, fmt.Errorf("read segment %d: %w", n, err)
	}
	s := newScanner(rc.upTo(n, buf), n)
	for g := s.next(); g != nil; g = s.next() {
		l.groups = append(l.groups, g)
	}
	return l, nil
}

// upTo leaves out what is not durable yet.
func (rc *recovering) upTo(n uint32, buf []byte) []byte {
	if rc.until != nil && rc.until.segment == n {
		return buf[:rc.until.offset]
	}
	return buf
}

// findBase finds the segment with the last group. Segments behind it were made
// ready, or begun and torn; neither ever held an acknowledged entry.
func (rc *recovering) findBase() error {
	var buf []byte
	for _, n := range slices.Backward(rc.numbers) {
		l, err := rc.load(n, buf)
		if err != nil {
			return err
		}
		if len(rc.report.Torn) == 0 {
			rc.dropTorn(l)
		}
		if len(l.groups) > 0 {
			rc.base = l
			return nil
		}
		buf = l.buf
	}
	return fmt.Errorf("no segment holds a group: %w", ErrDamaged)
}

// dropTorn takes the torn tail off the last segment. A tail that looks torn in a
// segment before a torn one is damage: its successor was begun only once it was synced.
func (rc *recovering) dropTorn(l *loaded) {
	for len(l.groups) > 0 && l.last().Torn {
		g := l.last()
		rc.report.Torn = append(rc.report.Torn, TornTail{Segment: l.number, Offset: g.Start, Bytes: g.End - g.Start})
		l.groups = l.groups[:len(l.groups)-1]
	}
}

// replayBase computes the tree up to the end.
func (rc *recovering) replayBase() (*replay, error) {
	rp, err := rc.replayTo(rc.base)
	if err != nil {
		return nil, err
	}
	for _, g := range rc.base.groups {
		if err := rp.group(rc.base.number, g); err != nil {
			return nil, err
		}
	}
	if last := rc.base.last(); rp.unproven || (last.Commit == nil && last.Count < 0) {
		return nil, fmt.Errorf("segment %d at %d: the last group is damaged beyond knowing what it held: %w", rc.base.number, last.Start, ErrDamaged)
	}
	return rp, nil
}

// replayTo returns a replay that stands before a segment's first group.
func (rc *recovering) replayTo(l *loaded) (*replay, error) {
	rp := &replay{ctx: rc.ctx, reader: rc.reader, tree: new(proof.Frontier), leaf: rc.leaf, segment: l.number}
	if info := l.info(); info != nil {
		if info.Origin != rc.m.Origin {
			return nil, fmt.Errorf("segment %d is of %s: %w", l.number, info.Origin, ErrDamaged)
		}
		return rp, rp.begin(info)
	}
	if l.number == 1 {
		return rp, nil
	}
	return rc.replayBefore(l.number)
}

func (l *loaded) info() *segmentInfo {
	if len(l.groups) == 0 {
		return nil
	}
	return l.groups[0].Segment
}

// replayBefore computes the tree before segment n, whose own record of it is
// damaged, from the segment before.
func (rc *recovering) replayBefore(n uint32) (*replay, error) {
	l, err := rc.load(n-1, nil)
	if err != nil {
		return nil, err
	}
	rp, err := rc.replayTo(l)
	if err != nil {
		return nil, err
	}
	for _, g := range l.groups {
		if err := rp.group(l.number, g); err != nil {
			return nil, err
		}
	}
	rp.holes = nil
	return rp, nil
}

// lastTime finds the time that the next entry must not be before.
func (rc *recovering) lastTime() (int64, error) {
	l := rc.base
	for {
		for _, g := range slices.Backward(l.groups) {
			for _, rec := range slices.Backward(g.Entries) {
				t, err := rc.timeOf(&rec)
				if err == nil || !errors.Is(err, ErrDamaged) {
					return t, err
				}
			}
		}
		if l.number == 1 {
			return 0, nil
		}
		var err error
		if l, err = rc.load(l.number-1, nil); err != nil {
			return 0, err
		}
	}
}

// timeOf is the time of an entry, or of its month's beginning if it is erased.
func (rc *recovering) timeOf(rec *record) (int64, error) {
	e, err := rc.reader.open(rc.ctx, rec)
	if errors.Is(err, ErrErased) {
		sealed, err := parseSealedEntry(rec)
		return time.Date(int(sealed.Month/100), time.Month(sealed.Month%100), 1, 0, 0, 0, 0, time.UTC).UnixMilli(), err
	}
	if err != nil {
		return 0, err
	}
	return e.Head.Time, nil
}

// firstDue is the smallest size whose receipt signature may be missing.
func (rc *recovering) firstDue() uint64 {
	for _, g := range slices.Backward(rc.base.groups) {
		if c := g.Commit; c != nil && c.Due != 0 {
			return c.Due
		} else if c != nil {
			return c.Before + 1
		}
	}
	return 1
}

// collectDue finds the receipts from first on that have no signature, with the
// roots they are to be signed with, and what was signed last.
func (rc *recovering) collectDue(first uint64) (due []*receipt, latest Signed, err error) {
	l, err := rc.segmentOf(first - 1)
	if err != nil {
		return nil, Signed{}, err
	}
	rp, err := rc.replayTo(l)
	if err != nil {
		return nil, Signed{}, err
	}
	open, leaves := make(map[uint64]*receipt), make(map[uint64]tlog.Hash)
	rp.visit = func(index uint64, leaf tlog.Hash, rec *record) {
		if rec == nil || rec.Flags&entrySign == 0 {
			return
		}
		leaves[index+1] = leaf
		if index+1 >= first {
			open[index+1] = dueReceipt(proof.Checkpoint{Origin: rc.m.Origin, Size: index + 1, Root: rp.tree.Root(), Leaf: &leaf})
		}
	}
	rp.signature = func(s *signatureRecord) {
		signed := rc.signedBy(s)
		if leaf, ok := leaves[s.Size]; s.Leaf && ok {
			signed.Checkpoint.Leaf = &leaf
			delete(open, s.Size)
		}
		if s.Leaf == (signed.Checkpoint.Leaf != nil) && s.Size >= latest.Checkpoint.Size {
			latest = signed
		}
	}
	if err := rc.replayOn(rp, l); err != nil {
		return nil, Signed{}, err
	}
	for _, r := range open {
		due = append(due, r)
	}
	slices.SortFunc(due, func(a, b *receipt) int { return cmp.Compare(a.checkpoint.Size, b.checkpoint.Size) })
	return due, latest, nil
}

func dueReceipt(c proof.Checkpoint) *receipt {
	return &receipt{checkpoint: c, done: closedChannel, answered: true} // nobody waits
}

// signedBy is a stored signature, still without a receipt's leaf hash.
func (rc *recovering) signedBy(s *signatureRecord) Signed {
	c := proof.Checkpoint{Origin: rc.m.Origin, Size: s.Size, Root: s.Root}
	return Signed{Checkpoint: c, KeyHash: s.KeyHash, Sig: slices.Clone(s.Sig)}
}

// replayOn replays from segment l to the end.
func (rc *recovering) replayOn(rp *replay, l *loaded) error {
	for {
		for _, g := range l.groups {
			if err := rp.group(l.number, g); err != nil {
				return err
			}
		}
		if l.number >= rc.base.number {
			return nil
		}
		var err error
		if l, err = rc.segment(l.number + 1); err != nil {
			return err
		}
	}
}

func (rc *recovering) segment(n uint32) (*loaded, error) {
	if n == rc.base.number {
		return rc.base, nil
	}
	return rc.load(n, nil)
}

// segmentOf loads the segment that holds an index, going back from the last.
func (rc *recovering) segmentOf(index uint64) (*loaded, error) {
	l := rc.base
	for l.number > 1 && l.start() > index {
		var err error
		if l, err = rc.load(l.number-1, nil); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// start is the tree size at the segment's start, as far as it can be told.
func (l *loaded) start() uint64 {
	for _, g := range l.groups {
		switch {
		case g.Segment != nil:
			return g.Segment.Size
		case g.Commit != nil:
			return g.Commit.Before
		case len(g.Entries) > 0:
			return g.Entries[0].Index
		}
	}
	return ^uint64(0)
}

// checkAnchors compares the journal with what the anchors have seen.
func (rc *recovering) checkAnchors(size uint64) error {
	for i := range rc.report.Anchors {
		a := &rc.report.Anchors[i]
		c := a.Checkpoint
		if c.Size == 0 || (c.Origin != rc.m.Origin && !laterEpoch(c.Origin, rc.m.Origin)) {
			continue
		}
		if c.Origin != rc.m.Origin || c.Size > size {
			return &RollbackError{Anchor: a.Name, Seen: c, Size: size}
		}
		root, err := rc.rootAt(c.Size)
		if errors.Is(err, ErrDamaged) {
			a.Unchecked = true
		} else if err != nil {
			return err
		} else if root != c.Root {
			return &RollbackError{Anchor: a.Name, Seen: c, Size: size, Root: root}
		}
	}
	return nil
}

// rootAt computes the root of the first size entries.
func (rc *recovering) rootAt(size uint64) (root tlog.Hash, err error) {
	l, err := rc.segmentOf(size - 1)
	if err != nil {
		return root, err
	}
	rp, err := rc.replayTo(l)
	if err != nil {
		return root, err
	}
	found := rp.tree.Size() == size
	root = rp.tree.Root()
	rp.visit = func(index uint64, _ tlog.Hash, _ *record) {
		if index+1 == size {
			root, found = rp.tree.Root(), true
		}
	}
	if err := rc.replayOn(rp, l); err != nil && !found {
		return root, err
	}
	if !found {
		return root, fmt.Errorf("root of size %d: %w", size, ErrDamaged)
	}
	return root, nil
}

// settle makes the disk what recovery found it to be, before anything is signed
// or appended.
//
// The last group is written again byte for byte: what was read may be in memory
// only, after a crash of the process or a sync that failed. Everything behind it
// is written with zeros, even what reads as zero, for the same reason: remains of
// a torn group must not come back behind groups appended later. A crash in here
// leaves what there was, or less of the torn group: recovery begins anew.
func (rc *recovering) settle() (durable.File, error) {
	if err := rc.removeTemporary(); err != nil {
		return nil, err
	}
	l := rc.base
	f, err := rc.reader.segmentFile(l.number)
	if err != nil {
		return nil, err
	}
	if err := rc.rewrite(f, l); err != nil {
		f.Close()
		return nil, fmt.Errorf("settle segment %d: %w", l.number, err)
	}
	return f, nil
}

func (rc *recovering) rewrite(f durable.File, l *loaded) error {
	last := l.last()
	if rc.opts.skip != stepRewriteLast {
		if _, err := f.WriteAt(l.buf[last.Start:last.End], int64(last.Start)); err != nil {
			return err
		}
	}
	if rc.opts.skip != stepZeroTail {
		if err := writeZeros(f, last.End, rc.m.Segment); err != nil {
			return err
		}
	}
	if rc.opts.skip == stepTailSync {
		return nil
	}
	return f.Sync()
}

// removeTemporary removes what a crash left half made, and makes the names that
// were read durable.
func (rc *recovering) removeTemporary() error {
	names, err := rc.opts.FS.ReadDir(rc.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, segmentSuffix+durable.TempSuffix) {
			if err := durable.RemoveIfExists(rc.opts.FS, path.Join(rc.dir, name)); err != nil {
				return err
			}
		}
	}
	if rc.opts.skip == stepAdoptSync {
		return nil
	}
	return rc.opts.FS.SyncDir(rc.dir)
}
