package tax_test

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/tax"
	"pgregory.net/rapid"
)

type country = money.Country

// The example in Norway's SAF-T Cash Register: the tax on the lines is rounded
// line by line to 11.28; for the receipt as a whole it would be 11.27. These
// are lines of our own with the same two sums.
func TestLinesRoundedAloneAndTogetherDifferByACent(t *testing.T) {
	lines := []tax.Line{
		{Class: tax.Standard, Rate: 25_000, Amount: 1998}, // 3.996
		{Class: tax.Standard, Rate: 25_000, Amount: 1999}, // 3.998
		{Class: tax.Standard, Rate: 25_000, Amount: 1638}, // 3.276
	}
	for method, want := range map[tax.Method]money.Amount{tax.PerLine: 1128, tax.PerReceipt: 1127} {
		res, err := tax.Compute(tax.Policy{Prices: tax.Gross, Method: method}, "NOK", lines)
		if err != nil || len(res.Totals) != 1 || res.Totals[0].Tax != want || res.Sum.Tax != want || res.Sum.Gross != 5635 {
			t.Errorf("method %s: %+v, %v, want tax %d", method, res, err, want)
		}
	}
}

func TestLeftOverCentsGoToTheLinesWithTheLargestFraction(t *testing.T) {
	lines := []tax.Line{
		{Class: tax.Standard, Rate: 19_000, Amount: 100}, // tax 15.966
		{Class: tax.Standard, Rate: 19_000, Amount: 200}, // 31.933
		{Class: tax.Standard, Rate: 19_000, Amount: 52},  // 8.303
		{Class: tax.Reduced, Rate: 7_000, Amount: 107},
	}
	want := tax.Result{
		Lines: []tax.LineTax{{84, 16, 100}, {168, 32, 200}, {44, 8, 52}, {100, 7, 107}},
		Totals: []tax.Total{
			{Class: tax.Standard, Rate: 19_000, Net: 296, Tax: 56, Gross: 352},
			{Class: tax.Reduced, Rate: 7_000, Net: 100, Tax: 7, Gross: 107},
		},
		Sum: tax.LineTax{Net: 396, Tax: 63, Gross: 459},
	}
	got, err := tax.Compute(tax.Policy{}, "EUR", lines)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Compute error %v (-want +got):\n%s", err, diff)
	}
}

func TestTiesGoToTheEarlierLineHoweverManyThereAre(t *testing.T) {
	lines, seen := make([]tax.Line, 300), make(map[money.Amount]money.Amount)
	for i := range lines {
		lines[i] = tax.Line{Class: tax.Standard, Rate: 19_000, Amount: money.Amount(i*i%7*31 + 1)}
	}
	res, err := tax.Compute(tax.Policy{}, "EUR", lines)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range res.Lines {
		if before, ok := seen[l.Gross]; ok && l.Tax > before {
			t.Fatalf("line %d has tax %d, an earlier one of the same amount only %d", i, l.Tax, before)
		}
		seen[l.Gross] = l.Tax
	}
}

func TestLettersAreTotalledApart(t *testing.T) {
	res, err := tax.Compute(tax.Policy{}, "EUR", []tax.Line{
		{tax.Standard, "A", 19_000, 119}, {tax.Standard, "X", 19_000, 119}, {tax.Standard, "A", 16_000, 116}, {tax.Standard, "A", 19_000, -119},
	})
	want := []tax.Total{{tax.Standard, "A", 19_000, 0, 0, 0}, {tax.Standard, "X", 19_000, 100, 19, 119}, {tax.Standard, "A", 16_000, 100, 16, 116}}
	if diff := cmp.Diff(want, res.Totals); err != nil || diff != "" {
		t.Errorf("totals, error %v (-want +got):\n%s", err, diff)
	}
}

func TestNetPrices(t *testing.T) {
	res, err := tax.Compute(tax.Policy{Prices: tax.Net, Method: tax.PerReceipt}, "EUR", []tax.Line{
		{Class: tax.Standard, Rate: 19_000, Amount: 1000},
		{Class: tax.Outside, Amount: 500},
	})
	want := tax.LineTax{Net: 1500, Tax: 190, Gross: 1690}
	if err != nil || res.Sum != want || res.Lines[1].Tax != 0 {
		t.Errorf("Compute = %+v, %v, want %+v", res, err, want)
	}
}

func TestAnEmptyDocumentHasNoTax(t *testing.T) {
	res, err := tax.Compute(tax.Policy{}, "EUR", nil)
	if err != nil || res.Sum != (tax.LineTax{}) || len(res.Totals) != 0 {
		t.Errorf("Compute of nothing = %+v, %v", res, err)
	}
}

