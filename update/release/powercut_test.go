package release_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/trust"
)

// sweep does something on a copy of a disk and gives the disks as they could be if the
// power had gone before each of its operations.
func sweep(t *testing.T, disk *powercut.Disk, do func(d *powercut.Disk) error) (cuts []*powercut.Disk) {
	t.Helper()
	d := disk.Clone()
	rng := rand.New(rand.NewPCG(1, 2))
	last := -1
	d.Before(func(powercut.Op) {
		if d.Ops() == last {
			return // reading changes nothing
		}
		last = d.Ops()
		keeps := []powercut.Keep{powercut.KeepNone, powercut.KeepSome, powercut.KeepAll}
		if testing.Short() {
			keeps = keeps[last%3:][:1]
		}
		for _, keep := range keeps {
			cuts = append(cuts, d.Cut(rng, keep))
		}
	})
	must(t, do(d))
	d.Before(nil)
	return append(cuts, d.Cut(rng, powercut.KeepNone))
}

// office opens an office after a cut and looks at all of it.
func office(t *testing.T, d *powercut.Disk, dir string) *release.Office {
	t.Helper()
	o, err := release.OpenOfficeOn(d, dir, unlock)
	must(t, err)
	if o.Card.Party != release.Deployer {
		must(t, o.CheckTree())
	}
	_, err = o.Record()
	must(t, err)
	if _, err := release.ReadAccessOn(d, dir+"/access.log"); err != nil && !errors.Is(err, fs.ErrNotExist) && !torn(err) {
		t.Fatal(err)
	}
	return o
}

// torn: the last line of an access log may be; the next one is written over it.
func torn(err error) bool { return errors.Is(err, release.ErrTampered) }

// Requirement: CU-16
func TestAnOfficeWhosePowerIsCutIsTheOldOneOrTheNew(t *testing.T) {
	ceremony := release.Ceremony{Party: release.Maker, Name: "plomb", Root: release.Quorum{Threshold: 1, Keys: 2}, Release: release.Quorum{Threshold: 1, Keys: 1}, Work: 1}
	disk := powercut.New()
	cuts := sweep(t, disk, func(d *powercut.Disk) error {
		_, err := release.InitOn(d, "maker", ceremony, unlock, day)
		return err
	})
	points := len(cuts)
	for _, d := range cuts {
		if _, err := release.InitOn(d, "maker", ceremony, unlock, day); err != nil && !errors.Is(err, release.ErrExists) {
			t.Fatal(err)
		}
		office(t, d, "maker")
		disk = d
	}
	hardware := manifest.Identity("1PLMBOX01-20260101")
	reports := []manifest.Report{{Kind: "test", Name: "emc.pdf", SHA256: manifest.Sum([]byte("emc"))}}
	rotated := func(role, key string) (func(o *release.Office) error, func(o *release.Office) bool) {
		return func(o *release.Office) error { _, err := o.Rotate(role, key, day); return err },
			func(o *release.Office) bool {
				return !slices.ContainsFunc(o.Card.Keys, func(k release.Key) bool { return k.Name == key })
			}
	}
	acts := map[string]func() (func(o *release.Office) error, func(o *release.Office) bool){
		"root": func() (func(o *release.Office) error, func(o *release.Office) bool) { return rotated("root", "root-1") },
		"targets": func() (func(o *release.Office) error, func(o *release.Office) bool) {
			return rotated("targets", "targets-1")
		},
		"timestamp": func() (func(o *release.Office) error, func(o *release.Office) bool) {
			return rotated("timestamp", "timestamp-1")
		},
		"note": func() (func(o *release.Office) error, func(o *release.Office) bool) { return rotated("note", "note-1") },
		"hardware": func() (func(o *release.Office) error, func(o *release.Office) bool) {
			return func(o *release.Office) error { return o.RegisterHardware(hardware, reports, day) },
				func(o *release.Office) bool { list, err := o.Hardware(); return err == nil && len(list) > 0 }
		},
		"refresh": func() (func(o *release.Office) error, func(o *release.Office) bool) {
			return func(o *release.Office) error { return o.Refresh(day) }, func(*release.Office) bool { return false }
		},
	}
	for name, act := range acts {
		do, done := act()
		cuts := sweep(t, disk, func(d *powercut.Disk) error { return do(office(t, d, "maker")) })
		points += len(cuts)
		before, after := 0, 0
		for i, d := range cuts {
			if i%31 == 0 {
				again := sweep(t, d, func(d *powercut.Disk) error { _, err := release.OpenOfficeOn(d, "maker", unlock); return err })
				points += len(again)
				for _, d := range again {
					office(t, d, "maker")
				}
			}
			o := office(t, d, "maker")
			if done(o) {
				after++
				continue
			}
			before++
			must(t, do(o))
			must(t, office(t, d, "maker").CheckTree())
		}
		if before == 0 || after == 0 && name != "refresh" {
			t.Errorf("%s: %d cuts left the old office, %d the new", name, before, after)
		}
	}
	t.Logf("%d cuts", points)
}

