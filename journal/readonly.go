package journal

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal/proof"
)

// ReadOptions say with what a journal is read.
type ReadOptions struct {
	FS durable.FS // nil: the operating system's
	// Keys open the entries; nil: every entry counts as erased, the tree can be read.
	Keys MonthReader
}

// ReadOnly is a journal as its files stand: read without the lock, without
// recovery and without writing anything, while a till writes to it or long
// after. Each call sees what stood there when it began, or later; a group that
// is being written, or was torn, is not there. Its methods may be called
// concurrently.
//
// It believes what it reads as far as checksums, seals and leaf hashes go.
// Whether the whole is what was written is for [Verify] to say.
type ReadOnly struct {
	reader *reader
}

// OpenReadOnly reads the journal in dir, one epoch's directory. Errors to
// decide on: ErrNoJournal, ErrVersion, ErrDamaged where the file JOURNAL is.
func OpenReadOnly(dir string, opts ReadOptions) (*ReadOnly, error) {
	if opts.FS == nil {
		opts.FS = durable.OS{}
	}
	m, err := readManifest(opts.FS, dir)
	if err != nil {
		return nil, fmt.Errorf("read journal %s: %w", dir, err)
	}
	return &ReadOnly{newReader(Options{FS: opts.FS, Keys: readingKeys{opts.Keys}}, dir, m)}, nil
}

// readingKeys are month keys that nothing is written with.
type readingKeys struct{ from MonthReader }

func (k readingKeys) Month(ctx context.Context, yyyymm uint32) (key [32]byte, err error) {
	if k.from == nil {
		return key, ErrErased
	}
	return k.from.Month(ctx, yyyymm)
}

func (readingKeys) Current(context.Context, uint32) (key [32]byte, err error) {
	return key, errors.New("a journal that is only read takes no entries")
}

// Origin is the journal's name.
func (r *ReadOnly) Origin() string { return r.reader.origin }

// Entries reads the entries from from up to to, exclusive, or to the end, a
// segment at a time. An entry that is damaged (a HoleError) or whose key is not
// there (ErrErased) comes with the error, and with its Leaf alone where that is
// known: its Head is nil. The next one follows; any other error is the last.
func (r *ReadOnly) Entries(ctx context.Context, from, to uint64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		w := walk{r: r, ctx: ctx, next: from, to: to, yield: yield}
		for g, err := range r.groups(ctx, from) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if w.next >= to || !w.group(g.number, g.group) {
				return
			}
		}
	}
}

// foundGroup is a group and the segment it stands in.
type foundGroup struct {
	number uint32
	*group
}

// groups walks the groups of the segments, from the one that holds entry from. A
// torn group at the end is not there; one with something behind it is damaged and is.
func (r *ReadOnly) groups(ctx context.Context, from uint64) iter.Seq2[foundGroup, error] {
	return func(yield func(foundGroup, error) bool) {
		numbers, err := r.segmentsFrom(from)
		if err != nil {
			yield(foundGroup{}, err)
			return
		}
		var torn *foundGroup
		for _, n := range numbers {
			buf, err := r.segment(ctx, n)
			if err != nil {
				yield(foundGroup{}, err)
				return
			}
			s := newScanner(buf, n)
			for g := s.next(); g != nil; g = s.next() {
				if torn != nil && !yield(*torn, nil) {
					return
				}
				torn = nil
				if g.Torn {
					torn = &foundGroup{n, g}
				} else if !yield(foundGroup{n, g}, nil) {
					return
				}
			}
		}
	}
}

// segmentsFrom lists the segments from the one that holds an entry on: the last
// one that begins at or before it.
func (r *ReadOnly) segmentsFrom(index uint64) ([]uint32, error) {
	numbers, err := listSegments(r.reader.fs, r.reader.dir)
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	for i := len(numbers) - 1; i > 0; i-- {
		if start, ok := r.start(numbers[i]); ok && start <= index {
			return numbers[i:], nil
		}
	}
	return numbers, nil
}

