package fiscal_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/staff"
)

// happen records one thing of those that a till's day is made of.
func (x *till) happen(what int) {
	switch what {
	case 0, 1:
		x.sell(sale.Sale, money.One, sale.Card)
	case 2:
		x.record(&fiscal.Login{Actor: anna, Role: staff.Operator, Method: "pin"})
	case 3:
		x.record(&fiscal.TrainingMode{Actor: both, On: true})
		x.sell(sale.Training, money.One, sale.Card)
		x.record(&fiscal.TrainingMode{Actor: anna, On: false})
	case 4:
		x.z()
	}
}

// highest are the highest numbers that a till has given out.
func (x *till) highest() (n fiscal.Next) {
	for _, h := range x.heads {
		if v, ok := h.Number(fiscal.TagDocument); ok {
			n.Document = max(n.Document, v)
		}
		if v, ok := h.Number(fiscal.TagTraining); ok {
			n.Training = max(n.Training, v)
		}
		if v, ok := h.Number(fiscal.TagZ); ok && h.Kind == fiscal.KindZReport {
			n.Z = max(n.Z, v)
		}
	}
	return n
}

// judged folds a till's entries past those that are missing, and gives what is
// found besides.
func (x *till) judged(missing map[uint64]bool) (*fiscal.State, []fiscal.Hole, []fiscal.Finding) {
	check := fiscal.NewCheck(nil)
	var holes []fiscal.Hole
	var found []fiscal.Finding
	for i, h := range x.heads {
		if missing[h.Index] {
			holes = append(holes, fiscal.Hole{First: h.Index, Last: h.Index})
			check.Missing(h.Index + 1)
			continue
		}
		found = append(found, check.Entry(h, x.bodies[i])...)
	}
	return check.State().Clone(), holes, found
}

// Whatever entries a till has lost: it gives out no number a second time, what it
// records then is right in the eyes of whoever has not got them, and in the eyes of
// whoever has got them back.
//
// Requirement: POS-08
func TestNoNumberIsGivenOutTwiceBehindDamage(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x := newTill(t)
		for _, what := range rapid.SliceOfN(rapid.IntRange(0, 4), 1, 12).Draw(rt, "happens") {
			x.happen(what)
		}
		missing := map[uint64]bool{}
		for i := uint64(3); i < x.state.Size; i++ {
			if rapid.IntRange(0, 3).Draw(rt, "damaged") == 0 {
				missing[i] = true
			}
		}
		state, holes, found := x.judged(missing)
		if len(found) > 0 {
			rt.Fatalf("besides what is missing: %v", found)
		}
		before := x.highest()
		if state.Training { // the entry that ended it is missing
			return
		}
		x.state = *state
		x.record(&fiscal.SoftwareStart{Version: "1.0.0"})
		if len(holes) > 0 {
			x.record(x.state.NewRecovery(holes))
		}
		if n := x.state.Next; n.Document <= before.Document || n.Training <= before.Training || n.Z <= before.Z {
			rt.Fatalf("goes on with %+v, given out were %+v", n, before)
		}
		for _, what := range rapid.SliceOfN(rapid.IntRange(0, 4), 1, 6).Draw(rt, "then") {
			x.happen(what)
		}
		if _, _, found := x.judged(missing); len(found) > 0 {
			rt.Fatalf("with the damage: %v", found)
		}
		if _, _, found := x.judged(nil); len(found) > 0 {
			rt.Fatalf("mended: %v", found)
		}
	})
}

// A till that says after damage that it goes on from lower numbers, or from more
// than it lost, is found out.
func TestARecoveryPassesOverNoMoreThanItLost(t *testing.T) {
	x := newTill(t)
	x.sell(sale.Sale, money.One, sale.Card)
	grand := x.state.Grand
	for _, tt := range []struct {
		next  fiscal.Next
		right bool
	}{
		{fiscal.Next{Document: 2, Z: 1, Training: 1}, true},
		{fiscal.Next{Document: 3, Z: 1, Training: 2}, true},
		{fiscal.Next{Document: 1, Z: 1, Training: 1}, false},
		{fiscal.Next{Document: 4, Z: 1, Training: 1}, false},
	} {
		r := &fiscal.Recovery{Holes: []fiscal.Hole{{First: 2, Last: 2}}, Next: &tt.next, Grand: &grand}
		if _, err := x.state.Draft(r); (err == nil) != tt.right {
			t.Errorf("Draft of a recovery to %+v = %v", tt.next, err)
		}
	}
}