// load copies a folder of the operating system onto a disk.
func load(t *testing.T, disk *powercut.Disk, from, to string) {
	t.Helper()
	must(t, filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		must(t, err)
		there := path.Join(to, filepath.ToSlash(rel))
		if d.IsDir() {
			return errors.Join(disk.Mkdir(there), disk.SyncDir(path.Dir(there)))
		}
		data, err := os.ReadFile(name)
		must(t, err)
		return durable.Replace(disk, there, data)
	}))
}

// world is a maker, an authority and a release on one disk.
type world struct {
	maker, authority *release.Office
	r                *release.Release
	repo             *release.Repository
	all              *release.Parties
}

func openWorld(t *testing.T, d *powercut.Disk, all *release.Parties) world {
	t.Helper()
	w := world{maker: office(t, d, "maker"), authority: office(t, d, "authority"), all: all}
	var err error
	w.r, err = release.OpenReleaseOn(d, "r1", all)
	must(t, err)
	w.repo, err = release.OpenRepositoryOn(d, "repo")
	must(t, err)
	must(t, w.repo.CheckPublished())
	return w
}

func (w world) witnesses() []release.Witness {
	return []release.Witness{release.OfficeWitness{Office: w.authority, LogKey: w.all.Log, Now: func() time.Time { return day }}}
}

// Requirement: FM-10
func TestAReleaseWhosePowerIsCutGoesOnAtEveryStep(t *testing.T) {
	p := newParties(t)
	program := filepath.Join(t.TempDir(), "program")
	must(t, os.WriteFile(program, []byte(strings.Repeat("small ", 1000)), 0o600))
	p.build(t, "r1", plan(t, 1, "0PLMTIL01-20261122", program))
	disk := powercut.New()
	load(t, disk, filepath.Join(p.dir, "plomb"), "maker")
	load(t, disk, filepath.Join(p.dir, "nmi"), "authority")
	load(t, disk, filepath.Join(p.dir, "r1"), "r1")
	steps := []struct {
		after release.Step
		do    func(w world) error
	}{
		{release.Registered, func(w world) error { return w.r.Register(w.maker, day) }},
		{release.Confirmed, func(w world) error { return w.r.Approve(w.authority, certificate, day) }},
		{release.Encrypted, func(w world) error { return w.r.Encrypt(w.maker, day) }},
		{release.Published, func(w world) error {
			return errors.Join(w.authority.Push(w.repo), w.maker.Publish(context.Background(), w.repo, w.r, w.witnesses(), day))
		}},
		{release.Published, func(w world) error {
			return errors.Join(w.maker.Withdraw(w.r.Digest(), "rounding", day.AddDate(0, 0, 3), trust.Block, day), w.maker.LogWithdrawals(context.Background(), w.repo, w.all, w.witnesses()))
		}},
	}
	points := 0
	for i, s := range steps {
		cuts := sweep(t, disk, func(d *powercut.Disk) error { return s.do(openWorld(t, d, p.all)) })
		points += len(cuts)
		for j, d := range cuts {
			w := openWorld(t, d, p.all)
			// what a later time makes of it must not matter
			if err := s.do(w); err != nil && w.r.State() != s.after {
				t.Fatalf("step %d, cut %d: %v", i, j, err)
			}
			w = openWorld(t, d, p.all)
			if w.r.State() != s.after {
				t.Fatalf("step %d, cut %d: the release is %s", i, j, w.r.State())
			}
			must(t, w.r.Check())
			once(t, w.maker, fmt.Sprintf("step %d, cut %d", i, j))
		}
		disk = cuts[len(cuts)-1]
		must(t, openWorld(t, disk, p.all).r.CheckCustody())
	}
	t.Logf("%d cuts", points)
}

// once looks whether the maker's register names each release once.
func once(t *testing.T, maker *release.Office, where string) {
	t.Helper()
	entries, err := maker.Record()
	must(t, err)
	seen := map[string]bool{}
	for _, e := range entries {
		if key := e.Step + " " + e.Subject; seen[key] {
			t.Errorf("%s: %q is in the register twice", where, key)
		} else {
			seen[key] = true
		}
	}
	if !seen["registered 0PLMTIL01-20261122 application 1"] {
		t.Errorf("%s: the register does not know the release", where)
	}
}
