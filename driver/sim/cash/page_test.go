package cash_test

import (
	"context"
	"net"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/driver/sim/cash"
	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/internal/browsertest"
	"github.com/plomb-pos/plomb/xfs4iot/cashacceptor"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// counter serves a recycler with its page, as plomb devices does.
func counter(t *testing.T, d *cash.Device, devices *sim.Devices) (xfs, page string) {
	t.Helper()
	if err := devices.Add("Recycler", d); err != nil {
		t.Fatal(err)
	}
	listen := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	ln, control := listen(), listen()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- sim.Serve(ctx, devices, ln, control, host.Config{VendorName: "test"}) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "ws://" + ln.Addr().String() + "/xfs4iot/v1.0/Recycler", "http://" + control.Addr().String() + "/"
}

func dial(t *testing.T, url string) *client.Conn {
	t.Helper()
	conn, err := client.Dial(t.Context(), url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// A person takes dispensed notes out of the slot and puts others in, in a real
// browser.
func TestAPersonTakesAndInsertsNotesOnThePage(t *testing.T) {
	d, err := cash.New("Recycler", cash.Options{})
	if err != nil {
		t.Fatal(err)
	}
	url, page := counter(t, d, sim.New(sim.Options{}))
	conn := dial(t, url)
	p := browsertest.Open(t, page, browsertest.Till)
	p.See("20 EUR")
	if _, err := client.Do(t.Context(), conn, cashdispenser.Dispense, dispense("40")); err != nil {
		t.Fatal(err)
	}
	p.See("stacker 2/60")
	if _, err := client.Do(t.Context(), conn, cashdispenser.Present, &cashdispenser.PresentCommand{}); err != nil {
		t.Fatal(err)
	}
	p.Click("2 × 20 EUR")
	p.See("shutter closed")
	if _, err := client.Do(t.Context(), conn, cashacceptor.CashInStart, &cashacceptor.CashInStartCommand{}); err != nil {
		t.Fatal(err)
	}
	taken := make(chan error, 1)
	go func() {
		_, err := client.Do(context.WithoutCancel(t.Context()), conn, cashacceptor.CashIn, &cashacceptor.CashInCommand{})
		taken <- err
	}()
	p.Click("50 EUR")
	p.See("stacker 1/60")
	if err := <-taken; err != nil || count(d, vault.Stacker) != 1 {
		t.Errorf("%v, %d notes taken in", err, count(d, vault.Stacker))
	}
}

// Requirement: XFS-10
func TestAServiceThatVanishesWithThePowerComesBackWithTheTrueState(t *testing.T) {
	devices := sim.New(sim.Options{})
	gone := make(chan error, 1)
	d, err := cash.New("Recycler", cash.Options{PowerLost: func() { gone <- devices.Vanish("Recycler") }})
	if err != nil {
		t.Fatal(err)
	}
	url, _ := counter(t, d, devices)
	conn := dial(t, url)
	if err := d.Arm(cash.FaultPresent, 0); err != nil {
		t.Fatal(err)
	}
	_, err = client.Do(t.Context(), conn, cashdispenser.Dispense, dispense("85"))
	if client.SafeToRepeat(err) || simtest.Code(err) == "success" {
		t.Errorf("the dispense ended with %v", err)
	}
	if err := <-gone; err != nil {
		t.Fatal(err)
	}
	if err := devices.Return("Recycler"); err != nil {
		t.Fatal(err)
	}
	conn = dial(t, url)
	s, err := client.Do(t.Context(), conn, common.Status, &common.StatusCommand{})
	if err != nil || s.CashDispenser.IntermediateStacker != "notEmpty" || s.Common.Device != "online" {
		t.Fatalf("%+v %v", s, err)
	}
	last, err := client.Do(t.Context(), conn, cashdispenser.GetPresentStatus, &cashdispenser.GetPresentStatusCommand{})
	if err != nil || last.PresentState != "notPresented" || last.Denomination.Currencies["EUR"] != "85.00" {
		t.Errorf("%+v %v", last, err)
	}
}
