package sale

import (
	"slices"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/tax"
)

// Validate checks everything about a basket that its methods promise: limits,
// texts, numbers, tax rules, that discounts and tenders belong where they are,
// and that its totals can be computed. A decoded basket has passed it.
func (b *Basket) Validate() error {
	if err := b.checkFrame(); err != nil {
		return err
	}
	if len(b.Lines) > MaxLines {
		return refuse(CodeTooManyLines, "%d lines, at most %d are possible", len(b.Lines), MaxLines)
	}
	last := 0
	for i := range b.Lines {
		if n := b.Lines[i].No; n <= last || n > b.Numbers.Line {
			return refuse(CodeMalformed, "line %d after %d of %d", n, last, b.Numbers.Line)
		}
		last = b.Lines[i].No
		if err := b.checkLine(&b.Lines[i]); err != nil {
			return err
		}
	}
	if err := b.checkDiscounts(); err != nil {
		return err
	}
	return b.checkTenders()
}

func (b *Basket) checkFrame() error {
	if b.ID == "" || text("basket id", string(b.ID), 64) != nil {
		return refuse(CodeBadID, "%.70q is not a basket id", string(b.ID))
	}
	if b.Mode != Sale && b.Mode != Return && b.Mode != Training {
		return refuse(CodeBadMode, "%.20q is not a mode of a basket", string(b.Mode))
	}
	if !slices.Contains([]Status{Open, Suspended, Completed, Aborted}, b.Status) {
		return refuse(CodeMalformed, "%.20q is not a status", string(b.Status))
	}
	if _, err := staff.ParseID(string(b.Operator)); err != nil {
		return err
	}
	if b.Original != nil && b.Mode != Return {
		return refuse(CodeMalformed, "a %s has no original", b.Mode)
	}
	if b.Label != "" && b.Status != Suspended {
		return refuse(CodeMalformed, "label on a basket that is %s", b.Status)
	}
	if err := text("label", b.Label, MaxName); err != nil {
		return err
	}
	return first(b.Terms.validate(), b.Customer.validate(), b.Original.validate())
}

// approved checks the form of an approver's id, where there is one.
func approved(id staff.ID) error {
	if id == "" {
		return nil
	}
	_, err := staff.ParseID(string(id))
	return err
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *Terms) validate() error {
	if _, err := money.ParseCurrency(string(t.Currency)); err != nil {
		return because(CodeBadTerms, "terms", err)
	}
	if err := t.Tax.Validate(); err != nil {
		return because(CodeBadTerms, "terms", err)
	}
	if t.Tax != t.Tax.Explicit() {
		return refuse(CodeBadTerms, "tax policy with empty fields")
	}
	if t.CashStep < 0 || t.CashStep > 1_000_000 || !t.CashRounding.Valid() || t.MaxChange < 0 {
		return refuse(CodeBadTerms, "cash step %d, greatest change %d", t.CashStep, t.MaxChange)
	}
	for _, x := range t.Tenders {
		if !x.Valid() {
			return refuse(CodeBadTerms, "tender type %.20q", string(x))
		}
	}
	return nil
}

func (c *Customer) validate() error {
	if c == nil {
		return nil
	}
	return first(text("customer's name", c.Name, MaxName), text("customer's address", c.Address, 2*MaxName), text("customer's tax number", c.TaxNumber, 40))
}

func (r *Reference) validate() error {
	if r == nil {
		return nil
	}
	if r.Number < 0 || r.Origin == "" {
		return refuse(CodeMalformed, "reference to number %d", r.Number)
	}
	return text("origin", r.Origin, 64)
}

func (b *Basket) checkLine(l *Line) error {
	if err := l.Item.validate(); err != nil {
		return err
	}
	if err := l.checkQuantity(b.Mode == Return); err != nil {
		return err
	}
	if l.Overridden == (l.PriceReason == "") || !l.Overridden && l.ListPrice != 0 {
		return refuse(CodeMalformed, "line %d: override without reason or reason without override", l.No)
	}
	if err := first(priceLimit(l.ListPrice), text("reason", l.PriceReason, MaxReason), text("reason", l.Reason, MaxReason),
		approved(l.PriceApprover), approved(l.Approver)); err != nil {
		return err
	}
	if (b.Mode == Return) == (l.Reason == "") {
		return refuse(CodeReasonMissing, "line %d: returns have reasons, sales have none", l.No)
	}
	if (l.Source != nil) != (b.Original != nil) {
		return refuse(CodeMalformed, "line %d: a source goes with an original", l.No)
	}
	return l.checkSource()
}

func (l *Line) checkQuantity(negative bool) error {
	q := l.Quantity
	if negative {
		q = -q
	}
	switch {
	case q <= 0:
		return refuse(CodeBadQuantity, "line %d: quantity %v", l.No, l.Quantity)
	case q > MaxQuantity:
		return refuse(CodeQuantityLimit, "line %d: quantity %v is more than %v", l.No, q, MaxQuantity)
	case !l.Divisible && !q.Whole():
		return refuse(CodeIndivisible, "line %d: %v, sold in whole pieces", l.No, q)
	}
	return nil
}

