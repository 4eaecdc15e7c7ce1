package cashmix

import "context"

// Around looks around the relaxed optimum alone: the cost it finds, the items by
// value, and the bound below which no mix is; ok says whether it found one.
func Around(units []Unit, amount int64) (cost, bound int64, items map[int64]int, ok bool) {
	p := Request{Units: units, Amounts: map[string]int64{"EUR": amount}}.purse("EUR")
	r := relax(p.classes(0), amount)
	s := p.around(context.Background(), r, r.cost)
	if s == nil {
		return 0, r.cost, nil, false
	}
	return s.best(), r.cost, s.byValue(), true
}
