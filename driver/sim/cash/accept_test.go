package cash_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/driver/sim/cash"
	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/xfs4iot/cashacceptor"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

// note is what a test puts in.
type note struct {
	kind  string
	level vault.Level
	n     int
}

// put sends CashIn and puts notes in while it waits.
func put(t *testing.T, d *cash.Device, c *simtest.Client, notes ...note) (*cashacceptor.CashInCompletion, []string, error) {
	t.Helper()
	call := simtest.Start(c, cashacceptor.CashIn, &cashacceptor.CashInCommand{})
	call.Await(t, &cashacceptor.InsertItemsEvent{})
	if len(notes) == 0 {
		call.Cancel()
	}
	for _, n := range notes {
		if err := d.Insert(n.kind, n.level, n.n, ""); err != nil {
			t.Fatal(err)
		}
	}
	got, err := call.End()
	var names []string
	for len(call.Events) > 0 {
		m := <-call.Events
		names = append(names, m.Header.Name)
	}
	return got, names, err
}

func TestNotesAreTakenInAndStored(t *testing.T) {
	d, c := serve(t, cash.Options{})
	simtest.Must(c, cashacceptor.CashInStart, &cashacceptor.CashInStartCommand{})
	got, _, err := put(t, d, c, note{"typeEUR20", vault.Fit, 3})
	if err != nil || *got.Items.Extra["typeEUR20"].Fit != 3 {
		t.Fatalf("%+v %v", got, err)
	}
	if _, _, err := put(t, d, c, note{"typeEUR100", vault.Fit, 1}); err != nil {
		t.Fatal(err)
	}
	if s := state(d); count(d, vault.Stacker) != 4 || !s.CashIn || s.Shutter != "closed" {
		t.Fatalf("%+v", s)
	}
	end, _ := simtest.Must(c, cashacceptor.CashInEnd, &cashacceptor.CashInEndCommand{})
	if *end.Storage["unitC"].Deposited.Extra["typeEUR20"].Fit != 3 || *end.Storage["unitBOX"].Deposited.Extra["typeEUR100"].Fit != 1 {
		t.Errorf("%+v", end.Storage)
	}
	last, _ := simtest.Must(c, cashacceptor.GetCashInStatus, &cashacceptor.GetCashInStatusCommand{})
	if last.Status != "ok" || *last.NumOfRefused != 0 {
		t.Errorf("%+v", last)
	}
	items, _ := simtest.Must(c, cashmanagement.GetItemInfo, &cashmanagement.GetItemInfoCommand{})
	if len(items.ItemsList) != 4 || items.ItemsList[0].SerialNumber == "" {
		t.Errorf("%+v", items.ItemsList)
	}
}

func TestNotesThatAreNotGoodAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		start  cashacceptor.CashInStartCommand
		before func(*cash.Device)
		notes  []note
		in     int
		reason cashacceptor.InputRefuseEventReason
	}{
		"not recognised":  {notes: []note{{"", vault.Unrecognized, 2}}, reason: "invalidBill"},
		"reader broken":   {before: func(d *cash.Device) { _ = d.BreakReader() }, notes: []note{{"typeEUR5", vault.Fit, 2}}, reason: "commonInputComponentFailure"},
		"refused by luck": {before: func(d *cash.Device) { _ = d.Arm(cash.FaultRefuse, 1) }, notes: []note{{"typeEUR5", vault.Fit, 3}}, in: 2, reason: "invalidBill"},
		"limit of items":  {start: cashacceptor.CashInStartCommand{TotalItemsLimit: new(2)}, notes: []note{{"typeEUR5", vault.Fit, 3}}, in: 2, reason: "limitOverTotalItems"},
		"limit of amount": {start: cashacceptor.CashInStartCommand{AmountLimit: []cashacceptor.CashInStartCommandAmountLimitItem{{Currency: "EUR", Value: "49.99"}}}, notes: []note{{"typeEUR20", vault.Fit, 3}}, in: 2, reason: "limitOverAmount"},
		"stacker full":    {notes: []note{{"typeEUR5", vault.Fit, 61}}, in: 60, reason: "stackerFull"},
		"no cassette":     {before: func(d *cash.Device) { _ = d.TakeOut("unitBOX") }, notes: []note{{"typeEUR500", vault.Fit, 1}}, reason: "cashInUnitFull"},
	} {
		t.Run(name, func(t *testing.T) {
			d, client := serve(t, cash.Options{})
			if c.before != nil {
				c.before(d)
			}
			simtest.Must(client, cashacceptor.CashInStart, &c.start)
			call := simtest.Start(client, cashacceptor.CashIn, &cashacceptor.CashInCommand{})
			call.Await(t, &cashacceptor.InsertItemsEvent{})
			for _, n := range c.notes {
				if err := d.Insert(n.kind, n.level, n.n, ""); err != nil {
					t.Fatal(err)
				}
			}
			var e cashacceptor.InputRefuseEvent
			call.Await(t, &e)
			if _, err := call.End(); err != nil || e.Reason != c.reason {
				t.Errorf("%v %s, want %s", err, e.Reason, c.reason)
			}
			if count(d, vault.Stacker) != c.in || state(d).Shutter != "open" {
				t.Errorf("%d notes taken in, shutter %s", count(d, vault.Stacker), state(d).Shutter)
			}
			if _, _, err := simtest.Do(client, cashacceptor.CashInEnd, &cashacceptor.CashInEndCommand{}); simtest.Code(err) != "positionNotEmpty" {
				t.Errorf("CashInEnd over refused notes: %v", err)
			}
			if err := d.Take(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestCounterfeitsAreKeptAndNeverGivenOut(t *testing.T) {
	d, c := serve(t, cash.Options{})
	simtest.Must(c, cashmanagement.SetClassificationList, &cashmanagement.SetClassificationListCommand{Version: "1",
		ClassificationElements: []cashmanagement.ClassificationElement{{SerialNumber: "X1", Currency: "EUR", Value: "20", Level: "counterfeit"}}})
	simtest.Must(c, cashacceptor.CashInStart, &cashacceptor.CashInStartCommand{})
	call := simtest.Start(c, cashacceptor.CashIn, &cashacceptor.CashInCommand{})
	call.Await(t, &cashacceptor.InsertItemsEvent{})
	if err := d.Insert("typeEUR20", vault.Fit, 1, "X1"); err != nil {
		t.Fatal(err)
	}
	if got, err := call.End(); err != nil || *got.Items.Extra["typeEUR20"].Counterfeit != 1 {
		t.Fatalf("%+v %v", got, err)
	}
	info, _ := simtest.Must(c, cashmanagement.GetItemInfo, &cashmanagement.GetItemInfoCommand{})
	if i := info.ItemsList[0]; i.SerialNumber != "X1" || i.OnClassificationList != "onClassificationList" {
		t.Errorf("%+v", i)
	}
	end, _ := simtest.Must(c, cashacceptor.CashInEnd, &cashacceptor.CashInEndCommand{})
	if end.Storage["unitBOX"] == nil {
		t.Errorf("%+v", end.Storage)
	}
}

func TestARollbackGivesTheNotesBack(t *testing.T) {
	d, c := serve(t, cash.Options{})
	simtest.Must(c, cashacceptor.CashInStart, &cashacceptor.CashInStartCommand{})
	if _, _, err := put(t, d, c, note{"typeEUR20", vault.Fit, 3}); err != nil {
		t.Fatal(err)
	}
	simtest.Must(c, cashacceptor.CashInRollback, &cashacceptor.CashInRollbackCommand{})
	if count(d, vault.Output) != 3 || state(d).Shutter != "open" {
		t.Fatal("no notes to take back")
	}
	back, _ := simtest.Must(c, cashacceptor.GetPresentStatus, &cashacceptor.GetPresentStatusCommand{})
	if back.PresentState != "presented" || *back.ReturnedItems.Extra["typeEUR20"].Fit != 3 {
		t.Errorf("%+v", back)
	}
	if err := d.Take(); err != nil {
		t.Fatal(err)
	}
	last, _ := simtest.Must(c, cashacceptor.GetCashInStatus, &cashacceptor.GetCashInStatusCommand{})
	if last.Status != "rollback" {
		t.Error(last.Status)
	}
}

func TestACashInThatIsCancelledClosesTheShutter(t *testing.T) {
	d, c := serve(t, cash.Options{})
	simtest.Must(c, cashacceptor.CashInStart, &cashacceptor.CashInStartCommand{})
	if _, _, err := put(t, d, c); simtest.Code(err) != "canceled" || state(d).Shutter != "closed" || state(d).Waiting {
		t.Errorf("%v, %+v", err, state(d))
	}
	if _, _, err := simtest.Do(c, cashacceptor.CashInEnd, &cashacceptor.CashInEndCommand{}); simtest.Code(err) != "noItems" {
		t.Error(err)
	}
	if _, _, err := simtest.Do(c, cashacceptor.CashInEnd, &cashacceptor.CashInEndCommand{}); simtest.Code(err) != "noCashInActive" {
		t.Error(err)
	}
}

func TestARetractEndsACashIn(t *testing.T) {
	d, c := serve(t, cash.Options{})
	simtest.Must(c, cashacceptor.CashInStart, &cashacceptor.CashInStartCommand{})
	if _, _, err := put(t, d, c, note{"typeEUR20", vault.Fit, 3}); err != nil {
		t.Fatal(err)
	}
	simtest.Must(c, cashmanagement.Retract, &cashmanagement.RetractCommand{Location: &cashmanagement.RetractTarget{RetractArea: "itemCassette"}})
	last, _ := simtest.Must(c, cashacceptor.GetCashInStatus, &cashacceptor.GetCashInStatusCommand{})
	if last.Status != "retract" || count(d, vault.Stacker) != 0 {
		t.Errorf("%+v", last)
	}
}

func TestSignaturesTellNotesApart(t *testing.T) {
	d, c := serve(t, cash.Options{})
	look := func(serial string) []byte {
		call := simtest.Start(c, cashacceptor.CreateSignature, &cashacceptor.CreateSignatureCommand{})
		call.Await(t, &cashacceptor.InsertItemsEvent{})
		if err := d.Insert("typeEUR50", vault.Fit, 1, serial); err != nil {
			t.Fatal(err)
		}
		got, err := call.End()
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Take(); err != nil {
			t.Fatal(err)
		}
		return got.Signature
	}
	list := func(s ...[]byte) (out []cashmanagement.Signature) {
		for _, b := range s {
			out = append(out, cashmanagement.Signature{Signature: b})
		}
		return out
	}
	a, b := look("A"), look("B")
	got, _ := simtest.Must(c, cashacceptor.CompareSignature, &cashacceptor.CompareSignatureCommand{ReferenceSignatures: list(b), Signatures: list(a, b)})
	if len(got.SignaturesIndex) != 1 || *got.SignaturesIndex[0].Index != 1 {
		t.Errorf("%+v", got.SignaturesIndex)
	}
	_, _, err := simtest.Do(c, cashacceptor.CompareSignature, &cashacceptor.CompareSignatureCommand{ReferenceSignatures: list([]byte("short")), Signatures: list(a)})
	if simtest.Code(err) != "invalidReferenceSignature" {
		t.Error(err)
	}
}

func TestNotesAreMovedBetweenCassettes(t *testing.T) {
	d, c := serve(t, cash.Options{})
	got, _ := simtest.Must(c, cashacceptor.Deplete, &cashacceptor.DepleteCommand{CashUnitTarget: "unitBOX",
		DepleteSources: []cashacceptor.DepleteCommandDepleteSourcesItem{{Source: "unitC", NumberOfItemsToMove: new(100)}, {Source: "unitD"}}})
	if *got.NumberOfItemsReceived != 200 {
		t.Errorf("%+v", got)
	}
	back, _ := simtest.Must(c, cashacceptor.Replenish, &cashacceptor.ReplenishCommand{Source: "unitBOX",
		ReplenishTargets: []cashacceptor.ReplenishCommandReplenishTargetsItem{{Target: "unitD", NumberOfItemsToMove: new(60)}}})
	if *back.NumberOfItemsRemoved != 60 || state(d).Cassettes[3].Notes != 60 {
		t.Errorf("%+v", back)
	}
	_, events, err := simtest.Do(c, cashacceptor.Replenish, &cashacceptor.ReplenishCommand{Source: "unitBOX",
		ReplenishTargets: []cashacceptor.ReplenishCommandReplenishTargetsItem{{Target: "unitD", NumberOfItemsToMove: new(60)}}})
	if simtest.Code(err) != "cashUnitError" || state(d).Cassettes[3].Notes != 100 {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff([]string{"CashAcceptor.IncompleteReplenishEvent", "Storage.StorageErrorEvent"}, events.Names()); diff != "" {
		t.Error(diff)
	}
	sources, _ := simtest.Must(c, cashacceptor.GetDepleteSource, &cashacceptor.GetDepleteSourceCommand{CashUnitTarget: "unitBOX"})
	targets, _ := simtest.Must(c, cashacceptor.GetReplenishTarget, &cashacceptor.GetReplenishTargetCommand{Source: "unitBOX"})
	if len(sources.DepleteSources) != 4 || len(targets.Targets) != 4 {
		t.Errorf("%d sources, %d targets", len(sources.DepleteSources), len(targets.Targets))
	}
}

func TestTellersHaveTotals(t *testing.T) {
	d, c := serve(t, cash.Options{})
	simtest.Must(c, cashmanagement.SetTellerInfo, &cashmanagement.SetTellerInfoCommand{Action: "create", TellerDetails: &cashmanagement.TellerDetails{TellerID: new(7)}})
	c.Heard(&cashmanagement.TellerInfoChangedEvent{})
	req := dispense("85")
	req.Denomination.TellerID = new(7)
	simtest.Must(c, cashdispenser.Dispense, req)
	simtest.Must(c, cashdispenser.Present, &cashdispenser.PresentCommand{})
	if err := d.Take(); err != nil {
		t.Fatal(err)
	}
	simtest.Must(c, cashacceptor.CashInStart, &cashacceptor.CashInStartCommand{TellerID: new(7)})
	if _, _, err := put(t, d, c, note{"typeEUR20", vault.Fit, 3}); err != nil {
		t.Fatal(err)
	}
	simtest.Must(c, cashacceptor.CashInEnd, &cashacceptor.CashInEndCommand{})
	got, _ := simtest.Must(c, cashmanagement.GetTellerInfo, &cashmanagement.GetTellerInfoCommand{TellerID: new(7)})
	if sums := got.TellerDetails[0].TellerTotals["EUR"]; sums.ItemsDispensed != "85.00" || sums.ItemsReceived != "60.00" {
		t.Errorf("%+v", sums)
	}
	if _, _, err := simtest.Do(c, cashmanagement.GetTellerInfo, &cashmanagement.GetTellerInfoCommand{TellerID: new(8)}); simtest.Code(err) != "invalidTellerId" {
		t.Error(err)
	}
}

func TestLockedCassettesStayInTheirPlace(t *testing.T) {
	d, c := serve(t, cash.Options{})
	simtest.Must(c, cashacceptor.DeviceLockControl, &cashacceptor.DeviceLockControlCommand{DeviceAction: "lock", CashUnitAction: "lockAll"})
	if d.TakeOut("unitC") == nil || d.OpenDoor() == nil {
		t.Error("a locked cassette was taken out, or the door opened")
	}
	got, _ := simtest.Must(c, cashacceptor.GetDeviceLockStatus, &cashacceptor.GetDeviceLockStatusCommand{})
	if got.DeviceLockStatus != "lock" || len(got.UnitLock) != 7 || got.UnitLock[0].UnitLockStatus != "lock" {
		t.Errorf("%+v", got)
	}
}

// Requirement: XFS-12
func TestCashUnitsAreTestedAndCalibratedIntoTheRejectCassette(t *testing.T) {
	d, c := serve(t, cash.Options{})
	reject := &cashmanagement.ItemTargetData{Target: "reject"}
	simtest.Must(c, cashdispenser.TestCashUnits, &cashdispenser.TestCashUnitsCommand{Target: reject})
	if n := state(d).Cassettes[5].Notes; n != 4 || count(d, vault.Stacker) != 0 {
		t.Errorf("%d notes in the reject cassette after TestCashUnits", n)
	}
	got, _ := simtest.Must(c, cashmanagement.CalibrateCashUnit, &cashmanagement.CalibrateCashUnitCommand{Unit: "unitC", NumOfBills: new(5), Position: reject})
	if n := state(d).Cassettes[5].Notes; n != 9 || *got.Result.NumOfBills != 5 || got.Result.Position.Target != "reject" {
		t.Errorf("%d notes in the reject cassette after CalibrateCashUnit: %+v", n, got.Result)
	}
	simtest.Must(c, cashdispenser.TestCashUnits, &cashdispenser.TestCashUnitsCommand{}) // the reject cassette by itself
	if n := state(d).Cassettes[5].Notes; n != 13 {
		t.Errorf("%d notes", n)
	}
	simtest.Must(c, cashdispenser.TestCashUnits, &cashdispenser.TestCashUnitsCommand{Target: &cashmanagement.ItemTargetData{Target: "outDefault"}})
	if count(d, vault.Output) != 4 {
		t.Error("nothing in the slot")
	}
	if err := d.Take(); err != nil {
		t.Fatal(err)
	}
	if err := d.TakeOut("unitREJECT"); err != nil {
		t.Fatal(err)
	}
	_, events, err := simtest.Do(c, cashmanagement.CalibrateCashUnit, &cashmanagement.CalibrateCashUnitCommand{Unit: "unitC", Position: reject})
	if simtest.Code(err) != "cashUnitError" || len(events) == 0 {
		t.Errorf("without a reject cassette: %v %v", err, events.Names())
	}
}

// Requirement: XFS-10
func TestCassettesThatAreNotDetectedAreNull(t *testing.T) {
	d, c := serve(t, cash.Options{})
	if err := d.Hide("unitC"); err != nil {
		t.Fatal(err)
	}
	if err := d.TakeOut("unitD"); err != nil {
		t.Fatal(err)
	}
	get := func() map[string]*storage.StorageUnit {
		got, _ := simtest.Must(c, storage.GetStorage, &storage.GetStorageCommand{})
		return got.Storage
	}
	units := get()
	if u, there := units["unitC"]; !there || u != nil {
		t.Errorf("a cassette that is not detected: %v", u)
	}
	if units["unitD"].Status != "missing" || *units["unitD"].Cash.Status.Initial.Extra["typeEUR50"].Fit != 100 {
		t.Errorf("a cassette that was taken out: %+v", units["unitD"])
	}
	for _, s := range state(d).Cassettes {
		if err := d.Hide(s.Unit); err != nil {
			t.Fatal(err)
		}
	}
	if units := get(); units != nil {
		t.Errorf("with nothing detected: %v", units)
	}
}

// Requirement: XFS-10
func TestCassettesAreReadAndSetInAnExchange(t *testing.T) {
	d, c := serve(t, cash.Options{})
	set := func(unit, kind string, n int) string {
		_, _, err := simtest.Do(c, storage.SetStorage, &storage.SetStorageCommand{Storage: map[string]*storage.SetStorageUnit{unit: {Cash: &cashmanagement.StorageSetCash{
			Configuration: &cashmanagement.StorageCashConfiguration{LowThreshold: new(30), Name: "fifties"},
			Status:        &cashmanagement.StorageSetCashStatus{Initial: &cashmanagement.StorageCashCounts{Extra: map[string]*cashmanagement.StorageCashCount{kind: {Fit: &n}}}}}}}})
		return simtest.Code(err)
	}
	if code := set("unitD", "typeEUR50", 25); code != "noExchangeActive" {
		t.Error(code)
	}
	simtest.Must(c, storage.StartExchange, &storage.StartExchangeCommand{})
	if _, _, err := simtest.Do(c, storage.StartExchange, &storage.StartExchangeCommand{}); simtest.Code(err) != "exchangeActive" {
		t.Error(err)
	}
	if code := dispenseWith(c, "50", ""); code != "exchangeActive" {
		t.Error(code)
	}
	for unit, kind := range map[string]string{"unitX": "typeEUR50", "unitD": "typeEUR20", "unitA": "typeUSD5"} {
		if code := set(unit, kind, 1); code != "invalidUnit" {
			t.Errorf("%s of %s: %s", unit, kind, code)
		}
	}
	if code := set("unitD", "typeEUR50", 301); code != "invalidUnit" {
		t.Errorf("more than it holds: %s", code)
	}
	if code := set("unitD", "typeEUR50", 25); code != "success" {
		t.Fatal(code)
	}
	c.Heard(&storage.StorageChangedEvent{})
	simtest.Must(c, storage.EndExchange, &storage.EndExchangeCommand{})
	got, _ := simtest.Must(c, storage.GetStorage, &storage.GetStorageCommand{})
	if u := got.Storage["unitD"].Cash; u.Status.ReplenishmentStatus != "low" || u.Configuration.Name != "fifties" || state(d).Cassettes[3].Notes != 25 {
		t.Errorf("%+v %+v", u.Status, u.Configuration)
	}
	if _, _, err := simtest.Do(c, storage.EndExchange, &storage.EndExchangeCommand{}); simtest.Code(err) != "noExchangeActive" {
		t.Error(err)
	}
}

func TestMixTablesAreStoredAndUsed(t *testing.T) {
	_, c := serve(t, cash.Options{})
	table := &cashdispenser.SetMixTableCommand{MixNumber: new(20), Name: "small notes", MixRows: []cashdispenser.MixRow{
		{Amount: "50", Mix: []cashdispenser.MixRowMixItem{{Value: "20", Count: new(1)}, {Value: "10", Count: new(2)}, {Value: "5", Count: new(2)}}}}}
	simtest.Must(c, cashdispenser.SetMixTable, table)
	types, _ := simtest.Must(c, cashdispenser.GetMixTypes, &cashdispenser.GetMixTypesCommand{})
	if types.Mixes["mix20"].Type != "table" || types.Mixes["mix3"].Algorithm != "maxCashUnits" {
		t.Errorf("%+v", types.Mixes)
	}
	got, _ := simtest.Must(c, cashdispenser.GetMixTable, &cashdispenser.GetMixTableCommand{Mix: "mix20"})
	if got.Name != "small notes" || len(got.MixRows) != 1 {
		t.Errorf("%+v", got)
	}
	d, _ := simtest.Must(c, cashdispenser.Denominate, &cashdispenser.DenominateCommand{Request: eur("50", "mix20", nil)})
	if diff := cmp.Diff(map[string]int{"unitA": 2, "unitB": 2, "unitC": 1}, d.Result.Values); diff != "" {
		t.Error(diff)
	}
	if _, _, err := simtest.Do(c, cashdispenser.Denominate, &cashdispenser.DenominateCommand{Request: eur("55", "mix20", nil)}); simtest.Code(err) != "amountNotInMixTable" {
		t.Error(err)
	}
	table.MixRows[0].Amount = "51"
	if _, _, err := simtest.Do(c, cashdispenser.SetMixTable, table); simtest.Code(err) != "invalidMixTable" {
		t.Error(err)
	}
	table.MixNumber = new(1)
	if _, _, err := simtest.Do(c, cashdispenser.SetMixTable, table); simtest.Code(err) != "invalidMixNumber" {
		t.Error(err)
	}
}