func policies() *rapid.Generator[tax.Policy] {
	return rapid.Custom(func(t *rapid.T) tax.Policy {
		return tax.Policy{
			Prices:   rapid.SampledFrom([]tax.Prices{"", tax.Gross, tax.Net}).Draw(t, "prices"),
			Method:   rapid.SampledFrom([]tax.Method{"", tax.PerReceipt, tax.PerLine}).Draw(t, "method"),
			Rounding: rapid.SampledFrom(money.Roundings()).Draw(t, "rounding"),
		}
	})
}

// documents draws lines of both signs, many of the same rate, some enormous.
func documents() *rapid.Generator[[]tax.Line] {
	rates := map[tax.Class]tax.Rate{tax.Standard: 19_000, tax.Reduced: 7_000, tax.Reduced2: 5_500, tax.Exempt: 0, "full": 100_000, "odd": 33_333}
	classes := []tax.Class{tax.Standard, tax.Standard, tax.Reduced, tax.Reduced2, tax.Exempt, "full", "odd"}
	amount := rapid.OneOf(rapid.Int64Range(-500, 500), rapid.Int64Range(-1e15, 1e15))
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) tax.Line {
		c := rapid.SampledFrom(classes).Draw(t, "class")
		return tax.Line{Class: c, Rate: rates[c], Amount: money.Amount(amount.Draw(t, "amount"))}
	}), 0, 30)
}

func TestSumsAreExactWhateverThePolicy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, lines := policies().Draw(t, "policy"), documents().Draw(t, "lines")
		res, err := tax.Compute(p, "EUR", lines)
		if err != nil {
			t.Fatal(err)
		}
		checkSums(t, p.Explicit(), lines, res)
	})
}

func checkSums(t *rapid.T, p tax.Policy, lines []tax.Line, res tax.Result) {
	byClass := make(map[tax.Class]tax.LineTax)
	for i, l := range res.Lines {
		given := l.Gross
		if p.Prices == tax.Net {
			given = l.Net
		}
		if l.Net+l.Tax != l.Gross || given != lines[i].Amount {
			t.Fatalf("line %d of %d: %+v", i, lines[i].Amount, l)
		}
		byClass[lines[i].Class] = plus(byClass[lines[i].Class], l)
	}
	var sum tax.LineTax
	for _, total := range res.Totals {
		got := tax.LineTax{Net: total.Net, Tax: total.Tax, Gross: total.Gross}
		if got != byClass[total.Class] {
			t.Fatalf("class %s: total %+v, lines %+v", total.Class, got, byClass[total.Class])
		}
		sum = plus(sum, got)
	}
	if sum != res.Sum || len(res.Totals) != len(byClass) {
		t.Fatalf("document %+v, totals %+v", res.Sum, sum)
	}
}

func plus(a, b tax.LineTax) tax.LineTax {
	return tax.LineTax{Net: a.Net + b.Net, Tax: a.Tax + b.Tax, Gross: a.Gross + b.Gross}
}

func TestTheTaxOfAReceiptIsRoundedOnceAndNoLineIsACentOff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, lines := policies().Draw(t, "policy"), documents().Draw(t, "lines")
		p.Method = tax.PerReceipt
		res, err := tax.Compute(p, "EUR", lines)
		if err != nil {
			t.Fatal(err)
		}
		for _, total := range res.Totals {
			base := total.Gross
			if p.Prices == tax.Net {
				base = total.Net
			}
			if want, _ := money.Share(base, int64(total.Rate), divisor(p, total.Rate), p.Rounding); total.Tax != want {
				t.Fatalf("class %s: tax %d, want %d", total.Class, total.Tax, want)
			}
		}
		for i, l := range lines {
			if centOff(p, l, res.Lines[i].Tax) {
				t.Fatalf("line %d of %+v: tax %d is more than a cent off", i, l, res.Lines[i].Tax)
			}
		}
	})
}

func divisor(p tax.Policy, r tax.Rate) int64 {
	if p.Prices == tax.Net {
		return 100_000
	}
	return 100_000 + int64(r)
}

func centOff(p tax.Policy, l tax.Line, got money.Amount) bool {
	exact := new(big.Rat).SetInt64(int64(l.Amount))
	exact.Mul(exact, big.NewRat(int64(l.Rate), divisor(p, l.Rate)))
	off := exact.Sub(exact, new(big.Rat).SetInt64(int64(got)))
	return off.Abs(off).Cmp(big.NewRat(1, 1)) >= 0
}

