package sale

import (
	"slices"
	"time"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/staff"
)

// New begins a basket in mode Sale, Training or Return (without a receipt; see
// NewReturn for one). The time's location is the shop's: documents keep its
// offset. Codes: bad-basket-id, bad-mode, bad-terms.
func New(id ID, mode Mode, operator staff.ID, terms Terms, now time.Time) (*Basket, error) {
	if mode != Sale && mode != Training && mode != Return {
		return nil, refuse(CodeBadMode, "%.20q is not a mode of a basket", string(mode))
	}
	terms.Tax = terms.Tax.Explicit()
	b := &Basket{ID: id, Mode: mode, Status: Open, StartedAt: moment(now), Operator: operator, Terms: terms}
	if err := b.checkFrame(); err != nil {
		return nil, err
	}
	return b, nil
}

// moment cuts a time to the millisecond, as the journal keeps it, without a
// monotonic reading and with nothing of its location but the offset.
func moment(t time.Time) time.Time {
	_, offset := t.Zone()
	offset -= offset % 60 // RFC 3339 writes minutes
	if offset == 0 {
		return t.Round(0).UTC().Truncate(time.Millisecond)
	}
	return t.Round(0).In(time.FixedZone("", offset)).Truncate(time.Millisecond)
}

// Joining says what happens when an article is added that the basket has.
type Joining bool

// The ways of joining.
const (
	Apart  Joining = false // a line of its own
	Merged Joining = true  // added to the last equal line without discount or override
)

// AddLine adds an article and returns the number of its line. With Merged, an
// equal line (same item, price and tax, nothing special about it) grows
// instead. Codes: basket-not-open, basket-tendered, wrong-mode,
// too-many-lines, and those of a bad item or quantity.
func (b *Basket) AddLine(item Item, q money.Quantity, j Joining, now time.Time) (int, error) {
	if b.Mode == Return {
		return 0, refuse(CodeWrongMode, "a return takes no sales")
	}
	if q <= 0 {
		return 0, refuse(CodeBadQuantity, "quantity %v of a sale", q)
	}
	no := 0
	err := b.change(func(n *Basket) error {
		if i := n.twin(item); j == Merged && i >= 0 {
			no = n.Lines[i].No
			sum, err := n.Lines[i].Quantity.Add(q)
			n.Lines[i].Quantity = sum
			return err
		}
		no = n.append(Line{Item: item, Quantity: q, AddedAt: moment(now)})
		return nil
	})
	return no, err
}

// twin returns the index of the last line that item can be merged with, or −1.
func (b *Basket) twin(item Item) int {
	for i, l := range slices.Backward(b.Lines) {
		if l.Item == item && !l.Overridden && len(l.Discounts) == 0 && l.Source == nil {
			return i
		}
	}
	return -1
}

func (b *Basket) append(l Line) int {
	b.Numbers.Line++
	l.No = b.Numbers.Line
	b.Lines = append(b.Lines, l)
	return l.No
}

// SetQuantity replaces the quantity of a line of a sale. Codes: unknown-line,
// bad-quantity, quantity-not-whole, quantity-too-large, wrong-mode and those
// of a closed basket.
func (b *Basket) SetQuantity(no int, q money.Quantity) error {
	if b.Mode == Return {
		return refuse(CodeWrongMode, "lines of a return are removed and added again")
	}
	if q <= 0 {
		return refuse(CodeBadQuantity, "quantity %v; remove the line instead", q)
	}
	return b.change(func(n *Basket) error {
		i, err := n.find(no)
		if err != nil {
			return err
		}
		n.Lines[i].Quantity = q
		return nil
	})
}

// RemoveLine takes a line out and returns it with its totals as they were, for
// the journal. Codes: unknown-line and those of a closed basket.
func (b *Basket) RemoveLine(no int) (Removed, error) {
	before, err := b.Totals()
	if err != nil {
		return Removed{}, err
	}
	var out Removed
	err = b.change(func(n *Basket) error {
		i, err := n.find(no)
		if err != nil {
			return err
		}
		out = Removed{Line: n.Lines[i], Totals: before.Lines[i]}
		n.Lines = slices.Delete(n.Lines, i, i+1)
		return nil
	})
	if err != nil {
		return Removed{}, err
	}
	return out, nil
}

// Removed is a line that was taken out, with what it amounted to.
type Removed struct {
	Line   Line      `json:"line"`
	Totals LineTotal `json:"totals"`
}

