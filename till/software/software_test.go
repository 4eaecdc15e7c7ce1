package software_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/backup"
	"github.com/plomb-pos/plomb/till/software"
	"github.com/plomb-pos/plomb/till/tilltest"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

var (
	digest  = manifest.Sum([]byte("release 2"))
	release = &manifest.Manifest{
		Identity: "0PLMTIL02-20261122", Scope: manifest.Application, Counter: 2, Legal: true,
		Consent: []manifest.Text{{Language: "en", Text: "The till is updated."}},
	}
	opening = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
)

// shop is a till with its parts of an update and an agent that a test moves.
type shop struct {
	*tilltest.Shop
	t      *testing.T
	config software.Config
	agent  *agent
	*software.Parts
}

type agent struct {
	mu       sync.Mutex
	progress *update.Progress
	fresh    update.Fresh
	result   update.Result
	err      error
	passes   int
}

func (a *agent) Update(context.Context) (update.Result, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.passes++
	return a.result, a.err
}

func (a *agent) Progress() (update.Progress, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.progress == nil {
		return update.Progress{}, false
	}
	return *a.progress, true
}

func (a *agent) Freshness() update.Fresh {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fresh
}

func open(t *testing.T, c software.Config, options ...tilltest.Option) *shop {
	t.Helper()
	s := &shop{t: t, config: c, agent: &agent{}}
	s.Shop = tilltest.New(t, append(options, tilltest.WithoutDevices(), tilltest.With(func(o *till.Options) {
		o.Software = "plomb 1.0.0"
		o.Release = &fiscal.Release{Identity: "0PLMTIL01-20261101", Scope: "application", Counter: 1, Manifest: strings.Repeat("1", 64), Slot: "a"}
	}))...)
	s.join()
	return s
}

// join gives the node that is open its parts.
func (s *shop) join() {
	s.Parts = software.New(s.Node, s.config)
	s.Attach(s.agent)
}

// cut takes the power away and starts again.
func (s *shop) cut() {
	s.t.Helper()
	s.Kill()
	s.join()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *shop) record(e update.Event) {
	s.t.Helper()
	must(s.t, s.Recorder.Record(s.t.Context(), e))
}

// event is one about release 2.
func event(n int, stage update.Stage, outcome update.Outcome) update.Event {
	return update.Event{Time: opening.Add(time.Duration(n) * time.Second), Stage: stage, Outcome: outcome, Identity: release.Identity, Counter: 2, Digest: digest}
}

// history is the steps and decisions that the till shows, oldest first.
func (s *shop) history() []till.SoftwareRow {
	s.t.Helper()
	var h till.SoftwareAnswer
	s.As(staff.Inspector).Ask("/api/software?limit=100", &h)
	h.Entries = slices.DeleteFunc(h.Entries, func(r till.SoftwareRow) bool { return r.Kind != "software-stage" && r.Kind != "software-consent" })
	slices.Reverse(h.Entries)
	return h.Entries
}

func (s *shop) steps() (out []string) {
	s.t.Helper()
	for _, r := range s.history() {
		if r.Kind == "software-stage" && r.Again == nil {
			out = append(out, r.Stage+" "+r.Outcome)
		}
	}
	return out
}

// offer makes the release the one that the till shows.
func (s *shop) offer() {
	s.agent.mu.Lock()
	s.agent.progress = &update.Progress{Identity: release.Identity, Manifest: release, Digest: digest, Stage: update.Certification}
	s.agent.mu.Unlock()
	s.As(staff.Supervisor).Until(func(s till.State) bool { return s.Software.Update != nil })
}

func (s *shop) agree(what string) {
	s.As(staff.Supervisor).Approved(staff.Supervisor, "software-agree", "digest", digest.String(), "for", what)
}

func request() update.Request { return update.Request{Manifest: release, Digest: digest} }

