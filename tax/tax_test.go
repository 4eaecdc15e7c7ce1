package tax_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/plomb-pos/plomb/tax"
	"pgregory.net/rapid"
)

func TestRatesAreReadAndWritten(t *testing.T) {
	for s, want := range map[string]tax.Rate{"19": 19_000, "5.5": 5_500, "4.9 %": 4_900, "0": 0, "100%": 100_000, "0.001": 1, "25.5": 25_500} {
		if got, err := tax.ParseRate(s); err != nil || got != want {
			t.Errorf("ParseRate(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "%", "-1", "100.001", "1,5", "19 %%", " 19", "1e1", "0.0001", "99999999999999999999", "NaN"} {
		if got, err := tax.ParseRate(s); !errors.Is(err, tax.ErrRate) {
			t.Errorf("ParseRate(%q) = %d, %v, want ErrRate", s, got, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		r := tax.Rate(rapid.Int32Range(0, 100_000).Draw(t, "rate"))
		if got, err := tax.ParseRate(r.String()); err != nil || got != r {
			t.Fatalf("rate %d is written %s and read %d, %v", int32(r), r, int32(got), err)
		}
	})
}

func TestClassesHaveAForm(t *testing.T) {
	for _, s := range []string{"standard", "reduced2", "a", "food-cold"} {
		if _, err := tax.ParseClass(s); err != nil {
			t.Errorf("ParseClass(%q): %v", s, err)
		}
	}
	for _, s := range []string{"", "Standard", "2x", "-a", "a b", "a\n", "é", "aaaaaaaaaaaaaaaaaaaaaaaaa"} {
		if _, err := tax.ParseClass(s); !errors.Is(err, tax.ErrClass) {
			t.Errorf("ParseClass(%q) error = %v, want ErrClass", s, err)
		}
	}
}

var table = tax.Table{
	{Class: tax.Standard, Letter: "A", Rate: 19_000, From: "2007-01-01"},
	{Class: tax.Standard, Letter: "A", Rate: 16_000, From: "2020-07-01"},
	{Class: tax.Standard, Letter: "A", Rate: 19_000, From: "2021-01-01"},
	{Class: "crisis", Letter: "K", Rate: 1_000, From: "2020-07-01"},
	{Class: "crisis", From: "2021-01-01", Ended: true},
}

func TestTheRateOfTheDayHolds(t *testing.T) {
	berlin := time.FixedZone("CEST", 2*3600)
	for _, c := range []struct {
		at   time.Time
		want tax.Rate
	}{
		{time.Date(2020, 6, 30, 23, 59, 59, 999, berlin), 19_000},
		{time.Date(2020, 7, 1, 0, 0, 0, 0, berlin), 16_000},
		{time.Date(2020, 7, 1, 0, 0, 0, 0, berlin).UTC(), 19_000}, // still June in London's winter time
		{time.Date(2020, 12, 31, 12, 0, 0, 0, berlin), 16_000},
		{time.Date(2021, 1, 1, 0, 0, 0, 0, berlin), 19_000},
		{time.Date(2099, 1, 1, 0, 0, 0, 0, berlin), 19_000},
	} {
		if got, err := table.At(tax.Standard, c.at); err != nil || got.Rate != c.want {
			t.Errorf("At(standard, %v) = %v, %v, want %v", c.at, got.Rate, err, c.want)
		}
	}
}

func TestADayWithoutRuleIsRefused(t *testing.T) {
	for class, day := range map[tax.Class]time.Time{
		tax.Standard: time.Date(2006, 12, 31, 0, 0, 0, 0, time.UTC), // before the table
		"crisis":     time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC),   // after its end
		tax.Reduced:  time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC),   // not in the table
	} {
		if got, err := table.At(class, day); !errors.Is(err, tax.ErrNoRule) {
			t.Errorf("At(%s, %v) = %+v, %v, want ErrNoRule", class, day, got, err)
		}
	}
	if got, err := tax.Table(nil).At(tax.Standard, time.Time{}); !errors.Is(err, tax.ErrNoRule) {
		t.Errorf("empty table: %+v, %v, want ErrNoRule", got, err)
	}
}

func TestValidateListsAllProblemsAtOnce(t *testing.T) {
	bad := tax.Table{
		{Class: "Standard", Letter: "ÄÖÜ", Rate: 100_001, From: "2020-02-30"},
		{Class: tax.Zero, Rate: 1, From: "2020-01-01"},
		{Class: tax.Reduced, Letter: "B", Rate: 7_000, From: "2020-01-01"},
		{Class: tax.Reduced, Letter: "B", Rate: 5_000, From: "2020-01-01"},
		{Class: tax.Reduced2, Letter: "B", Rate: 5_500, From: "2021-01-01"},
	}
	err := bad.Validate()
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) || len(all.Unwrap()) != 7 {
		t.Errorf("Validate() = %v, want 7 problems", err)
	}
	if !errors.Is(err, tax.ErrTable) || !errors.Is(tax.Table{}.Validate(), tax.ErrTable) {
		t.Errorf("Validate() = %v, want ErrTable", err)
	}
	if err := table.Validate(); err != nil {
		t.Errorf("a good table: %v", err)
	}
}

