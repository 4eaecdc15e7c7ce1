package cashmix

import (
	"cmp"
	"slices"
)

// class is all items of one value that may be taken, at one cost each.
type class struct {
	value int64
	cap   int   // items
	cost  int64 // of one item; the search makes the sum of costs smallest
}

// above is how many items a unit may give if at least level of them are to stay.
func (s source) above(level int) int { return max(0, min(s.max, s.left-level)) }

// classes joins the units by value, smallest first, at cost 1 an item. Units give
// only what lies above level.
func (p *purse) classes(level int) []class {
	sum := map[int64]int{}
	for _, u := range p.units {
		sum[u.Value] += u.above(level)
	}
	var list []class
	for value, n := range sum {
		list = append(list, class{value, n, 1})
	}
	return p.fitting(list)
}

// fitting sorts classes by value and leaves out what cannot fit into the amount,
// so that sums of whole classes stay far from overflow.
func (p *purse) fitting(list []class) []class {
	for i := range list {
		list[i].cap = int(min(int64(list[i].cap), p.amount/list[i].value))
	}
	list = slices.DeleteFunc(list, func(c class) bool { return c.cap <= 0 })
	slices.SortFunc(list, func(a, b class) int {
		return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.cost, b.cost), cmp.Compare(a.cap, b.cap))
	})
	return list
}

// spread takes each value's items from the units that have it: one by one from
// the fullest, and never what lies below level. With wide, units that give
// nothing yet give one item each before any gives a second.
func (p *purse) spread(counts map[int64]int, level int, wide bool) Mix {
	mix := Mix{}
	for value, n := range counts {
		taken := make([]int, len(p.units))
		if wide {
			n -= p.begin(value, n, level, taken)
		}
		p.drain(value, n, level, taken)
		for i, t := range taken {
			if t > 0 {
				mix[p.units[i].ID] = t
			}
		}
	}
	return mix
}

// begin takes one item from each unit of a value that gives nothing yet, the
// fullest first, and says how many those are: n at most.
func (p *purse) begin(value int64, n, level int, taken []int) int {
	var fresh []int
	for i, u := range p.units {
		if u.Value == value && !u.used && u.above(level) > 0 {
			fresh = append(fresh, i)
		}
	}
	slices.SortStableFunc(fresh, func(a, b int) int { return cmp.Compare(p.units[b].left, p.units[a].left) })
	fresh = fresh[:min(n, len(fresh))]
	for _, i := range fresh {
		taken[i] = 1
	}
	return len(fresh)
}

// drain takes n items of a value, each from the fullest unit.
func (p *purse) drain(value int64, n, level int, taken []int) {
	for n > 0 {
		i, next := p.fullest(value, level, taken)
		u := p.units[i]
		step := min(n, max(1, u.left-taken[i]-next), u.above(level)-taken[i])
		taken[i] += step
		n -= step
	}
}

// fullest is the unit of a value with the most items left that may give one more,
// and how many the next one has.
func (p *purse) fullest(value int64, level int, taken []int) (best, next int) {
	best, next = -1, 0
	for i, u := range p.units {
		if u.Value != value || taken[i] >= u.above(level) {
			continue
		}
		switch left := u.left - taken[i]; {
		case best < 0:
			best = i
		case left > p.units[best].left-taken[best]:
			best, next = i, p.units[best].left-taken[best]
		default:
			next = max(next, left)
		}
	}
	return best, next
}
