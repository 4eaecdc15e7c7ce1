package cashmix_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/plomb-pos/plomb/xfs4iot/cashmix"
	"pgregory.net/rapid"
)

func units(valuesAndCounts ...int64) []cashmix.Unit {
	var list []cashmix.Unit
	for i := 0; i < len(valuesAndCounts); i += 2 {
		list = append(list, cashmix.Unit{ID: fmt.Sprintf("unit%d", i/2+1), Currency: "EUR",
			Value: valuesAndCounts[i], Count: int(valuesAndCounts[i+1])})
	}
	return list
}

func eur(amount int64) map[string]int64 { return map[string]int64{"EUR": amount} }

// Mixes that the reference implementation does not find, or finds with too many items.
//
// Requirement: XFS-09
func TestMixesThatExistAreFound(t *testing.T) {
	for _, c := range []struct {
		name      string
		units     []cashmix.Unit
		amount    int64
		algorithm cashmix.Algorithm
		want      cashmix.Mix
	}{
		{"100 of two values", units(50, 10, 20, 100), 100, cashmix.MinimumItems, cashmix.Mix{"unit1": 2}},
		{"100 of two values, levelled", units(50, 10, 20, 100), 100, cashmix.EqualEmptying, cashmix.Mix{"unit2": 5}},
		{"300 where the larger value cannot end it", units(20, 51, 50, 21), 300, cashmix.MinimumItems, cashmix.Mix{"unit2": 6}},
		{"300 levelled", units(20, 51, 50, 21), 300, cashmix.EqualEmptying, cashmix.Mix{"unit1": 15}},
		{"150 of 20, 50, 100 levelled", units(20, 10, 50, 10, 100, 10), 150, cashmix.EqualEmptying, cashmix.Mix{"unit2": 1, "unit3": 1}},
		{"60 where greed fails", units(50, 10, 20, 10), 60, cashmix.MinimumItems, cashmix.Mix{"unit2": 3}},
		{"60 levelled", units(50, 10, 20, 10), 60, cashmix.EqualEmptying, cashmix.Mix{"unit2": 3}},
		{"the fewest items", units(5, 100, 10, 100, 20, 100, 50, 100), 100, cashmix.MinimumItems, cashmix.Mix{"unit4": 2}},
		{"0.30 of 0.10 coins", units(10, 100), 30, cashmix.MinimumItems, cashmix.Mix{"unit1": 3}},
		{"0.70 of 0.50, 0.20, 0.10", units(50, 9, 20, 9, 10, 9), 70, cashmix.MinimumItems, cashmix.Mix{"unit1": 1, "unit2": 1}},
		{"from the fuller of two units", units(50, 10, 50, 12), 150, cashmix.MinimumItems, cashmix.Mix{"unit1": 1, "unit2": 2}},
		{"as many units as possible", units(5, 100, 10, 100, 20, 100, 50, 100), 100, cashmix.MaximumUnits, cashmix.Mix{"unit1": 2, "unit2": 2, "unit3": 1, "unit4": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := cashmix.Request{Units: c.units, Amounts: eur(c.amount)}.Solve(t.Context(), c.algorithm)
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("mix (-want +got):\n%s%v", diff, err)
			}
		})
	}
}

func TestEveryCurrencyIsMadeUpByItself(t *testing.T) {
	r := cashmix.Request{Units: units(1000, 10, 2000, 10), Amounts: map[string]int64{"EUR": 1000, "USD": 2000}}
	r.Units = append(r.Units, cashmix.Unit{ID: "usd1", Currency: "USD", Value: 2000, Count: 5}, cashmix.Unit{ID: "usd2", Currency: "USD", Value: 1000, Count: 5})
	got, err := r.Solve(t.Context(), cashmix.MinimumItems)
	if diff := cmp.Diff(cashmix.Mix{"unit1": 1, "usd1": 1}, got); err != nil || diff != "" {
		t.Errorf("mix (-want +got):\n%s%v", diff, err)
	}
	if err := r.Check(cashmix.Mix{"unit2": 1, "usd2": 1}); !errors.Is(err, cashmix.ErrSum) {
		t.Errorf("EUR 20 and USD 10 for EUR 10 and USD 20: %v, want ErrSum", err)
	}
	r.Amounts["CHF"] = 1000
	if _, err := r.Solve(t.Context(), cashmix.MinimumItems); !errors.Is(err, cashmix.ErrCurrency) {
		t.Errorf("without a unit of a currency: %v, want ErrCurrency", err)
	}
}

