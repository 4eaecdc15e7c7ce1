package device_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// till is what the device's agent sees of its till, in memory: nothing holds back and
// everybody agrees.
type till struct {
	*shop
	fsys    durable.FS
	from    []string // sources in place of the configuration's
	slot    slot.Slot
	hold    bool // a sale is open
	history []update.Event
	seen    device.Seen // as its journal has it
	ended   int
	journal int  // version of its format
	frugal  bool // nobody agrees to spend
	asked   int  // how often somebody was asked to
	device  *device.Device
	agent   *update.Agent
}

func (s *shop) till() *till {
	s.Helper()
	w := &till{shop: s, fsys: durable.OS{}}
	w.start()
	return w
}

// start is a start of the till: device and agent are opened anew.
func (w *till) start() {
	w.Helper()
	must(w, w.open())
}

func (w *till) open() (err error) {
	built := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	if w.device, err = device.Open(device.Options{FS: w.fsys, Root: w.root, Now: w.Now, Built: built, From: w.from, Seen: w.seen}); err != nil {
		return err
	}
	w.agent, err = w.device.Agent(device.Till{Slot: w.slot, Recorder: w, Gate: w, Asker: w, Authoriser: w, End: func() { w.ended++ }, Journal: w.journal})
	return err
}

func (w *till) Record(_ context.Context, e update.Event) error {
	w.history = append(w.history, e)
	if w.device.Older() == "" {
		w.seen = w.device.Seen()
	}
	return nil
}
func (w *till) Hold(context.Context) (update.Hold, error) { return update.Hold{OpenSale: w.hold}, nil }
func (w *till) Consent(context.Context, update.Request) (update.Answer, error) {
	return update.Answer{Agreed: true, Person: "op1"}, nil
}
func (w *till) Spend(context.Context, update.Request) (update.Answer, error) {
	w.asked++
	return update.Answer{Agreed: !w.frugal, Person: "op1"}, nil
}
func (w *till) Authorise(context.Context, update.Request) (string, error) { return "op1", nil }

// updates makes a pass that has to end with a release in the other slot.
func (w *till) updates(counter uint64) {
	w.Helper()
	w.clock.pass(2 * time.Minute)
	r, err := w.agent.Update(w.Context())
	if err != nil || !r.Restart {
		w.Fatalf("release %d: %+v, %v\n%s", counter, r, err, w.story())
	}
	if want := w.all[counter].Manifest.Identity; r.Identity != want {
		w.Fatalf("it updates to %s, not %s", r.Identity, want)
	}
}

// refuses makes a pass that has to install nothing.
func (w *till) refuses() error {
	w.Helper()
	w.clock.pass(2 * time.Minute)
	before := w.table()
	r, err := w.agent.Update(w.Context())
	if after := w.table(); r.Restart || after != before {
		w.Fatalf("something was installed: %+v\n%s", r, w.story())
	}
	return err
}

// rejected makes a pass that has to be refused for a reason, which is in the history.
func (w *till) rejected(why error) {
	w.Helper()
	err := w.refuses()
	if !errors.Is(err, update.ErrRejected) || !errors.Is(err, why) {
		w.Errorf("refused for %v, not for %v", err, why)
	}
	if !slices.ContainsFunc(w.history, func(e update.Event) bool { return e.Outcome == update.Rejected }) {
		w.Errorf("the history does not tell of it:\n%s", w.story())
	}
}

func (w *till) table() slot.Table {
	w.Helper()
	d, err := boot.Open(w.fsys, w.root)
	must(w, err)
	t, err := d.Table()
	must(w, err)
	return t
}

// launches does what the launcher does after the till ended: it verifies, starts the
// trial, and keeps it.
func (w *till) launches() *slot.Release {
	w.Helper()
	r, err := w.launch()
	must(w, err)
	w.start()
	return r
}

