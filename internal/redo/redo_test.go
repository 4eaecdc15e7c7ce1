package redo_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/internal/redo"
)

const (
	logName   = "/log"
	storeName = "/store"
)

var key = bytes.Repeat([]byte{3}, 32)

// store is a slow store as the log knows one: a file that is replaced whole, with
// the mark in it. It holds the changes in the order in which it took them.
type store struct {
	fs      durable.FS
	mark    redo.Mark
	changes []uint64
}

func openStore(t *testing.T, fs durable.FS) *store {
	t.Helper()
	s := &store{fs: fs}
	b, err := durable.ReadFile(fs, storeName, 1<<24)
	if err != nil {
		t.Fatal(err)
	}
	s.mark = redo.Mark{Session: binary.BigEndian.Uint64(b), Number: binary.BigEndian.Uint64(b[8:])}
	for b = b[16:]; len(b) > 0; b = b[8:] {
		s.changes = append(s.changes, binary.BigEndian.Uint64(b))
	}
	return s
}

func (s *store) take(mark redo.Mark, changes ...uint64) error {
	next := append(slices.Clone(s.changes), changes...)
	b := binary.BigEndian.AppendUint64(nil, mark.Session)
	b = binary.BigEndian.AppendUint64(b, mark.Number)
	for _, c := range next {
		b = binary.BigEndian.AppendUint64(b, c)
	}
	if err := durable.Replace(s.fs, storeName, b); err != nil {
		return err
	}
	s.mark, s.changes = mark, next
	return nil
}

// shop is store and log together, as the vault has them.
type shop struct {
	store   *store
	log     *redo.Log
	waiting []uint64 // in the log only
}

func openShop(t *testing.T, fs durable.FS) *shop {
	t.Helper()
	s := &shop{store: openStore(t, fs)}
	l, records, err := redo.Open(fs, logName, key, s.store.mark)
	if err != nil {
		t.Fatal(err)
	}
	if n := redo.Missing(records, s.store.mark); n != 0 {
		t.Fatalf("%d records are missing", n)
	}
	var found []uint64
	for _, r := range records {
		found = append(found, changeIn(t, r.Data))
	}
	session := s.store.mark.Session + 1
	if err := s.store.take(redo.Mark{Session: session}, found...); err != nil {
		t.Fatal(err)
	}
	l.Begin(session)
	s.log = l
	return s
}

// change is a number in a text of some length.
func change(n uint64, length int) []byte {
	return append(binary.BigEndian.AppendUint64(nil, n), bytes.Repeat([]byte{byte(n)}, length)...)
}

func changeIn(t *testing.T, b []byte) uint64 {
	t.Helper()
	n := binary.BigEndian.Uint64(b)
	if !bytes.Equal(b, change(n, len(b)-8)) {
		t.Fatalf("change %d is not what was appended", n)
	}
	return n
}

func (s *shop) put(n uint64, length int) error {
	for {
		_, err := s.log.Append(change(n, length))
		if errors.Is(err, redo.ErrFull) {
			if err := s.fold(); err != nil {
				return err
			}
			continue
		}
		if err == nil {
			s.waiting = append(s.waiting, n)
		}
		return err
	}
}

func (s *shop) fold() error {
	last := s.log.Last()
	if err := s.store.take(last, s.waiting...); err != nil {
		return err
	}
	s.log.Stored(last.Number)
	s.waiting = nil
	return nil
}

