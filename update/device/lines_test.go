package device_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/releasetest"
	"github.com/plomb-pos/plomb/internal/tpmtest"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/counter"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/slot"
	"github.com/plomb-pos/plomb/update/trust"
)

// line is one of a machine's two lines of releases, with release 1 in force.
type line struct {
	*till
	scope   manifest.Scope
	machine *machine // of platforms
	other   *line    // nil: the one of applications
}

// small is the size of what is released here: frames are tested elsewhere.
const small = 4096

// newLine is a machine with one line, or that of its platforms below that of its
// applications.
func newLine(t *testing.T, scope manifest.Scope) *line {
	t.Helper()
	w := newShop(t).installed()
	l := &line{till: w, scope: manifest.Application}
	if scope == manifest.Application {
		return l
	}
	p := &line{till: &till{shop: w.platform(w.root), fsys: durable.OS{}}, scope: scope, machine: &machine{running: "A", next: "A", content: map[string][]byte{}}, other: l}
	p.all = map[uint64]*release.Release{}
	p.release(releasetest.Plan{Counter: 1})
	n := p.machineOf()
	fast(&n)
	_, err := device.ProvisionPlatform(t.Context(), w.root, n, nil)
	must(t, err)
	p.start()
	return p
}

// start opens device and agent anew.
func (l *line) start() {
	l.Helper()
	if l.other == nil {
		l.till.start()
		return
	}
	var err error
	l.device, err = device.Open(device.Options{Root: l.root, Now: l.Now, Built: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), From: l.from})
	must(l, err)
	l.agent, err = l.device.Agent(device.Till{
		Recorder: l, Gate: l, Asker: l, Authoriser: l, End: func() { l.ended++ },
		Backend: l.machine, Application: l.other.device.BootPolicy(), Other: l.other.agent.Unsettled,
	})
	must(l, err)
}

func (l *line) plan(p releasetest.Plan) releasetest.Plan {
	p.Program, p.Image = program(byte(p.Counter), small), l.scope == manifest.Platform
	if p.Counter > 1 {
		p.Old = program(byte(p.Counter-1), small)
	}
	return p
}

// release publishes a release of the line for its device.
func (l *line) release(p releasetest.Plan) *release.Release {
	l.Helper()
	r := l.World.Release(l.plan(p))
	l.Entitle(r, l.key.Public())
	l.all[p.Counter] = r
	return r
}

// keeps installs a release and has it kept, by the launcher or the machine.
func (l *line) keeps(counter uint64) {
	l.Helper()
	l.updates(counter)
	if l.other == nil {
		l.launches()
		return
	}
	l.machine.running = l.machine.next
	must(l, l.agent.Settle(l.Context(), l.machine))
	l.start()
}

// active is the slot in force.
func (l *line) active() slot.Slot {
	l.Helper()
	s, err := l.device.Active()
	must(l, err)
	return s
}

