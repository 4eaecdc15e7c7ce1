package sale

import (
	"time"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/tax"
)

// DocumentLine is a line of a finished document, with its amounts.
type DocumentLine struct {
	No int `json:"no"` // of the basket: numbers of removed lines are missing
	Item
	Quantity      money.Quantity  `json:"quantity"`
	ListPrice     money.UnitPrice `json:"listPrice,omitzero"`
	Overridden    bool            `json:"overridden,omitzero"`
	PriceReason   string          `json:"priceReason,omitzero"`
	PriceApprover staff.ID        `json:"priceApprover,omitzero"`
	Extended      money.Amount    `json:"extended"`            // price × quantity
	Discounts     []Reduction     `json:"discounts,omitempty"` // the line's own
	Discount      money.Amount    `json:"discount,omitzero"`   // their sum
	Share         money.Amount    `json:"share,omitzero"`      // part of the receipt's discounts
	Net           money.Amount    `json:"net"`
	Tax           money.Amount    `json:"tax"`
	Gross         money.Amount    `json:"gross"`
	OriginalLine  int             `json:"originalLine,omitzero"` // of the receipt that a return or void refers to
	Reason        string          `json:"reason,omitzero"`       // of a return
	Approver      staff.ID        `json:"approver,omitzero"`     // of a return
}

func (l *DocumentLine) amounts() Amounts {
	return Amounts{Extended: l.Extended, Discount: l.Discount, Share: l.Share, Net: l.Net, Tax: l.Tax, Gross: l.Gross}
}

// Reduction is a discount with its effect.
type Reduction struct {
	No       int          `json:"no"`
	Percent  int32        `json:"percent,omitzero"` // thousandths of a percent; zero: an amount
	Effect   money.Amount `json:"effect"`           // on the document: negative in a sale
	Reason   string       `json:"reason"`
	Approver staff.ID     `json:"approver,omitzero"`
}

// Document is a finished sale, return, void or training sale: what is recorded
// and what a receipt says. Its totals are stored and never computed again.
// Lines add up to Taxes, Taxes to Net, Tax and Total, and the tenders less
// Change to Total + Rounding.
type Document struct {
	Basket      ID             `json:"basket,omitzero"` // empty for a void
	Mode        Mode           `json:"mode"`
	StartedAt   time.Time      `json:"startedAt"`
	CompletedAt time.Time      `json:"completedAt"`
	Operator    staff.ID       `json:"operator"` // who completed it
	Currency    money.Currency `json:"currency"`
	Tax         tax.Policy     `json:"taxPolicy"`
	Original    *Reference     `json:"original,omitzero"` // of a return or void
	Reason      string         `json:"reason,omitzero"`   // of a void
	Approver    staff.ID       `json:"approver,omitzero"` // of a void
	Customer    *Customer      `json:"customer,omitzero"`
	Lines       []DocumentLine `json:"lines"`
	Discounts   []Reduction    `json:"discounts,omitempty"` // of the whole receipt
	Taxes       []tax.Total    `json:"taxes"`
	Net         money.Amount   `json:"net"`
	TaxAmount   money.Amount   `json:"tax"`
	Total       money.Amount   `json:"total"`             // gross
	Rounding    money.Amount   `json:"rounding,omitzero"` // cash rounding, no part of the total
	Tenders     []Tender       `json:"tenders,omitempty"`
	Change      money.Amount   `json:"change,omitzero"`
	Tip         money.Amount   `json:"tip,omitzero"` // sum of the tenders' tips, no part of the total
}

// Complete ends a basket whose total is paid and returns its document.
// Codes: basket-not-open, basket-empty, not-paid, bad-person-id.
func (b *Basket) Complete(operator staff.ID, now time.Time) (Document, error) {
	if err := b.open(); err != nil {
		return Document{}, err
	}
	if _, err := staff.ParseID(string(operator)); err != nil {
		return Document{}, err
	}
	if b.Empty() {
		return Document{}, refuse(CodeEmpty, "basket %s has no lines", b.ID)
	}
	t, err := b.Totals()
	if err != nil {
		return Document{}, err
	}
	if !t.Settled {
		return Document{}, refuse(CodeNotPaid, "%d of %d is not paid", t.Due, t.Total)
	}
	d := b.document(t)
	d.Operator, d.CompletedAt = operator, later(b.StartedAt, moment(now))
	if err := d.Check(); err != nil {
		return Document{}, err
	}
	b.Status = Completed
	return d, nil
}

// later keeps an end from lying before its beginning: the clock may have been
// put back in between.
func later(start, end time.Time) time.Time {
	if end.Before(start) {
		return start
	}
	return end
}

