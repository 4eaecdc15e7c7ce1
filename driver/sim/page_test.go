package sim_test

import (
	"testing"

	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/internal/browsertest"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

// A person watches the counter in a real browser: paper comes out, the drawer
// opens and is shut, a code is scanned, the cover opened and closed.
func TestAPersonWorksTheDevicesOnThePage(t *testing.T) {
	c := newCounter(t)
	conn, display := c.dial(sim.PrinterName), c.dial(sim.DisplayName)
	c.ready(conn)
	p := browsertest.Open(t, "http://"+c.page+"/", browsertest.Till)
	p.See("in order")
	if err := printDoc(conn, "r-1", short); err != nil {
		t.Fatal(err)
	}
	p.See("pulses so far: 1")
	p.Click("Push the drawer shut")
	p.See("drawer closed, pulses so far: 1")
	client.Do(t.Context(), display, textterminal.WriteForm, &textterminal.WriteFormCommand{
		FormName: sim.DisplayForm, ClearScreen: new(true), Fields: map[string]string{"LINE1": "Käsekrainer   12,80"},
	})
	p.See("Käsekrainer")
	p.Click("Scan")
	p.See("codes waiting: 1")
	p.ClickTest("faults-ReceiptPrinter")
	p.Click("Open the cover")
	p.See("cover open")
	if !c.Printer.Status().CoverOpen || c.Scanner.Waiting() != 1 || c.Printer.Drawer() != escpos.DrawerClosed {
		t.Errorf("printer = %+v, scanner = %+v", c.Printer.State(), c.Scanner.State())
	}
	p.Click("All in order")
	p.See("in order")
}
