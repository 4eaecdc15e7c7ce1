package main

import (
	"errors"
	"fmt"

	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// raise brings the counter up to a release that runs for good. It is called after
// every trial that was kept, and at every start, where it repairs what a power cut
// left; an error stops nothing, since the table holds the floor as well.
func (l *launcher) raise(m *manifest.Manifest) {
	if err := l.Floor.Raise(slot.ScopeOf(m.Scope), m.Lowest()); err != nil {
		l.say(fmt.Sprintf("floor not raised to %d: %v", m.Lowest(), err))
	}
}

func reasonOf(err error) slot.Reason {
	switch {
	case errors.Is(err, boot.ErrFloor):
		return slot.CounterLost
	case errors.Is(err, manifest.ErrPolicy), errors.Is(err, errSettings):
		return slot.Unverified
	}
	return slot.TableLost
}
