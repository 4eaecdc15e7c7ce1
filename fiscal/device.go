package fiscal

import (
	"slices"

	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
)

// MaxIntents is the most intents that can be open at once.
const MaxIntents = 1000

// Intent is something about to be done outside that cannot be undone: printing,
// asking a terminal for money. It is recorded before; an Outcome follows.
type Intent struct {
	plain
	Actor
	Action string  `json:"action"` // "print", "pay", "dispense"
	Device string  `json:"device,omitzero"`
	Entry  *uint64 `json:"entry,omitzero"` // index of the entry that it is for
	Copy   int     `json:"copy,omitzero"`
	Key    string  `json:"key,omitzero"` // by which the device knows the order

	// Of a dispense: how much, and what the dispenser's counts were before.
	Amount   money.Amount   `json:"amount,omitzero"`
	Currency money.Currency `json:"currency,omitzero"`
	Cash     *CashReading   `json:"cash,omitzero"`
}

// Kind is intent.
func (*Intent) Kind() proof.Kind { return KindIntent }
func (b *Intent) numbers(*State) numbers {
	var n numbers
	n.some(TagAmount, int64(b.Amount))
	return n
}
func (b *Intent) check(s *State) error {
	if b.Action == ActionDispense {
		if err := b.checkDispense(s); err != nil {
			return err
		}
	}
	if len(s.Intents) >= MaxIntents {
		return refuse(CodeIntent, "%d intents are without outcome; resolve them first", len(s.Intents))
	}
	return nil
}
func (b *Intent) apply(s *State, h *proof.Head) error {
	s.Intents = append(s.Intents, OpenIntent{Index: h.Index, Intent: *b})
	return nil
}

// Result is how something outside ended.
type Result string

// The results. What cannot be known is never assumed: a person decides it.
const (
	Done       Result = "done"
	Failed     Result = "failed"
	Unknown    Result = "unknown"     // nobody can tell
	DoneSaid   Result = "done-said"   // a person says that it was done
	FailedSaid Result = "failed-said" // a person says that it was not
)

// Outcome ends an intent.
type Outcome struct {
	plain
	Actor
	Intent uint64 `json:"intent"` // index of the intent's entry
	Result Result `json:"result"`
	Detail string `json:"detail,omitzero"`
	// Cash is what a dispenser's counts were afterwards, where they could be read.
	Cash *CashReading `json:"cash,omitzero"`
}

// Kind is outcome.
func (*Outcome) Kind() proof.Kind { return KindOutcome }
func (b *Outcome) numbers(*State) numbers {
	return numbers{{Tag: TagReferenced, Value: int64(b.Intent)}}
}
func (b *Outcome) check(s *State) error {
	if !slices.Contains([]Result{Done, Failed, Unknown, DoneSaid, FailedSaid}, b.Result) {
		return refuse(CodeIntent, "result %.20q", string(b.Result))
	}
	if s.intentAt(b.Intent) < 0 {
		return refuse(CodeIntent, "no open intent %d", b.Intent)
	}
	return nil
}
func (b *Outcome) apply(s *State, _ *proof.Head) error {
	i := s.intentAt(b.Intent)
	s.Intents = slices.Delete(s.Intents, i, i+1)
	if len(s.Intents) == 0 {
		s.Intents = nil
	}
	return nil
}

func (s *State) intentAt(index uint64) int {
	return slices.IndexFunc(s.Intents, func(x OpenIntent) bool { return x.Index == index })
}

// Printed is a receipt, copy or report that came out of the printer.
type Printed struct {
	plain
	Entry uint64 `json:"entry"`
	Copy  int    `json:"copy,omitzero"`
}

// PrintFailed is one that did not.
type PrintFailed struct {
	plain
	Entry uint64 `json:"entry"`
	Copy  int    `json:"copy,omitzero"`
	Why   string `json:"why"`
}

// Kind is printed.
func (*Printed) Kind() proof.Kind { return KindPrinted }
func (b *Printed) numbers(*State) numbers {
	return numbers{{Tag: TagReferenced, Value: int64(b.Entry)}}
}

// Kind is print-failed.
func (*PrintFailed) Kind() proof.Kind { return KindPrintFailed }
func (b *PrintFailed) numbers(*State) numbers {
	return numbers{{Tag: TagReferenced, Value: int64(b.Entry)}}
}
