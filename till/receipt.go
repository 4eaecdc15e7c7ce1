package till

import (
	"context"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/till/sqlite"
)

type numberArgs struct {
	Number uint64 `json:"number"`
	Reason string `json:"reason,omitzero"`
}

// void undoes a sale of the open day as a whole, with a document of its own.
func void(c *call) error {
	in, err := args[numberArgs](c)
	if err != nil {
		return err
	}
	if c.n.state.Training {
		return refuse(Refused, "training-on")
	}
	index, err := c.n.indexOfNumber(c.ctx, in.Number)
	if err != nil {
		return err
	}
	if index < c.n.state.Day.First {
		return refuse(Refused, "receipt-not-today")
	}
	o, err := c.n.originalAt(c.ctx, sqlite.Place{Origin: c.n.journal.Origin(), Index: index})
	if err != nil {
		return err
	}
	d, err := sale.Void(*o, c.who.ID, c.secondPerson(), in.Reason, c.now)
	if err != nil {
		return err
	}
	r, err := c.n.state.NewReceipt(d, o, nil)
	if err != nil {
		return err
	}
	return c.issue(r, "", func(last *LastReceipt) any { return receiptAnswer{last} })
}

// copyReceipt prints a marked copy.
func copyReceipt(c *call) error {
	in, err := args[numberArgs](c)
	if err != nil {
		return err
	}
	index, err := c.n.indexOfNumber(c.ctx, in.Number)
	if err != nil {
		return err
	}
	return c.copy(index, in.Reason)
}

// printReceipt prints what has not been printed yet: the original, if it is
// known that it never came out of the printer; if nobody knows, or it did, a
// marked copy.
func printReceipt(c *call) error {
	in, err := args[numberArgs](c)
	if err != nil {
		return err
	}
	index, err := c.n.indexOfNumber(c.ctx, in.Number)
	if err != nil {
		return err
	}
	state, err := c.n.printedHeld(c.ctx, index)
	if err != nil {
		return err
	}
	switch state {
	case PrintPending:
		return refuse(Refused, "print-pending")
	case PrintedNo:
		return c.late(index)
	}
	return c.copy(index, in.Reason)
}

// late prints the original after all.
func (c *call) late(index uint64) error {
	r, _, err := c.n.receiptAt(c.ctx, index)
	if err != nil {
		return err
	}
	if c.n.opts.Devices == "" {
		return refuse(Unavailable, "printer-down")
	}
	j := c.n.printJob(index, 0, c.now)
	j.intentIndex = c.n.state.Size
	c.record(j.intent(c.actor()))
	c.printBehind(j, index, r)
	return nil
}

func (c *call) copy(index uint64, reason string) error {
	r, at, err := c.n.receiptAt(c.ctx, index)
	if err != nil {
		return err
	}
	if c.n.opts.Devices == "" {
		return refuse(Unavailable, "printer-down")
	}
	ref := sale.Reference{Origin: c.n.journal.Origin(), Index: index, Number: r.Number, At: at.UTC()}
	before, err := c.n.copiesBefore(c.ctx, index)
	if err != nil {
		return err
	}
	no := c.n.state.NextCopy(ref, before)
	c.record(&fiscal.Copy{Actor: c.actor(), Receipt: ref, Copy: no, Total: r.Document.Total, Reason: oneLine(reason)})
	j := c.n.printJob(index, no, c.now)
	j.intentIndex = c.n.state.Size + 1
	c.record(j.intent(c.actor()))
	c.printBehind(j, index, r)
	return nil
}

// copiesBefore counts a receipt's copies of earlier days.
func (n *Node) copiesBefore(ctx context.Context, index uint64) (int, error) {
	if err := n.searchedTo(n.state.Day.First); err != nil {
		return 0, err
	}
	by, err := n.projection.Referring(ctx, index, uint16(fiscal.KindCopy))
	count := 0
	for _, i := range by {
		if i < n.state.Day.First {
			count++
		}
	}
	return count, err
}

// printBehind prints once the intent is durable, with the receipt's code.
func (c *call) printBehind(j printJob, index uint64, r *fiscal.Receipt) {
	answer := &LastReceipt{Index: index, Number: r.Number, Total: r.Document.Total, Change: r.Document.Change, Printed: PrintPending}
	c.finish = func(ctx context.Context, done *recorded) (any, error) {
		if err := done.ticket.Wait(ctx); err != nil {
			return nil, because(Unavailable, "stopping", err)
		}
		j.code = c.n.codeAgain(ctx, index)
		answer.Code = j.code
		c.n.enqueue(j)
		return receiptAnswer{answer}, nil
	}
}
