package devices

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/plomb-pos/plomb/money"
)

// CashReading is what a dispenser says of itself at one moment, with no command of
// ours running.
type CashReading struct {
	Presented string // whether what it dispensed last was presented: "presented", "notPresented", "unknown", "" where it does not tell
	Stacker   string // "empty", "notEmpty", "unknown", "" where it has none
	Output    string // likewise, where the customer takes the cash
	Counts    []CashCount
}

// CashCount is how many pieces of one kind a unit has let go since it was filled, by
// what became of them. All are pieces.
type CashCount struct {
	Unit      string
	Item      string
	Currency  money.Currency
	Value     money.Amount // of one piece, minor units; 0: not known
	Initial   int64
	Presented int64
	Rejected  int64
	Stacked   int64
	Retracted int64
	Elsewhere int64 // jammed, diverted, unknown
}

// Clear reports whether no cash lies between the units and the customer.
func (r *CashReading) Clear() bool { return empty(r.Stacker) && empty(r.Output) }

func empty(sensor string) bool { return sensor == "" || sensor == "empty" }

// CashState is where ordered cash is.
type CashState string

// The states.
const (
	NotPaid    CashState = "not-paid"    // the customer has nothing of it and will not get it by itself
	Paid       CashState = "paid"        // the customer has Verdict.Amount
	OnStacker  CashState = "on-stacker"  // inside, ready to be presented
	AtOutput   CashState = "at-output"   // presented and not taken
	CannotTell CashState = "cannot-tell" // a person has to look
)

// Verdict says what became of an order.
type Verdict struct {
	State  CashState
	Amount money.Amount // of Paid, minor units; usually what was ordered
	Moved  bool         // anything moved at all
	Why    string       // for the log and the entry: what was seen
}

// Judge compares two readings and says what became of an order that was given in
// between, if it was. Nothing else may have been dispensed meanwhile. It assumes
// nothing: counts that do not add up, a unit that is gone or was filled, a sensor
// that contradicts the counts are CannotTell.
func Judge(before, after *CashReading, order money.Amount, c money.Currency) Verdict {
	m, err := difference(before, after, c)
	if err != nil {
		return Verdict{State: CannotTell, Why: err.Error(), Moved: true}
	}
	v := m.verdict(before, after, order)
	v.Moved = m != moved{}
	return v
}

// moved is what a dispenser let go between two readings, as amounts.
type moved struct {
	presented, rejected, stacked, retracted money.Amount
	elsewhere                               bool
}

func (m moved) verdict(before, after *CashReading, order money.Amount) Verdict {
	cannot := func(why string) Verdict { return Verdict{State: CannotTell, Why: why} }
	switch {
	case m.elsewhere:
		return cannot("cash is jammed or was diverted")
	case after.Stacker == "unknown" || after.Output == "unknown":
		return cannot("a sensor does not tell what is on the stacker or at the output")
	case after.Presented == "unknown" && before.Presented != "unknown":
		return cannot("the device does not know whether it presented cash")
	case m.retracted > m.presented:
		return cannot("more was taken back than presented")
	case m.presented == 0:
		return m.notPresented(after, order)
	case m.stacked != 0 || !empty(after.Stacker):
		return cannot("a part was presented, a part lies on the stacker")
	case after.Presented == "notPresented":
		return cannot("counts say that cash was presented, the device says that it was not")
	case after.Output == "notEmpty":
		return Verdict{State: AtOutput, Why: "presented and not taken"}
	case m.presented == m.retracted:
		return Verdict{State: NotPaid, Why: "taken back"}
	}
	return Verdict{State: Paid, Amount: m.presented - m.retracted, Why: "presented and taken"}
}

func (m moved) notPresented(after *CashReading, order money.Amount) Verdict {
	switch {
	case m.stacked == order && after.Stacker == "notEmpty" && empty(after.Output):
		return Verdict{State: OnStacker, Why: "on the stacker"}
	case m.stacked != 0 || !after.Clear():
		return Verdict{State: CannotTell, Why: "cash lies in the device that the counts do not explain"}
	case m.rejected != 0:
		return Verdict{State: NotPaid, Why: "rejected"}
	}
	return Verdict{State: NotPaid, Why: "not dispensed"}
}

var (
	errFilled  = errors.New("a unit was filled, exchanged or counted anew")
	errGone    = errors.New("a unit is gone")
	errForeign = errors.New("cash of another currency, or of no known value, was moved")
)

// difference subtracts two readings, row by row.
func difference(before, after *CashReading, c money.Currency) (m moved, err error) {
	then := map[CashCount]CashCount{}
	for _, r := range before.Counts {
		then[r.key()] = r
	}
	for _, now := range after.Counts {
		was := then[now.key()]
		delete(then, now.key())
		if err := m.add(was, now, c); err != nil {
			return m, fmt.Errorf("%s: %w", now.Unit, err)
		}
	}
	for key := range then {
		return m, fmt.Errorf("%s: %w", key.Unit, errGone)
	}
	return m, nil
}

// key is what has to stay the same of a row.
func (r CashCount) key() CashCount {
	return CashCount{Unit: r.Unit, Item: r.Item, Currency: r.Currency, Value: r.Value}
}

func (m *moved) add(was, now CashCount, c money.Currency) error {
	d := CashCount{Presented: now.Presented - was.Presented, Rejected: now.Rejected - was.Rejected,
		Stacked: now.Stacked - was.Stacked, Retracted: now.Retracted - was.Retracted, Elsewhere: now.Elsewhere - was.Elsewhere}
	if now.Initial != was.Initial || min(d.Presented, d.Rejected, d.Stacked, d.Retracted, d.Elsewhere) < 0 {
		return errFilled
	}
	if d == (CashCount{}) {
		return nil
	}
	if now.Currency != c || now.Value <= 0 {
		return errForeign
	}
	m.elsewhere = m.elsewhere || d.Elsewhere > 0
	var err error
	for _, p := range []struct {
		to     *money.Amount
		pieces int64
	}{{&m.presented, d.Presented}, {&m.rejected, d.Rejected}, {&m.stacked, d.Stacked}, {&m.retracted, d.Retracted}} {
		worth, e := money.Share(now.Value, p.pieces, 1, money.HalfAwayFromZero)
		if e == nil {
			*p.to, e = p.to.Add(worth)
		}
		err = errors.Join(err, e)
	}
	return err
}

// sorted puts rows in one order, so that equal readings are equal.
func sorted(rows []CashCount) []CashCount {
	slices.SortFunc(rows, func(a, b CashCount) int {
		return cmp.Or(cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Item, b.Item), cmp.Compare(a.Value, b.Value))
	})
	return rows
}