func TestAReturnMirrorsItsSale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, lines := policies().Draw(t, "policy"), documents().Draw(t, "lines")
		if !p.Rounding.Symmetric() {
			p.Rounding = money.HalfAwayFromZero
		}
		sale, err := tax.Compute(p, "EUR", lines)
		if err != nil {
			t.Fatal(err)
		}
		for i := range lines {
			lines[i].Amount = -lines[i].Amount
		}
		back, err := tax.Compute(p, "EUR", lines)
		if err != nil {
			t.Fatal(err)
		}
		if got := plus(sale.Sum, back.Sum); got != (tax.LineTax{}) {
			t.Fatalf("sale and return leave %+v", got)
		}
		for i := range lines {
			if got := plus(sale.Lines[i], back.Lines[i]); got != (tax.LineTax{}) {
				t.Fatalf("line %d leaves %+v", i, got)
			}
		}
	})
}

func TestOverflowIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		p     tax.Policy
		lines []tax.Line
	}{
		"gross of one net line": {tax.Policy{Prices: tax.Net}, []tax.Line{{tax.Standard, "", 19_000, math.MaxInt64}}},
		"per line":              {tax.Policy{Prices: tax.Net, Method: tax.PerLine}, []tax.Line{{tax.Standard, "", 19_000, math.MinInt64}}},
		"sum of one rate":       {tax.Policy{}, []tax.Line{{tax.Standard, "", 19_000, math.MaxInt64}, {tax.Standard, "", 19_000, 1}}},
		"sum of the document":   {tax.Policy{}, []tax.Line{{tax.Standard, "", 19_000, math.MaxInt64}, {tax.Reduced, "", 7_000, math.MaxInt64}}},
		"sum of lines":          {tax.Policy{Method: tax.PerLine}, []tax.Line{{tax.Exempt, "", 0, math.MinInt64}, {tax.Exempt, "", 0, -1}}},
	} {
		if res, err := tax.Compute(c.p, "EUR", c.lines); !errors.Is(err, money.ErrOverflow) {
			t.Errorf("%s: %+v, %v, want ErrOverflow", name, res.Sum, err)
		}
	}
}

func TestTheEndsOfTheRangeAreComputed(t *testing.T) {
	for _, amount := range []money.Amount{math.MaxInt64, math.MinInt64} {
		res, err := tax.Compute(tax.Policy{}, "EUR", []tax.Line{{tax.Standard, "A", 19_000, amount}})
		if err != nil || res.Sum.Gross != amount || res.Sum.Net+res.Sum.Tax != amount {
			t.Errorf("Compute(%d) = %+v, %v", amount, res.Sum, err)
		}
	}
}

func TestWhatCannotBeComputedIsRefused(t *testing.T) {
	one := func(l tax.Line) []tax.Line { return []tax.Line{l} }
	good := one(tax.Line{Class: tax.Standard, Rate: 19_000})
	for name, c := range map[string]struct {
		p     tax.Policy
		c     money.Currency
		lines []tax.Line
		want  error
	}{
		"prices":    {tax.Policy{Prices: "brutto"}, "EUR", good, tax.ErrPolicy},
		"method":    {tax.Policy{Method: "never"}, "EUR", good, tax.ErrPolicy},
		"rounding":  {tax.Policy{Rounding: 99}, "EUR", good, money.ErrRounding},
		"currency":  {tax.Policy{}, "???", good, money.ErrCurrency},
		"class":     {tax.Policy{}, "EUR", one(tax.Line{Class: "?"}), tax.ErrClass},
		"negative":  {tax.Policy{}, "EUR", one(tax.Line{Class: "a", Rate: -100_000}), tax.ErrRate},
		"above 100": {tax.Policy{}, "EUR", one(tax.Line{Class: "a", Rate: 100_001}), tax.ErrRate},
		"untaxed":   {tax.Policy{}, "EUR", one(tax.Line{Class: tax.Exempt, Rate: 1}), tax.ErrRate},
	} {
		if _, err := tax.Compute(c.p, c.c, c.lines); !errors.Is(err, c.want) {
			t.Errorf("%s: error = %v, want %v", name, err, c.want)
		}
	}
}

func BenchmarkCompute(b *testing.B) {
	lines := make([]tax.Line, 100)
	for i := range lines {
		lines[i] = tax.Line{Class: tax.Standard, Rate: 19_000, Amount: money.Amount(i*37 + 1)}
	}
	for b.Loop() {
		if _, err := tax.Compute(tax.Policy{}, "EUR", lines); err != nil {
			b.Fatal(err)
		}
	}
}
