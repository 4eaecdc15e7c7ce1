package sale

import (
	"fmt"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/tax"
)

// LineTotal is what one line amounts to. Extended + Discount + Share is the
// gross amount, or the net amount where prices are net. Signs are those of the
// line: discounts of a sale are negative.
type LineTotal struct {
	No       int            `json:"no"`
	Extended money.Amount   `json:"extended"`          // price × quantity
	Each     []money.Amount `json:"each,omitempty"`    // effect of each of the line's own discounts
	Discount money.Amount   `json:"discount,omitzero"` // sum of Each
	Share    money.Amount   `json:"share,omitzero"`    // the line's part of the receipt's discounts
	Net      money.Amount   `json:"net"`
	Tax      money.Amount   `json:"tax"`
	Gross    money.Amount   `json:"gross"`
}

func (t LineTotal) own() money.Amount  { return t.Extended + t.Discount }
func (t LineTotal) base() money.Amount { return t.Extended + t.Discount + t.Share }

// Reduction is how much lower the line is than price × quantity, in
// thousandths of a percent, rounded up: what a shop's limit on discounts is
// compared with. listed is what the line would cost at the catalogue's price
// (Extended, where the price was not overridden).
func (t LineTotal) Reduction(listed money.Amount) int32 {
	if listed <= 0 {
		return 0
	}
	part, err := money.Share(100_000, int64(max(0, listed-t.base())), int64(listed), money.Up)
	if err != nil {
		return 100_000
	}
	return int32(part)
}

// Totals is everything that is computed about a basket.
type Totals struct {
	Lines     []LineTotal    `json:"lines"`     // in the basket's order
	Discounts []money.Amount `json:"discounts"` // effect of each of the receipt's discounts
	Taxes     []tax.Total    `json:"taxes"`
	Net       money.Amount   `json:"net"`
	Tax       money.Amount   `json:"tax"`
	Total     money.Amount   `json:"total"` // gross; negative on returns
	Settlement
}

// Totals computes the basket. It fails only where amounts do not fit
// (amount-too-large) or a line's tax is not a tax (bad-tax).
func (b *Basket) Totals() (Totals, error) {
	t := Totals{Lines: make([]LineTotal, len(b.Lines))}
	if err := b.extend(t.Lines); err != nil {
		return Totals{}, err
	}
	if err := b.shareDiscounts(&t); err != nil {
		return Totals{}, err
	}
	if err := b.computeTax(&t); err != nil {
		return Totals{}, err
	}
	if err := limit(t.Total, "total"); err != nil {
		return Totals{}, err
	}
	p, err := b.pay(t.Total)
	t.Settlement = p
	return t, err
}

func limit(a money.Amount, what string) error {
	if a > MaxAmount || a < -MaxAmount {
		return refuse(CodeAmountLimit, "%s %d is beyond %d", what, a, MaxAmount)
	}
	return nil
}

// extend computes price × quantity and the own discounts of each line.
func (b *Basket) extend(out []LineTotal) error {
	for i := range b.Lines {
		l := &b.Lines[i]
		out[i].No = l.No
		fill := b.extendLine
		if l.Source != nil {
			fill = b.copyLine
		}
		if err := fill(l, &out[i]); err != nil {
			return err
		}
	}
	return nil
}

func (b *Basket) extendLine(l *Line, out *LineTotal) error {
	ext, err := money.Extend(l.Price, l.Quantity, b.Terms.Currency, b.Terms.Tax.Rounding)
	if err != nil {
		return because(CodeAmountLimit, fmt.Sprintf("line %d", l.No), err)
	}
	out.Extended = ext
	if err := limit(ext, "line"); err != nil {
		return err
	}
	for _, d := range l.Discounts {
		off, err := d.takes(max(0, out.own()), b.Terms.Tax.Rounding)
		if err != nil {
			return because(CodeBadDiscount, fmt.Sprintf("line %d", l.No), err)
		}
		out.Each = append(out.Each, -off)
		out.Discount -= off
	}
	return nil
}

// shareDiscounts spreads the receipt's discounts over the lines that take any.
func (b *Basket) shareDiscounts(t *Totals) error {
	for _, d := range b.Discounts {
		weights, sum := b.weights(t.Lines)
		off, err := d.takes(sum, b.Terms.Tax.Rounding)
		if err != nil {
			return because(CodeBadDiscount, "receipt discount", err)
		}
		t.Discounts = append(t.Discounts, -off)
		if off == 0 {
			continue
		}
		parts, err := money.Allocate(off, weights)
		if err != nil {
			return because(CodeBadDiscount, "receipt discount", err)
		}
		for i, part := range parts {
			t.Lines[i].Share -= part
		}
	}
	return nil
}

func (b *Basket) weights(lines []LineTotal) (weights []int64, sum money.Amount) {
	weights = make([]int64, len(lines))
	for i := range lines {
		if base := lines[i].base(); base > 0 && b.Lines[i].discountable() == nil {
			weights[i] = int64(base)
			sum += base
		}
	}
	return weights, sum
}

// computeTax gives computed lines to tax.Compute and keeps copied ones as they
// are: a return pays back the tax that was charged, whatever today's rate is.
func (b *Basket) computeTax(t *Totals) error {
	var in []tax.Line
	var at []int
	for i := range b.Lines {
		if l := &b.Lines[i]; l.Source == nil {
			in = append(in, tax.Line{Class: l.Class, Letter: l.Letter, Rate: l.Rate, Amount: t.Lines[i].base()})
			at = append(at, i)
		}
	}
	if len(in) > 0 {
		res, err := tax.Compute(b.Terms.Tax, b.Terms.Currency, in)
		if err != nil {
			return because(CodeBadTax, "basket", err)
		}
		for i, l := range res.Lines {
			t.Lines[at[i]].Net, t.Lines[at[i]].Tax, t.Lines[at[i]].Gross = l.Net, l.Tax, l.Gross
		}
	}
	for i := range b.Lines {
		l, x := &b.Lines[i], t.Lines[i]
		t.Taxes = addTax(t.Taxes, tax.Total{Class: l.Class, Letter: l.Letter, Rate: l.Rate, Net: x.Net, Tax: x.Tax, Gross: x.Gross})
		t.Net, t.Tax, t.Total = t.Net+x.Net, t.Tax+x.Tax, t.Total+x.Gross
	}
	return nil
}

// addTax adds a line to the totals per class, letter and rate. Sums cannot
// overflow: a thousand lines of at most MaxAmount (with tax, twice that).
func addTax(totals []tax.Total, x tax.Total) []tax.Total {
	for i := range totals {
		if s := &totals[i]; s.Class == x.Class && s.Letter == x.Letter && s.Rate == x.Rate {
			s.Net, s.Tax, s.Gross = s.Net+x.Net, s.Tax+x.Tax, s.Gross+x.Gross
			return totals
		}
	}
	return append(totals, x)
}
