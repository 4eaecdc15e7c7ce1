package sale

import (
	"slices"
	"time"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/tax"
)

// Amounts are the money of a line, or of a part of it, in the signs of the
// original line.
type Amounts struct {
	Extended money.Amount `json:"extended"`
	Discount money.Amount `json:"discount,omitzero"`
	Share    money.Amount `json:"share,omitzero"`
	Net      money.Amount `json:"net"`
	Tax      money.Amount `json:"tax"`
	Gross    money.Amount `json:"gross"`
}

// Returned is what has been given back of one line of a receipt so far, in the
// signs of that line.
type Returned struct {
	Line     int            `json:"line"` // number of the original's line
	Quantity money.Quantity `json:"quantity"`
	Amounts
}

// Source is the line of an original receipt that a line of a return gives
// back, and what had been given back of it before.
type Source struct {
	Line     int            `json:"line"`
	Quantity money.Quantity `json:"quantity"`
	Amounts
	Before Returned `json:"before"`
}

// Original is a receipt of which something is given back.
type Original struct {
	Reference  Reference
	Document   Document
	Returned   []Returned // by all returns so far, in any order, a line once
	Voided     bool       // it was undone as a whole
	Last       uint64     // index of the last return's entry; 0: none (entry 0 is no return)
	LastOrigin string     // journal of that entry; empty: the one that is written now
}

// NewReturn begins the return of lines of one receipt. The basket computes by
// the original's currency and tax policy; the other terms are today's. Codes:
// receipt-not-returnable and those of New.
func NewReturn(id ID, operator staff.ID, o Original, terms Terms, now time.Time) (*Basket, error) {
	if o.Document.Mode != Sale {
		return nil, refuse(CodeNotReturnable, "receipt %d is a %s", o.Reference.Number, o.Document.Mode)
	}
	if o.Voided {
		return nil, refuse(CodeNotReturnable, "receipt %d is void", o.Reference.Number)
	}
	if o.Document.Currency != terms.Currency {
		return nil, refuse(CodeNotReturnable, "receipt %d is in %s, the shop sells in %s", o.Reference.Number, o.Document.Currency, terms.Currency)
	}
	terms.Tax = o.Document.Tax
	b, err := New(id, Return, operator, terms, now)
	if err != nil {
		return nil, err
	}
	ref := o.Reference
	ref.At = moment(ref.At)
	b.Original = &ref
	return b, b.Validate()
}

// ReturnLine gives back a quantity (positive) of a line of the original and
// returns the number of the new line. Its amounts are the original's in
// proportion to all that has been given back of it, less what was given back
// before: the last part takes the remainder, so that nothing is left and
// nothing too much. Codes: return-without-original, unknown-line,
// line-already-in-return, return-exceeds-quantity, return-exceeds-money,
// reason-missing and those of a closed basket.
func (b *Basket) ReturnLine(o Original, no int, q money.Quantity, why string, approver staff.ID, now time.Time) (int, error) {
	if b.Original == nil || b.Original.Origin != o.Reference.Origin || b.Original.Index != o.Reference.Index {
		return 0, refuse(CodeNoOriginal, "the basket does not return lines of this receipt")
	}
	if err := reason(why); err != nil {
		return 0, err
	}
	i := slices.IndexFunc(o.Document.Lines, func(l DocumentLine) bool { return l.No == no })
	if i < 0 {
		return 0, refuse(CodeUnknownLine, "receipt %d has no line %d", o.Reference.Number, no)
	}
	l := o.Document.Lines[i].returned(o.Returned)
	l.Quantity, l.Reason, l.Approver, l.AddedAt = -q, why, approver, moment(now)
	if !l.Divisible && !q.Whole() {
		return 0, refuse(CodeIndivisible, "line %d is sold in whole pieces", no)
	}
	added := 0
	err := b.change(func(n *Basket) error {
		if slices.ContainsFunc(n.Lines, func(x Line) bool { return x.Source != nil && x.Source.Line == no }) {
			return refuse(CodeLineReturned, "line %d is in this return already; remove it first", no)
		}
		added = n.append(l)
		return nil
	})
	return added, err
}

// returned makes the line of a return out of the original's line.
func (d *DocumentLine) returned(so []Returned) Line {
	l := Line{Item: d.Item, ListPrice: d.ListPrice, Overridden: d.Overridden, PriceReason: d.PriceReason}
	l.Source = &Source{Line: d.No, Quantity: d.Quantity, Amounts: d.amounts(), Before: Returned{Line: d.No}}
	if i := slices.IndexFunc(so, func(r Returned) bool { return r.Line == d.No }); i >= 0 {
		l.Source.Before = so[i]
	}
	return l
}

