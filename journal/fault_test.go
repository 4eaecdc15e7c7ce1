package journal_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/journaltest"
)

var update = flag.Bool("update", false, "write golden files anew")

// play is a fixed course of a till's life: created, appended to until a segment
// is full, closed, opened, appended to, closed. It stops at the first error.
type play struct {
	disk   *powercut.Disk
	signer *referee
	staged [][]byte
	acked  int
}

func (p *play) options() journal.Options {
	o := keyed(p.disk)
	o.Signer = p.signer
	o.Anchors = []journal.Anchor{journal.FileAnchor(p.disk, anchorName)}
	return o
}

func (p *play) draft() journal.Draft {
	n := len(p.staged)
	body := append(fmt.Appendf(nil, "entry %d ", n), make([]byte, 1500)...)
	p.staged = append(p.staged, body)
	return journal.Draft{Kind: 1, Time: time.UnixMilli(1_800_000_000_000 + int64(n)), Body: body, Sign: n%2 == 0}
}

func (p *play) append(j *journal.Journal, times int) error {
	for range times {
		t, err := j.Append(contextBackground, p.draft())
		if err != nil {
			return err
		}
		p.acked = int(t.First()) + 1
	}
	return nil
}

func (p *play) run() error {
	j, err := journal.Create(contextBackground, cutDir, origin, []journal.Draft{p.draft()}, p.options())
	if err != nil {
		return err
	}
	p.acked = 1
	if err := errors.Join(p.append(j, 9), j.Close(contextBackground)); err != nil {
		return err
	}
	return p.goOn(2)
}

func (p *play) goOn(times int) error {
	j, _, err := journal.Open(contextBackground, cutDir, p.options())
	if err != nil {
		return err
	}
	return errors.Join(p.append(j, times), j.Close(contextBackground))
}

// check opens the journal after trouble and compares; it returns what was kept.
func (p *play) check(t *testing.T, what string, disk *powercut.Disk) {
	t.Helper()
	p.disk, p.signer = disk, newReferee(p.signer)
	j, report, err := journal.Open(contextBackground, cutDir, p.options())
	if errors.Is(err, journal.ErrNoJournal) && p.acked == 0 {
		p.staged = nil
		j, err = journal.Create(contextBackground, cutDir, origin, []journal.Draft{p.draft()}, p.options())
		report = &journal.Recovery{}
	}
	if err != nil {
		t.Fatalf("%s: open: %v", what, err)
	}
	defer j.Close(contextBackground)
	if n := int(j.Size()); n < p.acked || n > len(p.staged) || len(report.Holes) > 0 {
		t.Fatalf("%s: %d entries after %d acknowledged and %d staged, holes %v", what, n, p.acked, len(p.staged), report.Holes)
	}
	for e, err := range j.Entries(contextBackground, 0, j.Size()) {
		if err != nil || string(e.Body) != string(p.staged[e.Index()]) {
			t.Fatalf("%s: entry %v: %v", what, e.Head, err)
		}
	}
	p.staged = p.staged[:j.Size()]
	if err := p.append(j, 1); err != nil {
		t.Fatalf("%s: append after recovery: %v", what, err)
	}
	if p.signer.breach != nil {
		t.Fatalf("%s: %v", what, p.signer.breach)
	}
}

// afterwards is the disk as a new process finds it, and after a loss of power.
func (p *play) afterwards(t *testing.T, what string) {
	t.Helper()
	p.disk.Heal()
	p.check(t, what+", process restarted", p.disk.Clone())
	p.check(t, what+", then power lost", p.disk.Cut(nil, powercut.KeepNone))
}

// Requirement: FM-18
// Requirement: FM-02
func TestEachOperationOnTheDiskMayFail(t *testing.T) {
	whole := &play{disk: powercut.New(), signer: newReferee(nil)}
	if err := whole.run(); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for n := 1; n <= whole.disk.Ops(); n++ {
		for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
			for _, kept := range []bool{false, true} {
				for _, gate := range []bool{false, true} {
					what := fmt.Sprintf("operation %d (%v), %v, kept %v, gate %v", n, whole.disk.Log()[n-1], cause, kept, gate)
					p := &play{disk: powercut.New(), signer: newReferee(nil)}
					p.disk.GateSync(gate)
					p.disk.FailAt(n, cause, kept)
					if err := p.run(); err != nil {
						failed++
						if !errors.Is(err, cause) {
							t.Errorf("%s: error %v hides its cause", what, err)
						}
					}
					p.afterwards(t, what)
				}
			}
		}
	}
	t.Logf("%d operations, %d courses ended with an error", whole.disk.Ops(), failed)
}

