package catalog_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/tax"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// article is a plain article of which tests change what matters to them.
func article(sku catalog.SKU) catalog.Article {
	return catalog.Article{SKU: sku, Name: "Thing " + string(sku), Class: tax.Standard, Unit: catalog.Piece, Price: 1_990_000}
}

func shop(t testing.TB, articles ...catalog.Article) *catalog.Catalog {
	t.Helper()
	c, err := catalog.New(catalog.Set{Currency: "EUR", Articles: articles})
	must(t, err)
	return c
}

func TestACodeFindsItsArticle(t *testing.T) {
	a := article("A-1")
	a.GTINs = []catalog.GTIN{"4006381333931", "96385074"}
	c := shop(t, a, article("12345"))
	for code, by := range map[string]catalog.By{
		"A-1": catalog.BySKU, "4006381333931": catalog.ByGTIN, "04006381333931": catalog.ByGTIN, "96385074": catalog.ByGTIN, "00000096385074": catalog.ByGTIN,
	} {
		m, err := c.Lookup(code, noon)
		want := catalog.Match{Article: a, By: by, Quantity: money.One, Unit: catalog.Piece, Price: 1_990_000}
		if diff := cmp.Diff(want, m); err != nil || diff != "" {
			t.Errorf("Lookup(%s) error %v (-want +got):\n%s", code, err, diff)
		}
	}
}

func TestLookUpSaysWhatIsWrong(t *testing.T) {
	blocked := article("B-1")
	blocked.Blocked = true
	c := shop(t, article("A-1"), blocked)
	for code, want := range map[string]error{
		"A-2": catalog.ErrUnknown, "a-1": catalog.ErrUnknown, "4006381333931": catalog.ErrUnknown, "123": catalog.ErrUnknown,
		"4006381333932": catalog.ErrCheckDigit, "": catalog.ErrCode, "A-1\n": catalog.ErrCode, "\x1b[2J": catalog.ErrCode,
		"Ä": catalog.ErrCode, strings.Repeat("9", 81): catalog.ErrCode, strings.Repeat("A", 1<<20): catalog.ErrCode,
		"B-1": catalog.ErrBlocked,
	} {
		if m, err := c.Lookup(code, noon); !errors.Is(err, want) {
			t.Errorf("Lookup(%.20q) = %+v, %v, want %v", code, m, err, want)
		}
	}
	if m, _ := c.Lookup("B-1", noon); m.Article.SKU != "B-1" {
		t.Errorf("a blocked article is not named: %+v", m)
	}
}

func TestWhatTheCodeDoesNotSayIsAskedFor(t *testing.T) {
	loose, open := article("L"), article("O")
	loose.Unit, open.OpenPrice = catalog.Kilogram, true
	c := shop(t, loose, open)
	if m, _ := c.Lookup("L", noon); !m.NeedsQuantity || m.Quantity != 0 || m.Price != 1_990_000 {
		t.Errorf("by weight: %+v, want NeedsQuantity", m)
	}
	if m, _ := c.Lookup("O", noon); !m.NeedsPrice || m.Price != 0 || m.Quantity != money.One {
		t.Errorf("open price: %+v, want NeedsPrice", m)
	}
}