func TestBuiltInTables(t *testing.T) {
	for _, c := range []struct {
		country string
		class   tax.Class
		day     string
		want    tax.Rate
	}{
		{"DE", tax.Standard, "2019-05-05", 19_000}, {"DE", tax.Reduced, "2020-08-01", 5_000}, {"DE", tax.Standard, "2026-11-22", 19_000},
		{"AT", tax.Standard, "2026-01-01", 20_000}, {"AT", tax.Reduced2, "2026-01-01", 13_000}, {"AT", tax.Reduced3, "2026-07-01", 4_900},
		{"PL", tax.Standard, "2026-01-01", 23_000}, {"PL", tax.Reduced, "2026-01-01", 8_000}, {"PL", tax.Reduced2, "2026-01-01", 5_000},
		{"GB", tax.Standard, "2026-01-01", 20_000}, {"FR", tax.Reduced2, "2026-01-01", 5_500}, {"FR", tax.Reduced3, "2026-01-01", 2_100},
		{"NO", tax.Standard, "2026-01-01", 25_000}, {"NO", tax.Reduced, "2026-01-01", 15_000}, {"NO", tax.Reduced2, "2026-01-01", 12_000},
		{"DK", tax.Standard, "2026-01-01", 25_000}, {"SE", tax.Reduced, "2026-01-01", 12_000}, {"SE", tax.Reduced2, "2026-01-01", 6_000},
		{"CH", tax.Standard, "2023-12-31", 7_700}, {"CH", tax.Standard, "2024-01-01", 8_100}, {"CH", tax.Reduced, "2024-01-01", 2_600},
		{"GB", tax.Standard, "2008-11-30", 17_500}, {"GB", tax.Standard, "2008-12-01", 15_000}, {"GB", tax.Standard, "2009-12-31", 15_000},
		{"GB", tax.Standard, "2010-12-01", 17_500}, {"GB", tax.Standard, "2011-01-03", 17_500}, {"GB", tax.Standard, "2011-01-04", 20_000},
		{"GB", tax.Reduced, "2010-12-01", 5_000}, {"GB", tax.Reduced2, "2022-03-31", 12_500},
		{"FI", tax.Reduced, "2025-12-31", 14_000}, {"FI", tax.Reduced, "2026-01-01", 13_500},
		{"FI", tax.Standard, "2024-08-31", 24_000}, {"FI", tax.Standard, "2024-09-01", 25_500},
	} {
		day, _ := time.Parse(time.DateOnly, c.day)
		tab, ok := tax.For(country(c.country))
		got, err := tab.At(c.class, day)
		if !ok || err != nil || got.Rate != c.want {
			t.Errorf("%s %s on %s = %v, %v, want %v", c.country, c.class, c.day, got.Rate, err, c.want)
		}
	}
	if _, err := must(tax.For("AT")).At(tax.Reduced3, time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)); !errors.Is(err, tax.ErrNoRule) {
		t.Errorf("AT reduced3 before it exists: error = %v, want ErrNoRule", err)
	}
}

func TestARateThatHasEndedIsRefused(t *testing.T) {
	if _, err := must(tax.For("GB")).On(tax.Reduced2, "2022-04-01"); !errors.Is(err, tax.ErrNoRule) {
		t.Errorf("GB reduced2 after its end: error = %v, want ErrNoRule", err)
	}
}

func must(t tax.Table, _ bool) tax.Table { return t }

func TestEveryBuiltInTableIsValidAndACopy(t *testing.T) {
	for _, c := range tax.Countries() {
		tab, ok := tax.For(c)
		if err := tab.Validate(); !ok || err != nil {
			t.Errorf("%s: %v", c, err)
		}
		if got := len(tab.Current("2026-11-22")); got < 5 {
			t.Errorf("%s has %d classes today", c, got)
		}
		tab[0].Rate = 99_000
		if again, _ := tax.For(c); again[0].Rate == 99_000 {
			t.Errorf("%s: a caller can change the built-in table", c)
		}
	}
	if tab, ok := tax.For("ZZ"); ok || len(tab) != 0 {
		t.Errorf("For(ZZ) = %v, %v", tab, ok)
	}
}

func TestTheStoredFormIsStable(t *testing.T) {
	b, err := json.Marshal(struct {
		Rule   tax.Rule
		Policy tax.Policy
	}{table[4], tax.Policy{}.Explicit()})
	want := `{"Rule":{"class":"crisis","rate":0,"from":"2021-01-01","ended":true},` +
		`"Policy":{"prices":"gross","method":"receipt","rounding":"half-away-from-zero"}}`
	if err != nil || string(b) != want {
		t.Errorf("Marshal = %s, %v, want %s", b, err, want)
	}
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"19", "5.5 %", "100", "0.001", "-0", "1e9", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := tax.ParseRate(s)
		if err != nil {
			return
		}
		if again, err := tax.ParseRate(r.String()); err != nil || again != r || !r.Valid() || int64(r) > math.MaxInt32 {
			t.Fatalf("%q is read %d, written %s, read %d, %v", s, r, r, again, err)
		}
	})
}
