package witness_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/powercut/rig/maker"
	"github.com/plomb-pos/plomb/internal/powercut/rig/witness"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// device is what a judge is shown, made up.
type device struct {
	*testing.T
	judge    *witness.Judge
	one, two *maker.Release
	tags     string // of entries that were shown
	sight    witness.Sight
	lines    uint64
}

func newDevice(t *testing.T, how maker.Behaviour) *device {
	t.Helper()
	m, err := maker.New([]byte(strings.Repeat("program ", 100)))
	if err != nil {
		t.Fatal(err)
	}
	d := &device{T: t}
	if d.one, err = m.Release(1, maker.Good, nil); err != nil {
		t.Fatal(err)
	}
	if d.two, err = m.Release(2, how, d.one); err != nil {
		t.Fatal(err)
	}
	d.judge = witness.NewJudge(d.one)
	d.judge.Released(d.two)
	d.sight.Table = slot.Table{Manifests: [2]manifest.Digest{d.one.Digest, d.two.Digest}}.Raised(d.one.Manifest)
	d.sight.Files = map[string]map[string]string{"a": files(d.one), "b": files(d.two)}
	return d
}

func files(r *maker.Release) map[string]string {
	out := map[string]string{slot.ManifestFile: "", slot.NoteFile: ""}
	for _, c := range r.Components {
		out[c.Path] = c.SHA256.String()
	}
	return out
}

func (d *device) entry(kind proof.Kind, body any) {
	d.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		d.Fatal(err)
	}
	d.sight.Entries = append(d.sight.Entries, witness.Entry{Index: d.sight.Size, Tag: fmt.Sprintf("%016x", d.sight.Size), Kind: kind, Body: string(text)})
	d.sight.Size++
}

func (d *device) starts(r *maker.Release, trial bool) {
	d.entry(witness.Start, witness.Started{Identity: r.Identity, Counter: r.Counter, Trial: trial})
}

// says is a line of the launcher that the till has copied.
func (d *device) says(format string, args ...any) {
	d.lines++
	d.entry(witness.Event, update.Event{Stage: update.Launcher, Outcome: update.Done, Detail: fmt.Sprintf(format, args...), Line: d.lines})
}

func (d *device) points(r *maker.Release) {
	d.entry(witness.Event, update.Event{Stage: update.Pointed, Outcome: update.Begun, Identity: r.Identity, Digest: r.Digest})
}

// kept makes two the version that runs.
func (d *device) kept() {
	d.points(d.two)
	d.says("trial started: slot b %s", d.two.Identity)
	d.starts(d.two, true)
	d.says("kept: slot b %s", d.two.Identity)
	d.sight.Table.Trial = true
	d.sight.Table = d.sight.Table.Kept(d.two.Manifest)
}

func (d *device) look() error {
	sum := sha256.Sum256([]byte(d.tags))
	d.sight.Before = hex.EncodeToString(sum[:])
	err := d.judge.Saw(&d.sight)
	for _, e := range d.sight.Entries {
		d.tags += e.Tag
	}
	d.sight.Entries = nil
	return err
}

func TestWhatTheHistoryExplainsIsRight(t *testing.T) {
	d := newDevice(t, maker.Good)
	d.starts(d.one, false)
	d.entry(witness.Sale, 1)
	d.judge.Acknowledged(1, fmt.Sprintf("%016x", 1))
	if err := d.look(); err != nil {
		t.Error(err)
	}
	d.kept()
	if err := d.look(); err != nil || d.judge.Kept() != d.two || d.judge.Seen() != 6 {
		t.Errorf("%v, %s is kept after %d entries", err, d.judge.Kept().Identity, d.judge.Seen())
	}
	d.starts(d.two, false)
	if err := d.look(); err != nil {
		t.Error(err)
	}

	d = newDevice(t, maker.Crash)
	d.points(d.two)
	for range slot.Tries {
		d.says("trial started: slot b %s", d.two.Identity)
		d.says("trial failed: slot b (crash): exit status 3")
	}
	d.says("fell back: slot a %s (crash)", d.one.Identity)
	d.starts(d.one, false)
	if err := d.look(); err != nil {
		t.Error(err)
	}
}

func TestWhatNothingExplainsIsFound(t *testing.T) {
	for want, harm := range map[string]func(*device){
		"is lost":              func(d *device) { d.judge.Acknowledged(7, "x") },
		"was acknowledged as":  func(d *device) { d.starts(d.one, false); d.judge.Acknowledged(0, "x") },
		"not those":            func(d *device) { d.starts(d.one, false); _ = d.look(); d.tags = "x" },
		"the history explains": func(d *device) { d.starts(d.two, false) },
		"no pointer to it":     func(d *device) { d.says("trial started: slot b %s", d.two.Identity) },
		"of a version that is good": func(d *device) {
			d.points(d.two)
			d.says("trial started: slot b %s", d.two.Identity)
			d.says("trial failed: slot b (crash)")
		},
		"after 0 failures": func(d *device) {
			d.points(d.two)
			d.says("trial started: slot b %s", d.two.Identity)
			d.says("fell back: slot a %s (verification)", d.one.Identity)
		},
		"as a trial, the history nothing": func(d *device) { d.sight.Table.Trial = true },
		"the table names 0PLMRIG02":       func(d *device) { d.sight.Table.Active = slot.B },
		"the table names 0PLMRIG01":       func(d *device) { d.kept(); d.sight.Table.Active = slot.A },
		"is not that of":                  func(d *device) { d.sight.Files["a"]["bin/till"] = "x" },
		"holds 5 files":                   func(d *device) { d.sight.Files["a"]["bin/other"] = "x" },
		"floor 0, highest 0":              func(d *device) { _ = d.look(); d.sight.Table.Floors, d.sight.Table.Highest = [2]uint64{}, [2]uint64{} },
		"was copied after line 1":         func(d *device) { d.says("table made"); d.lines++; d.says("table made") },
		"rejected: why":                   func(d *device) { d.entry(witness.Event, update.Event{Outcome: update.Rejected, Detail: "why"}) },
		"the device is blocked":           func(d *device) { d.sight.Table.Blocked = slot.Crashed },
		`the launcher said "blocked`:      func(d *device) { d.says("blocked: slot a (crash)") },
	} {
		d := newDevice(t, maker.Good)
		harm(d)
		if err := d.look(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
