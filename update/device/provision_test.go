package device_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/releasetest"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/slot"
)

// clock is set by the test.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time          { return c.now }
func (c *clock) pass(d time.Duration)    { c.now = c.now.Add(d) }
func newClock() *clock                   { return &clock{time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)} }
func must(t testing.TB, err error)       { t.Helper(); mustDo(t, err) }
func program(version byte, n int) []byte { return randomBytes(version, n) }

func mustDo(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// randomBytes are the same for the same version, and alike for others.
func randomBytes(version byte, n int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	out := make([]byte, n)
	_, _ = r.Read(out)
	copy(out[n/2:], bytes.Repeat([]byte{version}, 64))
	return out
}

// size of a program: two frames.
const size = 1<<20 + 4096

// shop is a world with one device in it.
type shop struct {
	*releasetest.World
	clock *clock
	key   *device.Key
	root  string
	all   map[uint64]*release.Release
}

func newShop(t testing.TB) *shop {
	t.Helper()
	c := newClock()
	key, err := device.NewKey()
	must(t, err)
	return &shop{World: releasetest.New(t, c.Now), clock: c, key: key, root: filepath.ToSlash(filepath.Join(t.TempDir(), "device")), all: map[uint64]*release.Release{}}
}

// release publishes a version with its delta and entitles the device.
func (s *shop) release(counter uint64) *release.Release {
	s.Helper()
	r := s.unentitled(counter)
	s.Entitle(r, s.key.Public())
	return r
}

func (s *shop) unentitled(counter uint64, change ...func(*manifest.Manifest)) *release.Release {
	s.Helper()
	p := releasetest.Plan{Counter: counter, Program: program(byte(counter), size)}
	if counter > 1 {
		p.Old = program(byte(counter-1), size)
	}
	for _, c := range change {
		p.Change = c
	}
	s.all[counter] = s.Release(p)
	return s.all[counter]
}

// new is what the shop's device is provisioned with.
func (s *shop) new() device.New {
	s.Helper()
	return device.New{
		Root: s.root, Policy: s.TrustPolicy(), Facts: boot.Facts{Model: releasetest.Model, Jurisdiction: releasetest.Jurisdiction}, Key: s.key,
		Config:     device.Config{Sources: []string{s.Repository()}, Deployer: &s.Parties.Deployer, Take: device.Released},
		Repository: s.Repository(), Now: s.Now,
	}
}

func (s *shop) provision(n device.New) *slot.Release {
	s.Helper()
	r, err := device.Provision(s.Context(), n)
	must(s, err)
	return r
}

// Requirement: DL-01
// Requirement: DL-17
func TestADeviceIsProvisionedOutOfARepository(t *testing.T) {
	s := newShop(t)
	s.release(1)
	second := s.release(2)
	if r := s.provision(s.new()); r.Digest != second.Digest() {
		t.Errorf("the first release is %s", r.Manifest.Identity)
	}
	d, err := boot.Open(durable.OS{}, s.root)
	must(t, err)
	table, err := d.Table()
	must(t, err)
	if table.Highest[slot.Application] != 2 || table.Floors[slot.Application] != 1 {
		t.Errorf("table %+v", table)
	}
	check := d.Check(table.Floors)
	if check.Log == nil {
		t.Fatal("the launcher would not ask for the log")
	}
	if _, err := check.Verify(d.FS, d.SlotDir(slot.A), second.Digest()); err != nil {
		t.Error(err)
	}
	got, err := os.ReadFile(filepath.Join(s.root, "slots/a/bin/till"))
	must(t, err)
	if !bytes.Equal(got, program(2, size)) {
		t.Error("the program is another one")
	}
	info, err := os.Stat(filepath.Join(s.root, "boot/device.key"))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the device's key has mode %v", info.Mode())
	}
}

const box, otherBox manifest.Identity = "1PLMBOX01-20261101", "1PLMBOX02-20261101"

func (s *shop) registers(h manifest.Identity) {
	s.Helper()
	must(s, s.Maker.RegisterHardware(h, []manifest.Report{{Kind: "test", Name: "hardware.pdf", SHA256: manifest.Sum([]byte("ok"))}}, s.Now()))
	must(s, s.Maker.Push(s.Repo))
}

// Requirement: FM-19
func TestADeviceOfHardwareThatNobodyRegisteredIsNotMade(t *testing.T) {
	s := newShop(t)
	s.release(1)
	n := s.new()
	n.Facts.Hardware = box
	_, err := device.Provision(t.Context(), n)
	if !errors.Is(err, device.ErrHardware) || !strings.Contains(err.Error(), string(box)) {
		t.Errorf("refused with %v", err)
	}
	if _, err := os.Stat(filepath.Join(n.Root, "boot")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was made of it: %v", err)
	}
	from := n
	from.Repository, from.Unpacked, from.Roots = "", t.TempDir(), map[string][]byte{}
	if _, err := device.Provision(t.Context(), from); !errors.Is(err, device.ErrHardware) {
		t.Errorf("without a repository to ask: %v", err)
	}
	s.registers(box)
	n.Root += "2"
	s.provision(n)
}

// Requirement: FM-19
func TestADeviceIsNotMadeOfHardwareAndSoftwareThatDoNotMatch(t *testing.T) {
	s := newShop(t)
	s.registers(box)
	s.registers(otherBox)
	r := s.unentitled(1, func(m *manifest.Manifest) { m.Compatibility.Hardware = []manifest.Identity{box} })
	s.Entitle(r, s.key.Public())
	n := s.new()
	n.Facts.Hardware = otherBox
	if _, err := device.Provision(t.Context(), n); !errors.Is(err, slot.ErrIncompatible) {
		t.Errorf("the newest release that is not for it: %v", err)
	}
	n.Release = r.Digest()
	if _, err := device.Provision(t.Context(), n); !errors.Is(err, slot.ErrIncompatible) {
		t.Errorf("a release that is named: %v", err)
	}
	n.Facts.Hardware, n.Root = box, n.Root+"2"
	s.provision(n)
}

func TestADeviceWithoutEntitlementIsNotMade(t *testing.T) {
	s := newShop(t)
	s.unentitled(1)
	if _, err := device.Provision(t.Context(), s.new()); err == nil {
		t.Fatal("it was made")
	}
	other, err := device.NewKey()
	must(t, err)
	s.Entitle(s.all[1], other.Public())
	n := s.new()
	n.Root += "2"
	if _, err := device.Provision(t.Context(), n); err == nil {
		t.Fatal("it was made with another device's entitlement")
	}
	if _, err := os.Stat(filepath.Join(n.Root, "boot", "table")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a device that was not made has a table: %v", err)
	}
}

// Requirement: FM-19
// Requirement: DL-05
func TestAReleaseForOtherHardwareIsRefusedAtTheUpdateToo(t *testing.T) {
	s := newShop(t)
	s.registers(box)
	s.registers(otherBox)
	s.release(1)
	n := s.new()
	n.Facts.Hardware = box
	fast(&n)
	s.provision(n)
	w := s.till()
	only := func(h manifest.Identity) func(*manifest.Manifest) {
		return func(m *manifest.Manifest) { m.Compatibility.Hardware = []manifest.Identity{h} }
	}
	w.Entitle(w.unentitled(2, only(otherBox)), w.key.Public())
	w.Campaign(manifest.Campaign{Release: w.all[2].Digest()})
	w.rejected(slot.ErrIncompatible)
	w.Entitle(w.unentitled(3, only(box)), w.key.Public())
	w.Campaign(manifest.Campaign{Release: w.all[3].Digest()})
	w.updates(3)
	w.launches()
}
