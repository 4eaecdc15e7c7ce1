package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/journaltest"
	"github.com/plomb-pos/plomb/journal/proof"
)

const anchorName = "/anchor"

// sample is a closed journal on a disk of its own, and what is in it.
type sample struct {
	disk    *powercut.Disk
	entries []journal.Entry
	head    proof.Checkpoint
	files   map[string][]byte
}

func (s *sample) options(disk *powercut.Disk) journal.Options {
	o := keyed(disk)
	o.Signer = journaltest.NewRecorder(origin)
	o.Anchors = []journal.Anchor{journal.FileAnchor(disk, anchorName)}
	return o
}

// newSample makes a journal of some segments, written in two sessions.
func newSample(t *testing.T, seed uint64) *sample {
	t.Helper()
	s := &sample{disk: powercut.New(), files: map[string][]byte{}}
	rng := rand.New(rand.NewPCG(seed, 0))
	j, err := journal.Create(contextBackground, cutDir, origin, drafts(1), s.options(s.disk))
	if err != nil {
		t.Fatal(err)
	}
	for session := range 2 {
		for i := range 40 {
			var ds []journal.Draft
			for range 1 + rng.IntN(4) {
				body := fmt.Appendf(nil, "session %d step %d", session, i)
				body = append(body, make([]byte, rng.IntN(600))...)
				ds = append(ds, journal.Draft{Kind: 3, Time: time.UnixMilli(1_800_000_000_000 + int64(i)), Body: body, Sign: rng.IntN(2) == 0})
			}
			if _, err := j.Append(contextBackground, ds...); err != nil {
				t.Fatal(err)
			}
		}
		for e, err := range j.Entries(contextBackground, uint64(len(s.entries)), 1<<40) {
			if err != nil {
				t.Fatal(err)
			}
			s.entries = append(s.entries, e)
		}
		if err := j.Close(contextBackground); err != nil {
			t.Fatal(err)
		}
		if session == 0 {
			if j, _, err = journal.Open(contextBackground, cutDir, s.options(s.disk)); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.head = j.Head()
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s/%08d.seg", cutDir, n)
		b, err := s.disk.ReadFile(name)
		if err != nil {
			break
		}
		s.files[name] = b
	}
	return s
}

func (s *sample) randomFile(rng *rand.Rand) (name string, content []byte) {
	name = fmt.Sprintf("%s/%08d.seg", cutDir, 1+rng.IntN(len(s.files)))
	return name, s.files[name]
}

// damaged reads everything from a damaged copy: each entry is what it was or has
// an error that names it. It returns the indexes of those that are lost.
func (s *sample) damaged(t *testing.T, j *journal.Journal) (lost []uint64) {
	t.Helper()
	if j.Size() != s.head.Size || j.Head().Root != s.head.Root {
		t.Fatalf("journal is %+v, want %+v", j.Head(), s.head)
	}
	i := uint64(0)
	for e, err := range j.Entries(contextBackground, 0, s.head.Size) {
		var hole *journal.HoleError
		switch {
		case err == nil:
			if e.Index() != i || !bytes.Equal(e.Body, s.entries[i].Body) || e.Leaf != s.entries[i].Leaf {
				t.Fatalf("entry %d reads as another", i)
			}
		case errors.As(err, &hole) && hole.From == i && hole.To == i+1:
			lost = append(lost, i)
		default:
			t.Fatalf("entry %d: %v", i, err)
		}
		i++
	}
	if i != s.head.Size {
		t.Fatalf("%d entries came, want %d", i, s.head.Size)
	}
	return lost
}

// Requirement: POS-08
// Requirement: FM-18
func TestAFlippedBitCostsAtMostTheEntryItIsInAndRepairRestoresTheBytes(t *testing.T) {
	seed := seedFor(t)
	s := newSample(t, seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	repaired := 0
	for range 600 {
		disk := s.disk.Clone()
		name, content := s.randomFile(rng)
		at := rng.Int64N(int64(len(content)))
		if err := disk.Flip(name, at, 1<<rng.IntN(8)); err != nil {
			t.Fatal(err)
		}
		j, _, err := journal.Open(contextBackground, cutDir, s.options(disk))
		if err != nil {
			t.Fatalf("flip %s at %d: open: %v", name, at, err)
		}
		lost := s.damaged(t, j)
		if len(lost) > 1 {
			t.Fatalf("flip %s at %d: entries %d are lost", name, at, lost)
		}
		for _, i := range lost {
			s.repair(t, j, disk, name, i)
			repaired++
		}
		if err := j.Close(contextBackground); err != nil {
			t.Fatal(err)
		}
	}
	if repaired < 50 {
		t.Errorf("only %d flips hit an entry: the test shows nothing", repaired)
	}
	t.Logf("600 flips, %d entries damaged and repaired", repaired)
}

func (s *sample) repair(t *testing.T, j *journal.Journal, disk *powercut.Disk, name string, i uint64) {
	t.Helper()
	e, other := s.entries[i], s.entries[(i+1)%uint64(len(s.entries))]
	if err := j.Repair(contextBackground, i, other.HeadBytes, other.Salt, other.Body); !errors.Is(err, journal.ErrNotHeld) {
		t.Fatalf("Repair(%d) with another entry = %v, want ErrNotHeld", i, err)
	}
	if err := j.Repair(contextBackground, i, e.HeadBytes, e.Salt, append([]byte("x"), e.Body...)); !errors.Is(err, journal.ErrNotHeld) {
		t.Fatalf("Repair(%d) with another body = %v, want ErrNotHeld", i, err)
	}
	if err := j.Repair(contextBackground, i, e.HeadBytes, e.Salt, e.Body); err != nil {
		t.Fatalf("Repair(%d): %v", i, err)
	}
	if got, err := disk.ReadFile(name); err != nil || !bytes.HasPrefix(got, bytes.TrimRight(s.files[name], "\x00")) {
		t.Fatalf("Repair(%d) did not restore the bytes of %s: %v", i, name, err)
	}
	if got, err := j.Entry(contextBackground, i); err != nil || !bytes.Equal(got.Body, e.Body) {
		t.Fatalf("entry %d after repair: %v", i, err)
	}
}

func TestSeveralDamagedEntriesOfAGroupAreRepairedOneByOne(t *testing.T) {
	disk := powercut.New()
	s := &sample{disk: disk}
	j, err := journal.Create(contextBackground, cutDir, origin, drafts(6), s.options(disk))
	if err != nil {
		t.Fatal(err)
	}
	for e := range j.Entries(contextBackground, 0, 6) {
		s.entries = append(s.entries, e)
	}
	name := cutDir + "/00000001.seg"
	whole, err := disk.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []uint64{0, 2, 3, 5} {
		_, offset, err := j.Place(i)
		if err != nil {
			t.Fatal(err)
		}
		if err := disk.Flip(name, int64(offset)+90, 0xff); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range []uint64{0, 2, 3, 5} {
		e := s.entries[i]
		if err := j.Repair(contextBackground, i, e.HeadBytes, e.Salt, e.Body); err != nil {
			t.Fatalf("Repair(%d): %v", i, err)
		}
	}
	if got, err := disk.ReadFile(name); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("the segment is not what it was: %v", err)
	}
}

// Requirement: POS-08
func TestACutOffSegmentCostsNothingBeforeTheCutAndNothingInOtherSegments(t *testing.T) {
	seed := seedFor(t)
	s := newSample(t, seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	for range 100 {
		disk := s.disk.Clone()
		name, content := s.randomFile(rng)
		cut := rng.Int64N(int64(len(content)))
		if err := disk.TruncateFile(name, cut); err != nil {
			t.Fatal(err)
		}
		j, _, err := journal.Open(contextBackground, cutDir, s.options(disk))
		var rollback *journal.RollbackError
		if errors.As(err, &rollback) || errors.Is(err, journal.ErrDamaged) {
			continue // the end is gone, or the tree cannot be continued: found
		}
		if err != nil {
			t.Fatalf("cut %s at %d: %v", name, cut, err)
		}
		s.damaged(t, j)
		j.Close(contextBackground)
	}
}

// Requirement: POS-08
func TestAnAnchorFindsALostTailAnOldCopyAndAnotherHistory(t *testing.T) {
	s := newSample(t, 1)
	old := s.disk.Clone()
	j, _, err := journal.Open(contextBackground, cutDir, s.options(s.disk))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(contextBackground, drafts(3)...); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(contextBackground); err != nil {
		t.Fatal(err)
	}
	anchor, err := s.disk.ReadFile(anchorName)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.WriteFile(anchorName, anchor); err != nil {
		t.Fatal(err)
	}
	wantRollback(t, old, s, j.Size())

	forged := s.head
	forged.Size, forged.Root[0] = forged.Size-7, forged.Root[0]^1
	other := s.disk.Clone()
	if err := other.WriteFile(anchorName, forged.Text()); err != nil {
		t.Fatal(err)
	}
	wantRollback(t, other, s, forged.Size)

	later := s.disk.Clone()
	next := proof.Checkpoint{Origin: "till/e2", Size: 1}
	if err := later.WriteFile(anchorName, next.Text()); err != nil {
		t.Fatal(err)
	}
	wantRollback(t, later, s, 1)
}

func wantRollback(t *testing.T, disk *powercut.Disk, s *sample, seen uint64) {
	t.Helper()
	_, _, err := journal.Open(contextBackground, cutDir, s.options(disk))
	var rollback *journal.RollbackError
	if !errors.As(err, &rollback) || rollback.Seen.Size != seen {
		t.Errorf("Open = %v, want a RollbackError that has seen %d", err, seen)
	}
}

func TestWrongCachesAreFoundAndBuiltAgain(t *testing.T) {
	s := newSample(t, 3)
	for _, name := range []string{"tree", "offsets"} {
		for _, at := range []int64{0, 100, 333, 2000} {
			disk := s.disk.Clone()
			if err := disk.Flip(cutDir+"/cache/"+name, at, 0x55); err != nil {
				t.Fatal(err)
			}
			j, _, err := journal.Open(contextBackground, cutDir, s.options(disk))
			if err != nil {
				t.Fatal(err)
			}
			if lost := s.damaged(t, j); len(lost) > 0 {
				t.Errorf("%s wrong at %d: entries %d lost", name, at, lost)
			}
			for i := range s.head.Size {
				if _, _, err := j.Prove(contextBackground, i, s.head.Size); err != nil {
					t.Fatalf("%s wrong at %d: prove %d: %v", name, at, i, err)
				}
			}
			j.Close(contextBackground)
		}
	}
}

// Requirement: FM-05
func TestRawStorageHoldsNoPlainData(t *testing.T) {
	disk := powercut.New()
	d := journal.Draft{Kind: 1, Time: time.UnixMilli(1_800_000_000_000), Body: []byte("a bottle of wine, 12.50"), Numbers: []proof.Number{{Tag: 1, Value: 0x1122334455667788}}}
	j, err := journal.Create(contextBackground, cutDir, origin, []journal.Draft{d}, keyed(disk))
	if err != nil {
		t.Fatal(err)
	}
	e, err := j.Entry(contextBackground, 0)
	if err != nil {
		t.Fatal(err)
	}
	j.Close(contextBackground)
	for _, name := range []string{"00000001.seg", "JOURNAL", "cache/tree", "cache/offsets"} {
		raw, err := disk.ReadFile(cutDir + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for what, plain := range map[string][]byte{"body": d.Body, "part of the body": []byte("12.50"), "head": e.HeadBytes, "time and number": e.HeadBytes[12:20], "salt": e.Salt[:]} {
			if bytes.Contains(raw, plain) {
				t.Errorf("%s holds the %s in plain", name, what)
			}
		}
	}
}

// Requirement: FM-05
func TestErasingAMonthsKeyErasesItsEntriesAndNothingElse(t *testing.T) {
	keys := journaltest.NewKeys()
	opts := keyed(powercut.New())
	opts.Keys = keys
	july := journal.Draft{Kind: 1, Time: time.Date(2026, 7, 31, 23, 59, 59, 0, time.UTC), Body: []byte("july")}
	august := journal.Draft{Kind: 1, Time: time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC), Body: []byte("august")}
	j, err := journal.Create(contextBackground, cutDir, origin, []journal.Draft{july, july, august}, opts)
	if err != nil {
		t.Fatal(err)
	}
	j.Close(contextBackground)
	keys.Erase(202607)
	if j, _, err = journal.Open(contextBackground, cutDir, opts); err != nil {
		t.Fatal(err)
	}
	defer j.Close(contextBackground)
	var got []error
	for _, err := range j.Entries(contextBackground, 0, 3) {
		got = append(got, err)
	}
	if len(got) != 3 || !errors.Is(got[0], journal.ErrErased) || !errors.Is(got[1], journal.ErrErased) || got[2] != nil {
		t.Errorf("Entries = %v, want two erased and one whole", got)
	}
	if _, _, err := j.Prove(contextBackground, 0, 3); err != nil {
		t.Errorf("proof of an erased entry: %v", err)
	}
	keys.Erase(202608)
	j.ForgetKeys()
	if _, err := j.Entry(contextBackground, 2); !errors.Is(err, journal.ErrErased) {
		t.Errorf("Entry after its key was destroyed in a running process = %v, want ErrErased", err)
	}
	if _, err := j.Stage(august); !errors.Is(err, journal.ErrErased) {
		t.Errorf("Stage without a key = %v, want ErrErased", err)
	}
}
