package till

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
)

// restart does to the node what loss of power and a start do, as far as steps of updates
// go: what is known comes from the journal, by way of a snapshot.
func (n *Node) restart(t testing.TB) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	text, err := n.state.Snapshot()
	must(t, err)
	n.state, err = fiscal.Restore(text)
	must(t, err)
	n.updating.told = map[string]bool{}
}

// refolds reports whether the journal from its first entry tells what the state says.
func (n *Node) refolds(t testing.TB) bool {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	was, err := json.Marshal(n.state.Updates)
	must(t, err)
	_, err = n.foldTail(t.Context())
	must(t, err)
	is, err := json.Marshal(n.state.Updates)
	must(t, err)
	return string(was) == string(is)
}

// history is that of one release as the journal has it.
func (n *Node) history(t testing.TB, from uint64) *fiscal.SoftwareHistory {
	t.Helper()
	h := new(fiscal.SoftwareHistory)
	for e, err := range n.journal.Entries(t.Context(), from, n.journal.Size()) {
		if errors.Is(err, journal.ErrDamaged) {
			h.Missing()
			continue
		}
		must(t, err)
		h.Entry(e.Head, e.Body)
	}
	return h
}

// plan is what happens to one release: steps that wait or fail before they are done, and
// what the launcher logs.
func plan(t *rapid.T, digest string) (out []fiscal.SoftwareStage) {
	add := func(stage, outcome, detail string) {
		out = append(out, fiscal.SoftwareStage{Stage: stage, Outcome: outcome, Detail: detail, Identity: "0PLMTIL02-20261122", Counter: 2, Manifest: digest})
	}
	for _, stage := range fiscal.SoftwareStages()[1:12] { // announced to pointer
		for i := range rapid.IntRange(0, 2).Draw(t, "waits") {
			add(stage, rapid.SampledFrom([]string{fiscal.OutcomeWaiting, fiscal.OutcomeFailed}).Draw(t, "outcome"), fmt.Sprintf("reason %d", i))
		}
		if stage == fiscal.StageInstalled || stage == fiscal.StagePointer {
			add(stage, fiscal.OutcomeBegun, "")
		}
		add(stage, fiscal.OutcomeDone, "")
	}
	return out
}

// launcher is what its log says of a trial.
func launcher(t *rapid.T, first uint64) (out []fiscal.SoftwareStage) {
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	say := func(stage, outcome string) {
		out = append(out, fiscal.SoftwareStage{Stage: stage, Outcome: outcome, Line: first + uint64(len(out)), At: at.Add(time.Duration(len(out)) * time.Second), Detail: stage})
	}
	say(fiscal.StageLauncher, fiscal.OutcomeDone)
	for range rapid.IntRange(1, 3).Draw(t, "trials") {
		say(fiscal.StageTrial, fiscal.OutcomeBegun)
	}
	say(rapid.SampledFrom([]string{fiscal.StageKept, fiscal.StageFallenBack, fiscal.StageBlocked}).Draw(t, "end"), fiscal.OutcomeDone)
	return out
}

