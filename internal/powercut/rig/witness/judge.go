package witness

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/powercut/rig/maker"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// Judge follows one device through all that is done to it.
type Judge struct {
	releases map[manifest.Digest]*maker.Release
	acked    map[uint64]string
	tags     hash.Hash // over the tags of all entries that were seen
	seen     uint64    // entries
	copied   uint64    // the launcher's line that was copied last
	history  history
	last     slot.Table
	pardons  int // failures that the rig itself caused
}

// NewJudge begins with a device that runs a release.
func NewJudge(first *maker.Release) *Judge {
	j := &Judge{releases: map[manifest.Digest]*maker.Release{}, acked: map[uint64]string{}, tags: sha256.New()}
	j.Released(first)
	j.history.kept = first
	return j
}

// Released tells of a release that the device may meet.
func (j *Judge) Released(r *maker.Release) { j.releases[r.Digest] = r }

// Acknowledged tells what the till has said to be durable.
func (j *Judge) Acknowledged(index uint64, tag string) { j.acked[index] = tag }

// Killed tells that the rig killed a process: one failure of a good version is excused.
func (j *Judge) Killed() { j.pardons++ }

// Seen is how many entries were judged.
func (j *Judge) Seen() uint64 { return j.seen }

// Kept is the version that the history says is the one to start.
func (j *Judge) Kept() *maker.Release { return j.history.kept }

// Failed is the release that the table named as failed when it was seen last.
func (j *Judge) Failed() manifest.Digest { return j.last.Failed }

// history is what entries and lines say so far.
type history struct {
	kept    *maker.Release // starts without trial
	before  *maker.Release // was kept before; a trial of kept may go on after a cut
	pointed *maker.Release // that a pointer was recorded for
	trying  *maker.Release // that the launcher said to try
	failed  int            // failures of that trial
	fell    *maker.Release // whose trial was given up, until the next version starts
}

// Saw judges a sight; an error says what is wrong, and that the rig has found
// something.
func (j *Judge) Saw(s *Sight) error {
	if err := j.entries(s); err != nil {
		return err
	}
	now := j.history
	for _, l := range s.Lines {
		if l.Sequence > j.copied {
			if err := j.line(&now, l.Text, false); err != nil {
				return fmt.Errorf("line %d of the launcher: %w", l.Sequence, err)
			}
		}
	}
	if err := errors.Join(j.table(&now, s), j.slots(s)); err != nil {
		return err
	}
	j.last = s.Table
	return nil
}

// entries follows the journal.
func (j *Judge) entries(s *Sight) error {
	if s.Size < j.seen || hex.EncodeToString(j.tags.Sum(nil)) != s.Before {
		return fmt.Errorf("the journal has %d entries, and not those %d that it had", s.Size, j.seen)
	}
	for _, e := range s.Entries {
		if e.Index != j.seen {
			return fmt.Errorf("entry %d comes after %d entries", e.Index, j.seen)
		}
		if tag, ok := j.acked[e.Index]; ok && tag != e.Tag {
			return fmt.Errorf("entry %d was acknowledged as %s and is %s", e.Index, tag, e.Tag)
		}
		io.WriteString(j.tags, e.Tag)
		j.seen++
		if err := j.entry(e); err != nil {
			return fmt.Errorf("entry %d: %w", e.Index, err)
		}
	}
	for index, tag := range j.acked {
		if index >= s.Size {
			return fmt.Errorf("entry %d was acknowledged as %s and is lost; the journal has %d", index, tag, s.Size)
		}
	}
	clear(j.acked) // the hash over all tags holds them from now on
	return nil
}

func (j *Judge) entry(e Entry) error {
	switch e.Kind {
	case Start:
		var s Started
		if err := json.Unmarshal([]byte(e.Body), &s); err != nil {
			return err
		}
		return j.started(s)
	case Event:
		var ev update.Event
		if err := json.Unmarshal([]byte(e.Body), &ev); err != nil {
			return err
		}
		return j.event(ev)
	}
	return nil
}

// started judges which version ran.
func (j *Judge) started(s Started) error {
	h := &j.history
	want := h.kept
	if s.Trial {
		want = h.trying
	}
	if want == nil || s.Identity != want.Identity || s.Counter != want.Counter {
		return fmt.Errorf("%s of counter %d ran, trial: %t; the history explains %s", s.Identity, s.Counter, s.Trial, name(want))
	}
	if !s.Trial {
		h.before, h.trying, h.fell = nil, nil, nil
	}
	return nil
}

