package till

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
)

// ErrNothingLeft says that no epoch tells what shop this till belongs to: there
// is nothing that a new one could go on from.
var ErrNothingLeft = errors.New("nothing that can be read says what shop this is")

// ErrNotWhole says that a journal has lost something, so that more than its key has
// to be renewed.
var ErrNotWhole = errors.New("the journal is damaged, or not all of it is there")

// ErrDecommissioned says that a till was taken out of service: nothing goes on
// from it.
var ErrDecommissioned = errors.New("this till was taken out of service for good")

// remains is what can still be read of a till's journal.
type remains struct {
	name     string // of the till
	epochs   []int  // newest first
	old      *journal.ReadOnly
	state    *fiscal.State
	receipts []signedEntry // the last ones held, oldest first
	evidence []evidence
	sized    []string // origins whose length vault or projection tell
}

// signedEntry is an entry that has a signature of its own.
type signedEntry struct {
	index uint64
	leaf  tlog.Hash
}

// maxSigned is how many receipts are asked for a stored signature: with a signer
// down for longer than that, the newest signature is not found.
const maxSigned = 256

// evidence is a checkpoint that somebody has seen.
type evidence struct {
	by         string
	checkpoint proof.Checkpoint
	note       string      // signed, where it is
	head       *proof.Head // of a receipt
}

// find lists the epochs and learns the till's name.
func (r *renewal) find(context.Context) error {
	names, err := r.fs.ReadDir(r.opts.Dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if n, ok := epochNumber(name); ok {
			r.epochs = append(r.epochs, n)
		}
	}
	slices.Sort(r.epochs)
	slices.Reverse(r.epochs)
	if len(r.epochs) == 0 {
		return fmt.Errorf("%s: %w", r.opts.Dir, journal.ErrNoJournal)
	}
	for _, n := range r.epochs {
		origin, err := journal.ReadOrigin(r.fs, r.epochDir(n))
		if errors.Is(err, journal.ErrVersion) {
			return err
		}
		if name, _, ok := strings.Cut(origin, "/"); err == nil && ok {
			r.name = name
			return nil
		}
	}
	return fmt.Errorf("no epoch in %s has a file JOURNAL that can be read: %w", r.opts.Dir, ErrNothingLeft)
}

// hear asks the anchors, and reads the receipts at hand.
func (r *renewal) hear(ctx context.Context) error {
	for _, a := range r.opts.Anchors {
		c, err := a.Load(ctx)
		switch {
		case err != nil:
			r.seen(a.Name() + " cannot be read: " + oneLine(err.Error()))
		case c.Size == 0:
			r.seen(a.Name() + ": nothing yet")
		default:
			r.witness(evidence{by: a.Name(), checkpoint: c})
		}
	}
	for _, code := range r.req.Receipts {
		if err := r.hearReceipt(strings.TrimSpace(code)); err != nil {
			return err
		}
	}
	return nil
}

// hearReceipt takes a receipt's word if a key of this till has signed it.
func (r *renewal) hearReceipt(code string) error {
	p, err := proof.ParseReceipt(code)
	if err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	c, err := p.Checkpoint()
	if err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	key, err := r.req.Keys.Verifier(c.Origin)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("receipt %d of %s is not one of this till", c.Size-1, c.Origin)
	}
	if err != nil {
		return err
	}
	v, err := proof.ParseVerifier(key)
	if err != nil {
		return err
	}
	h, err := p.Verify(note.VerifierList(v))
	if err != nil {
		return err
	}
	r.witness(evidence{by: "receipt", checkpoint: c, head: h, note: string(proof.Note(c, c.Origin, p.KeyHash, p.Sig[:]))})
	return nil
}

func (r *renewal) witness(e evidence) {
	r.evidence = append(r.evidence, e)
	c := e.checkpoint
	r.seen(fmt.Sprintf("%s: %s %d %s", e.by, c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:])))
}

func (r *renewal) seen(line string) { r.report.Anchors = append(r.report.Anchors, line) }

// read folds the newest epoch that tells enough to go on.
func (r *renewal) read(ctx context.Context) error {
	for _, n := range r.epochs {
		err := r.readEpoch(ctx, n)
		if err == nil {
			return r.compare(ctx)
		}
		if errors.Is(err, journal.ErrVersion) || ctx.Err() != nil {
			return err
		}
		r.note("epoch %d cannot be gone on from: %v", n, err)
	}
	return fmt.Errorf("%w: %s", ErrNothingLeft, strings.Join(r.report.Notes, "; "))
}

// readEpoch folds one epoch from its first entry on, past every hole, by the fold
// that verifiers run.
func (r *renewal) readEpoch(ctx context.Context, n int) error {
	keys := &lenientKeys{from: r.opts.Keys}
	old, err := journal.OpenReadOnly(r.epochDir(n), journal.ReadOptions{FS: r.fs, Keys: keys})
	if err != nil {
		return err
	}
	r.old, r.receipts = old, nil
	r.report.Old, r.report.Entries, r.report.Damaged = old.Origin(), 0, nil
	check := fiscal.NewCheck(nil)
	for e, err := range old.Entries(ctx, 0, proof.MaxSize) {
		if err != nil && !errors.Is(err, journal.ErrDamaged) && !errors.Is(err, journal.ErrErased) {
			return err
		}
		r.take(check, e, err)
	}
	if keys.err != nil {
		r.note("contents of a month cannot be read: %v", keys.err)
	}
	r.state = check.State().Clone()
	r.state.Next = r.state.Beyond() // a damaged entry may have been a document
	if err := r.state.Shop.Validate(); err != nil {
		return err
	}
	return nil
}

