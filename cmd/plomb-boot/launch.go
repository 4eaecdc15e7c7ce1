package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/plomb-pos/plomb/internal/notify"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// exitAgain is how software asks to be started again, after it proposed a trial
// (EX_TEMPFAIL of sysexits.h).
const exitAgain = 75

// launcher verifies, starts and watches.
type launcher struct {
	*device
	args      []string
	rescue    string
	trialTime time.Duration
	giveUp    bool // end with software that fails before it is healthy, instead of starting it again
	words     io.Writer
	above     notify.Socket // whoever started the launcher: systemd, for instance, which is not needed
}

// run goes on until what was started ends in order or ctx ends.
func (l *launcher) run(ctx context.Context) error {
	pause := backoff{}
	defer endKin(l.mark()) // what is told to end ends whole
	for ctx.Err() == nil {
		if err := l.alone(); err != nil {
			step := slot.Step{Event: slot.BlockedAt, Reason: slot.Survivor, Err: err}
			l.sayStep(step, nil)
			return l.blocked(ctx, slot.Plan{Blocked: true, Steps: []slot.Step{step}})
		}
		file, plan, release, err := l.plan()
		if err != nil {
			return l.stopped(ctx, err)
		}
		if plan.Blocked {
			return l.blocked(ctx, plan)
		}
		again, err := l.once(ctx, file, plan, release)
		if err != nil || !again {
			return err
		}
		if !plan.Trial {
			pause.wait(ctx)
		}
	}
	return nil
}

// alone sees to it that nothing of an earlier start runs any more: of the version
// before, or of a launcher that was killed.
func (l *launcher) alone() error {
	killed, err := endKin(l.mark())
	if killed > 0 {
		l.say(fmt.Sprintf("%d processes of an earlier start were still there and were ended", killed))
	}
	return err
}

// mark is what everything that was started for this device bears in its environment.
func (l *launcher) mark() string {
	if root, err := filepath.Abs(l.Root); err == nil {
		return root
	}
	return l.Root
}

// plan reads the table, decides, and logs and writes what was decided before
// anything starts. A start that changes nothing writes nothing.
func (l *launcher) plan() (*slot.File, slot.Plan, *slot.Release, error) {
	if err := l.ReadRules(); err != nil { // an update may have brought a new policy
		return nil, slot.Plan{}, nil, err
	}
	file, repaired, err := slot.Open(l.FS, l.Path("boot", "table"))
	if err != nil {
		return nil, slot.Plan{}, nil, err
	}
	if repaired {
		l.say("a bad copy of the slot table was repaired")
	}
	verified := map[slot.Slot]*slot.Release{}
	t := file.Table()
	floors, err := l.Floors(t)
	if err != nil {
		return nil, slot.Plan{}, nil, err
	}
	plan := slot.Next(t, func(s slot.Slot) error {
		r, err := l.Check(floors).Verify(l.FS, l.SlotDir(s), t.Manifests[s])
		if err != nil {
			return err
		}
		verified[s] = r
		return l.Floor.Admit(slot.ScopeOf(r.Manifest.Scope), r.Manifest.Lowest())
	})
	// First the log: a cut between the two decides the same again and says it twice,
	// and never leaves a change that nobody can explain.
	for _, step := range plan.Steps {
		l.sayStep(step, verified[step.Slot])
	}
	if err := file.Write(plan.Table); err != nil {
		return nil, slot.Plan{}, nil, err
	}
	if release := verified[plan.Slot]; !plan.Blocked && !plan.Trial {
		l.raise(release.Manifest)
	}
	return file, plan, verified[plan.Slot], nil
}

func stepLine(s slot.Step, r *slot.Release) string {
	line := fmt.Sprintf("%s: slot %s", s.Event, s.Slot)
	if r != nil {
		line += " " + string(r.Manifest.Identity)
	}
	if s.Reason != slot.None {
		line += " (" + s.Reason.String() + ")"
	}
	if s.Err != nil {
		line += ": " + s.Err.Error()
	}
	return line
}

// sayStep says what was decided. That the active version starts is no news, and is
// shown alone: in normal operation nothing is written.
func (l *launcher) sayStep(s slot.Step, r *slot.Release) {
	line := stepLine(s, r)
	switch s.Event {
	case slot.Starting:
		l.show(line)
	case slot.BlockedAt:
		l.sayOnce(line)
	default:
		l.say(line)
	}
}

