package fiscal

import (
	"slices"

	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
)

// ActionDispense is the action of an intent to pay out cash through a dispenser.
const ActionDispense = "dispense"

// MaxCashCounts is how many rows a reading may have.
const MaxCashCounts = 200

// CashReading is what a cash dispenser says of itself: taken before an order, and
// again to find out what became of it.
type CashReading struct {
	Presented string      `json:"presented,omitzero"` // what it last says was presented: "presented", "notPresented", "unknown"
	Stacker   string      `json:"stacker,omitzero"`   // "empty", "notEmpty", "unknown"
	Output    string      `json:"output,omitzero"`    // likewise
	Counts    []CashCount `json:"counts"`             // by unit and item
}

// CashCount is how many pieces of one kind one unit has let go, by what became of
// them, since it was last filled. All are pieces.
type CashCount struct {
	Unit      string         `json:"unit"`
	Item      string         `json:"item,omitzero"` // the device's name for coin or note
	Currency  money.Currency `json:"currency,omitzero"`
	Value     money.Amount   `json:"value,omitzero"`     // of one piece, minor units
	Initial   int64          `json:"initial,omitzero"`   // filled in
	Presented int64          `json:"presented,omitzero"` // where the customer could take them
	Rejected  int64          `json:"rejected,omitzero"`
	Stacked   int64          `json:"stacked,omitzero"`   // on the stacker now
	Retracted int64          `json:"retracted,omitzero"` // taken back into this unit
	Elsewhere int64          `json:"elsewhere,omitzero"` // jammed, diverted, unknown
}

func (b *Intent) checkDispense(s *State) error {
	switch {
	case b.Amount <= 0 || b.Currency != s.Shop.Currency:
		return refuse(CodeIntent, "dispense of %d %.3q", b.Amount, string(b.Currency))
	case b.Cash == nil || len(b.Cash.Counts) == 0 || len(b.Cash.Counts) > MaxCashCounts:
		return refuse(CodeIntent, "dispense without the counts before it")
	case s.dispensing() >= 0:
		return refuse(CodeIntent, "dispense while the outcome of another is open")
	}
	return nil
}

// Dispensing is the open intent to pay out cash, if there is one; there is never
// more than one.
func (s *State) Dispensing() (OpenIntent, bool) {
	i := s.dispensing()
	if i < 0 {
		return OpenIntent{}, false
	}
	return s.Intents[i], true
}

func (s *State) dispensing() int {
	return slices.IndexFunc(s.Intents, func(o OpenIntent) bool { return o.Intent.Action == ActionDispense })
}

// Dispensed is cash that left by the dispenser and not by the drawer, although
// change and pay-outs are taken off the drawer: the drawer has that much more.
// It stands directly before the outcome of its intent.
type Dispensed struct {
	plain
	Actor               // who says so, where the device cannot
	Intent uint64       `json:"intent"`
	Entry  *uint64      `json:"entry,omitzero"` // the receipt or pay-out it is for
	Amount money.Amount `json:"amount"`         // that the customer has, minor units of the shop's currency
}

// Kind is dispensed.
func (*Dispensed) Kind() proof.Kind { return KindDispensed }
func (b *Dispensed) numbers(*State) numbers {
	return numbers{{Tag: TagAmount, Value: int64(b.Amount)}, {Tag: TagReferenced, Value: int64(b.Intent)}}
}
func (b *Dispensed) check(s *State) error {
	i := s.dispensing()
	if i < 0 || s.Intents[i].Index != b.Intent || b.Amount <= 0 {
		return refuse(CodeIntent, "%d dispensed for intent %d, which is not open", b.Amount, b.Intent)
	}
	if !s.Session.Open {
		return nil
	}
	return s.Session.Clone().Put(b.Amount)
}
func (b *Dispensed) apply(s *State, _ *proof.Head) error {
	if err := s.tally(sale.Sale, &s.Day.Figures.Dispensed, b.Amount); err != nil {
		return err
	}
	if !s.Session.Open {
		return nil
	}
	return s.Session.Put(b.Amount)
}