func (l *Line) checkSource() error {
	s := l.Source
	if s == nil {
		return nil
	}
	if s.Line < 1 || s.Quantity <= 0 || s.Quantity > MaxQuantity || s.Before.Line != s.Line {
		return refuse(CodeMalformed, "line %d: source line %d", l.No, s.Line)
	}
	for _, a := range []Amounts{s.Amounts, s.Before.Amounts} {
		for _, x := range []money.Amount{a.Extended, a.Discount, a.Share, a.Net, a.Tax, a.Gross} {
			if x > 4*MaxAmount || x < -4*MaxAmount {
				return refuse(CodeAmountLimit, "line %d: source amount %d", l.No, x)
			}
		}
	}
	return nil
}

func (i *Item) validate() error {
	if i.SKU == "" || i.Name == "" {
		return refuse(CodeBadText, "an article needs a number and a name")
	}
	err := first(text("article number", i.SKU, 64), text("name", i.Name, MaxName), text("group", i.Group, 64),
		text("unit", i.Unit, 16), gtin(i.GTIN), priceLimit(i.Price))
	if err != nil {
		return err
	}
	if _, err := tax.ParseClass(string(i.Class)); err != nil {
		return because(CodeBadTax, "article "+i.SKU, err)
	}
	if !i.Rate.Valid() || i.Class.Untaxed() && i.Rate != 0 {
		return refuse(CodeBadTax, "article %s: %v %% for class %s", i.SKU, i.Rate, i.Class)
	}
	if text("letter", i.Letter, 4) != nil {
		return refuse(CodeBadTax, "article %s: letter %.10q", i.SKU, i.Letter)
	}
	return nil
}

func gtin(s string) error {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return refuse(CodeBadText, "%.20q is not a GTIN", s)
		}
	}
	if len(s) > 14 {
		return refuse(CodeTextLimit, "%.20q is not a GTIN", s)
	}
	return nil
}

func priceLimit(p money.UnitPrice) error {
	if p > MaxPrice || p < -MaxPrice {
		return refuse(CodePriceLimit, "price %v is beyond %v", p, MaxPrice)
	}
	return nil
}

func (b *Basket) checkDiscounts() error {
	if len(b.Discounts) > MaxDiscounts {
		return refuse(CodeDiscountLimit, "%d discounts, at most %d are possible", len(b.Discounts), MaxDiscounts)
	}
	if len(b.Discounts) > 0 && b.Mode == Return {
		return refuse(CodeWrongMode, "a return takes no discount")
	}
	seen := make(map[int]bool)
	if err := b.checkEach(b.Discounts, seen); err != nil {
		return err
	}
	for i := range b.Lines {
		l := &b.Lines[i]
		if len(l.Discounts) == 0 {
			continue
		}
		if len(l.Discounts) > MaxDiscounts {
			return refuse(CodeDiscountLimit, "%d discounts on line %d, at most %d are possible", len(l.Discounts), l.No, MaxDiscounts)
		}
		if err := first(l.discountable(), b.checkEach(l.Discounts, seen)); err != nil {
			return err
		}
	}
	return nil
}

func (b *Basket) checkEach(ds []Discount, seen map[int]bool) error {
	for _, d := range ds {
		if d.No < 1 || d.No > b.Numbers.Discount || seen[d.No] {
			return refuse(CodeMalformed, "discount %d of %d", d.No, b.Numbers.Discount)
		}
		seen[d.No] = true
		if err := d.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (b *Basket) checkTenders() error {
	if len(b.Tenders) > MaxTenders {
		return refuse(CodeTooManyTenders, "%d tenders, at most %d are possible", len(b.Tenders), MaxTenders)
	}
	last := 0
	for _, t := range b.Tenders {
		if t.No <= last || t.No > b.Numbers.Tender {
			return refuse(CodeMalformed, "tender %d after %d of %d", t.No, last, b.Numbers.Tender)
		}
		last = t.No
		if err := t.validate(); err != nil {
			return err
		}
	}
	t, err := b.Totals()
	if err != nil {
		return err
	}
	return b.checkPaid(t)
}

func (t *Tender) validate() error {
	if !t.Type.Valid() || t.Tip < -MaxAmount || t.Tip > MaxAmount {
		return refuse(CodeBadTender, "tender %d: type %.20q, tip %d", t.No, string(t.Type), t.Tip)
	}
	if t.Foreign != nil {
		if _, err := money.ParseCurrency(string(t.Foreign.Currency)); err != nil {
			return because(CodeForeign, "tender", err)
		}
		if err := t.Foreign.Rate.Validate(); err != nil {
			return because(CodeForeign, "tender", err)
		}
		if err := limit(t.Foreign.Amount, "foreign amount"); err != nil {
			return err
		}
	}
	return first(limit(t.Amount, "tender"), text("reference", t.Reference, 64), text("tender text", t.Text, MaxName))
}

// checkPaid looks at tenders as a whole: each goes the way of the total, and
// other money than cash never exceeds it.
func (b *Basket) checkPaid(t Totals) error {
	sign := money.Amount(t.Total.Sign())
	var other money.Amount
	for _, x := range b.Tenders {
		if x.Amount*sign < 0 || sign == 0 {
			return refuse(CodeBadTender, "tender %d of %d against a total of %d", x.No, x.Amount, t.Total)
		}
		if x.Type != Cash {
			other += x.Amount
		}
	}
	if other*sign > t.Total*sign {
		return refuse(CodeTenderExceeds, "%d paid by other means than cash, the total is %d", other, t.Total)
	}
	return nil
}
