package slot

import (
	"errors"
	"fmt"

	"github.com/plomb-pos/plomb/update/manifest"
)

// Event is what a decision was, for the launcher's log.
type Event string

// The events.
const (
	Starting  Event = "starting"
	Trying    Event = "trial started"
	FellBack  Event = "fell back"
	Rescued   Event = "previous version started in place of a bad one"
	BlockedAt Event = "blocked"
	WasKept   Event = "kept"
	TriedOnce Event = "trial failed"
)

// Step is one thing that was decided, in order.
type Step struct {
	Event  Event
	Slot   Slot
	Reason Reason
	Err    error // what verification said
}

// Plan is what to do now: write Table, log Steps, then start Slot unless Blocked.
type Plan struct {
	Table   Table
	Slot    Slot
	Trial   bool
	Blocked bool
	Steps   []Step
}

// Next decides what starts. verify checks a slot as it lies on disk; it is asked
// for a slot only if that slot is about to start. An error of it that wraps
// ErrFloor counts as BelowFloor.
func Next(t Table, verify func(Slot) error) Plan {
	p := Plan{Table: t}
	if t.Blocked != None {
		return p.block(t.Active, t.Blocked, nil)
	}
	if t.Trial {
		return p.try(verify)
	}
	return p.start(verify)
}

// try starts the trial if it has tries and starts left and verifies.
func (p Plan) try(verify func(Slot) error) Plan {
	other := p.Table.Active.Other()
	reason, err := None, error(nil)
	switch {
	case p.Table.Tries == 0:
		reason = p.Table.Why
	case p.Table.Starts == 0:
		reason = TooManyCuts
	default:
		if err = verify(other); err != nil {
			reason = reasonOf(err)
		}
	}
	if reason != None {
		return p.giveUp(reason, err, verify)
	}
	p.Table.Starts--
	p.Slot, p.Trial = other, true
	p.Steps = append(p.Steps, Step{Event: Trying, Slot: other})
	return p
}

// giveUp ends the trial as its policy says.
func (p Plan) giveUp(reason Reason, err error, verify func(Slot) error) Plan {
	p.Table = p.Table.GivenUp(reason)
	if p.Table.Blocked != None {
		return p.block(p.Table.Active.Other(), reason, err)
	}
	p.Steps = append(p.Steps, Step{Event: FellBack, Slot: p.Table.Active, Reason: reason, Err: err})
	return p.start(verify)
}

// GivenUp is the table after a trial that failed for good, as its policy says: the
// active slot stays so, or the device is blocked.
func (t Table) GivenUp(reason Reason) Table {
	if !t.Trial {
		return t
	}
	failed := t.Manifests[t.Active.Other()]
	if t.Failed != failed {
		t.Failures = 0
	}
	t.Trial, t.Failed, t.Why = false, failed, reason
	t.Failures = min(t.Failures+1, MaxFailures)
	if t.Fallback == Block {
		t.Blocked = reason
	}
	return t
}

// start starts the active slot; a bad one gives way to the other if that is whole
// and not below the floor.
func (p Plan) start(verify func(Slot) error) Plan {
	t := &p.Table
	first := verify(t.Active)
	if first == nil {
		p.Slot = t.Active
		p.Steps = append(p.Steps, Step{Event: Starting, Slot: t.Active})
		return p
	}
	other := t.Active.Other()
	if t.Manifests[other] != t.Failed && verify(other) == nil {
		p.Steps = append(p.Steps, Step{Event: Rescued, Slot: other, Reason: reasonOf(first), Err: first})
		t.Active, p.Slot = other, other
		return p
	}
	return p.block(t.Active, reasonOf(first), first) // not kept in the table: the next start looks again
}

func (p Plan) block(s Slot, reason Reason, err error) Plan {
	p.Slot, p.Blocked = s, true
	p.Steps = append(p.Steps, Step{Event: BlockedAt, Slot: s, Reason: reason, Err: err})
	return p
}

func reasonOf(err error) Reason {
	if errors.Is(err, ErrFloor) {
		return BelowFloor
	}
	return Unverified
}

// Propose names the other slot as a trial. The caller has written, synced and
// verified it. A manifest that failed MaxFailures trials is refused, and so is one
// that is not above the highest counter ever kept.
func (t Table) Propose(m *manifest.Manifest, digest manifest.Digest, f Fallback) (Table, error) {
	switch highest := t.Highest[ScopeOf(m.Scope)]; {
	case t.Blocked != None:
		return t, fmt.Errorf("%w: the device is blocked (%s)", ErrRefused, t.Blocked)
	case t.Trial:
		return t, fmt.Errorf("%w: a trial is pending", ErrRefused)
	case m.Counter <= highest:
		return t, fmt.Errorf("%w: counter %d is not above %d: %w", ErrRefused, m.Counter, highest, ErrFloor)
	case m.Compatibility.From > highest:
		return t, fmt.Errorf("%w: it can be installed over counter %d or above, and %d is there", ErrRefused, m.Compatibility.From, highest)
	case t.Failed == digest && t.Failures >= MaxFailures:
		return t, fmt.Errorf("%w: this release failed %d trials (%s)", ErrRefused, t.Failures, t.Why)
	}
	t.Trial, t.Fallback, t.Tries, t.Starts = true, f, Tries, Starts
	t.Manifests[t.Active.Other()] = digest
	return t, nil
}

// TrialFailed counts a failure that was seen during a trial; Next ends the trial
// when there were Tries of them.
func (t Table) TrialFailed(why Reason) Table {
	if t.Trial && t.Tries > 0 {
		t.Tries--
		t.Why = why
	}
	return t
}

// Kept ends a trial well: the other slot is active, and the counters of its scope
// rise.
func (t Table) Kept(m *manifest.Manifest) Table {
	if !t.Trial {
		return t
	}
	t.Active, t.Trial, t.Tries, t.Starts = t.Active.Other(), false, 0, 0
	return t.Raised(m)
}

// Raised is the table with the counters of a release that runs for good.
func (t Table) Raised(m *manifest.Manifest) Table {
	s := ScopeOf(m.Scope)
	t.Highest[s] = max(t.Highest[s], m.Counter)
	t.Floors[s] = max(t.Floors[s], m.Lowest())
	return t
}

// Block stops the device for a reason until Unblock.
func (t Table) Block(why Reason) Table {
	t.Blocked = why
	return t
}

// Unblock is what a service person does under an authorisation.
func (t Table) Unblock() Table {
	t.Blocked = None
	return t
}
