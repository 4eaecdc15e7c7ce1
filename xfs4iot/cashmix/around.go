package cashmix

import "context"

// around looks for a mix that differs from the relaxed optimum by a few items of
// each class: it finds the best one where values are many and near to each other,
// and the sums between them too many to look at all. Only a cost of at most enough
// proves that it is as good as needed. It is nil when it finds none.
func (p *purse) around(ctx context.Context, r *relaxation, enough int64) *search {
	var best *search
	for _, items := range []int{1, 3, 9} {
		s := &search{amount: p.amount, fixed: make([]int, len(r.classes))}
		spans := s.narrow(r, items)
		if s.run(ctx, spans, aroundStates) != nil {
			continue // none there, too many sums, or ctx has ended, which the caller sees
		}
		if best == nil || s.best() < best.best() {
			best = s
		}
		if best.best() <= enough {
			break
		}
	}
	return best
}

// aroundStates bounds the sums of one look around.
const aroundStates = MaxStates / 2

// narrow leaves that many items of each class free above and below the relaxed
// optimum and fixes the others. The partial sums stay within some items of the
// largest value.
func (s *search) narrow(r *relaxation, items int) []span {
	largest, divisor := int64(0), int64(0)
	for j, c := range r.classes {
		n := int(r.sums[j] / c.value)
		free := class{value: c.value, cost: c.cost, cap: min(c.cap-n, items+1) + min(n, items)}
		s.fixed[j] = n - min(n, items)
		s.fixedCost += int64(s.fixed[j]) * c.cost
		s.amount -= int64(s.fixed[j]) * c.value
		s.classes = append(s.classes, free)
		largest, divisor = max(largest, c.value), gcd(divisor, c.value)
	}
	width := largest * int64(2+items)
	width = min(width, aroundStates/int64(len(r.classes)+1)/2*max(divisor, 1))
	spans, sum := make([]span, len(r.classes)+1), int64(0)
	for j, c := range r.classes {
		sum += r.sums[j] - int64(s.fixed[j])*c.value
		spans[j+1] = span{max(0, sum-width), sum + width}
	}
	return spans
}