// Requirement: DL-09
func TestWhateverHappensTheHistoryOfAnUpdateIsCompleteAndInOrder(t *testing.T) {
	n := quiet(t)
	releases := 0
	rapid.Check(t, func(rt *rapid.T) {
		releases++
		digest := fmt.Sprintf("%064x", releases)
		from := n.journal.Size()
		now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC).Add(time.Duration(releases) * time.Hour)
		want := []string{}
		for _, b := range plan(rt, digest) {
			want = append(want, b.Stage+" "+b.Outcome+" "+b.Detail)
			// Power goes off after the entry and before the agent has noted that it is
			// there: it tells the step anew.
			for range 1 + rapid.IntRange(0, 2).Draw(rt, "cuts") {
				now = now.Add(time.Minute)
				b.At = now
				must(t, n.RecordStage(t.Context(), b))
				if rapid.Bool().Draw(rt, "again at once") { // the answer was lost, not the power
					must(t, n.RecordStage(t.Context(), b))
				}
				n.restart(t)
			}
		}
		last, _ := n.LauncherLine()
		lines := launcher(rt, last+1)
		for _, b := range lines {
			want = append(want, b.Stage+" "+b.Outcome+" "+b.Detail)
		}
		for { // copies the log from where the journal is, and is cut off again and again
			last, _ := n.LauncherLine()
			rest := lines[len(lines)-int(lines[len(lines)-1].Line-last):]
			if len(rest) == 0 {
				break
			}
			for _, b := range rest[:rapid.IntRange(1, len(rest)).Draw(rt, "copied")] {
				must(t, n.RecordStage(t.Context(), b))
			}
			n.restart(t)
		}
		h := n.history(t, from)
		got := []string{}
		for _, s := range h.Steps {
			got = append(got, s.Stage+" "+s.Outcome+" "+s.Detail)
			if s.Stage != fiscal.StageLauncher && (s.Manifest != digest || s.Identity != "0PLMTIL02-20261122") {
				rt.Errorf("%s is about %s %s", s.Stage, s.Identity, s.Manifest)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Errorf("history (-want +got):\n%s", diff)
		}
		end := lines[len(lines)-1]
		if l := n.state.Updates.Last; l.Outcome != end.Stage || l.Manifest != digest || !l.At.Equal(end.At) {
			rt.Errorf("the last update ended %+v, want %s", l, end.Stage)
		}
	})
	if !n.refolds(t) {
		t.Error("the state is not what the journal tells")
	}
	check := fiscal.NewCheck(nil)
	for e, err := range n.journal.Entries(t.Context(), 0, n.journal.Size()) {
		must(t, err)
		for _, f := range check.Entry(e.Head, e.Body) {
			t.Error(f)
		}
	}
}

// Requirement: DL-09
func TestAStepToldTwiceInOneRunIsTwoAndOneToldAnewAfterAStartNamesTheFirst(t *testing.T) {
	n := quiet(t)
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	tell := func() {
		now = now.Add(time.Minute)
		must(t, n.RecordStage(t.Context(), fiscal.SoftwareStage{Stage: fiscal.StageDownloaded, Outcome: fiscal.OutcomeFailed, At: now, Detail: "from here: no route"}))
	}
	from := n.journal.Size()
	tell()
	tell()
	if got := len(n.history(t, from).Steps); got != 2 {
		t.Errorf("%d steps, want 2", got)
	}
	n.restart(t)
	tell()
	if got := len(n.history(t, from).Steps); got != 2 {
		t.Errorf("after a start %d steps, want 2", got)
	}
	if x := n.LastStage(fiscal.StageDownloaded); x.Again == nil || *x.Again != from+1 {
		t.Errorf("the entry names %v, want %d", x.Again, from+1)
	}
}

// Requirement: CU-19
func TestTwoReleasesOnTheirWayDoNotHideEachOthersSteps(t *testing.T) {
	n := quiet(t)
	now, from := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), n.journal.Size()
	tell := func(stage string, release int) {
		now = now.Add(time.Minute)
		must(t, n.RecordStage(t.Context(), fiscal.SoftwareStage{
			Stage: stage, Outcome: fiscal.OutcomeDone, At: now, Identity: "0PLMTIL02-20261122", Counter: uint64(release), Manifest: fmt.Sprintf("%064x", release),
		}))
	}
	for _, stage := range []string{fiscal.StageAnnounced, fiscal.StageDownloaded, fiscal.StageTransmission} {
		for _, release := range []int{7, 8} { // a platform and an application
			tell(stage, release)
		}
		n.restart(t)
		for _, release := range []int{8, 7} {
			tell(stage, release)
		}
	}
	if got := len(n.history(t, from).Steps); got != 6 {
		t.Errorf("%d steps, want 6", got)
	}
}

func TestALineOfTheLauncherIsWholeInTheJournal(t *testing.T) {
	n := quiet(t)
	text := strings.Repeat("ä", 117)
	must(t, n.RecordStage(t.Context(), fiscal.SoftwareStage{Stage: fiscal.StageLauncher, Outcome: fiscal.OutcomeDone, At: time.Now(), Line: 1, Detail: text}))
	if got := n.LastStage(fiscal.StageLauncher).Detail; got != text {
		t.Errorf("%d bytes of %d", len(got), len(text))
	}
}
