package fiscal

import (
	"time"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/staff"
)

// Aborted is a basket that ended without a document.
type Aborted struct {
	plain
	Actor
	Basket sale.ID      `json:"basket"`
	Mode   sale.Mode    `json:"mode"`
	Lines  []sale.Line  `json:"lines,omitempty"`
	Total  money.Amount `json:"total"`
	Reason string       `json:"reason,omitzero"`
}

// Kind is aborted.
func (*Aborted) Kind() proof.Kind { return KindAborted }
func (b *Aborted) flags() proof.Flags {
	return trainingFlag(b.Mode)
}
func (b *Aborted) numbers(*State) numbers {
	return numbers{{Tag: TagGross, Value: int64(b.Total)}, {Tag: TagLines, Value: int64(len(b.Lines))}}
}
func (b *Aborted) apply(s *State, _ *proof.Head) error {
	return s.tally(b.Mode, &s.Day.Figures.Aborted, b.Total)
}

func trainingFlag(m sale.Mode) proof.Flags {
	if m == sale.Training {
		return proof.FlagTraining
	}
	return 0
}

// Suspended is a basket that was parked.
type Suspended struct {
	plain
	Actor
	Basket sale.ID      `json:"basket"`
	Mode   sale.Mode    `json:"mode"`
	Label  string       `json:"label,omitzero"`
	Lines  int          `json:"lines"`
	Total  money.Amount `json:"total"`
}

// Kind is suspended.
func (*Suspended) Kind() proof.Kind     { return KindSuspended }
func (b *Suspended) flags() proof.Flags { return trainingFlag(b.Mode) }
func (b *Suspended) apply(s *State, _ *proof.Head) error {
	s.Day.Figures.Suspended++
	return nil
}

// Resumed is a parked basket that was gone on with.
type Resumed struct {
	plain
	Actor
	Basket sale.ID   `json:"basket"`
	Mode   sale.Mode `json:"mode"`
}

// Kind is resumed.
func (*Resumed) Kind() proof.Kind     { return KindResumed }
func (b *Resumed) flags() proof.Flags { return trainingFlag(b.Mode) }
func (b *Resumed) apply(s *State, _ *proof.Head) error {
	s.Day.Figures.Resumed++
	return nil
}

// LineRemoved is a line that was taken out before completion.
type LineRemoved struct {
	plain
	Actor
	Basket  sale.ID      `json:"basket"`
	Mode    sale.Mode    `json:"mode"`
	Removed sale.Removed `json:"removed"`
	Reason  string       `json:"reason,omitzero"`
}

// Kind is line-removed.
func (*LineRemoved) Kind() proof.Kind     { return KindLineRemoved }
func (b *LineRemoved) flags() proof.Flags { return trainingFlag(b.Mode) }
func (b *LineRemoved) numbers(*State) numbers {
	return numbers{{Tag: TagGross, Value: int64(b.Removed.Totals.Gross)}}
}
func (b *LineRemoved) apply(s *State, _ *proof.Head) error {
	return s.tally(b.Mode, &s.Day.Figures.Removed, b.Removed.Totals.Gross)
}

// PriceLookup is a price that was asked for outside a sale.
type PriceLookup struct {
	plain
	Actor
	SKU   string          `json:"sku"`
	Price money.UnitPrice `json:"price"`
}

// Kind is price-lookup.
func (*PriceLookup) Kind() proof.Kind { return KindPriceLookup }
func (b *PriceLookup) apply(s *State, _ *proof.Head) error {
	s.Day.Figures.Lookups++
	return nil
}

// Copy is a copy of a receipt that was printed or shown.
type Copy struct {
	plain
	Actor
	Receipt sale.Reference `json:"receipt"`
	Copy    int            `json:"copy"` // from 1, over the receipt's life
	Total   money.Amount   `json:"total"`
	Reason  string         `json:"reason,omitzero"`
}