func (w *till) launch() (*slot.Release, error) {
	d, err := boot.Open(w.fsys, w.root)
	if err != nil {
		return nil, err
	}
	f, _, err := slot.Open(w.fsys, d.Path("boot", boot.TableFile))
	if err != nil {
		return nil, err
	}
	var started *slot.Release
	t := f.Table()
	floors, err := d.Floors(t)
	if err != nil {
		return nil, err
	}
	p := slot.Next(t, func(s slot.Slot) (err error) {
		started, err = d.Check(floors).Verify(d.FS, d.SlotDir(s), t.Manifests[s])
		return err
	})
	if p.Blocked {
		return nil, fmt.Errorf("blocked: %+v", p.Steps)
	}
	t = p.Table
	if p.Trial {
		t = t.Kept(started.Manifest)
	}
	w.slot = p.Slot
	return started, f.Write(t)
}

func (w *till) story() (out string) {
	for _, e := range w.history {
		out += fmt.Sprintf("%s %s %s %s %s\n", e.Stage, e.Outcome, e.Identity, e.Person, e.Detail)
	}
	return out
}

// server serves the repository as a plain web server.
func (s *shop) server() string {
	s.Helper()
	web := httptest.NewServer(http.FileServer(http.Dir(s.Repository())))
	s.Cleanup(web.Close)
	return web.URL
}

// fast lifts the limits of rate, which are tested by package update.
func fast(n *device.New) {
	n.Config.Policy.Low, n.Config.Policy.Normal, n.Config.Policy.Urgent = 1<<40, 1<<40, 1<<40
}

// installed provisions a device with release 1 from a web server.
func (s *shop) installed(change ...func(*device.New)) *till {
	s.Helper()
	s.release(1)
	n := s.new()
	n.Config.Sources = []string{s.server()}
	fast(&n)
	for _, c := range change {
		c(&n)
	}
	s.provision(n)
	return s.till()
}

// Requirement: DL-01
// Requirement: DL-09
// Requirement: CU-01
func TestADeviceUpdatesItselfFromAPlainWebServer(t *testing.T) {
	w := newShop(t).installed()
	if err := w.refuses(); err != nil {
		t.Fatalf("with nothing new: %v", err)
	}
	w.release(2)
	w.updates(2)
	if r := w.launches(); r.Digest != w.all[2].Digest() {
		t.Errorf("the launcher starts %s", r.Manifest.Identity)
	}
	if got := w.table(); got.Highest[slot.Application] != 2 || got.Active != slot.B {
		t.Errorf("table %+v", got)
	}
	for _, s := range []update.Stage{update.Announced, update.Downloaded, update.Transmission, update.Authenticity, update.Compatibility, update.Certification, update.Consented, update.Gated, update.Installed, update.Verified, update.Pointed} {
		if !slices.ContainsFunc(w.history, func(e update.Event) bool { return e.Stage == s && e.Outcome == update.Done }) {
			t.Errorf("no entry of stage %s:\n%s", s, w.story())
		}
	}
	if err := w.refuses(); err != nil {
		t.Errorf("after it: %v", err)
	}
	w.release(3)
	w.updates(3)
	w.launches()
}

// Requirement: DL-01
func TestADeviceTakesAReleaseFromABundleThatAppearsOnAStick(t *testing.T) {
	s := newShop(t)
	media := t.TempDir()
	w := s.installed(func(n *device.New) { n.Config.Sources = []string{media} })
	if err := w.refuses(); err == nil {
		t.Error("without any source nothing is known, and nobody says so")
	}
	second := w.release(2)
	must(t, os.Mkdir(media+"/usb", 0o755))
	f, err := os.Create(media + "/usb/till-2.plomb")
	must(t, err)
	must(t, w.Repo.Bundle(f, second.Digest()))
	must(t, f.Close())
	w.updates(2)
	must(t, os.RemoveAll(media+"/usb"))
	w.launches()
}

