package till_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/catalog/sample"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// setUpIn sets a bare till up in a country; an empty currency is the country's.
func setUpIn(shop *tilltest.Shop, country, currency string) (*tilltest.Client, int, string) {
	c := shop.Client()
	form := map[string]any{"name": "X", "country": country}
	if currency != "" {
		form["currency"] = currency
	}
	status, body := c.Post("/api/setup", map[string]any{
		"code": shop.Node.SetupCode(), "shop": form, "administrator": map[string]any{"id": "1", "name": "Ada", "pin": tilltest.PIN},
		"people": []map[string]any{{"id": "3", "name": "Bo", "role": "supervisor", "pin": tilltest.PIN}},
	})
	return c, status, string(body)
}

func TestTheFirstPersonChoosesCountryAndCurrency(t *testing.T) {
	for _, x := range []struct {
		country, currency string
		want              money.Currency
		step              money.Amount
		paid              money.Amount // for milk at 1.19
	}{
		{"GB", "GBP", "GBP", 1, 119},
		{"PL", "", "PLN", 1, 119},
		{"CH", "", "CHF", 5, 120},
		{"DE", "", "EUR", 1, 119},
	} {
		t.Run(x.country, func(t *testing.T) {
			shop := tilltest.New(t, tilltest.WithoutDevices(), tilltest.WithoutSetup())
			if _, status, body := setUpIn(shop, x.country, x.currency); status != http.StatusOK {
				t.Fatalf("setup: %d %s", status, body)
			}
			shop.Kill() // what was chosen survives
			boss := shop.As("supervisor")
			if s := boss.State().Shop; s.Currency != x.want || string(s.Country) != x.country || s.CashRounding != x.step {
				t.Errorf("shop = %+v", s)
			}
			boss.Do("drawer.open")
			boss.Do("basket.add", "sku", "DRY-01")
			if b := boss.State().Basket; b.Total != 119 || b.DueCash != x.paid {
				t.Errorf("basket = %+v", b)
			}
			if r := boss.Pay("cash", 200); r.Change != 200-x.paid {
				t.Errorf("receipt = %+v", r)
			}
			sellEverything(t, boss)
			shop.Close()
			checkJournal(t, shop)
		})
	}
}

// sellEverything shows that each article has a tax rate in the country.
func sellEverything(t *testing.T, c *tilltest.Client) {
	all, err := sample.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for a := range all.Articles() {
		if class := string(a.Class); !seen[class] && !a.OpenPrice && a.AgeLimit == 0 {
			seen[class] = true
			c.Do("basket.add", "sku", string(a.SKU))
		}
	}
	c.Pay("card", 0)
}

// checkJournal runs the verifiers' check over a closed till's entries.
func checkJournal(t *testing.T, shop *tilltest.Shop) {
	t.Helper()
	box, err := seal.Open(durable.OS{}, filepath.Join(shop.Dir, "seal"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := journal.OpenReadOnly(filepath.Join(shop.Dir, "e1"), journal.ReadOptions{Keys: box.JournalKeys()})
	if err != nil {
		t.Fatal(err)
	}
	check := fiscal.NewCheck(nil)
	for e, err := range r.Entries(context.Background(), 0, 1<<40) {
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range check.Entry(e.Head, e.Body) {
			t.Error(f)
		}
	}
}

func TestACatalogueOfOnesOwnKeepsItsCurrency(t *testing.T) {
	set, err := sample.Set()
	if err != nil {
		t.Fatal(err)
	}
	set.Articles[0].Price++
	shop := tilltest.New(t, tilltest.WithoutDevices(), tilltest.WithoutSetup(), tilltest.With(func(o *till.Options) { o.Catalogue = &set }))
	if _, status, body := setUpIn(shop, "CH", "CHF"); status == http.StatusOK || !strings.Contains(body, "country-fixed") {
		t.Errorf("setup: %d %s", status, body)
	}
	if _, status, body := setUpIn(shop, "DE", "EUR"); status != http.StatusOK {
		t.Errorf("setup: %d %s", status, body)
	}
}
