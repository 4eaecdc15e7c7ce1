package fiscal_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
)

func release(n int, trial bool) *fiscal.Release {
	return &fiscal.Release{
		Identity: fmt.Sprintf("0PLMTIL%02d-20261122", n), Scope: "application", Counter: uint64(n), Legal: true, Certificate: "DE-26-M-0001",
		Manifest: strings.Repeat(fmt.Sprint(n), 64), Signers: []string{"maker", "ptb"}, Slot: []string{"a", "b"}[n%2], Trial: trial,
	}
}

func history(x *till) *fiscal.SoftwareHistory {
	h := new(fiscal.SoftwareHistory)
	for i := range x.heads {
		h.Entry(x.heads[i], x.bodies[i])
	}
	return h
}

// Requirement: DL-10
func TestTheJournalTellsWhichSoftwareRan(t *testing.T) {
	x := newTill(t)
	x.record(&fiscal.SoftwareStart{Version: "1.0.0", Hash: "aa"})
	x.sell(sale.Sale, money.One, sale.Card)
	sold := x.now
	x.record(&fiscal.SoftwareStart{Version: "1.0.0", Hash: "aa", Clean: true})
	x.record(&fiscal.SoftwareChange{Old: "1.0.0", New: "2.0.0", Stage: "trial", Release: release(2, true)})
	x.record(&fiscal.SoftwareStart{Version: "2.0.0", Hash: "bb", Release: release(2, true)})
	x.record(&fiscal.SoftwareStart{Version: "2.0.0", Hash: "bb", Release: release(2, false)})
	x.record(&fiscal.SoftwareStart{Version: "1.0.0", Hash: "aa"})

	h := history(x)
	type run struct {
		Version, Program, Identity string
		Starts                     int
		Trial                      bool
	}
	var got []run
	for i, r := range h.Runs {
		g := run{Version: r.Version, Program: r.Program, Starts: r.Starts}
		if r.Release != nil {
			g.Identity, g.Trial = r.Release.Identity, r.Release.Trial
		}
		got = append(got, g)
		if i > 0 && !h.Runs[i-1].Until.Equal(r.From) {
			t.Errorf("run %d ends at %s, the next begins at %s", i-1, h.Runs[i-1].Until, r.From)
		}
	}
	want := []run{{"1.0.0", "aa", "", 2, false}, {"2.0.0", "bb", "0PLMTIL02-20261122", 1, true}, {"2.0.0", "bb", "0PLMTIL02-20261122", 1, false}, {"1.0.0", "aa", "", 1, false}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(h.Changes) != 1 || h.Changes[0].Stage != "trial" || h.Unread != 0 {
		t.Errorf("changes %+v, %d unread", h.Changes, h.Unread)
	}
	if first := h.Runs[0]; !first.From.Before(sold) || first.Seen.Before(sold) || !first.Until.After(first.Seen) {
		t.Errorf("the first run, in which something was sold at %s: %+v", sold, first)
	}
}

// Requirement: DL-09
// Requirement: DL-10
func TestEachChangeOfWhatRunsIsToldOnceByTheStartAfterIt(t *testing.T) {
	x := newTill(t)
	start := func(version string, r *fiscal.Release) (told string) {
		b := &fiscal.SoftwareStart{Version: version, Release: r}
		if c := x.state.NewSoftwareChange(b); c != nil {
			x.record(c)
			told = c.Stage
		}
		x.record(b)
		return told
	}
	for i, s := range []struct {
		version string
		release *fiscal.Release
		want    string
	}{
		{"1.0.0", nil, ""},                                   // as commissioned
		{"1.0.0", release(1, false), ""},                     // the launcher was there before anybody knew
		{"2.0.0", release(2, true), fiscal.ChangeTrial},      // tried
		{"2.0.0", release(2, true), ""},                      // tried once more
		{"2.0.0", release(2, false), fiscal.ChangeConfirmed}, // kept
		{"2.0.0", release(2, false), ""},
		{"3.0.0", release(3, true), fiscal.ChangeTrial},
		{"2.0.0", release(2, false), fiscal.ChangeFallenBack}, // the trial failed
		{"1.0.0", release(1, false), fiscal.ChangeFallenBack}, // the slot went bad
		{"1.0.1", nil, fiscal.ChangeInstalled},                // by hand
	} {
		if got := start(s.version, s.release); got != s.want {
			t.Errorf("start %d, of %s: %q, want %q", i, s.version, got, s.want)
		}
	}
	if n := len(history(x).Changes); n != 6 {
		t.Errorf("%d changes in the history", n)
	}
}

// Requirement: DL-09
// Requirement: DL-10
func TestTheHistoryHasEachStepOfAnUpdateOnceInOrder(t *testing.T) {
	x := newTill(t)
	x.update()
	var got []string
	h := history(x)
	for _, s := range h.Steps {
		got = append(got, s.Stage+" "+s.Outcome)
	}
	want := []string{
		"asked done", "announced done", "downloaded done", "transmission done", "authenticity done", "compatibility done", "certification done",
		"consent done", "gate waiting", "gate done", "installed begun", "installed done", "verified done", "pointer done",
		"trial begun", "kept done", "withdrawn failed", "freshness waiting",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(h.Consents) != 2 || *h.Steps[7].Consent != h.Consents[0].Index {
		t.Errorf("consents %+v", h.Consents)
	}
	if l := x.state.Updates.Last; l.Outcome != fiscal.StageKept || l.Identity != "0PLMTIL02-20261122" || l.From != "1.0.0" {
		t.Errorf("the state says of the last update %+v", l)
	}
}

func TestAConsentIsUsedUpByTheTrialItWasFor(t *testing.T) {
	x := newTill(t)
	r := release(2, false)
	x.step(fiscal.StageAnnounced, fiscal.OutcomeDone, nil)
	agreed := func() bool { d, ok := x.state.Updates.Decision(r.Manifest, fiscal.ForInstall); return ok && d.Agreed }
	x.consent()
	x.step(fiscal.StagePointer, fiscal.OutcomeBegun, nil)
	if !agreed() {
		t.Error("the consent is gone before the pointer was set")
	}
	x.step(fiscal.StagePointer, fiscal.OutcomeDone, nil)
	if agreed() {
		t.Error("the consent still counts when the pointer is set")
	}
	x.consent()
	x.line(1, fiscal.StageFallenBack, fiscal.OutcomeDone)
	if agreed() {
		t.Error("the consent still counts after the trial failed")
	}
}

func TestStepsThatMakeNoSenseAreRefused(t *testing.T) {
	x := newTill(t)
	later := uint64(1000)
	for name, edit := range map[string]func(*fiscal.SoftwareStage){
		"a stage":        func(b *fiscal.SoftwareStage) { b.Stage = "guessed" },
		"an outcome":     func(b *fiscal.SoftwareStage) { b.Outcome = "perhaps" },
		"no time":        func(b *fiscal.SoftwareStage) { b.At = time.Time{} },
		"two deciders":   func(b *fiscal.SoftwareStage) { b.By, b.Policy = "anna", true },
		"a digest":       func(b *fiscal.SoftwareStage) { b.Manifest = "22" },
		"an identity":    func(b *fiscal.SoftwareStage) { b.Identity = "2.0" },
		"future consent": func(b *fiscal.SoftwareStage) { b.Consent = &later },
		"future entry":   func(b *fiscal.SoftwareStage) { b.Again = &later },
	} {
		r := release(2, false)
		b := &fiscal.SoftwareStage{Stage: fiscal.StageGate, Outcome: fiscal.OutcomeDone, At: x.now, Identity: r.Identity, Manifest: r.Manifest}
		edit(b)
		if _, err := x.state.Draft(b); err == nil {
			t.Errorf("%s: it can be recorded", name)
		}
	}
}

func TestAnEntryThatCannotBeReadIsCounted(t *testing.T) {
	x := newTill(t)
	x.record(&fiscal.SoftwareStart{Version: "1.0.0"})
	h := history(x)
	h.Missing()
	h.Entry(x.heads[len(x.heads)-1], []byte("{"))
	if h.Unread != 2 || len(h.Runs) != 1 {
		t.Errorf("%d unread, runs %+v", h.Unread, h.Runs)
	}
}

func TestAStateRemembersTheReleaseThatRuns(t *testing.T) {
	x := newTill(t)
	x.record(&fiscal.SoftwareStart{Version: "2.0.0", Release: release(2, false)})
	data, err := x.state.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	again, err := fiscal.Restore(data)
	if err != nil || again.Release.Same(release(3, false)) || !again.Release.Same(release(2, true)) || !again.Release.Same(nil) {
		t.Errorf("release %+v, %v", again.Release, err)
	}
}

// Bodies of before releases were known are read as they were, and written so.
func TestBodiesWithoutAReleaseStayWhatTheyWere(t *testing.T) {
	for kind, text := range map[string]string{
		"software-start":  `{"version":"1.0.0","clean":true}`,
		"software-change": `{"by":"anna","old":"1.0.0","new":"1.1.0","stage":"installed"}`,
	} {
		k, _ := fiscal.KindNamed(kind)
		b, err := fiscal.Decode(k, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := fiscal.Encode(b); err != nil || string(again) != text {
			t.Errorf("%s, %v", again, err)
		}
	}
}
