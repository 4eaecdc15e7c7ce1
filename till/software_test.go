package till_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// updater is one that a test moves.
type updater struct {
	mu     sync.Mutex
	status till.UpdateStatus
	checks int
	found  bool
	err    error
	block  chan struct{} // not nil: both methods wait for it
}

func (u *updater) Status() till.UpdateStatus {
	u.mu.Lock()
	block := u.block
	u.mu.Unlock()
	if block != nil {
		<-block
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status
}

func (u *updater) Check(ctx context.Context) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.checks++
	return u.found, u.err
}

func (u *updater) set(f func(*till.UpdateStatus)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f(&u.status)
}

var (
	digest  = strings.Repeat("ab", 32)
	offered = till.Offered{
		Identity: "0PLMTIL02-20261122", Counter: 2, Digest: digest, Legal: true, Stage: "certification",
		Consent:  map[string]string{"en": "The till is updated.", "de": "Die Kasse wird aktualisiert."},
		Deadline: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Waiting: till.WaitsForConsent,
	}
)

// managed is a shop with an updater that offers a release.
func managed(t *testing.T) (*tilltest.Shop, *updater) {
	t.Helper()
	shop := tilltest.New(t, tilltest.WithoutDevices(), tilltest.With(func(o *till.Options) {
		o.Software = "plomb 1.0.0"
		o.Release = &fiscal.Release{Identity: "0PLMTIL01-20261101", Scope: "application", Counter: 1, Legal: true, Manifest: strings.Repeat("1", 64), Slot: "a"}
	}))
	u := &updater{}
	o := offered
	u.status.Update = &o
	shop.Node.SetUpdater(u)
	return shop, u
}

