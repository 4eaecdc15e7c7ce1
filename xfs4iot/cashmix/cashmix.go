// Package cashmix decides which items make up an amount of cash: how many of
// each note or coin to take from each unit of a dispenser.
//
// Amounts and values are integers in minor units (cents); there is no rounding
// anywhere. A mix is found whenever one exists, and it is the best one there is
// by the chosen algorithm, not a good guess:
//
//   - [MinimumItems]: the fewest items.
//   - [EqualEmptying]: the lowest remaining count among the units drawn from is
//     as high as it can be, so that units level out and empty together.
//   - [MaximumUnits]: items from as many units as possible.
//
// Where several mixes are best, the fewest items decide, then the level that
// EqualEmptying looks at, then larger values before smaller ones; between units
// of one value the fuller gives first, then the one that is listed first. The
// same request always gets the same mix.
//
// Partial counts are a minimum: the mix contains them, and the rest is solved
// for. Each currency is made up by itself; a limit of items holds over all of
// them. Mix tables ([Request.Lookup]) and mixes that the application chose
// ([Request.Check]) are checked against the same limits.
//
// # How it is done, and its limits
//
// Units of one value are one class. Classes are added from the smallest value
// up; sums that can still be completed are a lattice as wide as the greatest
// common divisor of the larger values allows, which for the denominations of
// real currencies keeps a few thousand sums, whatever the amount. A sliding
// window gives the best count of a class for all sums at once. Only sums are kept
// that can lead to a mix near the relaxed optimum, in which items may be cut; the
// bound is proven, not guessed. Dozens of values without common divisors (no
// currency has them) make many sums; beyond [MaxStates] the answer is
// [ErrTooComplex] and not a long wait. So is, at times, that of MaximumUnits under
// a limit of items that its widest mix breaks. At most [MaxUnits] units, amounts up
// to [MaxAmount].
//
//	mix, err := cashmix.Request{
//		Units:   []cashmix.Unit{{ID: "unit1", Currency: "EUR", Value: 5000, Count: 10}, {ID: "unit2", Currency: "EUR", Value: 2000, Count: 100}},
//		Amounts: map[string]int64{"EUR": 10000},
//	}.Solve(ctx, cashmix.MinimumItems)
//
// The package keeps no state; everything in it may be used concurrently.
package cashmix

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Unit is a place that items of one value are taken from.
type Unit struct {
	ID       string
	Currency string // ISO 4217
	Value    int64  // of one item, in minor units, above zero
	Count    int    // items that can be taken
	Max      int    // items it gives in one transaction; 0 is unlimited
}

// available is how many items one transaction can have from the unit.
func (u Unit) available() int {
	if u.Max > 0 {
		return min(u.Count, u.Max)
	}
	return u.Count
}

// Request is what is asked of the units.
type Request struct {
	Units    []Unit
	Amounts  map[string]int64 // by currency, in minor units; zero amounts are left out
	Partial  map[string]int   // items by unit ID that the mix must contain at least
	MaxItems int              // in one transaction, all currencies together; 0 is unlimited
}

// Mix is items by unit ID; units that give nothing are not in it.
type Mix map[string]int

// Items is how many items a mix has.
func (m Mix) Items() int {
	n := 0
	for _, count := range m {
		n += count
	}
	return n
}

// Algorithm says which mix is the best.
type Algorithm int

// The algorithms that the standard names.
const (
	MinimumItems Algorithm = iota
	EqualEmptying
	MaximumUnits
)

// Limits of one request.
const (
	MaxUnits  = 64
	MaxAmount = 1 << 53
	// MaxStates bounds the partial sums of one search, and with them time (for real
	// money some tens of milliseconds at worst) and memory (8 bytes each).
	MaxStates = 1 << 18
)

