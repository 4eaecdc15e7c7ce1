package cashmix

import (
	"context"
	"fmt"
	"slices"
)

// widest makes the mix from as many units as possible. Items that bring in a new
// unit are so cheap that one unit more is worth any number of items; where the
// limit of items then breaks, the units are counted apart from the items.
func (p *purse) widest(ctx context.Context) error {
	bonus := p.items() + 1
	classes := func(level int) []class { return p.wide(level, bonus) }
	s, err := p.search(ctx, classes(0), unreachable, -unreachable)
	if err != nil {
		return err
	}
	if n := sumOf(s.byValue()); p.limit > 0 && n > p.limit {
		return p.widestWithin(ctx)
	}
	return p.settle(ctx, classes, s.best(), true)
}

// items is more than any mix of the purse has.
func (p *purse) items() int64 {
	n := int64(0)
	for _, u := range p.units {
		n += min(int64(u.max), p.amount/u.Value)
	}
	return n
}

// wide has two classes for each value: the first item of each unit that gives
// nothing yet, at a bonus, and all others.
func (p *purse) wide(level int, bonus int64) []class {
	first, others := map[int64]int{}, map[int64]int{}
	for _, u := range p.units {
		n := u.above(level)
		if n > 0 && !u.used {
			first[u.Value]++
			n--
		}
		others[u.Value] += n
	}
	var list []class
	for value, n := range first {
		list = append(list, class{value, n, 1 - bonus})
	}
	for value, n := range others {
		list = append(list, class{value, n, 1})
	}
	return p.fitting(list)
}

// breadth is a search that keeps, for each partial sum, the fewest items for every
// number of units: layers[j][n] has the sums of the classes before j that n units
// bring in.
type breadth struct {
	search
	fresh  []bool // the class is the first item of one unit
	layers [][]layer
}

// widestWithin finds the most units whose mix keeps the limit of items, and the
// fewest items for that number. The level of the units is not looked at.
func (p *purse) widestWithin(ctx context.Context) error {
	b := p.breadth()
	if err := b.lay(); err != nil {
		return err
	}
	most := b.units()
	if n := b.states() * int64(most+1); n > breadthStates {
		return fmt.Errorf("%d sums and units under a limit of %d items: %w", n, p.limit, ErrTooComplex)
	}
	if err := b.fill(ctx, most); err != nil {
		return err
	}
	for n := most; n >= 0; n-- {
		if b.layers[len(b.classes)][n].cost[0] <= int64(p.limit) {
			p.mix = p.spread(b.back(n), 0, true)
			return nil
		}
	}
	return ErrTooManyItems
}

// breadthStates bounds the sums times units of one such search; each is cheaper
// than a state of search.
const breadthStates = 16 * MaxStates

// breadth splits the first items of the units into classes of one item.
func (p *purse) breadth() *breadth {
	b := &breadth{search: search{amount: p.amount}}
	for _, c := range p.wide(0, 2) {
		if c.cost > 0 {
			b.classes, b.fresh = append(b.classes, c), append(b.fresh, false)
			continue
		}
		for range c.cap {
			b.classes = append(b.classes, class{c.value, 1, 1})
			b.fresh = append(b.fresh, true)
		}
	}
	return b
}

func (b *breadth) lay() error {
	spans := make([]span, len(b.classes)+1)
	for i := range spans {
		spans[i].high = b.amount
	}
	return b.search.lay(spans, breadthStates)
}

func (b *breadth) units() int {
	n := 0
	for _, f := range b.fresh {
		if f {
			n++
		}
	}
	return n
}

func (b *breadth) states() int64 {
	n := int64(0)
	for _, l := range b.search.layers {
		n += int64(len(l.cost))
	}
	return n
}

func (b *breadth) fill(ctx context.Context, most int) error {
	b.layers = make([][]layer, len(b.classes)+1)
	for j := range b.layers {
		for range most + 1 {
			l := b.search.layers[j]
			l.cost = slices.Clone(l.cost)
			b.layers[j] = append(b.layers[j], l)
		}
	}
	b.layers[0][0].cost[0] = 0
	for j, c := range b.classes {
		if err := ctx.Err(); err != nil {
			return err
		}
		b.step(j, c)
	}
	return nil
}

func (b *breadth) step(j int, c class) {
	for n := range b.layers[j] {
		from, to := b.layers[j][n], b.layers[j+1][n]
		switch {
		case !b.fresh[j]:
			add(from, to, c)
		case n == 0:
			keep(from, to)
		default:
			begin(from, b.layers[j][n-1], to, c.value)
		}
	}
}

func keep(from, to layer) {
	for i := range to.cost {
		to.cost[i] = from.at(to.base + int64(i)*to.step)
	}
}

func begin(from, fewer, to layer, value int64) {
	for i := range to.cost {
		sum := to.base + int64(i)*to.step
		to.cost[i] = min(from.at(sum), fewer.at(sum-value)+1)
	}
}

// back reads the items of the mix with n units back, as items by value.
func (b *breadth) back(n int) map[int64]int {
	out, sum := map[int64]int{}, b.amount
	for j := len(b.classes) - 1; j >= 0; j-- {
		c, want := b.classes[j], b.layers[j+1][n].at(sum)
		var count int64
		switch {
		case !b.fresh[j]:
			count = int64(chosen(b.layers[j][n], c, sum, want))
		case n > 0 && b.layers[j][n-1].at(sum-c.value)+1 == want:
			count, n = 1, n-1
		}
		sum -= count * c.value
		out[c.value] += int(count)
	}
	return out
}
