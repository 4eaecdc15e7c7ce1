package checkscanner

import (
	"context"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/lights"
	"github.com/plomb-pos/plomb/xfs4iot/mixedmedia"
)

// lightPosition is where the guide light of the check unit is.
const lightPosition = "default"

func lightCaps() *lights.PositionCaps {
	yes, no := new(true), new(false)
	return &lights.PositionCaps{
		FlashRate: &lights.PositionCapsFlashRate{Off: yes, Slow: yes, Medium: yes, Quick: yes, Continuous: yes},
		Color:     &lights.PositionCapsColor{Red: yes, Green: yes, Yellow: yes, Blue: no, Cyan: no, Magenta: no, White: no},
		Direction: &lights.PositionCapsDirection{Entry: yes, Exit: yes},
	}
}

func dark() lights.PositionStatus {
	return lights.PositionStatus{FlashRate: lights.PositionStatusFlashRateOff, Color: lights.PositionStatusColorGreen, Direction: lights.PositionStatusDirectionEntry}
}

// setLight sets the guide light of the check unit; the scanner has no other.
func (s *Scanner) setLight(_ context.Context, _ *host.Command, req *lights.SetLightCommand) (*lights.SetLightCompletion, error) {
	s.Lock()
	defer s.Unlock()
	wanted := req.CheckUnit[lightPosition]
	if wanted == nil || len(req.CheckUnit) != 1 || !onlyCheckUnit(req) {
		return nil, host.Fail(lights.SetLightErrorCodeInvalidLight, "the light is checkUnit at position default")
	}
	switch wanted.Color {
	case "", lights.PositionStatusColorRed, lights.PositionStatusColorGreen, lights.PositionStatusColorYellow:
	default:
		return nil, chassis.Refused("the light is red, green or yellow")
	}
	if s.faults.Strike(FaultLight) {
		return nil, host.Fail(lights.SetLightErrorCodeLightError, "the light does not work")
	}
	set(&s.light.FlashRate, wanted.FlashRate)
	set(&s.light.Color, wanted.Color)
	set(&s.light.Direction, wanted.Direction)
	s.changed()
	return nil, nil
}

func set[T ~string](v *T, to T) {
	if to != "" {
		*v = to
	}
}

func onlyCheckUnit(r *lights.SetLightCommand) bool {
	others := []map[string]*lights.PositionStatus{r.CardReader, r.PinPad, r.NotesDispenser, r.CoinDispenser, r.ReceiptPrinter, r.PassbookPrinter,
		r.EnvelopeDepository, r.BillAcceptor, r.EnvelopeDispenser, r.DocumentPrinter, r.CoinAcceptor, r.Scanner, r.Contactless, r.CardReader2,
		r.NotesDispenser2, r.BillAcceptor2, r.StatusGood, r.StatusWarning, r.StatusBad, r.StatusSupervisor, r.StatusInService, r.FasciaLight}
	for _, o := range others {
		if len(o) > 0 {
			return false
		}
	}
	return true
}

// setMode says whether cheques, notes or both are taken; not within a transaction.
func (s *Scanner) setMode(_ context.Context, _ *host.Command, req *mixedmedia.SetModeCommand) (*mixedmedia.SetModeCompletion, error) {
	s.Lock()
	defer s.Unlock()
	if s.active() || s.waiting || s.cash.Busy() {
		return nil, host.Fail(mixedmedia.SetModeErrorCodeTransactionActive, "a transaction is under way")
	}
	if req.Modes == nil || !is(req.Modes.CashAccept) && !is(req.Modes.CheckAccept) {
		return nil, chassis.Refused("the device takes cheques, notes or both")
	}
	s.modes = mixedmedia.Modes{CashAccept: new(is(req.Modes.CashAccept)), CheckAccept: new(is(req.Modes.CheckAccept))}
	s.changed()
	return nil, nil
}

func is(b *bool) bool { return b != nil && *b }
