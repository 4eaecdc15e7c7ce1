package software_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/software"
	"github.com/plomb-pos/plomb/till/tilltest"
	"github.com/plomb-pos/plomb/update"
)

// repositories are a device's, as the till hears of them.
type repositories struct {
	mu        sync.Mutex // guards the rest: the node asks while a test changes it
	version   int64
	older     string
	withdrawn []till.Withdrawal
}

func (r *repositories) config() software.Config {
	return software.Config{
		Withdrawn: func() []till.Withdrawal { _, _, w := r.now(); return w },
		Metadata: &software.Metadata{Older: func() string { _, older, _ := r.now(); return older }, Seen: func() *fiscal.Metadata {
			version, _, _ := r.now()
			sum := strings.Repeat("a", 64)
			return &fiscal.Metadata{Scope: "application", Device: sum, Policy: 1, Parties: []fiscal.PartyMetadata{{Party: "maker", Anchor: sum, Root: 1, Timestamp: version}}}
		}},
	}
}

func (r *repositories) now() (version int64, older string, withdrawn []till.Withdrawal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.version, r.older, r.withdrawn
}

func (r *repositories) set(version int64, older string, withdrawn ...till.Withdrawal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.version, r.older, r.withdrawn = version, older, withdrawn
}

// seen is what the journal says, 0: nothing.
func (s *shop) seen() int64 {
	m := s.Node.Metadata("application")
	if m == nil {
		return 0
	}
	return m.Parties[0].Timestamp
}

// Requirement: CU-10
// Requirement: DL-09
func TestWhatWasSeenOfTheRepositoriesTravelsWithTheStepsOfAnUpdate(t *testing.T) {
	r := &repositories{}
	s := open(t, r.config())
	must(t, s.Look(t.Context()))
	if steps := s.steps(); len(steps) != 0 {
		t.Fatalf("before anything was heard: %q", steps)
	}
	for version := range int64(50) { // a day of polling
		r.set(version+1, "")
		must(t, s.Look(t.Context()))
	}
	if steps := s.steps(); len(steps) != 1 || steps[0] != "metadata done" || s.seen() != 1 {
		t.Fatalf("%q, seen %d", steps, s.seen())
	}
	s.record(event(0, update.Announced, update.Done))
	s.record(event(1, update.Downloaded, update.Done))
	if s.seen() != 50 {
		t.Errorf("after a step: seen %d", s.seen())
	}
	s.cut()
	if s.seen() != 50 {
		t.Errorf("after a power cut: seen %d", s.seen())
	}
	must(t, s.Look(t.Context()))
	s.Close()
	s.verify()
}

// Requirement: CU-10
func TestOlderMetadataPutBackAreAnEntryAndNeitherBelievedNorAWayOutOfAWithdrawal(t *testing.T) {
	r := &repositories{version: 9}
	s := open(t, r.config())
	must(t, s.Look(t.Context()))
	r.set(9, "", till.Withdrawal{By: "ptb", Reason: "wrong rounding", Action: "block", Blocks: true})
	must(t, s.Look(t.Context()))

	s.cut() // and the device's folder is put back
	const older = "maker: timestamp 3, and 9 was seen"
	r.set(3, older)
	for range 5 {
		must(t, s.Look(t.Context()))
		s.record(event(0, update.Announced, update.Done))
	}
	want := []string{"metadata done", "withdrawn failed", "metadata failed", "announced done"}
	if got := s.steps(); strings.Join(got, ",") != strings.Join(want, ",") {
		t.Errorf("%q, not %q", got, want)
	}
	if s.seen() != 9 {
		t.Errorf("the journal believes %d", s.seen())
	}
	boss := s.As(staff.Supervisor)
	boss.Until(func(x till.State) bool { return x.Software.Stopped == "software-blocked" })
	last := s.history()[2]
	if !strings.Contains(last.Detail, older) {
		t.Errorf("it says %q", last.Detail)
	}

	r.set(10, "")
	must(t, s.Look(t.Context()))
	if got := s.steps(); got[len(got)-2] != "metadata done" || got[len(got)-1] != "withdrawn done" || s.seen() != 10 {
		t.Errorf("mended: %q, seen %d", got, s.seen())
	}
	boss.Until(func(x till.State) bool { return x.Software.Stopped == "" })
	s.Close()
	s.verify()
}

// Requirement: CU-08
func TestATillThatMayFallBackToAnOlderProgramWritesNothingThatItCannotRead(t *testing.T) {
	r := &repositories{version: 4}
	format := 1
	s := open(t, r.config(), tilltest.With(func(o *till.Options) { o.Format = format }))
	must(t, s.Look(t.Context()))
	s.record(event(0, update.Announced, update.Done))
	r.set(4, "maker: timestamp 1")
	must(t, s.Look(t.Context()))
	if got := s.steps(); len(got) != 1 || s.seen() != 0 || s.Node.JournalFormat() != 1 {
		t.Errorf("%q, seen %d, format %d", got, s.seen(), s.Node.JournalFormat())
	}
	_ = s.Node.RecordStage(t.Context(), fiscal.SoftwareStage{Stage: fiscal.StageMetadata, Outcome: fiscal.OutcomeDone})
	if got := s.steps(); len(got) != 1 {
		t.Errorf("it can be written all the same: %q", got)
	}
	r.set(4, "")
	format = 2 // the older program is gone
	s.cut()
	must(t, s.Look(t.Context()))
	if s.seen() != 4 || s.Node.JournalFormat() != 2 {
		t.Errorf("seen %d, format %d", s.seen(), s.Node.JournalFormat())
	}
	format = 1 // what is written is written
	s.cut()
	if s.Node.JournalFormat() != 2 {
		t.Errorf("format %d", s.Node.JournalFormat())
	}
}
