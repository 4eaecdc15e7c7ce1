package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/internal/browsertest"
)

// hand does something to a simulated device.
func (s *shop) hand(t *testing.T, device, act string) {
	t.Helper()
	r, err := http.Post(strings.TrimSuffix(s.Control, "/")+"/api/devices/"+device+"/"+act, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusNoContent {
		t.Fatalf("%s %s: %s", device, act, r.Status)
	}
}

// sellBread sells a loaf for 10 euros, so that 6.51 are to be paid as change.
func sellBread(p *browsertest.Page) {
	p.ClickTest("article-BRD-01")
	p.ClickTest("pay")
	p.SeeTest("quick-1000")
	p.ClickTest("quick-1000")
	p.SeeTest("finished")
}

// The dispenser pays the change. The second time it cannot be reached before anyone
// knows whether the customer has it: the till asks a person, and goes on.
//
// Requirement: XFS-06
func TestStoryADispenserPaysTheChangeAndAPersonDecidesWhatItCannotTell(t *testing.T) {
	s := open(t, "--dispenser")
	s.furnish(t)
	p := s.enter(t, browsertest.Till, "3")
	beginDrawer(p)
	sellBread(p)
	p.See("the dispenser is paying")
	p.See("lie at the dispenser")
	picture(t, p, "story-dispense")
	s.hand(t, "Dispenser", "take")
	p.See("paid by the dispenser")

	sellBread(p)
	p.See("lie at the dispenser")
	s.hand(t, "Dispenser", "vanish")
	p.SeeTest("dispense-ask")
	p.ClickTest("dispense-ask")
	p.SeeTest("dispense-decide")
	p.ClickTest("dispense-all")
	p.Click("Customer asked")
	picture(t, p, "story-dispense-decide")
	p.ClickTest("dispense-take")
	p.GoneTest("dispense-decide")
	p.GoneTest("dispense-ask")
	p.See("paid by the dispenser")
}
