package journal_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/journaltest"
)

func TestJournalOnTheOperatingSystem(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) (durable.FS, string) { return durable.OS{}, t.TempDir() })
}

func TestJournalOnADiskInMemory(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) (durable.FS, string) { return powercut.New(), "/" })
}

func TestAtRestSignaturesAreStoredAndAnchorsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := powercut.New()
		opts := journal.Options{
			FS: disk, Keys: journaltest.NewKeys(), Signer: journaltest.NewSigner(origin), SegmentSize: segSize,
			Anchors: []journal.Anchor{journal.FileAnchor(disk, anchorName)},
		}
		j, err := journal.Create(t.Context(), cutDir, origin, drafts(1), opts)
		if err != nil {
			t.Fatal(err)
		}
		receipt := drafts(1)
		receipt[0].Sign = true
		ticket, err := j.Append(t.Context(), receipt...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ticket.Signed(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		due(t, disk, opts, 1)
		time.Sleep(10 * time.Second) // of the test's own clock
		synctest.Wait()
		due(t, disk, opts, 0)
		if c, err := opts.Anchors[0].Load(t.Context()); err != nil || c.Size != 2 {
			t.Errorf("anchor holds %+v, %v, want size 2", c, err)
		}
		if err := j.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// due counts the signatures that a process would find due after power was lost now.
func due(t *testing.T, disk *powercut.Disk, opts journal.Options, want int) {
	t.Helper()
	opts.FS, opts.Anchors = disk.Cut(nil, powercut.KeepNone), nil
	j, report, err := journal.Open(t.Context(), cutDir, opts.Serial())
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close(t.Context())
	if len(report.Due) != want {
		t.Errorf("signatures of %v are due, want %d", report.Due, want)
	}
}

func TestASignerThatRecoversIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signer := journaltest.NewSigner(origin)
		events := make(chan journal.EventKind, 100)
		opts := journal.Options{
			FS: powercut.New(), Keys: journaltest.NewKeys(), Signer: signer, SegmentSize: segSize,
			Events: func(e journal.Event) { events <- e.Kind },
		}
		j, err := journal.Create(t.Context(), cutDir, origin, drafts(1), opts)
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close(t.Context())
		synctest.Wait()
		signer.Fail(errDisk)
		if _, err := j.Append(t.Context(), drafts(1)...); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		signer.Fail(nil)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if s, ok := j.Checkpoint(); !ok || s.Checkpoint.Size != 2 {
			t.Errorf("Checkpoint = %+v, %v, want size 2", s, ok)
		}
		wantEvents(t, events, journal.SignerDown, journal.SignerUp)
	})
}

func wantEvents(t *testing.T, events chan journal.EventKind, want ...journal.EventKind) {
	t.Helper()
	for len(want) > 0 && len(events) > 0 {
		if <-events == want[0] {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("events %v did not come", want)
	}
}
