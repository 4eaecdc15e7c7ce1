package depository_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/driver/sim/depository"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/deposit"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

func serve(t *testing.T, o depository.Options) (*depository.Depository, *simtest.Client) {
	t.Helper()
	d, err := depository.New("Depository", o)
	if err != nil {
		t.Fatal(err)
	}
	return d, simtest.Serve(t, d.Service())
}

func TestEveryCommandIsServed(t *testing.T) {
	_, c := serve(t, depository.Options{})
	simtest.ServesAll(t, c, deposit.Description, storage.Description)
}

func TestTheDepositoryKeepsTheSessionRules(t *testing.T) {
	_, c := serve(t, depository.Options{})
	simtest.Conforms(t, c, deposit.Entry.Info())
}

// enter hands an envelope in and gives the code of the command's end.
func enter(t *testing.T, d *depository.Depository, c *simtest.Client, text string, thickness int) string {
	t.Helper()
	call := simtest.Start(c, deposit.Entry, &deposit.EntryCommand{PrintData: text})
	c.Heard(&deposit.InsertDepositEvent{})
	if err := d.Insert("Takings", thickness); err != nil {
		t.Fatal(err)
	}
	_, err := call.End()
	return simtest.Code(err)
}

func TestAnEnvelopeIsPrintedOnAndCounted(t *testing.T) {
	d, c := serve(t, depository.Options{})
	if code := enter(t, d, c, "22.11.2026 Laden 3 €", 4); code != "success" {
		t.Fatal(code)
	}
	c.Heard(&deposit.EnvInsertedEvent{})
	c.Heard(&storage.CountsChangedEvent{})
	c.Heard(&deposit.EnvDepositedEvent{})
	state := d.State().(depository.State)
	if diff := cmp.Diff([]depository.Envelope{{Label: "Takings", Thickness: 4, Printed: "22.11.2026 Laden 3 €"}}, state.Deposited); diff != "" {
		t.Error(diff)
	}
	got, _ := simtest.Must(c, storage.GetStorage, &storage.GetStorageCommand{})
	if u := got.Storage[depository.Container].Deposit; *u.Status.NumOfDeposits != 1 || u.Status.EnvSupply != "ok" {
		t.Errorf("storage %+v", u.Status)
	}
	d.SetSupply(5, 10)
	got, _ = simtest.Must(c, storage.GetStorage, &storage.GetStorageCommand{})
	if s := got.Storage[depository.Container].Deposit.Status.EnvSupply; s != "low" {
		t.Errorf("five envelopes are %s", s)
	}
}

func TestEachFaultOfAnEntryHasItsCode(t *testing.T) {
	for code, arm := range map[string]func(*depository.Depository){
		"depJammed":        func(d *depository.Depository) { d.Arm(depository.FaultJam, 0) },
		"shutterNotClosed": func(d *depository.Depository) { d.Arm(depository.FaultNotClosing, 0) },
		"hardwareError":    func(d *depository.Depository) { d.Arm(depository.FaultPower, 0) },
	} {
		t.Run(code, func(t *testing.T) {
			d, c := serve(t, depository.Options{})
			arm(d)
			if got := enter(t, d, c, "", 4); got != code {
				t.Fatalf("ended with %s", got)
			}
			var e deposit.DepositErrorEvent
			c.Heard(&e)
			if d.State().(depository.State).Container.Items != 0 {
				t.Error("an envelope was counted that never arrived")
			}
			d.Repair()
			simtest.Must(c, deposit.Reset, &deposit.ResetCommand{DepMediaControl: deposit.ResetCommandDepMediaControlRetract})
			var found deposit.MediaDetectedEvent
			c.Heard(&found)
			if s := d.State().(depository.State); s.Container.Items != 1 || found.DepositMedia != deposit.MediaDetectedEventDepositMediaRetracted {
				t.Errorf("after reset: %d items, %s", s.Container.Items, found.DepositMedia)
			}
		})
	}
}

