package money_test

import (
	"errors"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/plomb-pos/plomb/money"
	"pgregory.net/rapid"
)

const (
	smallest = money.Amount(math.MinInt64)
	largest  = money.Amount(math.MaxInt64)
)

// edgy draws numbers of all sizes, with the ends of the range more often than
// chance would.
func edgy() *rapid.Generator[int64] {
	return rapid.OneOf(
		rapid.Int64(),
		rapid.Int64Range(-1000, 1000),
		rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64, math.MaxInt64 - 1, -1, 0, 1, 1 << 32, -1 << 32, 1<<62 + 1}),
	)
}

func bigOf(n int64) *big.Int { return big.NewInt(n) }

func TestSumsAndDifferencesAreExactOrRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := edgy().Draw(t, "a"), edgy().Draw(t, "b")
		same(t, "Add", new(big.Int).Add(bigOf(a), bigOf(b)))(money.Amount(a).Add(money.Amount(b)))
		same(t, "Sub", new(big.Int).Sub(bigOf(a), bigOf(b)))(money.Amount(a).Sub(money.Amount(b)))
		same(t, "Neg", new(big.Int).Neg(bigOf(a)))(money.Amount(a).Neg())
		same(t, "Abs", new(big.Int).Abs(bigOf(a)))(money.Amount(a).Abs())
		q, err := money.Quantity(a).Add(money.Quantity(b))
		same(t, "Quantity.Add", new(big.Int).Add(bigOf(a), bigOf(b)))(money.Amount(q), err)
		p, err := money.UnitPrice(a).Sub(money.UnitPrice(b))
		same(t, "UnitPrice.Sub", new(big.Int).Sub(bigOf(a), bigOf(b)))(money.Amount(p), err)
	})
}

// same checks a result against the exact one: equal, or refused because the
// exact one does not fit.
func same(t interface{ Fatalf(string, ...any) }, what string, exact *big.Int) func(money.Amount, error) {
	return func(got money.Amount, err error) {
		switch {
		case !exact.IsInt64() && !errors.Is(err, money.ErrOverflow):
			t.Fatalf("%s = %d, %v, want ErrOverflow for %v", what, got, err, exact)
		case exact.IsInt64() && (err != nil || int64(got) != exact.Int64()):
			t.Fatalf("%s = %d, %v, want %v", what, got, err, exact)
		}
	}
}

func TestSumDoesNotMindTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(edgy(), 0, 20).Draw(t, "values")
		exact, amounts := new(big.Int), make([]money.Amount, len(values))
		for i, v := range values {
			exact.Add(exact, bigOf(v))
			amounts[i] = money.Amount(v)
		}
		same(t, "Sum", exact)(money.Sum(amounts...))
		slices.Reverse(amounts)
		same(t, "Sum reversed", exact)(money.Sum(amounts...))
	})
}

func TestOverflowAtEveryEdge(t *testing.T) {
	for name, f := range map[string]func() (money.Amount, error){
		"largest + 1":         func() (money.Amount, error) { return largest.Add(1) },
		"smallest - 1":        func() (money.Amount, error) { return smallest.Sub(1) },
		"smallest + smallest": func() (money.Amount, error) { return smallest.Add(smallest) },
		"0 - smallest":        func() (money.Amount, error) { return money.Amount(0).Sub(smallest) },
		"-smallest":           smallest.Neg,
		"|smallest|":          smallest.Abs,
		"sum above":           func() (money.Amount, error) { return money.Sum(largest, 1) },
		"sum below":           func() (money.Amount, error) { return money.Sum(smallest, -1) },
		"extend":              func() (money.Amount, error) { return money.Extend(math.MaxInt64, math.MaxInt64, "EUR", 0) },
		"extend by rounding":  func() (money.Amount, error) { return money.Extend(math.MaxInt64, 1_000_000_500_000, "BHD", money.Up) },
		"share":               func() (money.Amount, error) { return money.Share(largest, 2, 1, 0) },
		"share of smallest":   func() (money.Amount, error) { return money.Share(smallest, -1, 1, 0) },
		"share by rounding":   func() (money.Amount, error) { return money.Share(8_198_552_921_648_689_607, 9, 4, money.Up) }, // 2⁶⁴ − ¾
		"unit price":          func() (money.Amount, error) { p, err := money.UnitPriceOf(largest, "JPY"); return money.Amount(p), err },
		"convert": func() (money.Amount, error) {
			return money.Convert(largest, "JPY", "BHD", money.Rate{Num: 1e15, Den: 1}, 0)
		},
	} {
		if got, err := f(); !errors.Is(err, money.ErrOverflow) {
			t.Errorf("%s = %d, %v, want ErrOverflow", name, got, err)
		}
	}
}

