package release_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/update/bundle"
	"github.com/plomb-pos/plomb/update/release"
)

// Requirement: DL-01
func TestABundleOfARepositoryHoldsTheReleaseAndNoMore(t *testing.T) {
	built, err := programs()
	must(t, err)
	p := newParties(t)
	p.publish(t, p.build(t, "r1", plan(t, 1, "0PLMTIL01-20261122", built[0])))
	second := p.build(t, "r2", plan(t, 2, "0PLMTIL02-20261122", built[1], built[0]))
	repo := p.publish(t, second)
	var out bytes.Buffer
	must(t, repo.Bundle(&out, second.Digest()))
	dir := filepath.Join(t.TempDir(), "stick")
	must(t, bundle.Extract(&out, dir, 1<<30))
	packs, err := os.ReadDir(filepath.Join(dir, "packs"))
	must(t, err)
	if len(packs) != 3 {
		t.Errorf("%d packs: whole and delta of the program, and the page were expected", len(packs))
	}
	for _, name := range []string{"notes/" + second.Digest().String(), "proofs/" + second.Digest().String(), "maker/plomb/metadata/timestamp.json", "authority/nmi/metadata/1.root.json"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// What the software is made of travels when the maker says so, and is then held against
// what both parties signed; without that, neither repository nor bundle tells it.
//
// Requirement: DL-01
// Requirement: CU-13
func TestABundleTellsWhatItIsMadeOfOnlyWhenItIsToldTo(t *testing.T) {
	built, err := programs()
	must(t, err)
	p := newParties(t)
	r := p.build(t, "r1", plan(t, 1, "0PLMTIL01-20261122", built[0]))
	repo := p.publish(t, r)
	var plain, full bytes.Buffer
	must(t, repo.Bundle(&plain, r.Digest()))
	must(t, repo.BundleWithOrigin(&full, r))
	if got := inspected(t, plain.Bytes()); got.Origin != nil {
		t.Errorf("the plain bundle tells %+v", got.Origin)
	}
	got := inspected(t, full.Bytes()).Origin
	if got == nil || got.Builder == "" || !slices.ContainsFunc(got.Modules, func(m string) bool { return strings.HasPrefix(m, "pkg:golang/") }) && !strings.Contains(got.Settings["bin-till/go"], "go1") {
		t.Fatalf("the bundle tells %+v", got)
	}
	dir := filepath.Join(t.TempDir(), "unpacked")
	must(t, bundle.Extract(&full, dir, 1<<30))
	for _, x := range r.Manifest.Reports {
		if x.Kind == "bom" {
			must(t, os.WriteFile(filepath.Join(dir, "reports", x.SHA256.String()), []byte("{}"), 0o600))
		}
	}
	if _, err := release.InspectPublished(dir, nil); !errors.Is(err, release.ErrTampered) {
		t.Errorf("another bill of materials: %v", err)
	}
}

func inspected(t *testing.T, bundled []byte) *release.Inspection {
	t.Helper()
	list, err := release.InspectBundle(bytes.NewReader(bundled), nil)
	must(t, err)
	if len(list) != 1 {
		t.Fatalf("%d releases", len(list))
	}
	return list[0]
}