func TestThePriceOfTheDay(t *testing.T) {
	set := catalog.Set{Currency: "EUR", Articles: []catalog.Article{article("A"), article("B")}, Lists: []catalog.PriceList{
		{ID: "sale", From: "2026-11-01", Until: "2026-12-01", Prices: map[catalog.SKU]money.UnitPrice{"A": 1_500_000}},
		{ID: "day", From: "2026-11-22", Until: "2026-11-23", Prices: map[catalog.SKU]money.UnitPrice{"A": 1_000_000}},
		{ID: "staff", For: "staff", Prices: map[catalog.SKU]money.UnitPrice{"A": 900_000}},
		{ID: "2027", From: "2027-01-01", Prices: map[catalog.SKU]money.UnitPrice{"A": 2_500_000}},
	}}
	c, err := catalog.New(set)
	must(t, err)
	for _, p := range []struct {
		day, group string
		want       catalog.Price
	}{
		{"2026-10-31", "", catalog.Price{Unit: 1_990_000}},
		{"2026-11-01", "", catalog.Price{Unit: 1_500_000, List: "sale"}},
		{"2026-11-22", "", catalog.Price{Unit: 1_000_000, List: "day"}},
		{"2026-11-22", "staff", catalog.Price{Unit: 900_000, List: "staff"}},
		{"2026-11-22", "friends", catalog.Price{Unit: 1_000_000, List: "day"}},
		{"2026-11-23", "", catalog.Price{Unit: 1_500_000, List: "sale"}},
		{"2026-12-01", "", catalog.Price{Unit: 1_990_000}},
		{"2027-01-01", "", catalog.Price{Unit: 2_500_000, List: "2027"}},
	} {
		at, _ := time.Parse(time.DateOnly, p.day)
		if got, ok := c.Price("A", p.group, at); !ok || got != p.want {
			t.Errorf("Price(A, %q, %s) = %+v, %v, want %+v", p.group, p.day, got, ok, p.want)
		}
	}
	if _, ok := c.Price("C", "", noon); ok {
		t.Error("an article that is not there has a price")
	}
}

func TestNamesFallBackToTheWiderLanguageThenTheShops(t *testing.T) {
	a := article("A")
	a.Names = map[string]string{"de": "Ding", "pt-BR": "Coisa"}
	for tag, want := range map[string]string{"de": "Ding", "de-AT": "Ding", "de-CH-1996": "Ding", "pt-BR": "Coisa", "pt": "Thing A", "": "Thing A", "-": "Thing A"} {
		if got := a.NameIn(tag); got != want {
			t.Errorf("NameIn(%q) = %q, want %q", tag, got, want)
		}
	}
}

func TestACatalogueCannotBeChangedFromOutside(t *testing.T) {
	a := article("A")
	a.GTINs, a.Names = []catalog.GTIN{"4006381333931"}, map[string]string{"de": "Ding"}
	set := catalog.Set{Currency: "EUR", Articles: []catalog.Article{a}, Lists: []catalog.PriceList{{ID: "l", Prices: map[catalog.SKU]money.UnitPrice{"A": 1}}}}
	c, err := catalog.New(set)
	must(t, err)
	before, _ := c.Set().Encode()
	set.Lists[0].Prices["A"], a.Names["de"], a.GTINs[0], set.Articles[0].Name = 2, "x", "0", "x"
	m, _ := c.Lookup("A", noon)
	m.Article.Names["de"], m.Article.GTINs[0] = "y", "1"
	for got := range c.Articles() {
		got.Names["de"] = "z"
	}
	c.Search("thing", 1)[0].Names["de"] = "w"
	c.Set().Lists[0].Prices["A"] = 3
	if after, _ := c.Set().Encode(); string(after) != string(before) {
		t.Errorf("the catalogue was %s and is %s", before, after)
	}
}

func TestTheHashNamesTheContentNotTheOrder(t *testing.T) {
	a, b := article("A"), article("B")
	a.GTINs = []catalog.GTIN{"4006381333931", "96385074"}
	h := shop(t, a, b).Hash()
	a.GTINs = []catalog.GTIN{"96385074", "4006381333931"}
	if got := shop(t, b, a).Hash(); got != h {
		t.Errorf("another order gives %v, not %v", got, h)
	}
	for _, change := range []func(*catalog.Article){
		func(a *catalog.Article) { a.Price++ },
		func(a *catalog.Article) { a.Name += "!" },
		func(a *catalog.Article) { a.AgeLimit = 18 },
		func(a *catalog.Article) { a.Names = map[string]string{"de": "Ding"} },
		func(a *catalog.Article) { a.Blocked = true },
	} {
		changed := b
		change(&changed)
		if got := shop(t, a, changed).Hash(); got == h {
			t.Errorf("%+v has the same hash as before", changed)
		}
	}
}