// Override sells a line at another price, with a reason; approver is who
// allowed it, empty if the operator may. The catalogue's price stays on the
// line. Codes: unknown-line, fixed-price, bad-price, reason-missing and those
// of a closed basket.
func (b *Basket) Override(no int, price money.UnitPrice, why string, approver staff.ID) error {
	if err := reason(why); err != nil {
		return err
	}
	if price < 0 {
		return refuse(CodeBadPrice, "a price cannot be set below zero")
	}
	return b.change(func(n *Basket) error {
		i, err := n.find(no)
		if err != nil {
			return err
		}
		return n.Lines[i].override(price, why, approver)
	})
}

func (l *Line) override(price money.UnitPrice, why string, approver staff.ID) error {
	switch {
	case l.Fixed:
		return refuse(CodeFixedPrice, "line %d has a fixed price", l.No)
	case l.Source != nil:
		return refuse(CodeWrongMode, "line %d is copied from a receipt", l.No)
	case l.Price < 0:
		return refuse(CodeFixedPrice, "line %d pays a deposit back", l.No)
	}
	if !l.Overridden {
		l.ListPrice, l.Overridden = l.Price, true
	}
	l.Price, l.PriceReason, l.PriceApprover = price, why, approver
	return nil
}

// For names the customer of an invoice; nil takes the name away. Codes:
// bad-text, text-too-long and those of a closed basket.
func (b *Basket) For(c *Customer) error {
	return b.change(func(n *Basket) error {
		n.Customer = nil
		if c != nil {
			copied := *c
			n.Customer = &copied
		}
		return nil
	})
}

// Suspend parks an open basket without tenders under a label. Codes:
// basket-not-open, basket-tendered, basket-empty.
func (b *Basket) Suspend(label string) error {
	if err := text("label", label, MaxName); err != nil {
		return err
	}
	if err := b.untendered(); err != nil {
		return err
	}
	if len(b.Lines) == 0 {
		return refuse(CodeEmpty, "nothing to suspend")
	}
	b.Status, b.Label = Suspended, label
	return nil
}

// Resume goes on with a suspended basket. Code: basket-not-suspended.
func (b *Basket) Resume() error {
	if b.Status != Suspended {
		return refuse(CodeNotSuspended, "basket %s is %s", b.ID, b.Status)
	}
	b.Status, b.Label = Open, ""
	return nil
}

// Abort ends a basket that will not become a document and returns its totals
// for the journal. It may be open without tenders, or suspended. Codes:
// basket-not-open, basket-tendered.
func (b *Basket) Abort() (Totals, error) {
	if b.Status != Suspended {
		if err := b.untendered(); err != nil {
			return Totals{}, err
		}
	}
	t, err := b.Totals()
	if err != nil {
		return Totals{}, err
	}
	b.Status = Aborted
	return t, nil
}

// Empty reports whether the basket has no lines.
func (b *Basket) Empty() bool { return len(b.Lines) == 0 }

func (b *Basket) open() error {
	if b.Status != Open {
		return refuse(CodeNotOpen, "basket %s is %s", b.ID, b.Status)
	}
	return nil
}

func (b *Basket) untendered() error {
	if err := b.open(); err != nil {
		return err
	}
	if len(b.Tenders) > 0 {
		return refuse(CodeTendered, "basket %s has %d tenders; take them back first", b.ID, len(b.Tenders))
	}
	return nil
}

func (b *Basket) find(no int) (int, error) {
	i := slices.IndexFunc(b.Lines, func(l Line) bool { return l.No == no })
	if i < 0 {
		return 0, refuse(CodeUnknownLine, "basket %s has no line %d", b.ID, no)
	}
	return i, nil
}

// change applies f to a copy of an open basket without tenders, and takes the
// copy only if it is sound.
func (b *Basket) change(f func(*Basket) error) error {
	if err := b.untendered(); err != nil {
		return err
	}
	return b.swap(f)
}

func (b *Basket) swap(f func(*Basket) error) error {
	next := b.Clone()
	if err := f(next); err != nil {
		return err
	}
	if err := next.Validate(); err != nil {
		return err
	}
	*b = *next
	return nil
}

// Clone returns a copy that shares nothing with b that a method changes.
func (b *Basket) Clone() *Basket {
	c := *b
	c.Lines = slices.Clone(b.Lines)
	for i := range c.Lines {
		c.Lines[i].Discounts = slices.Clone(c.Lines[i].Discounts)
	}
	c.Discounts = slices.Clone(b.Discounts)
	c.Tenders = slices.Clone(b.Tenders)
	return &c
}