// start reads which tree size a segment begins with; not ok: empty or damaged there.
func (r *ReadOnly) start(number uint32) (size uint64, ok bool) {
	f, err := r.reader.fs.Open(path.Join(r.reader.dir, segmentName(number)))
	if err != nil {
		return 0, false
	}
	defer f.Close()
	buf := make([]byte, readOne)
	if _, err := readFull(f, buf); err != nil {
		return 0, false
	}
	rec, err := recordAt(buf, number, 0)
	return rec.Index, err == nil && rec.Type == recordSegment
}

func (r *ReadOnly) segment(ctx context.Context, number uint32) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	buf := make([]byte, r.reader.size)
	if _, err := readSegment(r.reader.fs, r.reader.dir, number, buf); err != nil {
		return nil, fmt.Errorf("read segment %d: %w", number, err)
	}
	return buf, nil
}

// walk hands entries on in the order of their indexes.
type walk struct {
	r     *ReadOnly
	ctx   context.Context
	next  uint64 // index of the entry to come
	to    uint64
	yield func(Entry, error) bool
}

// group hands a group's entries on; false: enough.
func (w *walk) group(number uint32, g *group) bool {
	before, size := extent(g)
	if size <= w.next {
		return true
	}
	if before > w.next && !w.hole(number, before) {
		return false
	}
	entries := g.Entries
	for ; w.next < min(size, w.to); w.next++ {
		for len(entries) > 0 && entries[0].Index < w.next {
			entries = entries[1:]
		}
		if !w.yield(w.entry(number, g, entries)) {
			return false
		}
	}
	return w.next < w.to
}

// extent is what a group takes the tree from and to, as far as it still says.
func extent(g *group) (before, size uint64) {
	if g.Commit != nil {
		return g.Commit.Before, g.Commit.Size
	}
	if n := len(g.Entries); n > 0 {
		return g.Entries[0].Index, g.Entries[n-1].Index + 1
	}
	return 0, 0
}

// hole tells of entries that no group holds.
func (w *walk) hole(number uint32, until uint64) bool {
	until = min(until, w.to)
	h := &HoleError{From: w.next, To: until, Segment: number, Reason: "no whole record"}
	for ; w.next < until; w.next++ {
		if !w.yield(Entry{}, h) {
			return false
		}
	}
	return w.next < w.to
}

// entry opens the next entry, which is the first of entries if it is there at all.
func (w *walk) entry(number uint32, g *group, entries []record) (Entry, error) {
	var known Entry
	if g.Commit != nil {
		known.Leaf = g.Commit.leaf(int(w.next - g.Commit.Before))
	}
	damage := func(reason string) (Entry, error) {
		return known, &HoleError{From: w.next, To: w.next + 1, Segment: number, Reason: reason}
	}
	if len(entries) == 0 || entries[0].Index != w.next {
		return damage("no whole record")
	}
	e, err := w.r.reader.open(w.ctx, &entries[0])
	switch {
	case isDamage(err):
		return damage(err.Error())
	case err != nil:
		return known, err
	case g.Commit != nil && e.Leaf != known.Leaf:
		return damage("the head is not the one in the tree")
	}
	return e, nil
}

// SignatureOf finds the stored signature of a receipt: that over the tree which
// ends with its entry, whose leaf hash the caller gives. It stands in one of the
// groups behind the entry. ErrUnsigned: there is none (yet). The signature itself
// is not verified.
func (r *ReadOnly) SignatureOf(ctx context.Context, index uint64, leaf tlog.Hash) (Signed, error) {
	for g, err := range r.groups(ctx, index) {
		if err != nil {
			return Signed{}, err
		}
		for _, s := range g.Signatures {
			if s.Size == index+1 && s.Leaf {
				return signedBy(r.Origin(), s, &leaf), nil
			}
		}
	}
	return Signed{}, fmt.Errorf("receipt in entry %d: %w", index, ErrUnsigned)
}

func signedBy(origin string, s signatureRecord, leaf *tlog.Hash) Signed {
	c := proof.Checkpoint{Origin: origin, Size: s.Size, Root: s.Root, Leaf: leaf}
	return Signed{Checkpoint: c, KeyHash: s.KeyHash, Sig: append([]byte(nil), s.Sig...)}
}

