package journaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
)

// Origin is the origin of the suite's journals.
const Origin = "till/e1"

// Run shows that a journal on the given file system keeps its contract. newFS
// returns an empty directory on a file system for each test.
func Run(t *testing.T, newFS func(t *testing.T) (fsys durable.FS, dir string)) {
	tests := []struct {
		name string
		test func(*suite)
	}{
		{"indexes have no gaps and entries come back as staged", (*suite).roundTrip},
		{"times never go back", (*suite).clampsTime},
		{"what does not fit is refused and leaves no trace", (*suite).refusesTooLarge},
		{"drafts that cannot be encoded are refused", (*suite).refusesBadHead},
		{"keys that cannot be had refuse the draft", (*suite).refusesWithoutKey},
		{"receipts are signed over their own leaf", (*suite).signsReceipts},
		{"many writers at once", (*suite).manyWriters},
		{"proofs of every size verify", (*suite).proves},
		{"snapshot and tail", (*suite).snapshot},
		{"waiters learn of growth", (*suite).changed},
		{"anchors are told at close", (*suite).anchors},
		{"close ends everything", (*suite).closes},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			fsys, dir := newFS(t)
			c.test(newSuite(t, fsys, path.Join(dir, "e1"), path.Join(dir, "anchor")))
		})
	}
}

// suite is one test with its journal open.
type suite struct {
	*testing.T
	ctx    context.Context
	opts   journal.Options
	dir    string
	keys   *Keys
	signer *Signer
	j      *journal.Journal
	n      int
}

