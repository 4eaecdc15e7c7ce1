package update

import (
	"context"
	"fmt"
	"path"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// Settle decides on the trial of a platform, as the launcher does on that of an
// application. A program calls it when it is up, before Run: while the machine runs
// the new platform it runs the self-tests that the release names and has the platform
// kept, or given up and the machine started again (Config.End). It notices, too, that
// the boot loader went back to the platform before. Without a trial, and for an agent
// without Backend, it does nothing. The boot loader's own count of starts is what
// ends the trial of a platform on which no program comes up.
func (a *Agent) Settle(ctx context.Context, s SelfTester) error {
	if a.Backend == nil {
		return nil
	}
	a.pass.Lock()
	defer a.pass.Unlock()
	t, err := a.openTrial()
	if err != nil {
		return err
	}
	return wrap("settle the trial of a platform", t.settle(ctx, s))
}

// trial is a platform that was written to a place, tried or not.
type trial struct {
	*Agent
	file     *slot.File
	placed   placed
	manifest *manifest.Manifest // nil: its papers cannot be read
}

func (a *Agent) openTrial() (t *trial, err error) {
	t = &trial{Agent: a}
	if t.file, _, err = slot.Open(a.FS, a.tablePath()); err != nil {
		return nil, err
	}
	if t.placed, err = a.placed(); err != nil {
		return nil, err
	}
	for _, s := range []slot.Slot{slot.A, slot.B} {
		data, err := durable.ReadFile(a.FS, path.Join(a.slotDir(s), slot.ManifestFile), manifest.MaxBytes)
		if err == nil && manifest.Sum(data) == t.placed.Manifest {
			t.manifest, err = manifest.Parse(data)
			return t, err
		}
	}
	return t, nil
}

func (t *trial) settle(ctx context.Context, s SelfTester) error {
	m, err := t.Backend.Machine(ctx)
	if err != nil {
		return err
	}
	table := t.file.Table()
	switch {
	case t.placed.Place == "" && !table.Trial, t.placed.Place != "" && m.Running != t.placed.Place && !table.Trial:
		return nil // nothing was activated
	case m.Running != t.placed.Place:
		return t.wentBack(ctx, m)
	case !table.Trial && table.Manifests[table.Active] == t.placed.Manifest: // the power went off after it was kept
		return t.over(ctx, Event{Stage: Kept, Outcome: Done, Detail: "the machine runs " + m.Running})
	}
	return t.try(ctx, s, m)
}

// try runs the self-tests on the new platform.
func (t *trial) try(ctx context.Context, s SelfTester, m Machine) error {
	if err := t.recordOnce(ctx, t.named(Event{Stage: Trial, Outcome: Begun, Detail: "the machine runs " + m.Running})); err != nil {
		return err
	}
	if err := t.admit(); err != nil {
		return t.giveUp(ctx, slot.Unverified, err)
	}
	for _, name := range t.manifest.Tests {
		if err := s.SelfTest(ctx, name); err != nil {
			return t.giveUp(ctx, slot.SelfTest, fmt.Errorf("self-test %s: %w", name, err))
		}
	}
	return t.keep(ctx, m)
}

// admit looks once more at the papers of what runs: signatures, device, floor.
func (t *trial) admit() error {
	if t.manifest == nil {
		return fmt.Errorf("the papers of the platform that runs cannot be read: %w", ErrRejected)
	}
	table := t.file.Table()
	check, err := t.check(table)
	if err != nil {
		return err
	}
	check.Scope = manifest.Platform
	if !table.Trial { // the power went off between activation and table
		proposed, err := table.Propose(t.manifest, t.placed.Manifest, t.Policy.Fallback)
		if err != nil {
			return err
		}
		if err := t.file.Write(proposed); err != nil {
			return err
		}
	}
	_, err = check.Verify(t.FS, t.slotDir(table.Active.Other()), t.placed.Manifest)
	return err
}

// keep is idempotent in each step, and begins anew after a cut.
func (t *trial) keep(ctx context.Context, m Machine) error {
	if err := t.Backend.Keep(ctx, m.Running); err != nil {
		return fmt.Errorf("mark %s as good: %w", m.Running, err)
	}
	if err := t.file.Write(t.file.Table().Kept(t.manifest)); err != nil {
		return err
	}
	return t.over(ctx, Event{Stage: Kept, Outcome: Done, Detail: "the machine runs " + m.Running})
}

// over records how a trial ended, and forgets it.
func (t *trial) over(ctx context.Context, e Event) error {
	if t.Floor != nil && e.Stage == Kept && t.manifest != nil {
		if err := t.Floor.Raise(slot.Platform, t.manifest.Lowest()); err != nil {
			return fmt.Errorf("raise the floor of the platform: %w", err)
		}
	}
	if err := t.recordOnce(ctx, t.named(e)); err != nil {
		return err
	}
	if e.Stage == Kept { // an image lies there twice as long as it is needed
		if err := t.emptySlot(t.slotDir(t.file.Table().Active.Other())); err != nil {
			return fmt.Errorf("clear the folder of the platform before: %w", err)
		}
	}
	return t.forgetPlaced()
}

// giveUp ends a trial on the platform that is tried: the machine starts the other one,
// and that start says that it went back.
func (t *trial) giveUp(ctx context.Context, why slot.Reason, err error) error {
	if werr := t.record(ctx, t.named(Event{Stage: Trial, Outcome: Failed, Detail: err.Error()})); werr != nil {
		return werr
	}
	if werr := t.file.Write(t.file.Table().TrialFailed(why)); werr != nil {
		return werr
	}
	if gerr := t.Backend.GiveUp(ctx, t.placed.Place); gerr != nil {
		return fmt.Errorf("give up %s: %w", t.placed.Place, gerr)
	}
	t.End()
	return err
}

// wentBack is what the machine did, by itself or because it was told to.
func (t *trial) wentBack(ctx context.Context, m Machine) error {
	table := t.file.Table()
	if m.Next == t.placed.Place && t.placed.Place != "" {
		return nil // it has not been started yet
	}
	why := table.Why
	if why == slot.None || table.Tries == slot.Tries {
		why = slot.TooManyCuts // the boot loader's count
	}
	if t.placed.Place != "" {
		if err := t.Backend.GiveUp(ctx, t.placed.Place); err != nil {
			return fmt.Errorf("give up %s: %w", t.placed.Place, err)
		}
	}
	e := Event{Stage: FallenBack, Outcome: Done, Detail: fmt.Sprintf("the machine runs %s again (%s)", m.Running, why)}
	if err := t.recordOnce(ctx, t.named(e)); err != nil {
		return err
	}
	if err := t.file.Write(table.GivenUp(why)); err != nil {
		return err
	}
	return t.forgetPlaced()
}

func (t *trial) named(e Event) Event {
	e.Digest = t.placed.Manifest
	if t.manifest != nil {
		e.Identity, e.Counter = t.manifest.Identity, t.manifest.Counter
	}
	return e
}

// pendingPlatform answers a pass while a platform is to be tried.
func (a *Agent) pendingPlatform(ctx context.Context) (Result, error) {
	t, err := a.openTrial()
	if err != nil {
		return Result{}, err
	}
	m, err := a.Backend.Machine(ctx)
	if err != nil {
		return Result{}, err
	}
	switch t.placed.Place {
	case m.Running:
		return Result{Stage: Trial, Waiting: "the trial of this platform is not over"}, nil
	case m.Next:
		return a.found(ctx, t.file.Table())
	}
	return Result{Stage: FallenBack}, t.wentBack(ctx, m)
}
