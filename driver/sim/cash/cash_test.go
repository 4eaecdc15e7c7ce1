package cash_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/driver/sim/cash"
	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/banknoteneutralization"
	"github.com/plomb-pos/plomb/xfs4iot/cashacceptor"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

func serve(t *testing.T, o cash.Options) (*cash.Device, *simtest.Client) {
	t.Helper()
	d, err := cash.New("Recycler", o)
	if err != nil {
		t.Fatal(err)
	}
	return d, simtest.Serve(t, d.Service())
}

// eur asks the device for a mix of an amount.
func eur(amount, mix string, partial map[string]int) *cashdispenser.DenominateRequest {
	return &cashdispenser.DenominateRequest{Denomination: &cashdispenser.DenominateRequestDenomination{Service: &cashdispenser.ServiceMix{
		Currencies: map[string]xfs4iot.Decimal{"EUR": xfs4iot.Decimal(amount)}, Mix: mix, Partial: partial}}}
}

func dispense(amount string) *cashdispenser.DispenseCommand {
	return &cashdispenser.DispenseCommand{Denomination: eur(amount, "mix1", nil)}
}

func state(d *cash.Device) cash.State { return d.State().(cash.State) }

// count is how many notes lie in a place.
func count(d *cash.Device, p vault.Place) int {
	n := 0
	for _, b := range state(d).Places[p] {
		n += b.Count
	}
	return n
}

func TestEveryCommandIsServed(t *testing.T) {
	_, c := serve(t, cash.Options{Neutralization: true})
	simtest.ServesAll(t, c, common.Description, storage.Description, cashmanagement.Description, cashdispenser.Description,
		cashacceptor.Description, banknoteneutralization.Description)
}

func TestTheRecyclerKeepsTheSessionRules(t *testing.T) {
	_, c := serve(t, cash.Options{})
	simtest.Must(c, cashacceptor.CashInStart, &cashacceptor.CashInStartCommand{})
	simtest.Conforms(t, c, cashacceptor.CashIn.Info())
}

func TestWhatIsDeclaredIsValid(t *testing.T) {
	for name, o := range map[string]cash.Options{"recycler": {Neutralization: true, Security: cash.Security{HostKey: hostHex, DeviceKey: deviceHex}},
		"dispenser": {DispenserOnly: true}, "yen": {Currency: "JPY", Cassettes: []cash.Cassette{{Unit: "unit1", Kind: cash.Out, Currency: "JPY", Value: "1000", Count: 10}}}} {
		_, c := serve(t, o)
		caps, _ := simtest.Must(c, common.Capabilities, &common.CapabilitiesCommand{})
		status, _ := simtest.Must(c, common.Status, &common.StatusCommand{})
		units, _ := simtest.Must(c, storage.GetStorage, &storage.GetStorageCommand{})
		for _, p := range []xfs4iot.Payload{caps, status, units} {
			if err := p.Validate(); err != nil {
				t.Errorf("%s: %T: %v", name, p, err)
			}
		}
		if (caps.CashAcceptor == nil) != o.DispenserOnly || (status.CashAcceptor == nil) != o.DispenserOnly {
			t.Errorf("%s: acceptor declared wrongly", name)
		}
	}
}

func TestADispenseIsPickedPresentedAndTaken(t *testing.T) {
	d, c := serve(t, cash.Options{})
	got, _ := simtest.Must(c, cashdispenser.Dispense, dispense("85"))
	if diff := cmp.Diff(map[string]int{"unitD": 1, "unitC": 1, "unitB": 1, "unitA": 1}, got.Denomination.Values); diff != "" {
		t.Error(diff)
	}
	if n := count(d, vault.Stacker); n != 4 {
		t.Fatalf("%d notes on the stacker", n)
	}
	simtest.Must(c, cashdispenser.Present, &cashdispenser.PresentCommand{})
	c.Heard(&cashmanagement.ItemsPresentedEvent{})
	if s := state(d); s.Shutter != "open" || count(d, vault.Output) != 4 {
		t.Fatalf("%+v", s)
	}
	if err := d.Take(); err != nil {
		t.Fatal(err)
	}
	c.Heard(&cashmanagement.ItemsTakenEvent{})
	last, _ := simtest.Must(c, cashdispenser.GetPresentStatus, &cashdispenser.GetPresentStatusCommand{})
	if last.PresentState != "presented" || last.Denomination.Currencies["EUR"] != "85.00" {
		t.Errorf("%+v", last)
	}
	all, _ := simtest.Must(c, storage.GetStorage, &storage.GetStorageCommand{})
	if n := *all.Storage["unitD"].Cash.Status.Out.Presented.Extra["typeEUR50"].Fit; n != 1 {
		t.Errorf("%d fifties presented", n)
	}
}

func TestWhatIsOnTheStackerCanBeRejected(t *testing.T) {
	d, c := serve(t, cash.Options{DispenserOnly: true})
	simtest.Must(c, cashdispenser.Dispense, dispense("40"))
	if _, _, err := simtest.Do(c, cashdispenser.Dispense, dispense("40")); simtest.Code(err) != "itemsLeft" {
		t.Errorf("a second dispense: %v", err)
	}
	simtest.Must(c, cashdispenser.Reject, &cashdispenser.RejectCommand{})
	if n := count(d, vault.Stacker); n != 0 {
		t.Errorf("%d notes on the stacker", n)
	}
	if _, _, err := simtest.Do(c, cashdispenser.Reject, &cashdispenser.RejectCommand{}); simtest.Code(err) != "noItems" {
		t.Errorf("a second reject: %v", err)
	}
}