// lineChecks are the checks of an update; each has to hold for either line.
var lineChecks = map[string]func(t *testing.T, l *line){
	"the next one is installed, and raises the counter of its own line alone": func(t *testing.T, l *line) {
		l.release(releasetest.Plan{Counter: 2})
		l.keeps(2)
		want := map[manifest.Scope][2]uint64{manifest.Application: {2, 0}, manifest.Platform: {0, 2}}[l.scope]
		if got := l.table().Highest; got != want {
			t.Errorf("highest counters %v, want %v", got, want)
		}
		if l.other != nil && l.other.table().Highest != [2]uint64{1, 0} {
			t.Errorf("the applications' counters are %v", l.other.table().Highest)
		}
	},
	"below the floor nothing runs": func(t *testing.T, l *line) {
		l.release(releasetest.Plan{Counter: 2, Floor: 2})
		l.keeps(2)
		d, err := boot.Open(durable.OS{}, l.root)
		must(t, err)
		floors, err := d.Floors(l.table())
		must(t, err)
		if err := d.Check(floors).Fits(l.all[2].Manifest); err != nil {
			t.Errorf("what runs: %v", err)
		}
		first, err := manifest.Parse(l.read(l.Dir + "/1/manifest.json"))
		must(t, err)
		if err := d.Check(floors).Fits(first); !errors.Is(err, slot.ErrFloor) {
			t.Errorf("the one before: %v", err)
		}
	},
	"a counter that is not raised is not taken, whoever orders it": func(t *testing.T, l *line) {
		second, third := l.release(releasetest.Plan{Counter: 2}), l.release(releasetest.Plan{Counter: 3})
		l.keeps(3)
		for _, r := range []*release.Release{second, third} {
			l.Campaign(manifest.Campaign{Release: r.Digest()})
			_ = l.refuses() // what is older is not offered, and that is no error
		}
	},
	"a repository that goes back is refused": func(t *testing.T, l *line) {
		old := t.TempDir()
		must(t, os.CopyFS(old, os.DirFS(l.Repository())))
		l.release(releasetest.Plan{Counter: 2})
		must(t, l.World.Maker.Refresh(l.Now()))
		must(t, l.World.Maker.Push(l.Repo))
		l.keeps(2)
		l.from = []string{old}
		l.start()
		l.rejected(trust.ErrRollback)
	},
	"what another maker signed is refused": func(t *testing.T, l *line) {
		theirs := newShop(t)
		stranger := &line{till: &till{shop: theirs}, scope: l.scope}
		theirs.all = map[uint64]*release.Release{}
		stranger.release(releasetest.Plan{Counter: 2})
		l.from = []string{theirs.Repository()}
		l.start()
		l.rejected(trust.ErrSignature)
	},
	"a certificate that ran out counts for nothing": func(t *testing.T, l *line) {
		r := l.World.Build(l.plan(releasetest.Plan{Counter: 2}))
		must(t, r.Register(l.Maker, l.Now()))
		must(t, r.Approve(l.Authority, release.Certificate{Models: []string{releasetest.Model}, NotBefore: l.Now(), NotAfter: l.Now().AddDate(0, 0, 1)}, l.Now()))
		must(t, r.Encrypt(l.Maker, l.Now()))
		l.Publish(r)
		l.Entitle(r, l.key.Public())
		l.clock.pass(48 * time.Hour)
		l.Refresh()
		l.rejected(trust.ErrPeriod)
	},
	"a frozen repository warns, then stops selling, and installs nothing": func(t *testing.T, l *line) {
		l.release(releasetest.Plan{Counter: 2})
		l.clock.pass(7*24*time.Hour + time.Minute)
		if err := l.refuses(); err == nil {
			t.Error("a frozen repository is no error")
		}
		if f := l.agent.Freshness(); f.Warn == "" || f.StopSelling {
			t.Errorf("after a week: %+v", f)
		}
		l.clock.pass(25 * time.Hour)
		if f := l.agent.Freshness(); !f.StopSelling {
			t.Errorf("and a day: %+v", f)
		}
	},
	"what runs is withdrawn, in whichever slot it is": func(t *testing.T, l *line) {
		l.release(releasetest.Plan{Counter: 2})
		l.keeps(2)
		if l.active() != slot.B {
			t.Fatal("it is in the first slot")
		}
		l.Withdraw(l.Authority, l.all[2].Digest(), "counts twice", l.Now(), true)
		must(t, l.refuses())
		if got := l.device.Withdrawn(l.active()); len(got) != 1 || got[0].Reason != "counts twice" || !got[0].Due(l.device.Now()) {
			t.Errorf("withdrawn by %+v", got)
		}
	},
	"what was withdrawn before is not installed": func(t *testing.T, l *line) {
		r := l.release(releasetest.Plan{Counter: 2})
		l.Withdraw(l.Maker, r.Digest(), "a mistake", l.Now(), false)
		l.rejected(trust.ErrWithdrawn)
	},
	"one for another machine is refused": func(t *testing.T, l *line) {
		r := l.release(releasetest.Plan{Counter: 2, Change: func(m *manifest.Manifest) { m.Compatibility.Platforms = []string{"plan9/mips"} }})
		l.Campaign(manifest.Campaign{Release: r.Digest()})
		l.rejected(slot.ErrIncompatible)
	},
	"without an entitlement of its own nothing is fetched": func(t *testing.T, l *line) {
		l.World.Release(l.plan(releasetest.Plan{Counter: 2}))
		l.rejected(device.ErrEntitlement)
	},
	"a release of the other line is not taken, though its own parties signed it": func(t *testing.T, l *line) {
		other := map[manifest.Scope]manifest.Scope{manifest.Application: manifest.Platform, manifest.Platform: manifest.Application}[l.scope]
		r := l.World.Release((&line{scope: other}).plan(releasetest.Plan{Counter: 2}))
		l.Entitle(r, l.key.Public())
		l.Campaign(manifest.Campaign{Release: r.Digest()})
		_ = l.refuses() // it is none of this line, and so not offered
	},
}

