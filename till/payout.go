package till

import (
	"context"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/till/devices"
)

// readDispenser reads the dispenser before a command that orders cash, outside the
// book.
func readDispenser(c *call, _ sessionKey) error {
	before, err := c.n.readyCash(c.ctx)
	c.ready = before
	return err
}

// orderCash records the intent to pay out behind the command's other entries, and
// hands it over once all is durable.
func (c *call) orderCash(entry uint64, amount money.Amount) error {
	if c.n.cashBusy() {
		return refuse(Refused, "dispense-open")
	}
	before, ok := c.ready.(*devices.CashReading)
	if !ok || before == nil {
		return refuse(Refused, "no-dispenser")
	}
	p := payment{actor: c.actor(), entry: entry, amount: amount}
	intent := c.n.cashIntent(p, before)
	p.intent = &fiscal.OpenIntent{Index: c.n.state.Size + uint64(len(c.bodies)), Intent: *intent}
	c.record(intent)
	c.after(func() { c.n.paysNow = true })
	c.finish = func(ctx context.Context, r *recorded) (any, error) {
		if err := r.ticket.Wait(ctx); err != nil {
			return nil, because(Unavailable, "stopping", err)
		}
		c.n.payments <- p // it has room: one order at a time
		return c.result, nil
	}
	return nil
}

// dispenseChange pays out the change of a receipt that the dispenser did not pay yet:
// it was not there, or could not.
func dispenseChange(c *call) error {
	in, err := args[struct {
		Receipt uint64 `json:"receipt"`
	}](c)
	if err != nil {
		return err
	}
	row, ok, err := c.n.projection.Receipt(c.ctx, false, in.Receipt)
	if err != nil {
		return c.n.searchFailed(err)
	}
	if !ok {
		return refuse(NotFound, "unknown-receipt")
	}
	change, err := c.changeOf(row.Index)
	if err != nil {
		return err
	}
	return c.orderCash(row.Index, change)
}

// changeOf is the change of a receipt that is still to be paid by the dispenser.
func (c *call) changeOf(index uint64) (money.Amount, error) {
	paid, err := c.n.projection.Referring(c.ctx, index, uint16(fiscal.KindDispensed))
	if err != nil {
		return 0, c.n.searchFailed(err)
	}
	if len(paid) > 0 {
		return 0, refuse(Refused, "change-dispensed")
	}
	e, err := c.n.journal.Entry(c.ctx, index)
	if err != nil {
		return 0, entryRefusal(err)
	}
	b, err := fiscal.Decode(e.Head.Kind, e.Body)
	if r, ok := b.(*fiscal.Receipt); err == nil && ok && r.Document.Change > 0 && r.Document.Currency == c.shop().Currency {
		return r.Document.Change, nil
	}
	return 0, refuse(Refused, "no-change-due")
}

// readChange does what dispenseChange needs outside the book.
func readChange(c *call, key sessionKey) error {
	if err := awaitSearch(c, key); err != nil {
		return err
	}
	return readDispenser(c, key)
}

type decideArgs struct {
	Intent uint64        `json:"intent"`
	Paid   bool          `json:"paid"`
	Amount *money.Amount `json:"amount,omitzero"` // that the customer has; none: what was ordered
	Reason string        `json:"reason"`
}

// decideDispense records what a person says became of an order that the dispenser
// cannot tell about.
func decideDispense(c *call) error {
	in, err := args[decideArgs](c)
	if err != nil {
		return err
	}
	if err := reasonText(in.Reason); err != nil {
		return err
	}
	open, ok := c.n.state.Dispensing()
	switch {
	case !ok || open.Index != in.Intent:
		return refuse(NotFound, "no-open-dispense")
	case c.n.paying == nil || !c.n.paying.decide:
		return refuse(Refused, "dispense-being-read")
	case in.Amount != nil && (!in.Paid || *in.Amount <= 0 || *in.Amount > open.Intent.Amount):
		return refuse(Invalid, "bad-amount")
	}
	paid, result := money.Amount(0), fiscal.FailedSaid
	if in.Paid {
		paid, result = open.Intent.Amount, fiscal.DoneSaid
		if in.Amount != nil {
			paid = *in.Amount
		}
		c.record(&fiscal.Dispensed{Actor: c.actor(), Intent: open.Index, Entry: open.Intent.Entry, Amount: paid})
	}
	c.record(&fiscal.Outcome{Actor: c.actor(), Intent: open.Index, Result: result, Detail: oneLine(in.Reason)})
	c.after(func() { c.n.showPaid(open, paid) })
	return nil
}

// clearDispenser puts away what lies between the units and the customer, after an
// order was decided by a person.
func clearDispenser(c *call) error {
	if c.n.cashBusy() {
		return refuse(Refused, "dispense-open")
	}
	c.record(&fiscal.DeviceState{Device: c.n.devices.DispenserName(), State: "cleared", Cause: "asked by " + string(c.who.ID)})
	c.finish = func(ctx context.Context, r *recorded) (any, error) {
		if err := r.ticket.Wait(ctx); err != nil {
			return nil, because(Unavailable, "stopping", err)
		}
		return nil, c.n.emptyDispenser(ctx)
	}
	return nil
}

func (n *Node) emptyDispenser(ctx context.Context) error {
	r, err := n.devices.ReadCash(ctx)
	if err == nil && r.Stacker == "notEmpty" {
		err = n.devices.RejectCash(ctx)
	}
	if err == nil && r.Output == "notEmpty" {
		err = n.devices.RetractCash(ctx)
	}
	if err != nil {
		return because(Unavailable, "no-dispenser", err)
	}
	return nil
}
