package fiscal_test

import (
	"errors"
	"testing"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
)

// reading is a dispenser that has presented so many notes of 2.50.
func reading(presented int64) *fiscal.CashReading {
	return &fiscal.CashReading{Presented: "notPresented", Stacker: "empty", Output: "empty", Counts: []fiscal.CashCount{
		{Unit: "unit1", Item: "type250EUR1", Currency: "EUR", Value: 250, Initial: 100, Presented: presented},
	}}
}

func dispense(entry uint64) *fiscal.Intent {
	return &fiscal.Intent{Actor: anna, Action: fiscal.ActionDispense, Device: "Dispenser", Entry: &entry, Key: "k", Amount: 250, Currency: "EUR", Cash: reading(0)}
}

// Requirement: XFS-06
func TestWhatTheDispenserPaidIsStillInTheDrawer(t *testing.T) {
	x := newTill(t)
	first := x.sell(sale.Sale, money.One, sale.Cash)
	expected := func() money.Amount { return x.state.Session.Holdings[0].Amount }
	before := expected()
	intent := x.record(dispense(first))
	x.record(&fiscal.Dispensed{Intent: intent, Entry: &first, Amount: 250})
	x.record(&fiscal.Outcome{Intent: intent, Result: fiscal.Done, Cash: reading(1)})
	if got := expected() - before; got != 250 {
		t.Errorf("drawer expects %d more, want 250", got)
	}
	if got := x.state.Day.Figures.Dispensed; got != (drawer.Tally{Count: 1, Amount: 250}) {
		t.Errorf("figures = %+v", got)
	}
	if _, open := x.state.Dispensing(); open {
		t.Error("the intent is still open")
	}
}

func TestCashIsNotOrderedWhileAnOutcomeIsOpen(t *testing.T) {
	x := newTill(t)
	first := x.sell(sale.Sale, money.One, sale.Cash)
	intent := x.record(dispense(first))
	x.refuse(dispense(first), fiscal.CodeIntent)
	x.record(&fiscal.Outcome{Actor: both, Intent: intent, Result: fiscal.FailedSaid})
	x.refuse(&fiscal.Dispensed{Intent: intent, Amount: 250}, fiscal.CodeIntent)
	for name, spoil := range map[string]func(*fiscal.Intent){
		"no amount":      func(b *fiscal.Intent) { b.Amount = 0 },
		"other currency": func(b *fiscal.Intent) { b.Currency = "USD" },
		"no counts":      func(b *fiscal.Intent) { b.Cash = nil },
	} {
		b := dispense(first)
		spoil(b)
		t.Run(name, func(t *testing.T) { x.refuse(b, fiscal.CodeIntent) })
	}
}

// Requirement: XFS-05
func TestAHostOfDevicesRecordsNothingElse(t *testing.T) {
	x := &till{t: t, now: start}
	x.refuse(&fiscal.ConnectionRefused{Peer: "192.0.2.9:1", Reason: "rights"}, fiscal.CodeNotCommissioned)
	x.record(&fiscal.DeviceHost{Name: "devices", Software: "1.0.0", Key: "k"})
	x.record(&fiscal.SoftwareStart{Version: "1.0.0", Clean: true})
	x.record(&fiscal.ConnectionRefused{Peer: "192.0.2.9:1", Reason: "unknownAuthority"})
	x.record(&fiscal.DeviceState{Device: "Dispenser", State: "down"})
	x.refuse(&fiscal.ShiftOpen{Actor: anna, Session: 1, At: x.now}, fiscal.CodeNotCommissioned)
	x.refuse(&fiscal.DeviceHost{Name: "devices", Software: "1.0.0", Key: "k"}, fiscal.CodeCommissioned)
	snap, err := x.state.NewSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	x.record(snap)
	check := fiscal.NewCheck(nil)
	for i, h := range x.heads {
		for _, f := range check.Entry(h, x.bodies[i]) {
			t.Errorf("finding: %v", f)
		}
	}
}

func (x *till) refuse(b fiscal.Body, code string) {
	x.t.Helper()
	_, err := x.state.Draft(b)
	var coded interface{ Code() string }
	if !errors.As(err, &coded) || coded.Code() != code {
		x.t.Errorf("Draft(%s) = %v, want code %s", fiscal.KindName(b.Kind()), err, code)
	}
}
