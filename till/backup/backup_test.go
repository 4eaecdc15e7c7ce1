package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/journaltest"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/till/backup"
)

const name = "till-0a1b2c3d"

var now = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// shop is a journal in /till/e1 of a disk, with small segments, and a folder for copies.
type shop struct {
	t    testing.TB
	disk durable.FS
	keys *journaltest.Keys
	*journal.Journal
	n int
}

func open(t testing.TB, disk durable.FS) *shop {
	t.Helper()
	s := &shop{t: t, disk: disk, keys: journaltest.NewKeys()}
	for _, dir := range []string{"/till", "/copies"} {
		must(t, disk.Mkdir(dir))
	}
	must(t, disk.SyncDir("/"))
	j, err := journal.Create(t.Context(), "/till/e1", name+"/e1", []journal.Draft{s.draft()}, journal.Options{FS: disk, Keys: s.keys, SegmentSize: 16 << 10})
	must(t, err)
	s.Journal = j
	t.Cleanup(func() { j.Close(context.Background()) })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *shop) draft() journal.Draft {
	s.n++
	return journal.Draft{Kind: 10, Time: now.Add(time.Duration(s.n) * time.Second), Body: fmt.Appendf(nil, "receipt %d %s", s.n, strings.Repeat("x", 300))}
}

func (s *shop) sell(n int) {
	s.t.Helper()
	for range n {
		_, err := s.Append(s.t.Context(), s.draft())
		must(s.t, err)
	}
}

func (s *shop) folder() *backup.Folder {
	return &backup.Folder{FS: s.disk, Till: "/till", Name: name, To: "/copies", Keys: s.keys, Journal: s.Journal}
}

func (s *shop) copy() backup.Copied {
	s.t.Helper()
	c, err := s.folder().Copy(s.t.Context())
	must(s.t, err)
	return c
}

const copied = "/copies/" + name + "/e1"

// holds reports whether a disk has a copy that verifies with all that a head stands for.
func holds(ctx context.Context, disk durable.FS, keys journal.MonthReader, head proof.Checkpoint) error {
	r, err := journal.Verify(ctx, copied, journal.VerifyOptions{FS: disk, Keys: keys, Checkpoints: []proof.Checkpoint{head}, Workers: 1})
	if err != nil {
		return err
	}
	if !r.Consistent() || r.Size < head.Size || r.Contents < head.Size {
		return fmt.Errorf("%d entries of %d, findings %v", r.Contents, head.Size, r.Findings)
	}
	return nil
}

// Requirement: DL-18
func TestACopyHoldsTheWholeJournalAndGrowsWithIt(t *testing.T) {
	s := open(t, powercut.New())
	s.sell(60)
	for range 3 {
		head := s.Head()
		c := s.copy()
		if c.Size != head.Size || c.Root != head.Root || c.Origin != head.Origin || c.Bytes == 0 {
			t.Errorf("copied %+v, the head was %+v", c, head)
		}
		must(t, holds(t.Context(), s.disk, s.keys, head))
		if again := s.copy(); again.Bytes != 0 {
			t.Errorf("%d bytes were written of what was there", again.Bytes)
		}
		s.sell(45)
	}
}

func TestACopyIsMadeWhileTheTillSells(t *testing.T) {
	s := open(t, powercut.New())
	s.sell(20)
	var seller sync.WaitGroup
	seller.Go(func() {
		for range 600 {
			if _, err := s.Append(context.Background(), s.draft()); err != nil {
				t.Error(err)
			}
		}
	})
	for range 6 {
		head := s.Head()
		s.copy()
		must(t, holds(t.Context(), s.disk, s.keys, head))
	}
	seller.Wait()
	head := s.Head()
	s.copy()
	must(t, holds(t.Context(), s.disk, s.keys, head))
}

func TestWhatRottedInTheCopyIsWrittenAgain(t *testing.T) {
	disk := powercut.New()
	s := open(t, disk)
	s.sell(60)
	s.copy()
	must(t, disk.Flip(copied+"/00000001.seg", 9000, 4))
	if c := s.copy(); c.Bytes == 0 {
		t.Error("nothing was written")
	}
	must(t, holds(t.Context(), disk, s.keys, s.Head()))
}

// Damage that the journal itself has must not keep a till from being updated for ever.
func TestADamagedJournalIsCopiedAsItIs(t *testing.T) {
	disk := powercut.New()
	s := open(t, disk)
	s.sell(60)
	must(t, disk.Flip("/till/e1/00000001.seg", 9000, 4))
	s.copy()
	if err := holds(t.Context(), disk, s.keys, s.Head()); err == nil {
		t.Error("the damage is gone")
	}
}

