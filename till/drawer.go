package till

import (
	"context"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
)

type amountArgs struct {
	Amount money.Amount `json:"amount,omitzero"`
	Reason string       `json:"reason,omitzero"`
}

// openShift opens a drawer session; an amount is its float.
func openShift(c *call) error {
	in, err := args[amountArgs](c)
	if err != nil {
		return err
	}
	c.record(&fiscal.ShiftOpen{Actor: c.actor(), Session: c.n.state.Session.Number + 1, At: c.now})
	if in.Amount != 0 {
		c.record(&fiscal.FloatIn{Actor: c.actor(), Movement: fiscal.Movement{Amount: in.Amount, Reason: in.Reason}})
	}
	return c.pulse("float")
}

func floatIn(c *call) error {
	in, err := args[amountArgs](c)
	if err != nil {
		return err
	}
	c.record(&fiscal.FloatIn{Actor: c.actor(), Movement: fiscal.Movement{Amount: in.Amount, Reason: in.Reason}})
	return c.pulse("float")
}

func payIn(c *call) error {
	in, err := args[amountArgs](c)
	if err != nil {
		return err
	}
	if in.Reason == "" {
		return refuse(Invalid, sale.CodeReasonMissing)
	}
	c.record(&fiscal.PayIn{Actor: c.actor(), Movement: fiscal.Movement{Amount: in.Amount, Reason: in.Reason}})
	return c.pulse("float")
}

type payOutArgs struct {
	amountArgs
	Dispense bool `json:"dispense,omitzero"` // by the dispenser, not from the drawer
}

// payOut takes cash out. More than should be there is refused.
func payOut(c *call) error {
	in, err := args[payOutArgs](c)
	if err != nil {
		return err
	}
	entry := c.n.state.Size
	c.record(&fiscal.PayOut{Actor: c.actor(), Movement: fiscal.Movement{Amount: in.Amount, Reason: in.Reason}})
	if in.Dispense {
		return c.orderCash(entry, in.Amount)
	}
	return c.pulse("float")
}

// readPayOut reads the dispenser where it is to pay.
func readPayOut(c *call, key sessionKey) error {
	in, err := args[payOutArgs](c)
	if err != nil || !in.Dispense {
		return err
	}
	return readDispenser(c, key)
}

// noSale opens the drawer on demand.
func noSale(c *call) error {
	in, err := args[amountArgs](c)
	if err != nil {
		return err
	}
	if err := reasonText(in.Reason); err != nil {
		return err
	}
	c.record(&fiscal.NoSale{Actor: c.actor(), Reason: in.Reason})
	return c.pulse("no-sale")
}

// pulse opens the drawer behind the command's entry: intent in the same group,
// pulse when it is durable.
func (c *call) pulse(cause string) error {
	if c.n.opts.Devices == "" {
		return nil
	}
	j := c.n.drawerJob(c.n.state.Size, cause, c.now)
	j.intentIndex = c.n.state.Size + uint64(len(c.bodies))
	c.record(j.intent(c.actor()))
	c.finish = func(ctx context.Context, r *recorded) (any, error) {
		if err := r.ticket.Wait(ctx); err != nil {
			return nil, because(Unavailable, "stopping", err)
		}
		c.n.enqueue(j)
		return c.result, nil
	}
	return nil
}

type countArgs struct {
	Amount  *money.Amount    `json:"amount,omitzero"`
	Counts  []drawer.Pieces  `json:"counts,omitzero"`
	Foreign []drawer.Holding `json:"foreign,omitzero"`
}

// countAnswer is what a count found, told after it only.
type countAnswer struct {
	Expected   money.Amount `json:"expected"`
	Counted    money.Amount `json:"counted"`
	Difference money.Amount `json:"difference"`
}

func (in countArgs) count() (drawer.Count, error) {
	c := drawer.Count{Pieces: in.Counts, Foreign: in.Foreign}
	var sum money.Amount
	for _, p := range in.Counts {
		part, err := money.Share(p.Value, p.Pieces, 1, money.HalfAwayFromZero)
		if err == nil {
			sum, err = sum.Add(part)
		}
		if err != nil {
			return c, because(Invalid, "bad-amount", err)
		}
	}
	switch {
	case in.Amount == nil && in.Counts == nil:
		return c, refuse(Invalid, "bad-amount")
	case in.Amount != nil && in.Counts != nil && *in.Amount != sum:
		return c, refuse(Invalid, "bad-amount")
	case in.Counts != nil:
		c.Amount = sum
	default:
		c.Amount = *in.Amount
	}
	return c, nil
}

func count(c *call) error {
	in, err := args[countArgs](c)
	if err != nil {
		return err
	}
	counted, err := in.count()
	if err != nil {
		return err
	}
	b, err := c.n.state.NewCount(c.actor(), counted, c.now)
	if err != nil {
		return err
	}
	c.record(b)
	c.result = found(b.Finding)
	return nil
}

func found(f drawer.Finding) countAnswer {
	return countAnswer{Expected: f.Expected, Counted: f.Count.Amount, Difference: f.Difference}
}

// closeShift ends the drawer session, with a count where one comes along.
func closeShift(c *call) error {
	in, err := args[countArgs](c)
	if err != nil {
		return err
	}
	before := c.n.state
	if _, open := before.Dispensing(); open {
		return refuse(Refused, "dispense-open") // whether the drawer is short depends on it
	}
	if in.Amount != nil || in.Counts != nil {
		counted, err := in.count()
		if err != nil {
			return err
		}
		b, err := before.NewCount(c.actor(), counted, c.now)
		if err != nil {
			return err
		}
		c.record(b)
		c.record(&fiscal.ShiftClose{Actor: c.actor(), Session: before.Session.Number, Finding: b.Finding})
		c.result = found(b.Finding)
		return nil
	}
	b, err := before.NewShiftClose(c.actor())
	if err != nil {
		return err
	}
	c.record(b)
	c.result = found(b.Finding)
	return nil
}
