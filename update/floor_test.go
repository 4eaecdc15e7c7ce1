package update_test

import (
	"errors"
	"testing"

	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/slot"
)

// held is a floor that lies elsewhere than in the slot table.
type held struct {
	floors [2]uint64
	refuse error
}

func (h held) Floors() ([2]uint64, error)     { return h.floors, nil }
func (h held) Admit(slot.Scope, uint64) error { return h.refuse }
func (held) Raise(slot.Scope, uint64) error   { return nil }
func (w *till) withFloor(h held) *update.Agent {
	return w.agentOf(func(c *update.Config) { c.Floor = h })
}

// agentOf is agent with a change of its configuration.
func (w *till) agentOf(change func(*update.Config)) *update.Agent {
	w.t.Helper()
	c := w.config()
	change(&c)
	a, err := update.New(c)
	w.must(err)
	return a
}

// Requirement: DL-15
func TestAFloorInATPMCountsAndIsAskedBeforeAByteIsFetched(t *testing.T) {
	tooFar := errors.New("raises the floor too far at once")
	for name, c := range map[string]struct {
		held
		want error
	}{
		"the release is below it":            {held{floors: [2]uint64{slot.Application: 3}}, slot.ErrFloor},
		"it cannot be raised to the release": {held{refuse: tooFar}, tooFar},
	} {
		w := newTill(t)
		_, err := w.withFloor(c.held).Update(t.Context())
		if !errors.Is(err, c.want) || w.repo.bytes > 0 || w.table().Trial {
			t.Errorf("%s: %v, %d bytes were fetched", name, err, w.repo.bytes)
		}
	}
	w := newTill(t)
	if r, err := w.withFloor(held{floors: [2]uint64{slot.Application: 2}}).Update(t.Context()); err != nil || !r.Restart {
		t.Errorf("at the floor: %+v, %v", r, err)
	}
}
