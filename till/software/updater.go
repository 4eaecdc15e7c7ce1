package software

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/update"
)

// Agent is what an Updater needs of an update.Agent.
type Agent interface {
	Update(ctx context.Context) (update.Result, error)
	Progress() (update.Progress, bool)
	Freshness() update.Fresh
}

// Updater shows a node what its agent does: a till.Updater.
type Updater struct {
	agent     Agent
	waits     *waits
	withdrawn func() []till.Withdrawal
}

// Status is what is known now; it waits for nothing but the agent's own memory.
func (u *Updater) Status() till.UpdateStatus {
	f := u.agent.Freshness()
	s := till.UpdateStatus{Freshness: till.Freshness{Warn: f.Warn, StopSelling: f.StopSelling}, Withdrawn: u.withdrawn()}
	if p, ok := u.agent.Progress(); ok && p.Manifest != nil {
		s.Update = u.offered(p)
	}
	return s
}

func (u *Updater) offered(p update.Progress) *till.Offered {
	o := &till.Offered{
		Identity: string(p.Identity), Counter: p.Manifest.Counter, Digest: hexOf(p.Digest), Legal: p.Manifest.Legal && p.Manifest.Approved == nil, Consent: map[string]string{},
		Stage: stageName(p.Stage), Bytes: p.Bytes, Total: p.Total, Deadline: p.Deadline, Overdue: p.Overdue, Urgent: p.Urgent,
	}
	for _, t := range p.Manifest.Consent {
		o.Consent[t.Language] = t.Text
	}
	o.Waiting, o.Detail, o.Spend = u.waits.now()
	return o
}

// Check makes a pass of the agent. One that is in progress is as good.
func (u *Updater) Check(ctx context.Context) (found bool, err error) {
	r, err := u.agent.Update(ctx)
	if errors.Is(err, update.ErrBusy) {
		_, found = u.agent.Progress()
		return found, nil
	}
	return r.Identity != "", err
}

// recordWithdrawn makes what withdraws the running release an entry, once: after a
// start selling is stopped by it before anything else is known.
func (p *Parts) recordWithdrawn(ctx context.Context) error {
	if p.config.Withdrawn == nil {
		return nil
	}
	all := p.config.Withdrawn()
	if len(all) == 0 && p.olderNow() {
		return nil // what the journal says stands until there are metadata as new as it
	}
	b := withdrawnStage(all)
	seen := p.node.LastStage(fiscal.StageWithdrawn)
	r := p.node.Release()
	if r == nil || seen == nil && b.Outcome == fiscal.OutcomeDone {
		return nil
	}
	if seen != nil && seen.Outcome == b.Outcome && seen.Detail == b.Detail && seen.Manifest == r.Manifest {
		return nil
	}
	b.Identity, b.Counter, b.Manifest, b.At = r.Identity, r.Counter, r.Manifest, time.Now()
	return p.node.RecordStage(ctx, b)
}

// withdrawnStage says in one entry what withdraws: done means that nothing does.
func withdrawnStage(all []till.Withdrawal) fiscal.SoftwareStage {
	b := fiscal.SoftwareStage{Stage: fiscal.StageWithdrawn, Outcome: fiscal.OutcomeDone}
	var said []string
	for _, w := range all {
		if b.Outcome == fiscal.OutcomeDone {
			b.Outcome = fiscal.OutcomeWaiting
		}
		if w.Blocks {
			b.Outcome = fiscal.OutcomeFailed
		}
		of := ""
		if w.Of != "" {
			of = w.Of + ": "
		}
		said = append(said, fmt.Sprintf("%s%s: %s: %s", of, w.By, w.Action, w.Reason))
	}
	slices.Sort(said)
	b.Detail = strings.Join(said, "; ")
	return b
}
