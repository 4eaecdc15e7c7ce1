package drawer

import (
	"time"

	"github.com/plomb-pos/plomb/money"
)

// Span is the part of the journal that a report is about.
type Span struct {
	From        time.Time `json:"from"`
	To          time.Time `json:"to"`
	First       uint64    `json:"first"`       // index of the first entry
	Last        uint64    `json:"last"`        // index of the last entry before the report itself
	FirstNumber int64     `json:"firstNumber"` // next document number at the beginning
	NextNumber  int64     `json:"nextNumber"`  // next document number at the end
}

// Report is an X or Z report: the figures of the day so far, and the till's
// life-long totals before and after it.
type Report struct {
	Number   int64     `json:"number"` // of the Z; on an X, of the Z that will close this day
	Span     Span      `json:"span"`
	Figures  Figures   `json:"figures"`
	Before   Grand     `json:"before"`
	After    Grand     `json:"after"`
	Session  int64     `json:"session,omitzero"`   // number of the drawer session that is open
	Expected []Holding `json:"expected,omitempty"` // cash expected in the drawer now; left out until it was counted
}

// Check verifies that the report agrees with itself: the totals have grown by
// the figures, and numbers and times go forward. Code: reports-not-continuous.
func (r *Report) Check() error {
	net := r.After.Net - r.Before.Net
	if net != r.Figures.Turnover() {
		return refuse(CodeBadReports, "report %d: net total grew by %d, the figures say %d", r.Number, net, r.Figures.Turnover())
	}
	if r.After.Sale-r.After.Return != r.After.Net || r.Before.Sale-r.Before.Return != r.Before.Net ||
		r.After.Sale < r.Before.Sale || r.After.Return < r.Before.Return {
		return refuse(CodeBadReports, "report %d: grand totals fall or do not add up", r.Number)
	}
	if r.Span.To.Before(r.Span.From) || r.Span.NextNumber < r.Span.FirstNumber {
		return refuse(CodeBadReports, "report %d: ends before it begins", r.Number)
	}
	var gross money.Amount
	for _, t := range r.Figures.Taxes {
		gross += t.Gross
	}
	if gross != r.Figures.Turnover() {
		return refuse(CodeBadReports, "report %d: taxes are of %d, turnover is %d", r.Number, gross, r.Figures.Turnover())
	}
	return nil
}

// Sum folds Z reports, in their order and without gaps, into one report of a
// month, a year or any other run of days. Its Number is that of the last Z.
// Codes: reports-not-continuous, and those of Figures.Add.
func Sum(reports []Report) (Report, error) {
	if len(reports) == 0 {
		return Report{}, refuse(CodeBadReports, "no reports to add up")
	}
	out := Report{Span: reports[0].Span, Before: reports[0].Before}
	for i := range reports {
		r := &reports[i]
		if i > 0 && (r.Number != reports[i-1].Number+1 || r.Before != reports[i-1].After || r.Span.FirstNumber != reports[i-1].Span.NextNumber) {
			return Report{}, refuse(CodeBadReports, "report %d does not follow report %d", r.Number, reports[i-1].Number)
		}
		if err := out.Figures.Add(&r.Figures); err != nil {
			return Report{}, err
		}
		out.Number, out.After = r.Number, r.After
		out.Span.To, out.Span.Last, out.Span.NextNumber = r.Span.To, r.Span.Last, r.Span.NextNumber
	}
	return out, nil
}