// Requirement: DL-09
// Requirement: DL-02
// Requirement: FM-10
// Requirement: FM-11
func TestEveryStageOfAnUpdateIsAnEntryWithWhoAndWhy(t *testing.T) {
	s := open(t, software.Config{})
	s.offer()
	stages := []update.Stage{update.Announced, update.Downloaded, update.Transmission, update.Authenticity, update.Compatibility, update.Certification}
	for i, stage := range stages {
		s.record(event(i, stage, update.Done))
	}
	s.agree("install")
	a, err := s.Asker.Consent(t.Context(), request())
	must(t, err)
	if !a.Agreed || a.Person != string(tilltest.IDs[staff.Supervisor]) || !strings.Contains(string(a.Signed), "PLOMB1:") {
		t.Fatalf("the agent hears %+v, signed %s", a, a.Signed)
	}
	agreed := event(10, update.Consented, update.Done)
	agreed.Person, agreed.Consent = a.Person, a.Signed
	s.record(agreed)
	failed := event(11, update.Installed, update.Failed)
	failed.Detail = "install plomb: not enough room on the disk"
	s.record(failed)
	byPolicy := event(12, update.Installed, update.Begun)
	byPolicy.Person = "policy"
	s.record(byPolicy)
	rows := s.history()
	said, consent, room, policy := rows[6], rows[7], rows[8], rows[9]
	if said.Kind != "software-consent" || said.Text != "The till is updated." || said.Digest != digest.String() || said.Who != "Person 3" {
		t.Errorf("what was agreed to: %+v", said)
	}
	want := till.SoftwareRow{
		Index: consent.Index, Time: consent.Time, Kind: "software-stage", Stage: "consent", Outcome: "done", At: opening.Add(10 * time.Second),
		Identity: "0PLMTIL02-20261122", Counter: 2, Digest: digest.String(), Who: "Person 3", Consent: &said.Index,
	}
	if diff := cmp.Diff(want, consent); diff != "" {
		t.Errorf("consent (-want +got):\n%s", diff)
	}
	if room.Detail != failed.Detail || room.Outcome != "failed" || !policy.Policy || policy.Who != "" {
		t.Errorf("%+v, %+v", room, policy)
	}
}