func newSuite(t *testing.T, fsys durable.FS, dir, anchor string) *suite {
	s := &suite{T: t, ctx: context.Background(), dir: dir, keys: NewKeys(), signer: NewSigner(Origin)}
	s.opts = journal.Options{FS: fsys, Keys: s.keys, Signer: s.signer, SegmentSize: 16 << 10, Anchors: []journal.Anchor{journal.FileAnchor(fsys, anchor)}}
	j, err := journal.Create(s.ctx, dir, Origin, []journal.Draft{s.draft()}, s.opts)
	if err != nil {
		t.Fatal(err)
	}
	s.j = j
	t.Cleanup(func() {
		s.j.Close(s.ctx)
		if err := s.signer.Breach(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *suite) draft() journal.Draft {
	s.n++
	return journal.Draft{
		Kind: proof.Kind(s.n), Time: time.UnixMilli(1_800_000_000_000 + int64(s.n)*1000), Uptime: time.Duration(s.n) * time.Second,
		Boot: [16]byte{7}, Command: [16]byte{byte(s.n)}, Numbers: []proof.Number{{Tag: 1, Value: int64(-s.n)}}, Body: fmt.Appendf(nil, "body %d", s.n),
	}
}

func (s *suite) append(drafts ...journal.Draft) *journal.Ticket {
	s.Helper()
	ticket, err := s.j.Append(s.ctx, drafts...)
	if err != nil {
		s.Fatal(err)
	}
	return ticket
}

func (s *suite) reopen() *journal.Recovery {
	s.Helper()
	if err := s.j.Close(s.ctx); err != nil {
		s.Fatal(err)
	}
	j, report, err := journal.Open(s.ctx, s.dir, s.opts)
	if err != nil {
		s.Fatal(err)
	}
	s.j = j
	return report
}

func (s *suite) roundTrip() {
	var want []journal.Draft
	for i := range 60 {
		drafts := []journal.Draft{s.draft()}
		if i%3 == 0 {
			drafts = append(drafts, s.draft(), s.draft())
		}
		if i == 30 {
			drafts[0].Body = bytes.Repeat([]byte("x"), 9000)
		}
		if ticket := s.append(drafts...); ticket.First() != uint64(1+len(want)) {
			s.Fatalf("First = %d, want %d", ticket.First(), 1+len(want))
		}
		want = append(want, drafts...)
	}
	for range 2 {
		s.compare(want)
		s.reopen()
	}
}

func (s *suite) compare(want []journal.Draft) {
	s.Helper()
	i := 0
	for e, err := range s.j.Entries(s.ctx, 1, s.j.Size()) {
		if err != nil {
			s.Fatal(err)
		}
		d := want[i]
		i++
		if e.Index() != uint64(i) || e.Head.Kind != d.Kind || e.Head.Time != d.Time.UnixMilli() || e.Head.Command != d.Command || !bytes.Equal(e.Body, d.Body) {
			s.Fatalf("entry %d is %+v, want %+v", i, e.Head, d)
		}
		if one, err := s.j.Entry(s.ctx, uint64(i)); err != nil || !bytes.Equal(one.HeadBytes, e.HeadBytes) {
			s.Fatalf("Entry(%d) differs from Entries: %v", i, err)
		}
	}
	if i != len(want) {
		s.Fatalf("%d entries, want %d", i, len(want))
	}
	if _, err := s.j.Entry(s.ctx, s.j.Size()); !errors.Is(err, journal.ErrNotFound) {
		s.Errorf("Entry past the end = %v, want ErrNotFound", err)
	}
}

func (s *suite) clampsTime() {
	late, early := s.draft(), s.draft()
	early.Time = late.Time.Add(-48 * time.Hour)
	s.append(late)
	h := s.append(early).Heads()[0]
	if h.Time != late.Time.UnixMilli() || h.Flags&proof.FlagClockUnsure == 0 {
		s.Errorf("head %+v, want time %d and the clock unsure", h, late.Time.UnixMilli())
	}
	s.reopen()
	if h := s.append(early).Heads()[0]; h.Time != late.Time.UnixMilli() {
		s.Errorf("after reopening: time %d, want %d", h.Time, late.Time.UnixMilli())
	}
}

func (s *suite) refusesTooLarge() {
	large := s.draft()
	large.Body = make([]byte, 16<<10)
	wide := s.draft()
	wide.Numbers = nil
	for tag := range 60 {
		wide.Numbers = append(wide.Numbers, proof.Number{Tag: uint8(tag + 1), Value: 1 << 60})
	}
	for name, d := range map[string]journal.Draft{"body": large, "head": wide} {
		if _, err := s.j.Stage(s.draft(), d); !errors.Is(err, journal.ErrTooLarge) {
			s.Errorf("Stage with a large %s = %v, want ErrTooLarge", name, err)
		}
	}
	if first := s.append(s.draft()).First(); first != 1 {
		s.Errorf("First = %d after refused drafts, want 1", first)
	}
}

func (s *suite) refusesBadHead() {
	flags, numbers := s.draft(), s.draft()
	flags.Flags = 0x80
	numbers.Numbers = []proof.Number{{Tag: 2}, {Tag: 1}}
	for _, d := range []journal.Draft{flags, numbers} {
		if _, err := s.j.Stage(d); err == nil || errors.Is(err, journal.ErrTooLarge) {
			s.Errorf("Stage(%+v) = %v, want an error of the head", d, err)
		}
	}
	if _, err := s.j.Stage(); err == nil {
		s.Error("Stage of nothing succeeded")
	}
}

func (s *suite) refusesWithoutKey() {
	s.keys.Fail(errors.New("no key"))
	d := s.draft()
	d.Time = d.Time.AddDate(0, 2, 0)
	if _, err := s.j.Stage(d); err == nil {
		s.Error("Stage without a key succeeded")
	}
	s.keys.Fail(nil)
	if first := s.append(d).First(); first != 1 {
		s.Errorf("First = %d, want 1", first)
	}
}

func (s *suite) signsReceipts() {
	a, b, c := s.draft(), s.draft(), s.draft()
	a.Sign, c.Sign = true, true
	ticket := s.append(a, b, c)
	for n, size := range []uint64{2, 4} {
		signed, err := ticket.SignedAt(s.ctx, n)
		if err != nil || signed.Checkpoint.Size != size {
			s.Fatalf("SignedAt(%d) = %+v, %v, want size %d", n, signed, err, size)
		}
		if leaf := proof.LeafHash(ticket.HeadBytes(int(size) - 2)); signed.Checkpoint.Leaf == nil || *signed.Checkpoint.Leaf != leaf {
			s.Errorf("receipt of size %d is not signed over its leaf", size)
		}
		if err := s.signer.Verifier().VerifyCheckpoint(signed.Checkpoint, signed.Sig); err != nil {
			s.Error(err)
		}
	}
	if _, err := s.append(s.draft()).Signed(s.ctx); !errors.Is(err, journal.ErrUnsigned) {
		s.Errorf("Signed of a draft without Sign = %v, want ErrUnsigned", err)
	}
	if report := s.reopen(); len(report.Due) > 0 {
		s.Errorf("signatures due after a clean close: %v", report.Due)
	}
}

func (s *suite) manyWriters() {
	const writers, each = 16, 12
	d := s.draft()
	d.Sign = true
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				mine := d
				mine.Body = fmt.Appendf(nil, "%d/%d", w, i)
				ticket, err := s.j.Append(s.ctx, mine, mine)
				if err == nil {
					_, err = ticket.Signed(s.ctx)
				}
				if err != nil {
					s.Error(err)
					return
				}
				if e, err := s.j.Entry(s.ctx, ticket.First()); err != nil || !bytes.Equal(e.Body, mine.Body) {
					s.Errorf("entry %d of writer %d: %v", i, w, err)
				}
			}
		})
	}
	wg.Wait()
	s.reopen()
	if got, want := s.j.Size(), uint64(1+2*writers*each); got != want {
		s.Errorf("Size = %d, want %d", got, want)
	}
	s.pairs()
}

