package documentprinter

import (
	"errors"
	"fmt"
	"slices"

	"github.com/plomb-pos/plomb/driver/forms"
	"github.com/plomb-pos/plomb/driver/sim/bin"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

// The faults that are armed for the next time that they can strike.
const (
	FaultPaperJam  = "paper-jam"  // a sheet sticks on its way from the tray
	FaultJam       = "jam"        // the medium sticks on its next way
	FaultSkew      = "skew"       // it lies askew under the print head
	FaultShutter   = "shutter"    // the slot does not open
	FaultTurn      = "turn"       // a page or the medium is not turned
	FaultBlackMark = "black-mark" // the black mark is not found, in that mode
	FaultFlush     = "flush"      // the last lines are not printed
	FaultPower     = "power"      // power is lost after printing, before presenting
)

// Arm makes a fault strike after so many chances at which it does not.
func (p *Printer) Arm(fault string, after int) {
	p.Lock()
	defer p.Unlock()
	p.faults.Arm(fault, after)
	p.changed()
}

// What customers put into the slot.
const (
	Passbook = "passbook"
	Sheet    = "sheet"
)

// unfit are media that the slot gives back, and why.
var unfit = map[string]string{"short sheet": "short", "long sheet": "long", "two sheets": "multiple", "crooked sheet": "align", "cardboard": "thick"}

// Kinds lists what can be inserted.
func Kinds() []string {
	return []string{Passbook, Sheet, "short sheet", "long sheet", "two sheets", "crooked sheet", "cardboard"}
}

// ErrOccupied says that there is something in the device already.
var ErrOccupied = errors.New("there is a medium in the printer")

// Insert puts a medium into the slot: one of Kinds, with text already on it. A
// passbook opens at page, from 1.
func (p *Printer) Insert(kind, text string, page int) error {
	p.Lock()
	defer p.Unlock()
	switch {
	case p.off || p.cover:
		return errors.New("the slot is closed")
	case p.medium != nil:
		return ErrOccupied
	case !slices.Contains(Kinds(), kind):
		return fmt.Errorf("%q cannot be inserted", kind)
	}
	defer p.changed()
	if reason := unfit[kind]; reason != "" {
		if p.waiting {
			p.rejected = reason
		}
		return nil
	}
	m := p.brought(kind, page)
	if text != "" {
		if err := m.typed(text, forms.Text); err != nil {
			return err
		}
	}
	p.medium, p.at, p.retracted = m, inside, false
	if p.faults.Strike(FaultJam) {
		p.at = jammed
	}
	if !p.waiting {
		p.Say(&printer.MediaInsertedUnsolicitedEvent{})
	}
	return nil
}

// brought makes what a customer holds in the hand.
func (p *Printer) brought(kind string, page int) *medium {
	name := map[string]string{Passbook: "PASSBOOK", Sheet: "A5"}[kind]
	def := &forms.Media{MediaType: "generic", Unit: forms.Unit{Base: forms.MM, X: 1, Y: 1}, Size: forms.Size{Width: 148, Height: 210}, Page: 1}
	if kind == Passbook {
		def.MediaType, def.Size, def.Page = "passbook", forms.Size{Width: 150, Height: 100}, 8
	}
	m := p.fresh(name, def, 1)
	m.foreign = true
	m.open = min(max(page-1, 0), len(m.leaves)-1)
	return m
}

// Take takes what is presented.
func (p *Printer) Take() error {
	p.Lock()
	defer p.Unlock()
	if p.at != presented {
		return chassis.ErrNothing
	}
	p.forget()
	p.Say(&printer.MediaTakenEvent{})
	p.changed()
	return nil
}

// RetractPeriodOver says that the time for taking the medium has passed: the printer
// takes it back by itself.
func (p *Printer) RetractPeriodOver() error {
	p.Lock()
	defer p.Unlock()
	if p.at != presented || p.off {
		return chassis.ErrNothing
	}
	defer p.changed()
	result, err := p.retract(Bin)
	switch {
	case p.at == jammed:
		result = "jammed"
	case err != nil: // the bin is full
		p.at, result = inside, "transport"
	}
	p.Say(&printer.MediaAutoRetractedEvent{Result: result})
	return nil
}

// SetSupplies puts so much into the trays and cartridges; a negative number leaves
// one as it is.
func (p *Printer) SetSupplies(upper, lower, toner, ink int) {
	p.Lock()
	defer p.Unlock()
	set := func(v *int, n, most int) {
		if n >= 0 {
			*v = min(n, most)
		}
	}
	up, low := p.trays[Upper], p.trays[Lower]
	set(&up, upper, 10_000)
	set(&low, lower, 10_000)
	p.trays[Upper], p.trays[Lower] = up, low
	set(&p.toner, toner, maxToner)
	set(&p.ink, ink, maxInk)
	p.changed()
}

// SetLamp sets the scanner's lamp: ok, fading or inop.
func (p *Printer) SetLamp(state string) error {
	p.Lock()
	defer p.Unlock()
	lamp := printer.StatusLamp(state)
	if err := lamp.Validate(); err != nil {
		return err
	}
	p.lamp = lamp
	p.changed()
	return nil
}

// SetCover opens or closes the cover.
func (p *Printer) SetCover(open bool) {
	p.Lock()
	defer p.Unlock()
	p.cover = open
	p.changed()
}

// Repair frees the transport, closes the cover, lights the lamp, brings power back
// and disarms what was armed. A printer that lost power over a medium presents it.
func (p *Printer) Repair() {
	p.Lock()
	defer p.Unlock()
	p.faults.Mend()
	wasOff := p.off
	p.off, p.cover, p.lamp = false, false, printer.StatusLampOk
	if p.at == jammed {
		p.at = inside
	}
	if wasOff && p.at == inside && !p.medium.foreign {
		p.at = presented
		p.Say(&printer.MediaPresentedUnsolicitedEvent{WadIndex: new(1), TotalWads: new(1)})
	}
	p.changed()
}

// TakeBin takes the retract bin out.
func (p *Printer) TakeBin() error {
	p.Lock()
	defer p.Unlock()
	defer p.changed()
	p.Say(&printer.RetractBinStatusEvent{BinNumber: new(1), State: printer.RetractBinStatusEventStateRemoved})
	return p.rack.TakeOut(Bin)
}

// PutBin puts it back, emptied.
func (p *Printer) PutBin() error {
	p.Lock()
	defer p.Unlock()
	defer p.changed()
	p.Say(&printer.RetractBinStatusEvent{BinNumber: new(1), State: printer.RetractBinStatusEventStateInserted})
	return errors.Join(p.rack.Empty(Bin), p.rack.PutBack(Bin))
}

// Acts lists what can be done to it.
func (p *Printer) Acts() []panel.Act {
	arm := func(fault, label string) panel.Act {
		return panel.Act{Name: fault, Label: label, Kind: panel.Fault, Args: chassis.After("after how many times"),
			Do: func(v panel.Values) error { p.Arm(fault, v.Int("after")); return nil }}
	}
	do := func(kind panel.Kind, name, label string, f func() error) panel.Act {
		return panel.Act{Name: name, Label: label, Kind: kind, Do: func(panel.Values) error { return f() }}
	}
	return []panel.Act{
		do(panel.Hand, "take", "Take the paper", p.Take),
		{Name: "insert", Label: "Insert", Kind: panel.Hand, Args: []panel.Arg{
			{Name: "kind", Label: "What", Choices: Kinds(), Default: Passbook}, {Name: "text", Label: "Text on it"},
			{Name: "page", Label: "Page", Default: "1", Number: true}},
			Do: func(v panel.Values) error { return p.Insert(v["kind"], v["text"], v.Int("page")) }},
		do(panel.Hand, "leave", "Leave it until it is retracted", p.RetractPeriodOver),
		arm(FaultPaperJam, "Jam a sheet from the tray"), arm(FaultJam, "Jam the medium"), arm(FaultSkew, "Medium lies askew"),
		arm(FaultShutter, "Slot does not open"), arm(FaultTurn, "Page is not turned"), arm(FaultBlackMark, "Black mark not found"),
		arm(FaultFlush, "Last lines not printed"), arm(FaultPower, "Lose power after printing"),
		{Name: "supplies", Label: "Set supplies", Kind: panel.Fault, Args: []panel.Arg{
			{Name: "upper", Label: "A4", Default: "5", Number: true}, {Name: "lower", Label: "A5", Default: "5", Number: true},
			{Name: "toner", Label: "Toner", Default: "5", Number: true}, {Name: "ink", Label: "Ink", Default: "5", Number: true}},
			Do: func(v panel.Values) error {
				p.SetSupplies(v.Int("upper"), v.Int("lower"), v.Int("toner"), v.Int("ink"))
				return nil
			}},
		{Name: "lamp", Label: "Scanner lamp", Kind: panel.Fault, Args: []panel.Arg{{Name: "state", Label: "State", Choices: []string{"fading", "inop", "ok"}, Default: "inop"}},
			Do: func(v panel.Values) error { return p.SetLamp(v["state"]) }},
		do(panel.Fault, "cover", "Open the cover", func() error { p.SetCover(true); return nil }),
		do(panel.Fault, "take-bin", "Take the retract bin out", p.TakeBin),
		do(panel.Repair, "put-bin", "Put an empty retract bin in", p.PutBin),
		do(panel.Repair, "refill", "Fill all supplies", func() error { p.SetSupplies(p.full, p.full, maxToner, maxInk); return nil }),
		do(panel.Repair, "repair", "All in order", func() error { p.Repair(); return nil }),
	}
}

// State is what the page shows.
type State struct {
	Power   bool           `json:"power"`
	Cover   bool           `json:"cover"` // open
	At      string         `json:"at"`    // nowhere, inside, presented, jammed
	Waiting bool           `json:"waiting"`
	Prompt  string         `json:"prompt"`
	Medium  *MediumState   `json:"medium,omitzero"`
	Stacker int            `json:"stacker"`
	Trays   map[string]int `json:"trays"`
	Full    int            `json:"full"`
	Toner   int            `json:"toner"` // percent
	Ink     int            `json:"ink"`
	Lamp    string         `json:"lamp"`
	Bin     bin.View       `json:"bin"`
	Taken   []MediumState  `json:"taken"` // the last documents that were taken
	Armed   []string       `json:"armed"`
	Forms   int            `json:"forms"`
	Medias  int            `json:"medias"`
}

// MediumState is a medium with the names of its pictures.
type MediumState struct {
	Name     string   `json:"name"`
	Book     bool     `json:"book"`
	Open     int      `json:"open"` // page of a passbook, from 1
	Pages    int      `json:"pages"`
	Closed   bool     `json:"closed"`
	Pictures []string `json:"pictures"`
	Text     []string `json:"text"`
}

// State gives what the page shows.
func (p *Printer) State() any {
	p.Lock()
	defer p.Unlock()
	out := State{Power: !p.off, Cover: p.cover, At: string(p.at), Waiting: p.waiting, Prompt: p.prompt, Stacker: len(p.stack),
		Trays: map[string]int{Upper: p.trays[Upper], Lower: p.trays[Lower]}, Full: p.full, Toner: p.toner * 100 / maxToner, Ink: p.ink * 100 / maxInk,
		Lamp: string(p.lamp), Bin: p.rack.View()[0], Taken: []MediumState{}, Armed: p.faults.Armed(), Forms: len(p.defs.Forms), Medias: len(p.defs.Media)}
	if m := p.medium; m != nil {
		out.Medium = &MediumState{m.name, m.book, m.open + 1, len(m.leaves), m.closed, m.pictures(), m.text()}
	}
	for _, d := range p.taken {
		out.Taken = append(out.Taken, MediumState{Name: d.name, Pages: len(d.names), Pictures: d.names, Text: d.text})
	}
	return out
}

// Picture gives a page by the name that State has for it.
func (p *Printer) Picture(name string) ([]byte, error) {
	p.Lock()
	defer p.Unlock()
	if p.medium != nil {
		if page := p.medium.picture(name); page != nil {
			return page.PNG()
		}
	}
	for _, d := range p.taken {
		if data := d.data[name]; data != nil {
			return data, nil
		}
	}
	return nil, chassis.ErrNoPicture
}
