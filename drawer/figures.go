package drawer

import (
	"cmp"
	"slices"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/tax"
)

// MaxRows is the most rows that a list by group, operator, rate or tender has.
const MaxRows = 500

// Beyond names the row that takes what MaxRows leaves no room for.
const Beyond = "*"

// Tally is a count and a sum.
type Tally struct {
	Count  int64        `json:"count"`
	Amount money.Amount `json:"amount"`
}

// TenderFigure is what came in (and went out) by one type of tender and one
// currency. Change is taken off the cash of the shop's currency.
type TenderFigure struct {
	Type     sale.TenderType `json:"type"`
	Currency money.Currency  `json:"currency"`
	Count    int64           `json:"count"`
	Amount   money.Amount    `json:"amount"`           // in the shop's currency
	Foreign  money.Amount    `json:"foreign,omitzero"` // in Currency, where that is another
}

// OperatorFigure is what one person rang up.
type OperatorFigure struct {
	Operator staff.ID `json:"operator"`
	Sales    Tally    `json:"sales"`
	Returns  Tally    `json:"returns"`
	Voids    Tally    `json:"voids"`
}

// GroupFigure is what one article group sold: lines and gross amount, less
// returns and voids.
type GroupFigure struct {
	Group  string       `json:"group"`
	Lines  int64        `json:"lines"`
	Amount money.Amount `json:"amount"`
}

// Figures are the sums of a day or any other period. The zero value is a
// period in which nothing has happened.
type Figures struct {
	Currency   money.Currency   `json:"currency,omitzero"` // of all amounts; empty until the first document
	Sales      Tally            `json:"sales"`
	Returns    Tally            `json:"returns"`             // negative amount
	Voids      Tally            `json:"voids"`               // negative amount
	Taxes      []tax.Total      `json:"taxes,omitempty"`     // by class, letter, rate; all three kinds of document
	Tenders    []TenderFigure   `json:"tenders,omitempty"`   // by type and currency
	Operators  []OperatorFigure `json:"operators,omitempty"` // by id
	Groups     []GroupFigure    `json:"groups,omitempty"`    // by name
	Rounding   money.Amount     `json:"rounding"`            // of cash, no part of the sales
	Tips       Tally            `json:"tips"`                // no part of the sales
	Discounts  Tally            `json:"discounts"`           // of lines and receipts; negative amount
	Overrides  int64            `json:"overrides"`           // lines sold at another price than listed
	NoReceipt  Tally            `json:"noReceipt"`           // returns without a receipt, part of Returns
	Training   Tally            `json:"training"`
	Copies     Tally            `json:"copies"`
	Aborted    Tally            `json:"aborted"`
	Removed    Tally            `json:"removed"` // lines taken out before completion
	Suspended  int64            `json:"suspended"`
	Resumed    int64            `json:"resumed"`
	Openings   int64            `json:"openings"` // of the drawer, for whatever reason
	NoSales    int64            `json:"noSales"`
	Lookups    int64            `json:"lookups"`
	Floats     Tally            `json:"floats"`
	PayIns     Tally            `json:"payIns"`
	PayOuts    Tally            `json:"payOuts"` // positive amount
	Counts     int64            `json:"counts"`
	Difference money.Amount     `json:"difference"` // counted less expected, over all sessions closed
	Refused    int64            `json:"refused"`    // commands refused for want of a right
	// Dispensed is cash that a dispenser paid out in place of the drawer; part of
	// change and pay-outs, not beside them.
	Dispensed Tally `json:"dispensed,omitzero"`
	// ProForma is what was billed before it was sold, or never was; no turnover.
	ProForma Tally `json:"proForma,omitzero"`
}

// Turnover is the gross sum of sales, returns and voids.
func (f *Figures) Turnover() money.Amount { return f.Sales.Amount + f.Returns.Amount + f.Voids.Amount }

// Empty reports whether nothing was sold, returned or voided.
func (f *Figures) Empty() bool { return f.Sales.Count+f.Returns.Count+f.Voids.Count == 0 }