// pairs checks that what was staged together stands together, in each writer's order.
func (s *suite) pairs() {
	var last string
	for e, err := range s.j.Entries(s.ctx, 1, s.j.Size()) {
		if err != nil {
			s.Fatal(err)
		}
		if e.Index()%2 == 0 && string(e.Body) != last {
			s.Fatalf("entry %d is %q, its other half %q", e.Index(), e.Body, last)
		}
		last = string(e.Body)
	}
}

func (s *suite) proves() {
	for range 12 {
		s.append(s.draft(), s.draft())
	}
	for range 2 {
		for size := uint64(1); size <= s.j.Size(); size++ {
			s.proveAll(size)
		}
		s.reopen()
	}
}

func (s *suite) proveAll(size uint64) {
	for i := range size {
		e, err := s.j.Entry(s.ctx, i)
		if err != nil {
			s.Fatal(err)
		}
		p, root, err := s.j.Prove(s.ctx, i, size)
		if err != nil {
			s.Fatal(err)
		}
		if err := tlog.CheckRecord(p, int64(size), root, int64(i), e.Leaf); err != nil {
			s.Errorf("entry %d in size %d: %v", i, size, err)
		}
	}
	head := s.j.Head()
	root, err := s.j.Root(s.ctx, size)
	if err != nil {
		s.Fatal(err)
	}
	p, err := s.j.Consistency(s.ctx, size, head.Size)
	if err != nil {
		s.Fatal(err)
	}
	if err := proof.CheckConsistency(p, head, proof.Checkpoint{Origin: Origin, Size: size, Root: root}); err != nil {
		s.Error(err)
	}
}

func (s *suite) snapshot() {
	if i, ok := s.j.Snapshot(); ok {
		s.Errorf("Snapshot = %d before there is one", i)
	}
	d := s.draft()
	d.Flags = proof.FlagSnapshot
	s.append(s.draft(), d, s.draft())
	s.append(s.draft())
	for range 2 {
		var tail []string
		for e, err := range s.j.Tail(s.ctx) {
			if err != nil {
				s.Fatal(err)
			}
			tail = append(tail, fmt.Sprint(e.Index()))
		}
		if got := strings.Join(tail, " "); got != "2 3 4" {
			s.Errorf("Tail = %s, want 2 3 4", got)
		}
		s.reopen()
	}
}

func (s *suite) changed() {
	select {
	case <-s.j.Changed(0):
	default:
		s.Error("Changed(0) of a journal with an entry is not closed")
	}
	changed := s.j.Changed(s.j.Size())
	s.append(s.draft())
	<-changed
}

func (s *suite) anchors() {
	s.append(s.draft())
	head := s.j.Head()
	report := s.reopen()
	if len(report.Anchors) != 1 || report.Anchors[0].Checkpoint.Size != head.Size || report.Anchors[0].Checkpoint.Root != head.Root {
		s.Errorf("anchors saw %+v, want %+v", report.Anchors, head)
	}
}

func (s *suite) closes() {
	ticket, err := s.j.Stage(s.draft())
	if err != nil {
		s.Fatal(err)
	}
	if err := s.j.Close(s.ctx); err != nil {
		s.Fatal(err)
	}
	if err := ticket.Wait(s.ctx); err != nil {
		s.Errorf("Wait for what was staged before Close = %v", err)
	}
	<-s.j.Done()
	if _, err := s.j.Stage(s.draft()); !errors.Is(err, journal.ErrStopped) {
		s.Errorf("Stage after Close = %v, want ErrStopped", err)
	}
	if err := s.j.Close(s.ctx); err != nil {
		s.Errorf("second Close = %v", err)
	}
}
