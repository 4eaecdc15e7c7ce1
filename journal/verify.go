package journal

import (
	"cmp"
	"context"
	"fmt"
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
	// Lost is the tree size up to which somebody has owned up to the loss of the
	// journal's end, as the epoch after does: no checkpoint up to there counts as
	// WhatTruncated. 0: nobody has.
	Lost uint64
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
	v.signatures = startSignatureChecks(v.opts.Workers, v.settle)
	err = v.run()
	v.signatures.close()
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", dir, err)
	}
	return v.conclude(), nil
}

// verification is one run. Segments are read and opened in parallel; what must
// be in order (the tree, Check, findings) is done by the one goroutine that owns
// this struct.
type verification struct {
	ctx    context.Context
	opts   VerifyOptions
	dir    string
	origin string
	report *Report

	// shared with the readers of segments, which do not change them
	segment uint32 // bytes
	numbers []uint32
	keys    *monthCache
	spaces  chan workspace // to be used again

	tree     proof.Frontier
	broken   bool // damage hides the tree from here to the next segment
	badRoots bool // the last group's root was wrong
	badSigs  bool // the last signature was wrong
	ended    bool // an empty segment was seen
	lastTime int64
	timed    bool
	head     proof.Head         // reused for Check
	points   []proof.Checkpoint // to compare, ascending

	starts []segmentStart
	torn   *groupResult // a group that may be a torn tail, if nothing follows
	tornIn uint32       // the segment that it is in, and whose bytes it points into

	cur, prev *treeWindow // leaves of this segment and the one before
	old       *treeWindow // of an earlier one, read again for late signatures
	oldNumber uint32
	rereads   int // how many are left

	verifier   map[uint32]*keyState
	signatures *signatureChecks
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
	v.rereads = 2*len(v.numbers) + 8
	v.checkOrigins()
	return v, nil
}

// run reads segments ahead in parallel and takes the results in order.
func (v *verification) run() error {
	v.comparePoints(0)
	ahead := v.opts.Workers
	if v.segment > 64<<20 {
		ahead = 1 // large segments: memory before speed
	}
	v.spaces = make(chan workspace, ahead)
	results := make(chan chan segmentResult, ahead-1)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	defer readers.Wait()
	defer close(stop)
	readers.Go(func() { v.readAhead(results, stop, &readers) })
	for i := range v.numbers {
		if err := v.take(<-<-results); err != nil {
			return err
		}
		v.progress(i + 1)
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

// take holds a segment against the tree and gives its memory back.
func (v *verification) take(r segmentResult) error {
	if err := cmp.Or(r.err, v.ctx.Err()); err != nil {
		return err
	}
	v.merge(&r)
	if v.torn == nil || v.tornIn != r.number { // a torn group points into its segment
		v.recycle(r.workspace)
	}
	return nil
}

func (v *verification) progress(segments int) {
	if v.opts.Progress != nil {
		v.opts.Progress(Progress{Segment: segments, Segments: len(v.numbers), Entries: v.tree.Size()})
	}
}

func (v *verification) find(f Finding) {
	if len(v.report.Findings) >= v.opts.MaxFindings {
		v.report.More++
		return
	}
	v.report.Findings = append(v.report.Findings, f)
}

// conclude completes the report when everything has been seen.
func (v *verification) conclude() *Report {
	r := v.report
	r.Size, r.Root = v.tree.Size(), v.tree.Root()
	r.Torn = v.torn != nil
	for _, c := range v.points {
		if c.Size <= v.opts.Lost {
			continue
		}
		v.find(Finding{Index: r.Size, What: WhatTruncated, Detail: fmt.Sprintf("the journal holds %d entries, the checkpoint %d: its tail was lost or an older copy restored", r.Size, c.Size)})
	}
	if v.opts.Policy == nil {
		r.Signed = 0
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(a.Index, b.Index) })
	return r
}
