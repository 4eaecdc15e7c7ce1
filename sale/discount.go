package sale

import (
	"slices"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/staff"
)

// Off says how much a discount takes off: Percent or Amount.
type Off struct {
	Percent int32        // thousandths of a percent, 1 to 100_000
	Amount  money.Amount // minor units, positive
}

// DiscountLine takes something off one line and returns the discount's number.
// Several discounts of a line apply one after the other. If the line shrinks
// later, an amount takes off at most what is left. Codes: unknown-line,
// fixed-price, bad-discount, discount-exceeds-amount, too-many-discounts,
// reason-missing and those of a closed basket.
func (b *Basket) DiscountLine(no int, off Off, why string, approver staff.ID) (int, error) {
	d, err := b.newDiscount(off, why, approver)
	if err != nil {
		return 0, err
	}
	before, err := b.Totals()
	if err != nil {
		return 0, err
	}
	err = b.change(func(n *Basket) error {
		i, err := n.find(no)
		if err != nil {
			return err
		}
		if err := n.Lines[i].discountable(); err != nil {
			return err
		}
		if d.Amount > before.Lines[i].own() {
			return refuse(CodeDiscountExceeds, "line %d has %d left to discount, not %d", no, before.Lines[i].own(), d.Amount)
		}
		n.Lines[i].Discounts = append(n.Lines[i].Discounts, d)
		n.Numbers.Discount = d.No
		return nil
	})
	return d.No, err
}

// DiscountReceipt takes something off the whole receipt: off those lines that
// can be discounted, in proportion to what they amount to. Codes as
// DiscountLine; basket-empty where no line can be discounted.
func (b *Basket) DiscountReceipt(off Off, why string, approver staff.ID) (int, error) {
	d, err := b.newDiscount(off, why, approver)
	if err != nil {
		return 0, err
	}
	if b.Mode == Return {
		return 0, refuse(CodeWrongMode, "a return takes no discount")
	}
	left, err := b.discountableLeft()
	if err != nil {
		return 0, err
	}
	if left == 0 {
		return 0, refuse(CodeEmpty, "no line can be discounted")
	}
	if d.Amount > left {
		return 0, refuse(CodeDiscountExceeds, "%d left to discount, not %d", left, d.Amount)
	}
	err = b.change(func(n *Basket) error {
		n.Discounts = append(n.Discounts, d)
		n.Numbers.Discount = d.No
		return nil
	})
	return d.No, err
}

// RemoveDiscount takes a discount of a line or of the receipt back. Codes:
// unknown-discount and those of a closed basket.
func (b *Basket) RemoveDiscount(no int) error {
	is := func(d Discount) bool { return d.No == no }
	return b.change(func(n *Basket) error {
		if i := slices.IndexFunc(n.Discounts, is); i >= 0 {
			n.Discounts = slices.Delete(n.Discounts, i, i+1)
			return nil
		}
		for l := range n.Lines {
			if i := slices.IndexFunc(n.Lines[l].Discounts, is); i >= 0 {
				n.Lines[l].Discounts = slices.Delete(n.Lines[l].Discounts, i, i+1)
				return nil
			}
		}
		return refuse(CodeUnknownDiscount, "basket %s has no discount %d", b.ID, no)
	})
}

func (b *Basket) newDiscount(off Off, why string, approver staff.ID) (Discount, error) {
	d := Discount{No: b.Numbers.Discount + 1, Percent: off.Percent, Amount: off.Amount, Reason: why, Approver: approver}
	return d, d.validate()
}

func (d Discount) validate() error {
	if err := first(reason(d.Reason), approved(d.Approver)); err != nil {
		return err
	}
	percent, amount := d.Percent != 0, d.Amount != 0
	if percent == amount || d.Percent < 0 || d.Percent > 100_000 || d.Amount < 0 || d.Amount > MaxAmount {
		return refuse(CodeBadDiscount, "discount of %d thousandths of a percent and amount %d", d.Percent, d.Amount)
	}
	return nil
}

// discountable says why a line takes no discount, or nil.
func (l *Line) discountable() error {
	switch {
	case l.Fixed:
		return refuse(CodeFixedPrice, "line %d has a fixed price", l.No)
	case l.Quantity < 0 || l.Source != nil:
		return refuse(CodeWrongMode, "line %d of a return takes no discount", l.No)
	case l.Price < 0:
		return refuse(CodeFixedPrice, "line %d pays a deposit back", l.No)
	}
	return nil
}

func (b *Basket) discountableLeft() (money.Amount, error) {
	t, err := b.Totals()
	if err != nil {
		return 0, err
	}
	var left money.Amount
	for i := range b.Lines {
		if b.Lines[i].discountable() == nil {
			left += t.Lines[i].base()
		}
	}
	return left, nil
}

// takes returns what d takes off an amount that is not negative, never more
// than all of it.
func (d Discount) takes(from money.Amount, r money.Rounding) (money.Amount, error) {
	if d.Percent == 0 {
		return min(d.Amount, from), nil
	}
	return money.Share(from, int64(d.Percent), 100_000, r)
}
