package checkscanner

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/plomb-pos/plomb/driver/sim/bin"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/xfs4iot/check"
)

// The faults that are armed for the next time that they can strike.
const (
	FaultJam     = "jam"     // an item sticks on its next way
	FaultShutter = "shutter" // a slot does not open
	FaultPower   = "power"   // power is lost while items are read
	FaultLight   = "light"   // the guide light does not obey
)

// Arm makes a fault strike after so many chances at which it does not.
func (s *Scanner) Arm(fault string, after int) {
	s.Lock()
	defer s.Unlock()
	s.faults.Arm(fault, after)
	s.changed()
}

// Errors of hands.
var (
	ErrClosed = errors.New("the slot is closed")
	ErrMany   = errors.New("the slot takes 1 to 100 items, a scanner for single items one")
)

// Insert puts a bunch into the open slot.
func (s *Scanner) Insert(bunch ...Cheque) error {
	s.Lock()
	defer s.Unlock()
	switch {
	case !s.waiting || s.shutter[check.PositionInput] != check.ShutterStateOpen:
		return ErrClosed
	case len(bunch) < 1 || len(bunch) > 100 || s.o.Single && len(bunch) > 1:
		return ErrMany
	}
	for _, c := range bunch {
		if err := c.check(); err != nil {
			return err
		}
	}
	for _, c := range bunch {
		s.serial++
		i := &item{Cheque: c, serial: s.serial, place: "device"}
		i.draw()
		s.feeder = append(s.feeder, i)
	}
	s.changed()
	return nil
}

// InsertRejected puts a bunch into the open slot that comes out again as a whole.
func (s *Scanner) InsertRejected(reason string) error {
	s.Lock()
	defer s.Unlock()
	r := check.MediaRejectedEventReason(reason)
	switch {
	case !s.waiting:
		return ErrClosed
	case r == "" || r.Validate() != nil:
		return fmt.Errorf("a bunch is not rejected for %q", reason)
	}
	s.rejected = r
	s.changed()
	return nil
}

// Take takes what is presented at all positions.
func (s *Scanner) Take() error {
	s.Lock()
	defer s.Unlock()
	if len(s.waitingItems()) == 0 {
		return chassis.ErrNothing
	}
	defer s.changed()
	taken := false
	for _, p := range positions {
		if len(s.at[p]) == 0 || s.shutter[p] != check.ShutterStateOpen {
			continue
		}
		for _, i := range s.at[p] {
			i.access = check.MediaStatusCustomerAccessNone
		}
		s.at[p] = nil
		s.close(p)
		s.Say(&check.MediaTakenEvent{Position: p})
		taken = true
	}
	if !taken {
		return ErrClosed
	}
	return nil
}

// Break makes a part fail until Repair: micr, camera or feeder.
func (s *Scanner) Break(part string) error {
	s.Lock()
	defer s.Unlock()
	parts := map[string]*bool{"micr": &s.micr, "camera": &s.camera, "feeder": &s.feed}
	if parts[part] == nil {
		return fmt.Errorf("there is no part %q", part)
	}
	*parts[part] = false
	s.changed()
	return nil
}

// SetInk fills the endorser for so many items.
func (s *Scanner) SetInk(items int) {
	s.Lock()
	defer s.Unlock()
	s.ink = min(max(items, 0), maxInk)
	s.changed()
}

// Pocket does something to a storage unit: "take out", "put back" (emptied), "hide"
// (nothing is detected there any more) or "break".
func (s *Scanner) Pocket(unit, what string) error {
	s.Lock()
	defer s.Unlock()
	defer s.changed()
	switch what {
	case "take out":
		return s.rack.TakeOut(unit)
	case "put back":
		return errors.Join(s.rack.Empty(unit), s.rack.PutBack(unit))
	case "hide":
		return s.rack.Hide(unit)
	case "break":
		return s.rack.Break(unit)
	}
	return fmt.Errorf("%q cannot be done to a pocket", what)
}

