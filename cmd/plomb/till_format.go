package main

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// writableFormat is the highest of the journal's formats that this program may write at
// a till: one that every version reads which the till's launcher may start after it, so
// that falling back always reads what was written before. What cannot be found out
// counts as a version that reads the lowest format only.
//
// It holds as long as the program runs. A release that comes into a slot meanwhile has
// to read what this program writes, or is refused (update.Config.Journal).
func writableFormat(tillDir string) int {
	root, others := startableBeside(tillDir)
	if root == "" {
		return fiscal.Format // no launcher: nothing falls back
	}
	d, err := boot.Open(durable.OS{}, root)
	if err != nil {
		return fiscal.LowestFormat
	}
	table, err := d.Table()
	if err != nil {
		return fiscal.LowestFormat
	}
	format := fiscal.Format
	for _, s := range others {
		format = min(format, formatReadBy(d, s, table))
	}
	return format
}

// startableBeside are the device of a till and the slots of which something may start
// after this program: the other one, or both where the launcher did not start it. root
// is empty where the till has no device.
func startableBeside(tillDir string) (root string, slots []slot.Slot) {
	root, s, launched, err := launchedFrom()
	if err == nil && launched {
		return root, []slot.Slot{s.Other()}
	}
	root = underTill(tillDir)
	if _, err := os.Stat(filepath.Join(root, "boot", boot.TableFile)); os.IsNotExist(err) {
		return "", nil
	}
	return root, []slot.Slot{slot.A, slot.B}
}

// formatReadBy is the highest format that the version in a slot reads; any, where there
// is none that the launcher would start.
func formatReadBy(d *boot.Device, s slot.Slot, t slot.Table) int {
	digest := t.Manifests[s]
	if digest == (manifest.Digest{}) || digest == t.Failed && s != t.Active && !t.Trial {
		return fiscal.Format
	}
	text, err := durable.ReadFile(d.FS, d.Path("slots", s.String(), slot.ManifestFile), manifest.MaxBytes)
	if err != nil || manifest.Sum(text) != digest {
		return fiscal.LowestFormat
	}
	m, err := manifest.Parse(text)
	switch {
	case err != nil:
		return fiscal.LowestFormat
	case m.Counter < t.Floors[slot.ScopeOf(m.Scope)]:
		return fiscal.Format // it does not start any more
	}
	return highestOf(m.Compatibility.Reads)
}

// highestOf is the highest format known here up to which a release reads all.
func highestOf(reads []int) int {
	f := fiscal.LowestFormat
	for f < fiscal.Format && slices.Contains(reads, f+1) {
		f++
	}
	return f
}
