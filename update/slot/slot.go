// Package slot keeps two versions of the software side by side and decides which
// one starts. It is what the launcher, the installing till and the tests of both
// share.
//
// A till has two slots, A and B, and a table at a fixed place that says which is
// active. An update is written into the other slot; then, and only then, the table
// names it as a trial. What happens to a trial, Next and the reports (Failed, Kept)
// decide; the launcher carries it out:
//
//	f, err := slot.Open(fsys, "boot/table")
//	plan := slot.Next(f.Table(), verify)
//	err = f.Write(plan.Table) // before anything is started
//
// # Promises
//
// The table lies in two copies, each with a generation and a checksum; a change
// writes the older copy, syncs it and reads it back. Cut the power at any point:
// the table is the old or the new one, and the slot that it names as active was
// verified when it was named. In normal operation nothing is written.
//
// A slot is verified as a whole: the manifest against the boot policy, each
// component against the manifest, and no file beside them.
//
// # What it does not do
//
// It starts no process (cmd/plomb-boot) and fetches nothing (package update). A
// floor that lies in the table falls with the table: whoever can put an old disk
// back can put an old floor back, unless a TPM counter holds it.
//
// docs/design/0004-update.md, section 5.
package slot

import (
	"errors"

	"github.com/plomb-pos/plomb/update/manifest"
)

// Slot is one of the two places for a version.
type Slot uint8

// The slots.
const (
	A Slot = 0
	B Slot = 1
)

// Other is the slot beside.
func (s Slot) Other() Slot { return 1 - s }

// String is "a" or "b", the name of its folder.
func (s Slot) String() string {
	if s == A {
		return "a"
	}
	return "b"
}

// Limits of a trial.
const (
	Tries  = 3  // failures that were seen, after which a trial is over
	Starts = 30 // starts of a trial, seen to end or not: quick power cycles do not use up the tries
)

// MaxFailures is how often the same manifest may fail its trial; then it is not
// tried again.
const MaxFailures = 3

// Reason says why something did not start or was given up.
type Reason uint8

// The reasons. Their numbers are part of the table's format.
const (
	None        Reason = 0
	Unverified  Reason = 1  // the slot is not what its manifest says, or not signed by all
	Crashed     Reason = 2  // ended before it was healthy, every time
	Silent      Reason = 3  // not healthy in time
	TooManyCuts Reason = 4  // its starts were used up
	SelfTest    Reason = 5  // said of itself that it is not healthy
	BelowFloor  Reason = 6  // older than the floor
	Withdrawn   Reason = 7  // its approval was withdrawn
	Ordered     Reason = 8  // by a person under an authorisation
	TableLost   Reason = 9  // both copies of the table are bad
	CounterLost Reason = 10 // the TPM that holds the floor does not tell it; never in a table
	Survivor    Reason = 11 // something of an earlier start cannot be ended; never in a table
)

var reasons = map[Reason]string{
	None: "none", Unverified: "verification", Crashed: "crash", Silent: "no sign of health in time", TooManyCuts: "too many starts without an outcome",
	SelfTest: "self-test", BelowFloor: "older than the floor", Withdrawn: "approval withdrawn", Ordered: "ordered", TableLost: "slot table lost",
	CounterLost: "version floor not known", Survivor: "an earlier start has not ended",
}

// String is for logs.
func (r Reason) String() string { return reasons[r] }

// Fallback says what happens when a trial fails (requirement DL-07).
type Fallback uint8

// The policies.
const (
	Return Fallback = 0 // to the version before
	Block  Fallback = 1 // until a service person unblocks it
)

// Scope indexes the counters of a table.
type Scope uint8

// The scopes.
const (
	Application Scope = 0
	Platform    Scope = 1
)

// ScopeOf translates a manifest's scope.
func ScopeOf(s manifest.Scope) Scope {
	if s == manifest.Platform {
		return Platform
	}
	return Application
}

// Table is what the slot table says.
type Table struct {
	Generation uint64 // counts writes
	Active     Slot
	Trial      bool     // the other slot is to be tried
	Fallback   Fallback // of the trial
	Tries      uint8    // left
	Starts     uint8    // left
	Blocked    Reason   // None: not blocked
	Manifests  [2]manifest.Digest
	Floors     [2]uint64 // by Scope: a lower counter does not start
	Highest    [2]uint64 // by Scope: a counter that is not above it is not installed

	Failed   manifest.Digest // the last manifest whose trial failed
	Failures uint8           // how often
	Why      Reason          // and why, the last time
}

// Errors of the table.
var (
	ErrLost    = errors.New("both copies of the slot table are bad")
	ErrRefused = errors.New("refused by the slot table")
)