func TestTheEdgesThemselvesAreReached(t *testing.T) {
	for name, f := range map[string]func() (money.Amount, error){
		"-1 - largest":    func() (money.Amount, error) { return money.Amount(-1).Sub(largest) },
		"sum":             func() (money.Amount, error) { return money.Sum(largest, largest, smallest, -largest, -largest) },
		"share by itself": func() (money.Amount, error) { return money.Share(smallest, math.MinInt64, math.MinInt64, 0) },
		"extend":          func() (money.Amount, error) { return money.Extend(math.MinInt64, 1_000_000_000, "BHD", 0) },
		"parsed":          func() (money.Amount, error) { return money.ParseAmount("-92233720368547758.08", "EUR") },
	} {
		if got, err := f(); err != nil || got != smallest {
			t.Errorf("%s = %d, %v, want %d", name, got, err, smallest)
		}
	}
}

func TestExtendEqualsTheExactProductRoundedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := edgy().Draw(t, "price"), edgy().Draw(t, "quantity")
		c := rapid.SampledFrom([]money.Currency{"EUR", "JPY", "BHD"}).Draw(t, "currency")
		r := rapid.SampledFrom(money.Roundings()).Draw(t, "rounding")
		exact := new(big.Rat).SetInt(new(big.Int).Mul(bigOf(p), bigOf(q)))
		exact.Mul(exact, ratio(pow(c.Exponent()), pow(12)))
		same(t, "Extend", round(exact, r))(money.Extend(money.UnitPrice(p), money.Quantity(q), c, r))
	})
}

func TestShareEqualsTheExactFractionRoundedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, part := edgy().Draw(t, "total"), edgy().Draw(t, "part")
		whole := edgy().Filter(func(n int64) bool { return n != 0 }).Draw(t, "whole")
		r := rapid.SampledFrom(money.Roundings()).Draw(t, "rounding")
		exact := new(big.Rat).SetFrac(new(big.Int).Mul(bigOf(a), bigOf(part)), bigOf(whole))
		same(t, "Share", round(exact, r))(money.Share(money.Amount(a), part, whole, r))
	})
}

func TestAnAmountAsAUnitPriceIsThatAmountAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := money.Amount(edgy().Draw(t, "amount"))
		c := rapid.SampledFrom([]money.Currency{"EUR", "JPY", "BHD"}).Draw(t, "currency")
		p, err := money.UnitPriceOf(a, c)
		exact := new(big.Int).Mul(bigOf(int64(a)), pow(6-c.Exponent()))
		same(t, "UnitPriceOf", exact)(money.Amount(p), err)
		if err != nil {
			return
		}
		if got, err := money.Extend(p, money.One, c, money.Down); err != nil || got != a {
			t.Fatalf("%d %s is %d per piece, and one piece %d, %v", a, c, p, got, err)
		}
	})
	if _, err := money.UnitPriceOf(1, "???"); !errors.Is(err, money.ErrCurrency) {
		t.Errorf("UnitPriceOf(1, ???) error = %v, want ErrCurrency", err)
	}
}

func ratio(a, b *big.Int) *big.Rat { return new(big.Rat).SetFrac(a, b) }

