package device_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/counter"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/releaselog"
	"github.com/plomb-pos/plomb/update/slot"
	"github.com/plomb-pos/plomb/update/trust"
)

// nextPolicy is the trust policy with the next serial.
func (s *shop) nextPolicy() []byte {
	s.Helper()
	_, boot, err := s.Parties.BootPolicy()
	must(s, err)
	s.Parties, err = release.NewParties(boot.Serial+1, s.Maker.Card, s.Deployer.Card, s.Authority.Card)
	must(s, err)
	return s.TrustPolicy()
}

// Requirement: DL-04
// Requirement: DL-17
// Requirement: CU-01
func TestATrustPolicyComesIntoForceWhenAllPartiesNameIt(t *testing.T) {
	w := newShop(t).installed()
	text := w.nextPolicy()
	must(t, w.Maker.SignPolicy(text, w.Now()))
	must(t, w.Maker.Push(w.Repo))
	w.rejected(trust.ErrNotApproved)
	if w.device.Serial() != 1 {
		t.Fatal("the maker alone put a policy in force")
	}
	must(t, w.Authority.SignPolicy(text, w.Now()))
	must(t, w.Authority.Push(w.Repo))
	must(t, w.refuses())
	if w.device.Serial() != 2 {
		t.Fatalf("policy %d is in force", w.device.Serial())
	}
	w.start()
	if w.device.Serial() != 2 {
		t.Fatalf("after a start policy %d is in force", w.device.Serial())
	}
	w.release(2)
	w.updates(2)
	w.launches()
}

// Requirement: DL-17
func TestATrustPolicyUnderWhichNothingWouldStartIsRefused(t *testing.T) {
	w := newShop(t).installed()
	stranger := newShop(t)
	p, err := release.NewParties(2, w.Maker.Card, stranger.Deployer.Card, w.Authority.Card)
	must(t, err)
	p.Log = stranger.Parties.Log // another log, which has never seen what runs
	bad, err := p.TrustPolicy(1, 1, w.Maker.Card, w.Authority.Card)
	must(t, err)
	for _, o := range []*release.Office{w.Maker, w.Authority} {
		must(t, o.SignPolicy(bad, w.Now()))
		must(t, o.Push(w.Repo))
	}
	w.rejected(trust.ErrNotApproved)
	if w.device.Serial() != 1 {
		t.Error("it is in force")
	}
	if _, err := w.launch(); err != nil {
		t.Errorf("the launcher: %v", err)
	}
}

// The launcher asks for the proof of being logged at every start.
//
// Requirement: DL-18
func TestTheLauncherStartsNothingThatItsLogDoesNotHave(t *testing.T) {
	w := newShop(t).installed()
	must(t, os.WriteFile(w.root+"/slots/a/log.proof", []byte("nothing"), 0o600))
	d, err := boot.Open(durable.OS{}, w.root)
	must(t, err)
	_, err = d.Check(counter.Floors{}).Verify(d.FS, d.SlotDir(slot.A), w.all[1].Digest())
	if !errors.Is(err, releaselog.ErrUnlogged) {
		t.Errorf("%v", err)
	}
}

// Requirement: DL-01
func TestTheShopsTillsFetchAReleaseOnce(t *testing.T) {
	s := newShop(t)
	var packs atomic.Int64
	files := http.FileServer(http.Dir(s.Repository()))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/packs/") {
			packs.Add(1)
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	one := s.installed(func(n *device.New) { n.Config.Sources = []string{web.URL} })
	two := s.second(web.URL, one)
	s.Entitle(s.release(2), two.key.Public())
	one.updates(2)
	if packs.Load() == 0 {
		t.Fatal("the first till fetched nothing from the server")
	}
	before := packs.Load()
	two.updates(2)
	if n := packs.Load() - before; n != 0 {
		t.Errorf("the second till asked the server for packs %d times:\n%s", n, two.story())
	}
}

// second is another till of the shop, whose relay is the first one's.
func (s *shop) second(web string, first *till) *till {
	s.Helper()
	key, err := device.NewKey()
	must(s, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(s, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- first.device.ServeRelay(ctx, l) }()
	s.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			s.Error(err)
		}
	})
	next := *s
	next.key, next.root = key, s.root+"-2"
	s.Entitle(s.all[1], key.Public())
	n := next.new()
	n.Config.Sources, n.Config.Shop = []string{web}, []string{"http://" + l.Addr().String()}
	fast(&n)
	next.provision(n)
	return next.till()
}

// Requirement: CU-17
func TestCheckTellsWhatIsOfferedAndBeginsNothing(t *testing.T) {
	w := newShop(t).installed(func(n *device.New) { n.Config.Take = device.Campaign })
	second := w.release(2)
	until := w.Now().Add(1e12).UTC()
	w.Campaign(manifest.Campaign{Release: second.Digest(), Until: until.Truncate(1e9)})
	f, err := w.device.Check(t.Context(), slot.A)
	must(t, err)
	if f.Manifest != second.Digest() || f.Refused != "" {
		t.Fatalf("%+v", f)
	}
	w.clock.pass(1e13)
	w.Refresh()
	if f, err = w.device.Check(t.Context(), slot.A); err != nil || f.Identity != "" {
		t.Errorf("after the end of a campaign that nobody began: %+v, %v", f, err)
	}
	st, err := w.device.Status(slot.A)
	must(t, err)
	if st.Campaign == nil || st.Slots[0].Counter != 1 || !st.Slots[0].Active || st.Device != w.key.ID() {
		t.Errorf("%+v", st)
	}
}

// Requirement: CU-17
func TestAReleaseThatFailsIsTriedAsOftenAsItsCampaignSays(t *testing.T) {
	w := newShop(t).installed(func(n *device.New) { n.Config.Take = device.Campaign })
	second := w.release(2)
	w.Campaign(manifest.Campaign{Release: second.Digest(), Attempts: 1})
	w.updates(2)
	f, _, err := slot.Open(w.fsys, w.root+"/boot/table")
	must(t, err)
	must(t, f.Write(f.Table().GivenUp(slot.Crashed)))
	for range 3 {
		w.clock.pass(9 * 60 * 60 * 1e9)
		w.Refresh()
		if err := w.refuses(); !errors.Is(err, update.ErrRejected) {
			t.Fatalf("after its one attempt: %v", err)
		}
	}
}

// Requirement: DL-01
func TestSourcesAreAskedThroughTheProxyOfTheConfiguration(t *testing.T) {
	s := newShop(t)
	var asked atomic.Int64
	files := http.FileServer(http.Dir(s.Repository()))
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host == "updates.invalid" { // as a proxy is asked
			asked.Add(1)
			files.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(proxy.Close)
	w := s.installed(func(n *device.New) {
		n.Config.Sources, n.Config.Proxy = []string{"http://updates.invalid/"}, proxy.URL
	})
	w.release(2)
	w.updates(2)
	if asked.Load() == 0 {
		t.Error("nothing went through the proxy")
	}
}