// Requirement: XFS-08
func TestPartialCountsAreTakenAndTheRestIsSolvedFor(t *testing.T) {
	for _, c := range []struct {
		name    string
		partial map[string]int
		max     int
		want    cashmix.Mix
		err     error
	}{
		{"none", nil, 0, cashmix.Mix{"unit1": 2}, nil},
		{"zero", map[string]int{"unit2": 0}, 0, cashmix.Mix{"unit1": 2}, nil},
		{"one twenty forces five of them", map[string]int{"unit2": 1}, 0, cashmix.Mix{"unit2": 5}, nil},
		{"all of it", map[string]int{"unit2": 5}, 0, cashmix.Mix{"unit2": 5}, nil},
		{"the unit gives more than was asked", map[string]int{"unit1": 1}, 0, cashmix.Mix{"unit1": 2}, nil},
		{"more than the amount", map[string]int{"unit2": 6}, 0, nil, cashmix.ErrSum},
		{"more than the unit has", map[string]int{"unit1": 11}, 0, nil, cashmix.ErrShort},
		{"an unknown unit", map[string]int{"unit9": 1}, 0, nil, cashmix.ErrUnknownUnit},
		{"below zero", map[string]int{"unit1": -1}, 0, nil, cashmix.ErrRequest},
		{"the rest breaks the limit", map[string]int{"unit2": 1}, 4, nil, cashmix.ErrTooManyItems},
		{"the limit is just reached", map[string]int{"unit2": 5}, 5, cashmix.Mix{"unit2": 5}, nil},
		{"no mix has them", map[string]int{"unit3": 1}, 0, nil, cashmix.ErrNoMix},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := cashmix.Request{Units: units(50, 10, 20, 10, 70, 1), Amounts: eur(100), Partial: c.partial, MaxItems: c.max}
			got, err := r.Solve(t.Context(), cashmix.MinimumItems)
			if diff := cmp.Diff(c.want, got); !errors.Is(err, c.err) || diff != "" {
				t.Errorf("%v, want %v; mix (-want +got):\n%s", err, c.err, diff)
			}
		})
	}
}

func TestLimitsOfItems(t *testing.T) {
	r := cashmix.Request{Units: units(50, 10, 20, 10), Amounts: eur(100), MaxItems: 1}
	if _, err := r.Solve(t.Context(), cashmix.MinimumItems); !errors.Is(err, cashmix.ErrTooManyItems) {
		t.Errorf("two items with a limit of one: %v", err)
	}
	r.MaxItems = 0
	r.Units[0].Max = 1
	got, err := r.Solve(t.Context(), cashmix.MinimumItems)
	if diff := cmp.Diff(cashmix.Mix{"unit2": 5}, got); err != nil || diff != "" {
		t.Errorf("with a limit on the unit: %v %s", err, diff)
	}
}

