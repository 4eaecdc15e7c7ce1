package fiscal

import (
	"slices"
	"time"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/sale"
)

// Receipt is the body of a fiscal document: a sale, return, void or training
// sale, or a sale written by hand and recorded late. Its kind follows from the
// document's mode.
type Receipt struct {
	Number   int64           `json:"number"` // document number; training number on a training sale
	Document sale.Document   `json:"document"`
	Issuer   Issuer          `json:"issuer"`
	Before   drawer.Grand    `json:"before"` // grand totals
	After    drawer.Grand    `json:"after"`
	Outage   bool            `json:"outage,omitzero"`   // issued while the signer was down
	Late     *Late           `json:"late,omitzero"`     // recorded after the fact
	Earlier  []sale.Returned `json:"earlier,omitempty"` // what had been returned of the original before this return
	Previous uint64          `json:"previous,omitzero"` // index of the entry of the last return of the same receipt
	// PreviousOrigin is the journal that Previous is in, an older epoch's; empty:
	// this one.
	PreviousOrigin string            `json:"previousOrigin,omitzero"`
	Country        *CountrySignature `json:"country,omitzero"`
}

// Late is what is known of a receipt that was written by hand while the till
// did not work.
type Late struct {
	Number   string    `json:"number"` // on the paper
	IssuedAt time.Time `json:"issuedAt"`
	Reason   string    `json:"reason"`
}

// Kind follows from mode and Late.
func (r *Receipt) Kind() proof.Kind {
	switch {
	case r.Late != nil:
		return KindLate
	case r.Document.Mode == sale.Return:
		return KindReturn
	case r.Document.Mode == sale.Voiding:
		return KindVoid
	case r.Document.Mode == sale.Training:
		return KindTraining
	}
	return KindReceipt
}

func (r *Receipt) training() bool { return r.Document.Mode == sale.Training }

func (r *Receipt) flags() proof.Flags {
	switch {
	case r.training():
		return proof.FlagTraining
	case r.Late != nil:
		return proof.FlagLate
	}
	return 0
}

func (r *Receipt) numbers(s *State) numbers {
	d := &r.Document
	var n numbers
	if r.training() {
		n.add(TagTraining, r.Number)
	} else {
		n.add(TagDocument, r.Number)
		n.grand(r.Before, r.After)
	}
	n.add(TagGross, int64(d.Total))
	n.add(TagTax, int64(d.TaxAmount))
	n.some(TagRounding, int64(d.Rounding))
	n.some(TagTip, int64(d.Tip))
	n.tenders(d)
	n.currency(d.Currency)
	n.add(TagLines, int64(len(d.Lines)))
	if d.Original != nil && d.Original.Origin == s.Origin {
		n.add(TagReferenced, int64(d.Original.Index))
	}
	if r.Outage {
		n.add(TagOutage, 1)
	}
	return n
}

// NewReceipt makes the body for a finished document: number, grand totals and
// what was returned before are filled in from the state. original is the
// receipt that a return or void refers to, with what the caller knows to have
// been returned of it before the open day; nil otherwise, and nil for a return
// without a receipt. late is for receipts written by hand.
//
// Nothing is spent: the number belongs to whoever records first. Codes:
// return-exceeds-original, void-after-close, wrong-reference,
// training-mode-differs, and those of sale and drawer.
func (s *State) NewReceipt(d sale.Document, original *sale.Original, late *Late) (*Receipt, error) {
	r := &Receipt{Document: d, Issuer: s.Shop.issuer(), Late: late, Number: s.Beyond().Document, Before: s.Grand, Outage: s.Signer.Down}
	if r.training() {
		r.Number = s.Beyond().Training
	}
	var err error
	if r.After, err = s.Grand.After(&d); err != nil {
		return nil, err
	}
	if d.Original != nil {
		if err := s.refer(r, original); err != nil {
			return nil, err
		}
	}
	return r, r.check(s)
}