func TestWhatCannotSucceedIsRefusedBeforeAnybodyIsAsked(t *testing.T) {
	for code, arm := range map[string]func(*depository.Depository){
		"shutterNotOpened": func(d *depository.Depository) { d.Arm(depository.FaultNotOpening, 0) },
		"printerFail":      func(d *depository.Depository) { d.BreakPrinter() },
		"tonerOut":         func(d *depository.Depository) { d.SetSupply(1, 0) },
		"containerMissing": func(d *depository.Depository) { _ = d.TakeContainer() },
	} {
		t.Run(code, func(t *testing.T) {
			d, c := serve(t, depository.Options{})
			arm(d)
			if _, _, err := simtest.Do(c, deposit.Entry, &deposit.EntryCommand{PrintData: "x"}); simtest.Code(err) != code {
				t.Errorf("ended with %v", err)
			}
		})
	}
	d, c := serve(t, depository.Options{Capacity: 1})
	if _, _, err := simtest.Do(c, deposit.Entry, &deposit.EntryCommand{PrintData: "日本"}); simtest.Code(err) != "characterNotSupp" {
		t.Errorf("ended with %v", err)
	}
	enter(t, d, c, "", 1)
	if _, _, err := simtest.Do(c, deposit.Entry, &deposit.EntryCommand{}); simtest.Code(err) != "depFull" {
		t.Errorf("full: ended with %v", err)
	}
	if s, _ := simtest.Must(c, common.Status, nil); s.Deposit.DepositLocation != deposit.StatusDepositLocationContainer {
		t.Errorf("the envelope is at %s", s.Deposit.DepositLocation)
	}
}

func TestAThickEnvelopeComesOutAgain(t *testing.T) {
	d, c := serve(t, depository.Options{})
	if got := enter(t, d, c, "", 40); got != "envSize" {
		t.Fatal(got)
	}
	if err := d.Take(); err != nil {
		t.Fatal(err)
	}
	c.Heard(&deposit.EnvTakenEvent{})
}

func TestAnEnvelopeThatNobodyTakesIsRetracted(t *testing.T) {
	d, c := serve(t, depository.Options{Envelopes: 1})
	simtest.Must(c, deposit.Dispense, &deposit.DispenseCommand{})
	simtest.Must(c, deposit.Retract, &deposit.RetractCommand{PrintData: "not taken"})
	if _, _, err := simtest.Do(c, deposit.Retract, &deposit.RetractCommand{}); simtest.Code(err) != "noEnv" {
		t.Errorf("second retract = %v", err)
	}
	if _, _, err := simtest.Do(c, deposit.Dispense, &deposit.DispenseCommand{}); simtest.Code(err) != "empty" {
		t.Errorf("dispense from nothing = %v", err)
	}
	simtest.Must(c, deposit.SupplyReplenish, &deposit.SupplyReplenishCommand{Envelope: new(true), Toner: new(true)})
	simtest.Must(c, deposit.Dispense, &deposit.DispenseCommand{})
	if err := panel.Do(d, "take", nil); err != nil {
		t.Fatal(err)
	}
	c.Heard(&deposit.EnvTakenEvent{})
}

func TestACancelledEntryClosesTheSlot(t *testing.T) {
	d, c := serve(t, depository.Options{})
	call := simtest.Start(c, deposit.Entry, &deposit.EntryCommand{})
	c.Heard(&deposit.InsertDepositEvent{})
	call.Cancel()
	if _, err := call.End(); simtest.Code(err) != "canceled" {
		t.Errorf("ended with %v", err)
	}
	if s := d.State().(depository.State); s.Shutter != "closed" || s.Waiting {
		t.Errorf("state %+v", s)
	}
	if err := d.Insert("late", 1); err == nil {
		t.Error("an envelope went into a closed slot")
	}
}

// Requirement: XFS-10
func TestDepositsAreCountedAfterARestart(t *testing.T) {
	disk := powercut.New()
	d, c := serve(t, depository.Options{FS: disk})
	enter(t, d, c, "", 1)
	again, err := depository.New("Depository", depository.Options{FS: disk.Cut(nil, powercut.KeepNone)})
	if err != nil {
		t.Fatal(err)
	}
	if n := again.State().(depository.State).Container.Items; n != 1 {
		t.Errorf("%d deposits after the power cut", n)
	}
}