// Requirement: CU-17
func TestACampaignSaysWhoGetsWhatWhen(t *testing.T) {
	w := newShop(t).installed(func(n *device.New) {
		n.Config.Take, n.Config.Cohorts = device.Campaign, []string{"north"}
	})
	second := w.release(2)
	if err := w.refuses(); err != nil {
		t.Fatalf("without a campaign: %v", err)
	}
	w.Campaign(manifest.Campaign{Cohort: "south", Release: second.Digest()})
	if err := w.refuses(); err != nil {
		t.Fatalf("another cohort's: %v", err)
	}
	w.Campaign(manifest.Campaign{Device: manifest.Sum([]byte("another")).String(), Release: second.Digest()})
	if err := w.refuses(); err != nil {
		t.Fatalf("another device's: %v", err)
	}
	begin := w.Now().Add(time.Hour).UTC().Truncate(time.Second)
	w.Campaign(manifest.Campaign{Cohort: "north", Release: second.Digest(), From: begin, Waves: []manifest.Wave{{From: begin, Percent: 100}}})
	if err := w.refuses(); err != nil {
		t.Fatalf("before its wave: %v", err)
	}
	w.clock.pass(time.Hour)
	w.updates(2)
	w.launches()
}

// Requirement: CU-17
func TestALowerCampaignIsNotFollowedAfterAHigherOneWasSeen(t *testing.T) {
	w := newShop(t).installed(func(n *device.New) { n.Config.Take = device.Campaign })
	second := w.release(2)
	old := w.Campaign(manifest.Campaign{Release: second.Digest()})
	w.Campaign(manifest.Campaign{Release: manifest.Sum([]byte("stop")), Device: manifest.Sum([]byte("nobody")).String()})
	if err := w.refuses(); err != nil {
		t.Fatal(err)
	}
	must(t, w.Repo.Put(manifest.CampaignName, old))
	w.start() // what was seen is remembered over a start
	w.rejected(device.ErrCampaign)
}

// Requirement: CU-17
func TestACampaignThatTheDeployerHasNotSignedIsNotFollowed(t *testing.T) {
	w := newShop(t).installed(func(n *device.New) { n.Config.Take = device.Campaign })
	w.release(2)
	stranger := newShop(t)
	must(t, w.Repo.Put(manifest.CampaignName, stranger.Campaign(manifest.Campaign{Release: w.all[2].Digest()})))
	w.rejected(device.ErrCampaign)
}

// Requirement: CU-18
func TestAnUrgentCampaignHasADeadlineAndWhatWasBegunInTimeIsNotTakenBackByItsEnd(t *testing.T) {
	w := newShop(t).installed(func(n *device.New) { n.Config.Take = device.Campaign })
	second := w.release(2)
	until := w.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	w.Campaign(manifest.Campaign{Release: second.Digest(), Until: until, Urgency: manifest.Urgent, Attempts: 1})
	offer, err := device.Offered(w.device, slot.A, t.Context())
	must(t, err)
	if offer == nil || !offer.Urgent || !offer.Deadline.Equal(until) || offer.Attempts != 1 {
		t.Fatalf("offered %+v", offer)
	}
	w.clock.pass(72 * time.Hour)
	w.start()
	if offer, err = device.Offered(w.device, slot.A, t.Context()); err != nil || offer == nil {
		t.Errorf("begun in time, and then %v, %v", offer, err)
	}
	other := newShop(t)
	late := other.installed(func(n *device.New) { n.Config.Take = device.Campaign })
	third := late.release(2)
	late.Campaign(manifest.Campaign{Release: third.Digest(), Until: late.Now().Add(time.Hour).UTC().Truncate(time.Second)})
	late.clock.pass(2 * time.Hour)
	if err := late.refuses(); err != nil {
		t.Errorf("a campaign that was over: %v", err)
	}
}

// Requirement: CU-17
func TestWavesGrowAndAreNotTheSameForEveryRelease(t *testing.T) {
	first, both := 0, 0
	for i := range 500 {
		id := manifest.Sum(fmt.Append(nil, i))
		a, b := device.WavePlace(id, manifest.Sum([]byte("a"))) < 20, device.WavePlace(id, manifest.Sum([]byte("b"))) < 20
		if a {
			first++
		}
		if a && b {
			both++
		}
	}
	if first < 70 || first > 130 || both > 45 {
		t.Errorf("of 500 devices %d are in a wave of 20 percent, %d in that of two releases", first, both)
	}
}

