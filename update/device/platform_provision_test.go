package device_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/internal/releasetest"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
	"github.com/plomb-pos/plomb/update/trust"
)

// machineOf is what a platform of a shop is provisioned with.
func (s *shop) machineOf() device.New {
	s.Helper()
	n := s.new()
	n.Root, n.Facts = "", boot.Facts{}
	n.Config.Machine = &device.Machine{Restart: []string{"/bin/true"}}
	return n
}

// Requirement: CU-19
func TestAPlatformIsProvisionedBelowTheDeviceOfTheApplications(t *testing.T) {
	w := newShop(t).installed()
	p := w.platform(w.root)
	p.releaseImage(1, program(1, size), nil)
	if f, err := device.RehearsePlatform(t.Context(), w.root, p.machineOf()); err != nil || f.Manifest.Counter != 1 || f.Facts.Scope != manifest.Platform {
		t.Errorf("rehearsed: %+v, %v", f, err)
	}
	if _, there := device.PlatformFolder(w.root); there {
		t.Error("a rehearsal made it")
	}
	var asked []byte
	r, err := device.ProvisionPlatform(t.Context(), w.root, p.machineOf(), func(_ context.Context, image string) (err error) {
		asked, err = os.ReadFile(image)
		return err
	})
	must(t, err)
	if r.Manifest.Counter != 1 || !bytes.Equal(asked, program(1, size)) {
		t.Errorf("%+v, the machine was asked about %d bytes", r.Manifest, len(asked))
	}
	d, err := device.Open(device.Options{Root: p.root, Now: p.Now})
	must(t, err)
	if f := d.Facts(); f.Scope != manifest.Platform || f.Model != releasetest.Model || f.Jurisdiction != releasetest.Jurisdiction {
		t.Errorf("it is %+v", f)
	}
	if s, err := d.Status(slot.A); err != nil || s.Table.Highest != [2]uint64{0, 1} || s.Device == w.key.ID() {
		t.Errorf("%+v, %v", s, err)
	}
	must(t, d.Separate(w.device))
	if _, err := device.ProvisionPlatform(t.Context(), w.root, p.machineOf(), nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("once more: %v", err)
	}
}

// Requirement: CU-19
// Requirement: CU-16
func TestAPlatformThatSharesAKeyWithTheApplicationsIsNotProvisioned(t *testing.T) {
	w := newShop(t).installed()
	refused := func(name string, want error, n device.New, accept device.Accept) {
		t.Helper()
		if _, err := device.ProvisionPlatform(t.Context(), w.root, n, accept); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
		for _, left := range []string{"platform", "platform.making"} {
			if _, err := os.Stat(w.root + "/" + left); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: it left %s", name, left)
			}
		}
	}
	same := w.World.Release(releasetest.Plan{Counter: 2, Program: program(1, size), Image: true})
	w.Entitle(same, w.key.Public())
	refused("the applications' parties", trust.ErrKeys, w.machineOf(), nil)
	if _, err := device.RehearsePlatform(t.Context(), w.root, w.machineOf()); !errors.Is(err, manifest.ErrPolicy) {
		t.Errorf("rehearsed with the applications' parties: %v", err)
	}

	p := w.platform(w.root)
	r := p.World.Release(releasetest.Plan{Counter: 1, Program: program(1, size), Image: true})
	p.Entitle(r, w.key.Public())
	n := p.machineOf()
	n.Key = w.key
	refused("the applications' device key", trust.ErrKeys, n, nil)

	p.Entitle(r, p.key.Public())
	stranger := errors.New("for a toaster")
	refused("an image that the machine does not take", stranger, p.machineOf(), func(context.Context, string) error { return stranger })
	n = p.machineOf()
	n.Config.Machine = nil
	refused("no way to the machine", device.ErrConfig, n, nil)
}

// Requirement: CU-19
// Requirement: FM-09
func TestPowerCutAnywhereInProvisioningAPlatformLeavesNoneOrAWholeOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(rand.Uint64(), 0))
	w := newShop(t)
	w.root = "/d"
	w.release(1)
	disk := powercut.New()
	n := w.new()
	n.FS = disk
	w.provision(n)
	p := w.platform(w.root)
	p.releaseImage(1, program(1, 4096), nil)
	m := p.machineOf()
	m.FS = disk
	points, whole := 0, 0
	disk.Before(func(op powercut.Op) {
		points++
		cut := disk.Cut(rng, powercut.AnyKeep(rng))
		if _, err := cut.ReadDir("/d/" + device.PlatformDir); err == nil {
			whole++
			if d, err := device.Open(device.Options{FS: cut, Root: "/d/" + device.PlatformDir, Now: p.Now}); err != nil {
				t.Fatalf("power cut before %v: it is there, and %v", op, err)
			} else if s, err := d.Status(slot.A); err != nil || s.Slots[0].Counter != 1 {
				t.Fatalf("power cut before %v: it is there, and %+v, %v", op, s, err)
			}
			return
		}
		if points%7 > 0 { // a sample of the cuts goes on
			return
		}
		again := m
		again.FS = cut
		if _, err := device.ProvisionPlatform(t.Context(), "/d", again, nil); err != nil {
			t.Fatalf("power cut before %v: once more: %v", op, err)
		}
	})
	_, err := device.ProvisionPlatform(t.Context(), "/d", m, nil)
	disk.Before(nil)
	must(t, err)
	if points < 50 {
		t.Errorf("only %d power cuts", points)
	}
	t.Logf("%d power cuts, %d with a platform", points, whole)
}
