package epp_test

import (
	"context"
	"net"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/driver/sim/epp"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/internal/browsertest"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/keyboard"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// A person enters a PIN on the page: what is pressed arrives, stars are seen.
func TestAPersonEntersAPINOnThePage(t *testing.T) {
	e, err := epp.New("PinPad", epp.Options{Keys: []epp.Preset{preset("PIN", "P0", "T", "E", double)}})
	if err != nil {
		t.Fatal(err)
	}
	devices := sim.Empty()
	if err := devices.Add("PinPad", e); err != nil {
		t.Fatal(err)
	}
	xfs, page := listen(t), listen(t)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- sim.Serve(ctx, devices, xfs, page, host.Config{VendorName: "test"}) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	p := browsertest.Open(t, "http://"+page.Addr().String()+"/", browsertest.Till)
	p.See("08D7B4")
	conn, err := client.Dial(t.Context(), "ws://"+xfs.Addr().String()+"/xfs4iot/v1.0/PinPad", client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	done := make(chan string, 1)
	go func() {
		got, err := client.Do(t.Context(), conn, keyboard.PinEntry, &keyboard.PinEntryCommand{MinLen: new(4), MaxLen: new(4), ActiveKeys: pinActive("enter")})
		if err == nil && (*got.Digits != 4 || got.Completion != keyboard.EntryCompletionEnter) {
			done <- "other digits"
			return
		}
		done <- simtest.Code(err)
	}()
	p.See("Enter your PIN")
	for _, key := range digits("1234") {
		p.Click(key)
	}
	p.See("****")
	p.Click("enter")
	if got := <-done; got != "success" {
		t.Errorf("PinEntry ended with %s", got)
	}
	p.See("a PIN is held")
	p.ClickTest("faults-PinPad")
	p.Click("Open the case")
	p.See("Opened: all keys destroyed")
}
