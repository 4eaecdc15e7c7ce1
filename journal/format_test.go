package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/journaltest"
	"github.com/plomb-pos/plomb/journal/proof"
)

const version1 = "testdata/v1/till-e1"

// version1Root is the root of the 24 entries of the journal in testdata/v1. It
// never changes.
const version1Root = "W1ul1je7TlLexLppDdEIepSTGofC6kp76Nff4T9XoR0="

// version1Draft is what each of its entries was made from.
func version1Draft(n int) journal.Draft {
	d := journal.Draft{
		Kind: proof.Kind(n), Time: time.UnixMilli(1_790_000_000_000 + int64(n)*86_400_000), Uptime: time.Duration(n) * time.Minute,
		Boot: [16]byte{1, 2, 3}, Command: [16]byte{byte(n)}, Numbers: []proof.Number{{Tag: 1, Value: int64(n)}, {Tag: 9, Value: -int64(n) * 100}},
		Body: bytes.Repeat(fmt.Appendf(nil, "body of entry %d. ", n), 1+n*3), Sign: n%2 == 1,
	}
	if n == 10 {
		d.Flags = proof.FlagSnapshot
	}
	return d
}

func writeVersion1(t *testing.T) {
	t.Helper()
	opts := realOptions()
	opts.SegmentSize = 8 << 10
	j, err := journal.Create(contextBackground, version1, origin, []journal.Draft{version1Draft(0)}, opts.Serial())
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 24; n += 2 {
		ds := []journal.Draft{version1Draft(n)}
		if n < 23 {
			ds = append(ds, version1Draft(n+1))
		}
		if _, err := j.Append(contextBackground, ds...); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(contextBackground); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"LOCK", "cache"} {
		if err := os.RemoveAll(filepath.Join(version1, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// A journal of every version ever released is opened and read for ever.
func TestAJournalOfVersion1IsReadForEver(t *testing.T) {
	if _, err := os.Stat(version1); errors.Is(err, os.ErrNotExist) && *update {
		writeVersion1(t)
	}
	dir := filepath.Join(t.TempDir(), "e1")
	if err := os.CopyFS(dir, os.DirFS(version1)); err != nil {
		t.Fatal(err)
	}
	j, report, err := journal.Open(contextBackground, dir, realOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close(contextBackground)
	if report.Size != 24 || report.Root.String() != version1Root || len(report.Torn)+len(report.Holes)+len(report.Due) > 0 {
		t.Errorf("Open: %+v, want 24 whole entries with root %s", report, version1Root)
	}
	n := 0
	for e, err := range j.Entries(contextBackground, 0, 24) {
		if err != nil {
			t.Fatal(err)
		}
		compareVersion1(t, n, &e)
		n++
	}
	if at, ok := j.Snapshot(); !ok || at != 10 || n != 24 {
		t.Errorf("snapshot %d %v of %d entries, want 10 of 24", at, ok, n)
	}
	s, ok := j.Checkpoint()
	if !ok || s.Checkpoint.Size != 24 || journaltest.NewSigner(origin).Verifier().VerifyCheckpoint(s.Checkpoint, s.Sig) != nil {
		t.Errorf("Checkpoint = %+v %v, want a signature over size 24", s, ok)
	}
}

func compareVersion1(t *testing.T, n int, e *journal.Entry) {
	t.Helper()
	want := version1Draft(n)
	h := e.Head
	if h.Kind != want.Kind || h.Time != want.Time.UnixMilli() || h.Flags != want.Flags || h.Uptime != uint64(want.Uptime.Milliseconds()) ||
		h.Command != want.Command || h.Boot != want.Boot || h.Numbers[1] != want.Numbers[1] || !bytes.Equal(e.Body, want.Body) || e.Sign != want.Sign {
		t.Errorf("entry %d reads as %+v", n, h)
	}
}

func TestAJournalOfAnUnknownVersionIsRefused(t *testing.T) {
	dir := createReal(t)
	name := filepath.Join(dir, "JOURNAL")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("plomb journal 1"), []byte("plomb journal 2"), 1)
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := journal.Open(contextBackground, dir, realOptions()); !errors.Is(err, journal.ErrVersion) {
		t.Errorf("Open = %v, want ErrVersion", err)
	}
}

func TestOpenNeverMakesAJournalAndCreateNeverOpensOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "e1")
	if _, _, err := journal.Open(contextBackground, dir, realOptions()); !errors.Is(err, journal.ErrNoJournal) {
		t.Errorf("Open of nothing = %v, want ErrNoJournal", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open made %s: %v", dir, err)
	}
	if _, err := journal.Create(contextBackground, createReal(t), origin, drafts(1), realOptions()); !errors.Is(err, journal.ErrExists) {
		t.Errorf("Create over a journal = %v, want ErrExists", err)
	}
}
