package fiscal

import (
	"reflect"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/journal/proof"
)

// Commission is the first entry of a till's first epoch: who it works for, by
// what rules, with which key.
type Commission struct {
	plain
	Actor
	Shop     Shop   `json:"shop"`
	Software string `json:"software"`
	Serial   string `json:"serial,omitzero"` // of the machine
	Key      string `json:"key"`             // verifier key of the origin (c2sp.org/signed-note)
	Note     string `json:"note,omitzero"`
}

// Kind is commission.
func (*Commission) Kind() proof.Kind     { return KindCommission }
func (b *Commission) check(*State) error { return b.Shop.Validate() }
func (b *Commission) apply(s *State, h *proof.Head) error {
	s.begin(&b.Shop, b.Software, b.Key, Next{Document: 1, Z: 1, Training: 1}, drawer.Grand{}, h)
	return nil
}

// Epoch is the first entry of a later epoch: a till that replaces another, or
// a journal whose end was lost. Numbers and grand totals go on from what is
// known of the epoch before.
type Epoch struct {
	plain
	Actor
	Origin     string       `json:"origin"`              // of the epoch before
	Checkpoint string       `json:"checkpoint,omitzero"` // its last known signed checkpoint
	Anchors    []string     `json:"anchors,omitempty"`   // what anchors said, one line each
	Reason     string       `json:"reason"`
	Next       Next         `json:"next"`
	Grand      drawer.Grand `json:"grand"`
	AtLeast    bool         `json:"atLeast"` // the epoch before may have had more
	Shop       Shop         `json:"shop"`
	Software   string       `json:"software"`
	Key        string       `json:"key"`
	// Day is the day that was open at the end of the epoch before, as far as it is
	// known: it goes on, so that the next Z report names all of its sales.
	Day *OpenDay `json:"day,omitzero"`
}

// OpenDay is a day that goes on in a new epoch. A cash session does not: the drawer
// is counted and opened again.
type OpenDay struct {
	From        int64          `json:"from"` // time of its first entry, ms
	FirstNumber int64          `json:"firstNumber"`
	Before      drawer.Grand   `json:"before"`
	Figures     drawer.Figures `json:"figures"`
	Session     int64          `json:"session,omitzero"` // number of the last drawer session
}

// OpenDay is what the next epoch's first entry says of the day so far.
func (s *State) OpenDay() *OpenDay {
	d := &s.Day
	return &OpenDay{From: d.From, FirstNumber: d.FirstNumber, Before: d.Before, Figures: *d.Figures.Clone(), Session: s.Session.Number}
}

// Kind is epoch.
func (*Epoch) Kind() proof.Kind { return KindEpoch }
func (b *Epoch) numbers(*State) numbers {
	n := numbers{{Tag: TagDocument, Value: b.Next.Document - 1}}
	n.grand(b.Grand, b.Grand)
	return n
}
func (b *Epoch) check(*State) error {
	if b.Reason == "" || b.Origin == "" {
		return refuse(CodeReason, "a new epoch names the old one and a reason")
	}
	if b.Next.Document < 1 || b.Next.Z < 1 || b.Next.Training < 1 {
		return refuse(CodeDocumentNumber, "numbers begin with 1, not %+v", b.Next)
	}
	if b.Grand.Sale-b.Grand.Return != b.Grand.Net || b.Grand.Sale < 0 || b.Grand.Return < 0 {
		return refuse(CodeGrand, "grand totals %+v do not add up", b.Grand)
	}
	if d := b.Day; d != nil && (d.FirstNumber < 1 || d.FirstNumber > b.Next.Document || d.From < 0 || d.Session < 0 ||
		d.Before.Sale > b.Grand.Sale || d.Before.Return > b.Grand.Return || d.Before.Sale-d.Before.Return != d.Before.Net) {
		return refuse(CodeFigures, "the open day begins with document %d and %+v, the epoch goes on with %d and %+v", d.FirstNumber, d.Before, b.Next.Document, b.Grand)
	}
	return b.Shop.Validate()
}
func (b *Epoch) apply(s *State, h *proof.Head) error {
	s.begin(&b.Shop, b.Software, b.Key, b.Next, b.Grand, h)
	s.AtLeast = b.AtLeast
	if d := b.Day; d != nil {
		s.Day = Day{First: h.Index, From: d.From, FirstNumber: d.FirstNumber, Before: d.Before, Figures: *d.Figures.Clone()}
		s.Session.Number = d.Session
	}
	return nil
}

// begin sets the state that a first entry makes.
func (s *State) begin(shop *Shop, software, key string, next Next, grand drawer.Grand, h *proof.Head) {
	*s = State{
		Version: 1, Origin: h.Origin, Shop: *shop, Software: software, Key: key, Next: next, Grand: grand,
		Day: Day{First: h.Index, From: h.Time, FirstNumber: next.Document, Before: grand},
	}
}

// checkShop says whether a profile can take the place of the one in force: the
// currency and the country of a till never change once anything was recorded
// that depends on them; see [ConfigChange].
func (s *State) checkShop(next *Shop) error {
	if err := next.Validate(); err != nil {
		return err
	}
	if s.moves(next) {
		return refuse(CodeShop, "currency and country stay; a till that moves is commissioned anew")
	}
	return nil
}

// moves reports whether a profile is of another country or currency.
func (s *State) moves(next *Shop) bool {
	return next.Currency != s.Shop.Currency || next.Country != s.Shop.Country
}

// untouched reports whether the till has never recorded a document, a movement
// of the drawer or training: no amount stands in the journal yet.
func (s *State) untouched() bool {
	f := &s.Day.Figures
	none := drawer.Tally{}
	return !s.AtLeast && !s.Training && s.Next == (Next{Document: 1, Z: 1, Training: 1}) && s.Grand == (drawer.Grand{}) &&
		s.Session.Number == 0 && f.Aborted == none && f.Removed == none && f.Suspended == 0
}

func sameTax(a, b *Shop) bool {
	return a.Tax.Explicit() == b.Tax.Explicit() && reflect.DeepEqual(a.TaxTable, b.TaxTable)
}
