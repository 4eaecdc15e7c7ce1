package trust_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/trust"
)

// publishBins publishes the party's targets in 4 bins instead of at top level; by
// signs them, change sees each before.
func (p *party) publishBins(by string, change func(*metadata.TargetsType)) {
	p.t.Helper()
	bins := &metadata.SuccinctRoles{KeyIDs: []string{keyID(p.t, "bins")}, Threshold: 1, BitLength: 2, NamePrefix: "bin"}
	files := map[string]*metadata.MetaFiles{}
	p.versions["targets"]++
	for _, role := range bins.GetRoles() {
		m := metadata.Targets(p.expires["targets"])
		m.Signed.Version = p.versions["targets"]
		for name, data := range p.targets {
			if bins.GetRolesForTarget(name)[0].Name == role {
				f, err := metadata.TargetFile().FromBytes(name, data, "sha256")
				if err != nil {
					p.t.Fatal(err)
				}
				m.Signed.Targets[name] = f
				p.files["targets/"+manifest.Sum(data).String()] = data
			}
		}
		if change != nil {
			change(&m.Signed)
		}
		text := sign(p.t, m, by)
		p.files[fmt.Sprintf("%s/metadata/%d.%s.json", p.dir, m.Signed.Version, role)] = text
		files[role+".json"] = metaFile(m.Signed.Version, text)
	}
	top := metadata.Targets(p.expires["targets"])
	top.Signed.Version = p.versions["targets"]
	top.Signed.Delegations = &metadata.Delegations{Keys: map[string]*metadata.Key{keyID(p.t, "bins"): tufKey(p.t, "bins")}, SuccinctRoles: bins}
	text := sign(p.t, top, p.by("targets")...)
	p.files[fmt.Sprintf("%s/metadata/%d.targets.json", p.dir, top.Signed.Version)] = text
	files["targets.json"] = metaFile(top.Signed.Version, text)
	p.publishOnline(files)
}

func TestTargetsInBinsAreFoundAndKept(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	w.ptb.publishBins("bins", nil)
	tr := w.refreshed()
	w.allowed(tr, digest)
	other := manifest.Sum([]byte("other"))
	if found, err := tr.Withdrawals(t.Context(), other); err != nil || len(found) != 0 {
		t.Errorf("withdrawals of another: %v, %v", found, err)
	}
	w.sources = nil
	if found, err := w.open().Withdrawals(t.Context(), other); err != nil || len(found) != 0 {
		t.Errorf("from the store alone: %v, %v", found, err)
	}
}

// Requirement: CU-03
func TestABinIsSignedByItsKeyAndDelegatesNothing(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	w.ptb.publishBins("stranger", nil)
	w.refused(w.refreshed(), digest, trust.Authenticity, trust.ErrSignature)
	w.ptb.publishBins("bins", func(s *metadata.TargetsType) {
		s.Delegations = &metadata.Delegations{Keys: map[string]*metadata.Key{}, SuccinctRoles: &metadata.SuccinctRoles{KeyIDs: []string{"x"}, Threshold: 1, BitLength: 1, NamePrefix: "x"}}
	})
	if d := w.refreshed().Decide(t.Context(), digest, w.device); d.Allowed() || !errors.Is(d.Err(), trust.ErrDelegation) {
		t.Errorf("a bin that delegates: %v", d.Err())
	}
}