func newDisk(t *testing.T) *powercut.Disk {
	t.Helper()
	disk := powercut.New()
	if err := disk.WriteFile(storeName, make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	return disk
}

// run appends changes from first on, on a disk that may be wrapped, and folds now
// and then; told hears of each that was acknowledged.
func run(t *testing.T, fs durable.FS, rng *rand.Rand, first uint64, count int, trying, told func(uint64)) {
	t.Helper()
	s := openShop(t, fs)
	for n := first; n < first+uint64(count); n++ {
		trying(n)
		length := rng.IntN(2000)
		if rng.IntN(10) == 0 {
			length = rng.IntN(redo.MaxRecord - 8)
		}
		if err := s.put(n, length); err != nil {
			t.Fatal(err)
		}
		told(n)
		if rng.IntN(20) == 0 {
			if err := s.fold(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// held is what is there after the next start.
func held(t *testing.T, fs durable.FS) []uint64 { return openShop(t, fs).store.changes }

// checkHeld wants 1, 2, 3 … up to acked or the one that was being tried.
func checkHeld(got []uint64, acked, tried uint64) error {
	for i, n := range got {
		if n != uint64(i)+1 {
			return fmt.Errorf("change %d stands at place %d", n, i+1)
		}
	}
	if n := uint64(len(got)); n < acked || n > tried {
		return fmt.Errorf("%d changes are there, %d were acknowledged, %d tried", n, acked, tried)
	}
	return nil
}

// cutEverywhere runs, loses power at every operation, and goes on from there into
// a second loss of power; it returns the first breach.
func cutEverywhere(t *testing.T, seed uint64, wrap func(durable.FS) durable.FS) (cuts int, breach error) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	disk := newDisk(t)
	var tried, acked uint64
	disk.Before(func(powercut.Op) {
		if breach != nil || rng.IntN(3) > 0 {
			return
		}
		cuts++
		after := disk.Cut(rng, powercut.AnyKeep(rng))
		got := held(t, after.Clone())
		if breach = checkHeld(got, acked, tried); breach != nil || rng.IntN(4) > 0 {
			return
		}
		breach = cutAgain(t, rng, after, wrap)
	})
	run(t, wrap(disk), rng, 1, 60, func(n uint64) { tried = n }, func(n uint64) { acked = n })
	return cuts, breach
}

func cutAgain(t *testing.T, rng *rand.Rand, disk *powercut.Disk, wrap func(durable.FS) durable.FS) (breach error) {
	t.Helper()
	first := uint64(len(held(t, disk.Clone()))) + 1
	tried, acked := first-1, first-1
	disk.Before(func(powercut.Op) {
		if breach == nil && rng.IntN(8) == 0 {
			breach = checkHeld(held(t, disk.Cut(rng, powercut.AnyKeep(rng))), acked, tried)
		}
	})
	run(t, wrap(disk), rng, first, 5, func(n uint64) { tried = n }, func(n uint64) { acked = n })
	return breach
}

func TestNothingAcknowledgedIsLostWhereverPowerIsLost(t *testing.T) {
	cuts, seed := 0, rand.Uint64()
	t.Logf("seed %d", seed)
	for i := range uint64(12) {
		n, breach := cutEverywhere(t, seed+i, func(fs durable.FS) durable.FS { return fs })
		if breach != nil {
			t.Fatalf("seed %d: %v", seed+i, breach)
		}
		cuts += n
	}
	if cuts < 100 {
		t.Errorf("only %d cuts", cuts)
	}
}

// forgetful leaves out the sync of every record.
type forgetful struct{ durable.FS }

func (f forgetful) Open(name string) (durable.File, error) {
	file, err := f.FS.Open(name)
	if name == logName && err == nil {
		file = unsynced{file}
	}
	return file, err
}

type unsynced struct{ durable.File }

func (unsynced) Sync() error { return nil }

func TestTheCutsFindALogThatDoesNotSync(t *testing.T) {
	for seed := range uint64(5) {
		if _, breach := cutEverywhere(t, seed, func(fs durable.FS) durable.FS { return forgetful{fs} }); breach != nil {
			return
		}
	}
	t.Error("a log that never syncs was not found out")
}

func TestAFailedSyncEndsTheLogAndLeavesAllOrNothing(t *testing.T) {
	for _, kept := range []bool{false, true} {
		disk := newDisk(t)
		s := openShop(t, disk)
		if err := s.put(1, 10); err != nil {
			t.Fatal(err)
		}
		disk.GateSync(true)
		disk.FailWhen(func(op powercut.Op) bool { return op.Name == logName && op.Kind == "sync" }, errors.New("broken"), kept)
		if n, err := s.log.Append(change(2, 10)); !errors.Is(err, redo.ErrFailed) || n != 2 {
			t.Errorf("Append on a broken disk = %d, %v", n, err)
		}
		disk.Heal()
		if _, err := s.log.Append(change(3, 10)); !errors.Is(err, redo.ErrFailed) {
			t.Errorf("Append after a failure = %v", err)
		}
		if err := checkHeld(held(t, disk.Clone()), 1, 2); err != nil {
			t.Error(err)
		}
	}
}

func TestTheLogRefusesWhatDoesNotFit(t *testing.T) {
	s := openShop(t, newDisk(t))
	if _, err := s.log.Append(make([]byte, redo.MaxRecord+1)); !errors.Is(err, redo.ErrTooLarge) {
		t.Errorf("Append of too much = %v", err)
	}
	count := 0
	for {
		_, err := s.log.Append(change(uint64(count+1), 100_000))
		if errors.Is(err, redo.ErrFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	if count != 5 || s.log.Used() < 500_000 {
		t.Errorf("%d records of 100 kB fit, %d bytes used", count, s.log.Used())
	}
	s.log.Stored(1)
	if _, err := s.log.Append(change(11, 90_000)); err != nil {
		t.Errorf("Append into the room of what is stored = %v", err)
	}
	if _, err := s.log.Append(change(12, 90_000)); !errors.Is(err, redo.ErrFull) {
		t.Errorf("Append over what is not stored = %v", err)
	}
}

func TestRecordsOfAnotherSessionKeyOrPlaceAreNotTaken(t *testing.T) {
	disk := newDisk(t)
	s := openShop(t, disk)
	for n := range uint64(3) {
		if err := s.put(n+1, 600); err != nil {
			t.Fatal(err)
		}
	}
	image, err := disk.ReadFile(logName)
	if err != nil {
		t.Fatal(err)
	}
	mark := s.store.mark
	records := func(image []byte, key []byte, mark redo.Mark) int {
		other := powercut.New()
		if err := other.WriteFile(logName, image); err != nil {
			t.Fatal(err)
		}
		_, list, err := redo.Open(other, logName, key, mark)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	moved := slices.Clone(image)
	copy(moved[100*512:], image[:4*512])
	flipped := slices.Clone(image)
	flipped[600] ^= 1
	for what, got := range map[string][2]int{
		"as it is":             {records(image, key, mark), 3},
		"behind a mark":        {records(image, key, redo.Mark{Session: mark.Session, Number: 2}), 1},
		"of another session":   {records(image, key, redo.Mark{Session: mark.Session + 1}), 0},
		"under another key":    {records(image, bytes.Repeat([]byte{4}, 32), mark), 0},
		"copied elsewhere":     {records(moved, key, mark), 3},
		"with a bit inverted":  {records(flipped, key, mark), 2},
		"in a shortened file":  {records(image[:512], key, mark), 0},
		"in a file of nothing": {records(make([]byte, redo.Size), key, mark), 0},
	} {
		if got[0] != got[1] {
			t.Errorf("records %s: %d, want %d", what, got[0], got[1])
		}
	}
	if bytes.Contains(image, bytes.Repeat([]byte{1}, 20)) {
		t.Error("a change can be read in the file")
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("plrd\x01"), 0)
	f.Add(bytes.Repeat([]byte{0xff}, 600), 512)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		image := make([]byte, redo.Size)
		copy(image[max(0, min(at, redo.Size)):], b)
		disk := powercut.New()
		if err := disk.WriteFile(logName, image); err != nil {
			t.Fatal(err)
		}
		_, records, err := redo.Open(disk, logName, key, redo.Mark{})
		if err != nil || len(records) > 0 {
			t.Errorf("Open = %d records, %v", len(records), err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	fs := durable.OS{}
	l, _, err := redo.Open(fs, b.TempDir()+"/log", key, redo.Mark{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	l.Begin(1)
	data := make([]byte, 1500)
	for b.Loop() {
		n, err := l.Append(data)
		if err != nil {
			b.Fatal(err)
		}
		l.Stored(n)
	}
}
