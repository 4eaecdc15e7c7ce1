// Package software is the till's side of a software update: what an update.Agent sees
// of its till, and what the till's node sees of its agent.
//
//	Recorder    each step of an update is an entry in the till's journal
//	Gate        an open sale, an unclosed day, a journal that is nowhere else hold back
//	Asker       what people at the till agreed to, or put off
//	Authoriser  who answers for an installation
//	Updater     what the screen shows of the agent; selling stops where it says so
//	Lines       the launcher's log, copied into the journal
//
// All of them share the decisions and entries of one [till.Node]:
//
//	s := software.New(node, software.Config{Policy: policy, Backup: folder})
//	agent, err := update.New(update.Config{Recorder: s.Recorder, Gate: s.Gate, Asker: s.Asker, Authoriser: s.Authoriser, Policy: policy, ...})
//	s.Attach(agent)
//	go s.Run(ctx)      // withdrawals and the launcher's lines
//	go agent.Run(ctx, nil)
//
// # Promises
//
// Record returns nil only when the step survives loss of power. What a person agreed to
// is an entry with a signature of its own before the agent hears of it, and it counts
// over restarts. No command at the till ever waits for the agent, nor the agent for a
// person.
//
// It decides nothing about software: that is package update's and the deployer's policy.
package software

import (
	"context"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/update"
)

// Config is what a till's parts of an update work with.
type Config struct {
	// Policy is the agent's: who has to agree, and what happens when nobody does.
	Policy update.Policy
	// Backup keeps the journal safe elsewhere; nil: nothing does, and no update is
	// installed.
	Backup Backup
	// Withdrawn tells the statements that withdraw what runs; nil: none. It must not
	// wait for a network.
	Withdrawn func() []till.Withdrawal
	// Metadata are recorded, and held against the record; nil: they are not.
	Metadata *Metadata
	// Ring is the launcher's log, in FS; empty: there is no launcher.
	FS   durable.FS
	Ring string
	// Trial says that this program is on trial: the launcher's lines are then looked at
	// every few seconds.
	Trial bool
}

// Parts are a till's parts of an update.
type Parts struct {
	Recorder   *Recorder
	Gate       *Gate
	Asker      *Asker
	Authoriser *Authoriser
	Updater    *Updater

	node   *till.Node
	config Config
	older  string // what Metadata.Older said when it was last recorded. Owned by Look.
}

// New makes the parts of a node.
func New(n *till.Node, c Config) *Parts {
	w := new(waits)
	p := &Parts{
		Gate: &Gate{node: n, backup: c.Backup, policy: c.Policy, waits: w}, Asker: &Asker{n, w},
		Authoriser: &Authoriser{n, c.Policy, w}, node: n, config: c,
	}
	p.Recorder = &Recorder{n, w, p.metadata}
	p.Updater = &Updater{waits: w, withdrawn: p.withdrawals}
	return p
}

// Attach gives the node its agent. It is called once, best before the node runs.
func (p *Parts) Attach(a Agent) {
	p.Follow(a)
	p.node.SetUpdater(p.Updater)
}

// Follow gives Updater its agent and the node no Updater: whoever has two agents for one
// node gives it an Updater of both.
func (p *Parts) Follow(a Agent) { p.Updater.agent = a }

// End makes the agent's End: no new sale begins, and once none is open exit is called,
// which ends the program with update.ExitAgain. It returns at once; when ctx ends first
// exit is not called.
func (p *Parts) End(ctx context.Context, exit func()) func() {
	return func() {
		go func() {
			if p.node.Retire(ctx) == nil {
				exit()
			}
		}()
	}
}

// How often the launcher's lines and the withdrawals are looked at: during a trial the
// launcher soon has something to say.
const (
	lookEvery      = time.Minute
	lookTrialEvery = 2 * time.Second
)

// Run copies the launcher's lines and records withdrawals and metadata until ctx ends. Errors of a
// look are given to failed, which may be nil; the next look tries again.
func (p *Parts) Run(ctx context.Context, failed func(error)) error {
	for {
		if err := p.Look(ctx); err != nil && failed != nil && ctx.Err() == nil {
			failed(err)
		}
		every := lookEvery
		if p.config.Trial && !p.kept() {
			every = lookTrialEvery
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// Look copies the launcher's lines and records withdrawals and metadata, once. The till
// does so before its agent's first pass. It is not called concurrently.
func (p *Parts) Look(ctx context.Context) error {
	if err := p.recordMetadata(ctx); err != nil {
		return err
	}
	if err := p.recordWithdrawn(ctx); err != nil || p.config.Ring == "" {
		return err
	}
	return update.CopyLines(ctx, p.config.FS, p.config.Ring, p.Recorder)
}

// kept reports whether the launcher has said that the trial is over.
func (p *Parts) kept() bool {
	seen := p.node.LastStage(fiscal.StageKept)
	trial := p.node.LastStage(fiscal.StageTrial)
	return seen != nil && (trial == nil || seen.Index > trial.Index)
}