// Requirement: DL-05
// Requirement: CU-02
func TestWithoutAnEntitlementOfItsOwnADeviceFetchesNothing(t *testing.T) {
	w := newShop(t).installed()
	w.unentitled(2)
	w.rejected(device.ErrEntitlement)
	other, err := device.NewKey()
	must(t, err)
	w.Entitle(w.all[2], other.Public())
	theirs, err := os.ReadFile(w.Repository() + "/" + manifest.EntitlementName(w.all[2].Digest(), other.ID()))
	must(t, err)
	must(t, w.Repo.Put(manifest.EntitlementName(w.all[2].Digest(), w.key.ID()), theirs))
	w.rejected(manifest.ErrDevice)
	w.EntitleUntil(w.all[2], w.key.Public(), w.Now().Add(time.Hour))
	w.clock.pass(2 * time.Hour)
	w.rejected(device.ErrRanOut)
	w.Entitle(w.all[2], w.key.Public())
	w.updates(2)
}

// Requirement: CU-06
func TestARentedReleaseStopsSellingWhenTheRightToRunItRanOut(t *testing.T) {
	s := newShop(t)
	s.EntitleUntil(s.unentitled(1), s.key.Public(), s.Now().Add(48*time.Hour))
	n := s.new()
	n.Config.Rent = true
	s.provision(n)
	w := s.till()
	if f := w.agent.Freshness(); f.Warn != "" {
		t.Errorf("at once: %+v", f)
	}
	w.clock.pass(47*time.Hour + 30*time.Minute)
	if f := w.agent.Freshness(); f.Warn == "" || f.StopSelling {
		t.Errorf("before the end: %+v", f)
	}
	w.clock.pass(26 * time.Hour)
	if f := w.agent.Freshness(); !f.StopSelling {
		t.Errorf("a day after the end: %+v", f)
	}
	w.Refresh()
	w.Entitle(w.all[1], w.key.Public())
	must(t, w.refuses())
	if f := w.agent.Freshness(); f.Warn != "" {
		t.Errorf("after it was prolonged: %+v", f)
	}
}

// Requirement: CU-06
func TestAFrozenRepositoryWarnsThenStopsSellingAndInstallsNothing(t *testing.T) {
	w := newShop(t).installed()
	w.release(2)
	w.clock.pass(7*24*time.Hour + time.Minute) // timestamps count for a week
	if err := w.refuses(); err == nil {
		t.Error("a frozen repository is no error")
	}
	if f := w.agent.Freshness(); f.Warn == "" || f.StopSelling {
		t.Errorf("after a week: %+v", f)
	}
	w.clock.pass(25 * time.Hour)
	if f := w.agent.Freshness(); !f.StopSelling {
		t.Errorf("and a day: %+v", f)
	}
	w.start()
	if f := w.agent.Freshness(); !f.StopSelling {
		t.Errorf("a start forgets: %+v", f)
	}
	w.Refresh()
	w.updates(2)
}

// Requirement: DL-06
func TestAReleaseThatIsWithdrawnAfterItsInstallationWarnsAndThenBlocks(t *testing.T) {
	w := newShop(t).installed()
	running := w.all[1].Digest()
	if got := w.device.Withdrawn(slot.A); len(got) > 0 {
		t.Fatalf("%v", got)
	}
	w.Withdraw(w.Authority, running, "counts twice", w.Now().Add(24*time.Hour), true)
	must(t, w.refuses())
	got := w.device.Withdrawn(slot.A)
	if len(got) != 1 || got[0].Reason != "counts twice" || got[0].Party != w.Authority.Card.Name || got[0].Due(w.Now()) {
		t.Fatalf("%+v", got)
	}
	w.clock.pass(25 * time.Hour)
	w.start() // with what is kept on the disk alone
	if got = w.device.Withdrawn(slot.A); len(got) != 1 || !got[0].Due(w.device.Now()) {
		t.Errorf("after the deadline: %+v", got)
	}
}

// Requirement: DL-06
func TestAReleaseThatIsWithdrawnBetweenDownloadAndInstallationIsNotInstalled(t *testing.T) {
	w := newShop(t).installed()
	second := w.release(2)
	if offer, err := device.Offered(w.device, slot.A, t.Context()); err != nil || offer == nil {
		t.Fatalf("%v, %v", offer, err)
	}
	w.Withdraw(w.Maker, second.Digest(), "a mistake", w.Now(), false)
	if err := w.refuses(); !errors.Is(err, update.ErrRejected) {
		t.Errorf("%v", err)
	}
}

