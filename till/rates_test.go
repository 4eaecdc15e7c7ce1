package till_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// bare is a till that is not set up, and what sets it up with a person or two.
func bare(t *testing.T, country string) (*tilltest.Shop, map[string]any) {
	shop := tilltest.New(t, tilltest.WithoutDevices(), tilltest.WithoutSetup())
	return shop, map[string]any{
		"code": shop.Node.SetupCode(), "shop": map[string]any{"name": "Kornblume", "country": country},
		"administrator": map[string]any{"id": "1", "name": "Ada", "pin": tilltest.PIN},
		"people":        []map[string]any{{"id": "2", "name": "Anna", "role": "operator", "pin": tilltest.PIN}},
	}
}

func TestTheFirstRunAsksForTheRates(t *testing.T) {
	shop, form := bare(t, "DE")
	before := shop.Client().State()
	i := slices.IndexFunc(before.Countries, func(c till.CountryState) bool { return c.Country == "DE" })
	if i < 0 || before.Countries[i].Currency != "EUR" || len(before.Countries[i].Rates) != 2 || before.Countries[i].Rates[0].Rate != 19_000 {
		t.Fatalf("countries to choose from: %+v", before.Countries)
	}
	form["tax"] = map[string]any{"rates": []map[string]any{{"class": "luxury", "rate": 7_500}}}
	if status, body := shop.Client().Post("/api/setup", form); status != 400 || !strings.Contains(string(body), "bad-tax-table") {
		t.Errorf("a class that the country does not have: %d %s", status, body)
	}
	form["tax"] = map[string]any{"rates": []map[string]any{{"class": "reduced", "rate": 7_500}}, "prices": "net"}
	if status, body := shop.Client().Post("/api/setup", form); status != 200 {
		t.Fatalf("setup: %d %s", status, body)
	}
	anna := shop.As(staff.Operator)
	if anna.State().Countries != nil {
		t.Error("a till that is set up still tells countries")
	}
	anna.Do("basket.add", "sku", "BRD-01")
	if b := anna.State().Basket; b.Total != 375 || b.Taxes[0].Rate != 7_500 || b.Taxes[0].Net != 349 {
		t.Errorf("3.49 and 7.5 %% on top: total %d, taxes %+v", b.Total, b.Taxes)
	}
	shop.Close()
	if x := bodies[*fiscal.TaxChange](t, shop); len(x) != 1 || x[0].By != "1" {
		t.Errorf("tax changes %+v", x)
	}
	open(t, durable.OS{}, shop.Dir).lawful("e1")
}

func TestAShopRoundsCashAsItsCountryAllows(t *testing.T) {
	for country, want := range map[string]struct {
		step    int64
		refused []int64
		taken   []int64
	}{
		"NL": {0, []int64{2, 10}, []int64{5, 0}}, // the shop decides
		"FI": {5, []int64{0, 1, 10}, []int64{5}}, // the law does
		"DE": {0, []int64{50}, []int64{5, 0}},    // no rule is known
	} {
		t.Run(country, func(t *testing.T) {
			shop, form := bare(t, country)
			if status, body := shop.Client().Post("/api/setup", form); status != 200 {
				t.Fatalf("setup: %d %s", status, body)
			}
			ada := shop.As(staff.Administrator)
			var s till.SettingsAnswer
			ada.Ask("/api/settings", &s)
			if int64(*s.Shop.CashStep) != want.step {
				t.Errorf("rounds to %d, want %d", *s.Shop.CashStep, want.step)
			}
			for _, step := range want.refused {
				a := ada.Send(own(ada, "settings.change", map[string]any{"cashStep": step}))
				if a.Error == nil || a.Error.Code != "bad-cash-step" {
					t.Errorf("rounding to %d: %+v", step, a.Error)
				}
			}
			for _, step := range want.taken {
				ada.Approved(staff.Administrator, "settings.change", "cashStep", step)
			}
		})
	}
}

// own is a command with its sender's own PIN.
func own(_ *tilltest.Client, do string, args map[string]any) map[string]any {
	return map[string]any{"id": tilltest.NewID(time.Now()), "do": do, "args": args, "approval": map[string]any{"person": "1", "pin": tilltest.PIN}}
}

func TestTheAdministratorNamesTheFirstResponsiblePersonOnly(t *testing.T) {
	shop, form := bare(t, "DE")
	if status, body := shop.Client().Post("/api/setup", form); status != 200 {
		t.Fatalf("setup: %d %s", status, body)
	}
	ada := shop.As(staff.Administrator)
	ada.Refuse("needs-approval", "people.add", "id", "8", "name", "Eve", "role", "administrator", "pin", "7193")
	ada.Approved(staff.Administrator, "people.add", "id", "7", "name", "Rita", "role", "responsible", "pin", tilltest.PIN)
	ada.Refuse("needs-approval", "people.add", "id", "8", "name", "Eve", "role", "responsible", "pin", "7193")
	ada.Refuse("needs-approval", "people.change", "id", "7", "active", false)
	ada.Approved(staff.Responsible, "people.change", "id", "7", "active", false)
	ada.Refuse("needs-approval", "people.add", "id", "8", "name", "Eve", "role", "responsible", "pin", "7193")
}

// Requirement: POS-06
func TestTheAdministratorChoosesHowMuchDetailIsJournaledAboveTheFloor(t *testing.T) {
	for detail, want := range map[string]int{"minimum": 1, "basic": 2, "detailed": 3} {
		t.Run(detail, func(t *testing.T) {
			shop := tilltest.New(t, tilltest.WithoutDevices())
			ada, inspector := shop.As(staff.Administrator), shop.As(staff.Inspector)
			ada.Approved(staff.Administrator, "settings.change", "detail", detail)
			shop.As(staff.Supervisor).Refuse("forbidden", "settings.change", "detail", "minimum") // on every level
			var list till.EntriesAnswer
			var one till.EntryAnswer
			inspector.Ask("/api/journal?q=nothing", &list)
			inspector.Ask("/api/journal/0", &one) // the commissioning: a security event
			inspector.Ask("/api/journal/1", &one) // the articles
			shop.Close()
			if got := bodies[*fiscal.JournalViewed](t, shop); len(got) != want {
				t.Errorf("%d entries about looking into the journal, want %d: %+v", len(got), want, got)
			}
			if got := bodies[*fiscal.Refused](t, shop); len(got) != 1 {
				t.Errorf("refusals %+v", got)
			}
		})
	}
}
