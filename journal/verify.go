package journal

import (
	"cmp"
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"path"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal/proof"
)

// What says what is wrong, in one word that programs can compare.
type What string

// What Verify finds.
const (
	WhatManifest  What = "manifest"  // the file JOURNAL is not as written
	WhatSegment   What = "segment"   // a segment file is missing, cut off, too long, or begins with another tree than the one before ends with
	WhatDamaged   What = "damaged"   // bytes are not as written (checksums)
	WhatHidden    What = "hidden"    // bytes where there must be zeros; all records are whole
	WhatMissing   What = "missing"   // entries were taken out
	WhatRepeated  What = "repeated"  // entries stand where others stand already
	WhatRoot      What = "root"      // a group's root is not that of the entries before it
	WhatSealed    What = "sealed"    // an entry cannot be opened with its month's key
	WhatHead      What = "head"      // an opened entry's head is malformed, or that of another place or journal
	WhatLeaf      What = "leaf"      // an opened entry's head is not the one in the tree
	WhatBody      What = "body"      // an opened entry's body is not the one its head commits to
	WhatTime      What = "time"      // an entry's clock is before the entry before
	WhatContent   What = "content"   // VerifyOptions.Check objects
	WhatSignature What = "signature" // a stored signature is not over this tree
	WhatKey       What = "key"       // a signature is by a key that the policy does not list for the origin
	WhatOrigin    What = "origin"    // the policy, a segment or a checkpoint names another origin
	WhatTruncated What = "truncated" // a checkpoint is of a larger tree: tail lost, or an older copy restored
	WhatFork      What = "fork"      // a checkpoint is of another tree of the same origin: history was rewritten
)

// Finding is one thing that is wrong.
type Finding struct {
	Index   uint64 // entry, or the tree size where no single entry is meant
	Segment uint32 // number of the segment file; 0: none
	Offset  uint32 // in the segment file, bytes
	What    What
	Detail  string
}

func (f Finding) String() string {
	s := fmt.Sprintf("entry %d: %s: %s", f.Index, f.What, f.Detail)
	if f.Segment != 0 {
		s += fmt.Sprintf(" (%s at %d)", segmentName(f.Segment), f.Offset)
	}
	return s
}

// Report is the outcome of Verify.
type Report struct {
	Origin string
	// Size and Root are the tree that the journal's entries make up.
	Size uint64
	Root tlog.Hash
	// Contents is how many entries were opened and compared with the tree;
	// Erased how many could not be, since their month's key was destroyed.
	Contents, Erased uint64
	// Signatures is how many signatures were verified, against this tree and a
	// key of the policy; Unchecked how many were not, for lack of a policy or
	// because damage hides the tree they are over.
	Signatures, Unchecked uint64
	// Signed is the largest tree size that a verified signature, or a given
	// checkpoint, vouches for: the entries from there on may yet be anybody's.
	Signed uint64
	// Torn says that the last group was not written completely, as loss of power
	// leaves one; it was never acknowledged and is not counted.
	Torn bool
	// Findings are in the order of the journal; More counts those beyond
	// VerifyOptions.MaxFindings.
	Findings []Finding
	More     uint64
}

// Consistent reports that nothing is wrong.
func (r *Report) Consistent() bool { return len(r.Findings) == 0 }

// OriginChecked reports that somebody the policy trusts vouches for every
// entry. Entries whose signature is not stored yet make it false: those of the
// last group of a journal that was not closed, or of a signer's outage.
func (r *Report) OriginChecked() bool { return r.Signed == r.Size }

// Progress is how far Verify has come.
type Progress struct {
	Segment, Segments int
	Entries           uint64
}

// MonthReader gives month keys for reading; every Keys is one.
type MonthReader interface {
	// Month returns ErrErased for a key that has been destroyed. Called concurrently.
	Month(ctx context.Context, yyyymm uint32) (key [32]byte, err error)
}

