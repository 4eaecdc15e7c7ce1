package till

import (
	"context"
	"errors"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
)

// tenderAnswer is how far a basket is paid, with the receipt if that completed it.
type tenderAnswer struct {
	Due     money.Amount `json:"due"`
	Change  money.Amount `json:"change"`
	Receipt *LastReceipt `json:"receipt,omitzero"`
}

// receiptAnswer names a receipt.
type receiptAnswer struct {
	Receipt *LastReceipt `json:"receipt"`
}

type tenderArgs struct {
	Type     sale.TenderType `json:"type"`
	Amount   *money.Amount   `json:"amount,omitzero"` // never negative; in Currency's minor units
	Currency money.Currency  `json:"currency,omitzero"`
	Tip      money.Amount    `json:"tip,omitzero"`
	Complete bool            `json:"complete,omitzero"`
}

func tender(c *call) error {
	in, err := args[tenderArgs](c)
	if err != nil {
		return err
	}
	p, err := c.payment(in)
	if err != nil {
		return err
	}
	b := c.edit()
	if _, err := b.Tender(p, c.now); err != nil {
		return err
	}
	t, err := b.Totals()
	if err != nil {
		return err
	}
	answer := tenderAnswer{Due: t.Due, Change: t.Change}
	if in.Complete && t.Settled {
		return c.completeBasket(b, nil, func(r *LastReceipt) any {
			answer.Receipt = r
			return answer
		})
	}
	c.result = answer
	return c.keep(b)
}

// payment reads what was handed over; in a return the amount is paid out.
func (c *call) payment(in tenderArgs) (sale.Payment, error) {
	p := sale.Payment{Type: in.Type, Tip: in.Tip}
	if in.Amount != nil && *in.Amount < 0 || in.Tip < 0 {
		return p, refuse(Invalid, "bad-amount")
	}
	if in.Currency != "" && in.Currency != c.shop().Currency {
		rate, ok := c.shop().Rate(in.Currency)
		if !ok || in.Amount == nil {
			return p, refuse(Refused, "foreign-tender-refused")
		}
		p.Foreign = &sale.Foreign{Currency: in.Currency, Amount: *in.Amount, Rate: rate}
		return p, nil
	}
	if in.Amount != nil {
		if *in.Amount == 0 {
			return p, refuse(Invalid, "bad-amount")
		}
		p.Amount = *in.Amount
	}
	t, err := c.n.basket.Totals()
	if err == nil && t.Total < 0 {
		p.Amount = -p.Amount
	}
	return p, err
}

func untender(c *call) error {
	in, err := args[struct {
		Number int `json:"number"`
	}](c)
	if err != nil {
		return err
	}
	b := c.edit()
	if _, err := b.Untender(in.Number); err != nil {
		return err
	}
	return c.keep(b)
}

func complete(c *call) error {
	return c.completeBasket(c.edit(), nil, func(r *LastReceipt) any { return receiptAnswer{r} })
}

// completeLate records a sale whose receipt was written by hand while the till did
// not work: number, time and reason are those of the paper.
func completeLate(c *call) error {
	in, err := args[struct {
		Number   string    `json:"number,omitzero"`
		IssuedAt time.Time `json:"issuedAt"`
		Reason   string    `json:"reason"`
	}](c)
	if err != nil {
		return err
	}
	if err := reasonText(in.Reason); err != nil {
		return err
	}
	if in.IssuedAt.IsZero() || in.IssuedAt.After(c.now) {
		return refuse(Invalid, "bad-time")
	}
	late := &fiscal.Late{Number: in.Number, IssuedAt: in.IssuedAt.UTC().Truncate(time.Millisecond), Reason: in.Reason}
	return c.completeBasket(c.edit(), late, func(r *LastReceipt) any { return receiptAnswer{r} })
}

// completeBasket turns a paid basket into its receipt. The entry, the intent to
// print it and the intent to open the drawer are one group. The basket leaves
// the screen at once and the vault with the next change there, when the entry is
// durable; if the process ends in between, the next start finds the basket's id
// in the entry. The answer is made again from the entry, so it is not kept.
func (c *call) completeBasket(b *sale.Basket, late *fiscal.Late, answer func(*LastReceipt) any) error {
	original, err := c.originalOf(b)
	if err != nil {
		return err
	}
	d, err := b.Complete(c.who.ID, c.now)
	if err != nil {
		return err
	}
	r, err := c.n.state.NewReceipt(d, original, late)
	if err != nil {
		return err
	}
	return c.issue(r, b.ID, answer)
}

// issue records a receipt with its intents, and prints it behind.
func (c *call) issue(r *fiscal.Receipt, basket sale.ID, answer func(*LastReceipt) any) error {
	index := c.n.state.Size
	jobs := c.n.jobsFor(index, r, c.now)
	c.record(r)
	for _, j := range jobs {
		c.record(j.intent(c.actor()))
	}
	last := &LastReceipt{Index: index, Number: r.Number, Total: r.Document.Total, Change: r.Document.Change, Printed: PrintPending}
	if len(jobs) == 0 {
		last.Printed = PrintedNo
	}
	c.after(func() {
		if basket != "" {
			c.n.basket, c.n.original = nil, nil
			c.n.finished = append(c.n.finished, finished{basket, index})
		}
		c.n.last = last
		c.n.showThanks(&r.Document)
	})
	c.finish = func(ctx context.Context, done *recorded) (any, error) {
		return c.n.finishReceipt(ctx, done, jobs, last, &r.Document, c.actor(), answer)
	}
	return nil
}

// finishReceipt waits for the signature (bounded), which comes after the disk;
// then it hands the receipt to the printer and answers.
func (n *Node) finishReceipt(ctx context.Context, r *recorded, jobs []printJob, last *LastReceipt, document *sale.Document, actor fiscal.Actor, answer func(*LastReceipt) any) (any, error) {
	code := n.codeOf(ctx, r)
	if err := r.ticket.Wait(ctx); err != nil {
		return nil, because(Unavailable, "stopping", err)
	}
	n.mu.Lock()
	last.Code = code
	last.Dispensed = n.payChange(last.Index, document, actor)
	shown := *last
	n.mu.Unlock()
	result := answer(&shown)
	for i, j := range jobs {
		j.intentIndex = last.Index + 1 + uint64(i)
		j.code = code
		n.enqueue(j)
	}
	return result, nil
}

// codeOf waits for the receipt code of the first entry of a group. It is "" if the
// signer does not answer in time: the receipt then says that it is not signed yet.
func (n *Node) codeOf(ctx context.Context, r *recorded) string {
	wait, cancel := context.WithTimeout(ctx, n.opts.SignPatience)
	defer cancel()
	s, err := r.ticket.SignedAt(wait, 0)
	if err != nil {
		if !errors.Is(err, journal.ErrUnsigned) && !errors.Is(err, journal.ErrStopped) && !errors.Is(err, context.DeadlineExceeded) {
			n.opts.Log.Error("receipt not signed", "err", err)
		}
		return ""
	}
	code, err := fiscal.Code(r.ticket.HeadBytes(0), s.Checkpoint, s.KeyHash, s.Sig)
	if err != nil {
		n.opts.Log.Error("receipt without code", "err", err)
	}
	return code
}