// Requirement: DL-09
func TestPowerCutAtEachStageLeavesTheHistoryWhole(t *testing.T) {
	s := open(t, software.Config{})
	var want []string
	for i, stage := range []update.Stage{
		update.Announced, update.Downloaded, update.Transmission, update.Authenticity, update.Compatibility, update.Certification,
		update.Consented, update.Gated, update.Installed, update.Verified, update.Pointed,
	} {
		e := event(10*i, stage, update.Done)
		s.record(e)
		s.cut() // before the agent has noted that it is recorded
		e.Time = e.Time.Add(5 * time.Second)
		s.record(e)
		want = append(want, string(stage)+" done")
	}
	if diff := cmp.Diff(want, s.steps()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.Close()
	s.verify()
}

// verify reads the journal as an inspector would.
func (s *shop) verify() {
	s.t.Helper()
	box, err := seal.Open(durable.OS{}, filepath.Join(s.Dir, "seal"))
	must(s.t, err)
	check := fiscal.NewCheck(nil)
	r, err := journal.Verify(s.t.Context(), filepath.Join(s.Dir, "e1"), journal.VerifyOptions{Keys: box.JournalKeys(), Check: func(h *proof.Head, body []byte) error {
		return errors.Join(findings(check.Entry(h, body))...)
	}})
	must(s.t, err)
	for _, f := range r.Findings {
		s.t.Error(f)
	}
}

func findings(in []fiscal.Finding) (out []error) {
	for _, f := range in {
		out = append(out, errors.New(f.Text))
	}
	return out
}

// Requirement: DL-09
// Requirement: DL-10
func TestEachLineOfTheLauncherIsCopiedOnceThroughPowerCuts(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "ring")
	must(t, slot.CreateRing(durable.OS{}, dir, name))
	s := open(t, software.Config{FS: durable.OS{}, Ring: name})
	say := func(i int, text string) {
		ring, _, err := slot.OpenRing(durable.OS{}, name)
		must(t, err)
		must(t, ring.Append(opening.Add(time.Duration(i)*time.Minute), text))
	}
	e := event(0, update.Pointed, update.Done)
	s.record(e)
	for i, text := range []string{"starting slot a", "trial started: slot b", "trial failed: slot b: no word in time", "trial started: slot b", "kept: slot b 0PLMTIL02-20261122"} {
		say(i+1, text)
		must(t, s.Look(t.Context()))
		must(t, s.Look(t.Context()))
		s.cut()
		must(t, s.Look(t.Context()))
	}
	want := []string{"pointer done", "launcher done", "trial begun", "trial failed", "trial begun", "kept done"}
	if diff := cmp.Diff(want, s.steps()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	kept := s.history()[5]
	if kept.Identity != "0PLMTIL02-20261122" || !kept.At.Equal(opening.Add(5*time.Minute)) || kept.Line != 5 || kept.Detail != "kept: slot b 0PLMTIL02-20261122" {
		t.Errorf("kept: %+v", kept)
	}
	last := s.As(staff.Operator).State().Software.Last
	if last == nil || last.Outcome != "kept" || last.From != "0PLMTIL01-20261101" || last.Identity != "0PLMTIL02-20261122" {
		t.Errorf("the screen says of the last update %+v", last)
	}
	must(t, os.Remove(name))
	must(t, slot.CreateRing(durable.OS{}, dir, name))
	say(9, "starting slot b")
	must(t, s.Look(t.Context()))
	if got := s.steps(); !slices.Equal(got[6:], []string{"launcher failed", "launcher done"}) {
		t.Errorf("of a log that began anew: %q", got[6:])
	}
}

// folder is a place for copies that can be out of order.
type folder struct {
	backup.Folder
	err    error
	copies int
	before func()
}

func (f *folder) Copy(ctx context.Context) (backup.Copied, error) {
	if f.before != nil {
		f.before()
	}
	if f.err != nil {
		return backup.Copied{}, f.err
	}
	f.copies++
	return f.Folder.Copy(ctx)
}

// folder makes a place for copies of the journal.
func (s *shop) folder() *folder {
	s.t.Helper()
	box, err := seal.Open(durable.OS{}, filepath.Join(s.Dir, "seal"))
	must(s.t, err)
	return &folder{Folder: backup.Folder{Till: s.Dir, Name: s.Node.Name(), To: s.t.TempDir(), Keys: box.JournalKeys(), Journal: s.Node}}
}

// copies gives the parts a place for copies.
func (s *shop) copies() *folder {
	s.t.Helper()
	f := s.folder()
	s.config.Backup = f
	s.join()
	return f
}

// hold asks the gate, and what the screen says meanwhile.
func (s *shop) hold() (update.Hold, till.Waiting, string) {
	s.t.Helper()
	h, err := s.Gate.Hold(s.t.Context())
	must(s.t, err)
	s.agent.mu.Lock()
	s.agent.progress = &update.Progress{Identity: release.Identity, Manifest: release, Digest: digest}
	s.agent.mu.Unlock()
	u := s.Updater.Status().Update
	return h, u.Waiting, u.Detail
}

// Requirement: DL-02
// Requirement: CU-07
func TestTheGateHoldsBackForASaleADayAndAJournalThatIsNowhereElse(t *testing.T) {
	s := open(t, software.Config{})
	boss := s.As(staff.Supervisor)
	if h, w, _ := s.hold(); !h.UnsafeData || h.OpenSale || h.OpenDay || w != till.WaitsForData {
		t.Errorf("without a folder for copies: %+v, %s", h, w)
	}
	f := s.copies()
	f.err = fmt.Errorf("no stick")
	if h, w, why := s.hold(); !h.UnsafeData || w != till.WaitsForData || why != "no stick" {
		t.Errorf("without a stick: %+v, %s %s", h, w, why)
	}
	f.err = nil
	if h, w, _ := s.hold(); h != (update.Hold{}) || w != till.WaitsForNothing || f.copies != 1 {
		t.Errorf("with a copy: %+v, %s, %d copies", h, w, f.copies)
	}
	s.record(event(1, update.Gated, update.Done))
	if h, _, _ := s.hold(); h != (update.Hold{}) || f.copies != 1 {
		t.Errorf("after a step of the update: %+v, %d copies", h, f.copies)
	}
	boss.Do("drawer.open")
	boss.Do("basket.add", "sku", "BRD-01")
	if h, w, _ := s.hold(); !h.OpenSale || w != till.WaitsForSale || f.copies != 1 {
		t.Errorf("during a sale: %+v, %s, %d copies", h, w, f.copies)
	}
	boss.Do("basket.suspend", "label", "dog")
	if h, w, why := s.hold(); !h.OpenSale || w != till.WaitsForSale || !strings.Contains(why, "dog") {
		t.Errorf("with a parked sale: %+v, %s %s", h, w, why)
	}
	boss.Do("basket.resume", "id", boss.State().Suspended[0].ID)
	boss.Pay("cash", 0)
	if h, _, _ := s.hold(); h != (update.Hold{OpenDay: true}) || f.copies != 2 {
		t.Errorf("after the sale: %+v, %d copies", h, f.copies)
	}
	f.before = func() { f.before = nil; boss.Do("basket.add", "sku", "BRD-01") }
	boss.Do("drawer.nosale", "reason", "coins")
	if h, w, _ := s.hold(); !h.OpenSale || w != till.WaitsForSale {
		t.Errorf("a sale that began during the copy: %+v, %s", h, w)
	}
	boss.Do("basket.abort", "reason", "gone")
	boss.Do("drawer.count", "amount", 0)
	boss.Do("drawer.close")
	boss.Approved(staff.Supervisor, "report.z")
	if h, _, _ := s.hold(); h != (update.Hold{}) {
		t.Errorf("after the day: %+v", h)
	}
	box, err := seal.Open(durable.OS{}, filepath.Join(s.Dir, "seal"))
	must(t, err)
	r, err := journal.Verify(t.Context(), filepath.Join(f.To, s.Node.Name(), "e1"), journal.VerifyOptions{Keys: box.JournalKeys()})
	if err != nil || !r.Consistent() || r.Size < s.Node.Matters() {
		t.Errorf("the copy has %+v, %v", r, err)
	}
}

// Requirement: DL-02
func TestAnOpenDayHoldsBackWhereCountryOrPolicySaySo(t *testing.T) {
	for name, row := range map[string]struct {
		country, currency string
		policy            update.Policy
		refused, waits    bool
	}{
		"neither":     {"DE", "EUR", update.Policy{}, false, false},
		"the policy":  {"DE", "EUR", update.Policy{ClosedDay: true}, false, true},
		"the country": {"PL", "PLN", update.Policy{}, true, true},
		"both":        {"PL", "PLN", update.Policy{ClosedDay: true}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, software.Config{}, tilltest.WithoutSetup())
			if status, body := s.Client().Post("/api/setup", map[string]any{
				"code": s.Node.SetupCode(), "shop": map[string]any{"name": "Kiosk", "country": row.country, "currency": row.currency, "language": "en"},
				"administrator": map[string]any{"id": "1", "name": "Ada", "pin": tilltest.PIN},
				"people":        []any{map[string]any{"id": "3", "name": "Ben", "role": "supervisor", "pin": tilltest.PIN}},
			}); status != 200 {
				t.Fatalf("setup: %d %s", status, body)
			}
			s.config.Policy = row.policy
			s.copies()
			s.As(staff.Supervisor).Do("drawer.open")
			h, err := s.Gate.Hold(t.Context())
			if errors.Is(err, update.ErrWaiting) != row.refused || err != nil && !row.refused || !h.OpenDay {
				t.Errorf("%+v, %v", h, err)
			}
			s.agent.progress = &update.Progress{Identity: release.Identity, Manifest: release, Digest: digest}
			if w := s.Updater.Status().Update.Waiting; (w == till.WaitsForDay) != row.waits {
				t.Errorf("it waits for %q", w)
			}
		})
	}
}