func TestStoredBytesHashToTheSameValue(t *testing.T) {
	c := shop(t, article("A"), article("B"))
	b, err := c.Set().Encode()
	must(t, err)
	if got := catalog.HashOf(b); got != c.Hash() {
		t.Errorf("HashOf(bytes) = %v, want %v", got, c.Hash())
	}
	set, err := catalog.Decode(b)
	must(t, err)
	again, err := catalog.New(set)
	must(t, err)
	if again.Hash() != c.Hash() {
		t.Errorf("read back it has hash %v, not %v", again.Hash(), c.Hash())
	}
	text, _ := c.Hash().MarshalText()
	var h catalog.Hash
	if err := h.UnmarshalText(text); err != nil || h != c.Hash() {
		t.Errorf("hash %s is read %v, %v", text, h, err)
	}
	for _, bad := range []string{"", "00", strings.ToUpper(string(text)), string(text) + "0", strings.Repeat("g", 64)} {
		if err := h.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("hash %q is accepted", bad)
		}
	}
}

// The form is durable: a change here is a new version of the hash domain.
func TestTheStoredFormIsStable(t *testing.T) {
	a := catalog.Article{SKU: "A", GTINs: []catalog.GTIN{"96385074"}, InStore: []string{"2812345"}, Name: "Thing", Names: map[string]string{"pl": "Rzecz", "de": "Ding"},
		Class: tax.Reduced, Unit: catalog.Kilogram, Group: "g", Price: -1, OpenPrice: true, AgeLimit: 16, NoDiscount: true, Deposit: "B", Blocked: true}
	b, err := catalog.Set{Currency: "EUR", Articles: []catalog.Article{a, article("B")}, Schemes: []catalog.Scheme{{Pattern: "28IIIIIWWWWWC", Decimals: 3}},
		Lists: []catalog.PriceList{{ID: "l", Name: "n", For: "f", From: "2026-01-01", Until: "2027-01-01", Prices: map[catalog.SKU]money.UnitPrice{"B": 1, "A": 2}}}}.Encode()
	must(t, err)
	want := `{"currency":"EUR","articles":[{"sku":"A","gtins":["96385074"],"in_store":["2812345"],"name":"Thing","names":{"de":"Ding","pl":"Rzecz"},` +
		`"class":"reduced","unit":"kg","group":"g","price":-1,"open_price":true,"age_limit":16,"no_discount":true,"deposit":"B","blocked":true},` +
		`{"sku":"B","name":"Thing B","class":"standard","unit":"piece","price":1990000}],` +
		`"lists":[{"id":"l","name":"n","for":"f","from":"2026-01-01","until":"2027-01-01","prices":{"A":2,"B":1}}],` +
		`"schemes":[{"pattern":"28IIIIIWWWWWC","decimals":3}]}`
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Errorf("Encode (-want +got):\n%s", diff)
	}
	if got, want := catalog.HashOf(b).String(), "e02cc1086bde04eecfbef06116dfc4d1b138a43db0655459381986e1ce12ccf5"; got != want {
		t.Errorf("HashOf = %s, want %s", got, want)
	}
}

