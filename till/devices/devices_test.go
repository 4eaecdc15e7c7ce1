package devices_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/receipt/paper"
	"github.com/plomb-pos/plomb/till/devices"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// counter is a set of devices connected to simulated ones.
type counter struct {
	set     *devices.Set
	sim     *sim.Devices
	changed chan devices.Device
	scanned chan string
}

func connect(t *testing.T) *counter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{sim: sim.New(sim.Options{}), changed: make(chan devices.Device, 100), scanned: make(chan string, 10)}
	ctx, cancel := context.WithCancel(context.Background())
	served, ran := make(chan error, 1), make(chan error, 1)
	go func() { served <- sim.Serve(ctx, c.sim, l, nil, host.Config{VendorName: "Test"}) }()
	c.set = devices.New(devices.Config{Address: "ws://" + l.Addr().String()}, devices.Events{
		Changed: func(d devices.Device) { c.changed <- d }, Scanned: func(code string) { c.scanned <- code },
	})
	go func() { ran <- c.set.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-served; <-ran })
	c.until(t, func(d devices.Device) bool { return d.Kind == devices.Printer && d.Condition == devices.Ready })
	return c
}

func (c *counter) until(t *testing.T, want func(devices.Device) bool) {
	t.Helper()
	for {
		select {
		case d := <-c.changed:
			if want(d) {
				return
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no such change; devices are %+v", c.set.Devices())
		}
	}
}

var doc = paper.Doc{paper.Line("Kiosk am Eck"), paper.Cut{}}

func TestAPrintHasAnOutcomeAndHappensOnce(t *testing.T) {
	c := connect(t)
	for range 3 {
		if o, err := c.set.Print(t.Context(), "job-1", doc); o != devices.Printed || err != nil {
			t.Fatalf("print = %s, %v", o, err)
		}
	}
	docs, err := c.sim.Printer.Await(t.Context(), 1)
	if err != nil || len(docs) != 1 || !strings.Contains(docs[0].Text(), "Kiosk am Eck") {
		t.Errorf("on paper: %v, %v", docs, err)
	}
	if o, err := c.set.Ask(t.Context(), "job-1"); o != devices.Printed || err != nil {
		t.Errorf("asked afterwards = %s, %v", o, err)
	}
	if o, _ := c.set.Ask(t.Context(), "never-heard-of"); o != devices.Unknown {
		t.Errorf("an unknown job = %s", o)
	}
}

func TestWithoutPaperNothingIsPrinted(t *testing.T) {
	c := connect(t)
	if err := c.sim.Printer.Fault(sim.PaperOut, 0); err != nil {
		t.Fatal(err)
	}
	c.until(t, func(d devices.Device) bool { return d.Kind == devices.Printer && d.Code == "paper-out" })
	o, err := c.set.Print(t.Context(), "job-1", doc)
	if o != devices.NotPrinted || devices.ErrorCode(err) != "paper-out" {
		t.Errorf("print = %s, %v (%s)", o, err, devices.ErrorCode(err))
	}
	c.sim.Printer.Mend()
	c.until(t, func(d devices.Device) bool { return d.Kind == devices.Printer && d.Condition == devices.Ready })
	if o, err := c.set.Print(t.Context(), "job-1", doc); o != devices.Printed {
		t.Errorf("the same job afterwards = %s, %v", o, err)
	}
}

func TestADeviceThatIsGoneIsSaidToBe(t *testing.T) {
	c := connect(t)
	if err := c.sim.Vanish(sim.PrinterName); err != nil {
		t.Fatal(err)
	}
	c.until(t, func(d devices.Device) bool { return d.Kind == devices.Printer && d.Condition == devices.Down })
	if o, err := c.set.Print(t.Context(), "job-1", doc); o != devices.NotPrinted || !errors.Is(err, devices.ErrNoDevice) {
		t.Errorf("print = %s, %v", o, err)
	}
	if err := c.sim.Return(sim.PrinterName); err != nil {
		t.Fatal(err)
	}
	c.until(t, func(d devices.Device) bool { return d.Kind == devices.Printer && d.Condition == devices.Ready })
}

func TestTheDrawerTellsWhetherItIsOpen(t *testing.T) {
	c := connect(t)
	if o, err := c.set.OpenDrawer(t.Context(), "pulse-1"); o != devices.Printed {
		t.Fatalf("open drawer = %s, %v", o, err)
	}
	c.until(t, func(d devices.Device) bool { return d.Kind == devices.Drawer && d.Open })
	c.sim.Printer.CloseDrawer()
	c.until(t, func(d devices.Device) bool { return d.Kind == devices.Drawer && !d.Open })
}

func TestScansAreTextOnly(t *testing.T) {
	c := connect(t)
	for _, code := range []string{"bad\x01code", strings.Repeat("9", 3000), "4006381333931"} {
		if err := c.sim.Scanner.Scan(code); err != nil {
			t.Log(err) // the simulated scanner refuses some itself
		}
	}
	select {
	case code := <-c.scanned:
		if code != "4006381333931" {
			t.Errorf("scanned %q", code)
		}
	case <-time.After(10 * time.Second):
		t.Error("nothing was scanned")
	}
}

func TestWithoutDevicesNothingIsPrinted(t *testing.T) {
	set := devices.New(devices.Config{}, devices.Events{})
	set.Show("a", "b")
	if o, err := set.Print(t.Context(), "job", doc); o != devices.NotPrinted || !errors.Is(err, devices.ErrNoDevice) {
		t.Errorf("print = %s, %v", o, err)
	}
	if len(set.Devices()) != 0 {
		t.Errorf("devices = %v", set.Devices())
	}
}