func TestRequestsThatMakeNoSenseAreRefused(t *testing.T) {
	many := make([]cashmix.Unit, cashmix.MaxUnits+1)
	for i := range many {
		many[i] = cashmix.Unit{ID: fmt.Sprint(i), Currency: "EUR", Value: 1, Count: 1}
	}
	for _, r := range []cashmix.Request{
		{Units: units(0, 1), Amounts: eur(1)},
		{Units: units(-5, 1), Amounts: eur(1)},
		{Units: units(5, -1), Amounts: eur(1)},
		{Units: append(units(5, 1), units(5, 1)...), Amounts: eur(5)},
		{Units: units(5, 1), Amounts: eur(-5)},
		{Units: units(5, 1), Amounts: eur(math.MaxInt64)},
		{Units: units(5, 1), Amounts: eur(5), MaxItems: -1},
		{Units: many, Amounts: eur(5)},
	} {
		if _, err := r.Solve(t.Context(), cashmix.MinimumItems); !errors.Is(err, cashmix.ErrRequest) {
			t.Errorf("%v: %v, want ErrRequest", r, err)
		}
	}
	if _, err := (cashmix.Request{}).Solve(t.Context(), 7); !errors.Is(err, cashmix.ErrRequest) {
		t.Errorf("an algorithm that is none: %v", err)
	}
}

func TestASearchEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for a := range cashmix.MaximumUnits + 1 {
		if _, err := hard().Solve(ctx, a); !errors.Is(err, context.Canceled) {
			t.Errorf("algorithm %d: %v, want the context's error", a, err)
		}
	}
}

func TestWhatWouldTakeTooLongIsRefused(t *testing.T) {
	r := cashmix.Request{Amounts: eur(1_000_000_007)}
	for i := range int64(64) {
		r.Units = append(r.Units, units(999_983-2*i, 100_000)[0])
		r.Units[i].ID = fmt.Sprint(i)
	}
	if _, err := r.Solve(t.Context(), cashmix.MinimumItems); !errors.Is(err, cashmix.ErrTooComplex) {
		t.Errorf("got %v, want ErrTooComplex", err)
	}
}

func TestMixTables(t *testing.T) {
	table := cashmix.Table{
		{Amount: 100, Items: map[int64]int{50: 1, 20: 2, 10: 1}},
		{Amount: 100, Items: map[int64]int{20: 5}},
		{Amount: 50, Items: map[int64]int{50: 1}},
	}
	if err := table.Check(); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []cashmix.Table{
		{{Amount: 100, Items: map[int64]int{50: 1}}}, {{Amount: 0}}, {{Amount: 0, Items: map[int64]int{5: 0}}},
		{{Amount: -5, Items: map[int64]int{-5: 1}}}, {{Amount: 5, Items: map[int64]int{math.MaxInt64: 2}}},
	} {
		if err := bad.Check(); !errors.Is(err, cashmix.ErrTable) {
			t.Errorf("%v: %v, want ErrTable", bad, err)
		}
	}
	for _, c := range []struct {
		name    string
		units   []cashmix.Unit
		amount  int64
		partial map[string]int
		max     int
		want    cashmix.Mix
		err     error
	}{
		{"the first row", units(50, 9, 20, 9, 10, 9), 100, nil, 0, cashmix.Mix{"unit1": 1, "unit2": 2, "unit3": 1}, nil},
		{"the second where the first cannot be given", units(50, 9, 20, 9), 100, nil, 0, cashmix.Mix{"unit2": 5}, nil},
		{"the second where the first has not the partial counts", units(50, 9, 20, 9, 10, 9), 100, map[string]int{"unit2": 3}, 0, cashmix.Mix{"unit2": 5}, nil},
		{"from the fullest", units(50, 1, 50, 2), 50, nil, 0, cashmix.Mix{"unit2": 1}, nil},
		{"no row", units(50, 9), 70, nil, 0, nil, cashmix.ErrNotInTable},
		{"no row that can be given", units(50, 9), 100, nil, 0, nil, cashmix.ErrNoMix},
		{"too many items", units(50, 9, 20, 9, 10, 9), 100, nil, 3, nil, cashmix.ErrTooManyItems},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := cashmix.Request{Units: c.units, Amounts: eur(c.amount), Partial: c.partial, MaxItems: c.max}
			got, err := r.Lookup(t.Context(), table)
			if diff := cmp.Diff(c.want, got); !errors.Is(err, c.err) || diff != "" {
				t.Errorf("%v, want %v; mix (-want +got):\n%s", err, c.err, diff)
			}
		})
	}
}