func (b *Basket) document(t Totals) Document {
	d := Document{
		Basket: b.ID, Mode: b.Mode, StartedAt: b.StartedAt, Currency: b.Terms.Currency, Tax: b.Terms.Tax,
		Original: b.Original, Customer: b.Customer,
		Taxes: t.Taxes, Net: t.Net, TaxAmount: t.Tax, Total: t.Total,
		Rounding: t.Rounding, Tenders: b.Clone().Tenders, Change: t.Change, Tip: t.Tip,
	}
	for i := range b.Lines {
		d.Lines = append(d.Lines, b.Lines[i].document(t.Lines[i]))
	}
	for i, x := range b.Discounts {
		d.Discounts = append(d.Discounts, x.reduction(t.Discounts[i]))
	}
	return d
}

func (l *Line) document(t LineTotal) DocumentLine {
	d := DocumentLine{
		No: l.No, Item: l.Item, Quantity: l.Quantity,
		ListPrice: l.ListPrice, Overridden: l.Overridden, PriceReason: l.PriceReason, PriceApprover: l.PriceApprover,
		Extended: t.Extended, Discount: t.Discount, Share: t.Share, Net: t.Net, Tax: t.Tax, Gross: t.Gross,
		Reason: l.Reason, Approver: l.Approver,
	}
	for i, x := range l.Discounts {
		d.Discounts = append(d.Discounts, x.reduction(t.Each[i]))
	}
	if l.Source != nil {
		d.OriginalLine = l.Source.Line
	}
	return d
}

func (d Discount) reduction(effect money.Amount) Reduction {
	return Reduction{No: d.No, Percent: d.Percent, Effect: effect, Reason: d.Reason, Approver: d.Approver}
}

// Void undoes a finished sale as a whole: a document of its own with every
// amount turned, tenders, change and tips included. Only a sale of which
// nothing was given back can be voided; that it was made in the open day is
// for the caller to see. Codes: receipt-not-voidable,
// receipt-already-returned, reason-missing.
func Void(o Original, operator, approver staff.ID, why string, now time.Time) (Document, error) {
	if _, err := staff.ParseID(string(operator)); err != nil {
		return Document{}, err
	}
	if err := first(reason(why), approved(approver)); err != nil {
		return Document{}, err
	}
	if o.Document.Mode != Sale {
		return Document{}, refuse(CodeNotVoidable, "receipt %d is a %s", o.Reference.Number, o.Document.Mode)
	}
	if o.Voided {
		return Document{}, refuse(CodeNotVoidable, "receipt %d is void already", o.Reference.Number)
	}
	if len(o.Returned) > 0 {
		return Document{}, refuse(CodeAlreadyReturned, "of receipt %d something was returned", o.Reference.Number)
	}
	d := o.Document.negated()
	ref := o.Reference
	ref.At = moment(ref.At)
	d.Basket, d.Mode, d.Original, d.Reason, d.Approver, d.Operator = "", Voiding, &ref, why, approver, operator
	d.StartedAt = moment(now)
	d.CompletedAt = d.StartedAt
	return d, d.Check()
}

// negated returns the document with every amount and quantity turned.
func (d Document) negated() Document {
	lines, taxes, tenders := d.Lines, d.Taxes, d.Tenders
	d.Lines, d.Taxes, d.Tenders = nil, nil, nil
	for _, l := range lines {
		d.Lines = append(d.Lines, l.negated())
	}
	for _, t := range taxes {
		t.Net, t.Tax, t.Gross = -t.Net, -t.Tax, -t.Gross
		d.Taxes = append(d.Taxes, t)
	}
	for _, t := range tenders {
		d.Tenders = append(d.Tenders, t.negated())
	}
	d.Discounts = negatedReductions(d.Discounts)
	d.Net, d.TaxAmount, d.Total, d.Rounding, d.Change, d.Tip = -d.Net, -d.TaxAmount, -d.Total, -d.Rounding, -d.Change, -d.Tip
	return d
}

func (l DocumentLine) negated() DocumentLine {
	l.Quantity, l.Extended, l.Discount, l.Share = -l.Quantity, -l.Extended, -l.Discount, -l.Share
	l.Net, l.Tax, l.Gross = -l.Net, -l.Tax, -l.Gross
	l.Discounts = negatedReductions(l.Discounts)
	l.OriginalLine = l.No
	return l
}

func (t Tender) negated() Tender {
	t.Amount, t.Tip = -t.Amount, -t.Tip
	if t.Foreign != nil {
		f := *t.Foreign
		f.Amount = -f.Amount
		t.Foreign = &f
	}
	return t
}

func negatedReductions(in []Reduction) []Reduction {
	var out []Reduction
	for _, r := range in {
		r.Effect = -r.Effect
		out = append(out, r)
	}
	return out
}