// Requirement: DL-04
func TestARepositoryOfAnotherMakerIsRefused(t *testing.T) {
	theirs := newShop(t)
	theirs.release(2)
	w := newShop(t).installed()
	w.from = []string{theirs.server()}
	w.start()
	if err := w.refuses(); !errors.Is(err, update.ErrRejected) {
		t.Errorf("%v", err)
	}
}

// Requirement: DL-16
func TestAReleaseForAnotherModelIsNotTakenAndOneThatIsOrderedIsRefused(t *testing.T) {
	w := newShop(t).installed()
	other := w.unentitled(2, func(m *manifest.Manifest) { m.Compatibility.Platforms = []string{"plan9/mips"} })
	w.Entitle(other, w.key.Public())
	if err := w.refuses(); err != nil {
		t.Errorf("one for others in the repository: %v", err)
	}
	w.Campaign(manifest.Campaign{Release: other.Digest()})
	w.rejected(slot.ErrIncompatible)
}

// Requirement: CU-06
// Requirement: DL-15
func TestWithItsClockAt1970ADeviceSellsAndInstallsNothing(t *testing.T) {
	w := newShop(t).installed()
	w.release(2)
	right := w.clock.now
	w.clock.now = time.Unix(0, 0)
	w.start()
	if f := w.agent.Freshness(); f.StopSelling {
		t.Errorf("it does not sell: %+v", f)
	}
	before := w.table()
	if r, _ := w.agent.Update(t.Context()); r.Restart || w.table() != before {
		t.Errorf("it installs: %+v", r)
	}
	w.clock.now = right
	w.start()
	w.updates(2)
}

// Requirement: DL-02
func TestADownloadedReleaseIsInstalledWithoutANetwork(t *testing.T) {
	s := newShop(t)
	web := httptest.NewServer(http.FileServer(http.Dir(s.Repository())))
	t.Cleanup(web.Close)
	w := s.installed(func(n *device.New) { n.Config.Sources = []string{web.URL} })
	w.release(2)
	w.hold = true
	w.clock.pass(2 * time.Minute)
	r, err := w.agent.Update(t.Context())
	if err != nil || r.Waiting == "" || r.Stage != update.Gated {
		t.Fatalf("%+v, %v", r, err)
	}
	web.Close()
	w.hold = false
	w.updates(2)
	w.launches()
}

// Requirement: DL-05
func TestAReleaseThatCannotReadTheTillsJournalIsRefused(t *testing.T) {
	w := newShop(t).installed()
	w.journal = 2
	w.start()
	w.unentitled(2, func(m *manifest.Manifest) { m.Compatibility.Reads, m.Compatibility.Writes = []int{1}, 1 })
	w.Entitle(w.all[2], w.key.Public())
	w.rejected(slot.ErrIncompatible)
	w.unentitled(3, func(m *manifest.Manifest) { m.Compatibility.Reads, m.Compatibility.Writes = []int{1, 2}, 2 })
	w.Entitle(w.all[3], w.key.Public())
	w.updates(3)
}

// Requirement: CU-08
// Requirement: DL-05
func TestAReleaseWhoseTrialWouldWriteWhatTheOldOneCannotReadComesAfterOneThatReadsBoth(t *testing.T) {
	w := newShop(t).installed()
	w.journal = 1
	w.start()
	formats := func(writes int, reads ...int) func(*manifest.Manifest) {
		return func(m *manifest.Manifest) { m.Compatibility.Reads, m.Compatibility.Writes = reads, writes }
	}
	w.unentitled(2, formats(2, 1, 2))
	w.Entitle(w.all[2], w.key.Public())
	w.rejected(slot.ErrIncompatible)
	w.unentitled(3, formats(1, 1, 2)) // expands: reads both, and keeps to the old one
	w.Entitle(w.all[3], w.key.Public())
	w.updates(3)
	w.launches()
	w.journal = 2
	w.start()
	w.unentitled(4, formats(2, 2)) // contracts
	w.Entitle(w.all[4], w.key.Public())
	w.updates(4)
}