// Requirement: FM-18
func TestADiskMayBeFullAtAnyPoint(t *testing.T) {
	for space := int64(0); space < 56<<10; space += 1 << 10 {
		p := &play{disk: powercut.New(), signer: newReferee(nil)}
		p.disk.LimitSpace(space)
		if err := p.run(); err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("space for %d bytes: %v", space, err)
		}
		p.afterwards(t, fmt.Sprintf("space for %d bytes", space))
	}
}

// Every call on the disk in its order: a forgotten sync shows up here as a difference.
func TestTheOrderOfDiskCallsIsAsWrittenDown(t *testing.T) {
	p := &play{disk: powercut.New(), signer: newReferee(nil)}
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
	golden(t, "disk-calls.txt", p.disk.LogText())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", name, diff)
	}
}

func TestAFailedSyncStopsTheJournalAndTellsEveryWaiter(t *testing.T) {
	disk := powercut.New()
	var events []journal.Event
	opts := keyed(disk)
	opts.Events = func(e journal.Event) { events = append(events, e) }
	j, err := journal.Create(contextBackground, cutDir, origin, drafts(1), opts)
	if err != nil {
		t.Fatal(err)
	}
	disk.FailWhen(func(op powercut.Op) bool { return op.Kind == "sync" }, syscall.EIO, false)
	var tickets []*journal.Ticket
	for range 3 {
		if ticket, err := j.Stage(drafts(1)...); err == nil {
			tickets = append(tickets, ticket)
		}
	}
	for _, ticket := range tickets {
		if err := ticket.Wait(contextBackground); !errors.Is(err, journal.ErrStopped) || !errors.Is(err, syscall.EIO) {
			t.Errorf("Wait = %v, want ErrStopped with its cause", err)
		}
	}
	<-j.Done()
	if _, err := j.Stage(drafts(1)...); !errors.Is(err, journal.ErrStopped) {
		t.Errorf("Stage = %v, want ErrStopped", err)
	}
	if e, err := j.Entry(contextBackground, 0); err != nil || e.Index() != 0 {
		t.Errorf("Entry(0) of a stopped journal: %v", err)
	}
	disk.Heal()
	if err := j.Close(contextBackground); !errors.Is(err, journal.ErrStopped) {
		t.Errorf("Close = %v, want ErrStopped", err)
	}
	if len(events) == 0 || events[len(events)-1].Kind != journal.Stopped {
		t.Errorf("events %v, want Stopped last", events)
	}
}

func TestASignerThatIsDownHoldsNothingUp(t *testing.T) {
	disk := powercut.New()
	signer := journaltest.NewSigner(origin)
	opts := keyed(disk)
	opts.Signer = signer
	j, err := journal.Create(contextBackground, cutDir, origin, drafts(1), opts)
	if err != nil {
		t.Fatal(err)
	}
	signer.Fail(errors.New("no answer"))
	receipt := drafts(1)
	receipt[0].Sign = true
	var tickets []*journal.Ticket
	for range 30 {
		ticket, err := j.Append(contextBackground, receipt...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ticket.Signed(contextBackground); !errors.Is(err, journal.ErrUnsigned) {
			t.Fatalf("Signed = %v, want ErrUnsigned", err)
		}
		tickets = append(tickets, ticket)
	}
	if err := j.Close(contextBackground); err != nil {
		t.Fatal(err)
	}
	signer.Fail(nil)
	j, report, err := journal.Open(contextBackground, cutDir, opts)
	if err != nil || len(report.Due) != len(tickets) {
		t.Fatalf("Open: %d signatures due, want %d: %v", len(report.Due), len(tickets), err)
	}
	if err := j.Close(contextBackground); err != nil {
		t.Fatal(err)
	}
	j, report, err = journal.Open(contextBackground, cutDir, opts)
	if err != nil || len(report.Due) != 0 {
		t.Fatalf("Open again: due %v: %v", report, err)
	}
	defer j.Close(contextBackground)
	s, ok := j.Checkpoint()
	if !ok || s.Checkpoint.Size != 31 || signer.Verifier().VerifyCheckpoint(s.Checkpoint, s.Sig) != nil {
		t.Errorf("Checkpoint = %+v, %v, want one of size 31 that verifies", s, ok)
	}
	if err := signer.Breach(); err != nil {
		t.Error(err)
	}
}
