package device_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/plomb-pos/plomb/internal/releasetest"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/slot"
)

// kinds are components of every kind that an application's release may have, with the
// places where they lie.
var kinds = []struct {
	kind manifest.Kind
	path string
}{
	{manifest.Program, "bin/devices"}, {manifest.Page, "page/till.html"}, {manifest.Page, "data/help.html"}, {manifest.BootPolicy, "etc/policy.json"},
	{manifest.Anchors, "etc/roots.json"}, {manifest.Profile, "etc/nl.json"}, {manifest.Data, "data/logo.png"},
}

// everything releases a till's program with a component of every other kind.
func (s *shop) everything(counter uint64) {
	s.Helper()
	p := releasetest.Plan{Counter: counter, Program: program(byte(counter), size)}
	for _, k := range kinds {
		file := filepath.Join(s.TempDir(), filepath.Base(k.path))
		must(s, os.WriteFile(file, fmt.Appendf(nil, "%s %d", k.path, counter), 0o600))
		p.More = append(p.More, release.Source{Kind: k.kind, Path: k.path, File: file})
	}
	s.all[counter] = s.Release(p)
	s.Entitle(s.all[counter], s.key.Public())
}

// Till, device host, pages, policy, anchors, profile and data of an application change
// together; the operating system with its launcher is TestADeviceBringsItsPlatformUpToDate.
//
// Requirement: CU-01
func TestEveryKindOfComponentIsReplacedByOneRelease(t *testing.T) {
	s := newShop(t)
	s.everything(1)
	n := s.new()
	n.Config.Sources = []string{s.server()}
	fast(&n)
	s.provision(n)
	w := s.till()
	w.everything(2)
	w.updates(2)
	w.launches()
	for at, counter := range map[string]int{"a": 1, "b": 2} {
		for _, k := range kinds {
			got, err := os.ReadFile(filepath.Join(w.root, "slots", at, k.path))
			must(t, err)
			if want := fmt.Sprintf("%s %d", k.path, counter); string(got) != want {
				t.Errorf("slot %s: %s %s is %q, want %q", at, k.kind, k.path, got, want)
			}
		}
		got, err := os.ReadFile(filepath.Join(w.root, "slots", at, "bin/till"))
		must(t, err)
		if !bytes.Equal(got, program(byte(counter), size)) {
			t.Errorf("slot %s has another program", at)
		}
	}
}

// A newer trust policy brings another body, with a first root that the device has never
// seen; keys that it does not name any more count for nothing.
//
// Requirement: CU-01
// Requirement: CU-16
func TestTrustAnchorsAreReplacedByThoseWhoAreTrusted(t *testing.T) {
	w := newShop(t).installed()
	one := release.Quorum{Threshold: 1, Keys: 1}
	second, err := release.Init(filepath.Join(w.World.Dir, "second"), release.Ceremony{
		Party: release.Authority, Name: "second", Jurisdictions: []string{"BE"}, Root: one, Release: one, Work: 1,
	}, func(string) (string, error) { return "test", nil }, w.Now())
	must(t, err)
	w.Parties, err = release.NewParties(2, w.Maker.Card, w.Deployer.Card, w.Authority.Card, second.Card)
	must(t, err)
	w.Parties.Witness = w.Parties.Witness[:1] // what runs was logged before the second one was there
	text, err := w.Parties.TrustPolicy(1, 1, w.Maker.Card, w.Authority.Card, second.Card)
	must(t, err)
	must(t, w.Maker.SignPolicy(text, w.Now()))
	must(t, w.Authority.SignPolicy(text, w.Now()))
	for _, o := range []*release.Office{w.Maker, w.Authority, second} {
		must(t, o.Push(w.Repo))
	}
	_ = w.refuses() // it takes the policy, and there is nothing to install
	if w.device.Serial() != 2 {
		t.Fatalf("policy %d is in force\n%s", w.device.Serial(), w.story())
	}
	names, err := filepath.Glob(w.root + "/boot/root-*.json")
	if must(t, err); len(names) != 3 {
		t.Errorf("first roots: %v", names)
	}
	w.start()
	w.release(2)
	w.updates(2)
	w.launches()
}

// Parts of two versions in one slot are no version: neither a page of the one before, nor
// its policy, nor its whole papers beside the new program.
//
// Requirement: CU-15
// Requirement: DL-08
func TestAMixedSetOfTwoVersionsDoesNotStart(t *testing.T) {
	for _, old := range [][]string{{"page/till.html"}, {"etc/policy.json"}, {"bin/devices"}, {"data/logo.png"}, {"manifest.note"}, {"manifest.json", "manifest.note", "log.proof"}} {
		s := newShop(t)
		s.everything(1)
		n := s.new()
		fast(&n)
		s.provision(n)
		w := s.till()
		w.everything(2)
		w.updates(2)
		for _, name := range old {
			data, err := os.ReadFile(filepath.Join(w.root, "slots/a", name))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(w.root, "slots/b", name), data, 0o600))
		}
		r, err := w.launch()
		if err != nil || r.Digest != w.all[1].Digest() || w.slot != slot.A {
			t.Errorf("with %q of version 1 in version 2: %+v, %v", old, r, err)
		}
	}
}
