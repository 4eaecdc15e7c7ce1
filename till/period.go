package till

import (
	"context"
	"time"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/receipt"
	"github.com/plomb-pos/plomb/staff"
)

// maxPeriod bounds what one period adds up: some years, even with two closes a day.
const maxPeriod = 4000

// Period adds up the Z reports that were taken from one date to another, both in
// the form 2006-01-02, in the shop's time zone and included: a month, a year. It is
// made anew from the entries at each call, and is no entry itself. Reports of
// earlier epochs of the journal are not in it.
func (n *Node) Period(ctx context.Context, token Token, from, to string) (*ReportAnswer, error) {
	if _, err := n.ask(token, staff.PeriodReport); err != nil {
		return nil, err
	}
	begin, end, err := n.datesOf(from, to)
	if err != nil {
		return nil, err
	}
	if err := n.caughtUp(ctx, n.journal.Size()); err != nil { // a day that was closed just now is in it
		return nil, err
	}
	indexes, err := n.projection.ZsWithin(ctx, begin, end, maxPeriod+1)
	switch {
	case err != nil:
		return nil, n.searchFailed(err)
	case len(indexes) == 0:
		return nil, refuse(NotFound, "no-report")
	case len(indexes) > maxPeriod:
		return nil, refuse(Invalid, "period-too-long")
	}
	return n.periodOf(ctx, indexes)
}

// datesOf are the moments from the first date's beginning to the last one's end.
func (n *Node) datesOf(from, to string) (begin, end time.Time, err error) {
	n.mu.Lock()
	where := zone(&n.state.Shop)
	n.mu.Unlock()
	if begin, err = time.ParseInLocation(time.DateOnly, from, where); err == nil {
		end, err = time.ParseInLocation(time.DateOnly, to, where)
	}
	if err != nil || end.Before(begin) {
		return begin, end, because(Invalid, "bad-time", err)
	}
	return begin, end.AddDate(0, 0, 1), nil
}

// periodOf adds up the Z reports at some indexes, in their order.
func (n *Node) periodOf(ctx context.Context, indexes []uint64) (*ReportAnswer, error) {
	var sum receipt.Report
	var days []drawer.Report
	least := false
	for _, index := range indexes {
		e, err := n.journal.Entry(ctx, index)
		if err != nil {
			return nil, entryRefusal(err)
		}
		if sum, err = fiscal.ReportOf(e.Head, e.Body); err != nil {
			return nil, err
		}
		days, least = append(days, sum.Report), least || sum.AtLeast
	}
	var err error
	if sum.Report, err = drawer.Sum(days); err != nil {
		return nil, err
	}
	sum.Z, sum.Period, sum.AtLeast, sum.Operator = false, true, least, ""
	columns, language := n.paperShape()
	return &ReportAnswer{
		Number: sum.Report.Number, At: sum.Report.Span.To.UTC(), Text: receipt.PlainReport(sum, columns, language),
		Figures: figuresOf(sum, language),
	}, nil
}