// Repair frees transport and slots, mends what is broken, brings power back and
// disarms what was armed. A transaction that failed stays so until it is reset.
func (s *Scanner) Repair() {
	s.Lock()
	defer s.Unlock()
	s.faults.Mend()
	s.off, s.jammed, s.micr, s.camera, s.feed = false, false, true, true, true
	for _, p := range positions {
		if s.shutter[p] == check.ShutterStateJammed {
			s.setShutter(p, pick(len(s.at[p]) > 0, check.ShutterStateOpen, check.ShutterStateClosed))
		}
	}
	s.changed()
}

// Acts lists what can be done to it.
func (s *Scanner) Acts() []panel.Act {
	arm := func(fault, label string) panel.Act {
		return panel.Act{Name: fault, Label: label, Kind: panel.Fault, Args: chassis.After("after how many times"),
			Do: func(v panel.Values) error { s.Arm(fault, v.Int("after")); return nil }}
	}
	do := func(kind panel.Kind, name, label string, f func() error) panel.Act {
		return panel.Act{Name: name, Label: label, Kind: kind, Do: func(panel.Values) error { return f() }}
	}
	return []panel.Act{
		{Name: "insert", Label: "Insert cheques", Kind: panel.Hand, Do: s.insertAct, Args: []panel.Arg{
			{Name: "count", Label: "How many", Default: "1", Number: true}, {Name: "payee", Label: "Payee", Default: "Kiosk am Eck"},
			{Name: "amount", Label: "Amount", Default: "12.50"}, {Name: "codeline", Label: "Code line", Default: "⑆123456789⑆ 0012345⑈"},
			{Name: "defect", Label: "Defect of the last", Choices: append([]string{none}, Defects()[1:]...), Default: none}}},
		do(panel.Hand, "take", "Take the cheques", s.Take),
		{Name: "reject", Label: "Insert a bunch that is rejected", Kind: panel.Hand, Args: []panel.Arg{{Name: "reason", Label: "Reason", Default: "metal",
			Choices: []string{"long", "thick", "double", "transport", "shutter", "removed", "metal", "foreignItems", "other"}}},
			Do: func(v panel.Values) error { return s.InsertRejected(v["reason"]) }},
		arm(FaultJam, "Jam an item"), arm(FaultShutter, "Slot does not open"), arm(FaultPower, "Lose power while reading"), arm(FaultLight, "Light fails"),
		{Name: "break", Label: "Break a part", Kind: panel.Fault, Args: []panel.Arg{{Name: "part", Label: "Part", Choices: []string{"micr", "camera", "feeder"}, Default: "micr"}},
			Do: func(v panel.Values) error { return s.Break(v["part"]) }},
		{Name: "ink", Label: "Set the ink", Kind: panel.Fault, Args: []panel.Arg{{Name: "items", Label: "For items", Default: "0", Number: true}},
			Do: func(v panel.Values) error { s.SetInk(v.Int("items")); return nil }},
		{Name: "pocket", Label: "Pocket", Kind: panel.Fault, Args: []panel.Arg{
			{Name: "unit", Label: "Which", Choices: []string{Pocket1, Pocket2, Retract}, Default: Pocket1},
			{Name: "what", Label: "What", Choices: []string{"take out", "put back", "hide", "break"}, Default: "take out"}},
			Do: func(v panel.Values) error { return s.Pocket(v["unit"], v["what"]) }},
		do(panel.Repair, "repair", "All in order", func() error { s.Repair(); return nil }),
	}
}

// none is what the page calls Sound.
const none = "none"

