package journal_test

import (
	"testing"

	"github.com/plomb-pos/plomb/journal"
)

// A test of left-out steps is worth what it finds: each mutant leaves out one
// step on which durability rests, and the power cuts must find it.
//
// Requirement: FM-02
func TestPowerCutsFindEveryStepLeftOut(t *testing.T) {
	mutants := []struct {
		name   string
		step   journal.Step
		within int
		steps  int // in a till's life
	}{
		{"sync of a group", journal.StepGroupSync, 2000, usualSteps},
		{"sync of the directory after a new segment", journal.StepDirSync, 5000, usualSteps},
		{"zeros behind the last group", journal.StepZeroTail, 60000, usualSteps},
		{"sync of what recovery wrote", journal.StepTailSync, 60000, usualSteps},
		{"last group written again", journal.StepRewriteLast, 60000, usualSteps},
		{"signing after the sync", journal.StepSignEarly, 5000, usualSteps},
		{"sync of the first group", journal.StepCreateSync, 5000, 2},
		{"sync of the names found by recovery", journal.StepAdoptSync, 60000, 2},
	}
	seed := seedFor(t)
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			points, err := cutPower(seed, m.within, m.steps, func(o journal.Options) journal.Options { return o.Without(m.step) })
			if err == nil {
				t.Fatalf("left out and not found by %d power cuts", points)
			}
			t.Logf("found: %v", err)
		})
	}
}
