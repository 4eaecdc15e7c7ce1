package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/journaltest"
	"github.com/plomb-pos/plomb/journal/proof"
)

const readOrigin = "till-read/e1"

var readTime = time.Date(2026, 11, 30, 23, 59, 50, 0, time.UTC)

// written is a journal of n entries in small segments, over the end of a month.
func written(t *testing.T, n int) (dir string, j *journal.Journal, keys *journaltest.Keys) {
	t.Helper()
	ctx := context.Background()
	dir, keys = filepath.Join(t.TempDir(), "e1"), journaltest.NewKeys()
	opts := journal.Options{Keys: keys, Signer: journaltest.NewSigner(readOrigin), SegmentSize: 16 << 10}
	j, err := journal.Create(ctx, dir, readOrigin, []journal.Draft{readDraft(0)}, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close(ctx) })
	for i := 1; i < n; {
		var drafts []journal.Draft
		for range min(1+i%4, n-i) {
			drafts = append(drafts, readDraft(i))
			i++
		}
		if _, err := j.Append(ctx, drafts...); err != nil {
			t.Fatal(err)
		}
	}
	return dir, j, keys
}

func readDraft(i int) journal.Draft {
	return journal.Draft{
		Kind: proof.Kind(i%5 + 1), Time: readTime.Add(time.Duration(i) * 100 * time.Millisecond),
		Body: fmt.Appendf(nil, `{"entry":%d,"filler":"%0*d"}`, i, i%200, i), Sign: i%3 == 0,
	}
}

// leaves collects what Entries gives: leaf hashes, and at which indexes errors came.
func leaves(t *testing.T, r *journal.ReadOnly, from, to uint64) (got []tlog.Hash, failed map[uint64]error) {
	t.Helper()
	failed = map[uint64]error{}
	i := from
	for e, err := range r.Entries(context.Background(), from, to) {
		if err != nil {
			failed[i] = err
		} else if e.Index() != i || proof.LeafHash(e.HeadBytes) != e.Leaf {
			t.Errorf("entry %d comes as %d, leaf %v", i, e.Index(), e.Leaf)
		}
		got = append(got, e.Leaf)
		i++
	}
	return got, failed
}

// Requirement: FM-02
func TestAJournalIsReadWithoutItsLockWhileItIsWritten(t *testing.T) {
	const n = 300
	dir, j, keys := written(t, n)
	r, err := journal.OpenReadOnly(dir, journal.ReadOptions{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	var want []tlog.Hash
	for e, err := range j.Entries(context.Background(), 0, n) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, e.Leaf)
	}
	for from := uint64(0); from < n; from += 37 {
		got, failed := leaves(t, r, from, n+5)
		if diff := cmp.Diff(want[from:], got); diff != "" || len(failed) > 0 {
			t.Errorf("Entries(%d): %v\n%s", from, failed, diff)
		}
	}
	if got, _ := leaves(t, r, 10, 12); len(got) != 2 {
		t.Errorf("Entries(10, 12) gives %d entries", len(got))
	}
	if _, err := j.Append(context.Background(), readDraft(n)); err != nil {
		t.Fatal(err)
	}
	if got, failed := leaves(t, r, 0, n+5); len(got) != n+1 || len(failed) > 0 {
		t.Errorf("after one more append: %d entries, %v", len(got), failed)
	}
}

