package till

import (
	"context"

	"github.com/plomb-pos/plomb/sale"
)

// proFormaAnswer names the entry of a pro forma bill.
type proFormaAnswer struct {
	Index uint64 `json:"index"`
}

// proForma prints what the open basket comes to, marked as no receipt. The basket
// goes on.
func proForma(c *call) error {
	b := c.n.basket
	switch {
	case b.Empty():
		return refuse(Refused, "no-basket")
	case b.Mode == sale.Return:
		return refuse(Refused, "no-sale-basket")
	case c.n.opts.Devices == "":
		return refuse(Unavailable, "printer-down")
	}
	bill, err := c.n.state.NewProForma(c.actor(), b, c.now)
	if err != nil {
		return err
	}
	index := c.n.state.Size
	j := c.n.printJob(index, 0, c.now)
	j.intentIndex = index + 1
	c.record(bill)
	c.record(j.intent(c.actor()))
	c.finish = func(ctx context.Context, done *recorded) (any, error) {
		if err := done.ticket.Wait(ctx); err != nil {
			return nil, because(Unavailable, "stopping", err)
		}
		c.n.enqueue(j)
		return proFormaAnswer{index}, nil
	}
	return nil
}

// decommission takes the till out of service for good. Baskets, drawer and day
// have to be closed; the state says which is not.
func decommission(c *call) error {
	in, err := args[struct {
		Reason string `json:"reason"`
		Keeper string `json:"keeper"`
	}](c)
	if err != nil {
		return err
	}
	if err := reasonText(in.Reason); err != nil {
		return err
	}
	if c.n.basket != nil && !c.n.basket.Empty() || len(c.n.suspended) > 0 {
		return refuse(Refused, "basket-open")
	}
	b, err := c.n.state.NewDecommission(c.actor(), oneLine(in.Reason), oneLine(in.Keeper))
	if err != nil {
		return err
	}
	c.record(b)
	return nil
}