// Document adds a finished document. On error f is as it was. Codes:
// document-not-countable for another currency, figures-out-of-range.
func (f *Figures) Document(d *sale.Document) error {
	if f.Currency != "" && d.Currency != f.Currency {
		return refuse(CodeBadDocument, "document in %s among figures in %s", d.Currency, f.Currency)
	}
	next := f.Clone()
	next.Currency = d.Currency
	var a adder
	if d.Mode == sale.Training {
		a.tally(&next.Training, 1, d.Total)
	} else {
		next.document(&a, d)
	}
	if a.err != nil {
		return a.err
	}
	*f = *next
	return nil
}

func (f *Figures) document(a *adder, d *sale.Document) {
	a.tally(f.kind(d.Mode), 1, d.Total)
	op := row(&f.Operators, OperatorFigure{Operator: d.Operator}, OperatorFigure{Operator: Beyond}, compareOperator)
	a.tally(op.kind(d.Mode), 1, d.Total)
	for _, t := range d.Taxes {
		a.tax(&f.Taxes, t)
	}
	for i := range d.Lines {
		f.line(a, d.Mode, &d.Lines[i])
	}
	f.money(a, d)
	if d.Mode == sale.Return && d.Original == nil {
		a.tally(&f.NoReceipt, 1, d.Total)
	}
}

func (f *Figures) kind(m sale.Mode) *Tally {
	switch m {
	case sale.Return:
		return &f.Returns
	case sale.Voiding:
		return &f.Voids
	}
	return &f.Sales
}

func (o *OperatorFigure) kind(m sale.Mode) *Tally {
	switch m {
	case sale.Return:
		return &o.Returns
	case sale.Voiding:
		return &o.Voids
	}
	return &o.Sales
}

func (f *Figures) line(a *adder, m sale.Mode, l *sale.DocumentLine) {
	g := row(&f.Groups, GroupFigure{Group: l.Group}, GroupFigure{Group: Beyond}, compareGroup)
	g.Lines++
	a.add(&g.Amount, l.Gross)
	if off := l.Discount + l.Share; off != 0 && m == sale.Sale {
		a.tally(&f.Discounts, 1, off)
	}
	if l.Overridden && m == sale.Sale {
		f.Overrides++
	}
}

func (f *Figures) money(a *adder, d *sale.Document) {
	for _, t := range d.Tenders {
		key := TenderFigure{Type: t.Type, Currency: d.Currency}
		if t.Foreign != nil {
			key.Currency = t.Foreign.Currency
		}
		r := row(&f.Tenders, key, TenderFigure{Type: sale.Other, Currency: d.Currency}, compareTender)
		r.Count++
		a.add(&r.Amount, t.Amount)
		if t.Foreign != nil {
			a.add(&r.Foreign, t.Foreign.Amount)
		}
		if t.Tip != 0 {
			a.tally(&f.Tips, 1, t.Tip)
		}
	}
	if d.Change != 0 {
		r := row(&f.Tenders, TenderFigure{Type: sale.Cash, Currency: d.Currency}, TenderFigure{Type: sale.Cash, Currency: d.Currency}, compareTender)
		a.add(&r.Amount, -d.Change)
	}
	a.add(&f.Rounding, d.Rounding)
}

func (a *adder) tax(to *[]tax.Total, t tax.Total) {
	key := tax.Total{Class: t.Class, Letter: t.Letter, Rate: t.Rate}
	r := row(to, key, tax.Total{Class: "beyond", Letter: Beyond}, compareTax)
	a.add(&r.Net, t.Net)
	a.add(&r.Tax, t.Tax)
	a.add(&r.Gross, t.Gross)
}

