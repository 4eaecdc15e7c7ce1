package update_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

var wholeWay = []string{
	"announced done", "downloaded done", "transmission done", "authenticity done", "compatibility done", "certification done",
	"consent done", "gate done", "installed begun", "installed done", "verified done", "pointer begun", "pointer done",
}

// Requirement: DL-02
// Requirement: DL-09
// Requirement: FM-09
func TestAnUpdateTakesEachStageAndRecordsIt(t *testing.T) {
	w := newTill(t)
	w.policy.Consent, w.answer = true, update.Answer{Agreed: true, Person: "Ada", Signed: []byte("yes")}
	r, err := w.agent().Update(t.Context())
	if err != nil || !r.Restart || r.Stage != update.Pointed {
		t.Fatalf("%+v, %v\n%s", r, err, strings.Join(w.story(), "\n"))
	}
	w.installed()
	if diff := cmp.Diff(wholeWay, w.story()); diff != "" {
		t.Error(diff)
	}
	for _, e := range w.history {
		if e.Time.IsZero() || e.Identity != w.two.manifest.Identity || e.Digest != w.two.digest || e.Counter != 2 {
			t.Errorf("an event without time or version: %+v", e)
		}
	}
	at := slices.Index(w.story(), "consent done")
	if e := w.history[at]; e.Person != "Ada" || string(e.Consent) != "yes" {
		t.Errorf("consent is recorded as %+v", e)
	}
}

// Requirement: CU-08
func TestOnlyDifferencesTravelAndWhatIsThereAlreadyDoesNot(t *testing.T) {
	w := newTill(t)
	if _, err := w.agent().Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.installed()
	if w.repo.bytes > 30_000 {
		t.Errorf("%d bytes travelled", w.repo.bytes)
	}
	if logo := w.two.manifest.Component("logo"); w.repo.sent["packs/"+logo.Packs[0].SHA256.String()] != nil {
		t.Error("a component that is installed already travelled")
	}
}

// Requirement: DL-20
func TestAnOpenSaleAlwaysHoldsActivationBack(t *testing.T) {
	w := newTill(t)
	for _, c := range []struct {
		hold   update.Hold
		closed bool
		waits  bool
	}{
		{update.Hold{OpenSale: true}, false, true}, {update.Hold{UnsafeData: true}, false, true},
		{update.Hold{OpenDay: true}, true, true}, {update.Hold{OpenDay: true, OpenSale: true}, true, true},
	} {
		w.hold, w.policy.ClosedDay = c.hold, c.closed
		r, err := w.agent().Update(t.Context())
		if err != nil || r.Stage != update.Gated || r.Waiting == "" {
			t.Errorf("%+v: %+v, %v", c, r, err)
		}
		w.notInstalled()
	}
	w.hold, w.policy.ClosedDay = update.Hold{OpenDay: true}, false
	if r, err := w.agent().Update(t.Context()); err != nil || !r.Restart {
		t.Errorf("an open day where no profile asks for a closed one: %+v, %v", r, err)
	}
	w.installed()
}

// Everybody has agreed and nothing holds it back but the seal.
//
// Requirement: DL-11
func TestWithoutTheSealsAuthorisationNothingIsInstalled(t *testing.T) {
	w := newTill(t)
	for _, seal := range []error{errors.New("the seal is intact"), update.ErrWaiting} {
		w.seal = seal
		if r, err := w.agent().Update(t.Context()); r.Restart || err == nil && r.Waiting == "" {
			t.Errorf("%v: %+v, %v", seal, r, err)
		}
		w.notInstalled()
	}
	w.seal = nil
	w.now = w.now.Add(time.Hour)
	if r, err := w.agent().Update(t.Context()); err != nil || !r.Restart {
		t.Errorf("with it: %+v, %v", r, err)
	}
	w.installed()
}

func TestASaleThatOpensDuringInstallationHoldsThePointerBack(t *testing.T) {
	w := newTill(t)
	fired := false
	cfg := w.config()
	cfg.Recorder = recorderFunc(func(e update.Event) error {
		if e.Stage == update.Verified {
			w.hold.OpenSale, fired = true, true
		}
		return w.Record(t.Context(), e)
	})
	a, err := update.New(cfg)
	w.must(err)
	r, err := a.Update(t.Context())
	if err != nil || !fired || r.Stage != update.Pointed || r.Waiting == "" {
		t.Fatalf("%+v, %v", r, err)
	}
	w.notInstalled()
	w.hold.OpenSale = false
	if r, err := a.Update(t.Context()); err != nil || !r.Restart {
		t.Fatalf("after the sale: %+v, %v", r, err)
	}
	w.installed()
	if n := strings.Count(strings.Join(w.story(), "\n"), "installed begun"); n != 1 {
		t.Errorf("the slot was written %d times", n)
	}
}

