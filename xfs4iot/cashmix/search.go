package cashmix

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// search holds, class by class, the cheapest way to every partial sum that can
// still become the amount.
type search struct {
	amount  int64
	classes []class
	layers  []layer // layers[j]: sums of the classes before j; the last is the amount

	fixed     map[int64]int // items by value that are taken beside those searched for
	fixedCost int64
}

// layer is the partial sums base, base+step, base+2*step, ...
type layer struct {
	base, step int64
	cost       []int64
}

const unreachable = math.MaxInt64 / 4

// gaps are tried in turn: how far the cheapest mix may lie above the relaxed
// optimum. Mixes of real cash lie within the first.
var gaps = []int64{8, 256, unreachable}

// few is how many partial sums are looked at before only those around the relaxed
// optimum are.
const few = 1 << 16

// search finds the cheapest items that make up the purse's amount at a cost of at
// most most; one that costs at most enough need not be the cheapest.
func (p *purse) search(ctx context.Context, classes []class, most, enough int64) (*search, error) {
	relaxed := relax(classes, p.amount)
	if relaxed.cost > most {
		return nil, ErrNoMix
	}
	s, err := p.far(ctx, relaxed, most, few)
	if !errors.Is(err, ErrTooComplex) {
		return s, err
	}
	near := p.around(ctx, relaxed, max(enough, relaxed.cost))
	if near != nil && near.best() <= min(most, max(enough, relaxed.cost)) {
		return near, nil
	}
	if near != nil && near.best() <= most {
		most = near.best() - 1 // anything better?
	} else {
		near = nil
	}
	s, err = p.far(ctx, relaxed, most, MaxStates)
	if near != nil && errors.Is(err, ErrNoMix) {
		return near, nil
	}
	return s, err
}

// far looks for the cheapest mix up to most among more and more sums, at most
// states of them.
func (p *purse) far(ctx context.Context, relaxed *relaxation, most, states int64) (*search, error) {
	for _, gap := range gaps {
		limit := min(most, relaxed.cost+gap)
		if limit < relaxed.cost {
			break
		}
		s, err := p.within(ctx, relaxed, limit, states)
		if err == nil || !errors.Is(err, ErrNoMix) {
			return s, err
		}
		if limit == most {
			break
		}
	}
	return nil, ErrNoMix
}

// within finds the cheapest mix of a cost up to limit, with at most states sums.
func (p *purse) within(ctx context.Context, relaxed *relaxation, limit, states int64) (*search, error) {
	s := &search{amount: p.amount, classes: relaxed.classes}
	if err := s.run(ctx, relaxed.spans(limit), states); err != nil {
		return nil, err
	}
	if s.best() > limit {
		return nil, ErrNoMix
	}
	return s, nil
}

func (s *search) run(ctx context.Context, spans []span, states int64) error {
	if err := s.lay(spans, states); err != nil {
		return err
	}
	s.layers[0].cost[0] = 0
	for j, c := range s.classes {
		if err := ctx.Err(); err != nil {
			return err
		}
		add(s.layers[j], s.layers[j+1], c)
	}
	if s.layers[len(s.classes)].cost[0] >= unreachable {
		return ErrNoMix
	}
	return nil
}

// best is the cost of the whole amount.
func (s *search) best() int64 { return s.fixedCost + s.layers[len(s.classes)].cost[0] }

// lay makes the layers: the sums s with s congruent to the amount modulo the
// common divisor of the larger values, which the larger classes can complete and
// the smaller ones reach, as far as they are in the spans. An empty layer means
// that there is no mix.
func (s *search) lay(spans []span, limit int64) error {
	k := len(s.classes)
	reach := s.reach()
	s.layers = make([]layer, k+1)
	divisor, rest, states := int64(0), int64(0), int64(0)
	for j := k; j >= 0; j-- {
		low := max(0, s.amount-rest, spans[j].low)
		high := min(s.amount, reach[j], spans[j].high)
		l, n := lattice(s.amount, divisor, low, high)
		if n <= 0 {
			return ErrNoMix
		}
		if states += n; states > limit {
			return fmt.Errorf("amount %d in %d values: %w", s.amount, k, ErrTooComplex)
		}
		l.cost = make([]int64, n)
		for i := range l.cost {
			l.cost[i] = unreachable
		}
		s.layers[j] = l
		if j > 0 {
			divisor = gcd(divisor, s.classes[j-1].value)
			rest += s.classes[j-1].value * int64(s.classes[j-1].cap)
		}
	}
	return nil
}

