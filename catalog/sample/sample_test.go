package sample_test

import (
	"errors"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/catalog/sample"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/tax"
)

var day = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func open(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := sample.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryArticleIsFoundByItsNumbersAndNames(t *testing.T) {
	c := open(t)
	if c.Len() < 60 {
		t.Errorf("Len() = %d, want at least 60", c.Len())
	}
	for a := range c.Articles() {
		for _, code := range append([]string{string(a.SKU)}, gtins(a)...) {
			m, err := c.Lookup(code, day)
			if err != nil || m.Article.SKU != a.SKU {
				t.Errorf("Lookup(%s) = %s, %v, want %s", code, m.Article.SKU, err, a.SKU)
			}
		}
		for _, lang := range []string{"en", "de", "pl", "zh"} {
			if !found(c, a.NameIn(lang), a.SKU) {
				t.Errorf("Search(%q) does not find %s", a.NameIn(lang), a.SKU)
			}
		}
	}
}

func gtins(a catalog.Article) (out []string) {
	for _, g := range a.GTINs {
		out = append(out, string(g), g.GTIN14())
	}
	return out
}

func found(c *catalog.Catalog, query string, sku catalog.SKU) bool {
	for _, a := range c.Search(query, catalog.MaxResults) {
		if a.SKU == sku {
			return true
		}
	}
	return false
}

func TestAllNumbersAreFromRangesForOwnUse(t *testing.T) {
	for a := range open(t).Articles() {
		for _, g := range a.GTINs {
			if !g.Restricted() {
				t.Errorf("article %s: GTIN %s may belong to a real product", a.SKU, g)
			}
		}
	}
}

func TestEveryArticleHasAllFourNames(t *testing.T) {
	for a := range open(t).Articles() {
		for _, lang := range []string{"de", "pl", "zh"} {
			if a.Names[lang] == "" {
				t.Errorf("article %s has no name in %s", a.SKU, lang)
			}
		}
	}
}

func TestEveryClassIsInTheGermanTable(t *testing.T) {
	table, _ := tax.For("DE")
	classes := make(map[tax.Class]bool)
	for a := range open(t).Articles() {
		classes[a.Class] = true
		if _, err := table.At(a.Class, day); err != nil {
			t.Errorf("article %s: %v", a.SKU, err)
		}
	}
	if len(classes) < 5 {
		t.Errorf("the shop has %d tax classes, want 5 or more", len(classes))
	}
}

func TestACodeFromTheScaleHoldsTheWeight(t *testing.T) {
	code, err := sample.Weighed.Encode("2800101", 452_000)
	if err != nil {
		t.Fatal(err)
	}
	m, err := open(t).Lookup(code, day)
	if err != nil {
		t.Fatal(err)
	}
	if m.Article.SKU != "CHS-01" || m.Quantity != 452_000 || m.Unit != catalog.Kilogram || m.Price != 19_900_000 || m.NeedsQuantity {
		t.Errorf("Lookup(%s) = %+v, want 0.452 kg of CHS-01 at 19.90", code, m)
	}
	if a, _ := money.Extend(m.Price, m.Quantity, "EUR", money.HalfAwayFromZero); a != 899 {
		t.Errorf("price of %s = %d, want 8.99", code, a)
	}
}

func TestACodeFromTheLabelPrinterHoldsThePrice(t *testing.T) {
	code, err := sample.Priced.Encode("210201", 14_685*10_000)
	if err != nil {
		t.Fatal(err)
	}
	m, err := open(t).Lookup(code, day)
	if err != nil || m.Article.SKU != "CHS-03" || m.Price != 146_850_000 || m.Quantity != money.One || m.NeedsPrice || !m.PriceInCode {
		t.Errorf("Lookup(%s) = %+v, %v, want one CHS-03 at 146.85", code, m, err)
	}
}

func TestAMisreadPriceIsRefused(t *testing.T) {
	code := "210201" + "0" + "14685" // the price check digit is 6
	code += string(catalog.CheckDigit(code))
	if _, err := open(t).Lookup(code, day); !errors.Is(err, catalog.ErrPriceDigit) {
		t.Errorf("Lookup(%s) error = %v, want ErrPriceDigit", code, err)
	}
}

func TestTheShopHasOneOfEachKind(t *testing.T) {
	var openPrice, deposit, age, weighed, back, short bool
	for a := range open(t).Articles() {
		openPrice = openPrice || a.OpenPrice
		deposit = deposit || a.Deposit != ""
		age = age || a.AgeLimit > 0
		weighed = weighed || a.Unit == catalog.Kilogram && len(a.InStore) > 0
		back = back || a.Price < 0
		short = short || len(a.GTINs) > 0 && len(a.GTINs[0]) == 8
	}
	if !openPrice || !deposit || !age || !weighed || !back || !short {
		t.Errorf("open price %v, deposit %v, age limit %v, weighed %v, deposit back %v, short code %v: all wanted", openPrice, deposit, age, weighed, back, short)
	}
}

func TestThePromotionHoldsInItsDaysOnly(t *testing.T) {
	c := open(t)
	for date, want := range map[string]money.UnitPrice{"2026-11-28": 3_800_000, "2026-11-29": 2_990_000, "2026-12-26": 2_990_000, "2026-12-27": 3_800_000} {
		at, _ := time.Parse(time.DateOnly, date)
		if m, err := c.Lookup("GRO-12", at); err != nil || m.Price != want {
			t.Errorf("Lookup(GRO-12, %s) = %v, %v, want %v", date, m.Price, err, want)
		}
	}
}

func TestNamesThatBeginWithTheQueryComeFirst(t *testing.T) {
	got := open(t).Search("apfel", 5)
	if len(got) < 1 || got[0].SKU != "DRK-02" {
		t.Errorf("Search(apfel) = %v, want DRK-02 first", got)
	}
}
