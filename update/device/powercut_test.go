package device_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// renewed publishes a trust policy with the next serial, signed by all parties.
func (s *shop) renewed() []byte {
	s.Helper()
	text := s.nextPolicy()
	must(s, s.Maker.SignPolicy(text, s.Now()))
	must(s, s.Maker.Push(s.Repo))
	must(s, s.Authority.SignPolicy(text, s.Now()))
	must(s, s.Authority.Push(s.Repo))
	return text
}

// afterCut checks what a disk is that lost its power: the launcher starts one of the two
// versions, whole, under a policy that is one of the two, and the device opens.
func (w *till) afterCut(disk *powercut.Disk) error {
	d, err := boot.Open(disk, w.root)
	if err != nil {
		return err
	}
	if s := d.Rules.Signers.Serial; s != 1 && s != 2 {
		return fmt.Errorf("policy %d", s)
	}
	cut := &till{shop: w.shop, fsys: disk, slot: w.slot, from: w.from, seen: w.seen}
	if err := cut.open(); err != nil {
		return err
	}
	if older := cut.device.Older(); older != "" {
		return fmt.Errorf("the journal has what the disk has not: %s", older)
	}
	if cut.device.Serial() != d.Rules.Signers.Serial {
		return errors.New("launcher and device follow two policies")
	}
	r, err := (&till{shop: w.shop, fsys: disk.Clone()}).launch()
	if err != nil {
		return err
	}
	if r.Digest != w.all[1].Digest() && r.Digest != w.all[2].Digest() {
		return fmt.Errorf("%s starts", r.Manifest.Identity)
	}
	return nil
}

// goesOn starts the till again on a disk that lost its power; it has to come to the end.
func (w *till) goesOn(disk *powercut.Disk) error {
	next := &till{shop: w.shop, fsys: disk, slot: w.slot, from: w.from, seen: w.seen}
	if err := next.open(); err != nil {
		return err
	}
	r, err := next.agent.Update(w.Context())
	if err != nil || !r.Restart {
		return fmt.Errorf("%+v, %w\n%s", r, err, next.story())
	}
	if s := next.device.Serial(); s != 2 {
		return fmt.Errorf("policy %d is in force at the end", s)
	}
	if started, err := next.launch(); err != nil || started.Digest != w.all[2].Digest() {
		return fmt.Errorf("the launcher started %v, %w", started, err)
	}
	return nil
}

// Requirement: FM-09
// Requirement: CU-08
func TestPowerCutAnywhereInPolicyCampaignEntitlementAndUpdateLeavesAWholeDevice(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	s := newShop(t)
	s.root = "/d"
	s.release(1)
	n := s.new()
	n.Config.Take = device.Campaign
	fast(&n)
	first := powercut.New()
	n.FS = first
	s.provision(n)
	s.renewed()
	second := s.release(2)
	s.Campaign(manifest.Campaign{Release: second.Digest()})
	points, resumed, rounds := 0, 0, 2
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		disk := first.Clone()
		w := &till{shop: s, fsys: disk}
		disk.Before(func(op powercut.Op) {
			if op.N == 0 && rng.IntN(60) > 0 { // between two reads nothing changes
				return
			}
			points++
			cut := disk.Cut(rng, powercut.AnyKeep(rng))
			if err := w.afterCut(cut); err != nil {
				t.Fatalf("power cut before %v: %v\n%s", op, err, w.story())
			}
			if f, _, err := slot.Open(cut, "/d/boot/table"); err != nil || f.Table().Trial || rng.IntN(12) > 0 {
				return
			}
			resumed++
			if err := w.goesOn(cut); err != nil {
				t.Fatalf("power cut before %v, and started again: %v", op, err)
			}
		})
		w.start()
		r, err := w.agent.Update(t.Context())
		disk.Before(nil)
		if err != nil || !r.Restart {
			t.Fatalf("%+v, %v\n%s", r, err, w.story())
		}
	}
	t.Logf("%d power cuts, of which %d went on to the end", points, resumed)
}

// Requirement: FM-09
func TestPowerCutAnywhereInProvisioningLeavesNoDeviceOrAWholeOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(rand.Uint64(), 0))
	s := newShop(t)
	s.root = "/d"
	s.release(1)
	n := s.new()
	disk := powercut.New()
	n.FS = disk
	points, whole := 0, 0
	disk.Before(func(op powercut.Op) {
		if op.N == 0 {
			return
		}
		points++
		cut := disk.Cut(rng, powercut.AnyKeep(rng))
		d, err := boot.Open(cut, s.root)
		if err != nil {
			return // plomb-boot starts nothing and says why
		}
		if _, err := d.Table(); err != nil {
			return
		}
		whole++
		w := &till{shop: s, fsys: cut}
		if err := w.open(); err != nil {
			t.Fatalf("power cut before %v: there is a table, and %v", op, err)
		}
		if _, err := w.launch(); err != nil {
			t.Fatalf("power cut before %v: there is a table, and %v", op, err)
		}
	})
	s.provision(n)
	disk.Before(nil)
	t.Logf("%d power cuts, %d with a slot table", points, whole)
}