// lattice is the sums from low to high that differ from amount by a multiple of
// step, and their number; step 0 leaves the amount alone.
func lattice(amount, step, low, high int64) (layer, int64) {
	if step == 0 {
		step = amount
	}
	base := low + (amount-low)%step
	if base > high {
		return layer{}, 0
	}
	return layer{base: base, step: step}, (high-base)/step + 1
}

// reach is the largest sum of the classes before each one.
func (s *search) reach() []int64 {
	sums := make([]int64, len(s.classes)+1)
	for j, c := range s.classes {
		sums[j+1] = sums[j] + c.value*int64(c.cap)
	}
	return sums
}

// add fills the layer to from the layer from, by c.cap items of a value at most.
// Sums of one residue modulo the value are a chain; the items that lead from one
// sum to another are their distance in it, so a sliding window of c.cap steps
// gives the cheapest.
func add(from, to layer, c class) {
	stride := c.value / from.step // between the links of a chain, in both layers
	var w window
	for start := int64(0); start < stride && start < int64(len(to.cost)); start++ {
		w.slide(from, to, c, start, stride)
	}
}

// window keeps the candidates that can still be the cheapest, in ascending order.
type window struct {
	links []link
}

type link struct {
	at   int64 // place in the chain
	cost int64 // less c.cost for each step of at
}

func (w *window) slide(from, to layer, c class, start, stride int64) {
	sum := to.base + start*to.step
	i := floorMod((sum-from.base)/from.step, stride)
	first := from.base + i*from.step // the chain's first sum in from
	w.links = w.links[:0]
	head, at := 0, int64(0)
	for t := start; t < int64(len(to.cost)); t += stride {
		here := (to.base + t*to.step - first) / c.value
		for ; i < int64(len(from.cost)) && at <= here; i, at = i+stride, at+1 {
			w.push(head, link{at, from.cost[i] - at*c.cost}, from.cost[i])
		}
		for head < len(w.links) && w.links[head].at < here-int64(c.cap) {
			head++
		}
		if head < len(w.links) {
			to.cost[t] = w.links[head].cost + here*c.cost
		}
	}
}

// push drops the candidates that l beats for good; l itself is none when its sum
// cannot be reached.
func (w *window) push(head int, l link, cost int64) {
	if cost >= unreachable {
		return
	}
	for len(w.links) > head && w.links[len(w.links)-1].cost >= l.cost {
		w.links = w.links[:len(w.links)-1]
	}
	w.links = append(w.links, l)
}

// counts reads the items of the cheapest mix back, the most of the largest value
// first where several cost the same.
func (s *search) counts() []int {
	counts := make([]int, len(s.classes))
	sum := s.amount
	for j := len(s.classes) - 1; j >= 0; j-- {
		counts[j] = chosen(s.layers[j], s.classes[j], sum, s.layers[j+1].at(sum))
		sum -= int64(counts[j]) * s.classes[j].value
	}
	return counts
}

// chosen is how many items of a class lead from a layer to sum at a known cost.
func chosen(from layer, c class, sum, want int64) int {
	for n := min(int64(c.cap), sum/c.value); n > 0; n-- {
		if cost := from.at(sum - n*c.value); cost < unreachable && cost+n*c.cost == want {
			return int(n)
		}
	}
	return 0
}

func (l layer) at(sum int64) int64 {
	if i := (sum - l.base) / l.step; sum >= l.base && i < int64(len(l.cost)) && l.base+i*l.step == sum {
		return l.cost[i]
	}
	return unreachable
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func floorMod(a, b int64) int64 { return ((a % b) + b) % b }