// ReturnItem takes an article back without its receipt, at the price given in
// item. It wants a reason and somebody who allowed it. Codes: wrong-mode,
// reason-missing, approver-missing and those of AddLine.
func (b *Basket) ReturnItem(item Item, q money.Quantity, why string, approver staff.ID, now time.Time) (int, error) {
	if b.Mode != Return {
		return 0, refuse(CodeWrongMode, "a %s takes nothing back", b.Mode)
	}
	if b.Original != nil {
		return 0, refuse(CodeWrongMode, "this return belongs to receipt %d; begin another for goods without a receipt", b.Original.Number)
	}
	if err := reason(why); err != nil {
		return 0, err
	}
	if approver == "" {
		return 0, refuse(CodeApproverMissing, "a return without a receipt has to be allowed by somebody")
	}
	if q <= 0 {
		return 0, refuse(CodeBadQuantity, "quantity %v of a return", q)
	}
	no := 0
	err := b.change(func(n *Basket) error {
		no = n.append(Line{Item: item, Quantity: -q, Reason: why, Approver: approver, AddedAt: moment(now)})
		return nil
	})
	return no, err
}

// copyLine computes a line that gives back part of an original line.
func (b *Basket) copyLine(l *Line, out *LineTotal) error {
	part, err := l.Source.part(-l.Quantity, b.Terms.Tax.Prices)
	if err != nil {
		return err
	}
	*out = LineTotal{
		No: l.No, Extended: -part.Extended, Discount: -part.Discount, Share: -part.Share,
		Net: -part.Net, Tax: -part.Tax, Gross: -part.Gross,
	}
	return nil
}

// part returns the amounts of the next q of a line, in the original's signs.
func (s *Source) part(q money.Quantity, prices tax.Prices) (Amounts, error) {
	sum, err := s.Before.Quantity.Add(q)
	if err != nil || q <= 0 || s.Before.Quantity < 0 || sum > s.Quantity {
		return Amounts{}, refuse(CodeReturnQuantity, "line %d: %v of %v are left, not %v", s.Line, s.Quantity-s.Before.Quantity, s.Quantity, q)
	}
	upTo, err := s.upTo(sum, prices)
	if err != nil {
		return Amounts{}, err
	}
	part := upTo.minus(s.Before.Amounts)
	if part.Gross*money.Amount(s.Gross.Sign()) < 0 || s.Gross == 0 && part.Gross != 0 {
		return Amounts{}, refuse(CodeReturnMoney, "line %d: more money than %d was given back already", s.Line, s.Gross)
	}
	return part, nil
}

// upTo returns the amounts of the first q of the line. Gross, tax, discount and
// share are in proportion, rounded; net and price × quantity follow from them,
// so that each part of a line adds up like the line.
func (s *Source) upTo(q money.Quantity, prices tax.Prices) (Amounts, error) {
	var a Amounts
	for _, x := range []struct {
		whole money.Amount
		part  *money.Amount
	}{{s.Discount, &a.Discount}, {s.Share, &a.Share}, {s.Tax, &a.Tax}, {s.Gross, &a.Gross}} {
		v, err := money.Share(x.whole, int64(q), int64(s.Quantity), money.HalfAwayFromZero)
		if err != nil {
			return Amounts{}, because(CodeReturnQuantity, "part of a line", err)
		}
		*x.part = v
	}
	a.Net = a.Gross - a.Tax
	base := a.Gross
	if prices == tax.Net {
		base = a.Net
	}
	a.Extended = base - a.Discount - a.Share
	return a, nil
}

func (a Amounts) minus(b Amounts) Amounts {
	return Amounts{
		Extended: a.Extended - b.Extended, Discount: a.Discount - b.Discount, Share: a.Share - b.Share,
		Net: a.Net - b.Net, Tax: a.Tax - b.Tax, Gross: a.Gross - b.Gross,
	}
}

// Add returns what has been given back of a receipt once doc, a return of it,
// is counted. so is not changed.
func AddReturned(so []Returned, doc *Document) []Returned {
	out := slices.Clone(so)
	for i := range doc.Lines {
		l := &doc.Lines[i]
		if l.OriginalLine == 0 {
			continue
		}
		j := slices.IndexFunc(out, func(r Returned) bool { return r.Line == l.OriginalLine })
		if j < 0 {
			j = len(out)
			out = append(out, Returned{Line: l.OriginalLine})
		}
		out[j].Quantity -= l.Quantity
		out[j].Amounts = out[j].Amounts.minus(l.amounts())
	}
	return out
}
