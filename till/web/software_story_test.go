package web_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/browsertest"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/api"
	"github.com/plomb-pos/plomb/till/tilltest"
	"github.com/plomb-pos/plomb/till/web"
)

// Here the node is real, with its journal, its roles and its HTTP, and what brings
// software is played: so that each turn of an update comes when the story wants it.
// story_update_test.go tells one update with nothing played.

// player is an updater as an agent is one: it goes on when somebody has agreed and
// no sale is open.
type player struct {
	mu     sync.Mutex
	node   *till.Node
	status till.UpdateStatus
	going  bool
	ended  chan struct{} // closed when the program has to end
}

func (p *player) set(f func(*till.UpdateStatus)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.status)
}

// Check asks nobody.
func (p *player) Check(context.Context) (bool, error) { return p.Status().Update != nil, nil }

// Status is asked every second, and so is what stands in the way.
func (p *player) Status() till.UpdateStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.status
	if s.Update == nil {
		return s
	}
	o := *s.Update
	if d, ok := p.node.Decision(o.Digest, fiscal.ForInstall); ok && d.Agreed {
		o.Stage, o.Waiting = "consent", till.WaitsForNothing
		switch {
		case p.node.Work().Sale && !p.going:
			o.Waiting = till.WaitsForSale
		case !p.going:
			p.going = true
			go p.end(o)
			fallthrough
		default:
			o.Stage = "pointer"
		}
	}
	s.Update = &o
	return s
}

// end records what the launcher is told, as an agent does, and ends the program.
func (p *player) end(o till.Offered) {
	if p.record(o, fiscal.StagePointer) == nil && p.node.Retire(context.Background()) == nil {
		close(p.ended)
	}
}

func (p *player) record(o till.Offered, stage string) error {
	return p.node.RecordStage(context.Background(), fiscal.SoftwareStage{
		Stage: stage, Outcome: fiscal.OutcomeDone, At: time.Now(), Identity: o.Identity, Counter: o.Counter, Manifest: o.Digest,
	})
}

// sealed is a till under seal, behind an address that stays.
type sealed struct {
	*tilltest.Shop
	*player
	t       *testing.T
	release fiscal.Release
	server  *httptest.Server

	mu      sync.Mutex      // guards what follows
	handler http.Handler    // of the program that runs; nil: none does
	program context.Context // ends with it
	stop    context.CancelFunc
}

func manifest(version string) string { return strings.Repeat(version, 32) }

func releaseOf(version, slot string, counter uint64) fiscal.Release {
	return fiscal.Release{Identity: "0PLMTIL" + version + "-20261122", Scope: "application", Counter: counter, Legal: true, Certificate: "DE-26-M-0001",
		Manifest: manifest(version), Signers: []string{"maker", "ptb"}, Slot: slot}
}

func openSealed(t *testing.T) *sealed {
	t.Helper()
	if testing.Short() {
		t.Skip("a story starts a browser")
	}
	s := &sealed{t: t, release: releaseOf("01", "a", 1)}
	s.Shop = tilltest.New(t, tilltest.WithoutDevices(), tilltest.With(func(o *till.Options) {
		o.Software = "plomb 1." + s.release.Identity[8:9]
		o.Release = &s.release
	}))
	s.server = httptest.NewServer(s)
	t.Cleanup(func() { s.server.CloseClientConnections(); s.server.Close() })
	s.As(staff.Supervisor).Do("drawer.open")
	s.begin("")
	return s
}

// begin serves a page that has this name; empty: its own.
func (s *sealed) begin(page string) {
	s.player = &player{node: s.Node, ended: make(chan struct{})}
	s.Node.SetUpdater(s.player)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = api.Handler(s.Node, paged(page))
	s.program, s.stop = context.WithCancel(context.Background())
}

// ServeHTTP answers while the program runs.
func (s *sealed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	h, program := s.handler, s.program
	s.mu.Unlock()
	if h == nil {
		panic(http.ErrAbortHandler)
	}
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	defer context.AfterFunc(program, stop)()
	h.ServeHTTP(w, r.WithContext(ctx))
}