func TestTheTreeReadFromTheFilesProvesEveryEntry(t *testing.T) {
	const n = 120
	dir, j, _ := written(t, n)
	if err := j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	r, err := journal.OpenReadOnly(dir, journal.ReadOptions{}) // no keys: leaf hashes stand in clear
	if err != nil {
		t.Fatal(err)
	}
	tree, err := r.Tree(context.Background())
	if err != nil || tree.Size() != n {
		t.Fatalf("Tree() = %d entries, %v", tree.Size(), err)
	}
	signed, ok := tree.Signed()
	if !ok || signed.Checkpoint.Size != n {
		t.Fatalf("signed are %d entries, want %d", signed.Checkpoint.Size, n)
	}
	key := journaltest.NewSigner(readOrigin).Verifier()
	if err := key.VerifyCheckpoint(signed.Checkpoint, signed.Sig); err != nil {
		t.Errorf("newest signature: %v", err)
	}
	for i := uint64(0); i < n; i += 3 {
		leaf, err := tree.Leaf(i)
		s, serr := r.SignatureOf(context.Background(), i, leaf)
		if err := errors.Join(err, serr, key.VerifyCheckpoint(s.Checkpoint, s.Sig)); err != nil || s.Checkpoint.Size != i+1 {
			t.Errorf("signature of receipt %d over %d entries: %v", i, s.Checkpoint.Size, err)
		}
	}
	if _, err := r.SignatureOf(context.Background(), 1, tlog.Hash{}); !errors.Is(err, journal.ErrUnsigned) {
		t.Errorf("signature of an entry that is no receipt: %v", err)
	}
	for i := range uint64(n) {
		p, err := tree.Prove(i, n)
		leaf, lerr := tree.Leaf(i)
		if err = errors.Join(err, lerr, proof.CheckInclusion(p, signed.Checkpoint, i, leaf)); err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
	}
	if _, err := tree.Prove(n, n); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("Prove(%d, %d): %v", n, n, err)
	}
	if _, failed := leaves(t, r, 0, n); len(failed) != n || !errors.Is(failed[0], journal.ErrErased) {
		t.Errorf("without keys %d entries are erased", len(failed))
	}
}

// Requirement: POS-08
func TestADamagedEntryIsNamedAndTheOthersAreRead(t *testing.T) {
	const n, hit = 60, 33
	dir, j, keys := written(t, n)
	segment, offset, err := j.Place(hit)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	flip(t, filepath.Join(dir, fmt.Sprintf("%08d.seg", segment)), int64(offset)+80)
	r, err := journal.OpenReadOnly(dir, journal.ReadOptions{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	got, failed := leaves(t, r, 0, n)
	var hole *journal.HoleError
	if len(got) != n || len(failed) != 1 || !errors.As(failed[hit], &hole) || hole.From != hit || hole.To != hit+1 {
		t.Fatalf("%d entries, errors %v; want a hole at %d", len(got), failed, hit)
	}
	tree, err := r.Tree(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if leaf, _ := tree.Leaf(hit); leaf != got[hit] {
		t.Error("the hole's leaf hash is not the one in the tree")
	}
}

func TestAMonthWithoutKeyIsToldAndTheOtherIsRead(t *testing.T) {
	const n = 150
	dir, _, keys := written(t, n)
	keys.Erase(202611)
	r, err := journal.OpenReadOnly(dir, journal.ReadOptions{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	got, failed := leaves(t, r, 0, n)
	for i := range uint64(n) {
		erased := readTime.Add(time.Duration(i)*100*time.Millisecond).Month() == time.November
		if errors.Is(failed[i], journal.ErrErased) != erased || got[i] == (tlog.Hash{}) {
			t.Errorf("entry %d: erased %v, error %v, leaf %v", i, erased, failed[i], got[i])
		}
	}
}

func TestAGroupThatPowerLossToreIsNotThere(t *testing.T) {
	const n = 30 // ends within a segment
	dir, j, keys := written(t, n)
	if err := j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	r, err := journal.OpenReadOnly(dir, journal.ReadOptions{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	segment, offset, err := j.Place(n - 1)
	if err != nil {
		t.Fatal(err)
	}
	zeroFrom(t, filepath.Join(dir, fmt.Sprintf("%08d.seg", segment)), int64(offset)+16)
	got, failed := leaves(t, r, 0, n)
	if len(got) >= n || len(got) < n-4 || len(failed) > 0 {
		t.Errorf("%d entries, errors %v; want the last group to be missing", len(got), failed)
	}
}

func flip(t *testing.T, name string, at int64) {
	t.Helper()
	change(t, name, func(b []byte) { b[at] ^= 1 })
}

func zeroFrom(t *testing.T, name string, at int64) {
	t.Helper()
	change(t, name, func(b []byte) { clear(b[at:]) })
}

func change(t *testing.T, name string, f func([]byte)) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f(b)
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
