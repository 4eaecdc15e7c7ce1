package journal_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/journaltest"
)

// snapped is a disk as a cut left it, and what had been acknowledged before.
type snapped struct {
	disk  *powercut.Disk
	acked uint64
}

// Requirement: FM-02
//
// The other power cuts run the journal step by step; here writers, signers, the
// making of segments and the cuts run side by side.
func TestPowerCutsAmongManyWriters(t *testing.T) {
	rng := rand.New(rand.NewPCG(seedFor(t), 7))
	disk := powercut.New()
	signer := journaltest.NewRecorder(origin)
	opts := journal.Options{FS: disk, Keys: journaltest.NewKeys(), Signer: signer, SegmentSize: segSize}
	j, err := journal.Create(contextBackground, cutDir, origin, drafts(1), opts)
	if err != nil {
		t.Fatal(err)
	}
	var acked atomic.Uint64
	var mu sync.Mutex
	var cuts []snapped
	disk.Before(func(op powercut.Op) {
		mu.Lock()
		defer mu.Unlock()
		if op.N > 0 && rng.IntN(8) == 0 {
			before := acked.Load() // read first: the cut may only know more
			cuts = append(cuts, snapped{disk.Cut(rng, powercut.AnyKeep(rng)), before})
		}
	})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() { appendAndRaise(t, j, w, &acked) })
	}
	wg.Wait()
	disk.Before(nil)
	leaves := leavesOf(t, j)
	if err := j.Close(contextBackground); err != nil {
		t.Fatal(err)
	}
	for _, c := range cuts {
		checkPrefix(t, c, opts, leaves)
	}
	if err := signer.Breach(); err != nil {
		t.Error(err)
	}
	t.Logf("%d cuts, %d entries", len(cuts), len(leaves))
}

func appendAndRaise(t *testing.T, j *journal.Journal, writer int, acked *atomic.Uint64) {
	for i := range 60 {
		d := journal.Draft{Kind: 1, Time: time.UnixMilli(1_800_000_000_000), Body: fmt.Appendf(nil, "%d/%d", writer, i), Sign: i%2 == 0}
		ticket, err := j.Stage(d, d)
		if err == nil && d.Sign && writer%2 == 0 {
			_, err = ticket.Signed(contextBackground) // signed by this goroutine, or another
		} else if err == nil {
			err = ticket.Wait(contextBackground)
		}
		if err != nil {
			t.Error(err)
			return
		}
		size := ticket.First() + 2
		for old := acked.Load(); old < size && !acked.CompareAndSwap(old, size); old = acked.Load() {
		}
	}
}

func leavesOf(t *testing.T, j *journal.Journal) (leaves []tlog.Hash) {
	t.Helper()
	for e, err := range j.Entries(contextBackground, 0, j.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, e.Leaf)
	}
	return leaves
}

func checkPrefix(t *testing.T, c snapped, opts journal.Options, leaves []tlog.Hash) {
	t.Helper()
	opts.FS = c.disk
	j, report, err := journal.Open(contextBackground, cutDir, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close(contextBackground)
	if report.Size < c.acked || report.Size%2 != 1 || len(report.Holes) > 0 {
		t.Fatalf("%+v, %d were acknowledged", report, c.acked)
	}
	for i, leaf := range leavesOf(t, j) {
		if leaf != leaves[i] {
			t.Fatalf("entry %d is not the one that was staged", i)
		}
	}
}
