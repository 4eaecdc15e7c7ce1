package cashmix

import "context"

// core is how far a mix may differ from the relaxed optimum: in how many classes,
// and by how many items of each.
type core struct{ classes, items int }

// cores are tried in turn.
var cores = []core{{8, 12}, {16, 4}, {MaxUnits * 2, 1}}

// around looks for a mix that differs from the relaxed optimum in a few items of
// the classes that are nearest to the cut one: it finds the best mix where values
// are many and near to each other, and the sums between them too many to look at
// all. Only a cost of at most enough proves that it is as good as needed. It is nil
// when it finds none.
func (p *purse) around(ctx context.Context, r *relaxation, enough int64) *search {
	if len(r.classes) == 0 {
		return nil
	}
	var best *search
	for _, c := range cores {
		s := &search{amount: p.amount, classes: r.classes}
		spans := s.narrow(r, c)
		if s.run(ctx, spans, MaxStates) != nil {
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

// free lists the classes of a core: those nearest to the cut one in the order of
// their worth, from both sides in turn. What is taken more of on the one side is
// taken less of on the other, so in this order the partial sums stay small.
func (r *relaxation) free(c core) []int {
	cut := 0
	for i, j := range r.order {
		if r.sums[j] > 0 {
			cut = i
		}
	}
	list := []int{r.order[cut]}
	for far := 1; far < len(r.order) && len(list) < c.classes; far++ {
		for _, i := range []int{cut - far, cut + far} {
			if i >= 0 && i < len(r.order) {
				list = append(list, r.order[i])
			}
		}
	}
	return list
}

// narrow leaves the items of a core free and fixes all others at the relaxed
// optimum. The partial sums stay near to it.
func (s *search) narrow(r *relaxation, c core) []span {
	free := r.free(c)
	width := int64(MaxStates) / int64(len(free)+1) / 2
	spans, sum := []span{{}}, int64(0)
	s.classes, s.fixed = nil, map[int64]int{}
	for j, whole := range r.classes {
		s.fix(whole, int(r.sums[j]/whole.value))
	}
	for _, j := range free {
		whole, n := r.classes[j], int(r.sums[j]/r.classes[j].value)
		down := min(n, c.items)
		s.fix(whole, -down)
		s.classes = append(s.classes, class{whole.value, min(whole.cap-n, c.items+1) + down, whole.cost})
		sum += r.sums[j] - int64(n-down)*whole.value
		spans = append(spans, span{max(0, sum-width), sum + width})
	}
	return spans
}

// fix takes items of a class, whatever else the search finds.
func (s *search) fix(c class, items int) {
	s.fixed[c.value] += items
	s.fixedCost += int64(items) * c.cost
	s.amount -= int64(items) * c.value
}
