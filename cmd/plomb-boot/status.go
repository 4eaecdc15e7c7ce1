package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/counter"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// status is what plomb-boot status prints.
type status struct {
	Table   *slot.Table           `json:"table,omitempty"`
	Error   string                `json:"error,omitempty"` // why there is no table, or no floor
	TPM     string                `json:"tpm,omitempty"`   // that holds the floor
	Floors  counter.Floors        `json:"floors"`          // in force, by scope: application, platform
	Slots   map[string]slotStatus `json:"slots"`
	Lines   []slot.Line           `json:"lines"`
	Blocked bool                  `json:"blocked"`
}

// Recent is the last twenty lines, the newest first.
func (s status) Recent() []slot.Line {
	out := slices.Clone(s.Lines[max(0, len(s.Lines)-20):])
	slices.Reverse(out)
	return out
}

type slotStatus struct {
	Identity manifest.Identity `json:"identity,omitempty"`
	Counter  uint64            `json:"counter,omitempty"`
	Digest   string            `json:"digest,omitempty"`
	Signers  []string          `json:"signers,omitempty"`
	Error    string            `json:"error,omitempty"` // why it would not start
}

func statusCommand(_ context.Context, args []string, out, words io.Writer) error {
	f, root := flags("status", words)
	asJSON := f.Bool("json", false, "print JSON")
	if err := parse(f, args, root); err != nil {
		return err
	}
	d, err := openDamaged(*root)
	if d == nil {
		return err
	}
	if s := d.status(); !*asJSON {
		_, err = io.WriteString(out, s.words())
	} else {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		err = enc.Encode(s)
	}
	return err
}

// status is what lies on the disk. Where the files that never change are damaged nothing
// verifies, and what the slots say of themselves is shown as that.
func (d *device) status() status {
	s := status{Slots: map[string]slotStatus{}}
	var t slot.Table
	if f, _, err := slot.Open(slot.ReadOnly{FS: d.FS}, d.Path("boot", boot.TableFile)); err != nil {
		s.Error = err.Error()
	} else {
		t = f.Table()
		s.Table = &t
	}
	var err error
	if s.Floors, err = d.Floors(t); err != nil {
		s.Error = err.Error()
	}
	if d.damaged != nil {
		err, s.Error = d.damaged, d.damage().Error()
	}
	if tpm, ok := d.Floor.(counter.TPM); ok {
		s.TPM = string(tpm)
	}
	_, s.Lines, _ = slot.OpenRing(d.FS, d.Path("boot", boot.RingFile)) // a bad log is shown as none
	for _, x := range []slot.Slot{slot.A, slot.B} {
		if d.damaged != nil {
			s.Slots[x.String()] = d.unverified(x)
			continue
		}
		s.Slots[x.String()] = d.slotStatus(s.Floors, x)
	}
	s.Blocked = s.Table == nil || err != nil || slot.Next(t, s.verdict).Blocked
	return s
}

// verdict is what verification said of a slot.
func (s status) verdict(x slot.Slot) error {
	if why := s.Slots[x.String()].Error; why != "" {
		return errors.New(why)
	}
	return nil
}

func (d *device) slotStatus(floors counter.Floors, s slot.Slot) slotStatus {
	r, err := d.Check(floors).Verify(d.FS, d.SlotDir(s), manifest.Digest{})
	if err != nil {
		return slotStatus{Error: err.Error()}
	}
	return slotStatus{Identity: r.Manifest.Identity, Counter: r.Manifest.Counter, Digest: r.Digest.String(), Signers: r.Signers}
}

// unverified is what a slot says of itself.
func (d *device) unverified(s slot.Slot) slotStatus {
	out := slotStatus{Error: "it is not known whose signatures count"}
	text, err := durable.ReadFile(d.FS, path.Join(d.SlotDir(s), slot.ManifestFile), manifest.MaxBytes)
	if err != nil {
		return slotStatus{Error: err.Error()}
	}
	m, err := manifest.Parse(text)
	if err != nil {
		return slotStatus{Error: err.Error()}
	}
	out.Identity, out.Counter, out.Digest = m.Identity, m.Counter, manifest.Sum(text).String()
	return out
}

// words is the status for a person: what would start now and why, what lies in the
// slots, and what the launcher has said of late.
func (s status) words() string {
	var out strings.Builder
	say := func(name, format string, args ...any) {
		fmt.Fprintf(&out, "%-9s%s\n", name, fmt.Sprintf(format, args...))
	}
	say("start", "%s", s.start())
	for _, x := range []slot.Slot{slot.A, slot.B} {
		say("slot "+x.String(), "%s", s.Slots[x.String()].words(s.Table, x))
	}
	say("floor", "application %d, platform %d%s", s.Floors[slot.Application], s.Floors[slot.Platform], map[bool]string{true: ", also in " + s.TPM}[s.TPM != ""])
	if t := s.Table; t != nil && t.Failures > 0 {
		say("failed", "%.12s… %d times, at last: %s", t.Failed.String(), t.Failures, t.Why)
	}
	fmt.Fprintf(&out, "\nwhat the launcher did, the newest last (the till has each line in its journal)\n")
	for _, l := range s.Lines[max(0, len(s.Lines)-20):] {
		fmt.Fprintf(&out, "%6d  %s  %s\n", l.Sequence, l.Time.UTC().Format(time.DateTime), l.Text)
	}
	if len(s.Lines) == 0 {
		out.WriteString("nothing\n")
	}
	return out.String()
}

// start says what a start would do now.
func (s status) start() string {
	if s.Table == nil || s.Error != "" {
		return "nothing starts: " + s.Error
	}
	p := slot.Next(*s.Table, s.verdict)
	last := p.Steps[len(p.Steps)-1]
	switch {
	case p.Blocked:
		return "nothing starts: " + stepLine(last, nil)
	case p.Trial:
		return fmt.Sprintf("slot %s on trial: %d failures and %d starts left, then %s", p.Slot, s.Table.Tries, s.Table.Starts, map[slot.Fallback]string{slot.Return: "back to slot " + p.Slot.Other().String(), slot.Block: "nothing starts"}[s.Table.Fallback])
	case p.Slot != s.Table.Active:
		return fmt.Sprintf("slot %s in place of slot %s: %v", p.Slot, s.Table.Active, s.verdict(s.Table.Active))
	}
	return "slot " + p.Slot.String()
}

func (s slotStatus) words(t *slot.Table, x slot.Slot) string {
	what := fmt.Sprintf("%s, counter %d, signed by %s", s.Identity, s.Counter, strings.Join(s.Signers, ", "))
	switch {
	case s.Error != "" && s.Identity != "":
		what = fmt.Sprintf("says that it is %s, counter %d; does not verify: %s", s.Identity, s.Counter, s.Error)
	case s.Error != "":
		what = "does not verify: " + s.Error
	}
	switch {
	case t == nil:
	case t.Active == x:
		what += "; active"
	case t.Trial:
		what += "; on trial"
	}
	return what
}