// A copy that knows more than the journal is the only witness of what was lost.
func TestACopyIsNeverPutBack(t *testing.T) {
	disk := powercut.New()
	s := open(t, disk)
	s.sell(3)
	old := disk.Clone()
	s.sell(3)
	s.copy()
	older := map[string][]byte{}
	for _, f := range []string{"JOURNAL", "00000001.seg"} {
		older[f] = read(t, old, "/till/e1/"+f)
	}
	must(t, s.Close(t.Context()))
	for f, data := range older {
		must(t, disk.WriteFile("/till/e1/"+f, data))
	}
	j, _, err := journal.Open(t.Context(), "/till/e1", journal.Options{FS: disk, Keys: s.keys})
	must(t, err)
	defer j.Close(context.Background())
	s.Journal = j
	if _, err := s.folder().Copy(t.Context()); !errors.Is(err, backup.ErrOther) {
		t.Errorf("a journal put back: %v", err)
	}
	s.sell(4) // another history, longer
	if _, err := s.folder().Copy(t.Context()); !errors.Is(err, backup.ErrOther) {
		t.Errorf("another history: %v", err)
	}
}

func read(t *testing.T, d *powercut.Disk, name string) []byte {
	t.Helper()
	data, err := d.ReadFile(name)
	must(t, err)
	return bytes.Clone(data)
}

func TestTheCopyOfAnotherTillIsLeftAlone(t *testing.T) {
	disk := powercut.New()
	s := open(t, disk)
	s.copy()
	must(t, disk.WriteFile(copied+"/JOURNAL", []byte("another")))
	if _, err := s.folder().Copy(t.Context()); !errors.Is(err, backup.ErrOther) {
		t.Errorf("%v", err)
	}
}

// Requirement: DL-18
func TestPowerCutAtEveryStepLeavesACopyThatCanGoOn(t *testing.T) {
	disk := powercut.New()
	s := open(t, disk)
	s.sell(45)
	s.copy()
	s.sell(45)
	head, cuts := s.Head(), []*powercut.Disk{}
	rng := rand.New(rand.NewPCG(4, 2))
	disk.Before(func(powercut.Op) { cuts = append(cuts, disk.Cut(rng, powercut.KeepSome)) })
	s.copy()
	disk.Before(nil)
	done := disk.Cut(rng, powercut.KeepNone)
	must(t, holds(t.Context(), done, s.keys, head))
	if len(cuts) < 10 {
		t.Fatalf("%d points", len(cuts))
	}
	for i, d := range cuts {
		after := &backup.Folder{FS: d, Till: "/till", Name: name, To: "/copies", Keys: s.keys, Journal: s.Journal}
		if _, err := after.Copy(t.Context()); err != nil {
			t.Fatalf("after cut %d: %v", i, err)
		}
		must(t, holds(t.Context(), d, s.keys, head))
	}
}

func TestAFullOrBrokenDiskIsToldAndTriedAgain(t *testing.T) {
	disk := powercut.New()
	s := open(t, disk)
	s.sell(60)
	disk.FailWhen(func(op powercut.Op) bool { return strings.Contains(op.String(), "copies/") }, syscall.ENOSPC, false)
	if _, err := s.folder().Copy(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full disk: %v", err)
	}
	disk.Heal()
	s.copy()
}

func TestACopyStandsInAnOrdinaryFolder(t *testing.T) {
	root := t.TempDir()
	must(t, os.Mkdir(filepath.Join(root, "till"), 0o700))
	must(t, os.Mkdir(filepath.Join(root, "copies"), 0o700))
	s := &shop{t: t, disk: durable.OS{}, keys: journaltest.NewKeys()}
	j, err := journal.Create(t.Context(), filepath.Join(root, "till", "e1"), name+"/e1", []journal.Draft{s.draft()}, journal.Options{Keys: s.keys})
	must(t, err)
	defer j.Close(context.Background())
	s.Journal = j
	s.sell(5)
	f := &backup.Folder{Till: filepath.Join(root, "till"), Name: name, To: filepath.Join(root, "copies"), Keys: s.keys, Journal: j}
	c, err := f.Copy(t.Context())
	must(t, err)
	r, err := journal.Verify(t.Context(), filepath.Join(c.Where, "e1"), journal.VerifyOptions{Keys: s.keys})
	if err != nil || !r.Consistent() || r.Size != 6 {
		t.Errorf("%+v, %v", r, err)
	}
	f.To = filepath.Join(root, "nowhere")
	if _, err := f.Copy(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}