// Requirement: CU-18
func TestPuttingAnUpdateOffEndsAsThePolicySays(t *testing.T) {
	for _, end := range []update.AtEnd{update.Install, update.StopSelling} {
		w := newTill(t)
		w.policy = update.Policy{Consent: true, Postpone: 48 * time.Hour, AtEnd: end}
		w.answer.Later = w.now.Add(10 * time.Hour)
		a := w.agent()
		for range 3 {
			if r, err := a.Update(t.Context()); err != nil || r.Stage != update.Consented || r.Waiting == "" {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		if len(w.asked) != 1 {
			t.Errorf("put off until later, and asked %d times", len(w.asked))
		}
		if f := a.Freshness(); f.StopSelling {
			t.Errorf("before its deadline: %+v", f)
		}
		w.now = w.now.Add(49 * time.Hour)
		r, err := a.Update(t.Context())
		if err != nil || r.Restart != (end == update.Install) {
			t.Errorf("%d: %+v, %v", end, r, err)
		}
		if f := a.Freshness(); f.StopSelling != (end == update.StopSelling) {
			t.Errorf("%d: after its deadline: %+v", end, f)
		}
		if end == update.StopSelling && !w.asked[len(w.asked)-1].Overdue {
			t.Errorf("the person is not told that it is overdue: %+v", w.asked)
		}
	}
}

func TestAnUrgentReleaseAsksAgainAndHasItsOwnDeadline(t *testing.T) {
	w := newTill(t)
	urgent := *w.offer
	urgent.Urgent, urgent.Deadline = true, w.now.Add(time.Hour)
	w.offer, w.policy.Consent, w.answer.Later = &urgent, true, w.now.Add(100*time.Hour)
	a := w.agent()
	for n := range 3 {
		if _, err := a.Update(t.Context()); err != nil || len(w.asked) != n+1 {
			t.Fatalf("asked %d times after pass %d, %v", len(w.asked), n+1, err)
		}
	}
	if p, ok := a.Progress(); !ok || !p.Urgent || !p.Deadline.Equal(urgent.Deadline) || p.Stage != update.Certification {
		t.Errorf("the screen shows %+v", p)
	}
	w.now = w.now.Add(2 * time.Hour)
	if r, err := a.Update(t.Context()); err != nil || !r.Restart {
		t.Errorf("after its deadline: %+v, %v", r, err)
	}
}

func TestAClockInDoubtInstallsNothing(t *testing.T) {
	w := newTill(t)
	right := w.now
	a := w.agent()
	w.hold.OpenSale = true
	if _, err := a.Update(t.Context()); err != nil { // the device has seen the right time
		t.Fatal(err)
	}
	w.hold.OpenSale = false
	for _, wrong := range []time.Time{time.Unix(0, 0), right.Add(-48 * time.Hour)} {
		w.now = wrong
		r, err := w.agent().Update(t.Context())
		if err != nil || !strings.Contains(r.Waiting, "clock") {
			t.Errorf("at %s: %+v, %v", wrong, r, err)
		}
		w.notInstalled()
	}
	w.now = right
	if r, err := w.agent().Update(t.Context()); err != nil || !r.Restart {
		t.Errorf("with the right time: %+v, %v", r, err)
	}
}

// Requirement: CU-06
func TestKnowledgeThatRunsOutWarnsAndThenStopsSalesByPolicy(t *testing.T) {
	w := newTill(t)
	w.offer, w.trust = nil, errors.New("the network is blocked")
	w.policy = update.Policy{Stop: true, Grace: 24 * time.Hour}
	w.valid = update.Validity{Metadata: w.now.Add(30 * 24 * time.Hour), Entitlement: w.now.Add(10 * 24 * time.Hour)}
	a := w.agent()
	begin := w.now
	for _, c := range []struct {
		after      time.Duration
		warn, stop bool
	}{{0, false, false}, {4 * 24 * time.Hour, true, false}, {10*24*time.Hour + time.Hour, true, false}, {12 * 24 * time.Hour, true, true}} {
		w.now = begin.Add(c.after)
		if _, err := a.Update(t.Context()); err == nil {
			t.Error("a blocked network is no error")
		}
		if f := a.Freshness(); (f.Warn != "") != c.warn || f.StopSelling != c.stop {
			t.Errorf("after %s: %+v", c.after, f)
		}
	}
	w.now = begin // set back: what ran out stays so, also for the next start
	if f := w.agent().Freshness(); !f.StopSelling {
		t.Errorf("a clock that was set back makes old knowledge young: %+v", f)
	}
	if err := a.ForgetTime(t.Context(), "Ada"); err != nil || w.last().Person != "Ada" {
		t.Errorf("%v %+v", err, w.last())
	}
	if f := a.Freshness(); f.StopSelling {
		t.Errorf("after a person said that the clock is right: %+v", f)
	}
	if diff := cmp.Diff([]string{"freshness waiting", "freshness waiting", "freshness failed", "freshness done"}, w.story()); diff != "" {
		t.Error(diff)
	}
}

type recorderFunc func(update.Event) error

func (f recorderFunc) Record(_ context.Context, e update.Event) error { return f(e) }

// Requirement: DL-05
// Requirement: DL-15
// Requirement: DL-18
func TestARefusedReleaseIsNotFetchedAndTheStageSaysWhy(t *testing.T) {
	edit := func(f func(*manifest.Manifest)) func(*till) {
		return func(w *till) {
			r, err := w.maker.release(2, nil, map[string][]byte{"bin/plomb": {1}}, f)
			w.must(err)
			w.offer = &r.offer
		}
	}
	for name, c := range map[string]struct {
		break_ func(*till)
		stage  update.Stage
	}{
		"a byte of its manifest": {func(w *till) { o := *w.offer; o.Manifest = slices.Clone(o.Manifest); o.Manifest[30] ^= 1; w.offer = &o }, update.Announced},
		"another's signatures":   {func(w *till) { o := *w.offer; o.Note = w.one.offer.Note; w.offer = &o }, update.Authenticity},
		"no signature":           {func(w *till) { o := *w.offer; o.Note = nil; w.offer = &o }, update.Authenticity},
		"another maker": {func(w *till) {
			m, err := newMaker()
			w.must(err)
			r := *w.two
			w.must(m.sign(&r))
			w.offer = &r.offer
		}, update.Authenticity},
		"not logged":        {func(w *till) { w.log = func(manifest.Digest, []byte) error { return errors.New("no proof") } }, update.Authenticity},
		"another model":     {edit(func(m *manifest.Manifest) { m.Compatibility.Models = []string{"XYZ"} }), update.Compatibility},
		"another platform":  {edit(func(m *manifest.Manifest) { m.Compatibility.Platforms = []string{"plan9/386"} }), update.Compatibility},
		"another country":   {edit(func(m *manifest.Manifest) { m.Jurisdictions = []string{"AT"} }), update.Compatibility},
		"not newer":         {edit(func(m *manifest.Manifest) { m.Counter = 1; m.Floor = 0 }), update.Compatibility},
		"needs a newer one": {edit(func(m *manifest.Manifest) { m.Counter, m.Compatibility.From = 9, 5 }), update.Compatibility},
		"needs a peer":      {edit(func(m *manifest.Manifest) { m.Compatibility.Peers = []manifest.Peer{{Name: "boot", Counter: 3}} }), update.Compatibility},
		"withdrawn":         {func(w *till) { w.refused = update.ErrRejected }, update.Certification},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			c.break_(w)
			_, err := w.agent().Update(t.Context())
			if !errors.Is(err, update.ErrRejected) {
				t.Errorf("refused with %v", err)
			}
			if e := w.last(); e.Stage != c.stage || e.Outcome == update.Done || e.Detail == "" {
				t.Errorf("the history says %+v, want stage %s", e, c.stage)
			}
			if w.repo.sent != nil {
				t.Error("something was fetched")
			}
			w.log = nil // the installed one has no proof
			w.notInstalled()
		})
	}
}