// Requirement: DL-02
func TestThePersonWhoAgreedAnswersForTheInstallation(t *testing.T) {
	for name, row := range map[string]struct {
		policy  update.Policy
		overdue bool
		agree   bool
		want    string
	}{
		"nobody yet":                 {update.Policy{Consent: true}, false, false, ""},
		"a supervisor":               {update.Policy{Consent: true}, false, true, "3"},
		"the policy":                 {update.Policy{}, false, false, "policy"},
		"overdue, as policy says":    {update.Policy{Consent: true}, true, false, "policy"},
		"overdue, and selling stops": {update.Policy{Consent: true, AtEnd: update.StopSelling}, true, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, software.Config{Policy: row.policy})
			s.offer()
			if row.agree {
				s.agree("install")
			}
			r := request()
			r.Overdue = row.overdue
			got, err := s.Authoriser.Authorise(t.Context(), r)
			if got != row.want || (err == nil) != (row.want != "") || err != nil && !errors.Is(err, update.ErrWaiting) {
				t.Errorf("%q, %v; want %q", got, err, row.want)
			}
		})
	}
}

// Requirement: DL-02
func TestWhatADownloadCostsIsAgreedToByItself(t *testing.T) {
	s := open(t, software.Config{})
	s.offer()
	spend := func(n int64) bool {
		r := request()
		r.Bytes = n
		a, err := s.Asker.Spend(t.Context(), r)
		must(t, err)
		return a.Agreed
	}
	if spend(70 << 20) {
		t.Error("nobody has agreed yet")
	}
	s.As(staff.Supervisor).Until(func(s till.State) bool {
		return s.Software.Update.Spend == 70<<20 && s.Software.Update.Waiting == till.WaitsForSpend
	})
	s.agree("spend")
	if !spend(70<<20) || !spend(60<<20) || spend(80<<20) {
		t.Error("consent is to so many bytes and no more")
	}
	if a, err := s.Asker.Consent(t.Context(), request()); err != nil || a.Agreed {
		t.Errorf("who agreed to a download agreed to no installation: %+v, %v", a, err)
	}
}

