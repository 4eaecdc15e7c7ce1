// Package releasetest is a maker, an approval authority and a deployer for tests of
// the device's side: real keys and real steps, a clock that the test sets, and a
// published repository.
//
//	w := releasetest.New(t, clock.Now)
//	r := w.Release(releasetest.Plan{Counter: 2, Program: text})
//	w.Entitle(r, key.Public())
package releasetest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/trust"
)

// Names of the parties, and where releases may run.
const (
	Maker        = "maker"
	Authority    = "authority"
	Deployer     = "deployer"
	Model        = "TIL"
	Jurisdiction = "NL"
	Certificate  = "T10001"
)

// World is what a device's software comes from. Its methods end the test when they
// fail.
type World struct {
	testing.TB
	Dir                        string
	Now                        func() time.Time
	Maker, Authority, Deployer *release.Office
	Parties                    *release.Parties
	Repo                       *release.Repository
}

// New holds three ceremonies, with quick keys.
func New(t testing.TB, now func() time.Time) *World {
	t.Helper()
	w := &World{TB: t, Dir: t.TempDir(), Now: now}
	w.Maker = w.office(release.Ceremony{Party: release.Maker, Name: Maker})
	w.Authority = w.office(release.Ceremony{Party: release.Authority, Name: Authority, Jurisdictions: []string{Jurisdiction}})
	w.Deployer = w.office(release.Ceremony{Party: release.Deployer, Name: Deployer})
	w.Parties = w.parties(1)
	var err error
	w.Repo, err = release.OpenRepository(w.Repository())
	w.must(err)
	return w
}

func (w *World) parties(serial uint64) *release.Parties {
	w.Helper()
	p, err := release.NewParties(serial, w.Maker.Card, w.Deployer.Card, w.Authority.Card)
	w.must(err)
	return p
}

func (w *World) office(c release.Ceremony) *release.Office {
	w.Helper()
	one := release.Quorum{Threshold: 1, Keys: 1}
	c.Root, c.Release, c.Work = one, one, 1
	o, err := release.Init(filepath.Join(w.Dir, c.Name), c, func(string) (string, error) { return "test", nil }, w.Now())
	w.must(err)
	return o
}

func (w *World) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// Repository is the published folder.
func (w *World) Repository() string { return filepath.Join(w.Dir, "repository") }

// TrustPolicy is what a device is provisioned with: it warns an hour before metadata
// run out, and sells nothing a day after.
func (w *World) TrustPolicy() []byte {
	w.Helper()
	text, err := w.Parties.TrustPolicy(time.Hour, 24*time.Hour, w.Maker.Card, w.Authority.Card)
	w.must(err)
	return text
}

// Plan is a release of one program.
type Plan struct {
	Counter uint64
	Floor   uint64 // 0: the counter before
	Program []byte
	Old     []byte                   // the program that a delta is built against; nil: none
	Image   bool                     // the program is the image of a platform
	More    []release.Source         // components beside the program
	Change  func(*manifest.Manifest) // before it is built; nil: nothing
}

// Release takes a release through all steps; one with an approved release's legally
// relevant part the authority is not asked about. Its folder is Dir/COUNTER.
func (w *World) Release(p Plan) *release.Release {
	w.Helper()
	r := w.Build(p)
	w.must(r.Register(w.Maker, w.Now()))
	if r.Manifest.Approved == nil {
		w.must(r.Approve(w.Authority, release.Certificate{Models: []string{Model}, NotBefore: w.Now(), NotAfter: w.Now().AddDate(10, 0, 0)}, w.Now()))
	}
	w.must(r.Encrypt(w.Maker, w.Now()))
	w.Publish(r)
	return r
}

