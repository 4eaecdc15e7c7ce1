package chassis

import (
	"maps"
	"slices"
	"sync"

	"github.com/plomb-pos/plomb/driver/sim/panel"
)

// Faults are armed by people and strike when the device comes to the place where
// they can: nothing happens by chance. The zero value is ready; a device guards it
// with its lock.
type Faults struct{ left map[string]int }

// Arm makes a fault strike after so many chances at which it does not.
func (f *Faults) Arm(name string, after int) {
	if f.left == nil {
		f.left = map[string]int{}
	}
	f.left[name] = after
}

// Strike is called at each chance; it says whether the fault strikes now. A fault
// strikes once.
func (f *Faults) Strike(name string) bool {
	left, armed := f.left[name]
	if !armed {
		return false
	}
	if left > 0 {
		f.left[name] = left - 1
		return false
	}
	delete(f.left, name)
	return true
}

// Mend disarms all.
func (f *Faults) Mend() { clear(f.left) }

// Armed lists what will strike, sorted.
func (f *Faults) Armed() []string { return slices.Sorted(maps.Keys(f.left)) }

// Locked makes an act's function that holds the device's lock.
func Locked(l sync.Locker, do func(panel.Values) error) func(panel.Values) error {
	return func(v panel.Values) error {
		l.Lock()
		defer l.Unlock()
		return do(v)
	}
}

// After is the argument of a fault that can be put off.
func After(label string) []panel.Arg {
	return []panel.Arg{{Name: "after", Label: label, Default: "0", Number: true}}
}
