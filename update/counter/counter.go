// Package counter keeps the version floor of a device where an old disk does not
// take it along: in a monotonic counter of its TPM.
//
// A release below the floor of its scope does not start. The slot table holds a
// floor (package slot), but it falls with the table: who puts an old disk back puts
// the old floor back. A TPM's NV counter can only count up, whatever is on the disk.
//
//	tpm := counter.TPM("/dev/tpmrm0")
//	floors, err := tpm.Floors()
//	err = tpm.Raise(slot.ScopeOf(m.Scope), m.Lowest()) // after its trial was kept
//
// # Jumps
//
// An NV counter counts by ones from where the TPM lets it begin; release counters
// begin anywhere and may jump. Create writes both beginnings into a second NV area
// and locks that for good, so floor = first floor + (counter now − counter then).
// Raising by n takes n increments, and NV wears out; so one release may raise a
// floor by MaxSteps at most. One that asks for more is refused before its trial
// (Reach): a maker who wants to jump further releases a version in between.
//
// # Promises
//
// A floor never falls. Raise may be cut off at any increment and called again: it
// counts on from where it is. Create finishes what a power cut left half made, and
// takes over areas that are whole: a new disk in an old till begins at the old floor.
//
// # What it does not do
//
// Who may command the TPM with its owner's authorisation (empty, as an operating
// system leaves it) can delete both areas and make them anew: that is an attacker
// with root on the running device, not one with its disk. The state of a simulated
// TPM can be copied back; a chip's cannot. Lines between processor and chip are
// taken for safe. It keeps nothing else: attestation is package update/attest.
//
// TPM 2.0 Library, part 3, section 31; docs/design/0004-update.md, section 5.
package counter

import (
	"errors"
	"fmt"

	"github.com/plomb-pos/plomb/update/slot"
)

// MaxSteps is by how much one release may raise the floor of its scope.
const MaxSteps = 64

// Errors of counters.
var (
	ErrTooFar = errors.New("raises the floor too far at once")
	ErrLost   = errors.New("the TPM does not hold this device's version floor")
)

// Floors are the lowest release counters that may start, by slot.Scope.
type Floors [2]uint64

// Counter is a place that holds floors. It is used by one process at a time, which
// the lock on the device's boot folder sees to.
type Counter interface {
	// Floors reads them. An error means that nothing is known, and nothing may start.
	Floors() (Floors, error)
	// Raise makes the floor of a scope at least to. It is idempotent. After an error
	// the floor lies anywhere between the old one and to, and may be raised again.
	Raise(scope slot.Scope, to uint64) error
	// Admit says beforehand whether Raise would be refused: an error wraps ErrTooFar.
	Admit(scope slot.Scope, to uint64) error
}

// Reach reports whether a floor may be raised from one value to another by one
// release: an error wraps ErrTooFar.
func Reach(from, to uint64) error {
	if to > from && to-from > MaxSteps {
		return fmt.Errorf("%w: from %d to %d, at most by %d; a release in between is needed", ErrTooFar, from, to, MaxSteps)
	}
	return nil
}

// Max is the higher floor of each scope.
func (f Floors) Max(other Floors) Floors {
	for s := range f {
		f[s] = max(f[s], other[s])
	}
	return f
}

// Table is the counter of a device without TPM: the slot table holds its floors,
// which Table.Kept raises together with the active slot. It stops no old disk.
type Table struct{}

// Floors are none beside those of the slot table.
func (Table) Floors() (Floors, error) { return Floors{}, nil }

// Raise has nothing to do.
func (Table) Raise(slot.Scope, uint64) error { return nil }

// Admit admits everything: a table can jump.
func (Table) Admit(slot.Scope, uint64) error { return nil }
