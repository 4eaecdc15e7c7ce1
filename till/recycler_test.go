package till_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim/cash"
	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// changeMachine is a simulated dispenser for any change in euro.
func changeMachine(t *testing.T) (*cash.Device, string) {
	t.Helper()
	var units []cash.Cassette
	for i, value := range []string{"2", "1", "0.50", "0.20", "0.10", "0.05", "0.02", "0.01"} {
		units = append(units, cash.Cassette{Unit: "unit" + string(rune('A'+i)), Kind: cash.Out, Currency: "EUR", Value: value, Count: 100})
	}
	units = append(units, cash.Cassette{Unit: "unitREJECT", Kind: cash.Reject}, cash.Cassette{Unit: "unitRETRACT", Kind: cash.Retract, Areas: 3})
	d, err := cash.New("Dispenser", cash.Options{DispenserOnly: true, Cassettes: units})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := host.New(host.Config{VendorName: "Test"})
	if err := srv.Add(d.Service()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, l) }()
	t.Cleanup(func() { cancel(); <-done })
	return d, "ws://" + l.Addr().String()
}

// there is what lies in a place of the machine.
func there(t *testing.T, d *cash.Device, place vault.Place) (sum money.Amount) {
	t.Helper()
	for _, b := range d.State().(cash.State).Places[place] {
		a, err := money.ParseAmount(strings.TrimSuffix(b.Value, " EUR"), "EUR")
		if err != nil {
			t.Fatal(err)
		}
		sum += a * money.Amount(b.Count)
	}
	return sum
}

// Whatever fault strikes a dispenser that keeps its counts: what the journal says was
// paid is what the customer took, and where nobody can tell a person is asked.
//
// Requirement: XFS-06
func TestFaultsOfADispenserLoseNoMoney(t *testing.T) {
	for _, fault := range []string{"", cash.FaultJam, cash.FaultShort, cash.FaultDouble, cash.FaultPower, cash.FaultPresent, cash.FaultShutter, "too-late"} {
		t.Run("fault "+fault, func(t *testing.T) {
			d, address := changeMachine(t)
			shop := tilltest.New(t, tilltest.WithoutDevices(), tilltest.With(func(o *till.Options) { o.Devices = address }))
			boss := shop.As(staff.Supervisor)
			boss.Do("drawer.open", "amount", 10000)
			boss.Until(func(s till.State) bool { return device(s, "dispenser") != "" && device(s, "dispenser") != "down" })
			if fault != "" && fault != "too-late" {
				after := 1 // notes
				if fault == cash.FaultPresent || fault == cash.FaultShutter {
					after = 0
				}
				if err := d.Arm(fault, after); err != nil {
					t.Fatal(err)
				}
			}
			sellBread(boss)
			var customer money.Amount
			mended, decided := false, false
			boss.Until(func(s till.State) bool {
				switch {
				case settled(s):
					return true
				case s.Dispense == nil:
				case s.Dispense.State == "take" && fault == "too-late":
					_ = d.TooLate()
				case s.Dispense.State == "take":
					if lying := there(t, d, vault.Output); d.Take() == nil {
						customer += lying
					}
				case s.Dispense.Decide && !mended: // somebody comes and puts it right
					mended = true
					if err := d.Mend(); err != nil {
						t.Error(err)
					}
				case s.Dispense.State == "unknown" && mended && !decided:
					decided = true
					boss.Do("dispense.decide", "intent", s.Dispense.Intent, "paid", false, "reason", "nothing came out")
				}
				return false
			})
			if got := money.Amount(journaled(t, shop)); got != customer {
				t.Errorf("the journal says %d, the customer took %d", got, customer)
			}
			t.Logf("customer %d, mended %v, decided by a person %v", customer, mended, decided)
		})
	}
}
