package logbook_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/logbook"
	"github.com/plomb-pos/plomb/seal"
)

func open(t *testing.T, dir string, o logbook.Options) *logbook.Book {
	t.Helper()
	if err := logbook.Ensure(t.Context(), dir, "devices"); err != nil {
		t.Fatal(err)
	}
	b, err := logbook.Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func shut(t *testing.T, b *logbook.Book) {
	t.Helper()
	if err := b.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// check verifies a closed book as plomb journal verify does, and gives its kinds.
func check(t *testing.T, dir string) (kinds []string) {
	t.Helper()
	box, err := seal.Open(durable.OS{}, filepath.Join(dir, "seal"))
	if err != nil {
		t.Fatal(err)
	}
	contents := fiscal.NewCheck(nil)
	j, err := journal.OpenReadOnly(filepath.Join(dir, "e1"), journal.ReadOptions{Keys: box.JournalKeys()})
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range j.Entries(t.Context(), 0, 1<<40) {
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range contents.Entry(e.Head, e.Body) {
			t.Errorf("finding: %v", f)
		}
		kinds = append(kinds, fiscal.KindName(e.Head.Kind))
	}
	report, err := journal.Verify(t.Context(), filepath.Join(dir, "e1"), journal.VerifyOptions{Keys: box.JournalKeys()})
	if err != nil || !report.Consistent() {
		t.Errorf("verify: %+v, %v", report, err)
	}
	return kinds
}

// Requirement: XFS-05
func TestABookKeepsWhatHappenedOverRestarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "devices")
	b := open(t, dir, logbook.Options{})
	origin := b.Origin()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			b.Note(&fiscal.ConnectionRefused{Peer: "192.0.2.9:4711", Identity: "stranger", Reason: "unknownAuthority", Detail: logbook.OneLine("a\nb")})
		})
	}
	all.Wait()
	shut(t, b)
	b = open(t, dir, logbook.Options{})
	if b.Origin() != origin {
		t.Errorf("origin %s after a restart, was %s", b.Origin(), origin)
	}
	b.Note(&fiscal.DeviceState{Device: "Dispenser", State: "down"})
	b.Note(&fiscal.ShiftOpen{Session: 1}) // no business of devices: left out
	shut(t, b)
	kinds := check(t, dir)
	if len(kinds) != 1+1+50+1+1 || kinds[0] != "device-host" || kinds[len(kinds)-1] != "device-state" || slices.Contains(kinds, "shift-open") {
		t.Errorf("kinds = %v", kinds)
	}
}

func TestAClockThatGoesBackIsNotFollowed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "devices")
	now := time.Now().Add(time.Hour)
	b := open(t, dir, logbook.Options{Now: func() time.Time { return now }})
	now = now.Add(-30 * time.Minute)
	b.Note(&fiscal.DeviceState{Device: "Scanner", State: "ready"})
	shut(t, b)
	check(t, dir)
}

func TestAMissingJournalIsNeverMadeAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "devices")
	shut(t, open(t, dir, logbook.Options{}))
	if err := os.RemoveAll(filepath.Join(dir, "e1")); err != nil {
		t.Fatal(err)
	}
	if err := logbook.Ensure(t.Context(), dir, "devices"); err != nil {
		t.Fatal(err)
	}
	if b, err := logbook.Open(t.Context(), dir, logbook.Options{}); err == nil {
		b.Close(t.Context())
		t.Error("a journal that is gone was taken for an empty one")
	}
}