// Requirement: CU-17
func TestARejectedReleaseIsTriedAFewTimesHoweverOftenSomebodyAsks(t *testing.T) {
	w := newTill(t)
	w.refused = update.ErrRejected
	for range 200 {
		w.now = w.now.Add(time.Minute + time.Second)
		_, _ = w.agent().Update(t.Context()) // a start of the till each time
	}
	if n := len(w.history); n != 3 {
		t.Errorf("%d events of rejection in 200 minutes, want 3", n)
	}
	w = newTill(t)
	w.trust = fmt.Errorf("forged metadata: %w", update.ErrRejected)
	a := w.agent()
	for range 100 {
		if _, err := a.Update(t.Context()); !errors.Is(err, update.ErrRejected) {
			t.Fatal(err)
		}
	}
	if w.finds != 1 || len(w.history) != 1 {
		t.Errorf("repositories that were refused were asked %d times, %d events", w.finds, len(w.history))
	}
	w = newTill(t)
	w.hold.OpenSale = true
	a = w.agent()
	for range 100 {
		_, _ = a.Update(t.Context())
	}
	if w.finds != 1 || len(w.history) != 8 {
		t.Errorf("a hundred triggers asked the repositories %d times and made %d events:\n%s", w.finds, len(w.history), strings.Join(w.story(), "\n"))
	}
}