// Tree is the tree over a journal's entries, and the newest signature stored
// beside them. It holds two hashes (64 bytes) an entry. It does not change, and
// may be used concurrently.
type Tree struct {
	size   uint64
	stored []tlog.Hash // in the order of package tlog
	signed Signed
}

// Tree reads the leaf hashes and signatures, which stand in clear: it needs no
// keys. ErrDamaged says that leaf hashes are missing, or that the newest
// signature is over another tree; signatures themselves are not verified.
func (r *ReadOnly) Tree(ctx context.Context) (*Tree, error) {
	t := new(Tree)
	var frontier proof.Frontier
	var newest signatureRecord
	for g, err := range r.groups(ctx, 0) {
		if err != nil {
			return nil, err
		}
		if err := t.grow(&frontier, g); err != nil {
			return nil, err
		}
		for _, s := range g.Signatures {
			if s.Size >= newest.Size {
				newest = s
				newest.Sig = append([]byte(nil), s.Sig...)
			}
		}
	}
	t.size = frontier.Size()
	return t, t.take(r.Origin(), newest)
}

func (t *Tree) grow(f *proof.Frontier, g foundGroup) error {
	if g.Commit == nil || g.Commit.Before != f.Size() {
		return fmt.Errorf("leaf hashes behind entry %d: %w", f.Size(), ErrDamaged)
	}
	for i := range int(g.Commit.Size - g.Commit.Before) {
		t.stored = append(t.stored, f.Append(g.Commit.leaf(i))...)
	}
	return nil
}

// take keeps the newest signature if it is over this tree.
func (t *Tree) take(origin string, s signatureRecord) error {
	if s.Size == 0 {
		return nil
	}
	root, err := t.Root(s.Size)
	if err != nil || root != s.Root {
		return fmt.Errorf("signature over %d entries is over another tree: %w", s.Size, ErrDamaged)
	}
	t.signed = signedBy(origin, s, nil)
	if s.Leaf {
		leaf := t.stored[tlog.StoredHashIndex(0, int64(s.Size-1))]
		t.signed.Checkpoint.Leaf = &leaf
	}
	return nil
}

// Size is the number of entries.
func (t *Tree) Size() uint64 { return t.size }

// Signed is the newest stored checkpoint; ok is false while there is none.
// The till stores a signature with the entries after it, when it comes to rest
// and when it ends, so that it may be some entries behind.
func (t *Tree) Signed() (s Signed, ok bool) { return t.signed, t.signed.Checkpoint.Size > 0 }

// Leaf is the hash of one entry's head. Error: ErrNotFound.
func (t *Tree) Leaf(index uint64) (tlog.Hash, error) {
	if index >= t.size {
		return tlog.Hash{}, fmt.Errorf("leaf %d: %w", index, ErrNotFound)
	}
	return t.stored[tlog.StoredHashIndex(0, int64(index))], nil
}

// Root is the root of the first size entries. Error: ErrNotFound.
func (t *Tree) Root(size uint64) (tlog.Hash, error) {
	if size > t.size {
		return tlog.Hash{}, fmt.Errorf("root of %d entries: %w", size, ErrNotFound)
	}
	return tlog.TreeHash(int64(size), tlog.HashReaderFunc(t.read))
}

// Prove is the proof that the tree of the given size holds the leaf of entry
// index (RFC 6962 section 2.1.1). Error: ErrNotFound.
func (t *Tree) Prove(index, size uint64) (tlog.RecordProof, error) {
	if index >= size || size > t.size {
		return nil, fmt.Errorf("prove entry %d in %d entries: %w", index, size, ErrNotFound)
	}
	return proof.ProveInclusion(size, index, tlog.HashReaderFunc(t.read))
}

func (t *Tree) read(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if at < 0 || at >= int64(len(t.stored)) {
			return nil, fmt.Errorf("stored hash %d: %w", at, ErrNotFound)
		}
		out[i] = t.stored[at]
	}
	return out, nil
}
