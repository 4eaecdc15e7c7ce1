package journal

import (
	"path"

	"golang.org/x/mod/sumdb/tlog"
)

// workspace is what reading one segment takes: its bytes, and room for what is
// found in them. There are as many as segments are read at once, used again
// and again, so that a long journal takes no more memory than a short one.
type workspace struct {
	buf    []byte
	groups []groupResult
}

// space is for a segment file of the given size: whole sectors, and no more
// than the file has, so that JOURNAL cannot ask for memory without a file.
func (v *verification) space(size int64) workspace {
	n := alignUp(int(min(size, int64(v.segment))), sector)
	var w workspace
	select {
	case w = <-v.spaces:
	default:
	}
	if cap(w.buf) < n {
		w.buf = make([]byte, n)
	}
	w.buf = w.buf[:n]
	return w
}

func (v *verification) recycle(w workspace) {
	clear(w.groups)
	w.groups = w.groups[:0]
	select {
	case v.spaces <- w:
	default:
	}
}

// segmentResult is one segment as read, before it is held against the tree.
type segmentResult struct {
	workspace
	number uint32
	err    error
	short  bool
	long   bool
	info   *segmentInfo // nil: not whole
}

// leaves is how many entries the segment has, as far as is known.
func (r *segmentResult) leaves() (n int) {
	for i := range r.groups {
		n += r.groups[i].leaves.count()
	}
	return n
}

// groupResult is one group, with what its contents alone say. Slices point
// into the segment's bytes.
type groupResult struct {
	start        uint32 // offset
	whole        bool   // every byte is as written
	torn         bool   // as a loss of power leaves it, and nothing follows in its segment
	padded       bool   // bytes between or behind the records
	committed    bool   // its commit is whole
	entries      int    // whole ones
	before, size uint64 // of the tree
	root         tlog.Hash
	leaves       leafHashes // of the entries from before to size; nil: not known
	missing      []uint64   // entries whose records are not whole
	signatures   []signatureRecord
	findings     []Finding // about contents
	opened       []openedEntry
	erased       uint64 // entries without key
	sealed       uint64 // entries that could not be opened with theirs
	timed        bool   // firstTime and lastTime are known
	firstTime    int64
	lastTime     int64
}

// openedEntry is kept for Check only.
type openedEntry struct {
	offset     uint32
	head, body []byte
}

// leafHashes are the leaf hashes of a group as its commit has them, one behind the other.
type leafHashes []byte

func (l leafHashes) count() int                  { return len(l) / tlog.HashSize }
func (l leafHashes) at(i int) (h tlog.Hash)      { copy(h[:], l[i*tlog.HashSize:]); return h }
func (l leafHashes) with(h tlog.Hash) leafHashes { return append(l, h[:]...) }

// readSegment reads and opens one segment; called concurrently.
func (v *verification) readSegment(number uint32) (r segmentResult) {
	r.number = number
	if r.err = v.ctx.Err(); r.err == nil {
		r.err = v.load(&r)
	}
	if r.err == nil {
		r.err = v.scan(&r)
	}
	return r
}

// load reads a segment's bytes.
func (v *verification) load(r *segmentResult) error {
	f, err := v.opts.FS.Open(path.Join(v.dir, segmentName(r.number)))
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	r.workspace = v.space(size)
	r.short, r.long = size < int64(v.segment), size > int64(v.segment)
	_, err = readFull(f, r.buf)
	return err
}

// scan finds a segment's groups and opens their entries.
func (v *verification) scan(r *segmentResult) error {
	o := newOpener(v, r.number)
	s := newScanner(r.buf, r.number)
	for g := s.next(); g != nil; g = s.next() {
		if len(r.groups) == 0 {
			r.info = g.Segment
		}
		r.groups = append(r.groups, resultOf(g))
		if err := o.group(g, &r.groups[len(r.groups)-1]); err != nil {
			return err
		}
	}
	return nil
}

// resultOf keeps of a group what is needed once its entries have been opened.
func resultOf(g *group) groupResult {
	r := groupResult{
		start: g.Start, whole: g.Whole, torn: g.Torn, padded: g.Padded,
		entries: len(g.Entries), signatures: g.Signatures,
	}
	if c := g.Commit; c != nil {
		r.committed, r.before, r.size, r.root, r.leaves = true, c.Before, c.Size, c.Root, c.Leaves
		if !g.Whole && !g.Padded {
			r.missing = missingEntries(g)
		}
	} else if n := len(g.Entries); n > 0 {
		r.before, r.size = g.Entries[0].Index, g.Entries[n-1].Index+1
	}
	return r
}

// missingEntries lists the indexes that a damaged group's commit has and its records have not.
func missingEntries(g *group) (missing []uint64) {
	entries := g.Entries
	for i := g.Commit.Before; i < g.Commit.Size; i++ {
		for len(entries) > 0 && entries[0].Index < i {
			entries = entries[1:]
		}
		if len(entries) == 0 || entries[0].Index != i {
			missing = append(missing, i)
		}
	}
	return missing
}

func (r *groupResult) find(segment uint32, rec *record, what What, detail string) {
	r.findings = append(r.findings, Finding{Index: rec.Index, Segment: segment, Offset: rec.Offset, What: what, Detail: detail})
}
