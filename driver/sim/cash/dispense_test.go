package cash_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/driver/sim/cash"
	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

// Requirement: XFS-08
func TestDispenseTakesPartialCountsAndSolvesForTheRest(t *testing.T) {
	for _, c := range []struct {
		name    string
		amount  string
		partial map[string]int
		want    map[string]int
		code    string
	}{
		{"without any", "100", nil, map[string]int{"unitD": 2}, "success"},
		{"zero asks for nothing", "100", map[string]int{"unitC": 0}, map[string]int{"unitD": 2}, "success"},
		{"a part of the mix", "100", map[string]int{"unitD": 1}, map[string]int{"unitD": 2}, "success"},
		{"a part that the best mix has not", "100", map[string]int{"unitC": 1}, map[string]int{"unitD": 1, "unitC": 2, "unitB": 1}, "success"},
		{"all of it", "20", map[string]int{"unitC": 1}, map[string]int{"unitC": 1}, "success"},
		{"more than the amount", "20", map[string]int{"unitC": 2}, nil, "invalidDenomination"},
		{"more than the cassette has", "5000", map[string]int{"unitD": 101}, nil, "cashUnitError"},
		{"a cassette that gives no notes", "20", map[string]int{"unitREJECT": 1}, nil, "notDispensable"},
		{"no such cassette", "20", map[string]int{"unitX": 1}, nil, "invalidDenomination"},
		{"below zero", "20", map[string]int{"unitC": -1}, nil, "invalidDenomination"},
		{"more notes than the stacker holds", "400", map[string]int{"unitA": 61}, nil, "tooManyItems"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, client := serve(t, cash.Options{})
			req := eur(c.amount, "mix1", c.partial)
			would, _, err := simtest.Do(client, cashdispenser.Denominate, &cashdispenser.DenominateCommand{Request: req})
			if simtest.Code(err) != c.code {
				t.Fatalf("Denominate: %v, want %s", err, c.code)
			}
			got, _, err := simtest.Do(client, cashdispenser.Dispense, &cashdispenser.DispenseCommand{Denomination: req})
			if simtest.Code(err) != c.code {
				t.Fatalf("Dispense: %v, want %s", err, c.code)
			}
			if err != nil {
				return
			}
			for _, d := range []*cashdispenser.Denomination{would.Result, got.Denomination} {
				if diff := cmp.Diff(c.want, d.Values); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// Requirement: XFS-09
func TestDispenseRefusesWithTheDefinedCode(t *testing.T) {
	service := func(amount, currency, mix string) *cashdispenser.DenominateRequest {
		r := eur(amount, mix, nil)
		r.Denomination.Service.Currencies[currency] = r.Denomination.Service.Currencies["EUR"]
		if currency != "EUR" {
			delete(r.Denomination.Service.Currencies, "EUR")
		}
		return r
	}
	app := func(amount string, counts map[string]int) *cashdispenser.DenominateRequest {
		a := &cashdispenser.ApplicationMix{Counts: counts}
		if amount != "" {
			a.Currencies = eur(amount, "", nil).Denomination.Service.Currencies
		}
		return &cashdispenser.DenominateRequest{Denomination: &cashdispenser.DenominateRequestDenomination{App: a}}
	}
	teller := service("20", "EUR", "mix1")
	teller.TellerID = new(7)
	box := service("20", "EUR", "mix1")
	box.Denomination.Service.CashBox = &cashdispenser.DenominationCashBox{Currencies: box.Denomination.Service.Currencies}
	for code, req := range map[string]*cashdispenser.DenominateRequest{
		"invalidCurrency":     service("20", "USD", "mix1"),
		"invalidMixNumber":    service("20", "EUR", "mix9"),
		"notDispensable":      service("23", "EUR", "mix1"),
		"tooManyItems":        service("4000", "EUR", "mix1"),
		"invalidTellerID":     teller,
		"noCashBoxPresent":    box,
		"invalidDenomination": app("30", map[string]int{"unitC": 1}),
		"cashUnitError":       app("", map[string]int{"unitC": 151}),
		"invalidData":         nil,
		"success":             app("", map[string]int{"unitC": 2}),
	} {
		t.Run(code, func(t *testing.T) {
			_, c := serve(t, cash.Options{})
			_, _, err := simtest.Do(c, cashdispenser.Dispense, &cashdispenser.DispenseCommand{Denomination: req})
			if got := simtest.Code(err); got != code {
				t.Errorf("ended with %s (%v)", got, err)
			}
		})
	}
}

func TestACassetteThatRunsShortIsMadeUpForByOthers(t *testing.T) {
	d, c := serve(t, cash.Options{})
	if err := d.Miscount("unitD", 99); err != nil { // one is left of a hundred
		t.Fatal(err)
	}
	got, events := simtest.Must(c, cashdispenser.Dispense, dispense("100"))
	want := map[string]int{"unitD": 1, "unitC": 2, "unitB": 1}
	if diff := cmp.Diff(want, got.Denomination.Values); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Storage.StorageErrorEvent", "CashManagement.InfoAvailableEvent"}, events.Names()); diff != "" {
		t.Error(diff)
	}
	all, _ := simtest.Must(c, storage.GetStorage, &storage.GetStorageCommand{})
	if s := all.Storage["unitD"].Cash.Status; s.Accuracy != "inaccurate" || s.ReplenishmentStatus != "empty" {
		t.Errorf("%+v", s)
	}
}

func TestNotesThatCameAreRejectedWhenTheRestCannot(t *testing.T) {
	d, c := serve(t, cash.Options{})
	if err := d.Arm(cash.FaultShort, 1); err != nil {
		t.Fatal(err)
	}
	two := &cashdispenser.DenominateRequest{Denomination: &cashdispenser.DenominateRequestDenomination{App: &cashdispenser.ApplicationMix{Counts: map[string]int{"unitC": 2}}}}
	_, _, err := simtest.Do(c, cashdispenser.Dispense, &cashdispenser.DispenseCommand{Denomination: two})
	if simtest.Code(err) != "cashUnitError" || count(d, vault.Stacker) != 0 {
		t.Errorf("%v, %d notes on the stacker", err, count(d, vault.Stacker))
	}
	if n := state(d).Cassettes[5].Notes; n != 1 {
		t.Errorf("%d notes in the reject cassette", n)
	}
}

func TestADoublePickGoesToTheRejectCassette(t *testing.T) {
	d, c := serve(t, cash.Options{})
	if err := d.Arm(cash.FaultDouble, 1); err != nil {
		t.Fatal(err)
	}
	_, events := simtest.Must(c, cashdispenser.Dispense, dispense("40"))
	if diff := cmp.Diff([]string{"CashManagement.NoteErrorEvent", "CashManagement.InfoAvailableEvent"}, events.Names()); diff != "" {
		t.Error(diff)
	}
	if n := state(d).Cassettes[5].Notes; n != 2 || count(d, vault.Stacker) != 2 {
		t.Errorf("%d rejected, %d stacked", n, count(d, vault.Stacker))
	}
}

func TestAJamStaysUntilItIsClearedAndReset(t *testing.T) {
	d, c := serve(t, cash.Options{})
	if err := d.Arm(cash.FaultJam, 2); err != nil {
		t.Fatal(err)
	}
	got, events, err := simtest.Do(c, cashdispenser.Dispense, dispense("85"))
	if simtest.Code(err) != "hardwareError" || len(events) != 1 || len(got.Denomination.Values) != 2 {
		t.Fatalf("%v %v %+v", err, events.Names(), got)
	}
	s, _ := simtest.Must(c, common.Status, &common.StatusCommand{})
	if p := s.CashDispenser.Positions[0]; p.Transport != "inoperative" || p.TransportStatus != "notEmpty" || s.CashDispenser.IntermediateStacker != "notEmpty" || s.Common.Device != "hardwareError" {
		t.Errorf("%+v %+v", p, s.Common)
	}
	if _, _, err := simtest.Do(c, cashmanagement.Reset, &cashmanagement.ResetCommand{}); simtest.Code(err) != "hardwareError" {
		t.Errorf("Reset over a jam: %v", err)
	}
	if err := d.ClearJam(); err != nil {
		t.Fatal(err)
	}
	reset, _ := simtest.Must(c, cashmanagement.Reset, &cashmanagement.ResetCommand{})
	c.Heard(&cashmanagement.MediaDetectedEvent{})
	if reset.Storage["unitRETRACT"] == nil || count(d, vault.Stacker)+count(d, vault.Transport) != 0 {
		t.Errorf("%+v", reset)
	}
	simtest.Must(c, cashdispenser.Dispense, dispense("85"))
}

// Requirement: XFS-10
func TestPowerLostBetweenPickAndPresentLeavesTheNotesOnTheStacker(t *testing.T) {
	disk := powercut.New()
	if err := disk.Mkdir("/cash"); err != nil {
		t.Fatal(err)
	}
	o := cash.Options{Directory: "/cash", FS: disk}
	d, c := serve(t, o)
	if err := d.Arm(cash.FaultPresent, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := simtest.Do(c, cashdispenser.Dispense, dispense("85")); simtest.Code(err) != "deviceNotReady" {
		t.Fatal(err)
	}
	d, c = serve(t, o)
	s, _ := simtest.Must(c, common.Status, &common.StatusCommand{})
	if s.CashDispenser.IntermediateStacker != "notEmpty" {
		t.Errorf("stacker %s", s.CashDispenser.IntermediateStacker)
	}
	last, _ := simtest.Must(c, cashdispenser.GetPresentStatus, &cashdispenser.GetPresentStatusCommand{})
	if last.PresentState != "notPresented" || last.Denomination.Currencies["EUR"] != "85.00" {
		t.Errorf("%+v", last)
	}
	all, _ := simtest.Must(c, storage.GetStorage, &storage.GetStorageCommand{})
	if n := *all.Storage["unitD"].Cash.Status.Out.Stacked.Extra["typeEUR50"].Fit; n != 1 {
		t.Errorf("%d fifties counted as stacked", n)
	}
	simtest.Must(c, cashdispenser.Present, &cashdispenser.PresentCommand{})
	if err := d.Take(); err != nil {
		t.Fatal(err)
	}
}

func TestNotesTakenTooLateAreRetracted(t *testing.T) {
	d, c := serve(t, cash.Options{})
	simtest.Must(c, cashdispenser.Dispense, dispense("85"))
	simtest.Must(c, cashdispenser.Present, &cashdispenser.PresentCommand{})
	if err := d.TakeSome(1); err != nil {
		t.Fatal(err)
	}
	got, _ := simtest.Must(c, cashmanagement.Retract, &cashmanagement.RetractCommand{})
	if in := got.Storage["unitRETRACT"]; in == nil || *in.RetractOperations != 1 || len(in.Retracted.Extra) != 3 {
		t.Errorf("%+v", got.Storage)
	}
	if s := state(d); s.Shutter != "closed" || count(d, vault.Output) != 0 {
		t.Errorf("%+v", s)
	}
	if _, _, err := simtest.Do(c, cashmanagement.Retract, &cashmanagement.RetractCommand{}); simtest.Code(err) != "noItems" {
		t.Error(err)
	}
	simtest.Must(c, cashdispenser.Dispense, dispense("85"))
	simtest.Must(c, cashdispenser.Present, &cashdispenser.PresentCommand{})
	if err := d.Grab(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := simtest.Do(c, cashmanagement.Retract, &cashmanagement.RetractCommand{}); simtest.Code(err) != "itemsTaken" {
		t.Error(err)
	}
}

// Requirement: XFS-12
func TestRetractAreas(t *testing.T) {
	_, c := serve(t, cash.Options{})
	retract := func(area cashmanagement.RetractArea, index *int) (map[string]*cashmanagement.StorageCashIn, string) {
		simtest.Must(c, cashdispenser.Dispense, dispense("20"))
		got, _, err := simtest.Do(c, cashmanagement.Retract, &cashmanagement.RetractCommand{Location: &cashmanagement.RetractTarget{RetractArea: area, Index: index}})
		if err != nil {
			simtest.Must(c, cashdispenser.Reject, &cashdispenser.RejectCommand{})
			return nil, simtest.Code(err)
		}
		return got.Storage, "success"
	}
	for i, step := range []struct {
		area  cashmanagement.RetractArea
		index *int
		unit  string
		code  string
	}{
		{"retract", new(2), "unitRETRACT", "success"},
		{"retract", new(2), "", "positionNotEmpty"},
		{"retract", new(4), "", "invalidRetractPosition"},
		{"retract", nil, "unitRETRACT", "success"}, // the first free one
		{"retract", new(1), "", "positionNotEmpty"},
		{"retract", nil, "unitRETRACT", "success"},
		{"retract", nil, "", "cashUnitError"}, // all three are in use
		{"reject", nil, "unitREJECT", "success"},
		{"reject", new(1), "", "notRetractArea"},
		{"itemCassette", nil, "unitC", "success"},
		{"cashIn", nil, "unitBOX", "success"},
	} {
		got, code := retract(step.area, step.index)
		if code != step.code || step.unit != "" && got[step.unit] == nil {
			t.Errorf("step %d: %s %v, want %s into %s", i, code, got, step.code, step.unit)
		}
	}
}
