package sale

import (
	"slices"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/tax"
)

// Check verifies what a document promises, from its own figures: each line adds
// up, lines to taxes, taxes to the total, shares to the receipt's discounts,
// tenders less change to total and rounding, and signs go with the mode. Tax is
// not computed again, since what was printed counts, but held against its rate:
// it may differ by what rounding can do, and no more. Code:
// document-inconsistent.
func (d *Document) Check() error {
	if len(d.Lines) == 0 || len(d.Lines) > MaxLines {
		return d.wrong("%d lines", len(d.Lines))
	}
	if (d.Mode == Voiding) != (d.Original != nil && d.Mode != Return) {
		return d.wrong("mode %q and its original", d.Mode)
	}
	if err := d.checkRange(); err != nil {
		return err
	}
	if err := d.checkLines(); err != nil {
		return err
	}
	if err := d.checkTaxes(); err != nil {
		return err
	}
	return d.checkMoney()
}

func (d *Document) wrong(format string, args ...any) error {
	return refuse(CodeDocument, "document: "+format, args...)
}

// checkRange keeps every later sum within 64 bits.
func (d *Document) checkRange() error {
	amounts := []money.Amount{d.Net, d.TaxAmount, d.Total, d.Rounding, d.Change, d.Tip}
	for i := range d.Lines {
		a := d.Lines[i].amounts()
		amounts = append(amounts, a.Extended, a.Discount, a.Share, a.Net, a.Tax, a.Gross)
	}
	for _, t := range d.Taxes {
		amounts = append(amounts, t.Net, t.Tax, t.Gross)
	}
	for _, t := range d.Tenders {
		amounts = append(amounts, t.Amount, t.Tip)
	}
	for _, r := range d.Discounts {
		amounts = append(amounts, r.Effect)
	}
	for _, a := range amounts {
		if a > 4*MaxAmount || a < -4*MaxAmount {
			return refuse(CodeAmountLimit, "document: amount %d", a)
		}
	}
	return nil
}

func (d *Document) checkLines() error {
	last := 0
	for i := range d.Lines {
		l := &d.Lines[i]
		if l.No <= last {
			return d.wrong("line %d after %d", l.No, last)
		}
		last = l.No
		base := l.Gross
		if d.Tax.Prices == tax.Net {
			base = l.Net
		}
		if l.Net+l.Tax != l.Gross || l.Extended+l.Discount+l.Share != base {
			return d.wrong("line %d does not add up", l.No)
		}
		if sale := d.Mode == Sale || d.Mode == Training; l.Quantity == 0 || sale != (l.Quantity > 0) {
			return d.wrong("line %d: quantity %v in a %s", l.No, l.Quantity, d.Mode)
		}
		if d.Mode == Voiding && l.OriginalLine != l.No {
			return d.wrong("line %d voids line %d", l.No, l.OriginalLine)
		}
		if (d.Mode == Return && d.Original != nil) != (l.OriginalLine != 0 && d.Mode != Voiding) {
			return d.wrong("line %d: original line %d", l.No, l.OriginalLine)
		}
		if err := d.checkReductions(l); err != nil {
			return err
		}
	}
	return nil
}

// checkReductions compares a line's discount with its parts. A return copies
// the sum only.
func (d *Document) checkReductions(l *DocumentLine) error {
	if l.OriginalLine != 0 && len(l.Discounts) == 0 {
		return nil
	}
	var sum money.Amount
	for _, r := range l.Discounts {
		if r.Effect > 4*MaxAmount || r.Effect < -4*MaxAmount {
			return d.wrong("line %d: discount %d", l.No, r.No)
		}
		sum += r.Effect
	}
	if len(l.Discounts) > MaxDiscounts || sum != l.Discount {
		return d.wrong("line %d: discounts of %d, said to be %d", l.No, sum, l.Discount)
	}
	return nil
}

func (d *Document) checkTaxes() error {
	var taxes []tax.Total
	var share, effect money.Amount
	var sum tax.Total
	for i := range d.Lines {
		l := &d.Lines[i]
		taxes = addTax(taxes, tax.Total{Class: l.Class, Letter: l.Letter, Rate: l.Rate, Net: l.Net, Tax: l.Tax, Gross: l.Gross})
		sum.Net, sum.Tax, sum.Gross = sum.Net+l.Net, sum.Tax+l.Tax, sum.Gross+l.Gross
		share += l.Share
	}
	if !slices.Equal(taxes, d.Taxes) {
		return d.wrong("taxes are not the sums of the lines")
	}
	if err := d.checkRates(); err != nil {
		return err
	}
	if sum.Net != d.Net || sum.Tax != d.TaxAmount || sum.Gross != d.Total {
		return d.wrong("total %d is not the sum of the lines %d", d.Total, sum.Gross)
	}
	for _, r := range d.Discounts {
		effect += r.Effect
	}
	if d.Mode != Return && effect != share {
		return d.wrong("receipt discounts of %d, lines carry %d", effect, share)
	}
	return nil
}

// checkRates holds the tax of each rate against the rate. Rounding moves a line
// by at most one minor unit, and a part of a line that is given back by one
// more.
func (d *Document) checkRates() error {
	for _, t := range d.Taxes {
		var lines money.Amount
		for i := range d.Lines {
			if l := &d.Lines[i]; l.Class == t.Class && l.Letter == t.Letter && l.Rate == t.Rate {
				lines++
			}
		}
		of, whole := t.Gross, 100_000+int64(t.Rate)
		if d.Tax.Prices == tax.Net {
			of, whole = t.Net, 100_000
		}
		want, err := money.Share(of, int64(t.Rate), whole, money.HalfAwayFromZero)
		if off := t.Tax - want; err != nil || off > 2*lines+1 || off < -2*lines-1 {
			return d.wrong("tax %d at %v %%, the rate makes it %d", t.Tax, t.Rate, want)
		}
	}
	return nil
}

func (d *Document) checkMoney() error {
	var paid, tip, cash money.Amount
	if len(d.Tenders) > MaxTenders {
		return d.wrong("%d tenders", len(d.Tenders))
	}
	for i := range d.Tenders {
		t := &d.Tenders[i]
		if err := t.validate(); err != nil {
			return err
		}
		paid, tip = paid+t.Amount, tip+t.Tip
		if t.Type == Cash {
			cash += t.Amount
		}
	}
	if paid-d.Change != d.Total+d.Rounding {
		return d.wrong("paid %d less change %d is not total %d plus rounding %d", paid, d.Change, d.Total, d.Rounding)
	}
	if tip != d.Tip {
		return d.wrong("tips of %d, said to be %d", tip, d.Tip)
	}
	if (d.Rounding != 0 || d.Change != 0) && !slices.ContainsFunc(d.Tenders, func(t Tender) bool { return t.Type == Cash }) {
		return d.wrong("rounding or change without cash")
	}
	if sign := money.Amount(d.Total.Sign()); d.Change*sign < 0 || d.Change*sign > cash*sign {
		return d.wrong("change %d of cash %d", d.Change, cash)
	}
	return nil
}