// row finds the row with key's place in a sorted list, or makes it; where the
// list is full, the row beyond.
func row[T any](list *[]T, key, beyond T, compare func(a, b T) int) *T {
	i, found := slices.BinarySearchFunc(*list, key, compare)
	if !found && len(*list) >= MaxRows {
		key = beyond
		i, found = slices.BinarySearchFunc(*list, key, compare)
	}
	if !found {
		*list = slices.Insert(*list, i, key)
	}
	return &(*list)[i]
}

func compareOperator(a, b OperatorFigure) int { return cmp.Compare(a.Operator, b.Operator) }
func compareGroup(a, b GroupFigure) int       { return cmp.Compare(a.Group, b.Group) }
func compareTender(a, b TenderFigure) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Currency, b.Currency))
}
func compareTax(a, b tax.Total) int {
	return cmp.Or(cmp.Compare(a.Letter, b.Letter), cmp.Compare(a.Class, b.Class), cmp.Compare(a.Rate, b.Rate))
}

// Clone returns a copy that shares nothing with f.
func (f *Figures) Clone() *Figures {
	c := *f
	c.Taxes, c.Tenders = slices.Clone(f.Taxes), slices.Clone(f.Tenders)
	c.Operators, c.Groups = slices.Clone(f.Operators), slices.Clone(f.Groups)
	return &c
}

// Add adds the figures of another period of the same till or shop. On error f
// is as it was. Codes as Document.
func (f *Figures) Add(o *Figures) error {
	if f.Currency != "" && o.Currency != "" && f.Currency != o.Currency {
		return refuse(CodeBadDocument, "figures in %s and in %s", f.Currency, o.Currency)
	}
	next := f.Clone()
	next.Currency = cmp.Or(f.Currency, o.Currency)
	var a adder
	next.addTallies(&a, o)
	next.addRows(&a, o)
	if a.err != nil {
		return a.err
	}
	*f = *next
	return nil
}

func (f *Figures) addTallies(a *adder, o *Figures) {
	to, from := f.tallies(), o.tallies()
	for i := range to {
		a.tally(to[i], from[i].Count, from[i].Amount)
	}
	counts, more := f.counts(), o.counts()
	for i := range counts {
		*counts[i] += *more[i]
	}
	a.add(&f.Rounding, o.Rounding)
	a.add(&f.Difference, o.Difference)
}

func (f *Figures) tallies() []*Tally {
	return []*Tally{
		&f.Sales, &f.Returns, &f.Voids, &f.Tips, &f.Discounts, &f.NoReceipt, &f.Training, &f.Copies,
		&f.Aborted, &f.Removed, &f.Floats, &f.PayIns, &f.PayOuts, &f.Dispensed, &f.ProForma,
	}
}

func (f *Figures) counts() []*int64 {
	return []*int64{&f.Overrides, &f.Suspended, &f.Resumed, &f.Openings, &f.NoSales, &f.Lookups, &f.Counts, &f.Refused}
}

func (f *Figures) addRows(a *adder, o *Figures) {
	for _, t := range o.Taxes {
		a.tax(&f.Taxes, t)
	}
	for _, t := range o.Tenders {
		r := row(&f.Tenders, TenderFigure{Type: t.Type, Currency: t.Currency}, TenderFigure{Type: sale.Other, Currency: f.Currency}, compareTender)
		r.Count += t.Count
		a.add(&r.Amount, t.Amount)
		a.add(&r.Foreign, t.Foreign)
	}
	for _, x := range o.Operators {
		r := row(&f.Operators, OperatorFigure{Operator: x.Operator}, OperatorFigure{Operator: Beyond}, compareOperator)
		a.tally(&r.Sales, x.Sales.Count, x.Sales.Amount)
		a.tally(&r.Returns, x.Returns.Count, x.Returns.Amount)
		a.tally(&r.Voids, x.Voids.Count, x.Voids.Amount)
	}
	for _, x := range o.Groups {
		r := row(&f.Groups, GroupFigure{Group: x.Group}, GroupFigure{Group: Beyond}, compareGroup)
		r.Lines += x.Lines
		a.add(&r.Amount, x.Amount)
	}
}
