package vendor_test

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/driver/sim/vendor"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/vendorapplication"
	"github.com/plomb-pos/plomb/xfs4iot/vendormode"
)

func serve(t *testing.T) (*vendor.Vendor, *simtest.Client) {
	t.Helper()
	v := vendor.New("Vendor")
	return v, simtest.Serve(t, v.Service())
}

// app is a further connection of an application.
func app(t *testing.T, c *simtest.Client, name string) *client.Conn {
	t.Helper()
	conn, err := client.Dial(t.Context(), c.URL(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := client.Do(t.Context(), conn, vendormode.Register, &vendormode.RegisterCommand{AppName: name}); err != nil {
		t.Fatal(err)
	}
	return conn
}

func mode(t *testing.T, c *simtest.Client) vendormode.StatusService {
	t.Helper()
	s, _ := simtest.Must(c, common.Status, nil)
	return s.VendorMode.Service
}

// wire is a status event as it goes over the wire, by its top members.
type wire map[string]jsontext.Value

func (wire) EventName() string    { return "Common.StatusChangedEvent" }
func (wire) EventVersion() string { return "3.0" }
func (wire) Validate() error      { return nil }

// Requirement: XFS-03
func TestEveryCommandIsServed(t *testing.T) {
	v, c := serve(t)
	simtest.ServesAll(t, c, vendormode.Description, vendorapplication.Description)
	app(t, c, "till") // never acknowledges, so that a request runs until it is cancelled
	simtest.Conforms(t, c, vendormode.EnterModeRequest.Info())
	if s := v.State().(vendor.State); s.Mode != "inactive" {
		t.Errorf("after the suite the mode is %s", s.Mode)
	}
}

func TestTheModeIsEnteredWhenAllHaveAcknowledged(t *testing.T) {
	_, c := serve(t)
	till, monitor := app(t, c, "till"), app(t, c, "monitor")
	call := simtest.Start(c, vendormode.EnterModeRequest, nil)
	c.Heard(&vendormode.EnterModeRequestEvent{})
	for _, a := range []*client.Conn{till, monitor} {
		if m := mode(t, c); m != vendormode.StatusServiceEnterPending {
			t.Errorf("before all have acknowledged the mode is %s", m)
		}
		if _, err := client.Do(t.Context(), a, vendormode.EnterModeAcknowledge, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := call.End(); err != nil {
		t.Fatal(err)
	}
	c.Heard(&vendormode.ModeEnteredEvent{})
	if m := mode(t, c); m != vendormode.StatusServiceActive {
		t.Errorf("mode %s", m)
	}
	if _, _, err := simtest.Do(c, vendormode.EnterModeRequest, nil); simtest.Code(err) != "sequenceError" {
		t.Errorf("enter again = %v", err)
	}
	if _, err := client.Do(t.Context(), till, vendormode.EnterModeAcknowledge, nil); simtest.Code(err) != "sequenceError" {
		t.Errorf("acknowledge again = %v", err)
	}
}

// Requirement: XFS-12
func TestXFS12VendorModeInactiveStateInStatusChangedEvents(t *testing.T) {
	_, c := serve(t)
	till := app(t, c, "till")
	change := func(ack func() error, run func() error) {
		t.Helper()
		done := make(chan error, 1)
		go func() { done <- run() }()
		for ack() != nil { // until the request is pending
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	change(func() error { _, err := client.Do(t.Context(), till, vendormode.EnterModeAcknowledge, nil); return err },
		func() error { _, err := client.Do(t.Context(), c.Conn, vendormode.EnterModeRequest, nil); return err })
	change(func() error { _, err := client.Do(t.Context(), till, vendormode.ExitModeAcknowledge, nil); return err },
		func() error { _, err := client.Do(t.Context(), c.Conn, vendormode.ExitModeRequest, nil); return err })
	for _, want := range []string{"enterPending", "active", "exitPending", "inactive"} {
		var event wire
		c.Heard(&event)
		if got := string(event["vendorMode"]); got != `{"service":"`+want+`"}` {
			t.Errorf("status event %s, want %s", got, want)
		}
	}
	var exited vendormode.ModeExitedEvent
	c.Heard(&exited)
	if diff := cmp.Diff([]string{"till"}, exited.ConnectedApplications); diff != "" {
		t.Error(diff)
	}
}

func TestARequestThatIsCancelledIsTakenBack(t *testing.T) {
	_, c := serve(t)
	app(t, c, "till")
	call := simtest.Start(c, vendormode.EnterModeRequest, nil)
	c.Heard(&vendormode.EnterModeRequestEvent{})
	call.Cancel()
	if _, err := call.End(); simtest.Code(err) != "canceled" {
		t.Errorf("request = %v", err)
	}
	c.Heard(&vendormode.ModeExitedEvent{})
	if m := mode(t, c); m != vendormode.StatusServiceInactive {
		t.Errorf("mode %s", m)
	}
}

func TestAnApplicationThatLeavesIsNotWaitedFor(t *testing.T) {
	v, c := serve(t)
	till := app(t, c, "till")
	call := simtest.Start(c, vendormode.EnterModeRequest, nil)
	c.Heard(&vendormode.EnterModeRequestEvent{})
	till.Close()
	if _, err := call.End(); err != nil {
		t.Fatal(err)
	}
	if s := v.State().(vendor.State); len(s.Apps) != 0 || s.Mode != "active" {
		t.Errorf("state %+v", s)
	}
}

func TestOnlyRegisteredApplicationsAcknowledge(t *testing.T) {
	v, c := serve(t)
	app(t, c, "till")
	if err := v.Request(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := simtest.Do(c, vendormode.EnterModeAcknowledge, nil); simtest.Code(err) != "sequenceError" {
		t.Errorf("a stranger's acknowledgement = %v", err)
	}
	if err := v.GiveUp(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := simtest.Do(c, vendormode.Register, &vendormode.RegisterCommand{}); simtest.Code(err) != "invalidData" {
		t.Errorf("register without a name = %v", err)
	}
}

func TestVendorSoftwareRunsInVendorModeOnly(t *testing.T) {
	v, c := serve(t)
	start := &vendorapplication.StartLocalApplicationCommand{AppName: "diagnosis", AccessLevel: vendorapplication.StartLocalApplicationCommandAccessLevelFull}
	if _, _, err := simtest.Do(c, vendorapplication.StartLocalApplication, start); simtest.Code(err) != "sequenceError" {
		t.Errorf("start in normal mode = %v", err)
	}
	simtest.Must(c, vendormode.EnterModeRequest, nil)
	simtest.Must(c, vendorapplication.StartLocalApplication, start)
	if s, _ := simtest.Must(c, common.Status, nil); s.VendorApplication.AccessLevel != vendorapplication.StatusAccessLevelFull {
		t.Errorf("access level %s", s.VendorApplication.AccessLevel)
	}
	if _, _, err := simtest.Do(c, vendorapplication.StartLocalApplication, start); simtest.Code(err) != "sequenceError" {
		t.Errorf("start twice = %v", err)
	}
	if err := v.ExitApplication(); err != nil {
		t.Fatal(err)
	}
	c.Heard(&vendorapplication.VendorAppExitedEvent{})
	simtest.Must(c, vendorapplication.StartLocalApplication, start)
	simtest.Must(c, vendormode.ExitModeRequest, nil)
	c.Heard(&vendorapplication.VendorAppExitedEvent{})
	if s, _ := simtest.Must(c, common.Status, nil); s.VendorApplication.AccessLevel != vendorapplication.StatusAccessLevelNotActive {
		t.Errorf("access level %s", s.VendorApplication.AccessLevel)
	}
}

func TestTheActiveInterfaceIsSetAndTold(t *testing.T) {
	v, c := serve(t)
	get := func() vendorapplication.GetActiveInterfaceCompletionActiveInterface {
		got, _ := simtest.Must(c, vendorapplication.GetActiveInterface, nil)
		return got.ActiveInterface
	}
	if got := get(); got != "consumer" {
		t.Errorf("active %s", got)
	}
	simtest.Must(c, vendorapplication.SetActiveInterface, &vendorapplication.SetActiveInterfaceCommand{ActiveInterface: "operator"})
	var event vendorapplication.InterfaceChangedEvent
	if c.Heard(&event); event.ActiveInterface != "operator" || get() != "operator" {
		t.Errorf("event %s, active %s", event.ActiveInterface, get())
	}
	if err := v.Turn("consumer"); err != nil {
		t.Fatal(err)
	}
	if c.Heard(&event); event.ActiveInterface != "consumer" {
		t.Errorf("event %s", event.ActiveInterface)
	}
	if err := v.Turn("wall"); err == nil {
		t.Error("the machine turned to the wall")
	}
}

func TestOfflineEndsWhatIsPending(t *testing.T) {
	v, c := serve(t)
	app(t, c, "till")
	call := simtest.Start(c, vendormode.EnterModeRequest, nil)
	c.Heard(&vendormode.EnterModeRequestEvent{})
	v.Offline(true)
	if _, err := call.End(); simtest.Code(err) != "sequenceError" {
		t.Errorf("request = %v", err)
	}
	if _, _, err := simtest.Do(c, vendormode.EnterModeRequest, nil); simtest.Code(err) != "deviceNotReady" {
		t.Errorf("request while offline = %v", err)
	}
	s, _ := simtest.Must(c, common.Status, nil)
	if s.VendorMode.Device != vendormode.StatusDeviceOffline {
		t.Errorf("device %s", s.VendorMode.Device)
	}
	v.Offline(false)
}