// take folds one entry, or counts it as missing.
func (r *renewal) take(check *fiscal.Check, e journal.Entry, err error) {
	index := r.report.Entries
	r.report.Entries++
	if err != nil {
		check.Missing(index + 1)
		if errors.Is(err, journal.ErrDamaged) {
			r.hole(index, oneLine(err.Error()))
		}
		return
	}
	check.Entry(e.Head, e.Body)
	if e.Sign {
		r.receipts = append(r.receipts, signedEntry{index, e.Leaf})
		if len(r.receipts) > 2*maxSigned {
			r.receipts = append(r.receipts[:0], r.receipts[maxSigned:]...)
		}
	}
}

func (r *renewal) hole(index uint64, why string) {
	if n := len(r.report.Damaged); n > 0 && r.report.Damaged[n-1].Last+1 == index {
		r.report.Damaged[n-1].Last = index
		return
	}
	r.report.Damaged = append(r.report.Damaged, fiscal.Hole{First: index, Last: index, Why: why})
}

// lenientKeys takes a month whose key cannot be had for an erased one.
type lenientKeys struct {
	from journal.MonthReader
	err  error
}

func (k *lenientKeys) Month(ctx context.Context, yyyymm uint32) ([32]byte, error) {
	key, err := k.from.Month(ctx, yyyymm)
	if err != nil && ctx.Err() == nil && !errors.Is(err, journal.ErrErased) {
		k.err, err = err, journal.ErrErased
	}
	return key, err
}

// compare finds the last known checkpoint and what is lost behind what is held.
func (r *renewal) compare(ctx context.Context) error {
	held := r.report.Entries
	tree, err := r.old.Tree(ctx)
	if err != nil && !errors.Is(err, journal.ErrDamaged) {
		return err
	}
	if tree != nil && tree.Size() > 0 {
		root, err := tree.Root(tree.Size())
		if err != nil {
			return err
		}
		// The new origin's key vouches for what of the old epoch was there, its unsigned end included.
		r.witness(evidence{by: "held", checkpoint: proof.Checkpoint{Origin: r.report.Old, Size: tree.Size(), Root: root}})
	}
	best := r.lastSigned(ctx, tree)
	for _, e := range r.evidence {
		if e.checkpoint.Origin == r.report.Old && e.note != "" && e.checkpoint.Size > best.checkpoint.Size {
			best = e
		}
		r.loss(tree, e, held)
		r.believe(e, held)
	}
	r.report.Checkpoint = best.note
	if best.note == "" && tree != nil {
		r.report.Checkpoint = unsigned(tree, r.report.Old)
	}
	return nil
}

// lastSigned is the newest stored checkpoint, zero where there is none.
func (r *renewal) lastSigned(ctx context.Context, tree *journal.Tree) evidence {
	if tree != nil {
		if s, ok := tree.Signed(); ok {
			return signedEvidence(s)
		}
		return evidence{}
	}
	for _, e := range slices.Backward(r.receipts) {
		if s, err := r.old.SignatureOf(ctx, e.index, e.leaf); err == nil {
			return signedEvidence(s)
		}
	}
	return evidence{}
}

func signedEvidence(s journal.Signed) evidence {
	c := s.Checkpoint
	return evidence{checkpoint: c, note: string(proof.Note(c, c.Origin, s.KeyHash, s.Sig))}
}

func unsigned(tree *journal.Tree, origin string) string {
	root, err := tree.Root(tree.Size())
	if err != nil || tree.Size() == 0 {
		return ""
	}
	return string(proof.Checkpoint{Origin: origin, Size: tree.Size(), Root: root}.Text())
}

// loss says what somebody has seen and the journal does not hold.
func (r *renewal) loss(tree *journal.Tree, e evidence, held uint64) {
	c := e.checkpoint
	n, ours := epochOf(c.Origin, r.name)
	old, _ := epochOf(r.report.Old, r.name)
	switch {
	case !ours || n < old:
	case n > old:
		r.lose(LostEntries{Origin: c.Origin, First: 0, Last: c.Size - 1, Known: e.by})
	case c.Size > held:
		r.lose(LostEntries{Origin: c.Origin, First: held, Last: c.Size - 1, Known: e.by})
	case tree != nil && tree.Size() >= c.Size:
		if root, err := tree.Root(c.Size); err == nil && root != c.Root {
			r.note("the first %d entries are not those that %s has seen: the journal was rewritten", c.Size, e.by)
		}
	}
}

// lose keeps the widest loss of each origin.
func (r *renewal) lose(l LostEntries) {
	i := slices.IndexFunc(r.report.Lost, func(x LostEntries) bool { return x.Origin == l.Origin })
	switch {
	case i < 0:
		r.report.Lost = append(r.report.Lost, l)
	case r.report.Lost[i].Last < l.Last:
		r.report.Lost[i] = l
	}
}

// believe raises numbers and totals to those of a signed receipt that the
// journal has lost.
func (r *renewal) believe(e evidence, held uint64) {
	if e.head == nil || e.checkpoint.Origin == r.report.Old && e.head.Index < held {
		return
	}
	if n, ok := e.head.Number(fiscal.TagDocument); !ok || n < r.state.Next.Document {
		return
	} else {
		r.state.Next.Document = n + 1
	}
	sales, ok1 := e.head.Number(fiscal.TagSaleAfter)
	returns, ok2 := e.head.Number(fiscal.TagReturnAfter)
	net, ok3 := e.head.Number(fiscal.TagNetAfter)
	if ok1 && ok2 && ok3 {
		r.state.Grand = drawer.Grand{Sale: money.Amount(sales), Return: money.Amount(returns), Net: money.Amount(net)}
	}
}