// score is what an algorithm makes as small as possible, the first number first.
func score(r cashmix.Request, a cashmix.Algorithm, m cashmix.Mix) [3]int {
	level, used := math.MaxInt, 0
	for _, u := range r.Units {
		n := m[u.ID]
		if n > 0 {
			used++
		}
		if left := u.Count - n; n > r.Partial[u.ID] {
			level = min(level, left)
		}
	}
	switch a {
	case cashmix.EqualEmptying:
		return [3]int{-level, m.Items()}
	case cashmix.MaximumUnits:
		return [3]int{-used, m.Items(), -level}
	}
	return [3]int{m.Items(), -level}
}

func less(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

// exhaust tries every mix of one currency.
func exhaust(r cashmix.Request, a cashmix.Algorithm) (best [3]int, found bool) {
	m := cashmix.Mix{}
	var try func(i int, rest int64)
	try = func(i int, rest int64) {
		if i == len(r.Units) {
			if rest == 0 && (r.MaxItems == 0 || m.Items() <= r.MaxItems) {
				if s := score(r, a, m); !found || less(s, best) {
					best, found = s, true
				}
			}
			return
		}
		u := r.Units[i]
		most := u.Count
		if u.Max > 0 {
			most = min(most, u.Max)
		}
		for n := r.Partial[u.ID]; n <= most && int64(n)*u.Value <= rest; n++ {
			m[u.ID] = n
			try(i+1, rest-int64(n)*u.Value)
		}
		delete(m, u.ID)
	}
	try(0, r.Amounts["EUR"])
	return best, found
}

var values = [][]int64{{5, 10, 20, 50}, {20, 50}, {500, 1000, 2000, 5000, 10000}, {1, 2, 5, 10, 20, 50}, {3, 7, 11}, {6, 10, 15}, {4, 9}, {7, 7, 13}}

func drawRequest(t *rapid.T) cashmix.Request {
	set := rapid.SampledFrom(values).Draw(t, "values")
	r := cashmix.Request{Partial: map[string]int{}, MaxItems: rapid.SampledFrom([]int{0, 0, 3, 5, 8}).Draw(t, "limit")}
	sum := int64(0)
	for i := range rapid.IntRange(1, 5).Draw(t, "units") {
		u := cashmix.Unit{ID: fmt.Sprint("unit", i), Currency: "EUR", Value: rapid.SampledFrom(set).Draw(t, "value"),
			Count: rapid.IntRange(0, 6).Draw(t, "count"), Max: rapid.SampledFrom([]int{0, 0, 0, 2}).Draw(t, "max")}
		r.Units = append(r.Units, u)
		if rapid.IntRange(0, 5).Draw(t, "partial") == 0 {
			r.Partial[u.ID] = rapid.IntRange(0, 2).Draw(t, "least")
		}
		sum += u.Value * int64(rapid.IntRange(0, u.Count).Draw(t, "in it"))
	}
	if rapid.IntRange(0, 3).Draw(t, "odd") == 0 {
		sum += rapid.Int64Range(0, 20).Draw(t, "more")
	}
	r.Amounts = eur(max(sum, 1))
	return r
}

// Requirement: XFS-09
func TestSolveEqualsExhaustiveSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRequest(t)
		a := cashmix.Algorithm(rapid.IntRange(0, 2).Draw(t, "algorithm"))
		want, exists := exhaust(r, a)
		got, err := r.Solve(context.Background(), a)
		if (err == nil) != exists {
			t.Fatalf("%v: mix %v, %v; exists: %v", r, got, err, exists)
		}
		if err != nil {
			return
		}
		if err := r.Check(got); err != nil {
			t.Fatalf("%v: mix %v: %v", r, got, err)
		}
		s := score(r, a, got)
		if a == cashmix.MaximumUnits && r.MaxItems > 0 {
			s[2], want[2] = 0, 0 // the level is not looked at where the limit decides
		}
		if s != want {
			t.Fatalf("%v: mix %v scores %v, the best %v", r, got, s, want)
		}
	})
}