// refer fills in what has been returned of the original and checks the
// document against it.
func (s *State) refer(r *Receipt, o *sale.Original) error {
	if o == nil || o.Reference.Origin != r.Document.Original.Origin || o.Reference.Index != r.Document.Original.Index {
		return refuse(CodeReference, "the document refers to receipt %d, another was given", r.Document.Original.Number)
	}
	known := s.ReturnedOf(*o)
	if known.Voided {
		return refuse(CodeReturned, "receipt %d is void", o.Reference.Number)
	}
	if r.Document.Mode == sale.Voiding && len(known.Returned) > 0 {
		return refuse(CodeReturned, "of receipt %d something was returned", o.Reference.Number)
	}
	r.Earlier, r.Previous, r.PreviousOrigin = known.Returned, known.Last, known.LastOrigin
	return covers(&o.Document, r.Earlier, &r.Document)
}

// ReturnedOf returns the original with everything that this till knows to have
// been returned of it, as sale.NewReturn and sale.Void want it: what the state
// has seen since the last Z counts more than what the caller passes.
func (s *State) ReturnedOf(o sale.Original) sale.Original {
	if i := s.returnedAt(o.Reference); i >= 0 {
		o.Returned, o.Voided, o.Last, o.LastOrigin = slices.Clone(s.Returned[i].Lines), s.Returned[i].Voided, s.Returned[i].Last, ""
	}
	return o
}

// covers says whether everything that a document gives back, with what was
// given back before, lies within the original, in quantity and in money.
func covers(original *sale.Document, earlier []sale.Returned, d *sale.Document) error {
	for _, got := range sale.AddReturned(earlier, d) {
		i := slices.IndexFunc(original.Lines, func(l sale.DocumentLine) bool { return l.No == got.Line })
		if i < 0 {
			return refuse(CodeReturned, "the original has no line %d", got.Line)
		}
		l := &original.Lines[i]
		sign := int64(l.Gross.Sign())
		if got.Quantity < 0 || got.Quantity > l.Quantity {
			return refuse(CodeReturned, "line %d: %v returned of %v", got.Line, got.Quantity, l.Quantity)
		}
		if int64(got.Gross)*sign < 0 || int64(got.Gross)*sign > int64(l.Gross)*sign {
			return refuse(CodeReturned, "line %d: %d returned of %d", got.Line, got.Gross, l.Gross)
		}
		if got.Quantity == l.Quantity && got.Gross != l.Gross {
			return refuse(CodeReturned, "line %d: all of it returned for %d of %d", got.Line, got.Gross, l.Gross)
		}
	}
	return nil
}

func (r *Receipt) check(s *State) error {
	if err := s.selling(); err != nil {
		return err
	}
	if err := r.Document.Check(); err != nil {
		return err
	}
	if r.training() != s.Training && r.Late == nil {
		return refuse(CodeMode, "a %s while training is %v", r.Document.Mode, s.Training)
	}
	if r.Document.Currency != s.Shop.Currency {
		return refuse(CodeShop, "document in %s, the shop sells in %s", r.Document.Currency, s.Shop.Currency)
	}
	if r.Outage != s.Signer.Down {
		return refuse(CodeOutage, "outage mark %v, signer down %v", r.Outage, s.Signer.Down)
	}
	if err := r.checkNumber(s); err != nil {
		return err
	}
	if err := r.checkLate(); err != nil {
		return err
	}
	if err := r.checkOriginal(s); err != nil {
		return err
	}
	_, err := s.Session.Clone().Document(&r.Document)
	return err
}

func (r *Receipt) checkNumber(s *State) error {
	next, lost := s.Next.Document, s.lost.Document
	if r.training() {
		next, lost = s.Next.Training, s.lost.Training
	}
	if r.Number < next || r.Number > next+lost {
		return refuse(CodeDocumentNumber, "number %d where %d follows", r.Number, next)
	}
	before := s.grandBefore(r)
	after, err := before.After(&r.Document)
	if err != nil {
		return err
	}
	if r.Before != before || r.After != after {
		return refuse(CodeGrand, "grand totals %+v to %+v where %+v to %+v follow", r.Before, r.After, before, after)
	}
	return nil
}

// grandBefore are the grand totals that a document goes on from: those that are
// known, or its own where documents may be missing before it, if they are no less.
func (s *State) grandBefore(r *Receipt) drawer.Grand {
	g := r.Before
	if s.lost.Document > 0 && g.Sale-g.Return == g.Net && g.Sale >= s.Grand.Sale && g.Return >= s.Grand.Return {
		return g
	}
	return s.Grand
}

