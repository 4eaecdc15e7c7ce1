package cashmix

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Table lists ready-made mixes. It holds for any currency.
type Table []Row

// Row is one ready-made mix: items by value add up to the amount.
type Row struct {
	Amount int64
	Items  map[int64]int
}

// ErrTable says that a mix table contradicts itself.
var ErrTable = errors.New("mix table row does not add up")

// Check says whether every row adds up to its amount with counts above zero.
func (t Table) Check() error {
	for i, row := range t {
		sum := int64(0)
		for value, n := range row.Items {
			if value <= 0 || n <= 0 || int64(n) > MaxAmount/value || sum > MaxAmount {
				return fmt.Errorf("row %d: %d items of %d: %w", i+1, n, value, ErrTable)
			}
			sum += value * int64(n)
		}
		if sum != row.Amount || sum == 0 {
			return fmt.Errorf("row %d: %d for the amount %d: %w", i+1, sum, row.Amount, ErrTable)
		}
	}
	return nil
}

// Lookup takes the mix from a table: for each currency the first row of its amount
// that the units can give, that contains the partial counts and that keeps the
// limit of items. Items come from the fullest units.
func (r Request) Lookup(ctx context.Context, t Table) (Mix, error) {
	rest, mix, err := r.withoutPartial()
	if err != nil {
		return nil, err
	}
	limit := r.MaxItems
	for _, currency := range slices.Sorted(maps.Keys(r.Amounts)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if r.Amounts[currency] == 0 {
			continue
		}
		if err := r.row(rest, t, currency, limit, mix); err != nil {
			return nil, fmt.Errorf("%d %s: %w", r.Amounts[currency], currency, err)
		}
	}
	return mix, nil
}

// row adds the first usable row for a currency to mix, which has its partial
// counts already.
func (r Request) row(rest Request, t Table, currency string, limit int, mix Mix) error {
	err := ErrNotInTable
	p := rest.purse(currency)
	for _, row := range t {
		if row.Amount != r.Amounts[currency] {
			continue
		}
		counts := r.beyondPartial(row, currency)
		switch {
		case counts == nil || !p.gives(counts):
			err = ErrNoMix
		case limit > 0 && mix.Items()+sumOf(counts) > limit:
			err = ErrTooManyItems
		default:
			for id, n := range p.spread(counts, 0, false) {
				mix[id] += n
			}
			return nil
		}
	}
	return err
}

func sumOf(counts map[int64]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// beyondPartial is what a row has beside the partial counts; nil when it does not
// contain them.
func (r Request) beyondPartial(row Row, currency string) map[int64]int {
	counts := maps.Clone(row.Items)
	for _, u := range r.Units {
		if u.Currency == currency && r.Partial[u.ID] > 0 {
			counts[u.Value] -= r.Partial[u.ID]
		}
	}
	for _, n := range counts {
		if n < 0 {
			return nil
		}
	}
	return counts
}

// gives says whether the units have these items.
func (p *purse) gives(counts map[int64]int) bool {
	have := map[int64]int{}
	for _, u := range p.units {
		have[u.Value] += u.max
	}
	for value, n := range counts {
		if n > have[value] {
			return false
		}
	}
	return true
}