// Requirement: XFS-09
func TestWithTwoCurrenciesAndALimitEachGetsItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, other := drawRequest(t), drawRequest(t)
		fewest := 0
		for _, one := range []cashmix.Request{r, other} {
			one.MaxItems = 0
			s, ok := exhaust(one, cashmix.MinimumItems)
			if !ok {
				return
			}
			fewest += s[0]
		}
		for _, u := range other.Units {
			u.ID, u.Currency = "usd"+u.ID, "USD"
			r.Units = append(r.Units, u)
			r.Partial[u.ID] = other.Partial[u.ID[3:]]
		}
		r.Amounts["USD"] = other.Amounts["EUR"]
		r.MaxItems = rapid.IntRange(1, 12).Draw(t, "together")
		a := cashmix.Algorithm(rapid.IntRange(0, 2).Draw(t, "algorithm"))
		got, err := r.Solve(context.Background(), a)
		if (err == nil) != (fewest <= r.MaxItems) {
			t.Fatalf("%v: %v, %v; %d items needed", r, got, err, fewest)
		}
		if err == nil && r.Check(got) != nil {
			t.Fatalf("%v: mix %v: %v", r, got, r.Check(got))
		}
	})
}

// What is found near the relaxed optimum is a mix, and the bound is one.
func TestTheRelaxedOptimumBoundsEveryMix(t *testing.T) {
	found, proven := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		var list []cashmix.Unit
		have, sum := map[int64]int{}, int64(0)
		for i := range rapid.IntRange(1, 12).Draw(t, "units") {
			u := cashmix.Unit{ID: fmt.Sprint(i), Currency: "EUR", Value: rapid.Int64Range(1, 90).Draw(t, "value"), Count: rapid.IntRange(1, 20).Draw(t, "count")}
			list = append(list, u)
			have[u.Value] += u.Count
			sum += u.Value * int64(rapid.IntRange(0, u.Count).Draw(t, "in it"))
		}
		want, exists := fewest(list, max(1, sum))
		cost, bound, items, ok := cashmix.Around(list, max(1, sum))
		if exists && bound > int64(want) {
			t.Fatalf("%v: %d items are enough, the bound is %d", list, want, bound)
		}
		if !ok {
			return
		}
		found++
		total, n := int64(0), 0
		for value, count := range items {
			if count < 0 || count > have[value] {
				t.Fatalf("%d items of %d, %d are there", count, value, have[value])
			}
			total, n = total+value*int64(count), n+count
		}
		if total != max(1, sum) || int64(n) != cost || n < want {
			t.Fatalf("%v: %v is %d in %d items at cost %d, want %d in %d", list, items, total, n, cost, sum, want)
		}
		if cost == bound {
			proven++
		}
	})
	if found == 0 || proven == 0 {
		t.Errorf("%d found, %d of them proven the best", found, proven)
	}
}

// Requirement: XFS-09
func TestRoomsFullOfRealMoneyAreAnswered(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 9))
	euro := []int64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000}
	for range 12 {
		r, total := cashmix.Request{}, int64(0)
		for i := range 64 {
			u := cashmix.Unit{ID: fmt.Sprint(i), Currency: "EUR", Value: euro[rng.IntN(len(euro))], Count: 1 + rng.IntN(3000)}
			r.Units, total = append(r.Units, u), total+u.Value*int64(u.Count)
		}
		r.Amounts = eur(1 + rng.Int64N(total))
		for a := range cashmix.MaximumUnits + 1 {
			got, err := r.Solve(t.Context(), a)
			if err == nil {
				err = r.Check(got)
			}
			if err != nil && !errors.Is(err, cashmix.ErrNoMix) {
				t.Errorf("algorithm %d for %v: %v", a, r.Amounts, err)
			}
		}
	}
}