// Kind is copy.
func (*Copy) Kind() proof.Kind { return KindCopy }
func (b *Copy) numbers(s *State) numbers {
	n := numbers{{Tag: TagCopy, Value: int64(b.Copy)}, {Tag: TagGross, Value: int64(b.Total)}}
	if b.Receipt.Origin == s.Origin {
		n.add(TagReferenced, int64(b.Receipt.Index))
	}
	return n
}

// check compares the number of the copy with those that the open day has seen.
// The number of a receipt's first copy in a day is taken as it is: earlier
// copies are in earlier days.
func (b *Copy) check(s *State) error {
	if b.Copy < 1 || b.Receipt.Origin == s.Origin && b.Receipt.Index >= s.Size {
		return refuse(CodeCopyNumber, "copy %d of entry %d", b.Copy, b.Receipt.Index)
	}
	i := s.copiedAt(b.Receipt)
	fresh := i < 0 && b.Receipt.Origin == s.Origin && b.Receipt.Index >= s.Day.First
	if fresh && b.Copy != 1 || i >= 0 && b.Copy != s.Copies[i].Copies+1 {
		return refuse(CodeCopyNumber, "copy %d of receipt %d does not follow", b.Copy, b.Receipt.Number)
	}
	if s.Shop.MaxCopies > 0 && b.Copy > s.Shop.MaxCopies {
		return refuse(CodeCopyNumber, "receipt %d has had %d copies, as many as this shop allows", b.Receipt.Number, b.Copy-1)
	}
	return nil
}

func (b *Copy) apply(s *State, _ *proof.Head) error {
	if err := s.tally(sale.Sale, &s.Day.Figures.Copies, b.Total); err != nil {
		return err
	}
	i := s.copiedAt(b.Receipt)
	if i < 0 {
		s.Copies = append(s.Copies, CopiedReceipt{Origin: b.Receipt.Origin, Index: b.Receipt.Index})
		i = len(s.Copies) - 1
	}
	s.Copies[i].Copies = b.Copy
	return nil
}

// NextCopy returns the number of the next copy of a receipt, given how many
// copies there were before the open day.
func (s *State) NextCopy(ref sale.Reference, before int) int {
	if i := s.copiedAt(ref); i >= 0 {
		return s.Copies[i].Copies + 1
	}
	return before + 1
}

// ShiftOpen is a drawer session that began.
type ShiftOpen struct {
	plain
	Actor
	Session int64     `json:"session"`
	At      time.Time `json:"at"`
}

// Kind is shift-open.
func (*ShiftOpen) Kind() proof.Kind { return KindShiftOpen }
func (b *ShiftOpen) numbers(*State) numbers {
	return numbers{{Tag: TagSession, Value: b.Session}}
}
func (b *ShiftOpen) check(s *State) error {
	if err := s.selling(); err != nil {
		return err
	}
	if b.Session != s.Session.Number+1 {
		return refuse(CodeSession, "session %d after %d", b.Session, s.Session.Number)
	}
	return s.Session.Clone().Begin(b.By, s.Shop.Currency, b.At)
}
func (b *ShiftOpen) apply(s *State, _ *proof.Head) error {
	return s.Session.Begin(b.By, s.Shop.Currency, b.At)
}

// Movement is cash that goes into or out of the drawer without a sale.
type Movement struct {
	Amount    money.Amount `json:"amount"` // positive
	Reason    string       `json:"reason"`
	BelowZero bool         `json:"belowZero,omitzero"` // taken out although less should be there
}

func (m *Movement) numbers(*State) numbers {
	return numbers{{Tag: TagAmount, Value: int64(m.Amount)}}
}

func (m *Movement) valid() error {
	if !line(m.Reason, sale.MaxReason) {
		return refuse(CodeReason, "reason is not one line of %d characters", sale.MaxReason)
	}
	return nil
}

// FloatIn is change money put into the drawer.
type FloatIn struct {
	plain
	Actor
	Movement
}