func (r *Receipt) checkLate() error {
	if r.Late == nil {
		return nil
	}
	if r.Document.Mode != sale.Sale {
		return refuse(CodeMode, "only sales are recorded late, not a %s", r.Document.Mode)
	}
	if r.Late.Reason == "" || !line(r.Late.Reason, sale.MaxReason) || !line(r.Late.Number, 40) {
		return refuse(CodeReason, "a late entry needs a reason")
	}
	return nil
}

// checkOriginal compares a return or void with what the state remembers of its
// original.
func (r *Receipt) checkOriginal(s *State) error {
	ref := r.Document.Original
	if ref == nil {
		if len(r.Earlier) > 0 || r.Previous != 0 || r.PreviousOrigin != "" {
			return refuse(CodeReference, "returns of a receipt that is not named")
		}
		return nil
	}
	local := ref.Origin == s.Origin
	if local && ref.Index >= s.Size {
		return refuse(CodeReference, "refers to entry %d, which does not exist yet", ref.Index)
	}
	if r.Document.Mode == sale.Voiding && (!local || ref.Index < s.Day.First) {
		return refuse(CodeVoidClosed, "receipt %d was made before the day was opened", ref.Number)
	}
	if err := r.checkPrevious(s); err != nil {
		return err
	}
	i := s.returnedAt(*ref)
	if i < 0 {
		if local && ref.Index >= s.Day.First && len(r.Earlier) > 0 {
			return refuse(CodeReturned, "nothing was returned of receipt %d in the open day", ref.Number)
		}
		return nil
	}
	known := &s.Returned[i]
	if known.Voided || r.Document.Mode == sale.Voiding || !slices.Equal(known.Lines, r.Earlier) || r.Previous != known.Last || r.PreviousOrigin != "" {
		return refuse(CodeReturned, "what was returned of receipt %d before is not what the till knows", ref.Number)
	}
	return nil
}

// checkPrevious says whether the last return can be where the document says: in
// this journal, or, for a receipt of an older one, in an older one.
func (r *Receipt) checkPrevious(s *State) error {
	older := r.PreviousOrigin != ""
	if (len(r.Earlier) > 0) != (r.Previous != 0) || !older && r.Previous >= s.Size {
		return refuse(CodeReference, "earlier returns and the entry of the last of them go together")
	}
	if older && (r.Previous == 0 || r.PreviousOrigin == s.Origin || r.Document.Original.Origin == s.Origin) {
		return refuse(CodeReference, "the last return of a receipt of %q cannot be in %q", r.Document.Original.Origin, r.PreviousOrigin)
	}
	return nil
}

func (r *Receipt) apply(s *State, h *proof.Head) error {
	if r.training() {
		return r.applyTraining(s)
	}
	session := s.Session.Clone()
	if _, err := session.Document(&r.Document); err != nil {
		return err
	}
	if err := s.Day.Figures.Document(&r.Document); err != nil {
		return err
	}
	s.Session = *session
	s.Next.Document, s.lost.Document = r.Number+1, 0
	s.Grand = r.After
	s.remember(r, h)
	s.Receipt = &LastReceipt{Index: h.Index, Number: r.Number, Kind: h.Kind, Total: r.Document.Total, Change: r.Document.Change}
	if r.Outage {
		s.Signer.Count++
	}
	return nil
}

func (r *Receipt) applyTraining(s *State) error {
	if err := s.Day.Figures.Document(&r.Document); err != nil {
		return err
	}
	s.Next.Training, s.lost.Training = r.Number+1, 0
	return nil
}

// remember notes what a return or void gave back.
func (s *State) remember(r *Receipt, h *proof.Head) {
	ref := r.Document.Original
	if ref == nil {
		return
	}
	i := s.returnedAt(*ref)
	if i < 0 {
		s.Returned = append(s.Returned, ReturnedReceipt{Origin: ref.Origin, Index: ref.Index})
		i = len(s.Returned) - 1
	}
	x := &s.Returned[i]
	x.Last, x.Voided = h.Index, r.Document.Mode == sale.Voiding
	x.Lines = sale.AddReturned(r.Earlier, &r.Document)
}