// hard is a request as large as a room full of dispensers gets: 64 units with notes
// and coins of the euro, all full, and an amount that needs most of them.
func hard() cashmix.Request {
	euro := []int64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000}
	r := cashmix.Request{Amounts: eur(0)}
	for i := range 64 {
		u := cashmix.Unit{ID: fmt.Sprint(i), Currency: "EUR", Value: euro[i%len(euro)], Count: 2000 + 37*i%900}
		r.Units = append(r.Units, u)
		r.Amounts["EUR"] += u.Value * int64(u.Count) / 2
	}
	r.Amounts["EUR"] += 3
	return r
}

func typical() cashmix.Request {
	return cashmix.Request{Units: units(500, 800, 1000, 1200, 2000, 1900, 5000, 2000, 2000, 1500, 5000, 900), Amounts: eur(87500), MaxItems: 60}
}

// the reference implementation needs 143 s for this one.
func none() cashmix.Request {
	return cashmix.Request{Units: units(50, 3000, 20, 3000, 10, 3000, 5, 3000), Amounts: eur(3003)}
}

// Every value is prime to every other: the sums have no lattice to stay on, and the
// amount is the largest that the units cannot make.
func stubborn() cashmix.Request {
	r := cashmix.Request{Amounts: eur(0)}
	for i := range int64(64) {
		r.Units = append(r.Units, cashmix.Unit{ID: fmt.Sprint(i), Currency: "EUR", Value: 21 + 2*i, Count: 9})
		r.Amounts["EUR"] += 9 * (21 + 2*i)
	}
	r.Amounts["EUR"] -= 1
	return r
}

// Requirement: XFS-09
func BenchmarkSolve(b *testing.B) {
	for _, c := range []struct {
		name string
		r    cashmix.Request
	}{{"typical", typical()}, {"64 units", hard()}, {"no mix", none()}, {"no mix, 64 values", stubborn()}} {
		for a, name := range []string{"minimum", "equal", "maximum"} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				for b.Loop() {
					_, err := c.r.Solve(context.Background(), cashmix.Algorithm(a))
					if err != nil && !errors.Is(err, cashmix.ErrNoMix) {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func Example() {
	mix, err := cashmix.Request{
		Units: []cashmix.Unit{
			{ID: "unit1", Currency: "EUR", Value: 5000, Count: 10},
			{ID: "unit2", Currency: "EUR", Value: 2000, Count: 100},
		},
		Amounts: map[string]int64{"EUR": 11000},
	}.Solve(context.Background(), cashmix.MinimumItems)
	fmt.Println(mix, err)
	// Output: map[unit1:1 unit2:3] <nil>
}

// fewest is the textbook table over all amounts, which is slow and easy to believe.
func fewest(units []cashmix.Unit, amount int64) (int, bool) {
	const none = math.MaxInt32
	best := make([]int, amount+1)
	for s := range best {
		best[s] = none
	}
	best[0] = 0
	for _, u := range units {
		for range u.Count {
			for s := amount; s >= u.Value; s-- {
				best[s] = min(best[s], best[s-u.Value]+1)
			}
		}
	}
	return best[amount], best[amount] < none
}

// Requirement: XFS-09
func TestLargerRequestsEqualTheTextbook(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := cashmix.Request{}
		sum := int64(0)
		for i := range rapid.IntRange(1, 8).Draw(t, "units") {
			u := cashmix.Unit{ID: fmt.Sprint("unit", i), Currency: "EUR", Value: rapid.Int64Range(1, 60).Draw(t, "value"), Count: rapid.IntRange(0, 40).Draw(t, "count")}
			r.Units = append(r.Units, u)
			sum += u.Value * int64(rapid.IntRange(0, u.Count).Draw(t, "in it"))
		}
		r.Amounts = eur(max(1, sum+rapid.Int64Range(-5, 5).Draw(t, "off")))
		want, exists := fewest(r.Units, r.Amounts["EUR"])
		got, err := r.Solve(context.Background(), cashmix.MinimumItems)
		if (err == nil) != exists || err == nil && (got.Items() != want || r.Check(got) != nil) {
			t.Fatalf("%v: %v, %v; want %d items, exists: %v", r, got, err, want, exists)
		}
	})
}
