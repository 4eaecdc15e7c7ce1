package trust_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/update/manifest"
)

// Requirement: DL-04, DL-06, CU-03
func TestAReleaseOfMakerAndAuthorityIsAllowed(t *testing.T) {
	w := newWorld(t)
	digest := w.offer(4)
	tr := w.refreshed()
	if got := tr.Releases(); !slices.Equal(got, []manifest.Digest{digest}) {
		t.Errorf("releases = %v", got)
	}
	d := tr.Decide(t.Context(), digest, w.device)
	if !d.Allowed() || d.Err() != nil {
		t.Fatalf("refused: %v", d.Err())
	}
	if !cmp.Equal(d.Signers, []string{"maker", "ptb"}) || len(d.Certificates) != 1 || d.Certificates[0].Certificate != "DE-26-1" {
		t.Errorf("signers %q, certificates %v", d.Signers, d.Certificates)
	}
	if d.Manifest.Counter != 4 || manifest.Sum(d.Encoded) != digest || len(d.Note) == 0 || len(d.Proof) == 0 {
		t.Errorf("the decision lacks manifest, note or proof")
	}
}