// insertAct numbers the cheques of a bunch; the defect is the last one's.
func (s *Scanner) insertAct(v panel.Values) error {
	n := v.Int("count")
	if n < 1 || n > 100 {
		return ErrMany
	}
	bunch := make([]Cheque, n)
	for i := range bunch {
		bunch[i] = Cheque{Number: fmt.Sprintf("%06d", i+1), Payee: v["payee"], Amount: v["amount"], CodeLine: strings.TrimSpace(v["codeline"] + " " + strconv.Itoa(1000+i))}
	}
	if v["defect"] != none {
		bunch[n-1].Defect = v["defect"]
	}
	return s.Insert(bunch...)
}

// State is what the page shows.
type State struct {
	Power    bool                          `json:"power"`
	Jammed   bool                          `json:"jammed"`
	Waiting  bool                          `json:"waiting"`
	Single   bool                          `json:"single"`
	Mixed    bool                          `json:"mixed"`
	Modes    map[string]bool               `json:"modes"`
	Notes    int                           `json:"notes"` // banknotes taken
	Shutters map[string]check.ShutterState `json:"shutters"`
	Feeder   []ItemState                   `json:"feeder"`
	Held     *ItemState                    `json:"held,omitzero"`
	Stacker  []ItemState                   `json:"stacker"`
	Refused  []ItemState                   `json:"refused"`
	Slots    map[string][]ItemState        `json:"slots"` // presented, by position
	Stored   []ItemState                   `json:"stored"`
	Pockets  []bin.View                    `json:"pockets"`
	Ink      int                           `json:"ink"` // percent
	Parts    map[string]bool               `json:"parts"`
	Light    LightState                    `json:"light"`
	Deal     string                        `json:"deal"`
	Armed    []string                      `json:"armed"`
}

// ItemState is an item with the names of its pictures: front and back.
type ItemState struct {
	Cheque
	ID       int      `json:"id"`
	Place    string   `json:"place"`
	Pictures []string `json:"pictures"`
}

// LightState is the guide light.
type LightState struct {
	Rate  string `json:"rate"`
	Color string `json:"color"`
}

func states(items []*item) []ItemState {
	out := []ItemState{}
	for _, i := range items {
		out = append(out, ItemState{i.Cheque, i.id, i.place, i.pictures()})
	}
	return out
}

// State gives what the page shows.
func (s *Scanner) State() any {
	s.Lock()
	defer s.Unlock()
	out := State{Power: !s.off, Jammed: s.jammed, Waiting: s.waiting, Single: s.o.Single, Mixed: s.cash != nil,
		Modes: map[string]bool{"cash": is(s.modes.CashAccept), "check": is(s.modes.CheckAccept)}, Shutters: map[string]check.ShutterState{},
		Feeder: states(s.feeder), Stacker: states(s.stacker), Refused: states(s.refused), Slots: map[string][]ItemState{}, Stored: states(s.stored),
		Pockets: s.rack.View(), Ink: s.ink * 100 / maxInk, Parts: map[string]bool{"micr": s.micr, "camera": s.camera, "feeder": s.feed},
		Light: LightState{string(s.light.FlashRate), string(s.light.Color)}, Deal: string(s.deal.state), Armed: s.faults.Armed()}
	for _, p := range positions {
		out.Shutters[string(p)], out.Slots[string(p)] = s.shutter[p], states(s.at[p])
	}
	if s.held != nil {
		out.Held = &states([]*item{s.held})[0]
	}
	if s.cash != nil {
		out.Notes = s.cash.Notes()
	}
	return out
}

// Picture gives a side of an item by the name that State has for it.
func (s *Scanner) Picture(name string) ([]byte, error) {
	s.Lock()
	defer s.Unlock()
	lists := [][]*item{s.feeder, s.stacker, s.refused, s.stored, s.waitingItems()}
	if s.held != nil {
		lists = append(lists, []*item{s.held})
	}
	for _, list := range lists {
		for _, i := range list {
			switch names := i.pictures(); {
			case len(names) == 0:
			case names[0] == name:
				return i.front.PNG()
			case names[1] == name:
				return i.back.PNG()
			}
		}
	}
	return nil, chassis.ErrNoPicture
}
