package card_test

import (
	"context"
	"net"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/driver/sim/cabinet"
	"github.com/plomb-pos/plomb/driver/sim/camera"
	"github.com/plomb-pos/plomb/driver/sim/card"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/driver/sim/vendor"
	"github.com/plomb-pos/plomb/internal/browsertest"
	"github.com/plomb-pos/plomb/xfs4iot/cardreader"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// A person works a machine's devices in a real browser: clicks a card into the
// reader that waits for one and takes it again, opens a door, takes a picture, turns
// the service key.
func TestAPersonWorksTheMachineOnThePage(t *testing.T) {
	r, err := card.New("CardReader", card.Options{})
	if err != nil {
		t.Fatal(err)
	}
	box, err := cabinet.New("Cabinet", cabinet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	eyes, err := camera.New("Cameras", camera.Options{})
	if err != nil {
		t.Fatal(err)
	}
	xfs, page := serveAll(t, map[string]panel.Device{"CardReader": r, "Cabinet": box, "Cameras": eyes, "Vendor": vendor.New("Vendor")})
	conn, err := client.Dial(t.Context(), "ws://"+xfs+"/xfs4iot/v1.0/CardReader", client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p := browsertest.Open(t, "http://"+page+"/", browsertest.Till)
	p.See("the slot is closed")
	read := make(chan error, 1)
	go func() {
		_, err := client.Do(t.Context(), conn, cardreader.ReadRawData, &cardreader.ReadRawDataCommand{Track2: new(true)})
		read <- err
	}()
	p.See("please insert a card")
	p.Click("Insert Credit card")
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	p.See("Credit card is in the reader")
	if _, err := client.Do(t.Context(), conn, cardreader.Move, &cardreader.MoveCommand{}); err != nil {
		t.Fatal(err)
	}
	p.See("please take your card")
	p.Click("Take the card")
	p.See("the slot is closed")
	p.Click("take a picture")
	p.See("1 of 100 pictures")
	p.Click("turn the service key")
	p.See("turn the key back")
	p.See("on the mains")
}

func serveAll(t *testing.T, devices map[string]panel.Device) (xfs, page string) {
	t.Helper()
	all := sim.New(sim.Options{})
	for name, d := range devices {
		if err := all.Add(name, d); err != nil {
			t.Fatal(err)
		}
	}
	ln, control := listen(t), listen(t)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- sim.Serve(ctx, all, ln, control, host.Config{VendorName: "test"}) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String(), control.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}