func (l *line) read(name string) []byte {
	l.Helper()
	data, err := os.ReadFile(name)
	must(l, err)
	return data
}

// Platform and application are two lines, each with an index, keys and checks of its
// own; every check is made for each.
//
// Requirement: CU-19
// Requirement: DL-06
// Requirement: CU-06
func TestEveryCheckOfAnUpdateHoldsForPlatformAndApplication(t *testing.T) {
	for _, scope := range []manifest.Scope{manifest.Application, manifest.Platform} {
		for name, check := range lineChecks {
			t.Run(string(scope)+": "+name, func(t *testing.T) { check(t, newLine(t, scope)) })
		}
	}
}

// The keys of one line count for nothing in the other, either way.
//
// Requirement: CU-19
func TestTheKeysOfOneLineCountForNothingInTheOther(t *testing.T) {
	p := newLine(t, manifest.Platform)
	w := p.other
	for _, x := range []struct{ of, from *line }{{p, w}, {w, p}} {
		plan := x.of.plan(releasetest.Plan{Counter: 2})
		r := x.from.World.Release(plan)
		x.from.Entitle(r, x.of.key.Public())
		x.of.from = []string{x.from.Repository()}
		x.of.start()
		x.of.rejected(trust.ErrSignature)
	}
	if err := p.device.Separate(w.device); err != nil {
		t.Error(err)
	}
	if err := w.device.Separate(w.device); !errors.Is(err, trust.ErrKeys) {
		t.Errorf("one device against itself: %v", err)
	}
}

// One TPM holds the floors of both lines: an old disk put back starts neither.
//
// Requirement: CU-10
// Requirement: CU-19
func TestTheFloorsOfBothLinesLieInTheMachinesOneTPM(t *testing.T) {
	tpm := tpmtest.Start(t)
	w := newShop(t).installed(func(n *device.New) { n.TPM = tpm.Socket })
	p := &line{till: &till{shop: w.platform(w.root), fsys: durable.OS{}}, scope: manifest.Platform, machine: &machine{running: "A", next: "A", content: map[string][]byte{}}, other: &line{till: w}}
	p.all = map[uint64]*release.Release{}
	p.release(releasetest.Plan{Counter: 1})
	n := p.machineOf()
	fast(&n)
	_, err := device.ProvisionPlatform(t.Context(), w.root, n, nil)
	must(t, err)
	p.start()
	p.release(releasetest.Plan{Counter: 2, Floor: 2})
	p.keeps(2)
	floors, err := counter.TPM(tpm.Socket).Floors()
	must(t, err)
	if floors != (counter.Floors{slot.Application: 1, slot.Platform: 2}) {
		t.Errorf("floors %v", floors)
	}
}
