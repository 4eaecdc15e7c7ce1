package money

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// ErrWeights is returned when nothing can be split by the weights given:
// there are none, all are zero, or one is negative.
var ErrWeights = errors.New("weights cannot split an amount")

// Allocate splits total in proportion to weights, to the cent: each part is
// the exact share cut to whole minor units, and the cents left over go one
// each to the largest remainders, ties to the earlier (Hamilton's method).
//
// The parts always add up to total. Parts of −total are the opposites of the
// parts of total. A weight of zero gets nothing. Weights must not be negative
// and their sum must fit in 64 bits.
func Allocate(total Amount, weights []int64) ([]Amount, error) {
	sum, err := sumWeights(weights)
	if err != nil {
		return nil, fmt.Errorf("allocate %d: %w", total, err)
	}
	whole := magnitude(int64(total))
	parts, rests := make([]uint64, len(weights)), make([]uint64, len(weights))
	left := whole
	for i, w := range weights {
		hi, lo := bits.Mul64(whole, uint64(w))
		parts[i], rests[i] = bits.Div64(hi, lo, sum) // w ≤ sum, so hi < sum
		left -= parts[i]
	}
	for _, i := range byRemainder(rests)[:left] {
		parts[i]++
	}
	return withSign(parts, total < 0), nil
}

func sumWeights(weights []int64) (uint64, error) {
	var sum int64
	for _, w := range weights {
		if w < 0 {
			return 0, fmt.Errorf("%w: %d is negative", ErrWeights, w)
		}
		var err error
		if sum, err = add(sum, w); err != nil {
			return 0, fmt.Errorf("sum of weights: %w", err)
		}
	}
	if sum == 0 {
		return 0, fmt.Errorf("%w: their sum is zero", ErrWeights)
	}
	return uint64(sum), nil
}

// byRemainder returns the indexes of rests, largest first, ties in order.
func byRemainder(rests []uint64) []int {
	order := make([]int, len(rests))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rests[b], rests[a]) })
	return order
}

func withSign(parts []uint64, negative bool) []Amount {
	out := make([]Amount, len(parts))
	for i, p := range parts {
		if negative {
			p = -p // two's complement: right for 2⁶³ as well
		}
		out[i] = Amount(int64(p))
	}
	return out
}
