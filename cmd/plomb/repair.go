package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/till"
)

type repairCommand struct {
	tillFiles
	From   string `required:"" type:"existingdir" help:"Another copy: a till's directory, such as a backup, or one epoch's."`
	Epoch  int    `help:"Epoch to repair; 0 is all of them." default:"0"`
	DryRun bool   `help:"Say what would be mended, and write nothing."`
	JSON   bool   `name:"json" help:"One JSON object on standard output."`
}

// Help says what is taken from the copy, and what is not.
func (repairCommand) Help() string {
	return `Finds entries whose bytes are not as they were written, and takes each from
another copy of the same epoch. The journal's own leaf hash decides: nothing is
taken that is not, byte for byte, what stood there. A copy may be older; entries
that it lacks stay damaged and are named. The till must not run. What was mended
is recorded in the journal. A file JOURNAL that is missing or damaged is taken
from the copy as well: it never changes.

Exit codes: 0 the journal is whole, 1 something stays damaged.`
}

// repairedEpoch is what became of one epoch.
type repairedEpoch struct {
	Epoch    int               `json:"epoch"`
	Origin   string            `json:"origin"`
	Manifest bool              `json:"manifest,omitzero"` // the file JOURNAL was, or would be, taken from the copy
	Entries  []repairedEntry   `json:"entries"`
	Findings []verifiedFinding `json:"findings"` // left, as plomb journal verify has them
	Changed  bool              `json:"changed"`
}

// repairedEntry is what became of one damaged entry.
type repairedEntry struct {
	Index  uint64   `json:"index"`
	Damage string   `json:"damage"`
	Mended bool     `json:"mended"`       // or would be, in a dry run
	Why    string   `json:"why,omitzero"` // it is not
	leaf   [32]byte // zero: the group's commit is lost, too
}

func (c repairCommand) Run(ctx context.Context, s streams) error {
	box, err := c.box()
	if err != nil {
		return err
	}
	epochs, err := c.chosen()
	if err != nil {
		return err
	}
	var results []repairedEpoch
	for _, n := range epochs {
		r, err := c.repair(ctx, box, n)
		if err != nil {
			return explain(c.Dir, fmt.Errorf("epoch %d: %w", n, err))
		}
		results = append(results, r)
	}
	if err := c.print(s.Out, results); err != nil {
		return err
	}
	if err := c.record(ctx, s, box, results); err != nil {
		return hint{err, "the entries are mended all the same; only the note about it is not in the journal"}
	}
	return leftDamaged(results)
}

func (c repairCommand) chosen() ([]int, error) {
	if c.Epoch != 0 {
		return []int{c.Epoch}, nil
	}
	return c.epochs()
}

// repair mends one epoch as far as the copy can.
func (c repairCommand) repair(ctx context.Context, box *seal.Box, n int) (repairedEpoch, error) {
	r := repairedEpoch{Epoch: n, Entries: []repairedEntry{}, Findings: []verifiedFinding{}}
	source, err := c.copyOf(n)
	if err != nil {
		return r, err
	}
	if err := c.mendManifest(&r, source); err != nil || r.Manifest && c.DryRun {
		return r, err
	}
	opts := journal.ReadOptions{Keys: box.JournalKeys()}
	j, err := journal.OpenReadOnly(c.epochDir(n), opts)
	if err != nil {
		return r, err
	}
	r.Origin = j.Origin()
	if r.Entries, err = damagedEntries(ctx, j); err != nil {
		return r, err
	}
	if len(r.Entries) > 0 {
		if err := c.mend(ctx, box, &r, source, opts); err != nil {
			return r, err
		}
	}
	report, err := journal.Verify(ctx, c.epochDir(n), journal.VerifyOptions{Keys: box.JournalKeys()})
	if err != nil {
		return r, err
	}
	for _, f := range report.Findings {
		r.Findings = append(r.Findings, verifiedFinding{f.Index, string(f.What), f.Detail})
	}
	return r, nil
}