// Requirement: CU-08
// Requirement: CU-17
func TestAttemptsAreCountedOnAfterANewerVersionWroteTheState(t *testing.T) {
	w := newTill(t)
	w.refused = update.ErrRejected
	for range 200 {
		w.now = w.now.Add(time.Minute + time.Second)
		_, _ = w.agent().Update(t.Context())
	}
	text, err := w.disk.ReadFile("/d/download/state.json")
	w.must(err)
	w.must(w.disk.WriteFile("/d/download/state.json", []byte(strings.Replace(string(text), "{", `{"tomorrow":{"x":[1]},`, 1))))
	before := len(w.history)
	for range 100 {
		_, _ = w.agent().Update(t.Context())
	}
	if len(w.history) != before {
		t.Errorf("%d more attempts", len(w.history)-before)
	}
}

// Requirement: DL-07
func TestAfterAFailedTrialTheNextOneWaitsAndIsAgreedToAnew(t *testing.T) {
	w := newTill(t)
	w.policy.Consent, w.answer = true, update.Answer{Agreed: true, Person: "Ada"}
	if _, err := w.agent().Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	f, _, err := slot.Open(w.disk, "/d/boot/table")
	w.must(err)
	failed := f.Table()
	for range slot.Tries {
		failed = failed.TrialFailed(slot.Crashed)
	}
	w.must(f.Write(slot.Next(failed, func(slot.Slot) error { return nil }).Table))
	w.ended = 0
	if _, err := w.agent().Update(t.Context()); !errors.Is(err, update.ErrRejected) {
		t.Errorf("at once after a failed trial: %v", err)
	}
	w.notInstalled()
	w.now = w.now.Add(2 * time.Hour)
	if r, err := w.agent().Update(t.Context()); err != nil || !r.Restart || len(w.asked) != 2 {
		t.Errorf("later: %+v, %v, asked %d times", r, err, len(w.asked))
	}
}

func TestNothingIsProposedWhileATrialRunsOrTheDeviceIsBlocked(t *testing.T) {
	w := newTill(t)
	if _, err := w.agent().Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg := w.config()
	cfg.Slot, w.ended = slot.B, 0
	a, err := update.New(cfg)
	w.must(err)
	if r, err := a.Update(t.Context()); err != nil || r.Stage != update.Trial || w.ended != 0 {
		t.Errorf("during the trial: %+v, %v, ended %d times", r, err, w.ended)
	}
	f, _, err := slot.Open(w.disk, "/d/boot/table")
	w.must(err)
	w.must(f.Write(f.Table().Block(slot.Withdrawn)))
	if r, err := a.Update(t.Context()); err != nil || r.Stage != update.Blocked {
		t.Errorf("blocked: %+v, %v", r, err)
	}
}

func TestNothingGoesOnThatTheJournalDidNotTake(t *testing.T) {
	w := newTill(t)
	w.broken = errors.New("the journal is full")
	if _, err := w.agent().Update(t.Context()); !errors.Is(err, w.broken) {
		t.Errorf("%v", err)
	}
	if w.repo.sent != nil {
		t.Error("it went on to fetch")
	}
	w.notInstalled()
}
