package update

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/notify"
	"github.com/plomb-pos/plomb/update/slot"
)

// SelfTester runs the self-tests that manifests name, such as "journal" and
// "devices". A name that it does not know is a failure.
type SelfTester interface {
	SelfTest(ctx context.Context, name string) error
}

// Tests reads PLOMB_TESTS as the launcher sets it.
func Tests(environment string) []string {
	return strings.FieldsFunc(environment, func(r rune) bool { return r == ',' })
}

// Finish is what a program does when it is up: it runs the self-tests that its
// release names and then says to the launcher that it is ready, or why it is not
// healthy. After an error the program ends; during a trial the launcher then falls
// back or blocks. WATCHDOG=1 is the caller's: notify.Socket.Heartbeat.
func Finish(ctx context.Context, s SelfTester, tests []string, n notify.Socket) error {
	for _, name := range tests {
		if err := s.SelfTest(ctx, name); err != nil {
			err = fmt.Errorf("self-test %s: %w", name, err)
			return errors.Join(err, n.Unhealthy(err.Error()))
		}
	}
	return n.Ready()
}

// LineKeeper is a Recorder that knows which of the launcher's lines it has.
type LineKeeper interface {
	Recorder
	// LastLine is the line recorded last, by sequence and time; 0: none.
	LastLine(ctx context.Context) (sequence uint64, at time.Time, err error)
}

// CopyLines copies what the launcher logged since the last time, each line once and
// with the launcher's time. When lines are missing (the ring went round, or was made
// anew) an event says so.
func CopyLines(ctx context.Context, fsys durable.FS, ring string, k LineKeeper) error {
	_, lines, err := slot.OpenRing(fsys, ring)
	if err != nil {
		return err
	}
	last, at, err := k.LastLine(ctx)
	if err != nil {
		return fmt.Errorf("ask for the last line: %w", err)
	}
	lines, gap := after(lines, last, at)
	if gap != "" && len(lines) > 0 {
		if err := k.Record(ctx, Event{Time: lines[0].Time, Stage: Launcher, Outcome: Failed, Detail: gap}); err != nil {
			return err
		}
	}
	for _, l := range lines {
		stage, outcome := meaning(l.Text)
		if err := k.Record(ctx, Event{Time: l.Time, Stage: stage, Outcome: outcome, Detail: l.Text, Line: l.Sequence}); err != nil {
			return fmt.Errorf("record line %d of the launcher: %w", l.Sequence, err)
		}
	}
	return nil
}

// after leaves out the lines that were copied.
func after(lines []slot.Line, last uint64, at time.Time) (rest []slot.Line, gap string) {
	known := last == 0
	for _, l := range lines {
		if l.Sequence == last && l.Time.UnixMilli() == at.UnixMilli() {
			known = true
		} else if l.Sequence > last {
			rest = append(rest, l)
		}
	}
	switch {
	case len(lines) == 0:
		return nil, ""
	case !known && (lines[len(lines)-1].Sequence <= last || lines[0].Sequence <= last):
		return lines, fmt.Sprintf("the launcher's log was begun anew after line %d", last)
	case len(rest) > 0 && rest[len(rest)-1].Sequence-last != uint64(len(rest)):
		return rest, fmt.Sprintf("%d lines of the launcher were lost after line %d", rest[len(rest)-1].Sequence-last-uint64(len(rest)), last)
	}
	return rest, ""
}

// meanings are the beginnings of the launcher's lines.
var meanings = []struct {
	event   slot.Event
	stage   Stage
	outcome Outcome
}{
	{slot.Trying, Trial, Begun},
	{slot.TriedOnce, Trial, Failed},
	{slot.WasKept, Kept, Done},
	{slot.FellBack, FallenBack, Done},
	{slot.Rescued, FallenBack, Done},
	{slot.BlockedAt, Blocked, Done},
}

func meaning(text string) (Stage, Outcome) {
	for _, m := range meanings {
		if strings.HasPrefix(text, string(m.event)) {
			return m.stage, m.outcome
		}
	}
	return Launcher, Done
}
