package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
	"github.com/plomb-pos/plomb/update/trust"
)

// Requirement: CU-08
func TestATillWritesTheFormatsThatWhatItFallsBackToReads(t *testing.T) {
	root := deviceFolder(t)
	d, err := boot.Open(durable.OS{}, root)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join(root, "slots", "a", slot.ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	lay := func(reads ...int) slot.Table {
		m, err := manifest.Parse(kept)
		if err != nil {
			t.Fatal(err)
		}
		m.Compatibility.Reads = reads
		text, err := m.Encode()
		if err == nil {
			err = os.WriteFile(filepath.Join(root, "slots", "b", slot.ManifestFile), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		return slot.Table{Manifests: [2]manifest.Digest{manifest.Sum(kept), manifest.Sum(text)}}
	}
	for name, c := range map[string]struct {
		reads []int
		table func(*slot.Table)
		want  int
	}{
		"reads what is written here":     {[]int{1, 2}, nil, 2},
		"reads more":                     {[]int{1, 2, 3}, nil, 2},
		"reads the first alone":          {[]int{1}, nil, 1},
		"does not say":                   {nil, nil, 1},
		"leaves one out":                 {[]int{1, 3}, nil, 1},
		"does not start any more":        {[]int{1}, func(t *slot.Table) { t.Floors[slot.Application] = 2 }, 2},
		"failed its trial":               {[]int{1}, func(t *slot.Table) { t.Failed = t.Manifests[slot.B] }, 2},
		"failed, and is tried once more": {[]int{1}, func(t *slot.Table) { t.Failed, t.Trial = t.Manifests[slot.B], true }, 1},
		"is not there":                   {[]int{1}, func(t *slot.Table) { t.Manifests[slot.B] = manifest.Digest{} }, 2},
		"is another than the table says": {[]int{1, 2}, func(t *slot.Table) { t.Manifests[slot.B][0] ^= 1 }, 1},
	} {
		table := lay(c.reads...)
		if c.table != nil {
			c.table(&table)
		}
		if got := formatReadBy(d, slot.B, table); got != c.want {
			t.Errorf("what %s: format %d, want %d", name, got, c.want)
		}
	}
}

func TestATillWithoutADeviceWritesTheNewestFormat(t *testing.T) {
	if got := writableFormat(t.TempDir()); got != fiscal.Format {
		t.Errorf("format %d", got)
	}
	dir := t.TempDir()
	if err := os.Rename(deviceFolder(t), underTill(dir)); err != nil {
		t.Fatal(err)
	}
	if got := writableFormat(dir); got != fiscal.LowestFormat {
		t.Errorf("beside a release that does not say what it reads: format %d", got)
	}
	if err := os.WriteFile(filepath.Join(underTill(dir), "boot", boot.TableFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := writableFormat(dir); got != fiscal.LowestFormat {
		t.Errorf("beside a table that cannot be read: format %d", got)
	}
}

func TestWhatADeviceHasSeenGoesThroughTheJournalUnchanged(t *testing.T) {
	sum := func(s string) manifest.Digest { return manifest.Sum([]byte(s)) }
	for _, deployer := range []manifest.Digest{{}, sum("deployer")} {
		s := device.Seen{Device: sum("device"), Policy: 3, Campaign: 7, Deployer: deployer, Parties: map[string]trust.Seen{
			"ptb":   {Root: 1, Timestamp: 20, Snapshot: 19, Targets: 5, Online: "abc", Anchor: sum("ptb")},
			"maker": {Root: 4, Timestamp: 2, Snapshot: 2, Targets: 1, Anchor: sum("maker")},
		}}
		if diff := cmp.Diff(s, seenBy(recordable(manifest.Application, s))); diff != "" {
			t.Error(diff)
		}
	}
}
