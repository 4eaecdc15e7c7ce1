package cashmix

import (
	"fmt"
	"maps"
	"slices"
)

// noItems stands for a limit of items that is used up; 0 would be unlimited.
const noItems = -1

// wellFormed checks what does not depend on how the request is answered.
func (r Request) wellFormed() error {
	if len(r.Units) > MaxUnits {
		return fmt.Errorf("%d units, at most %d: %w", len(r.Units), MaxUnits, ErrRequest)
	}
	if r.MaxItems < 0 {
		return fmt.Errorf("limit of %d items: %w", r.MaxItems, ErrRequest)
	}
	seen := map[string]bool{}
	for _, u := range r.Units {
		if seen[u.ID] || u.Value <= 0 || u.Value > MaxAmount || u.Count < 0 || u.Max < 0 {
			return fmt.Errorf("unit %.40q: %w", u.ID, ErrRequest)
		}
		seen[u.ID] = true
	}
	for currency, amount := range r.Amounts {
		if amount < 0 || amount > MaxAmount {
			return fmt.Errorf("amount %d %.10s: %w", amount, currency, ErrRequest)
		}
	}
	return nil
}

func (r Request) unit(id string) (Unit, error) {
	i := slices.IndexFunc(r.Units, func(u Unit) bool { return u.ID == id })
	if i < 0 {
		return Unit{}, fmt.Errorf("%.40q: %w", id, ErrUnknownUnit)
	}
	return r.Units[i], nil
}

// take checks that the units can give these items, and sums them by currency.
func (r Request) take(items map[string]int) (map[string]int64, error) {
	sums := map[string]int64{}
	for _, id := range slices.Sorted(maps.Keys(items)) {
		n := items[id]
		u, err := r.unit(id)
		if err != nil {
			return nil, err
		}
		if n < 0 {
			return nil, fmt.Errorf("%d items of %s: %w", n, id, ErrRequest)
		}
		if n > u.available() {
			return nil, fmt.Errorf("%d items of %s, it gives %d: %w", n, id, u.available(), ErrShort)
		}
		if n > 0 && u.Value > MaxAmount/int64(n)-sums[u.Currency]/int64(n)-1 {
			return nil, fmt.Errorf("%d items of %s: %w", n, id, ErrSum)
		}
		sums[u.Currency] += u.Value * int64(n)
	}
	return sums, nil
}

// Check says whether the units can give a mix that somebody else chose. Where
// Amounts is not empty the mix must add up to it exactly, in every currency.
func (r Request) Check(m Mix) error {
	if err := r.wellFormed(); err != nil {
		return err
	}
	sums, err := r.take(m)
	if err != nil {
		return err
	}
	if r.MaxItems > 0 && m.Items() > r.MaxItems {
		return fmt.Errorf("%d items, %d allowed: %w", m.Items(), r.MaxItems, ErrTooManyItems)
	}
	for id, n := range r.Partial {
		if m[id] < n {
			return fmt.Errorf("%d items of %.40q, at least %d asked: %w", m[id], id, n, ErrSum)
		}
	}
	return r.addsUp(sums)
}

func (r Request) addsUp(sums map[string]int64) error {
	if len(r.Amounts) == 0 {
		return nil
	}
	for currency, amount := range r.Amounts {
		if sums[currency] != amount {
			return fmt.Errorf("%d %s, %d asked: %w", sums[currency], currency, amount, ErrSum)
		}
	}
	for currency, sum := range sums {
		if sum != r.Amounts[currency] {
			return fmt.Errorf("%d %s, %d asked: %w", sum, currency, r.Amounts[currency], ErrSum)
		}
	}
	return nil
}

// withoutPartial takes the partial counts out of units, amounts and limit; they
// are the beginning of the mix.
func (r Request) withoutPartial() (Request, Mix, error) {
	if err := r.wellFormed(); err != nil {
		return r, nil, err
	}
	sums, err := r.take(r.Partial)
	if err != nil {
		return r, nil, fmt.Errorf("partial counts: %w", err)
	}
	rest, mix := r, Mix{}
	rest.Amounts = maps.Clone(r.Amounts)
	for currency, sum := range sums {
		if sum > r.Amounts[currency] {
			return r, nil, fmt.Errorf("partial counts are %d %s of %d: %w", sum, currency, r.Amounts[currency], ErrSum)
		}
		if sum > 0 {
			rest.Amounts[currency] -= sum
		}
	}
	rest.Units = slices.Clone(r.Units)
	for i := range rest.Units {
		u := &rest.Units[i]
		if n := r.Partial[u.ID]; n > 0 {
			mix[u.ID] = n
			u.take(n)
		}
	}
	return rest.limited(r.MaxItems, mix.Items()), mix, rest.afford(r.MaxItems, mix.Items())
}

// take removes n items that the unit can give.
func (u *Unit) take(n int) {
	if u.Max > 0 {
		if u.Max -= n; u.Max == 0 {
			u.Count = 0 // it may give no more
			return
		}
	}
	u.Count -= n
}

func (r Request) limited(most, taken int) Request {
	switch {
	case most == 0:
		r.MaxItems = 0
	case most == taken:
		r.MaxItems = noItems
	default:
		r.MaxItems = most - taken
	}
	return r
}

func (r Request) afford(most, taken int) error {
	if most > 0 && taken > most {
		return fmt.Errorf("partial counts are %d items, %d allowed: %w", taken, most, ErrTooManyItems)
	}
	return nil
}