// goes waits until the program has to end, and ends it.
func (s *sealed) goes() {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(browsertest.Patience):
		s.t.Fatal("the update did not go on")
	}
	s.mu.Lock()
	s.handler = nil
	s.stop()
	s.mu.Unlock()
	s.Close()
}

// comes starts a program, which copies what the launcher logged meanwhile.
func (s *sealed) comes(r fiscal.Release, page string, lines ...fiscal.SoftwareStage) {
	s.t.Helper()
	s.release = r
	s.Restart()
	for _, l := range lines {
		l.At = time.Now()
		if err := s.Node.RecordStage(s.t.Context(), l); err != nil {
			s.t.Fatal(err)
		}
	}
	s.begin(page)
}

func logged(sequence uint64, r fiscal.Release, stage, detail string) fiscal.SoftwareStage {
	return fiscal.SoftwareStage{Stage: stage, Outcome: fiscal.OutcomeDone, Identity: r.Identity, Counter: r.Counter, Manifest: r.Manifest, Detail: detail, Line: sequence}
}

func (s *sealed) offer(r fiscal.Release) {
	o := till.Offered{
		Identity: r.Identity, Counter: r.Counter, Digest: r.Manifest, Legal: true, Stage: "certification", Waiting: till.WaitsForConsent,
		Consent:  map[string]string{"en": "Reduced rates of tax from 1 January 2027.", "de": "Ermäßigte Steuersätze ab 1. Januar 2027."},
		Deadline: time.Now().Add(9 * 24 * time.Hour),
	}
	if err := s.record(o, fiscal.StageAnnounced); err != nil {
		s.t.Fatal(err)
	}
	s.set(func(u *till.UpdateStatus) { u.Update = &o })
}

// named is the page of another program: the same files under another name.
type named struct {
	*web.Pages
	name string
}

func paged(name string) http.Handler {
	if name == "" {
		return web.Handler()
	}
	return named{web.Handler(), name}
}

func (n named) Digest() string { return n.name }

func (n named) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Header.Del("If-None-Match")
	rec := httptest.NewRecorder()
	n.Pages.ServeHTTP(rec, r)
	body := bytes.ReplaceAll(rec.Body.Bytes(), []byte(n.Pages.Digest()), []byte(n.name))
	for name, values := range rec.Header() {
		if name != "Etag" && name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body)
}

func (s *sealed) enter(person string) *browsertest.Page {
	p := browsertest.Open(s.t, s.server.URL, browsertest.Till)
	s.signIn(p, person)
	return p
}

func (s *sealed) signIn(p *browsertest.Page, person string) {
	p.SeeTest("sign-in")
	p.Click(person)
	p.ClickTest("sign-in-next")
	for _, digit := range tilltest.PIN {
		p.Click(string(digit))
	}
	p.ClickTest("sign-in-next")
	p.SeeTest("tiles")
}

// agree confirms the update with one's own PIN.
func agree(p *browsertest.Page) {
	p.ClickTest("update-badge")
	p.ClickTest("update-agree")
	p.SeeTest("approval")
	for _, digit := range tilltest.PIN {
		p.Click(string(digit))
	}
	p.ClickTest("approval-next")
	p.GoneTest("approval")
}