func TestWhatTheAgentWaitsForIsShownAndGoesAway(t *testing.T) {
	s := open(t, software.Config{Policy: update.Policy{Consent: true}})
	s.offer()
	waits := func() till.Waiting { return s.Updater.Status().Update.Waiting }
	for _, row := range []struct {
		do   func()
		want till.Waiting
	}{
		{func() { s.Asker.Consent(t.Context(), request()) }, till.WaitsForConsent},
		{func() { s.record(waiting(1, update.Consented, "waiting: nobody has agreed yet")) }, till.WaitsForConsent},
		{func() { s.record(event(2, update.Consented, update.Done)) }, till.WaitsForNothing},
		{func() { s.record(waiting(3, update.Announced, update.ErrClock.Error()+": it shows 1970")) }, till.WaitsForClock},
		{func() { s.record(event(4, update.Announced, update.Done)) }, till.WaitsForNothing},
		{func() { s.record(waiting(5, update.Downloaded, "waiting: something new")) }, till.WaitsForOther},
		{func() { s.record(event(6, update.Downloaded, update.Failed)) }, till.WaitsForNothing},
		{func() { s.Authoriser.Authorise(t.Context(), request()) }, till.WaitsForAuthorisation},
		{func() { s.agree("install"); s.Authoriser.Authorise(t.Context(), request()) }, till.WaitsForNothing},
	} {
		row.do()
		if got := waits(); got != row.want {
			t.Errorf("it waits for %q, want %q", got, row.want)
		}
	}
}

func waiting(n int, stage update.Stage, why string) update.Event {
	e := event(n, stage, update.Waiting)
	e.Detail = why
	return e
}

func TestAPassThatIsInProgressIsAsGoodAsOneThatWasAskedFor(t *testing.T) {
	s := open(t, software.Config{})
	s.agent.err = update.ErrBusy
	if found, err := s.Updater.Check(t.Context()); found || err != nil {
		t.Errorf("%v, %v", found, err)
	}
	s.offer()
	if found, err := s.Updater.Check(t.Context()); !found || err != nil {
		t.Errorf("%v, %v", found, err)
	}
}

// Requirement: CU-06
// Requirement: DL-09
func TestAWithdrawalIsRecordedOnceAndOutlivesAStart(t *testing.T) {
	var mu sync.Mutex
	var withdrawn []till.Withdrawal
	set := func(w ...till.Withdrawal) { mu.Lock(); withdrawn = w; mu.Unlock() }
	s := open(t, software.Config{Withdrawn: func() []till.Withdrawal { mu.Lock(); defer mu.Unlock(); return withdrawn }})
	look := func() { t.Helper(); must(t, s.Look(t.Context())); must(t, s.Look(t.Context())) }
	look()
	warns := till.Withdrawal{By: "ptb", Reason: "rounding", Action: "block"}
	set(warns)
	look()
	s.cut()
	look()
	blocks := warns
	blocks.Blocks = true
	set(blocks)
	look()
	s.Kill() // before anything of the update runs
	s.As(staff.Operator).Refuse("software-blocked", "basket.add", "sku", "BRD-01")
	set()
	s.join()
	look()
	s.As(staff.Operator).Until(func(s till.State) bool { return s.Software.Stopped == "" })
	want := []string{"withdrawn waiting", "withdrawn failed", "withdrawn done"}
	if diff := cmp.Diff(want, s.steps()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheProgramEndsForTheNextOneWhenNoSaleIsOpen(t *testing.T) {
	s := open(t, software.Config{})
	anna := s.As(staff.Operator)
	anna.Do("drawer.open")
	anna.Do("basket.add", "sku", "BRD-01")
	ended := make(chan struct{})
	s.End(t.Context(), func() { close(ended) })()
	anna.Until(func(s till.State) bool { return s.Software.Stopped == "software-changing" })
	select {
	case <-ended:
		t.Fatal("a sale is open")
	default:
	}
	anna.Pay("cash", 0)
	<-ended
}
