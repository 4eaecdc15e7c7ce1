package fiscal

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/sale"
)

// Finding is one thing that is wrong with a journal's contents.
type Finding struct {
	Index uint64     `json:"index"`
	Kind  proof.Kind `json:"kind"`
	Code  string     `json:"code"` // such as "document-number"
	Text  string     `json:"text"` // for whoever inspects, English
}

func (f Finding) String() string {
	return fmt.Sprintf("entry %d (%s): %s: %s", f.Index, KindName(f.Kind), f.Code, f.Text)
}

// Lookup gives the receipt of an earlier entry of the same journal or of one
// before it, or an error where it cannot be read; [ErrElsewhere] where it has not
// got that journal. It lets a Check compare returns with originals from before
// the open day, and from older epochs.
type Lookup func(origin string, index uint64) (*Receipt, error)

// ErrElsewhere says that a receipt is in a journal that is not at hand: then
// nothing is said about it.
var ErrElsewhere = errors.New("in a journal that is not at hand")

// Check verifies what the law asks of a journal's contents while it streams
// past, entry by entry from index 0 or from a snapshot. It is the fold that
// tills run, so it finds exactly what a till would not have recorded: gaps in
// numbers, grand totals that do not go on, sums that are not sums, reports that
// are not the fold of their day, returns beyond their originals, snapshots that
// differ, flags and numbers in heads that the bodies do not say.
//
// It goes on after a finding: the entry is believed and the next is judged by
// it, so that one false figure gives one finding, and one more at the report
// and the snapshot that it makes wrong.
//
// Memory is that of a [State]: constant in the length of the journal, but for
// the receipts returned and copied in one day and the command ids of two hours.
// What the stream alone cannot show is whether a return from a later day than
// its sale keeps within it; with a [Lookup] that is checked as well.
type Check struct {
	state    State
	lookup   Lookup
	started  bool
	blind    bool // bodies are missing since the last snapshot: what depends on them is not known
	entries  uint64
	findings uint64
}

// NewCheck begins a check. lookup may be nil.
func NewCheck(lookup Lookup) *Check { return &Check{lookup: lookup} }

// State is the fold so far. It is the Check's own: read it, do not change it.
func (c *Check) State() *State { return &c.state }

// Counts returns how many entries were seen and how many findings made.
func (c *Check) Counts() (entries, findings uint64) { return c.entries, c.findings }

// Entry takes the next entry. A nil body means that it was erased or cannot be
// read: then the head alone is checked. head and body are not kept.
func (c *Check) Entry(h *proof.Head, body []byte) []Finding {
	c.entries++
	var errs []error
	if body == nil {
		errs = c.headOnly(h)
	} else {
		errs = c.whole(h, body)
	}
	out := make([]Finding, 0, len(errs))
	for _, err := range errs {
		out = append(out, finding(h, err))
	}
	c.findings += uint64(len(out))
	return out
}

// Missing says that the entries before next cannot be read at all. The caller
// reports that; the check goes on behind them.
func (c *Check) Missing(next uint64) {
	if next > c.state.Size {
		c.state.Missing(next)
		c.blind = true
	}
}

func finding(h *proof.Head, err error) Finding {
	f := Finding{Index: h.Index, Kind: h.Kind, Code: CodeMalformed, Text: err.Error()}
	var coded interface{ Code() string }
	if errors.As(err, &coded) {
		f.Code = coded.Code()
	}
	return f
}

func (c *Check) whole(h *proof.Head, body []byte) []error {
	b, err := Decode(h.Kind, body)
	if err != nil {
		return append([]error{err}, c.headOnly(h)...)
	}
	first := !c.started
	c.started = true
	if snap, ok := b.(*Snapshot); ok && (first || c.blind) {
		return c.fromSnapshot(h, snap)
	}
	errs := c.original(b)
	if r, ok := b.(*Recovery); ok && r.Next != nil {
		c.blind = true // from here the till had not got what may have been mended since
	}
	if err := c.step(h, b); err != nil {
		if !c.blind || !unseen(err) {
			errs = append(errs, err)
		}
		c.believe(h, b)
	}
	return errs
}

// unseen reports whether an error may come from bodies that could not be read,
// and not from the entry: it is about what they did to drawer, copies, returns
// and outage.
func unseen(err error) bool {
	var coded interface{ Code() string }
	if !errors.As(err, &coded) {
		return false
	}
	return slices.Contains([]string{
		CodeSession, CodeFigures, CodeCopyNumber, CodeReturned, CodeReference, CodeOutage, CodeIntent, CodeMode,
		drawer.CodeClosed, drawer.CodeOpen, drawer.CodeNegative, drawer.CodeNotCounted,
	}, coded.Code())
}

// step is State.Apply for a decoded body, without what cannot be known while
// bodies are missing.
func (c *Check) step(h *proof.Head, b Body) error {
	s := &c.state
	if err := s.follows(h, b); err != nil {
		return err
	}
	if s.resync {
		s.adopt(h)
		s.resync = false
	}
	if r, ok := b.(*ZReport); ok && c.blind {
		return c.afterBlindDay(h, r)
	}
	if _, ok := b.(*XReport); ok && c.blind {
		s.passed(h)
		return nil
	}
	return s.fold(h, b)
}

// afterBlindDay takes a Z whose day was not wholly readable: its figures are
// believed, its number and grand totals are checked.
func (c *Check) afterBlindDay(h *proof.Head, z *ZReport) error {
	s := &c.state
	var err error
	defer s.passed(h)
	known := s.lost.Document > 0 || z.Report.After == s.Grand
	if z.Report.Number < s.Next.Z || z.Report.Number > s.Beyond().Z || !known {
		err = refuse(CodeFigures, "Z %d with net %d after entries that could not be read; %d and %d follow", z.Report.Number, z.Report.After.Net, s.Next.Z, s.Grand.Net)
	}
	s.Next.Z, s.Grand = z.Report.Number, z.Report.After
	return errors.Join(err, z.apply(s, h))
}

