package cash_test

import (
	"slices"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim/cash"
	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cashacceptor"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

// code is how a command without payload ends.
func code[Req, Resp any](c *simtest.Client, cmd xfs4iot.Command[Req, Resp]) string {
	_, _, err := simtest.Do(c, cmd, nil)
	return simtest.Code(err)
}

// do acts on a device as the page does.
func do(t *testing.T, d *cash.Device, act string, args panel.Values) {
	t.Helper()
	if err := panel.Do(d, act, args); err != nil {
		t.Fatalf("%s: %v", act, err)
	}
}

// Each state that somebody or something brings the device into has the error codes
// of the commands that it forbids.
func TestEachStateHasItsCodes(t *testing.T) {
	give := func(c *simtest.Client) string {
		_, _, err := simtest.Do(c, cashdispenser.Dispense, dispense("20"))
		return simtest.Code(err)
	}
	for name, s := range map[string]struct {
		into func(*testing.T, *cash.Device, *simtest.Client)
		run  func(*simtest.Client) string
		want string
	}{
		"dispense with the safe open": {func(t *testing.T, d *cash.Device, c *simtest.Client) { do(t, d, "open-door", nil) }, give, "safeDoorOpen"},
		"cash-in with the safe open":  {func(t *testing.T, d *cash.Device, c *simtest.Client) { do(t, d, "open-door", nil) }, func(c *simtest.Client) string { return code(c, cashacceptor.CashInStart) }, "safeDoorOpen"},
		"dispense without power":      {func(t *testing.T, d *cash.Device, c *simtest.Client) { do(t, d, "power-off", nil) }, give, "deviceNotReady"},
		"dispense in an exchange":     {func(t *testing.T, d *cash.Device, c *simtest.Client) { simtest.Must(c, storage.StartExchange, nil) }, give, "exchangeActive"},
		"dispense in a cash-in":       {func(t *testing.T, d *cash.Device, c *simtest.Client) { simtest.Must(c, cashacceptor.CashInStart, nil) }, give, "sequenceError"},
		"exchange in a cash-in":       {func(t *testing.T, d *cash.Device, c *simtest.Client) { simtest.Must(c, cashacceptor.CashInStart, nil) }, func(c *simtest.Client) string { return code(c, storage.StartExchange) }, "transactionActive"},
		"two cash-ins":                {func(t *testing.T, d *cash.Device, c *simtest.Client) { simtest.Must(c, cashacceptor.CashInStart, nil) }, func(c *simtest.Client) string { return code(c, cashacceptor.CashInStart) }, "cashInActive"},
		"present nothing":             {nil, func(c *simtest.Client) string { return code(c, cashdispenser.Present) }, "noItems"},
		"take in without a cash-in":   {nil, func(c *simtest.Client) string { return code(c, cashacceptor.CashIn) }, "noCashInActive"},
		"roll back without a cash-in": {nil, func(c *simtest.Client) string { return code(c, cashacceptor.CashInRollback) }, "noCashInActive"},
		"close a closed shutter":      {nil, func(c *simtest.Client) string { return code(c, cashmanagement.CloseShutter) }, "shutterClosed"},
		"give back nothing":           {nil, func(c *simtest.Client) string { return code(c, cashacceptor.PresentMedia) }, "noItems"},
		"save power":                  {nil, func(c *simtest.Client) string { return code(c, common.PowerSaveControl) }, "unsupportedCommand"},
		"a nonce without keys":        {nil, func(c *simtest.Client) string { return code(c, common.GetCommandNonce) }, "unsupportedCommand"},
		"a position that is not there": {nil, func(c *simtest.Client) string {
			_, _, err := simtest.Do(c, cashdispenser.Present, &cashdispenser.PresentCommand{Position: "outLeft"})
			return simtest.Code(err)
		}, "unsupportedPosition"},
		"a shutter that sticks":        {func(t *testing.T, d *cash.Device, c *simtest.Client) { give(c); do(t, d, cash.FaultShutter, nil) }, func(c *simtest.Client) string { return code(c, cashdispenser.Present) }, "shutterNotOpen"},
		"a jam on the way to the slot": {func(t *testing.T, d *cash.Device, c *simtest.Client) { give(c); do(t, d, cash.FaultJam, nil) }, func(c *simtest.Client) string { return code(c, cashdispenser.Present) }, "presentErrorNoItems"},
		"reject without a cassette": {func(t *testing.T, d *cash.Device, c *simtest.Client) {
			give(c)
			do(t, d, "take-out", panel.Values{"unit": "unitREJECT"})
		}, func(c *simtest.Client) string { return code(c, cashdispenser.Reject) }, "cashUnitError"},
		"retract without a cassette": {func(t *testing.T, d *cash.Device, c *simtest.Client) {
			give(c)
			do(t, d, "take-out", panel.Values{"unit": "unitRETRACT"})
		}, func(c *simtest.Client) string { return code(c, cashmanagement.Retract) }, "cashUnitError"},
		"something else in the slot": {func(t *testing.T, d *cash.Device, c *simtest.Client) {
			give(c)
			code(c, cashdispenser.Present)
			do(t, d, "object", nil)
		}, func(c *simtest.Client) string { return code(c, cashmanagement.Retract) }, "foreignItemsDetected"},
		"dispense under an open shutter": {func(t *testing.T, d *cash.Device, c *simtest.Client) {
			simtest.Must(c, cashmanagement.OpenShutter, nil)
		}, give, "shutterOpen"},
		"a cassette that was put in askew": {func(t *testing.T, d *cash.Device, c *simtest.Client) {
			do(t, d, "put-wrong", panel.Values{"unit": "unitC"})
		}, func(c *simtest.Client) string {
			_, _, err := simtest.Do(c, cashdispenser.Dispense, &cashdispenser.DispenseCommand{Denomination: eur("20", "mix1", map[string]int{"unitC": 1})})
			return simtest.Code(err)
		}, "cashUnitError"},
		"reset into a cassette that is not there": {nil, func(c *simtest.Client) string {
			_, _, err := simtest.Do(c, cashmanagement.Reset, &cashmanagement.ResetCommand{Position: &cashmanagement.ItemTargetData{Target: "singleUnit", Unit: "unitX"}})
			return simtest.Code(err)
		}, "invalidCashUnit"},
		"reset with the reader broken": {func(t *testing.T, d *cash.Device, c *simtest.Client) { do(t, d, "break-reader", nil) }, func(c *simtest.Client) string { return code(c, cashacceptor.ConfigureNoteReader) }, "loadFailed"},
	} {
		t.Run(name, func(t *testing.T) {
			d, c := serve(t, cash.Options{})
			if s.into != nil {
				s.into(t, d, c)
			}
			if got := s.run(c); got != s.want {
				t.Errorf("ended with %s, want %s", got, s.want)
			}
			do(t, d, "mend", nil)
		})
	}
}

func TestEveryActHasAnEffectOrSaysWhyNot(t *testing.T) {
	d, _ := serve(t, cash.Options{Neutralization: true})
	names := map[string]bool{}
	for _, a := range d.Acts() {
		if names[a.Name] {
			t.Errorf("%s twice", a.Name)
		}
		names[a.Name] = true
		changed := d.Changed()
		err := panel.Do(d, a.Name, nil)
		select {
		case <-changed:
		default:
			if err == nil {
				t.Errorf("%s: nobody was told", a.Name)
			}
		}
	}
}

func TestATimeLockDelaysADispense(t *testing.T) {
	d, c := serve(t, cash.Options{})
	do(t, d, "time-lock", nil)
	call := simtest.Start(c, cashdispenser.Dispense, dispense("20"))
	call.Await(t, &cashdispenser.DelayedDispenseEvent{})
	do(t, d, "release", nil)
	call.Await(t, &cashdispenser.StartDispenseEvent{})
	if _, err := call.End(); err != nil {
		t.Error(err)
	}
	simtest.Must(c, cashdispenser.Reject, nil)
	do(t, d, "time-lock", nil)
	call = simtest.Start(c, cashdispenser.Dispense, dispense("20"))
	call.Await(t, &cashdispenser.DelayedDispenseEvent{})
	call.Cancel()
	if _, err := call.End(); simtest.Code(err) != "canceled" || count(d, vault.Stacker) != 0 {
		t.Errorf("%v, %d notes on the stacker", err, count(d, vault.Stacker))
	}
}

func TestWithAnExplicitShutterTheClientOpensIt(t *testing.T) {
	d, c := serve(t, cash.Options{ExplicitShutter: true})
	simtest.Must(c, cashdispenser.Dispense, dispense("20"))
	if got := code(c, cashdispenser.Present); got != "shutterNotOpen" {
		t.Errorf("Present under a closed shutter: %s", got)
	}
	simtest.Must(c, cashmanagement.OpenShutter, nil)
	c.Heard(&cashmanagement.ShutterStatusChangedEvent{})
	simtest.Must(c, cashdispenser.Present, nil)
	if err := d.Take(); err != nil {
		t.Fatal(err)
	}
	if state(d).Shutter != "open" {
		t.Error("the shutter closed by itself")
	}
	simtest.Must(c, cashmanagement.CloseShutter, nil)
	if got := code(c, cashmanagement.CloseShutter); got != "shutterClosed" {
		t.Error(got)
	}
}

func TestCountEmptiesACassetteThroughTheSlot(t *testing.T) {
	d, c := serve(t, cash.Options{})
	if err := d.Miscount("unitD", 20); err != nil { // 80 of 100 are left
		t.Fatal(err)
	}
	call := simtest.Start(c, cashdispenser.Count, &cashdispenser.CountCommand{Unit: "unitD"})
	for range 2 { // 60 notes, then 20
		c.Heard(&cashmanagement.ItemsPresentedEvent{})
		if err := d.Take(); err != nil {
			t.Fatal(err)
		}
	}
	var e cashmanagement.NoteErrorEvent
	call.Await(t, &e)
	got, err := call.End()
	if err != nil || e.Reason != "incorrectCount" || *got.CountedCashUnits["unitD"].Counted != 80 {
		t.Errorf("%+v %v %s", got, err, e.Reason)
	}
}

func TestClientsHearWhenACassetteRunsLow(t *testing.T) {
	d, c := serve(t, cash.Options{})
	do(t, d, "refill", panel.Values{"unit": "unitD", "count": "22"})
	simtest.Must(c, cashdispenser.Dispense, dispense("100"))
	c.Heard(&storage.CountsChangedEvent{})
	var e storage.StorageThresholdEvent
	c.Heard(&e)
	if u := e.Extra["unitD"]; u == nil || u.Cash.Status.ReplenishmentStatus != "low" {
		t.Errorf("%+v", e.Extra)
	}
	s, _ := simtest.Must(c, common.Status, nil)
	if s.CashManagement.Dispenser != "attention" {
		t.Error(s.CashManagement.Dispenser)
	}
	do(t, d, "take-out", panel.Values{"unit": "unitD"})
	var changed storage.StorageChangedEvent
	c.Heard(&changed)
	if u := changed.Extra["unitD"]; u == nil || u.Status != "missing" {
		t.Errorf("%+v", changed.Extra)
	}
	do(t, d, "put-back", panel.Values{"unit": "unitD"})
	got, _ := simtest.Must(c, storage.GetStorage, nil)
	if got.Storage["unitD"].Status != "manipulated" {
		t.Errorf("handled outside of an exchange: %s", got.Storage["unitD"].Status)
	}
	simtest.Must(c, cashdispenser.Reject, nil)
	simtest.Must(c, storage.StartExchange, nil)
	simtest.Must(c, storage.EndExchange, nil)
	if got, _ := simtest.Must(c, storage.GetStorage, nil); got.Storage["unitD"].Status != "ok" {
		t.Errorf("after an exchange: %s", got.Storage["unitD"].Status)
	}
}

func TestNoteTypesCanBeSwitchedOff(t *testing.T) {
	d, c := serve(t, cash.Options{})
	simtest.Must(c, cashacceptor.ConfigureNoteTypes, &cashacceptor.ConfigureNoteTypesCommand{Items: []cashacceptor.ConfigureNoteTypesCommandItemsItem{{Item: "typeEUR20", Enabled: new(false)}}})
	types, _ := simtest.Must(c, cashmanagement.GetBankNoteTypes, nil)
	if *types.Items["typeEUR20"].Enabled || !*types.Items["typeEUR50"].Enabled || types.Items["typeEUR50"].CashItem.Value != "50.00" {
		t.Errorf("%+v", types.Items["typeEUR20"])
	}
	simtest.Must(c, cashacceptor.CashInStart, nil)
	_, events, err := put(t, d, c, note{"typeEUR20", vault.Fit, 1})
	if err != nil || !slices.Contains(events, "CashAcceptor.InputRefuseEvent") {
		t.Errorf("%v %v", events, err)
	}
}

func TestCassettesThatMakeNoSenseAreRefused(t *testing.T) {
	for _, list := range [][]cash.Cassette{
		{{Unit: "A", Kind: cash.In}}, {{Unit: "unitA", Kind: "other"}}, {{Unit: "unitA", Kind: cash.In}, {Unit: "unitA", Kind: cash.In}},
		{{Unit: "unitA", Kind: cash.Out, Currency: "EUR", Value: "0"}}, {{Unit: "unitA", Kind: cash.Out, Currency: "EUR", Value: "5.001"}},
		{{Unit: "unitA", Kind: cash.Out, Currency: "EUR", Value: "5", Count: 301}},
	} {
		if _, err := cash.New("Recycler", cash.Options{Cassettes: list}); err == nil {
			t.Errorf("%+v was taken", list)
		}
	}
	for _, s := range []cash.Security{{HostKey: "xyz"}, {HostKey: "00"}, {DeviceKey: "00"}} {
		if _, err := cash.New("Recycler", cash.Options{Security: s}); err == nil {
			t.Errorf("%+v was taken", s)
		}
	}
}
