package fiscal_test

import (
	"testing"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/fiscal"
)

// Requirement: POS-08
func TestAnEpochGoesOnWithNumbersAndGrandTotals(t *testing.T) {
	end := &fiscal.State{Next: fiscal.Next{Document: 10, Z: 3, Training: 2}, Grand: drawer.Grand{Sale: 1000, Return: 100, Net: 900}}
	for _, tt := range []struct {
		name   string
		change func(*fiscal.Epoch)
		right  bool
	}{
		{"as it was", func(*fiscal.Epoch) {}, true},
		{"more, at least", func(e *fiscal.Epoch) { e.AtLeast, e.Next.Document, e.Grand.Sale = true, 12, 1200 }, true},
		{"more, as if nothing were lost", func(e *fiscal.Epoch) { e.Next.Document = 12 }, false},
		{"a lower document number", func(e *fiscal.Epoch) { e.AtLeast, e.Next.Document = true, 9 }, false},
		{"a lower Z number", func(e *fiscal.Epoch) { e.AtLeast, e.Next.Z = true, 2 }, false},
		{"a lower grand total", func(e *fiscal.Epoch) { e.AtLeast, e.Grand.Sale = true, 999 }, false},
		{"of another origin", func(e *fiscal.Epoch) { e.Origin = "till-x/e1" }, false},
		{"with a checkpoint that is none", func(e *fiscal.Epoch) { e.Checkpoint = "nonsense" }, false},
	} {
		e := &fiscal.Epoch{Origin: "till-1/e1", Next: end.Next, Grand: end.Grand}
		tt.change(e)
		if err := e.Follows("till-1/e1", end); (err == nil) != tt.right {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
