package card

import (
	"errors"
	"fmt"

	"github.com/plomb-pos/plomb/driver/sim/bin"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/xfs4iot/cardreader"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

// Errors of hands.
var (
	ErrNoCard   = errors.New("that card is not in your hand")
	ErrClosed   = errors.New("the slot is closed: no client waits for a card")
	ErrOccupied = errors.New("there is a card in the reader")
	ErrHeld     = errors.New("the reader holds the card")
)

// Insert puts a card of the wallet in, the right way round. The slot of a motorized
// reader is open only while a client waits.
func (r *Reader) Insert(name string) error { return r.insert(name, false) }

// InsertWrong puts it in the wrong way round: the reader finds no stripe and no
// chip, tells its client with InvalidMediaEvent and gives it back at once.
func (r *Reader) InsertWrong(name string) error { return r.insert(name, true) }

func (r *Reader) insert(name string, wrong bool) error {
	r.Lock()
	defer r.Unlock()
	h := r.find(name)
	switch {
	case h == nil || h.at != inHand:
		return fmt.Errorf("%.40q: %w", name, ErrNoCard)
	case r.in != nil:
		return ErrOccupied
	case r.off || !r.dip && !r.waiting:
		return ErrClosed
	}
	if wrong {
		r.wrongWay = true
	} else {
		r.in, h.at, r.exchanged = h, inTransport, 0
	}
	r.changed()
	return nil
}

// Take takes the card that the reader gives back; out of a dip reader, at any time.
func (r *Reader) Take() error {
	r.Lock()
	defer r.Unlock()
	switch {
	case r.in == nil:
		return chassis.ErrNothing
	case r.in.at != atExit && !r.dip:
		return ErrHeld
	}
	r.release()
	return nil
}

// Pull tears the card out of the reader, whatever it does with it at the moment.
func (r *Reader) Pull() error {
	r.Lock()
	defer r.Unlock()
	if r.in == nil || r.in.at == stuck {
		return chassis.ErrNothing
	}
	r.release()
	return nil
}

// release gives the card to the hand; the lock is held.
func (r *Reader) release() {
	r.in.at = inHand
	r.in, r.powered = nil, false
	r.Say(&cardreader.MediaRemovedEvent{})
	r.changed()
}

// NotTaken is what a reader does by itself with a card that nobody takes after power
// came back: it retains it (CardActionEvent).
func (r *Reader) NotTaken() error {
	r.Lock()
	defer r.Unlock()
	if r.in == nil || r.in.at != atExit || r.off {
		return chassis.ErrNothing
	}
	if err := r.retain(); err != nil {
		return err
	}
	r.Say(&cardreader.CardActionEvent{From: "exit", To: RetainBin})
	return nil
}

// retain drops the card into the bin, counts it durably and tells; the lock is held.
func (r *Reader) retain() error {
	if r.rack.Exchanging() {
		return bin.ErrExchange
	}
	if err := r.rack.Retract(RetainBin, 1); err != nil {
		return err
	}
	r.in.at = inBin
	r.in, r.powered = nil, false
	bin.Tell(r.rack, RetainBin, r.Say)
	r.changed()
	return nil
}

// The faults that are armed for a later movement or exchange.
const (
	FaultJam    = "jam"    // a movement stops; CardReader.Reset clears it
	FaultStuck  = "stuck"  // a movement stops until a person clears it
	FaultPulled = "pulled" // the card is torn out in an exchange; it has done what it was told
)

// Arm makes a fault strike after so many movements or exchanges without it.
func (r *Reader) Arm(fault string, after int) {
	r.Lock()
	defer r.Unlock()
	r.faults.Arm(fault, after)
	r.changed()
}

// Unreadable makes a track unreadable, 4 for all, 0 for none.
func (r *Reader) Unreadable(track int) { r.set(func() { r.unread = track }) }

// ShutterStuck makes the slot stay as it is.
func (r *Reader) ShutterStuck() { r.set(func() { r.shutter = true }) }

// ChipModuleBroken breaks the contacts to the chip.
func (r *Reader) ChipModuleBroken() { r.set(func() { r.mute, r.powered = true, false }) }

// WriterBroken breaks the writing head.
func (r *Reader) WriterBroken() { r.set(func() { r.noWrite = true }) }

func (r *Reader) set(change func()) {
	r.Lock()
	defer r.Unlock()
	change()
	r.changed()
}

// Clear takes a card that is stuck or jammed out of the reader.
func (r *Reader) Clear() error {
	r.Lock()
	defer r.Unlock()
	if r.in == nil || r.in.at != stuck && r.in.at != jammed {
		return chassis.ErrNothing
	}
	r.release()
	return nil
}

// Mend repairs what is broken and disarms what is armed; cards stay where they are.
func (r *Reader) Mend() {
	r.set(func() {
		r.faults.Mend()
		r.shutter, r.mute, r.noWrite, r.unread = false, false, false, 0
	})
}

// PowerOff cuts the power. A card stays where it is; commands end.
func (r *Reader) PowerOff() {
	r.set(func() { r.off, r.powered, r.kernel.configured, r.kernel.pending = true, false, false, nil })
}

// PowerOn brings it back; a motorized reader then gives a card that it holds back
// (CardActionEvent).
func (r *Reader) PowerOn() {
	r.Lock()
	defer r.Unlock()
	if !r.off {
		return
	}
	r.off = false
	if r.in != nil && r.in.at == inTransport && !r.dip {
		r.in.at = atExit
		r.Say(&cardreader.CardActionEvent{From: "transport", To: "exit"})
	}
	r.changed()
}

// TakeBin takes the retain bin out, PutBin brings it back.
func (r *Reader) TakeBin() error { return r.bin(r.rack.TakeOut) }

// PutBin puts the retain bin in its place.
func (r *Reader) PutBin() error { return r.bin(r.rack.PutBack) }

// FillBin fills the retain bin with cards of strangers.
func (r *Reader) FillBin() error {
	return r.bin(func(unit string) error {
		for {
			if err := r.rack.Retract(unit, 1); errors.Is(err, bin.ErrFull) {
				return nil
			} else if err != nil {
				return err
			}
		}
	})
}

// EmptyBin empties the retain bin; the cards come back to the hand.
func (r *Reader) EmptyBin() error {
	return r.bin(func(unit string) error {
		if err := r.rack.Empty(unit); err != nil {
			return err
		}
		for _, h := range r.cards {
			if h.at == inBin {
				h.at = inHand
			}
		}
		return nil
	})
}

func (r *Reader) bin(do func(string) error) error {
	r.Lock()
	defer r.Unlock()
	if err := do(RetainBin); err != nil {
		return err
	}
	r.Say(&storage.StorageChangedEvent{Extra: r.rack.Of(RetainBin)})
	bin.Tell(r.rack, RetainBin, r.Say)
	r.changed()
	return nil
}

// State is what the page shows.
type State struct {
	Type      string     `json:"type"`
	Power     bool       `json:"power"`
	Waiting   bool       `json:"waiting"` // a client waits for a card
	Tapping   bool       `json:"tapping"` // a client waits for a card at the antenna
	Message   string     `json:"message"` // of the contactless kernel
	Antenna   bool       `json:"antenna"` // it has one
	Shutter   bool       `json:"shutterStuck"`
	Card      string     `json:"card"`  // in the reader; "" for none
	Place     string     `json:"place"` // exit, transport, jammed, stuck
	ChipPower string     `json:"chipPower"`
	Cards     []CardView `json:"cards"`
	Bin       bin.View   `json:"bin"`
	Armed     []string   `json:"armed"`
	Broken    []string   `json:"broken"`
}

// CardView is a card as the page shows it.
type CardView struct {
	Name        string `json:"name"`
	Number      string `json:"number"` // masked
	Holder      string `json:"holder"`
	Color       string `json:"color"`
	Stripe      bool   `json:"stripe"`
	Chip        bool   `json:"chip"`
	Contactless bool   `json:"contactless"`
	Place       string `json:"place"` // hand, exit, transport, jammed, stuck, bin
}

// State is a State.
func (r *Reader) State() any {
	r.Lock()
	defer r.Unlock()
	s := State{Type: "motor", Power: !r.off, Waiting: r.waiting, Tapping: r.kernel.waiting, Message: r.kernel.message, Antenna: r.contactless,
		Shutter: r.shutter, ChipPower: string(r.chip()), Bin: r.rack.View()[0], Armed: r.faults.Armed(), Broken: r.broken(), Cards: []CardView{}}
	if r.dip {
		s.Type = "dip"
	}
	if r.in != nil {
		s.Card, s.Place = r.in.Name, string(r.in.at)
	}
	for _, h := range r.cards {
		s.Cards = append(s.Cards, CardView{h.Name, masked(h.Number), h.Holder, h.Color, h.Stripe, h.Chip != nil, h.Contactless != nil, string(h.at)})
	}
	return s
}

func (r *Reader) broken() []string {
	out := []string{}
	for _, part := range []struct {
		name string
		bad  bool
	}{{"slot", r.shutter}, {"chip contacts", r.mute}, {"writing head", r.noWrite}, {"stripe", r.unread > 0}} {
		if part.bad {
			out = append(out, part.name)
		}
	}
	return out
}

// names of the cards in hand.
func (r *Reader) inHand() []string {
	out := []string{}
	for _, h := range r.cards {
		if h.at == inHand {
			out = append(out, h.Name)
		}
	}
	return out
}

// Acts lists what can be done now.
func (r *Reader) Acts() []panel.Act {
	r.Lock()
	defer r.Unlock()
	acts := r.hands()
	acts = append(acts, r.breakages()...)
	return append(acts, r.repairs()...)
}

func (r *Reader) hands() []panel.Act {
	var acts []panel.Act
	hand := r.inHand()
	if len(hand) > 0 {
		which := []panel.Arg{{Name: "card", Label: "Card", Default: hand[0], Choices: hand}}
		acts = append(acts,
			panel.Act{Name: "insert", Label: "Insert a card", Kind: panel.Hand, Args: which, Do: func(v panel.Values) error { return r.Insert(v["card"]) }},
			panel.Act{Name: "insert-wrong", Label: "Insert it the wrong way", Kind: panel.Hand, Args: which, Do: func(v panel.Values) error { return r.InsertWrong(v["card"]) }})
		if r.contactless {
			outcome := panel.Arg{Name: "outcome", Label: "Outcome", Default: string(Automatic), Choices: outcomes}
			acts = append(acts, panel.Act{Name: "tap", Label: "Tap a card", Kind: panel.Hand, Args: append(which, outcome),
				Do: func(v panel.Values) error { return r.Tap(v["card"], Outcome(v["outcome"])) }})
		}
	}
	if r.in != nil {
		acts = append(acts, panel.Act{Name: "take", Label: "Take the card", Kind: panel.Hand, Do: none(r.Take)})
		if r.in.at == atExit {
			acts = append(acts, panel.Act{Name: "not-taken", Label: "Nobody takes it", Kind: panel.Hand, Do: none(r.NotTaken)})
		}
	}
	return acts
}

func none(do func() error) func(panel.Values) error { return func(panel.Values) error { return do() } }

func always(do func()) func(panel.Values) error {
	return func(panel.Values) error { do(); return nil }
}

func (r *Reader) arm(fault string) func(panel.Values) error {
	return func(v panel.Values) error { r.Arm(fault, v.Int("after")); return nil }
}

func (r *Reader) breakages() []panel.Act {
	tracks := map[string]int{"track 1": 1, "track 2": 2, "track 3": 3, "all tracks": 4}
	acts := []panel.Act{
		{Name: "pull", Label: "Tear the card out", Kind: panel.Fault, Do: none(r.Pull)},
		{Name: FaultPulled, Label: "Tear it out in an exchange", Kind: panel.Fault, Args: chassis.After("after exchanges"), Do: r.arm(FaultPulled)},
		{Name: "unreadable", Label: "Scratch the stripe", Kind: panel.Fault,
			Args: []panel.Arg{{Name: "track", Label: "Track", Default: "track 2", Choices: []string{"track 1", "track 2", "track 3", "all tracks"}}},
			Do:   func(v panel.Values) error { r.Unreadable(tracks[v["track"]]); return nil }},
		{Name: "chip-broken", Label: "Break the chip contacts", Kind: panel.Fault, Do: always(r.ChipModuleBroken)},
	}
	if !r.dip {
		acts = append(acts,
			panel.Act{Name: FaultJam, Label: "Jam the card", Kind: panel.Fault, Args: chassis.After("after movements"), Do: r.arm(FaultJam)},
			panel.Act{Name: FaultStuck, Label: "Wedge the card", Kind: panel.Fault, Args: chassis.After("after movements"), Do: r.arm(FaultStuck)},
			panel.Act{Name: "shutter", Label: "Block the slot", Kind: panel.Fault, Do: always(r.ShutterStuck)},
			panel.Act{Name: "writer-broken", Label: "Break the writing head", Kind: panel.Fault, Do: always(r.WriterBroken)},
			panel.Act{Name: "bin-full", Label: "Fill the retain bin", Kind: panel.Fault, Do: none(r.FillBin)},
			panel.Act{Name: "bin-out", Label: "Take the retain bin out", Kind: panel.Fault, Do: none(r.TakeBin)})
	}
	return append(acts, panel.Act{Name: "power-off", Label: "Cut the power", Kind: panel.Fault, Do: always(r.PowerOff)})
}

func (r *Reader) repairs() []panel.Act {
	acts := []panel.Act{{Name: "mend", Label: "Repair all", Kind: panel.Repair, Do: always(r.Mend)}}
	if r.in != nil && (r.in.at == stuck || r.in.at == jammed) {
		acts = append(acts, panel.Act{Name: "clear", Label: "Clear the transport", Kind: panel.Repair, Do: none(r.Clear)})
	}
	if r.off {
		acts = append(acts, panel.Act{Name: "power-on", Label: "Bring the power back", Kind: panel.Repair, Do: always(r.PowerOn)})
	}
	if !r.dip {
		acts = append(acts,
			panel.Act{Name: "bin-in", Label: "Put the retain bin in", Kind: panel.Repair, Do: none(r.PutBin)},
			panel.Act{Name: "bin-empty", Label: "Empty the retain bin", Kind: panel.Repair, Do: none(r.EmptyBin)})
	}
	return acts
}