func TestOnlyTheCanonicalFormIsRead(t *testing.T) {
	good := `{"currency":"EUR","articles":[{"sku":"A","name":"Thing","class":"standard","unit":"piece","price":1}]}`
	if _, err := catalog.Decode([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", "null", "[]", " " + good, good + "\n", good + good,
		strings.Replace(good, `"price":1`, `"price":1.0`, 1),
		strings.Replace(good, `"price":1`, `"price":1,"colour":"red"`, 1),
		strings.Replace(good, `"price":1`, `"price":1,"price":2`, 1),
		strings.Replace(good, `"price":1`, `"price":1,"blocked":false`, 1),
		strings.Replace(good, `"sku":"A","name":"Thing"`, `"name":"Thing","sku":"A"`, 1),
		strings.Replace(good, `"sku"`, `"SKU"`, 1),
		strings.Replace(good, `Thing`, `\u0054hing`, 1),
		strings.Replace(good, `Thing`, "\xff", 1),
		strings.Repeat("[", 100_000),
	} {
		if _, err := catalog.Decode([]byte(bad)); !errors.Is(err, catalog.ErrEncoding) {
			t.Errorf("Decode(%.80q) error = %v, want ErrEncoding", bad, err)
		}
	}
}

func TestNewListsAllProblemsAtOnce(t *testing.T) {
	bad := catalog.Article{SKU: "a b", GTINs: []catalog.GTIN{"036000291452"}, InStore: []string{"x"}, Name: "\x1b[31m", Names: map[string]string{"DE": " "},
		Class: "!", Unit: "stone", Group: strings.Repeat("x", 201), AgeLimit: 100, Deposit: "none"}
	twin, selfish := article("A"), article("S")
	twin.GTINs, selfish.Deposit = []catalog.GTIN{"96385074", "96385074"}, "S"
	chain, first := article("C"), article("F")
	chain.Deposit, first.Deposit = "F", "A"
	_, err := catalog.New(catalog.Set{Currency: "eur", Articles: []catalog.Article{bad, article("A"), twin, selfish, chain, first},
		Schemes: []catalog.Scheme{{Pattern: "?"}},
		Lists: []catalog.PriceList{
			{ID: "", Name: "\n", For: "\t", From: "2026-13-01", Until: "soon", Prices: map[catalog.SKU]money.UnitPrice{"Z": 1}},
			{ID: "x", From: "2026-01-02", Until: "2026-01-02"}, {ID: "x"},
		}})
	var invalid *catalog.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("New error = %v, want *InvalidError", err)
	}
	got := make(map[string]int)
	for _, p := range invalid.Problems {
		got[string(p.SKU)+" "+p.Field]++
	}
	want := map[string]int{
		" currency": 1, " schemes": 1, "a b sku": 1, "a b gtin": 1, "a b in_store": 1, "a b name": 2, "a b name_DE": 1, "a b tax_class": 1,
		"a b unit": 1, "a b group": 1, "a b age_limit": 1, "a b deposit": 1, "A sku": 1, "A gtin": 1, "S deposit": 1, "C deposit": 1,
		` price list ""`: 6, ` price list "x"`: 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s\n%v", diff, err)
	}
	if s := err.Error(); !strings.Contains(s, fmt.Sprintf("%d problems", len(invalid.Problems))) || strings.ContainsRune(s, 0x1b) {
		t.Errorf("Error() = %q", s)
	}
}

func TestTagsInAnyCaseAreToldApart(t *testing.T) {
	a := article("A")
	a.Names = map[string]string{"DE": "Ding"}
	if problems := a.Problems(); len(problems) != 1 || problems[0].Field != "name" {
		t.Errorf("Problems() = %v, want the tag DE refused", problems)
	}
}

func TestCompareTellsWhatAnImportWouldDo(t *testing.T) {
	kept, changed, gone, fresh := article("K"), article("C"), article("G"), article("N")
	kept.GTINs = []catalog.GTIN{"4006381333931", "96385074"}
	old := catalog.Set{Currency: "EUR", Articles: []catalog.Article{kept, gone, changed}}
	kept.GTINs = []catalog.GTIN{"96385074", "4006381333931"}
	after := changed
	after.Price, after.Names, after.Class = 5, map[string]string{"de": "Ding"}, tax.Reduced
	new := catalog.Set{Currency: "SEK", Articles: []catalog.Article{fresh, after, kept}, Schemes: []catalog.Scheme{{Pattern: "x"}}, Lists: []catalog.PriceList{{ID: "l"}}}
	want := catalog.Diff{
		Added:   []catalog.Article{fresh},
		Changed: []catalog.Change{{Old: changed, New: after, Fields: []string{"name_de", "tax_class", "price"}}},
		Removed: []catalog.Article{gone},
		Other:   []string{"currency", "lists", "schemes"},
	}
	got := catalog.Compare(old, new)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Compare (-want +got):\n%s", diff)
	}
	if d := catalog.Compare(old, old); !d.Empty() {
		t.Errorf("a set differs from itself: %+v", d)
	}
}

