package till_test

import (
	"slices"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/catalog/sample"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// TestEveryCommandHasItsEvent carries every command out and looks for the entry
// that it has to leave. What changes an open basket is recorded with the receipt.
//
// Requirement: FM-03
// Requirement: POS-06
func TestEveryCommandHasItsEvent(t *testing.T) {
	shop := tilltest.New(t)
	boss, ada := shop.As(staff.Supervisor), shop.As(staff.Administrator)
	boss.Until(func(s till.State) bool { return device(s, "printer") == "ready" })
	release := offered
	shop.Node.SetUpdater(&updater{status: till.UpdateStatus{Update: &release}})
	boss.Until(func(s till.State) bool { return s.Software.Update != nil })
	waiting := func() any { return boss.State().Suspended[0].ID }
	steps := []struct {
		do    string
		who   *tilltest.Client
		proof staff.Role // "": none
		args  []any
		kind  string // "": recorded with the receipt
	}{
		{"drawer.open", boss, "", []any{"amount", 10_000}, "shift-open"},
		{"drawer.float", boss, "", []any{"amount", 100}, "float-in"},
		{"drawer.payin", boss, "", []any{"amount", 100, "reason", "x"}, "pay-in"},
		{"drawer.payout", boss, staff.Supervisor, []any{"amount", 100, "reason", "x"}, "pay-out"},
		{"drawer.nosale", boss, "", []any{"reason", "x"}, "no-sale"},
		{"basket.scan", boss, "", []any{"code", "2900000010079"}, ""},
		{"basket.add", boss, "", []any{"sku", "DRY-01"}, ""},
		{"basket.quantity", boss, "", []any{"line", 1, "quantity", 2_000_000}, ""},
		{"basket.price", boss, "", []any{"line", 1, "price", 1_000_000, "reason", "x"}, ""},
		{"basket.discount", boss, "", []any{"line", 1, "percent", 1000, "reason", "x"}, ""},
		{"basket.remove", boss, "", []any{"line", 2}, "line-removed"},
		{"basket.proforma", boss, "", nil, "pro-forma"},
		{"basket.suspend", boss, "", nil, "suspended"},
		{"basket.resume", boss, "", nil, "resumed"},
		{"basket.tender", boss, "", []any{"type", "card", "amount", 100}, ""},
		{"basket.untender", boss, "", []any{"number", 1}, ""},
		{"basket.tender", boss, "", []any{"type", "cash"}, ""},
		{"sale.complete", boss, "", nil, "receipt"},
		{"receipt.copy", boss, "", []any{"number", 1}, "copy"},
		{"return.begin", boss, "", []any{"receipt", "1"}, ""},
		{"return.line", boss, "", []any{"line", 1, "quantity", 1_000_000}, ""},
		{"basket.abort", boss, "", nil, "aborted"},
		{"receipt.void", boss, staff.Supervisor, []any{"number", 1, "reason", "x"}, "void"},
		{"receipt.print", boss, "", []any{"number", 2}, "intent"},
		{"basket.add", boss, "", []any{"sku", "BRD-01"}, ""},
		{"basket.tender", boss, "", []any{"type", "card"}, ""},
		{"sale.late", boss, "", []any{"number", "H-7", "issuedAt", time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "reason", "no power"}, "late-entry"},
		{"drawer.count", boss, "", []any{"amount", 1}, "count"},
		{"drawer.close", boss, "", nil, "shift-close"},
		{"report.x", boss, "", nil, "x-report"},
		{"report.z", boss, staff.Supervisor, nil, "z-report"},
		{"training.start", boss, "", nil, "training-mode"},
		{"training.stop", boss, "", nil, "training-mode"},
		{"people.add", ada, staff.Administrator, []any{"id", "30", "name", "Ole", "role", "operator", "pin", "7193"}, "user-change"},
		{"people.change", ada, staff.Administrator, []any{"id", "30", "name", "Z"}, "user-change"},
		{"people.pin", ada, staff.Administrator, []any{"id", "30", "pin", "7194"}, "user-change"},
		{"settings.change", ada, staff.Administrator, []any{"name", "Laden"}, "config-change"},
		{"articles.lookup", boss, "", []any{"code", "2900000010079"}, "price-lookup"},
		{"articles.price", ada, "", []any{"sku", "BRD-01", "price", 3_990_000}, "price-change"},
		{"tax.change", ada, staff.Responsible, []any{"builtIn", true}, "tax-change"},
		{"articles.import", ada, "", []any{"csv", string(sample.File) + "NEW-1,,,New,,,,1.00,reduced,piece,Bakery,,,,\n"}, "article-change"},
		{"language.set", ada, "", []any{"language", "pl"}, "config-change"},
		{"software-check", boss, "", nil, "software-stage"},
		{"software-later", boss, "", []any{"digest", digest, "for", "install"}, "software-consent"},
		{"software-agree", boss, staff.Supervisor, []any{"digest", digest, "for", "install"}, "software-consent"},
		{"till.decommission", ada, staff.Responsible, []any{"reason", "the shop closes", "keeper", "the owner"}, "decommission"},
		{"session.lock", ada, "", nil, "lock"},
		{"session.unlock", ada, "", []any{"pin", tilltest.PIN}, "unlock"},
		{"session.signout", ada, "", nil, "logout"},
	}
	// What needs a dispenser is tried in dispense_test.go.
	seen := map[string]bool{"change.dispense": true, "dispense.decide": true, "dispenser.clear": true}
	inspector := shop.As(staff.Inspector)
	for _, s := range steps {
		if s.do == "basket.resume" {
			s.args = []any{"id", waiting()}
		}
		if s.do == "receipt.print" || s.do == "receipt.copy" { // a print that is under way comes first
			boss.Until(func(s till.State) bool { return s.LastReceipt != nil && s.LastReceipt.Printed == till.PrintedYes })
		}
		before := inspector.State().Journal.Size
		command := map[string]any{"id": tilltest.NewID(time.Now()), "do": s.do, "args": tilltest.Args(s.args...)}
		if s.proof != "" {
			command["approval"] = map[string]any{"person": tilltest.IDs[s.proof], "pin": tilltest.PIN}
		}
		if a := s.who.Send(command); a.Error != nil {
			t.Fatalf("%s: %+v", s.do, *a.Error)
		}
		seen[s.do] = true
		if s.kind != "" && !slices.Contains(kindsFrom(inspector, before), s.kind) {
			t.Errorf("%s left no entry of kind %s: %v", s.do, s.kind, kindsFrom(inspector, before))
		}
	}
	for name := range till.Commands() {
		if !seen[name] {
			t.Errorf("%s was not tried", name)
		}
	}
}

// kindsFrom lists the kinds of the entries from an index on.
func kindsFrom(c *tilltest.Client, from uint64) []string {
	size := c.State().Journal.Size
	c.Until(func(s till.State) bool { return s.Journal.Searched >= size })
	var list till.EntriesAnswer
	c.Ask("/api/journal?limit=50", &list)
	var out []string
	for _, e := range list.Entries {
		if e.Index >= from {
			out = append(out, e.Kind)
		}
	}
	return out
}
