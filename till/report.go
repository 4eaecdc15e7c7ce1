package till

import (
	"context"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/receipt"
	"github.com/plomb-pos/plomb/staff"
)

// ReportAnswer is an X or Z report: its figures, and its text as printed.
type ReportAnswer struct {
	Number  int64     `json:"number"`
	At      time.Time `json:"at"`
	Text    string    `json:"text"`
	Figures []Figure  `json:"figures"`
}

// Figure is one line of a report, in the shop's language and minor units.
type Figure struct {
	Label  string       `json:"label"`
	Amount money.Amount `json:"amount"`
}

func reportX(c *call) error {
	b, err := c.n.state.NewXReport(c.actor(), c.now)
	if err != nil {
		return err
	}
	return c.report(b)
}

// reportZ closes the day; a snapshot follows in the same group. Baskets that
// wait go on over it, the open one does not.
func reportZ(c *call) error {
	if c.n.basket != nil && !c.n.basket.Empty() {
		return refuse(Refused, "basket-open")
	}
	b, err := c.n.state.NewZReport(c.actor(), c.now)
	if err != nil {
		return err
	}
	return c.report(b)
}

// report records a report and prints it.
func (c *call) report(b fiscal.Body) error {
	index := c.n.state.Size
	c.record(b)
	var jobs []printJob
	if c.n.opts.Devices != "" && c.n.state.Size > 0 {
		j := c.n.printJob(index, 0, c.now)
		j.intentIndex = index + 1
		c.record(j.intent(c.actor()))
		jobs = append(jobs, j)
	}
	c.finish = func(ctx context.Context, r *recorded) (any, error) {
		if err := r.ticket.Wait(ctx); err != nil {
			return nil, because(Unavailable, "stopping", err)
		}
		for _, j := range jobs {
			c.n.enqueue(j)
		}
		return c.n.reportAt(ctx, index)
	}
	return nil
}

// reportAt makes the answer from the entry alone.
func (n *Node) reportAt(ctx context.Context, index uint64) (*ReportAnswer, error) {
	e, err := n.journal.Entry(ctx, index)
	if err != nil {
		return nil, entryRefusal(err)
	}
	return n.reportOf(e)
}

func (n *Node) reportOf(e journal.Entry) (*ReportAnswer, error) {
	r, err := fiscal.ReportOf(e.Head, e.Body)
	if err != nil {
		return nil, err
	}
	r.Operator = n.nameOf(staff.ID(r.Operator))
	columns, language := n.paperShape()
	return &ReportAnswer{
		Number: r.Report.Number, At: time.UnixMilli(e.Head.Time).UTC(), Text: receipt.PlainReport(r, columns, language),
		Figures: figuresOf(r, language),
	}, nil
}

func figuresOf(r receipt.Report, language string) []Figure {
	f := &r.Report.Figures
	out := []Figure{
		{label(language, "figure-sales"), f.Sales.Amount}, {label(language, "figure-returns"), f.Returns.Amount},
		{label(language, "figure-voids"), f.Voids.Amount}, {label(language, "figure-turnover"), f.Turnover()},
	}
	for _, t := range f.Taxes {
		out = append(out, Figure{label(language, "figure-tax") + " " + t.Letter + " " + t.Rate.String() + " %", t.Tax})
	}
	for _, t := range f.Tenders {
		out = append(out, Figure{label(language, "tender-"+string(t.Type)) + " " + string(t.Currency), t.Amount})
	}
	return append(out,
		Figure{label(language, "figure-discounts"), f.Discounts.Amount}, Figure{label(language, "figure-payins"), f.PayIns.Amount},
		Figure{label(language, "figure-payouts"), f.PayOuts.Amount}, Figure{label(language, "figure-training"), f.Training.Amount},
		Figure{label(language, "figure-grand-sale"), r.Report.After.Sale}, Figure{label(language, "figure-grand-return"), r.Report.After.Return},
		Figure{label(language, "figure-grand-net"), r.Report.After.Net})
}

func startTraining(c *call) error { return c.train(true) }
func stopTraining(c *call) error  { return c.train(false) }

// train switches training mode; a basket of the other mode has to be gone.
func (c *call) train(on bool) error {
	if c.n.basket != nil && !c.n.basket.Empty() {
		return refuse(Refused, "basket-open")
	}
	if c.n.state.Training == on {
		return refuse(Refused, map[bool]string{true: "training-on", false: "training-off"}[on])
	}
	c.record(&fiscal.TrainingMode{Actor: c.actor(), On: on})
	if c.n.basket != nil {
		c.dropEmpty()
		c.after(func() { c.n.basket, c.n.original = nil, nil })
	}
	return nil
}
