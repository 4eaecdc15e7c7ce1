package tax

import (
	"cmp"
	"slices"

	"github.com/plomb-pos/plomb/money"
)

// spread computes the tax of the sum of amounts, rounds it once, and gives
// each amount its exact share cut towards zero; the cents that are missing go
// one each to the lines with the largest fraction cut off in that direction,
// ties to the earlier. It differs from money.Allocate in that amounts may have
// both signs, as when an article is returned in the sale of another.
//
// The missing cents are never more than the lines that had a fraction cut off
// on that side: the rounded tax lies at most as far from the exact one as the
// next whole cent.
func (p Policy) spread(amounts []money.Amount, r Rate) ([]money.Amount, error) {
	base, err := money.Sum(amounts...)
	if err != nil {
		return nil, err
	}
	total, err := money.Share(base, int64(r), p.divisor(r), p.Rounding)
	if err != nil {
		return nil, err
	}
	taxes, rests, err := cut(amounts, int64(r), p.divisor(r))
	if err != nil {
		return nil, err
	}
	whole, err := money.Sum(taxes...)
	if err != nil {
		return nil, err
	}
	giveCents(taxes, rests, total-whole) // small: at most one cent a line
	return taxes, nil
}

// cut returns the exact shares cut towards zero, and what was cut off, in
// parts of den and with the sign of the amount.
func cut(amounts []money.Amount, num, den int64) (taxes []money.Amount, rests []int64, err error) {
	taxes, rests = make([]money.Amount, len(amounts)), make([]int64, len(amounts))
	for i, a := range amounts {
		if taxes[i], err = money.Share(a, num, den, money.Down); err != nil {
			return nil, nil, err
		}
		// a·num mod den, without the product: |a mod den| and num are below
		// 2·10⁵ each.
		rests[i] = int64(a) % den * num % den
	}
	return taxes, rests, nil
}

// giveCents adds cents, one each, to the taxes with the largest rests on the
// side of the sign of cents.
func giveCents(taxes []money.Amount, rests []int64, cents money.Amount) {
	order := make([]int, len(taxes))
	for i := range order {
		order[i] = i
	}
	sign := money.Amount(cents.Sign())
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(rests[b]*int64(sign), rests[a]*int64(sign))
	})
	for i := 0; cents != 0 && i < len(order); i++ {
		taxes[order[i]] += sign
		cents -= sign
	}
}