// copyOf finds the copy's directory of an epoch.
func (c repairCommand) copyOf(n int) (string, error) {
	for _, dir := range []string{tillFiles{c.From}.epochDir(n), c.From} {
		if _, err := os.Stat(filepath.Join(dir, "JOURNAL")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no epoch %d in %s", n, c.From)
}

// mendManifest takes the file JOURNAL from the copy if it cannot be read: it is
// written once and never changes.
func (c repairCommand) mendManifest(r *repairedEpoch, source string) error {
	disk := durable.OS{}
	origin, err := journal.ReadOrigin(disk, source)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	held, err := journal.ReadOrigin(disk, c.epochDir(r.Epoch))
	switch {
	case err == nil && held != origin:
		return fmt.Errorf("the copy in %s is of %s, this is %s", source, origin, held)
	case err == nil:
		return nil
	case !errors.Is(err, journal.ErrNoJournal) && !errors.Is(err, journal.ErrDamaged):
		return err
	}
	r.Origin, r.Manifest = origin, true
	if c.DryRun {
		return nil
	}
	text, err := durable.ReadFile(disk, filepath.Join(source, "JOURNAL"), 4096)
	if err != nil {
		return err
	}
	r.Changed = true
	return durable.Replace(disk, filepath.Join(c.epochDir(r.Epoch), "JOURNAL"), text)
}

// damagedEntries reads every entry once.
func damagedEntries(ctx context.Context, j *journal.ReadOnly) ([]repairedEntry, error) {
	out := []repairedEntry{}
	index := uint64(0)
	for e, err := range j.Entries(ctx, 0, math.MaxUint64) {
		switch {
		case errors.Is(err, journal.ErrDamaged):
			out = append(out, repairedEntry{Index: index, Damage: err.Error(), leaf: e.Leaf})
		case err != nil && !errors.Is(err, journal.ErrErased):
			return out, err
		}
		index++
	}
	return out, nil
}

// mend puts back what the copy has. The journal is opened without signer and
// anchors: nothing is appended, and an older epoch can be mended as well.
func (c repairCommand) mend(ctx context.Context, box *seal.Box, r *repairedEpoch, source string, opts journal.ReadOptions) error {
	held, err := journal.OpenReadOnly(source, opts)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	if c.DryRun {
		for i := range r.Entries {
			r.Entries[i].compare(ctx, held)
		}
		return nil
	}
	j, _, err := journal.Open(ctx, c.epochDir(r.Epoch), journal.Options{Keys: box.JournalKeys()})
	if err != nil {
		return err
	}
	for i := range r.Entries {
		r.Entries[i].mend(ctx, j, held)
		r.Changed = r.Changed || r.Entries[i].Mended
	}
	return j.Close(ctx)
}

func (e *repairedEntry) compare(ctx context.Context, held *journal.ReadOnly) {
	x, err := oneEntry(ctx, held, e.Index)
	switch {
	case err != nil:
		e.Why = "the copy does not have it: " + err.Error()
	case e.leaf == [32]byte{}:
		e.Why = "its group's commit is lost too: what stood there cannot be told"
	case e.leaf != x.Leaf:
		e.Why = "the copy has another entry in its place"
	default:
		e.Mended = true
	}
}

func (e *repairedEntry) mend(ctx context.Context, j *journal.Journal, held *journal.ReadOnly) {
	x, err := oneEntry(ctx, held, e.Index)
	if err != nil {
		e.Why = "the copy does not have it: " + err.Error()
		return
	}
	if err := j.Repair(ctx, e.Index, x.HeadBytes, x.Salt, x.Body); err != nil {
		e.Why = err.Error()
		return
	}
	e.Mended = true
}

func (c repairCommand) print(w io.Writer, results []repairedEpoch) error {
	if c.JSON {
		return writeLine(w, struct {
			DryRun bool            `json:"dryRun"`
			Epochs []repairedEpoch `json:"epochs"`
		}{c.DryRun, results})
	}
	mended := "mended"
	if c.DryRun {
		mended = "would be mended"
	}
	for _, r := range results {
		fmt.Fprintf(w, "%s: %d damaged entries\n", r.Origin, len(r.Entries))
		if r.Manifest {
			fmt.Fprintf(w, "  the file JOURNAL: %s\n", mended)
		}
		for _, e := range r.Entries {
			became := mended
			if !e.Mended {
				became = "stays damaged: " + e.Why
			}
			fmt.Fprintf(w, "  entry %d: %s (%s)\n", e.Index, became, e.Damage)
		}
		for _, f := range r.Findings {
			fmt.Fprintf(w, "  left: entry %d: %s: %s\n", f.Index, f.What, f.Detail)
		}
	}
	return nil
}

// record notes in the newest epoch what was mended.
func (c repairCommand) record(ctx context.Context, s streams, box *seal.Box, results []repairedEpoch) error {
	var holes []fiscal.Hole
	for _, r := range results {
		for _, e := range r.Entries {
			if e.Mended && !c.DryRun {
				holes = append(holes, fiscal.Hole{First: e.Index, Last: e.Index, Why: "mended in " + r.Origin})
			}
		}
	}
	if len(holes) == 0 {
		return nil
	}
	origin, err := till.CurrentOrigin(c.Dir)
	if err != nil {
		return err
	}
	signer, err := box.Signer(origin)
	if err != nil {
		return err
	}
	if err := till.RecordMended(ctx, tillOptions(c.Dir, box, seal.NewGuard(signer)), holes, "plomb repair"); err != nil {
		return explain(c.Dir, err)
	}
	fmt.Fprintf(s.Err, "plomb: recorded in the journal of %s\n", origin)
	return nil
}

// leftDamaged makes the exit code.
func leftDamaged(results []repairedEpoch) error {
	for _, r := range results {
		if len(r.Findings) > 0 || r.Manifest && !r.Changed {
			return fmt.Errorf("%s is not whole", r.Origin)
		}
	}
	return nil
}