// VerifyOptions say what a journal is held against. With the zero value only
// its consistency is checked.
type VerifyOptions struct {
	FS durable.FS // nil: the operating system's
	// Keys open the entries. Nil: only tree and signatures are checked, and
	// sealed bytes replaced together with their checksum are not seen.
	Keys MonthReader
	// Policy names the keys that may sign; it must not come from where the
	// journal comes from. Nil: nobody vouches for the origin.
	Policy *proof.Policy
	// Checkpoints of this journal that are known to be true from elsewhere,
	// earlier or later ones, in any order: the caller has verified them.
	Checkpoints []proof.Checkpoint
	// Check is called for every entry that was opened, in order, from one
	// goroutine; an error becomes a finding. Head and body are valid during the
	// call only.
	Check func(head *proof.Head, body []byte) error
	// Progress is called after each segment.
	Progress func(Progress)
	// MaxFindings bounds Report.Findings; 0: 1000.
	MaxFindings int
	// Workers is how many segments are read, and how many signatures verified,
	// at once; 0: one for each core.
	Workers int
}

// Verify reads a whole journal (one epoch's directory) and says what is wrong
// and where. It takes no lock, writes nothing, and needs memory for some
// segments only, however long the journal is. Of a journal that is being
// written it sees some state not older than the call.
//
// The error is about reading: ErrNoJournal, ErrVersion, errors of the file
// system, of Keys and of ctx. What can be read and is wrong is in the Report.
func Verify(ctx context.Context, dir string, opts VerifyOptions) (*Report, error) {
	v, err := newVerification(dir, opts)
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", dir, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v.ctx = ctx
	v.signatures = startSignatureChecks(v.opts.Workers)
	err = v.run()
	v.signatures.close()
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", dir, err)
	}
	return v.conclude(), nil
}

// ReadOrigin reads a journal's name from its directory. ErrNoJournal: there is none.
func ReadOrigin(fsys durable.FS, dir string) (string, error) {
	m, err := readManifest(fsys, dir)
	if err != nil {
		return "", fmt.Errorf("read origin: %w", err)
	}
	return m.Origin, nil
}

// verification is one run. Segments are read and opened in parallel; what must
// be in order (the tree, Check, findings) is done by the one goroutine that owns
// this struct.
type verification struct {
	ctx      context.Context
	opts     VerifyOptions
	dir      string
	origin   string
	segment  uint32 // bytes
	numbers  []uint32
	keys     *monthCache
	verifier map[uint32]*keyState
	report   *Report

	tree     proof.Frontier
	broken   bool // damage hides the tree from here to the next segment
	badRoots bool // the last group's root was wrong
	badSigs  bool // the last signature was wrong
	ended    bool // an empty segment was seen
	lastTime int64
	timed    bool

	cur, prev  *treeWindow // leaves of this segment and the one before
	old        *treeWindow // of an earlier one, read again for late signatures
	oldNumber  uint32
	starts     []segmentStart
	torn       *groupResult // a group that may be a torn tail, if nothing follows
	tornIn     uint32
	points     []proof.Checkpoint // to compare, ascending
	signatures *signatureChecks
	head       proof.Head // reused for Check
}

type segmentStart struct {
	number uint32
	size   uint64
}

func newVerification(dir string, opts VerifyOptions) (*verification, error) {
	if opts.FS == nil {
		opts.FS = durable.OS{}
	}
	opts.MaxFindings = cmp.Or(opts.MaxFindings, 1000)
	opts.Workers = cmp.Or(max(opts.Workers, 0), runtime.GOMAXPROCS(0))
	v := &verification{opts: opts, dir: dir, report: new(Report), verifier: map[uint32]*keyState{}}
	if opts.Keys != nil {
		v.keys = &monthCache{reader: opts.Keys, months: map[uint32]monthKey{}}
	}
	if err := v.readManifest(); err != nil {
		return nil, err
	}
	v.report.Origin = v.origin
	v.checkOrigins()
	return v, nil
}

// readManifest learns origin and segment size: from JOURNAL or, where that is
// damaged, from the first segment.
func (v *verification) readManifest() error {
	m, err := readManifest(v.opts.FS, v.dir)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	var lerr error
	if v.numbers, lerr = listSegments(v.opts.FS, v.dir); lerr != nil {
		return lerr
	}
	if err == nil {
		v.origin, v.segment = m.Origin, m.Segment
		return nil
	}
	v.find(Finding{What: WhatManifest, Detail: err.Error()})
	return v.guessManifest(err)
}