func pow(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// round is an oracle that shares nothing with the package: it works on
// fractions, floor first.
func round(x *big.Rat, r money.Rounding) *big.Int {
	floor := new(big.Int).Div(x.Num(), x.Denom()) // Euclidean: floor, the divisor being positive
	rest := new(big.Rat).Sub(x, new(big.Rat).SetInt(floor))
	if rest.Sign() == 0 {
		return floor
	}
	ceil := new(big.Int).Add(floor, big.NewInt(1))
	away, towards := ceil, floor
	if x.Sign() < 0 {
		away, towards = floor, ceil
	}
	switch r {
	case money.Up:
		return away
	case money.Down:
		return towards
	case money.Ceil:
		return ceil
	case money.Floor:
		return floor
	}
	switch rest.Cmp(big.NewRat(1, 2)) {
	case -1:
		return floor
	case 1:
		return ceil
	}
	switch r {
	case money.HalfEven:
		if floor.Bit(0) == 0 {
			return floor
		}
		return ceil
	case money.HalfTowardsZero:
		return towards
	case money.HalfUp:
		return ceil
	case money.HalfDown:
		return floor
	}
	return away
}

func TestRoundingOfHalves(t *testing.T) {
	for r, want := range map[money.Rounding][4]money.Amount{ // of 2.5, 3.5, -2.5, -3.5
		money.HalfAwayFromZero: {3, 4, -3, -4},
		money.HalfEven:         {2, 4, -2, -4},
		money.HalfTowardsZero:  {2, 3, -2, -3},
		money.HalfUp:           {3, 4, -2, -3},
		money.HalfDown:         {2, 3, -3, -4},
		money.Up:               {3, 4, -3, -4},
		money.Down:             {2, 3, -2, -3},
		money.Ceil:             {3, 4, -2, -3},
		money.Floor:            {2, 3, -3, -4},
	} {
		for i, halves := range []money.Amount{5, 7, -5, -7} {
			if got, err := money.Share(halves, 1, 2, r); err != nil || got != want[i] {
				t.Errorf("Share(%d, 1, 2, %v) = %d, %v, want %d", halves, r, got, err, want[i])
			}
		}
	}
}

func TestSymmetricRoundingsMirrorReturns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := rapid.Int64Range(-1e9, 1e9).Draw(t, "price"), rapid.Int64Range(-1e9, 1e9).Draw(t, "quantity")
		r := rapid.SampledFrom(money.Roundings()).Filter(money.Rounding.Symmetric).Draw(t, "rounding")
		sale, _ := money.Extend(money.UnitPrice(p), money.Quantity(q), "EUR", r)
		back, _ := money.Extend(money.UnitPrice(p), money.Quantity(-q), "EUR", r)
		if sale != -back {
			t.Fatalf("sale %d, return %d", sale, back)
		}
	})
}

func TestRoundingIsStoredAsText(t *testing.T) {
	for _, r := range money.Roundings() {
		b, err := json.Marshal(r)
		var back money.Rounding
		if err == nil {
			err = json.Unmarshal(b, &back)
		}
		if err != nil || back != r || string(b) != `"`+r.String()+`"` {
			t.Errorf("%v became %s and %v, %v", r, b, back, err)
		}
	}
}

func TestUnknownRoundingIsRefusedEverywhere(t *testing.T) {
	bad := money.Rounding(200)
	_, extend := money.Extend(1, 1, "EUR", bad)
	_, share := money.Share(1, 1, 1, bad)
	_, marshal := bad.MarshalText()
	_, parse := money.ParseRounding("Half-Even")
	empty := new(money.Rounding).UnmarshalText(nil)
	for i, err := range []error{extend, share, marshal, parse, empty} {
		if !errors.Is(err, money.ErrRounding) {
			t.Errorf("case %d: error = %v, want ErrRounding", i, err)
		}
	}
	if got, diff := money.RoundCash(7, money.CashRule{Step: 5, Rounding: bad}); got != 7 || diff != 0 {
		t.Errorf("RoundCash = %d, %d, want 7 unchanged", got, diff)
	}
}

func TestAmountsAreIntegersInJSON(t *testing.T) {
	type doc struct {
		A money.Amount
		Q money.Quantity
		P money.UnitPrice
	}
	want := doc{A: smallest, Q: 1, P: math.MaxInt64}
	b, err := json.Marshal(want)
	if err != nil || string(b) != `{"A":-9223372036854775808,"Q":1,"P":9223372036854775807}` {
		t.Errorf("Marshal = %s, %v", b, err)
	}
	var got doc
	if err := json.Unmarshal(b, &got); err != nil || got != want {
		t.Errorf("Unmarshal = %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{`{"A":1.5}`, `{"A":1e2}`, `{"A":"1"}`, `{"A":9223372036854775808}`} {
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("Unmarshal(%s) succeeds", bad)
		}
	}
}

func BenchmarkExtend(b *testing.B) {
	for b.Loop() {
		if _, err := money.Extend(2_550_000, 452_000, "EUR", money.HalfAwayFromZero); err != nil {
			b.Fatal(err)
		}
	}
}
