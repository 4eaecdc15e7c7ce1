// Package drawer counts: what should lie in a cash drawer, what was found in it,
// and the figures of a day.
//
// A [Session] is one person's (or shift's) responsibility for a drawer: opened,
// given a float, fed by cash sales, pay-ins and pay-outs, counted blind and
// closed with a difference. Counting comes before knowing: [Session.Declare]
// takes what was counted and only its answer tells what was expected. Foreign
// cash is kept apart by currency.
//
// [Figures] are what an X or Z report shows: sales, returns and voids, per tax
// rate, tender, operator and group; discounts, copies, training, aborted baskets,
// removed lines, drawer openings, price look-ups. They only ever add up, one
// finished document or event at a time, so a report costs the same after ten
// receipts and ten million. Reports of a month or year are sums of Z reports
// ([Sum]).
//
// [Grand] totals run for the life of a till and are never reset. A void counts
// as a return: sale and return totals never fall.
//
// Signs are those of the documents: returns and voids are negative. Amounts are
// gross, in minor units of the shop's one currency. What a training sale moves
// is its own tally and nothing else.
//
// Lists by group and by operator hold at most [MaxRows] rows; what comes beyond
// them is added up in one row named [Beyond], so that a day's figures are
// bounded whatever happens.
//
//	var f drawer.Figures
//	err := f.Document(&doc)
//	err = session.Document(&doc)
//	found, err := session.Declare(drawer.Count{Amount: 12345}, "anna", now)
package drawer

import (
	"fmt"

	"github.com/plomb-pos/plomb/money"
)

// The codes of this package's refusals.
const (
	CodeClosed      = "drawer-session-closed"
	CodeOpen        = "drawer-session-open"
	CodeBadAmount   = "bad-amount"
	CodeBadCount    = "bad-count"
	CodeNegative    = "drawer-below-zero"
	CodeNotCounted  = "drawer-not-counted"
	CodeCounted     = "drawer-already-counted"
	CodeBadReports  = "reports-not-continuous"
	CodeOverflow    = "figures-out-of-range"
	CodeBadDocument = "document-not-countable"
)

// MaxAmount bounds what one event moves, in minor units.
const MaxAmount = money.Amount(1e12)

// Error is a refusal with a stable code for the screen's words.
type Error struct {
	Reason string // one of the codes
	Detail string // for the log, English
	Err    error  // cause, or nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Detail + ": " + e.Err.Error()
	}
	return e.Detail
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.Err }

// Code returns the stable code, such as "drawer-not-counted".
func (e *Error) Code() string { return e.Reason }

func refuse(code, format string, args ...any) error {
	return &Error{Reason: code, Detail: fmt.Sprintf(format, args...)}
}

// adder adds amounts and remembers the first overflow, so that sums can be
// written as sums.
type adder struct{ err error }

func (a *adder) add(to *money.Amount, x money.Amount) {
	sum, err := to.Add(x)
	if err != nil && a.err == nil {
		a.err = &Error{Reason: CodeOverflow, Detail: "add figures", Err: err}
	}
	if a.err == nil {
		*to = sum
	}
}

func (a *adder) tally(to *Tally, n int64, x money.Amount) {
	a.add(&to.Amount, x)
	to.Count += n
}