// Requirement: DL-02
func TestAnUpdateIsAnnouncedAndAgreedToAtTheTill(t *testing.T) {
	shop, u := managed(t)
	boss := shop.As(staff.Supervisor)
	s := boss.Until(func(s till.State) bool { return s.Software.Update != nil }).Software
	want := till.SoftwareState{
		Identity: "0PLMTIL01-20261101", Version: "plomb 1.0.0", Counter: 1, Slot: "a", Managed: true, Withdrawn: []till.Withdrawal{},
		Update: &till.UpdateState{
			Identity: offered.Identity, Counter: 2, Digest: digest, Legal: true, Consent: "The till is updated.", Stage: "certification",
			Deadline: offered.Deadline, Waiting: till.WaitsForConsent, MayDecide: true,
		},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	if s := shop.As(staff.Operator).State().Software; s.Update == nil || s.Update.MayDecide {
		t.Errorf("an operator sees %+v", s.Update)
	}
	if _, ok := shop.Node.Decision(digest, fiscal.ForInstall); ok {
		t.Error("it is agreed to before anybody has")
	}
	boss.Refuse("needs-proof", "software-agree", "digest", digest, "for", "install")
	if a := boss.Approved(staff.Supervisor, "software-agree", "digest", digest, "for", "install"); !a.State.Software.Update.Agreed {
		t.Error("the screen does not show that it is agreed to")
	}
	d, ok := shop.Node.Decision(digest, fiscal.ForInstall)
	if !ok || !d.Agreed || d.By != tilltest.IDs[staff.Supervisor] {
		t.Fatalf("decision %+v, %v", d, ok)
	}
	if code := shop.Node.SignedEntry(t.Context(), d.Index); !strings.HasPrefix(code, "PLOMB1:") {
		t.Errorf("the consent's signature is %q", code)
	}
	shop.Kill()
	if again, ok := shop.Node.Decision(digest, fiscal.ForInstall); !ok || !cmp.Equal(again, d) {
		t.Errorf("after a power cut the decision is %+v", again)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.checks == 0 {
		t.Error("the updater was not told to go on")
	}
}

// Requirement: DL-02
// Requirement: DL-09
func TestConsentIsAnEntryThatSaysWhatWasAgreedTo(t *testing.T) {
	shop, _ := managed(t)
	service := shop.As(staff.Service)
	service.Until(func(s till.State) bool { return s.Software.Update != nil })
	service.Do("software-later", "digest", digest, "for", "install")
	service.Approved(staff.Administrator, "software-agree", "digest", digest, "for", "install")
	var h till.SoftwareAnswer
	service.Ask("/api/software", &h)
	var got []till.SoftwareRow
	for _, r := range h.Entries {
		if r.Kind == "software-consent" {
			got = append(got, r)
		}
	}
	if len(got) != 2 || !got[0].Agreed || got[1].Agreed || got[1].Until.IsZero() {
		t.Fatalf("%+v", got)
	}
	want := till.SoftwareRow{
		Index: got[0].Index, Time: got[0].Time, Kind: "software-consent", Identity: offered.Identity, Counter: 2, Digest: digest,
		Who: "Person 6", For: "install", Agreed: true, Text: "The till is updated.",
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d, _ := shop.Node.Decision(digest, fiscal.ForInstall); d.By != tilltest.IDs[staff.Administrator] {
		t.Errorf("%s answers for it", d.By)
	}
	shop.Close()
	checkJournal(t, shop)
}

// Requirement: DL-02
func TestWhatCannotBeDecidedIsRefused(t *testing.T) {
	shop, u := managed(t)
	admin := shop.As(staff.Administrator)
	admin.Until(func(s till.State) bool { return s.Software.Update != nil })
	approve := func(args map[string]any) string {
		a := admin.Send(map[string]any{"id": tilltest.NewID(time.Now()), "do": "software-agree", "args": args,
			"approval": map[string]any{"person": tilltest.IDs[staff.Administrator], "pin": tilltest.PIN}})
		if a.Error == nil {
			return ""
		}
		return a.Error.Code
	}
	for code, args := range map[string]map[string]any{
		"software-other": {"digest": strings.Repeat("cd", 32), "for": "install"},
		"software-none":  {"digest": digest, "for": "spend"},
		"malformed":      {"digest": digest, "for": "fun"},
	} {
		if got := approve(args); got != code {
			t.Errorf("%v: %q, want %q", args, got, code)
		}
	}
	u.set(func(s *till.UpdateStatus) { s.Update.Spend, s.Update.Waiting = 70<<20, till.WaitsForSpend })
	u.set(func(s *till.UpdateStatus) { o := *s.Update; s.Update = &o })
	admin.Until(func(s till.State) bool { return s.Software.Update.Spend > 0 })
	if got := approve(map[string]any{"digest": digest, "for": "spend"}); got != "" {
		t.Errorf("spend: %s", got)
	}
	if d, _ := shop.Node.Decision(digest, fiscal.ForSpend); d.Bytes != 70<<20 {
		t.Errorf("agreed to %d bytes", d.Bytes)
	}
	if got := approve(map[string]any{"digest": digest, "for": "install"}); got != "" {
		t.Error(got)
	}
	admin.Refuse("software-agreed", "software-later", "digest", digest, "for", "install")
	u.set(func(s *till.UpdateStatus) { s.Update = nil })
	admin.Until(func(s till.State) bool { return s.Software.Update == nil })
	if got := approve(map[string]any{"digest": digest, "for": "install"}); got != "software-none" {
		t.Error(got)
	}
}

// Requirement: DL-02
func TestTheTillAsksForUpdatesOnDemandAndSaysWhatCameOfIt(t *testing.T) {
	shop, u := managed(t)
	boss := shop.As(staff.Supervisor)
	shop.As(staff.Operator).Refuse("forbidden", "software-check")
	for outcome, set := range map[string]func(){
		"none":    func() { u.found, u.err = false, nil },
		"offered": func() { u.found, u.err = true, nil },
		"failed":  func() { u.found, u.err = false, errors.New("no route to host") },
	} {
		u.mu.Lock()
		set()
		u.mu.Unlock()
		boss.Do("software-check")
		s := boss.Until(func(s till.State) bool { return s.Software.Asked != nil && !s.Software.Asked.Running })
		if got := s.Software.Asked; got.Outcome != outcome || (got.Detail == "no route to host") != (outcome == "failed") {
			t.Errorf("%s: %+v", outcome, got)
		}
	}
	bare := tilltest.New(t, tilltest.WithoutDevices())
	bare.As(staff.Supervisor).Refuse("software-unmanaged", "software-check")
	if s := bare.As(staff.Operator).State().Software; s.Managed || s.Update != nil {
		t.Errorf("%+v", s)
	}
}

// Requirement: CU-06
// Requirement: DL-09
func TestWhileSellingIsStoppedAnOpenSaleIsFinishedAndNoNewOneBegins(t *testing.T) {
	for code, stop := range map[string]func(*till.UpdateStatus){
		"software-stale": func(s *till.UpdateStatus) { s.Freshness = till.Freshness{Warn: "ran out", StopSelling: true} },
		"software-blocked": func(s *till.UpdateStatus) {
			s.Withdrawn = []till.Withdrawal{{By: "ptb", Reason: "rounding", Action: "block", Blocks: true}}
		},
	} {
		t.Run(code, func(t *testing.T) {
			shop, u := managed(t)
			boss := shop.As(staff.Supervisor)
			boss.Do("drawer.open")
			paid := boss.Sell("BRD-01")
			boss.Do("basket.add", "sku", "BRD-01")
			boss.Do("basket.suspend", "label", "dog")
			boss.Do("basket.add", "sku", "BRD-01")
			u.set(stop)
			s := boss.Until(func(s till.State) bool { return s.Software.Stopped == code })
			if s.Basket == nil {
				t.Fatal("the open basket is gone")
			}
			boss.Do("basket.add", "sku", "DRY-01")
			boss.Pay("cash", 0)
			boss.Refuse(code, "basket.add", "sku", "BRD-01")
			boss.Refuse(code, "basket.scan", "code", "2900000010079")
			boss.Refuse(code, "return.begin", "receipt", paid.Number)
			boss.Do("basket.resume", "id", s.Suspended[0].ID)
			boss.Pay("cash", 0)
			// nothing else is stopped
			boss.Do("training.start")
			boss.Sell("BRD-01")
			boss.Do("training.stop")
			boss.Approved(staff.Supervisor, "drawer.payout", "amount", 100, "reason", "milk")
			boss.Do("report.x")
			boss.Do("drawer.count", "amount", 0)
			boss.Do("drawer.close")
			boss.Approved(staff.Supervisor, "report.z")
			boss.Do("drawer.open")
			var entries till.EntriesAnswer
			shop.As(staff.Administrator).Ask("/api/journal?kind=refused", &entries)
			if len(entries.Entries) != 3 {
				t.Errorf("%d refusals are journaled, want 3", len(entries.Entries))
			}
			u.set(func(s *till.UpdateStatus) { *s = till.UpdateStatus{} })
			boss.Until(func(s till.State) bool { return s.Software.Stopped == "" })
			boss.Sell("BRD-01")
			shop.Close()
			checkJournal(t, shop)
		})
	}
}

// Requirement: CU-06
func TestAStartIsNoWayAroundAStop(t *testing.T) {
	shop, _ := managed(t)
	node := shop.Node
	for _, b := range []fiscal.SoftwareStage{
		{Stage: fiscal.StageFreshness, Outcome: fiscal.OutcomeFailed, At: time.Now(), Detail: "what is known of releases ran out"},
	} {
		if err := node.RecordStage(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	shop.Restart()
	boss := shop.As(staff.Supervisor)
	boss.Refuse("software-stale", "basket.add", "sku", "BRD-01")
	shop.Node.SetUpdater(&updater{})
	boss.Until(func(s till.State) bool { return s.Software.Stopped == "" })
	boss.Do("drawer.open")
	boss.Sell("BRD-01")
}

// Requirement: CU-07
func TestAnUpdaterThatHangsDelaysNoCommand(t *testing.T) {
	shop, u := managed(t)
	release := make(chan struct{})
	u.mu.Lock()
	u.block = release
	u.mu.Unlock()
	defer close(release)
	boss := shop.As(staff.Supervisor)
	boss.Do("software-check") // Check itself waits for nothing here; the Status after it does
	done := make(chan struct{})
	go func() {
		defer close(done)
		boss.Do("drawer.open")
		for range 20 {
			boss.Sell("BRD-01")
		}
		boss.State()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("commands wait for the updater")
	}
}

func TestTheTillThatEndsForItsNewSoftwareFinishesTheOpenSale(t *testing.T) {
	shop, _ := managed(t)
	anna := shop.As(staff.Operator)
	anna.Do("drawer.open")
	anna.Do("basket.add", "sku", "BRD-01")
	ended := make(chan error, 1)
	go func() { ended <- shop.Node.Retire(context.Background()) }()
	anna.Until(func(s till.State) bool { return s.Software.Stopped == "software-changing" })
	select {
	case err := <-ended:
		t.Fatalf("it did not wait for the sale: %v", err)
	default:
	}
	anna.Pay("cash", 0)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	anna.Refuse("software-changing", "basket.add", "sku", "BRD-01")
}

// A process of the version before, such as one that did not end, holds the journal: the
// next one cannot write beside it, and the other way round.
//
// Requirement: CU-15
func TestTwoProgramsNeverWriteOneJournal(t *testing.T) {
	shop, _ := managed(t)
	shop.As(staff.Operator).Do("drawer.open")
	box, err := seal.Open(durable.OS{}, filepath.Join(shop.Dir, "seal"))
	if err != nil {
		t.Fatal(err)
	}
	o := till.Options{Dir: shop.Dir, Keys: box.JournalKeys(), Software: "plomb 2.0.0", DatabaseKey: func(name string) ([]byte, error) {
		key, err := box.DatabaseKey(name)
		return key[:], err
	}}
	if n, err := till.Open(t.Context(), o); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("beside a program that runs: %v, %v", n, err)
	}
	shop.As(staff.Operator).Sell("BRD-01") // the first goes on undisturbed
	shop.Close()
	next, err := till.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close(context.Background())
	if err := shop.Node.RecordStage(t.Context(), fiscal.SoftwareStage{Stage: fiscal.StageLauncher, Outcome: fiscal.OutcomeDone, At: time.Now()}); err == nil {
		t.Error("the program that ended can still write")
	}
}

// Requirement: DL-09
func TestTheSignatureOfAConsentVerifiesWithTheJournal(t *testing.T) {
	shop, _ := managed(t)
	boss := shop.As(staff.Supervisor)
	boss.Until(func(s till.State) bool { return s.Software.Update != nil })
	boss.Approved(staff.Supervisor, "software-agree", "digest", digest, "for", "install")
	shop.Restart() // verifies the whole journal behind
	shop.As(staff.Supervisor).Until(func(s till.State) bool { return !s.Journal.Verifying && s.Journal.Verified > 0 })
	if h := shop.Node.Health(); h.Journal != "whole" {
		t.Errorf("%+v", h)
	}
}
