package cashmix

import (
	"cmp"
	"math/bits"
	"slices"
)

// span is a range of partial sums.
type span struct{ low, high int64 }

// relaxation is the optimum of the relaxed problem, in which items may be cut. Its
// vertex cuts one item at most. It bounds the partial sums of an optimal mix in two
// ways, so that huge amounts need no more sums than middling ones:
//
//   - by distance: some optimal mix differs from the vertex in at most 2m+1 items,
//     where m is the largest value over the common divisor (Eisenbrand, Weismantel:
//     Proximity results and faster algorithms for integer programming using the
//     Steinitz lemma, 2018, theorem 3.1 for one constraint);
//   - by cost: every sum has a cheapest relaxed completion; where that is above the
//     cost looked for, no mix below it has this sum.
type relaxation struct {
	classes []class
	order   []int   // classes, the cheapest for its value first
	sums    []int64 // how much of the amount each class makes up
	cost    int64   // the smallest that a mix can have, for all it knows
}

func relax(classes []class, amount int64) *relaxation {
	r := &relaxation{classes: classes, order: make([]int, len(classes)), sums: make([]int64, len(classes))}
	for i := range r.order {
		r.order[i] = i
	}
	slices.SortFunc(r.order, func(a, b int) int { return cmp.Or(cheaper(classes[a], classes[b]), b-a) })
	for _, j := range r.order {
		c := classes[j]
		r.sums[j] = min(amount, c.whole())
		amount -= r.sums[j]
		r.cost += r.sums[j]/c.value*c.cost + c.part(r.sums[j]%c.value)
	}
	return r
}

// part is the cost of a cut item, rounded up to the next whole number.
func (c class) part(sum int64) int64 {
	hi, lo := bits.Mul64(uint64(sum), magnitude(c.cost)) // sum is below value: the quotient fits
	n, rest := bits.Div64(hi, lo, uint64(c.value))
	switch {
	case c.cost < 0:
		return -int64(n)
	case rest > 0:
		n++
	}
	return int64(n)
}

// whole is the sum of all items of the class.
func (c class) whole() int64 { return c.value * int64(c.cap) }

// spans gives the range of sums before each class, and after the last one, that
// mixes of a cost up to most can have.
func (r *relaxation) spans(most int64) []span {
	far := r.farthest()
	spans, sum := make([]span, len(r.classes)+1), int64(0)
	for j := range r.classes {
		sum += r.sums[j]
		up := min(far[j], r.shift(j+1, most-r.cost, true))
		down := min(far[j], r.shift(j+1, most-r.cost, false))
		spans[j+1] = span{max(0, sum-down), sum + up}
	}
	return spans
}

// farthest is the bound by distance on the sum up to each class.
func (r *relaxation) farthest() []int64 {
	divisor, largest := int64(0), int64(0)
	for _, c := range r.classes {
		divisor, largest = gcd(divisor, c.value), max(largest, c.value)
	}
	far := make([]int64, len(r.classes))
	for j, c := range r.classes {
		far[j] = MaxAmount
		if items := 2*(largest/divisor) + 2; items < MaxAmount/c.value {
			far[j] = items * c.value
		}
	}
	return far
}

// shift is how far the sum of the classes before j can move up (or down) from the
// vertex until that alone costs more than budget. The cheapest move is to fill the
// cheapest class on the one side and to empty the dearest on the other; its cost
// only grows. All rounding is towards a longer way.
func (r *relaxation) shift(j int, budget int64, up bool) int64 {
	fill := pile{next: 0, step: 1, size: func(i int) int64 {
		if (i < j) != up {
			return 0
		}
		return r.classes[i].whole() - r.sums[i]
	}}
	empty := pile{next: len(r.order) - 1, step: -1, size: func(i int) int64 {
		if (i < j) == up {
			return 0
		}
		return r.sums[i]
	}}
	way := int64(0)
	for fill.look(r.order) && empty.look(r.order) {
		step := min(fill.left, empty.left)
		affordable, price := afford(r.classes[fill.class], r.classes[empty.class], budget, step)
		if affordable < step {
			return way + affordable
		}
		way, budget = way+step, budget-price
		fill.left -= step
		empty.left -= step
	}
	return way
}

// pile walks through the classes of one side, in their order or against it.
type pile struct {
	next, step int
	size       func(class int) int64 // what can be moved; 0 on the other side
	class      int
	left       int64 // of class
}

// look goes on to a class with something left to move; false at the end.
func (p *pile) look(order []int) bool {
	for p.left == 0 && p.next >= 0 && p.next < len(order) {
		p.class = order[p.next]
		p.left = p.size(p.class)
		p.next += p.step
	}
	return p.left > 0
}

// afford is how much of step can be moved from one class to another for budget, and
// what step costs.
func afford(to, from class, budget, step int64) (way, price int64) {
	hi, product := bits.Mul64(uint64(to.value), uint64(from.value))
	slope, exact := difference(to.cost, from.value, from.cost, to.value)
	if hi != 0 || !exact || slope <= 0 {
		return step, 0 // too large to say, or free
	}
	hi, lo := bits.Mul64(uint64(step), uint64(slope))
	if hi >= product {
		return 0, 0 // dearer than any budget
	}
	quotient, _ := bits.Div64(hi, lo, product)
	if quotient <= uint64(budget) {
		return step, int64(quotient)
	}
	hi, lo = bits.Mul64(uint64(budget)+1, product)
	if hi >= uint64(slope) {
		return step, 0
	}
	way64, _ := bits.Div64(hi, lo, uint64(slope))
	return int64(min(way64, uint64(step))), 0
}

// difference is a*b-c*d, and whether that could be computed.
func difference(a, b, c, d int64) (int64, bool) {
	const small = 1 << 31
	if max(magnitude(a), magnitude(c)) >= small || b >= small || d >= small {
		return 0, false
	}
	return a*b - c*d, true
}

// cheaper compares cost over value exactly, in 128 bits.
func cheaper(x, y class) int {
	a, b := x.cost, y.cost
	if (a < 0) != (b < 0) {
		return cmp.Compare(a, b)
	}
	high1, low1 := bits.Mul64(magnitude(a), uint64(y.value))
	high2, low2 := bits.Mul64(magnitude(b), uint64(x.value))
	larger := cmp.Or(cmp.Compare(high1, high2), cmp.Compare(low1, low2))
	if a < 0 {
		return -larger
	}
	return larger
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return uint64(-n)
	}
	return uint64(n)
}
