package main

import (
	"errors"
	"fmt"

	"github.com/plomb-pos/plomb/update/counter"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// errFloor says that the floor is not known, so that nothing may start.
var errFloor = errors.New("the version floor cannot be read")

// floors are those in force: what the table says, and the counter where it says more.
func (d *device) floors(t slot.Table) (counter.Floors, error) {
	f, err := d.floor.Floors()
	if err != nil {
		return f, fmt.Errorf("%w: %w", errFloor, err)
	}
	return f.Max(t.Floors), nil
}

// createFloor makes the counter of a new device. One that the TPM has kept from an
// older life of the machine stays, and the first release has to pass it.
func (d *device) createFloor(m *manifest.Manifest) error {
	tpm, ok := d.floor.(counter.TPM)
	if !ok {
		return nil
	}
	if err := tpm.Create(slot.Table{}.Raised(m).Floors); err != nil {
		return err
	}
	floors, err := tpm.Floors()
	if err != nil {
		return err
	}
	if err := d.check(floors).Fits(m); err != nil {
		return fmt.Errorf("this machine's TPM remembers its floor: %w", err)
	}
	return tpm.Raise(slot.ScopeOf(m.Scope), m.Lowest())
}

// raise brings the counter up to a release that runs for good. It is called after
// every trial that was kept, and at every start, where it repairs what a power cut
// left; an error stops nothing, since the table holds the floor as well.
func (l *launcher) raise(m *manifest.Manifest) {
	if err := l.floor.Raise(slot.ScopeOf(m.Scope), m.Lowest()); err != nil {
		l.say(fmt.Sprintf("floor not raised to %d: %v", m.Lowest(), err))
	}
}

func reasonOf(err error) slot.Reason {
	if errors.Is(err, errFloor) {
		return slot.CounterLost
	}
	return slot.TableLost
}
