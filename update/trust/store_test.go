package trust_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/update/trust"
)

// Cut at every operation of a refresh, the device knows the state before or after,
// never less than it had, and the next refresh succeeds.
//
// Requirement: CU-03
func TestAPowerCutAtAnyOperationLeavesAKnownState(t *testing.T) {
	w := newWorld(t)
	first := w.offer(4)
	w.refreshed()
	before := w.open().Seen()["maker"]
	second := w.offer(5)
	w.maker.rotate()
	disk := w.disk.(*powercut.Disk)
	rng := rand.New(rand.NewPCG(1, 2))
	var cuts []*powercut.Disk
	disk.Before(func(powercut.Op) {
		for _, keep := range []powercut.Keep{powercut.KeepNone, powercut.AnyKeep(rng)} {
			cuts = append(cuts, disk.Cut(rng, keep))
		}
	})
	w.refreshed()
	disk.Before(nil)
	after := w.open().Seen()["maker"]
	t.Logf("%d cuts", len(cuts))
	if len(cuts) < 100 {
		t.Fatalf("only %d cuts", len(cuts))
	}
	for i, cut := range cuts {
		w.disk = cut
		tr := w.open()
		if got := tr.Seen()["maker"]; got.Timestamp != 0 && (got.Timestamp < before.Timestamp || got.Timestamp > after.Timestamp || got.Root < before.Root) {
			t.Fatalf("cut %d: seen %+v, was %+v", i, got, before)
		}
		if err := tr.Refresh(t.Context()); err != nil {
			t.Fatalf("cut %d: %v", i, err)
		}
		if got := tr.Seen()["maker"]; got != after {
			t.Fatalf("cut %d: seen %+v, want %+v", i, got, after)
		}
	}
	w.allowed(w.open(), second)
	w.allowed(w.open(), first)
}

// damage is what can become of a file, by name.
var damage = map[string]func(d *powercut.Disk, name string, size int64) error{
	"empty":       func(d *powercut.Disk, name string, _ int64) error { return d.TruncateFile(name, 0) },
	"half":        func(d *powercut.Disk, name string, size int64) error { return d.TruncateFile(name, size/2) },
	"flipped":     func(d *powercut.Disk, name string, size int64) error { return d.Flip(name, size/2, 1) },
	"flipped end": func(d *powercut.Disk, name string, size int64) error { return d.Flip(name, size-1, 0x80) },
	"removed":     func(d *powercut.Disk, name string, _ int64) error { return d.Remove(name) },
	"text":        func(d *powercut.Disk, name string, _ int64) error { return d.WriteFile(name, []byte("{}")) },
}

// Requirement: CU-03
func TestADamagedCacheRecoversByItself(t *testing.T) {
	for how, harm := range damage {
		for _, role := range []string{"root", "timestamp", "snapshot", "targets", "seen", ""} {
			for _, copies := range []string{".0", ".1", ""} {
				t.Run(fmt.Sprint(how, " ", role, copies), func(t *testing.T) { damaged(t, harm, role, copies) })
			}
		}
	}
}

// damaged harms the files of a role (empty: of all) and of a copy (empty: of both).
func damaged(t *testing.T, harm func(*powercut.Disk, string, int64) error, role, copies string) {
	w := newWorld(t)
	digest := w.offer(4)
	w.refreshed()
	w.maker.rotate()
	w.maker.publish()
	seen := w.refreshed().Seen()["maker"]
	harmed := harmFiles(t, w.disk.(*powercut.Disk), harm, role, copies)
	if harmed == 0 && copies == "" {
		t.Fatal("nothing was harmed")
	}
	w.sources = nil
	offline := w.open() // opens, knows what it can, and is never less strict
	if got := offline.Seen()["maker"]; got.Timestamp > seen.Timestamp {
		t.Errorf("seen %+v after %+v", got, seen)
	}
	w.sources = []trust.Source{w.files}
	tr := w.refreshed()
	if got := tr.Seen()["maker"]; got != seen {
		t.Errorf("seen %+v, want %+v", got, seen)
	}
	w.allowed(tr, digest)
	w.sources = nil
	if got := w.open().Seen()["maker"]; got != seen {
		t.Errorf("after a start: seen %+v, want %+v", got, seen)
	}
}

func harmFiles(t *testing.T, d *powercut.Disk, harm func(*powercut.Disk, string, int64) error, role, copies string) (n int) {
	t.Helper()
	names, err := d.ReadDir("trust/maker")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, role) && strings.HasSuffix(name, copies) {
			file, err := d.Open("trust/maker/" + name)
			if err != nil {
				t.Fatal(err)
			}
			size, err := file.Size()
			if err != nil {
				t.Fatal(err)
			}
			if err := harm(d, "trust/maker/"+name, size); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	return n
}

// The cache is no way in: with the newest copies gone, an older state does not
// become good for installing, and an older server is still found out.
//
// Requirement: DL-15
func TestDamageCannotMakeADeviceForget(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	w.refreshed()
	old := w.files.clone()
	w.withdraw(w.ptb, digest)
	w.refreshed()
	for _, copies := range []string{".0", ".1"} {
		disk := w.disk.(*powercut.Disk).Cut(nil, powercut.KeepAll)
		for _, role := range []string{"timestamp", "snapshot", "targets"} {
			_ = disk.Remove("trust/ptb/" + role + copies)
		}
		kept := w.disk
		w.disk, w.sources = disk, []trust.Source{old}
		tr := w.open()
		if d := tr.Decide(t.Context(), digest, w.device); d.Allowed() {
			t.Errorf("without copies %s: allowed", copies)
		}
		w.fails(tr, trust.ErrRollback)
		w.disk = kept
	}
}

// A full disk stops a refresh and spoils nothing.
func TestAFullDiskStopsARefreshAndSpoilsNothing(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	w.refreshed()
	w.offer(5)
	disk := w.disk.(*powercut.Disk)
	disk.LimitSpace(100)
	if err := w.open().Refresh(t.Context()); err == nil {
		t.Error("a refresh on a full disk succeeds")
	}
	disk.LimitSpace(-1)
	w.allowed(w.refreshed(), digest)
}
