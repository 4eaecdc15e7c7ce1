package cash

import (
	"maps"

	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

func (d *Device) doPresent(_ job, req *cashdispenser.PresentCommand) (*cashdispenser.PresentCompletion, error) {
	switch {
	case !position(req.Position):
		return nil, host.Fail(cashdispenser.PresentErrorCodeUnsupportedPosition, "there is one slot, at the front")
	case d.keep.Exchange:
		return nil, host.Fail(cashdispenser.PresentErrorCodeExchangeActive, "the cassettes are being exchanged")
	case d.keep.CashIn.Active:
		return nil, chassis.Sequence("a cash-in is open")
	case len(d.pile(vault.Stacker)) == 0:
		return nil, host.Fail(cashdispenser.PresentErrorCodeNoItems, "there are no notes on the stacker")
	case d.jammed:
		return nil, host.Fail(cashdispenser.PresentErrorCodePresentErrorNoItems, "the transport is blocked: no notes were presented")
	case d.o.ExplicitShutter && d.shutter != shutterOpen:
		return nil, host.Fail(cashdispenser.PresentErrorCodeShutterNotOpen, "the shutter is to be opened first")
	}
	if !d.open() {
		return nil, host.Fail(cashdispenser.PresentErrorCodeShutterNotOpen, "the shutter does not open")
	}
	if d.faults.Strike(FaultJam) {
		return nil, d.jamStacker()
	}
	if err := d.hand(); err != nil {
		return nil, err
	}
	return &cashdispenser.PresentCompletion{Position: &cashmanagement.PositionInfoNullable{Position: cashmanagement.PositionOutDefault, AdditionalBunches: "0"}}, nil
}

// jamStacker lets the notes stick on their way from the stacker to the slot.
func (d *Device) jamStacker() error {
	d.jammed = true
	if err := d.change(func(s *state, _ *memory) error { return s.Shift(vault.Stacker, vault.Transport) }); err != nil {
		return fault(err.Error())
	}
	d.shut()
	return host.Fail(cashdispenser.PresentErrorCodePresentErrorNoItems, "the notes are stuck in the transport")
}

// hand brings the stacker's notes within the customer's reach.
func (d *Device) hand() error {
	err := d.change(func(s *state, m *memory) error {
		m.Dispense.Present = cashdispenser.GetPresentStatusCompletionPresentStatePresented
		m.Dispense.Presented = d.worth(m.Dispense.Values)
		m.count(m.Dispense.Teller, nil, m.Dispense.Presented)
		m.move(at(string(vault.Output)))
		return s.Shift(vault.Stacker, vault.Output)
	})
	if err != nil {
		return fault(err.Error())
	}
	d.Say(&cashmanagement.ItemsPresentedEvent{Position: cashmanagement.PositionOutDefault, AdditionalBunches: "0"})
	return nil
}

func (d *Device) presentStatus(_ job, req *cashdispenser.GetPresentStatusCommand) (*cashdispenser.GetPresentStatusCompletion, error) {
	if !position(req.Position) {
		return nil, host.Fail(cashdispenser.GetPresentStatusErrorCodeUnsupportedPosition, "there is one slot, at the front")
	}
	last := d.keep.Dispense
	out := &cashdispenser.GetPresentStatusCompletion{PresentState: last.Present, Denomination: d.denomination(maps.Clone(last.Values))}
	if out.PresentState == "" {
		out.PresentState = cashdispenser.GetPresentStatusCompletionPresentStateNotPresented
	}
	if req.Nonce == "" {
		return out, nil
	}
	text, err := d.statement(req.Nonce)
	out.Token = text
	return out, err
}

// open opens the shutter; false when it does not move.
func (d *Device) open() bool {
	if d.faults.Strike(FaultShutter) {
		d.turn(shutterStuck)
	}
	if d.shutter == shutterStuck {
		return false
	}
	d.turn(shutterOpen)
	return true
}

// shut closes the shutter; false when it does not move.
func (d *Device) shut() bool {
	if d.shutter == shutterStuck {
		return false
	}
	d.turn(shutterClosed)
	return true
}

func (d *Device) turn(to shutter) {
	if d.shutter == to {
		return
	}
	d.shutter = to
	d.Say(&cashmanagement.ShutterStatusChangedEvent{Position: cashmanagement.PositionOutDefault, Shutter: cashmanagement.Shutter(to)})
}

func (d *Device) openShutter(_ job, req *cashmanagement.OpenShutterCommand) (*cashmanagement.OpenShutterCompletion, error) {
	switch {
	case !position(req.Position):
		return nil, host.Fail(cashmanagement.OpenShutterErrorCodeUnsupportedPosition, "there is one slot, at the front")
	case d.keep.Exchange:
		return nil, host.Fail(cashmanagement.OpenShutterErrorCodeExchangeActive, "the cassettes are being exchanged")
	case d.shutter == shutterOpen:
		return nil, host.Fail(cashmanagement.OpenShutterErrorCodeShutterOpen, "the shutter is open already")
	case !d.open():
		return nil, host.Fail(cashmanagement.OpenShutterErrorCodeShutterNotOpen, "the shutter does not open")
	}
	return nil, nil
}

func (d *Device) closeShutter(_ job, req *cashmanagement.CloseShutterCommand) (*cashmanagement.CloseShutterCompletion, error) {
	switch {
	case !position(req.Position):
		return nil, host.Fail(cashmanagement.CloseShutterErrorCodeUnsupportedPosition, "there is one slot, at the front")
	case d.keep.Exchange:
		return nil, host.Fail(cashmanagement.CloseShutterErrorCodeExchangeActive, "the cassettes are being exchanged")
	case d.shutter == shutterClosed:
		return nil, host.Fail(cashmanagement.CloseShutterErrorCodeShutterClosed, "the shutter is closed already")
	case d.foreign:
		return nil, host.Fail(cashmanagement.CloseShutterErrorCodeForeignItemsDetected, "something that is no note lies in the slot")
	case d.pile(vault.Output).Count()+d.pile(vault.Input).Count() > d.o.Stacker:
		return nil, host.Fail(cashmanagement.CloseShutterErrorCodeTooManyItems, "the shutter does not close over so many notes")
	case !d.shut():
		return nil, host.Fail(cashmanagement.CloseShutterErrorCodeShutterNotClosed, "the shutter does not close")
	}
	return nil, nil
}