// Build makes a release with its reports.
func (w *World) Build(p Plan) *release.Release {
	w.Helper()
	m := manifest.Manifest{
		Identity: manifest.Identity(fmt.Sprintf("0PLMTIL%02d-20261122", p.Counter)), Scope: manifest.Application, Counter: p.Counter, Floor: p.Floor,
		Jurisdictions: []string{Jurisdiction}, Certificate: Certificate,
		Compatibility: manifest.Compatibility{Models: []string{Model}, Platforms: []string{release.Platform()}},
	}
	if m.Floor == 0 {
		m.Floor = max(p.Counter-1, 1)
	}
	if p.Change != nil {
		p.Change(&m)
	}
	src := release.Source{Kind: manifest.Program, Path: "bin/till", Mode: 0o755, File: w.file(fmt.Sprintf("program-%d", p.Counter), p.Program)}
	if p.Image {
		m.Scope, src.Kind, src.Path, src.Mode = manifest.Platform, manifest.Image, "system.raucb", 0
	}
	if p.Old != nil {
		src.Old = []string{w.file(fmt.Sprintf("old-%d", p.Counter), p.Old)}
	}
	r, err := w.Maker.Build(w.Context(), filepath.Join(w.Dir, fmt.Sprint(p.Counter)), w.Parties,
		release.Plan{Manifest: m, Sources: append([]release.Source{src}, p.More...), Builder: "https://example.org/test"}, w.Now())
	w.must(err)
	w.must(r.Attach(w.Maker, "test", "tests.txt", []byte("ok"), w.Now()))
	w.must(r.Attach(w.Maker, "assessor", "assessor.pdf", []byte("fine"), w.Now()))
	return r
}

func (w *World) file(name string, data []byte) string {
	w.Helper()
	name = filepath.Join(w.Dir, name)
	w.must(os.WriteFile(name, data, 0o600))
	return name
}

// Publish logs a release, has it witnessed and puts it into the repository.
func (w *World) Publish(r *release.Release) {
	w.Helper()
	w.must(w.Authority.Push(w.Repo))
	witness := release.OfficeWitness{Office: w.Authority, LogKey: w.Parties.Log, Now: w.Now}
	w.must(w.Maker.Publish(w.Context(), w.Repo, r, []release.Witness{witness}, w.Now()))
}

// Refresh renews the parties' timestamps.
func (w *World) Refresh() {
	w.Helper()
	for _, o := range []*release.Office{w.Maker, w.Authority} {
		w.must(o.Refresh(w.Now()))
		w.must(o.Push(w.Repo))
	}
}

// Entitle wraps the content key of a release to a device, for a year.
func (w *World) Entitle(r *release.Release, device []byte) {
	w.Helper()
	w.EntitleUntil(r, device, w.Now().AddDate(1, 0, 0))
}

// EntitleUntil is Entitle with an end.
func (w *World) EntitleUntil(r *release.Release, device []byte, until time.Time) {
	w.Helper()
	signed, err := r.Entitle(w.Deployer, device, until, w.Now())
	w.must(err)
	w.must(w.Repo.Put(manifest.EntitlementName(r.Digest(), manifest.Sum(device)), signed))
}

// Campaign publishes a campaign; what is left out is filled in: for all, a month from
// now on, normal, three attempts.
func (w *World) Campaign(c manifest.Campaign) []byte {
	w.Helper()
	if c.Cohort == "" && c.Device == "" {
		c.Cohort = "*"
	}
	if c.From.IsZero() {
		c.From = w.Now().UTC().Truncate(time.Second)
	}
	if c.Until.IsZero() {
		c.Until = c.From.AddDate(0, 1, 0)
	}
	if c.Urgency == "" {
		c.Urgency = manifest.Normal
	}
	if c.Attempts == 0 {
		c.Attempts = 3
	}
	signed, err := w.Deployer.Campaign(c, w.Now())
	w.must(err)
	w.must(w.Repo.Put(manifest.CampaignName, signed))
	return signed
}

// Withdraw publishes a withdrawal by a party's office.
func (w *World) Withdraw(o *release.Office, d manifest.Digest, reason string, deadline time.Time, block bool) {
	w.Helper()
	action := trust.Warn
	if block {
		action = trust.Block
	}
	w.must(o.Withdraw(d, reason, deadline, action, w.Now()))
	w.must(o.Push(w.Repo))
}
