package update

import (
	"context"
	"fmt"
	"time"
)

// Fresh is what the age of a device's knowledge means (requirement CU-06).
type Fresh struct {
	Warn        string // for the screen; empty: nothing
	StopSelling bool   // as the policy says
}

// Freshness judges metadata and entitlement now. The till asks before a sale. A
// clock that was set back does not make them young again: the latest time that the
// device has seen counts. A clock that stands far ahead warns and, by policy, stops;
// that is visible, and a person mends it.
func (a *Agent) Freshness() Fresh {
	v, now := a.Trust.Valid(), a.latest()
	out := a.age("what is known of releases", v.Metadata, now)
	if e := a.age("the right to run this software", v.Entitlement, now); out.Warn == "" || e.StopSelling {
		out = e
	}
	if p, ok := a.Progress(); ok && p.Overdue && a.Policy.AtEnd == StopSelling && a.stateNow().Agreed == nil {
		return Fresh{Warn: fmt.Sprintf("the update to %s was put off beyond its deadline", p.Identity), StopSelling: true}
	}
	return out
}

func (a *Agent) age(what string, end, now time.Time) Fresh {
	if end.IsZero() || now.Before(end.Add(-a.Policy.Warn)) {
		return Fresh{}
	}
	if now.Before(end) {
		return Fresh{Warn: fmt.Sprintf("%s runs out on %s", what, end.UTC().Format(time.DateTime))}
	}
	return Fresh{
		Warn:        fmt.Sprintf("%s ran out on %s", what, end.UTC().Format(time.DateTime)),
		StopSelling: a.Policy.Stop && !now.Before(end.Add(a.Policy.Grace)),
	}
}

// latest is the clock, or the latest time seen when that is later.
func (a *Agent) latest() time.Time {
	now, seen := a.Now(), a.stateNow().Seen
	if now.Before(seen) {
		return seen
	}
	return now
}

// seenEvery is how often the latest time seen is written.
const seenEvery = time.Hour

// checkFreshness keeps the latest time seen and records what Freshness says when it
// changes.
func (a *Agent) checkFreshness(ctx context.Context) error {
	if now := a.Now(); now.Sub(a.stateNow().Seen) >= seenEvery && !now.Before(a.Built) {
		if err := a.change(func(s *state) { s.Seen = now.UTC() }); err != nil {
			return err
		}
	}
	f := a.Freshness()
	e := Event{Stage: Freshness, Outcome: Done, Detail: f.Warn}
	switch {
	case f.StopSelling:
		e.Outcome = Failed
	case f.Warn != "":
		e.Outcome = Waiting
	case a.stateNow().Said[Freshness] == "":
		return nil // good from the beginning: no event
	}
	return a.recordOnce(ctx, e)
}