func (v *verification) guessManifest(cause error) error {
	if len(v.numbers) == 0 {
		return cause
	}
	size, err := v.fileSize(v.numbers[0])
	if err != nil {
		return err
	}
	v.segment = uint32(alignUp(int(min(max(size, minSegment), maxSegment)), sector))
	buf := make([]byte, v.segment)
	if _, err := readSegment(v.opts.FS, v.dir, v.numbers[0], buf); err != nil {
		return err
	}
	if g := newScanner(buf, v.numbers[0]).next(); g != nil && g.Segment != nil {
		v.origin = g.Segment.Origin
		return nil
	}
	return cause
}

func (v *verification) fileSize(number uint32) (int64, error) {
	f, err := v.opts.FS.Open(path.Join(v.dir, segmentName(number)))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Size()
}

// checkOrigins compares the journal's name with policy and checkpoints, and
// keeps the checkpoints that are of this journal.
func (v *verification) checkOrigins() {
	if p := v.opts.Policy; p != nil && !p.KnowsLog(v.origin) {
		v.find(Finding{What: WhatOrigin, Detail: fmt.Sprintf("the policy lists no key for %s", v.origin)})
	}
	for _, c := range v.opts.Checkpoints {
		if c.Origin != v.origin {
			v.find(Finding{Index: c.Size, What: WhatOrigin, Detail: fmt.Sprintf("the checkpoint is of %s, the journal of %s", c.Origin, v.origin)})
			continue
		}
		v.points = append(v.points, c)
	}
	slices.SortStableFunc(v.points, func(a, b proof.Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
}

// run reads segments ahead in parallel and takes the results in order.
func (v *verification) run() error {
	v.comparePoints(0)
	ahead := v.opts.Workers
	if v.segment > 64<<20 {
		ahead = 1 // large segments: memory before speed
	}
	results := make(chan chan segmentResult, ahead-1)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	defer readers.Wait()
	defer close(stop)
	readers.Go(func() { v.readAhead(results, stop, &readers) })
	for i := range v.numbers {
		r := <-<-results
		if err := cmp.Or(r.err, v.ctx.Err()); err != nil {
			return err
		}
		v.merge(&r)
		if v.tornIn != r.number { // a torn group points into its segment
			v.recycle(r.buf)
		}
		if v.opts.Progress != nil {
			v.opts.Progress(Progress{Segment: i + 1, Segments: len(v.numbers), Entries: v.tree.Size()})
		}
	}
	return nil
}

func (v *verification) readAhead(results chan<- chan segmentResult, stop <-chan struct{}, readers *sync.WaitGroup) {
	for _, number := range v.numbers {
		one := make(chan segmentResult, 1)
		select {
		case results <- one:
			readers.Go(func() { one <- v.readSegment(number) })
		case <-stop:
			return
		}
	}
}

// segmentBuffers are reused between segments, and between runs of one size.
var segmentBuffers sync.Pool

// buffer is for a segment file of the given size: whole sectors, and no more
// than the file has, so that JOURNAL cannot ask for memory without a file.
func (v *verification) buffer(size int64) []byte {
	n := alignUp(int(min(size, int64(v.segment))), sector)
	if b, ok := segmentBuffers.Get().(*[]byte); ok && len(*b) == n {
		return *b
	}
	return make([]byte, n)
}

func (v *verification) recycle(b []byte) { segmentBuffers.Put(&b) }

// segmentResult is one segment as read, before it is held against the tree.
type segmentResult struct {
	number uint32
	err    error
	buf    []byte
	short  bool
	long   bool
	groups []*groupResult
}

// groupResult is one group, with what its contents alone say.
type groupResult struct {
	*group
	before, size uint64
	leaves       []tlog.Hash // of the entries from before to size; nil: not known
	missing      []uint64    // entries whose records are not whole
	findings     []Finding   // about contents
	opened       []openedEntry
	erased       uint64
	timed        bool // firstTime and lastTime are known
	firstTime    int64
	lastTime     int64
}

// openedEntry is kept for Check only.
type openedEntry struct {
	offset     uint32
	head, body []byte
}

// readSegment reads and opens one segment; called concurrently.
func (v *verification) readSegment(number uint32) (r segmentResult) {
	if r.err = v.ctx.Err(); r.err != nil {
		return r
	}
	r.number = number
	f, err := v.opts.FS.Open(path.Join(v.dir, segmentName(number)))
	if err != nil {
		r.err = err
		return r
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		r.err = err
		return r
	}
	r.buf = v.buffer(size)
	r.short, r.long = size < int64(v.segment), size > int64(v.segment)
	if _, r.err = readFull(f, r.buf); r.err != nil {
		return r
	}
	o := opener{v: v, segment: number, frames: map[sessionMonth]cipher.AEAD{}}
	s := newScanner(r.buf, number)
	for g := s.next(); g != nil && r.err == nil; g = s.next() {
		var gr *groupResult
		gr, r.err = o.group(g)
		r.groups = append(r.groups, gr)
	}
	return r
}

// opener opens the entries of one segment.
type opener struct {
	v       *verification
	segment uint32
	frames  map[sessionMonth]cipher.AEAD
	plain   []byte
	head    proof.Head
}

type sessionMonth struct {
	salt  [16]byte
	month uint32
}

func (o *opener) group(g *group) (*groupResult, error) {
	r := &groupResult{group: g}
	if c := g.Commit; c != nil {
		r.before, r.size = c.Before, c.Size
		r.leaves = hashes(c.Leaves)
	} else if n := len(g.Entries); n > 0 {
		r.before, r.size = g.Entries[0].Index, g.Entries[n-1].Index+1
	}
	if g.Commit != nil && !g.Whole && !g.Padded {
		r.missing = missingEntries(g)
	}
	return r, o.entries(r)
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

// entries opens a group's entries where there are keys, compares them with the
// leaf hashes, and gives the leaf hashes where the commit is lost.
func (o *opener) entries(r *groupResult) error {
	if o.v.keys == nil {
		return nil
	}
	var found []tlog.Hash // needed where the commit is lost
	for i := range r.Entries {
		leaf, ok, err := o.entry(r, &r.Entries[i])
		if err != nil {
			return err
		}
		if ok && r.leaves == nil {
			found = append(found, leaf)
		}
	}
	if r.leaves == nil && len(found) > 0 && uint64(len(found)) == r.size-r.before {
		r.leaves = found
	}
	return nil
}

// entry opens one entry; ok says that its leaf hash could be computed.
func (o *opener) entry(r *groupResult, rec *record) (leaf tlog.Hash, ok bool, err error) {
	e, err := parseSealedEntry(rec)
	if err != nil {
		return leaf, false, nil // the scanner has refused it
	}
	frame, err := o.frame(e.Month, e.Salt)
	if errors.Is(err, ErrErased) {
		r.erased++
		return leaf, false, nil
	}
	if err != nil {
		return leaf, false, err
	}
	p, err := e.open(o.buffer(len(e.Sealed)), frame, o.v.origin)
	if err != nil {
		r.find(o.segment, rec, WhatSealed, "the sealed bytes are not those that were sealed under the month's key")
		return leaf, false, nil
	}
	if o.v.opts.Check != nil {
		r.opened = append(r.opened, openedEntry{offset: rec.Offset, head: p.head, body: p.body})
	}
	return o.compare(r, rec, &p), true, nil
}

// buffer is empty and has room for n bytes: the same one each time, or one for
// each entry where Check will want to see it later.
func (o *opener) buffer(n int) []byte {
	if o.v.opts.Check != nil {
		return make([]byte, 0, n)
	}
	if cap(o.plain) < n {
		o.plain = make([]byte, 0, 2*n)
	}
	return o.plain[:0]
}

// compare holds an opened entry against its place in the tree and returns its leaf hash.
func (o *opener) compare(r *groupResult, rec *record, p *plainEntry) tlog.Hash {
	leaf := proof.LeafHash(p.head)
	if i := rec.Index - r.before; i < uint64(len(r.leaves)) && leaf != r.leaves[i] {
		r.find(o.segment, rec, WhatLeaf, "the entry's head is not the one in the tree")
	}
	if err := o.head.UnmarshalBinary(p.head); err != nil {
		r.find(o.segment, rec, WhatHead, err.Error())
		return leaf
	}
	h := &o.head
	if h.Index != rec.Index || h.Origin != o.v.origin {
		r.find(o.segment, rec, WhatHead, fmt.Sprintf("the head is that of entry %d of %s", h.Index, h.Origin))
	}
	if uint64(len(p.body)) != uint64(h.BodyLen) || proof.Commit(p.salt, p.body) != h.Body {
		r.find(o.segment, rec, WhatBody, "the body is not the one that the head commits to")
	}
	o.clock(r, rec, h.Time)
	return leaf
}

func (o *opener) clock(r *groupResult, rec *record, ms int64) {
	if !r.timed {
		r.timed, r.firstTime, r.lastTime = true, ms, ms
		return
	}
	if ms < r.lastTime {
		r.find(o.segment, rec, WhatTime, fmt.Sprintf("%d ms before the entry before", r.lastTime-ms))
	}
	r.lastTime = max(r.lastTime, ms)
}

func (r *groupResult) find(segment uint32, rec *record, what What, detail string) {
	r.findings = append(r.findings, Finding{Index: rec.Index, Segment: segment, Offset: rec.Offset, What: what, Detail: detail})
}

func (o *opener) frame(month uint32, salt [16]byte) (cipher.AEAD, error) {
	id := sessionMonth{salt, month}
	if f := o.frames[id]; f != nil {
		return f, nil
	}
	key, err := o.v.keys.month(o.v.ctx, month)
	if err != nil {
		return nil, err
	}
	f, err := newFrame(key, salt)
	if err == nil && len(o.frames) < 64 {
		o.frames[id] = f
	}
	return f, err
}

// monthCache asks for each month's key once.
type monthCache struct {
	reader MonthReader
	mu     sync.Mutex // guards months
	months map[uint32]monthKey
}

type monthKey struct {
	key [32]byte
	err error
}

func (c *monthCache) month(ctx context.Context, yyyymm uint32) ([32]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.months[yyyymm]
	if !ok {
		k.key, k.err = c.reader.Month(ctx, yyyymm)
		if k.err != nil {
			k.err = fmt.Errorf("key of %d: %w", yyyymm, k.err)
		}
		if len(c.months) < 4096 { // crafted entries name any month
			c.months[yyyymm] = k
		}
	}
	return k.key, k.err
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
	v.beginSegment(r.number, r.groups[0].Segment)
	for i := range r.groups {
		if last := i == len(r.groups)-1; last && r.groups[i].Torn {
			v.torn, v.tornIn = r.groups[i], r.number
			break
		}
		v.mergeGroup(r.number, r.groups[i])
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
func (v *verification) beginSegment(number uint32, info *segmentInfo) {
	if info != nil {
		v.adopt(number, info)
	}
	v.starts[len(v.starts)-1].size = v.tree.Size()
	next := newTreeWindow(&v.tree)
	if v.prev != nil { // nobody looks at the one before the last any more
		next.leaves = v.prev.leaves[:0]
	}
	v.prev, v.cur = v.cur, next
}

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
	at := Finding{Index: v.tree.Size(), Segment: segment, Offset: g.Start}
	v.damage(at, g)
	v.keepFindings(g)
	if g.leaves != nil || g.Commit != nil {
		v.appendGroup(at, g)
	} else if len(g.Entries) > 0 || g.Commit == nil {
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
	case g.Padded:
		at.What, at.Detail = WhatHidden, "bytes between or behind the records"
		v.find(at)
	case g.Commit == nil:
		at.Detail = fmt.Sprintf("the group's end is not as written; %d entries of it are whole", len(g.Entries))
		v.find(at)
	case !g.Whole && len(g.missing) == 0:
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
	for _, leaf := range g.leaves {
		v.tree.Append(leaf)
	}
	v.cur.leaves = append(v.cur.leaves, g.leaves...)
	if g.Commit != nil {
		bad := v.tree.Root() != g.Commit.Root
		if bad && !v.badRoots {
			at.What, at.Detail = WhatRoot, fmt.Sprintf("the root stored at size %d is not that of the entries", g.size)
			v.find(at)
		}
		v.badRoots = bad
	}
	v.comparePoints(v.tree.Size())
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
	sealed := uint64(0)
	for _, f := range g.findings {
		if f.What == WhatSealed {
			sealed++
		}
	}
	v.report.Contents += uint64(len(g.Entries)) - g.erased - sealed
	for _, e := range g.opened {
		if v.head.UnmarshalBinary(e.head) != nil {
			continue
		}
		if err := v.opts.Check(&v.head, e.body); err != nil {
			v.find(Finding{Index: v.head.Index, Segment: segment, Offset: e.offset, What: WhatContent, Detail: err.Error()})
		}
	}
}

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

// checkSignatures looks up what each signature should be over and has it verified.
func (v *verification) checkSignatures(segment uint32, g *groupResult) {
	for i := range g.Signatures {
		s := &g.Signatures[i]
		at := Finding{Index: s.Size - 1, Segment: segment, Offset: s.offset, What: WhatSignature}
		v.checkSignature(at, s)
	}
}

func (v *verification) checkSignature(at Finding, s *signatureRecord) {
	if s.Size > v.tree.Size() && !v.broken {
		at.Detail = fmt.Sprintf("it is over %d entries, before there are as many", s.Size)
		v.take(v.signatures.add(signatureCheck{at: at, bad: true}))
		return
	}
	root, leaf, ok := v.signedTree(s.Size)
	if !ok {
		v.report.Unchecked++
		return
	}
	check := signatureCheck{at: at, size: s.Size, sig: slices.Clone(s.Sig)}
	if root != s.Root {
		check.bad, check.at.Detail = true, fmt.Sprintf("the signed root is not that of the first %d entries", s.Size)
	} else if check.key = v.key(at, s.KeyHash); check.key == nil {
		v.report.Unchecked++
		return
	}
	check.point = proof.Checkpoint{Origin: v.origin, Size: s.Size, Root: root}
	if s.Leaf {
		check.point.Leaf = &leaf
	}
	v.take(v.signatures.add(check))
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

// reread reads an earlier segment again, for a signature that came late; not
// twice in a row, so that crafted signatures do not cost a segment each.
func (v *verification) reread(size uint64) *treeWindow {
	i, _ := slices.BinarySearchFunc(v.starts, size, func(s segmentStart, size uint64) int { return cmp.Compare(s.size, size) })
	if i--; i < 0 || i >= len(v.starts)-1 || v.starts[i].number == v.oldNumber {
		return nil
	}
	v.old, v.oldNumber = nil, v.starts[i].number
	length, err := v.fileSize(v.oldNumber)
	if err != nil {
		return nil
	}
	buf := v.buffer(length)
	defer v.recycle(buf)
	if _, err := readSegment(v.opts.FS, v.dir, v.oldNumber, buf); err == nil {
		v.old = readTreeWindow(newScanner(buf, v.oldNumber))
	}
	return v.old
}

// key finds the policy's key for a signature; nil without a policy, or with a finding.
func (v *verification) key(at Finding, hash uint32) *proof.Verifier {
	k := v.verifier[hash]
	if k == nil {
		k = &keyState{}
		if v.opts.Policy != nil {
			k.find(v.opts.Policy, v.origin, hash)
		}
		v.verifier[hash] = k
	}
	if k.verifier == nil && v.opts.Policy != nil && !k.told {
		k.told = true
		at.What, at.Detail = WhatKey, fmt.Sprintf("the policy lists no key %08x for %s", hash, v.origin)
		v.find(at)
	}
	return k.verifier
}

// keyState is what the policy says about one key hash.
type keyState struct {
	verifier *proof.Verifier
	told     bool
}

func (k *keyState) find(p *proof.Policy, origin string, hash uint32) {
	for _, candidate := range p.LogKeys() {
		if candidate.Name() == origin && candidate.KeyHash() == hash {
			k.verifier = candidate
		}
	}
}

// take counts verified signatures, in the order of the journal.
func (v *verification) take(done []signatureCheck) {
	for i := range done {
		c := &done[i]
		if !c.bad {
			v.report.Signatures++
			v.report.Signed = max(v.report.Signed, c.size)
			v.badSigs = false
			continue
		}
		if !v.badSigs { // what follows a rewritten entry fails all along: once is enough
			c.at.Detail += fmt.Sprintf("; the last tree with a valid signature has %d entries", v.report.Signed)
			v.find(c.at)
		}
		v.badSigs = true
	}
}

func (v *verification) find(f Finding) {
	if len(v.report.Findings) >= v.opts.MaxFindings {
		v.report.More++
		return
	}
	v.report.Findings = append(v.report.Findings, f)
}

func (v *verification) conclude() *Report {
	v.take(v.signatures.rest())
	r := v.report
	r.Size, r.Root = v.tree.Size(), v.tree.Root()
	r.Torn = v.torn != nil
	for _, c := range v.points {
		v.find(Finding{Index: r.Size, What: WhatTruncated, Detail: fmt.Sprintf("the journal holds %d entries, the checkpoint %d: its tail was lost or an older copy restored", r.Size, c.Size)})
	}
	if v.opts.Policy == nil {
		r.Signed = 0
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(a.Index, b.Index) })
	return r
}

// treeWindow is the leaves of one segment, with the tree they begin from: enough to
// tell root and leaf at any size within.
type treeWindow struct {
	start  proof.Frontier
	leaves []tlog.Hash
	cursor *proof.Frontier
}

func newTreeWindow(tree *proof.Frontier) *treeWindow { return &treeWindow{start: *tree} }

// readTreeWindow reads a segment's leaves as far as they are whole.
func readTreeWindow(s *scanner) *treeWindow {
	g := s.next()
	if g == nil || g.Segment == nil {
		return nil
	}
	start, err := proof.NewFrontier(g.Segment.Size, g.Segment.Frontier)
	if err != nil {
		return nil
	}
	w := newTreeWindow(start)
	for ; g != nil && g.Commit != nil && g.Commit.Before == w.end(); g = s.next() {
		w.leaves = append(w.leaves, hashes(g.Commit.Leaves)...)
	}
	return w
}

func (w *treeWindow) end() uint64 { return w.start.Size() + uint64(len(w.leaves)) }

// root is the tree's root at size; cheap when sizes ascend.
func (w *treeWindow) root(size uint64) (root tlog.Hash, ok bool) {
	if size < w.start.Size() || size > w.end() {
		return root, false
	}
	if w.cursor == nil || w.cursor.Size() > size {
		w.cursor = w.start.Clone()
	}
	for w.cursor.Size() < size {
		w.cursor.Append(w.leaves[w.cursor.Size()-w.start.Size()])
	}
	return w.cursor.Root(), true
}

// at is root and last leaf at size.
func (w *treeWindow) at(size uint64) (root, leaf tlog.Hash, ok bool) {
	if size <= w.start.Size() || size > w.end() {
		return root, leaf, false
	}
	root, ok = w.root(size)
	return root, w.leaves[size-w.start.Size()-1], ok
}

// signatureCheck is one signature to verify, and its outcome.
type signatureCheck struct {
	at    Finding
	size  uint64
	point proof.Checkpoint
	key   *proof.Verifier
	sig   []byte
	bad   bool
}

// signatureBatch is large enough that handing it over costs nothing beside verifying it.
const signatureBatch = 32

// signatureChecks verifies signatures on all cores and gives the outcomes back in order.
type signatureChecks struct {
	work    chan *signatureWork
	workers sync.WaitGroup
	filling []signatureCheck
	pending []*signatureWork
	limit   int
}

type signatureWork struct {
	checks []signatureCheck
	done   chan struct{}
}

func startSignatureChecks(workers int) *signatureChecks {
	c := &signatureChecks{work: make(chan *signatureWork, 4*workers), limit: 8 * workers}
	for range workers {
		c.workers.Go(func() {
			for w := range c.work {
				w.verify()
			}
		})
	}
	return c
}

func (w *signatureWork) verify() {
	for i := range w.checks {
		c := &w.checks[i]
		if !c.bad && c.key.VerifyCheckpoint(c.point, c.sig) != nil {
			c.bad, c.at.Detail = true, fmt.Sprintf("it does not verify for the first %d entries", c.size)
		}
	}
	close(w.done)
}

// add queues a check and returns what is done by now.
func (c *signatureChecks) add(check signatureCheck) (done []signatureCheck) {
	c.filling = append(c.filling, check)
	if len(c.filling) < signatureBatch {
		return nil
	}
	c.flush()
	if len(c.pending) < c.limit {
		return nil
	}
	return c.first()
}

func (c *signatureChecks) flush() {
	if len(c.filling) == 0 {
		return
	}
	w := &signatureWork{checks: c.filling, done: make(chan struct{})}
	c.filling = make([]signatureCheck, 0, signatureBatch)
	c.pending = append(c.pending, w)
	c.work <- w
}

func (c *signatureChecks) first() []signatureCheck {
	w := c.pending[0]
	c.pending = c.pending[1:]
	<-w.done
	return w.checks
}

// rest returns all outcomes that add has not returned.
func (c *signatureChecks) rest() (done []signatureCheck) {
	for len(c.pending) > 0 {
		done = append(done, c.first()...)
	}
	return done
}

// close has everything queued verified and ends the workers.
func (c *signatureChecks) close() {
	c.flush()
	close(c.work)
	c.workers.Wait()
}
