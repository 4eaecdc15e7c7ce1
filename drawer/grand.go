package drawer

import (
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
)

// Grand are the totals of a till's life: they are never reset, and Sale and
// Return never fall.
type Grand struct {
	Sale   money.Amount `json:"sale"`   // gross sum of sales
	Return money.Amount `json:"return"` // gross sum of returns and voids, positive
	Net    money.Amount `json:"net"`    // Sale − Return
}

// After returns the totals once a document is counted. A training sale changes
// nothing. A sale that pays out more than it takes in (deposits) counts as a
// return. Code: figures-out-of-range.
func (g Grand) After(d *sale.Document) (Grand, error) {
	if d.Mode == sale.Training {
		return g, nil
	}
	var a adder
	if d.Total >= 0 && d.Mode == sale.Sale {
		a.add(&g.Sale, d.Total)
	} else {
		a.add(&g.Return, -d.Total)
	}
	a.add(&g.Net, d.Total)
	return g, a.err
}