func (j *Judge) event(e update.Event) error {
	h := &j.history
	switch {
	case e.Line > 0:
		if e.Line != j.copied+1 {
			return fmt.Errorf("line %d of the launcher was copied after line %d", e.Line, j.copied)
		}
		j.copied = e.Line
		return j.line(h, e.Detail, true)
	case e.Outcome == update.Rejected || e.Outcome == update.Failed:
		return fmt.Errorf("%s of %s %s: %s", e.Stage, e.Identity, e.Outcome, e.Detail)
	case e.Stage == update.Pointed && e.Outcome == update.Begun:
		h.pointed = j.releases[e.Digest]
	}
	return nil
}

// line follows what the launcher said. A line may come twice, when the power was cut
// before what it announces was done.
func (j *Judge) line(h *history, text string, spend bool) error {
	event, rest, _ := strings.Cut(text, ": ")
	r := j.named(rest)
	switch slot.Event(event) {
	case slot.Trying:
		if r == nil || r != h.pointed {
			return fmt.Errorf("%q, and no pointer to it was recorded but to %s", text, name(h.pointed))
		}
		h.trying, h.failed = r, h.failed*btoi(h.trying == r)
	case slot.TriedOnce:
		h.failed++
		if h.trying != nil && h.trying.Behaviour == maker.Good {
			return j.excuse(text, spend)
		}
	case slot.WasKept:
		if r == nil || r != h.trying {
			return fmt.Errorf("%q, and %s was on trial", text, name(h.trying))
		}
		if h.kept != r {
			h.before, h.kept = h.kept, r
		}
	case slot.FellBack:
		if h.trying == nil && h.fell == nil || h.trying != nil && h.failed < slot.Tries {
			return fmt.Errorf("%q after %d failures of %s", text, h.failed, name(h.trying))
		}
		if h.trying != nil {
			h.fell = h.trying
		}
		h.pointed, h.trying, h.failed = nil, nil, 0
	case slot.BlockedAt, slot.Rescued:
		return fmt.Errorf("the launcher said %q", text)
	}
	return nil
}

// excuse takes a failure of a good version for one that the rig caused, if it caused
// one.
func (j *Judge) excuse(text string, spend bool) error {
	if j.pardons == 0 {
		return fmt.Errorf("the launcher said %q of a version that is good", text)
	}
	if spend {
		j.pardons--
	}
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// named finds the release that a line names.
func (j *Judge) named(rest string) *maker.Release {
	for r := range maps.Values(j.releases) {
		if strings.Contains(rest, string(r.Identity)) {
			return r
		}
	}
	return nil
}

// table compares the slot table with what the history ends with.
func (j *Judge) table(h *history, s *Sight) error {
	t := s.Table
	active, other := j.releases[t.Manifests[t.Active]], j.releases[t.Manifests[t.Active.Other()]]
	switch {
	case t.Blocked != slot.None:
		return fmt.Errorf("the device is blocked: %s", t.Blocked)
	case t.Trial && (other == nil || other != h.pointed && other != h.fell): // fell: said to be given up, not written yet
		return fmt.Errorf("the table names %s as a trial, the history %s", name(other), name(h.pointed))
	case active == h.kept:
	case active == h.before && t.Trial && other == h.kept: // said to be kept, not written yet
	default:
		return fmt.Errorf("the table names %s, the history %s", name(active), name(h.kept))
	}
	if t.Floors[0] < j.last.Floors[0] || t.Highest[0] < j.last.Highest[0] || active.Counter < t.Floors[0] {
		return fmt.Errorf("floor %d, highest %d, active %d after floor %d, highest %d", t.Floors[0], t.Highest[0], active.Counter, j.last.Floors[0], j.last.Highest[0])
	}
	return nil
}

// slots compares the files of what may start with those of the releases.
func (j *Judge) slots(s *Sight) error {
	for x, files := range s.Files {
		r := j.releases[s.Table.Manifests[btoi(x == "b")]]
		if r == nil {
			return fmt.Errorf("slot %s is named and holds what was never released", x)
		}
		for _, c := range r.Components {
			if files[c.Path] != c.SHA256.String() {
				return fmt.Errorf("slot %s: %s is not that of %s, which the table names there", x, c.Path, r.Identity)
			}
		}
		if len(files) != len(r.Components)+2 { // and manifest and note
			return fmt.Errorf("slot %s holds %d files", x, len(files))
		}
	}
	return nil
}

func name(r *maker.Release) string {
	if r == nil {
		return "nothing"
	}
	return string(r.Identity)
}