func TestEveryFieldThatIsHashedIsCompared(t *testing.T) {
	base := catalog.Set{Currency: "EUR", Articles: []catalog.Article{article("A")}}
	for field, change := range map[string]func(*catalog.Article){
		"gtin": func(a *catalog.Article) { a.GTINs = []catalog.GTIN{"96385074"} }, "in_store": func(a *catalog.Article) { a.InStore = []string{"1"} },
		"name": func(a *catalog.Article) { a.Name = "x" }, "name_de": func(a *catalog.Article) { a.Names = map[string]string{"de": "x"} },
		"tax_class": func(a *catalog.Article) { a.Class = "x" }, "unit": func(a *catalog.Article) { a.Unit = "kg" },
		"group": func(a *catalog.Article) { a.Group = "x" }, "price": func(a *catalog.Article) { a.Price = math.MinInt64 },
		"open_price": func(a *catalog.Article) { a.OpenPrice = true }, "age_limit": func(a *catalog.Article) { a.AgeLimit = 1 },
		"no_discount": func(a *catalog.Article) { a.NoDiscount = true }, "deposit": func(a *catalog.Article) { a.Deposit = "x" },
		"blocked": func(a *catalog.Article) { a.Blocked = true },
	} {
		a := article("A")
		change(&a)
		d := catalog.Compare(base, catalog.Set{Currency: "EUR", Articles: []catalog.Article{a}})
		if len(d.Changed) != 1 || !slices.Equal(d.Changed[0].Fields, []string{field}) {
			t.Errorf("changed %s: %+v", field, d)
		}
	}
}

func FuzzLookup(f *testing.F) {
	a, b := article("A-1"), article("B")
	a.GTINs, b.InStore = []catalog.GTIN{"4006381333931"}, []string{"2812345"}
	c, err := catalog.New(catalog.Set{Currency: "EUR", Articles: []catalog.Article{a, b}, Schemes: []catalog.Scheme{{Pattern: "28IIIIIWWWWWC", Decimals: 3}}})
	must(f, err)
	for _, s := range []string{"A-1", "4006381333931", "2812345004526", "2812345004527", "", "\x00", "]C101", "９"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, code string) {
		m, err := c.Lookup(code, noon)
		if (err == nil) == (m.Article.SKU == "") {
			t.Fatalf("Lookup(%q) = %+v, %v", code, m, err)
		}
		for _, r := range fmt.Sprint(err) {
			if r < ' ' {
				t.Fatalf("Lookup(%q): the error holds control characters: %q", code, err)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	b, err := catalog.Set{Currency: "EUR", Articles: []catalog.Article{article("A")}}.Encode()
	must(f, err)
	f.Add(b)
	f.Add([]byte(`{"currency":"","articles":[]}`))
	f.Add([]byte(`{"currency":"EUR","articles":[{"sku":"A","names":{"de":"x"}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		set, err := catalog.Decode(b)
		if err != nil {
			return
		}
		if again, err := set.Encode(); err != nil || string(again) != string(b) {
			t.Fatalf("%q is written %q, %v", b, again, err)
		}
		if c, err := catalog.New(set); err == nil && c.Hash() != catalog.HashOf(b) {
			t.Fatalf("%q has two hashes", b)
		}
	})
}

func TestCatalogsOfAnyArticlesFindThemAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		skus := rapid.SliceOfNDistinct(rapid.StringMatching("[!-~]{1,40}"), 1, 30, rapid.ID[string]).Draw(t, "skus")
		var articles []catalog.Article
		for _, s := range skus {
			articles = append(articles, article(catalog.SKU(s)))
		}
		c, err := catalog.New(catalog.Set{Currency: "EUR", Articles: articles})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range skus {
			if m, err := c.Lookup(s, noon); err != nil || string(m.Article.SKU) != s {
				t.Fatalf("Lookup(%s) = %s, %v", s, m.Article.SKU, err)
			}
		}
	})
}

func TestOtherArticlesTakeTheirPricesAlong(t *testing.T) {
	old := catalog.Set{
		Currency: "EUR",
		Articles: []catalog.Article{{SKU: "A"}, {SKU: "B"}},
		Lists: []catalog.PriceList{
			{ID: "both", Prices: map[catalog.SKU]money.UnitPrice{"A": 1, "B": 2}},
			{ID: "gone", Prices: map[catalog.SKU]money.UnitPrice{"A": 1}},
		},
	}
	got := old.With([]catalog.Article{{SKU: "B"}, {SKU: "C"}})
	want := catalog.Set{
		Currency: "EUR",
		Articles: []catalog.Article{{SKU: "B"}, {SKU: "C"}},
		Lists:    []catalog.PriceList{{ID: "both", Prices: map[catalog.SKU]money.UnitPrice{"B": 2}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("With (-want +got):\n%s", diff)
	}
	if len(old.Lists[0].Prices) != 2 {
		t.Error("the old set was changed")
	}
}
