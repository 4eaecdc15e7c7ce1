package device_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/releasetest"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// machine is a back end in memory; its boot loader starts what was activated.
type machine struct {
	running, next string
	content       map[string][]byte
}

func (m *machine) Machine(context.Context) (update.Machine, error) {
	return update.Machine{Running: m.running, Next: m.next}, nil
}
func (m *machine) Check(context.Context, string) error { return nil }
func (m *machine) Write(_ context.Context, image string, _ func(int)) (place string, err error) {
	place = map[string]string{"A": "B", "B": "A"}[m.running]
	m.content[place], err = os.ReadFile(image)
	return place, err
}
func (m *machine) Verify(context.Context, string) error                { return nil }
func (m *machine) Activate(_ context.Context, place string) error      { m.next = place; return nil }
func (m *machine) Keep(context.Context, string) error                  { return nil }
func (m *machine) GiveUp(context.Context, string) error                { m.next = "A"; return nil }
func (m *machine) SelfTest(_ context.Context, name string) (err error) { return nil }

// platform is a shop whose device holds platforms, below that of another shop, which
// holds the applications of the same machine.
func (s *shop) platform(below string) *shop {
	s.Helper()
	key, err := device.NewKey()
	must(s, err)
	return &shop{World: releasetest.New(s.TB, s.clock.Now), clock: s.clock, key: key, root: below + "/platform"}
}

func (s *shop) releaseImage(counter uint64, image, old []byte) *manifest.Manifest {
	s.Helper()
	r := s.Release(releasetest.Plan{Counter: counter, Program: image, Old: old, Image: true})
	s.Entitle(r, s.key.Public())
	return r.Manifest
}

// A machine's platform is brought up to date by an agent of its own, out of a folder
// of its own in the device's, by its own maker's keys.
//
// Requirement: CU-19
// Requirement: DL-18
// Requirement: CU-01
func TestADeviceBringsItsPlatformUpToDate(t *testing.T) {
	w := newShop(t).installed()
	p := w.platform(w.root)
	first, second := program(1, size), program(2, size)
	p.releaseImage(1, first, nil)
	n := p.new()
	n.Facts.Scope = manifest.Platform
	fast(&n)
	p.provision(n)
	next := p.releaseImage(2, second, first)

	d, err := device.Open(device.Options{Root: p.root, Now: p.Now, Built: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)})
	must(t, err)
	m := &machine{running: "A", next: "A", content: map[string][]byte{}}
	till := device.Till{Recorder: w, Gate: w, Asker: w, Authoriser: w, End: func() { w.ended++ }, Backend: m, Application: w.device.BootPolicy(), Other: w.agent.Unsettled}
	agent, err := d.Agent(till)
	must(t, err)
	must(t, agent.Settle(t.Context(), m))
	p.clock.pass(2 * time.Minute)
	r, err := agent.Update(t.Context())
	if err != nil || !r.Restart || r.Identity != next.Identity || m.next != "B" || !bytes.Equal(m.content["B"], second) {
		t.Fatalf("%+v, %v, the machine starts %s next\n%s", r, err, m.next, w.story())
	}
	if w.table().Trial || agent.Unsettled() == "" {
		t.Error("the trial is not the platform's alone")
	}
	m.running = "B"
	must(t, agent.Settle(t.Context(), m))
	if s, err := d.Status(slot.A); err != nil || s.Table.Trial || s.Table.Highest != [2]uint64{0, 2} {
		t.Errorf("after the restart: %+v, %v", s.Table, err)
	}
}

// Requirement: CU-19
func TestADeviceOfOneLineTakesNothingOfTheOther(t *testing.T) {
	w := newShop(t).installed()
	m := &machine{running: "A", next: "A"}
	if _, err := w.device.Agent(device.Till{Recorder: w, Gate: w, Asker: w, Authoriser: w, End: func() {}, Backend: m, Application: w.device.BootPolicy()}); !errors.Is(err, device.ErrConfig) {
		t.Errorf("a back end for applications: %v", err)
	}
	n := w.new()
	n.Root, n.Facts.Scope = filepath.ToSlash(t.TempDir())+"/device", manifest.Platform
	if _, err := device.Provision(t.Context(), n); !errors.Is(err, slot.ErrIncompatible) {
		t.Errorf("an application as the first platform: %v", err)
	}
	if _, err := boot.ParseFacts([]byte(`{"jurisdiction":"NL","scope":"both"}`)); err == nil {
		t.Error("a device of both lines")
	}
}