// An operator sees the update; a supervisor agrees while a sale is open; it waits for
// the sale; the till goes and comes back as another program, whose page takes the
// place of the old one; then a version fails, and the screen says so.
//
// Requirement: DL-02, DL-07, DL-20, CU-02, CU-15
func TestStoryAnUpdateIsAgreedToWaitsForTheSaleAndTakesOver(t *testing.T) {
	s := openSealed(t)
	p := s.enter(string(tilltest.IDs[staff.Operator]))
	p.Allow("ERR_")
	p.Allow("403")
	p.GoneTest("update-badge")
	second := releaseOf("02", "b", 2)
	s.offer(second)
	p.See("New software is there: version 2.")
	p.ClickTest("update-badge")
	p.SeeTest("update-not-yours")
	p.See("Reduced rates of tax from 1 January 2027.")
	p.GoneTest("update-agree")
	p.Click("Close")
	p.ClickTest("menu")
	p.ClickTest("sign-out")
	s.signIn(p, string(tilltest.IDs[staff.Supervisor]))
	p.ClickTest("article-BRD-01")
	p.SeeTest("line-1")
	agree(p)
	p.SeeTest("waits-sale")
	picture(t, p, "story-update-waits")
	p.ClickTest("waits-go-sell")
	p.GoneTest("update-sheet")
	p.ClickTest("cash-exact")
	p.SeeTest("finished")
	p.SeeTest("banner-restarting")
	p.Eval(`window.program = 'first'`, nil)
	s.goes()
	p.SeeTest("restarting")
	p.See("The till starts again with version 2")
	second.Trial = true
	s.comes(second, "page of the second", logged(1, second, fiscal.StageTrial, "starting"), logged(2, second, fiscal.StageKept, "kept"))
	p.See("Version 2 is installed.")
	p.Until(`window.program === undefined`) // the page of the new program
	p.ClickTest("article-BRD-01")           // signed in as before, and heard
	p.SeeTest("line-1")
	p.ClickTest("put-outcome")
	p.GoneTest("banner-outcome")
	p.ClickTest("menu")
	p.ClickTest("menu-software")
	p.See(second.Identity)
	p.See("Started for trial from slot B")
	p.See("Agreed to the installation")
	p.See("The maker, ptb")
	picture(t, p, "story-software")
	p.ClickTest("back")
	p.ClickTest("cash-exact")
	p.SeeTest("finished")

	third := releaseOf("03", "a", 3)
	s.offer(third)
	p.See("New software is there: version 3.")
	agree(p)
	s.goes()
	p.SeeTest("restarting")
	second.Trial = false
	s.comes(second, "page of the second", logged(3, third, fiscal.StageFallenBack, "ended with exit code 1, three times"))
	p.See("Version 3 did not work.")
	p.See("runs version 2")
	p.GoneTest("restarting")
	picture(t, p, "story-update-fell-back")
	p.ClickTest("article-BRD-01")
	p.SeeTest("line-1")
}

// Requirement: CU-06
func TestStorySellingIsStoppedSaidAndBegunAgain(t *testing.T) {
	s := openSealed(t)
	p := s.enter(string(tilltest.IDs[staff.Supervisor]))
	p.Allow("422")
	p.ClickTest("article-BRD-01")
	p.SeeTest("line-1")
	s.set(func(u *till.UpdateStatus) {
		u.Freshness.Warn = "what is known of releases runs out on 2026-11-24 10:00:00"
	})
	p.SeeTest("banner-stale")
	s.set(func(u *till.UpdateStatus) {
		u.Freshness = till.Freshness{}
		u.Withdrawn = []till.Withdrawal{{By: "ptb", Reason: "rounds the tax of returns wrongly", Deadline: time.Now().Add(-time.Minute), Action: "block", Blocks: true}}
	})
	p.SeeTest("banner-stopped")
	p.ClickTest("cash-exact") // the open sale is finished
	p.SeeTest("finished")
	p.SeeTest("stopped")
	p.See("ptb has withdrawn this software")
	p.Scan("2900000010079")
	p.See("no new sale can begin")
	p.ClickTest("software-check")
	p.SeeTest("asked")
	p.See("There is no newer software for this till.")
	picture(t, p, "story-stopped")
	s.set(func(u *till.UpdateStatus) { u.Withdrawn = nil })
	p.SeeTest("tiles")
	p.GoneTest("banner-stopped")
	p.ClickTest("article-BRD-01")
	p.SeeTest("line-1")
}

// Whatever moment a person picks, the node keeps it: the announcement is quiet until
// then, on every screen.
//
// Requirement: DL-02, CU-18
func TestStoryAnUpdateIsPutOff(t *testing.T) {
	s := openSealed(t)
	p := s.enter(string(tilltest.IDs[staff.Supervisor]))
	s.offer(releaseOf("02", "b", 2))
	p.ClickTest("banner-look")
	p.ClickTest("update-later")
	p.ClickTest("later-hour")
	p.GoneTest("update-sheet")
	p.GoneTest("banner-update")
	d, ok := s.Node.Decision(manifest("02"), fiscal.ForInstall)
	if left := time.Until(d.Until); !ok || d.Agreed || left < 50*time.Minute || left > time.Hour {
		t.Errorf("decision %+v, want it put off for an hour", d)
	}
	p.ClickTest("update-badge")
	p.SeeTest("put-off")
}