// PayIn is cash put into the drawer for another reason.
type PayIn struct {
	plain
	Actor
	Movement
}

// PayOut is cash taken out of the drawer: to the bank, for an expense.
type PayOut struct {
	plain
	Actor
	Movement
}

// Kind is float-in.
func (*FloatIn) Kind() proof.Kind { return KindFloatIn }

// Kind is pay-in.
func (*PayIn) Kind() proof.Kind { return KindPayIn }

// Kind is pay-out.
func (*PayOut) Kind() proof.Kind { return KindPayOut }

func (b *FloatIn) numbers(s *State) numbers { return b.Movement.numbers(s) }
func (b *PayIn) numbers(s *State) numbers   { return b.Movement.numbers(s) }
func (b *PayOut) numbers(s *State) numbers  { return b.Movement.numbers(s) }

func (b *FloatIn) check(s *State) error { return b.put(s) }
func (b *PayIn) check(s *State) error   { return b.put(s) }

func (m *Movement) put(s *State) error {
	if err := m.valid(); err != nil {
		return err
	}
	return s.Session.Clone().Put(m.Amount)
}

func (b *PayOut) check(s *State) error {
	if err := b.valid(); err != nil {
		return err
	}
	if b.Reason == "" {
		return refuse(CodeReason, "a pay-out needs a reason")
	}
	session := s.Session.Clone()
	if err := session.Take(b.Amount, b.BelowZero); err != nil {
		return err
	}
	if b.BelowZero != session.BelowZero() && !s.Session.BelowZero() {
		return refuse(CodeSession, "pay-out marked below zero: %v", b.BelowZero)
	}
	return nil
}

func (b *FloatIn) apply(s *State, _ *proof.Head) error {
	if err := s.tally(sale.Sale, &s.Day.Figures.Floats, b.Amount); err != nil {
		return err
	}
	return s.Session.Put(b.Amount)
}

func (b *PayIn) apply(s *State, _ *proof.Head) error {
	if err := s.tally(sale.Sale, &s.Day.Figures.PayIns, b.Amount); err != nil {
		return err
	}
	return s.Session.Put(b.Amount)
}

func (b *PayOut) apply(s *State, _ *proof.Head) error {
	if err := s.tally(sale.Sale, &s.Day.Figures.PayOuts, b.Amount); err != nil {
		return err
	}
	return s.Session.Take(b.Amount, b.BelowZero)
}

// Count is a blind count of the drawer, with what was expected.
type Count struct {
	plain
	Actor
	Session int64          `json:"session"`
	Finding drawer.Finding `json:"finding"`
}

// Kind is count.
func (*Count) Kind() proof.Kind { return KindCount }
func (b *Count) numbers(*State) numbers {
	return numbers{{Tag: TagAmount, Value: int64(b.Finding.Count.Amount)}, {Tag: TagDifference, Value: int64(b.Finding.Difference)}, {Tag: TagSession, Value: b.Session}}
}

// NewCount makes the body for a blind count: what was expected is filled in.
func (s *State) NewCount(a Actor, c drawer.Count, at time.Time) (*Count, error) {
	f, err := s.Session.Clone().Declare(c, a.By, at)
	if err != nil {
		return nil, err
	}
	return &Count{Actor: a, Session: s.Session.Number, Finding: f}, nil
}

func (b *Count) check(s *State) error {
	want, err := s.Session.Clone().Declare(b.Finding.Count, b.Finding.By, b.Finding.At)
	if err != nil {
		return err
	}
	if b.Session != s.Session.Number || !sameFinding(want, b.Finding) {
		return refuse(CodeSession, "count of session %d: expected %d, the body says %d", b.Session, want.Expected, b.Finding.Expected)
	}
	return nil
}

func (b *Count) apply(s *State, _ *proof.Head) error {
	s.Day.Figures.Counts++
	_, err := s.Session.Declare(b.Finding.Count, b.Finding.By, b.Finding.At)
	return err
}

