package release_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/plomb-pos/plomb/update/bundle"
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