// believe takes an entry that does not follow as if it did.
func (c *Check) believe(h *proof.Head, b Body) {
	s := &c.state
	switch x := b.(type) {
	case *Snapshot:
		if next, err := Restore(x.State); err == nil && next.Size == h.Index {
			*s = *next
		}
	case *Outcome:
		if s.intentAt(x.Intent) >= 0 {
			_ = x.apply(s, h) // cannot fail
		}
	case *ZReport:
		_ = x.apply(s, h) // cannot fail
	default:
		next := s.Clone()
		if b.apply(next, h) == nil {
			*s = *next
		}
	}
	s.wrote(b)
	c.trust(h)
}

// trust goes on from what a head says.
func (c *Check) trust(h *proof.Head) {
	s := &c.state
	for tag, x := range map[uint8]struct{ next, lost *int64 }{TagDocument: {&s.Next.Document, &s.lost.Document}, TagTraining: {&s.Next.Training, &s.lost.Training}} {
		if n, ok := h.Number(tag); ok && h.Kind != KindEpoch {
			*x.next, *x.lost = n+1, 0
		}
	}
	if n, ok := h.Number(TagZ); ok && h.Kind == KindZReport {
		s.Next.Z, s.lost.Z = n+1, 0
	}
	if g, ok := grandOf(h); ok {
		s.Grand = g
	}
	origin := s.Origin
	s.passed(h)
	if origin != "" {
		s.Origin = origin
	}
}

func (c *Check) fromSnapshot(h *proof.Head, b *Snapshot) []error {
	c.blind = false
	before := c.state
	if err := c.state.restoreAt(h, b); err != nil {
		c.state = before
		c.trust(h)
		return []error{err}
	}
	if before.Size > 0 && !before.recovered && (before.Next.Document > c.state.Next.Document || before.Grand.Sale > c.state.Grand.Sale) {
		return []error{refuse(CodeSnapshot, "the snapshot knows less than the entries before it")}
	}
	return nil
}

// headOnly checks what a head tells without its body.
func (c *Check) headOnly(h *proof.Head) []error {
	s := &c.state
	var errs []error
	if h.Index != s.Size {
		errs = append(errs, refuse(CodeIndex, "entry %d where %d follows", h.Index, s.Size))
	}
	if h.Time < s.Time {
		errs = append(errs, refuse(CodeTime, "entry %d is %d ms earlier than the one before", h.Index, s.Time-h.Time))
	}
	if c.started && !s.resync && h.Kind != KindEpoch {
		errs = append(errs, s.continues(h)...)
	}
	c.started, c.blind = true, true
	c.trust(h)
	return errs
}

// continues compares the numbers of a head with those that follow.
func (s *State) continues(h *proof.Head) []error {
	var errs []error
	most := s.Beyond()
	for tag, next := range map[uint8][2]int64{
		TagDocument: {s.Next.Document, most.Document}, TagTraining: {s.Next.Training, most.Training}, TagZ: {s.Next.Z, most.Z},
	} {
		if n, ok := h.Number(tag); ok && (n < next[0] || n > next[1]) {
			errs = append(errs, refuse(CodeDocumentNumber, "%s number %d where %d follows", TagName(tag), n, next[0]))
		}
	}
	if n, ok := h.Number(TagNetBefore); ok && s.lost.Document == 0 && KindName(h.Kind) != "" && h.Kind < KindXReport && n != int64(s.Grand.Net) {
		errs = append(errs, refuse(CodeGrand, "net total before is %d, it was %d", n, s.Grand.Net))
	}
	return errs
}

// original compares a return or void with its original and the last return of
// it, where they can be looked up.
func (c *Check) original(b Body) []error {
	r, ok := b.(*Receipt)
	if !ok || c.lookup == nil || r.Document.Original == nil {
		return nil
	}
	o, err := c.lookup(r.Document.Original.Origin, r.Document.Original.Index)
	if errors.Is(err, ErrElsewhere) {
		return nil
	}
	if err != nil {
		return []error{because(CodeReference, "original of a return", err)}
	}
	if o.Kind() != KindReceipt && o.Kind() != KindLate || o.Number != r.Document.Original.Number {
		return []error{refuse(CodeReference, "refers to %s %d", KindName(o.Kind()), o.Number)}
	}
	var errs []error
	if err := covers(&o.Document, r.Earlier, &r.Document); err != nil {
		errs = append(errs, err)
	}
	return append(errs, c.earlier(r)...)
}

// earlier follows the chain of returns of one receipt one step back.
func (c *Check) earlier(r *Receipt) []error {
	if r.Previous == 0 {
		return nil
	}
	p, err := c.lookup(cmp.Or(r.PreviousOrigin, c.state.Origin), r.Previous)
	if errors.Is(err, ErrElsewhere) {
		return nil
	}
	if err != nil {
		return []error{because(CodeReference, "last return of the receipt", err)}
	}
	same := p.Document.Original != nil && p.Document.Original.Index == r.Document.Original.Index && p.Document.Original.Origin == r.Document.Original.Origin
	if !same || !slices.Equal(sale.AddReturned(p.Earlier, &p.Document), r.Earlier) {
		return []error{refuse(CodeReturned, "what was returned before is not what entry %d says", r.Previous)}
	}
	return nil
}
