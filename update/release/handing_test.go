package release_test

import (
	"crypto/hpke"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
)

// A package opens with an entitlement alone: to whom one was given, by which office and
// when, stands in the release's access log, and so does who asked for one in vain.
//
// Requirement: DL-21
func TestEveryHandingOutIsLogged(t *testing.T) {
	built, err := programs()
	must(t, err)
	p := newParties(t)
	r := p.build(t, "r1", plan(t, 1, "0PLMTIL01-20261122", built[0]))
	p.publish(t, r)
	var devices [][]byte
	for range 2 {
		key, err := hpke.MLKEM768X25519().GenerateKey()
		must(t, err)
		devices = append(devices, key.PublicKey().Bytes())
		_, err = r.Entitle(p.deployer, devices[len(devices)-1], day.AddDate(0, 1, 0), day)
		must(t, err)
	}
	if _, err := r.Entitle(p.maker, devices[0], day.AddDate(0, 1, 0), day); !errors.Is(err, release.ErrParty) {
		t.Errorf("the maker handed it out: %v", err)
	}
	log, err := release.ReadAccess(filepath.Join(p.dir, "r1"))
	must(t, err)
	for i, d := range devices {
		n := 0
		for _, a := range log {
			if a.What == "entitled "+manifest.Sum(d).String() && a.Refused == "" && a.By == p.deployer.Card.Name && !a.At.IsZero() && a.Who != "" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("device %d: %d lines", i, n)
		}
	}
	if !slices.ContainsFunc(log, func(a release.Access) bool {
		return strings.HasPrefix(a.What, "entitled ") && a.By == p.maker.Card.Name && a.Refused != ""
	}) {
		t.Error("that the maker asked for one is not logged")
	}
}
