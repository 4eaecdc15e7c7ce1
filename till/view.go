package till

import (
	"cmp"
	"strings"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
)

// viewBasket makes what the screen shows of a basket; original is the receipt
// that a return is against, or nil.
func viewBasket(b *sale.Basket, original *sale.Original) (*BasketState, error) {
	t, err := b.Totals()
	if err != nil {
		return nil, err
	}
	v := &BasketState{
		ID: b.ID, Mode: b.Mode, StartedAt: b.StartedAt.UTC(), Lines: []LineState{}, Discounts: []DiscountState{}, Taxes: []TaxState{},
		Total: t.Total, Rounding: t.Rounding, Tenders: []TenderState{}, Paid: t.Paid, Due: t.Due, DueCash: t.CashDue, Change: t.Change,
	}
	for i := range b.Lines {
		v.Lines = append(v.Lines, viewLine(&b.Lines[i], t.Lines[i]))
	}
	for i, d := range b.Discounts {
		v.Discounts = append(v.Discounts, DiscountState{No: d.No, Amount: t.Discounts[i], Reason: d.Reason})
	}
	for _, x := range t.Taxes {
		v.Taxes = append(v.Taxes, TaxState{x.Letter, x.Rate, x.Net, x.Tax, x.Gross})
	}
	for _, x := range b.Tenders {
		v.Tenders = append(v.Tenders, viewTender(x, b.Terms.Currency))
	}
	if original != nil {
		v.Original = viewOriginal(original, b)
	}
	return v, nil
}

func viewLine(l *sale.Line, t sale.LineTotal) LineState {
	return LineState{
		No: l.No, SKU: l.SKU, Name: l.Name, Quantity: l.Quantity, Unit: cmp.Or(l.Unit, "piece"), UnitPrice: l.Price, Gross: t.Gross,
		Discount: t.Discount + t.Share, DiscountReason: discountReason(l), Letter: l.Letter, Rate: l.Rate, Note: cmp.Or(l.PriceReason, l.Reason),
	}
}

func discountReason(l *sale.Line) string {
	var all []string
	for _, d := range l.Discounts {
		all = append(all, d.Reason)
	}
	return strings.Join(all, ", ")
}

func viewTender(t sale.Tender, shop money.Currency) TenderState {
	v := TenderState{No: t.No, Type: string(t.Type), Amount: t.Amount, Currency: shop, Tip: t.Tip}
	if t.Foreign != nil {
		v.Amount, v.Currency = t.Foreign.Amount, t.Foreign.Currency
	}
	return v
}

// viewOriginal shows what can still be given back of a receipt, without what a
// return that is under way takes; b may be nil.
func viewOriginal(o *sale.Original, b *sale.Basket) *OriginalState {
	v := &OriginalState{Number: o.Reference.Number, At: o.Reference.At.UTC(), Lines: []OriginalLine{}}
	for i := range o.Document.Lines {
		l := &o.Document.Lines[i]
		v.Lines = append(v.Lines, OriginalLine{
			No: l.No, Name: l.Name, Quantity: l.Quantity, Returnable: l.Quantity - taken(o, b, l.No),
			Unit: cmp.Or(l.Unit, "piece"), UnitPrice: l.Price, Gross: l.Gross,
		})
	}
	return v
}

// taken is how much of a line was given back, by earlier returns and by b.
func taken(o *sale.Original, b *sale.Basket, no int) money.Quantity {
	var sum money.Quantity
	for _, r := range o.Returned {
		if r.Line == no {
			sum += r.Quantity
		}
	}
	if b == nil {
		return sum
	}
	for i := range b.Lines {
		if s := b.Lines[i].Source; s != nil && s.Line == no {
			sum -= b.Lines[i].Quantity // negative on returns
		}
	}
	return sum
}
