package till

import (
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// lineAnswer is what commands that make a line answer.
type lineAnswer struct {
	Line int `json:"line"`
}

// edit gives the command a copy of the open basket; keep makes it the basket.
func (c *call) edit() *sale.Basket { return c.n.basket.Clone() }

// keep makes b the open basket once it is in the vault.
func (c *call) keep(b *sale.Basket) error {
	row, err := c.row(b, true)
	if err != nil {
		return err
	}
	c.change(sqlite.Change{Basket: row})
	c.after(func() { c.n.basket = b; c.n.showBasket() })
	return nil
}

func (c *call) row(b *sale.Basket, open bool) (*sqlite.Basket, error) {
	body, err := sale.Encode(b)
	if err != nil {
		return nil, err
	}
	t, err := b.Totals()
	if err != nil {
		return nil, err
	}
	return &sqlite.Basket{
		ID: string(b.ID), Open: open, Label: b.Label, Lines: len(b.Lines), Total: int64(t.Total), At: c.now, Size: c.n.state.Size, Body: body,
	}, nil
}

// basketFor is a copy of the open basket, or a new one.
func (c *call) basketFor() (*sale.Basket, error) {
	if c.n.basket != nil && !c.n.basket.Empty() {
		return c.edit(), nil
	}
	if err := c.newSale(); err != nil {
		return nil, err
	}
	if c.n.basket != nil {
		return c.edit(), nil
	}
	mode := sale.Sale
	if c.n.state.Training {
		mode = sale.Training
	}
	return sale.New(c.newBasketID(), mode, c.who.ID, c.shop().Terms(), c.now)
}

func (c *call) newBasketID() sale.ID { return sale.ID(idText(newID(c.now))) }

// scan puts what a code means into the basket; a receipt's code begins a return.
func scan(c *call) error {
	in, err := args[struct {
		Code     string          `json:"code"`
		Quantity *money.Quantity `json:"quantity,omitzero"`
	}](c)
	if err != nil {
		return err
	}
	if strings.HasPrefix(in.Code, receiptPrefix) {
		return refuse(Refused, "receipt-scanned")
	}
	p, err := c.n.counter.find(in.Code, in.Quantity, nil, c.now)
	if err != nil {
		return err
	}
	return c.addPick(p)
}

// receiptPrefix begins every receipt code (docs/design/0001-journal.md).
const receiptPrefix = "PLOMB1:"

func add(c *call) error {
	in, err := args[struct {
		SKU      catalog.SKU      `json:"sku"`
		Quantity *money.Quantity  `json:"quantity,omitzero"`
		Price    *money.UnitPrice `json:"price,omitzero"`
	}](c)
	if err != nil {
		return err
	}
	if _, ok := c.n.counter.catalog.Article(in.SKU); !ok {
		return refuse(NotFound, "unknown-article")
	}
	p, err := c.n.counter.find(string(in.SKU), in.Quantity, in.Price, c.now)
	if err != nil {
		return err
	}
	return c.addPick(p)
}

// addPick adds an article and what is sold along with it. In a return without a
// receipt it takes the article back.
func (c *call) addPick(p pick) error {
	b, err := c.basketFor()
	if err != nil {
		return err
	}
	if b.Mode == sale.Return {
		return c.takeBack(b, p)
	}
	no, err := b.AddLine(p.item, p.quantity, sale.Merged, c.now)
	if err != nil {
		return err
	}
	if p.deposit != nil {
		if _, err := b.AddLine(p.deposit.item, p.deposit.quantity, sale.Merged, c.now); err != nil {
			return err
		}
	}
	c.result = lineAnswer{no}
	return c.keep(b)
}

func (c *call) takeBack(b *sale.Basket, p pick) error {
	if !c.shop().NoReceipt {
		return refuse(Refused, "receipt-needed")
	}
	if err := c.may(staff.ReturnNoReceipt); err != nil {
		return err
	}
	no, err := b.ReturnItem(p.item, p.quantity, "no receipt", c.approver, c.now)
	if err != nil {
		return err
	}
	c.result = lineAnswer{no}
	return c.keep(b)
}

func quantity(c *call) error {
	in, err := args[struct {
		Line     int            `json:"line"`
		Quantity money.Quantity `json:"quantity"`
	}](c)
	if err != nil {
		return err
	}
	b := c.edit()
	if err := c.lessIsRemoval(b, in.Line, in.Quantity); err != nil {
		return err
	}
	if err := b.SetQuantity(in.Line, in.Quantity); err != nil {
		return err
	}
	return c.keep(b)
}

// lessIsRemoval journals a quantity that becomes smaller: it takes goods out of
// the basket as a removal does. The line as it was is removed in the entry.
func (c *call) lessIsRemoval(b *sale.Basket, line int, q money.Quantity) error {
	i := slices.IndexFunc(b.Lines, func(l sale.Line) bool { return l.No == line })
	if i < 0 || q >= b.Lines[i].Quantity || b.Mode == sale.Return {
		return nil
	}
	if err := c.may(staff.LineRemoval); err != nil {
		return err
	}
	part := b.Clone()
	if err := part.SetQuantity(line, b.Lines[i].Quantity-q); err != nil {
		return err
	}
	out, err := part.RemoveLine(line)
	if err != nil {
		return err
	}
	c.record(&fiscal.LineRemoved{Actor: c.actor(), Basket: b.ID, Mode: b.Mode, Removed: out, Reason: "quantity"})
	return nil
}

func remove(c *call) error {
	in, err := args[struct {
		Line   int    `json:"line"`
		Reason string `json:"reason,omitzero"`
	}](c)
	if err != nil {
		return err
	}
	if err := reasonText(in.Reason); err != nil {
		return err
	}
	b := c.edit()
	out, err := b.RemoveLine(in.Line)
	if err != nil {
		return err
	}
	c.record(&fiscal.LineRemoved{Actor: c.actor(), Basket: b.ID, Mode: b.Mode, Removed: out, Reason: in.Reason})
	return c.keep(b)
}

func reasonText(s string) error {
	if len([]rune(s)) > sale.MaxReason || oneLine(s) != s {
		return refuse(Invalid, "bad-text")
	}
	return nil
}

func override(c *call) error {
	in, err := args[struct {
		Line   int             `json:"line"`
		Price  money.UnitPrice `json:"price"`
		Reason string          `json:"reason"`
	}](c)
	if err != nil {
		return err
	}
	b := c.edit()
	if err := b.Override(in.Line, in.Price, in.Reason, c.secondPerson()); err != nil {
		return err
	}
	return c.keep(b)
}

type discountArgs struct {
	Line    int          `json:"line,omitzero"`
	Percent int32        `json:"percent,omitzero"`
	Amount  money.Amount `json:"amount,omitzero"`
	Reason  string       `json:"reason"`
}

// discountOperation tries the discount and looks how far the receipt's lines
// are then below their prices: above the shop's limit somebody has to approve.
func discountOperation(c *call) (staff.Name, error) {
	in, err := args[discountArgs](c)
	if err != nil || c.n.basket == nil {
		return staff.Discount, err
	}
	b, err := c.discounted(in)
	if err != nil {
		return staff.Discount, nil // run says what is wrong
	}
	t, err := b.Totals()
	if err != nil {
		return staff.Discount, nil
	}
	for i := range b.Lines {
		listed := t.Lines[i].Extended
		if l := &b.Lines[i]; l.Overridden {
			if x, err := money.Extend(l.ListPrice, l.Quantity, b.Terms.Currency, b.Terms.Tax.Rounding); err == nil {
				listed = x
			}
		}
		if t.Lines[i].Reduction(listed) > c.shop().Discount {
			return staff.DiscountAbove, nil
		}
	}
	return staff.Discount, nil
}

func (c *call) discounted(in discountArgs) (*sale.Basket, error) {
	b := c.edit()
	off := sale.Off{Percent: in.Percent, Amount: in.Amount}
	var err error
	if in.Line == 0 {
		_, err = b.DiscountReceipt(off, in.Reason, c.secondPerson())
	} else {
		_, err = b.DiscountLine(in.Line, off, in.Reason, c.secondPerson())
	}
	return b, err
}

func discount(c *call) error {
	in, err := args[discountArgs](c)
	if err != nil {
		return err
	}
	b, err := c.discounted(in)
	if err != nil {
		return err
	}
	return c.keep(b)
}

func suspend(c *call) error {
	in, err := args[struct {
		Label string `json:"label,omitzero"`
	}](c)
	if err != nil {
		return err
	}
	if len(c.n.suspended) >= maxSuspended {
		return refuse(Refused, "too-many-suspended")
	}
	b := c.edit()
	if err := b.Suspend(in.Label); err != nil {
		return err
	}
	row, err := c.row(b, false)
	if err != nil {
		return err
	}
	c.record(&fiscal.Suspended{Actor: c.actor(), Basket: b.ID, Mode: b.Mode, Label: b.Label, Lines: len(b.Lines), Total: money.Amount(row.Total)})
	c.change(sqlite.Change{Basket: row})
	c.after(func() {
		c.n.basket, c.n.original = nil, nil
		c.n.suspended = append(c.n.suspended, b)
		c.n.waiting[b.ID] = c.now
		c.n.showBasket()
	})
	return nil
}

// maxSuspended bounds the baskets that wait.
const maxSuspended = 50

func resume(c *call) error {
	in, err := args[struct {
		ID sale.ID `json:"id"`
	}](c)
	if err != nil {
		return err
	}
	if c.n.basket != nil && !c.n.basket.Empty() {
		return refuse(Refused, "basket-open")
	}
	i := slices.IndexFunc(c.n.suspended, func(b *sale.Basket) bool { return b.ID == in.ID })
	if i < 0 {
		return refuse(NotFound, "unknown-suspended")
	}
	if training := c.n.suspended[i].Mode == sale.Training; training != c.n.state.Training {
		return refuse(Refused, map[bool]string{true: "training-off", false: "training-on"}[training])
	}
	b := c.n.suspended[i].Clone()
	if err := b.Resume(); err != nil {
		return err
	}
	c.dropEmpty()
	c.record(&fiscal.Resumed{Actor: c.actor(), Basket: b.ID, Mode: b.Mode})
	c.after(func() {
		c.n.suspended = slices.Delete(slices.Clone(c.n.suspended), i, i+1)
		delete(c.n.waiting, b.ID)
		c.n.original = nil
	})
	return c.keep(b)
}

// dropEmpty forgets a basket that nothing is in.
func (c *call) dropEmpty() {
	if c.n.basket != nil {
		c.change(sqlite.Change{DropBasket: string(c.n.basket.ID)})
	}
}

func abort(c *call) error {
	in, err := args[struct {
		Reason string `json:"reason,omitzero"`
	}](c)
	if err != nil {
		return err
	}
	if err := reasonText(in.Reason); err != nil {
		return err
	}
	b := c.edit()
	t, err := b.Abort()
	if err != nil {
		return err
	}
	c.record(&fiscal.Aborted{Actor: c.actor(), Basket: b.ID, Mode: b.Mode, Lines: b.Lines, Total: t.Total, Reason: in.Reason})
	c.change(sqlite.Change{DropBasket: string(b.ID)})
	c.after(func() { c.n.basket, c.n.original = nil, nil; c.n.showBasket() })
	return nil
}
