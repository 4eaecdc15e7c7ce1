package till_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

func device(s till.State, kind string) string {
	for _, d := range s.Devices {
		if d.Kind == kind {
			return d.State
		}
	}
	return ""
}

func TestAPrinterWithoutPaperDoesNotStopTheSale(t *testing.T) {
	shop := tilltest.New(t)
	anna := shop.As(staff.Operator)
	anna.Until(func(s till.State) bool { return device(s, "printer") == "ready" })
	anna.Do("drawer.open")
	if err := shop.Devices.Printer.Fault(sim.PaperOut, 0); err != nil {
		t.Fatal(err)
	}
	r := anna.Sell("BRD-01")
	s := anna.Until(func(s till.State) bool { return s.LastReceipt != nil && s.LastReceipt.Printed == till.PrintedNo })
	if !slices.ContainsFunc(s.Notices, func(n till.Notice) bool {
		return n.Code == "not-printed" && strings.Contains(n.Text, "1") && n.Hint != ""
	}) {
		t.Errorf("notices = %+v", s.Notices)
	}
	shop.Devices.Printer.Mend()
	anna.Until(func(s till.State) bool { return device(s, "printer") == "ready" })
	before := len(shop.Devices.Printer.Printed())
	anna.Do("receipt.print", "number", r.Number)
	anna.Until(func(s till.State) bool { return s.LastReceipt.Printed == till.PrintedYes })
	docs := await(t, shop, before+2) // what may hang in the printer is cut off first
	if text := docs[len(docs)-1].Text(); strings.Contains(strings.ToUpper(text), "COPY") || !strings.Contains(text, "3.49") {
		t.Errorf("the original that came late reads:\n%s", text)
	}
	// It has come out: from now on everything is a copy.
	anna.Do("receipt.print", "number", r.Number)
	docs = await(t, shop, before+3)
	if text := docs[len(docs)-1].Text(); !strings.Contains(strings.ToUpper(text), "COPY") {
		t.Errorf("the second print reads:\n%s", text)
	}
	wantKinds(t, shop, "intent", "outcome", "print-failed", "printed", "copy", "device-state")
}

// Paper runs out in the middle of a receipt: what hangs in the printer is cut off
// before the next receipt, which begins on paper of its own.
//
// Requirement: XFS-03
func TestAFragmentIsNotTheHeadOfTheNextReceipt(t *testing.T) {
	shop := tilltest.New(t)
	anna := shop.As(staff.Operator)
	anna.Until(func(s till.State) bool { return device(s, "printer") == "ready" })
	anna.Do("drawer.open")
	if err := shop.Devices.Printer.Fault(sim.PaperOut, 3); err != nil {
		t.Fatal(err)
	}
	anna.Sell("BRD-01")
	anna.Until(func(s till.State) bool { return s.LastReceipt != nil && s.LastReceipt.Printed == till.PrintedNo })
	shop.Devices.Printer.Mend()
	anna.Until(func(s till.State) bool { return device(s, "printer") == "ready" })
	fragment := len(shop.Devices.Printer.Printed())
	anna.Sell("BRD-02")
	docs := await(t, shop, fragment+1)
	if text := docs[len(docs)-1].Text(); strings.Count(text, "Kiosk am Eck") != 1 {
		for _, d := range docs {
			t.Errorf("piece %d, %v:\n%s", d.Number, d.Cut, d.Text())
		}
	}
	anna.Sell("BRD-02")
	if more := await(t, shop, len(docs)+1); len(more) != len(docs)+1 {
		t.Errorf("%d pieces of paper after another receipt, want %d", len(more), len(docs)+1)
	}
}

func TestAPrintThatWasUnderWayAtAKillIsAskedFor(t *testing.T) {
	shop := tilltest.New(t)
	anna := shop.As(staff.Operator)
	anna.Until(func(s till.State) bool { return device(s, "printer") == "ready" })
	anna.Do("drawer.open")
	if err := shop.Devices.Printer.Fault(sim.Slow, 50); err != nil {
		t.Fatal(err)
	}
	anna.Sell("BRD-01")
	shop.Kill()
	shop.Devices.Printer.Mend()
	anna = shop.As(staff.Operator)
	s := anna.Until(func(s till.State) bool { return s.LastReceipt != nil && s.LastReceipt.Printed != till.PrintPending })
	if s.LastReceipt.Number != 1 {
		t.Errorf("last receipt = %+v", s.LastReceipt)
	}
	if s.LastReceipt.Printed == till.PrintedUnknown && !slices.ContainsFunc(s.Notices, func(n till.Notice) bool { return n.Code == "print-unknown" }) {
		t.Errorf("nobody knows whether it was printed, and nobody is told: %+v", s.Notices)
	}
}

func TestScansRingUpForWhoIsAtTheTill(t *testing.T) {
	shop := tilltest.New(t)
	if err := shop.Devices.Scanner.Scan("2900000010079"); err != nil {
		t.Fatal(err)
	}
	anna := shop.As(staff.Operator)
	anna.Until(func(s till.State) bool { return device(s, "scanner") == "ready" })
	if err := shop.Devices.Scanner.Scan("2900000010079"); err != nil {
		t.Fatal(err)
	}
	s := anna.Until(func(s till.State) bool { return s.Basket != nil && len(s.Basket.Lines) > 0 })
	if s.Basket.Lines[0].SKU != "BRD-01" {
		t.Errorf("basket = %+v", s.Basket)
	}
	awaitDisplay(t, shop, "3.49")
}

func awaitDisplay(t *testing.T, shop *tilltest.Shop, text string) {
	t.Helper()
	for {
		changed := shop.Devices.Display.Changed()
		if strings.Contains(strings.Join(shop.Devices.Display.Lines(), "\n"), text) {
			return
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatalf("display shows %q", shop.Devices.Display.Lines())
		}
	}
}

func TestSellingGoesOnWhileTheSignerIsDown(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices(), tilltest.With(func(o *till.Options) { o.SignPatience = 1e8 }))
	anna := shop.As(staff.Operator)
	anna.Do("drawer.open")
	shop.Signer.Down(true)
	if r := anna.Sell("BRD-01"); r.Code != "" || r.Number != 1 {
		t.Errorf("receipt = %+v", r)
	}
	anna.Until(func(s till.State) bool { return s.Journal.Signer == "down" })
	if r := anna.Sell("BRD-01"); r.Code != "" || r.Number != 2 {
		t.Errorf("receipt in the outage = %+v", r)
	}
	shop.Signer.Down(false)
	anna.Until(func(s till.State) bool { return s.Journal.Signer == "ok" })
	if r := anna.Sell("BRD-01"); r.Code == "" {
		t.Error("after the outage receipts are not signed")
	}
	var first till.ReceiptAnswer
	anna.Ask("/api/receipts/1", &first)
	if first.Code == "" {
		t.Error("the receipt of the outage has no code afterwards")
	}
	wantKinds(t, shop, "signer-down", "signer-up")
}