// ShiftClose is a drawer session that ended, with its last count.
type ShiftClose struct {
	plain
	Actor
	Session int64          `json:"session"`
	Finding drawer.Finding `json:"finding"`
}

// Kind is shift-close.
func (*ShiftClose) Kind() proof.Kind { return KindShiftClose }
func (b *ShiftClose) numbers(*State) numbers {
	return numbers{{Tag: TagDifference, Value: int64(b.Finding.Difference)}, {Tag: TagSession, Value: b.Session}}
}

// NewShiftClose makes the body that closes the counted session.
func (s *State) NewShiftClose(a Actor) (*ShiftClose, error) {
	f, err := s.Session.Clone().End()
	if err != nil {
		return nil, err
	}
	return &ShiftClose{Actor: a, Session: s.Session.Number, Finding: f}, nil
}

func (b *ShiftClose) check(s *State) error {
	want, err := s.Session.Clone().End()
	if err != nil {
		return err
	}
	if b.Session != s.Session.Number || !sameFinding(want, b.Finding) {
		return refuse(CodeSession, "session %d closed with another finding than its last count", b.Session)
	}
	return nil
}

func (b *ShiftClose) apply(s *State, _ *proof.Head) error {
	f, err := s.Session.End()
	if err != nil {
		return err
	}
	sum, err := s.Day.Figures.Difference.Add(f.Difference)
	s.Day.Figures.Difference = sum
	return err
}

// DrawerOpened is the drawer itself being opened.
type DrawerOpened struct {
	plain
	Actor
	Cause  string  `json:"cause"` // "sale", "no-sale", "float", "count", "key" (opened by hand)
	Device string  `json:"device,omitzero"`
	Entry  *uint64 `json:"entry,omitzero"` // index of the entry that it was opened for
}

// Kind is drawer-opened.
func (*DrawerOpened) Kind() proof.Kind { return KindDrawerOpened }
func (b *DrawerOpened) apply(s *State, _ *proof.Head) error {
	s.Day.Figures.Openings++
	s.DrawerOpen = true
	return nil
}

// DrawerClosed is the drawer itself being pushed in, where it tells.
type DrawerClosed struct {
	plain
	Device string `json:"device,omitzero"`
}

// Kind is drawer-closed.
func (*DrawerClosed) Kind() proof.Kind { return KindDrawerClosed }
func (b *DrawerClosed) apply(s *State, _ *proof.Head) error {
	s.DrawerOpen = false
	return nil
}

// NoSale is the drawer opened on demand, without a sale.
type NoSale struct {
	plain
	Actor
	Reason string `json:"reason,omitzero"`
}

// Kind is no-sale.
func (*NoSale) Kind() proof.Kind { return KindNoSale }
func (b *NoSale) apply(s *State, _ *proof.Head) error {
	s.Day.Figures.NoSales++
	return nil
}

// TrainingMode is training being switched on or off.
type TrainingMode struct {
	plain
	Actor
	On bool `json:"on"`
}

// Kind is training-mode.
func (*TrainingMode) Kind() proof.Kind { return KindTrainingMode }
func (b *TrainingMode) check(s *State) error {
	if err := s.selling(); err != nil {
		return err
	}
	if b.On == s.Training {
		return refuse(CodeMode, "training is %v already", s.Training)
	}
	return nil
}
func (b *TrainingMode) apply(s *State, _ *proof.Head) error {
	s.Training = b.On
	return nil
}

// Refused is a command that was refused for want of a right.
type Refused struct {
	plain
	Actor
	Role      staff.Role `json:"role,omitzero"`
	Operation staff.Name `json:"operation"`
	Reason    string     `json:"reason"` // code of the refusal
}

// Kind is refused.
func (*Refused) Kind() proof.Kind { return KindRefused }
func (b *Refused) apply(s *State, _ *proof.Head) error {
	s.Day.Figures.Refused++
	return nil
}