func (l *launcher) show(line string) { fmt.Fprintf(l.words, "plomb-boot: %s\n", line) }

// say logs a line for the till's journal and shows it.
func (l *launcher) say(line string) {
	l.show(line)
	if err := l.Say(line); err != nil {
		l.show(err.Error())
	}
}

// sayOnce logs a line that may come again at every start only when something else was
// logged since: it must not push out of the ring what explains it.
func (l *launcher) sayOnce(line string) {
	_, lines, err := slot.OpenRing(l.FS, l.Path("boot", boot.RingFile))
	if n := len(lines); err == nil && n > 0 && lines[n-1].Text == slot.Fitting(line) {
		l.show(line)
		return
	}
	l.say(line)
}

// once starts a verified slot and sees it through; again says that the table has to
// be read anew.
func (l *launcher) once(ctx context.Context, file *slot.File, plan slot.Plan, r *slot.Release) (again bool, err error) {
	c, err := l.start(plan, r)
	if err != nil {
		return l.ended(file, plan, outcome{early: true, code: 1, reason: slot.Crashed, text: err.Error()})
	}
	limit := time.Duration(0)
	if plan.Trial {
		limit = l.trialTime
	}
	out := c.watch(ctx, limit, func() error {
		if !plan.Trial {
			return nil
		}
		l.say(fmt.Sprintf("%s: slot %s %s", slot.WasKept, plan.Slot, r.Manifest.Identity))
		plan.Trial = false
		// a cut between the two leaves the floor low: the next start raises it
		if err := file.Write(file.Table().Kept(r.Manifest)); err != nil {
			return err
		}
		l.raise(r.Manifest)
		return nil
	})
	return l.ended(file, plan, out)
}

// program is the file to start, made executable.
func (l *launcher) program(s slot.Slot, m *manifest.Manifest) (string, error) {
	for i := range m.Components {
		if c := &m.Components[i]; c.Kind == manifest.Program {
			name := filepath.FromSlash(l.SlotDir(s) + "/" + c.Path)
			return name, makeExecutable(name, boot.Mode(c))
		}
	}
	return "", fmt.Errorf("release %s has no program", m.Identity)
}

func makeExecutable(name string, mode fs.FileMode) error {
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() == mode|0o100 {
		return err
	}
	return os.Chmod(name, mode|0o100)
}

// ended decides what the end of a process means.
func (l *launcher) ended(file *slot.File, plan slot.Plan, o outcome) (again bool, err error) {
	switch {
	case o.stopped: // as the launcher was told to
		return false, nil
	case plan.Trial:
		l.say(fmt.Sprintf("%s: slot %s (%s): %s", slot.TriedOnce, plan.Slot, o.reason, o.text))
		return true, file.Write(file.Table().TrialFailed(o.reason))
	case o.code == exitAgain:
		return true, nil
	case o.code == 0:
		return false, nil
	case o.early && l.giveUp:
		l.say(fmt.Sprintf("ended: slot %s: %s", plan.Slot, o.text))
		return false, exitError(o.code)
	}
	l.sayOnce(fmt.Sprintf("ended: slot %s: %s; it is started again", plan.Slot, o.text))
	return true, nil
}

// backoff is the pause before software that ended by itself is started again: from
// none up to half a minute, forgotten after five quiet minutes.
type backoff struct {
	pause time.Duration
	last  time.Time
}

func (b *backoff) wait(ctx context.Context) {
	if time.Since(b.last) > 5*time.Minute {
		b.pause = 0
	}
	select {
	case <-time.After(b.pause):
	case <-ctx.Done():
	}
	b.pause = min(max(2*b.pause, 500*time.Millisecond), 30*time.Second)
	b.last = time.Now()
}

// stopped logs why nothing can be decided, and shows the page.
func (l *launcher) stopped(ctx context.Context, why error) error {
	step := slot.Step{Event: slot.BlockedAt, Reason: reasonOf(why), Err: why}
	l.sayStep(step, nil)
	return l.blocked(ctx, slot.Plan{Blocked: true, Steps: []slot.Step{step}})
}

// blocked shows the page until the launcher is told to stop.
func (l *launcher) blocked(ctx context.Context, plan slot.Plan) error {
	return errors.Join(errBlocked, l.serveRescue(ctx, plan))
}
