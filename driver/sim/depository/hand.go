package depository

import (
	"errors"
	"fmt"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/xfs4iot/deposit"
)

// Errors of hands.
var (
	ErrClosed = errors.New("the slot is closed")
	ErrInUse  = errors.New("there is an envelope already")
)

// Insert puts an envelope into the open slot. thickness is in mm.
func (d *Depository) Insert(label string, thickness int) error {
	d.Lock()
	defer d.Unlock()
	switch {
	case d.shutter != shutterOpen || !d.waiting:
		return ErrClosed
	case d.slot != slotEmpty:
		return ErrInUse
	case len(label) > 200:
		return fmt.Errorf("a label has at most 200 bytes")
	}
	d.slot, d.envelope = slotEntered, &Envelope{Label: label, Thickness: thickness}
	d.changed()
	return nil
}

// Take takes the envelope that is offered.
func (d *Depository) Take() error {
	d.Lock()
	defer d.Unlock()
	if d.slot != slotOffered {
		return chassis.ErrNothing
	}
	d.slot, d.envelope = slotEmpty, nil
	d.shut()
	d.Say(&deposit.EnvTakenEvent{})
	d.changed()
	return nil
}

// shut closes the slot unless it sticks.
func (d *Depository) shut() bool {
	if d.shutter == shutterOpen && d.faults.Strike(FaultNotClosing) {
		d.shutter = shutterStuck
	}
	if d.shutter != shutterStuck {
		d.shutter = shutterClosed
	}
	return d.shutter == shutterClosed
}

// The faults that are armed for a later movement.
const (
	FaultJam        = "jam"         // the next envelope sticks in the transport
	FaultNotOpening = "not-opening" // the slot does not open
	FaultNotClosing = "not-closing" // the slot does not close
	FaultPower      = "power"       // power is lost with the envelope in the transport
)

// Arm makes a fault strike after so many movements at which it does not.
func (d *Depository) Arm(fault string, after int) {
	d.Lock()
	defer d.Unlock()
	d.faults.Arm(fault, after)
	d.changed()
}

// Repair frees the transport and the slot, mends the printer, brings power back and
// disarms what was armed. What was jammed stays in the transport until a Reset.
func (d *Depository) Repair() {
	d.Lock()
	defer d.Unlock()
	d.faults.Mend()
	d.off, d.printer = false, true
	if d.slot == slotJammed {
		d.slot = slotEntered
	}
	if d.shutter == shutterStuck {
		d.shutter = shutterClosed
	}
	d.changed()
}

// SetSupply puts so many empty envelopes and so much toner into the device.
func (d *Depository) SetSupply(envelopes, toner int) {
	d.Lock()
	defer d.Unlock()
	d.supply, d.toner = min(max(envelopes, 0), 1000), min(max(toner, 0), maxToner)
	d.changed()
}

// BreakPrinter makes the printer fail until Repair.
func (d *Depository) BreakPrinter() {
	d.Lock()
	defer d.Unlock()
	d.printer = false
	d.changed()
}

// TakeContainer takes the container out; PutContainer puts an emptied one in.
func (d *Depository) TakeContainer() error {
	d.Lock()
	defer d.Unlock()
	defer d.changed()
	return d.rack.TakeOut(Container)
}

// PutContainer puts the container back, emptied.
func (d *Depository) PutContainer() error {
	d.Lock()
	defer d.Unlock()
	defer d.changed()
	d.deposited = nil
	return errors.Join(d.rack.Empty(Container), d.rack.PutBack(Container))
}

// Acts lists what can be done to it.
func (d *Depository) Acts() []panel.Act {
	arm := func(fault, label string) panel.Act {
		return panel.Act{Name: fault, Label: label, Kind: panel.Fault, Args: chassis.After("after how many movements"),
			Do: func(v panel.Values) error { d.Arm(fault, v.Int("after")); return nil }}
	}
	return []panel.Act{
		{Name: "insert", Label: "Insert an envelope", Kind: panel.Hand, Args: []panel.Arg{
			{Name: "label", Label: "Written on it", Default: "Takings"}, {Name: "thickness", Label: "Thickness in mm", Default: "4", Number: true}},
			Do: func(v panel.Values) error { return d.Insert(v["label"], v.Int("thickness")) }},
		{Name: "take", Label: "Take the envelope", Kind: panel.Hand, Do: func(panel.Values) error { return d.Take() }},
		arm(FaultJam, "Jam an envelope"), arm(FaultNotOpening, "Slot does not open"), arm(FaultNotClosing, "Slot does not close"),
		arm(FaultPower, "Lose power with an envelope inside"),
		{Name: "break-printer", Label: "Break the printer", Kind: panel.Fault, Do: func(panel.Values) error { d.BreakPrinter(); return nil }},
		{Name: "use-up", Label: "Set the supplies", Kind: panel.Fault, Args: []panel.Arg{
			{Name: "envelopes", Label: "Envelopes", Default: "0", Number: true}, {Name: "toner", Label: "Toner for envelopes", Default: "0", Number: true}},
			Do: func(v panel.Values) error { d.SetSupply(v.Int("envelopes"), v.Int("toner")); return nil }},
		{Name: "take-container", Label: "Take the container out", Kind: panel.Fault, Do: func(panel.Values) error { return d.TakeContainer() }},
		{Name: "put-container", Label: "Put an empty container in", Kind: panel.Repair, Do: func(panel.Values) error { return d.PutContainer() }},
		{Name: "refill", Label: "Refill envelopes and toner", Kind: panel.Repair, Do: func(panel.Values) error { d.SetSupply(d.full, maxToner); return nil }},
		{Name: "repair", Label: "Clear jams, bring power back", Kind: panel.Repair, Do: func(panel.Values) error { d.Repair(); return nil }},
	}
}