// Why there is no mix. All are found with errors.Is.
var (
	ErrRequest      = errors.New("request is not well-formed")            // negative or huge numbers, units listed twice
	ErrCurrency     = errors.New("no unit holds this currency")           // nor could ever make up the amount
	ErrNoMix        = errors.New("no mix of the units makes this amount") // nor any more than the limit of items
	ErrTooManyItems = errors.New("more items than one transaction may have")
	ErrTooComplex   = errors.New("values and amount need more partial sums than the limit")
	ErrUnknownUnit  = errors.New("no such unit")
	ErrShort        = errors.New("the unit has not that many items")
	ErrSum          = errors.New("the items do not add up to the amount")
	ErrNotInTable   = errors.New("the mix table has no row for this amount")
)

// Solve finds the best mix. ctx ends a search early with its error.
func (r Request) Solve(ctx context.Context, a Algorithm) (Mix, error) {
	if a < MinimumItems || a > MaximumUnits {
		return nil, fmt.Errorf("algorithm %d: %w", a, ErrRequest)
	}
	rest, mix, err := r.withoutPartial()
	if err != nil {
		return nil, err
	}
	purses := rest.purses()
	if err := reserve(ctx, purses, rest.MaxItems); err != nil {
		return nil, err
	}
	for i, p := range purses {
		p.limit = rest.budget(purses[:i], purses[i+1:])
		if err := p.solve(ctx, a); err != nil {
			return nil, fmt.Errorf("%s: %w", p.currency, err)
		}
		for id, n := range p.mix {
			mix[id] += n
		}
	}
	return mix, nil
}

// purse is the part of a request that is in one currency.
type purse struct {
	currency string
	amount   int64
	units    []source
	fewest   int // items of its smallest mix
	limit    int // items it may have; 0 is unlimited
	mix      Mix
}

// source is a unit from which items may still be taken.
type source struct {
	Unit
	max  int  // items that may be taken
	left int  // items in it before that
	used bool // it gives items already, by the partial counts
}

// purses splits a checked request by currency, in the order of their names.
func (r Request) purses() []*purse {
	var list []*purse
	for _, currency := range slices.Sorted(maps.Keys(r.Amounts)) {
		if r.Amounts[currency] > 0 {
			list = append(list, r.purse(currency))
		}
	}
	return list
}

func (r Request) purse(currency string) *purse {
	p := &purse{currency: currency, amount: r.Amounts[currency]}
	for _, u := range r.Units {
		if u.Currency == currency {
			p.units = append(p.units, source{Unit: u, max: u.available(), left: u.Count, used: r.Partial[u.ID] > 0})
		}
	}
	return p
}

// reserve finds the smallest mix of every currency, so that none of them takes
// items from the limit that another one needs.
func reserve(ctx context.Context, purses []*purse, limit int) error {
	sum := 0
	for _, p := range purses {
		if len(p.units) == 0 {
			return fmt.Errorf("%s: %w", p.currency, ErrCurrency)
		}
		s, err := p.search(ctx, p.classes(0), unreachable, -unreachable)
		if err != nil {
			return fmt.Errorf("%s: %w", p.currency, err)
		}
		p.fewest = int(s.best())
		sum += p.fewest
	}
	if sum > 0 && limit != 0 && sum > limit {
		return fmt.Errorf("%d items needed, %d allowed: %w", sum, max(limit, 0), ErrTooManyItems)
	}
	return nil
}

// budget is what the limit of items leaves to a currency.
func (r Request) budget(before, after []*purse) int {
	if r.MaxItems == 0 {
		return 0
	}
	n := r.MaxItems
	for _, p := range before {
		n -= p.mix.Items()
	}
	for _, p := range after {
		n -= p.fewest
	}
	return n
}

func (p *purse) solve(ctx context.Context, a Algorithm) error {
	switch {
	case a == MaximumUnits:
		return p.widest(ctx)
	case a == EqualEmptying && p.limit > 0:
		return p.settle(ctx, p.classes, int64(p.limit), false)
	case a == EqualEmptying:
		return p.settle(ctx, p.classes, unreachable, false)
	}
	return p.settle(ctx, p.classes, int64(p.fewest), false)
}
