package bench_test

import (
	"path/filepath"
	"testing"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/bench"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/seal"
)

func TestAMadeHistoryIsWholeForTheVerifierAndTheLaw(t *testing.T) {
	dir, entries := t.TempDir(), 4500
	if err := bench.FillTill(t.Context(), dir, entries); err != nil {
		t.Fatal(err)
	}
	box, err := seal.Open(durable.OS{}, filepath.Join(dir, "seal"))
	if err != nil {
		t.Fatal(err)
	}
	epoch := filepath.Join(dir, "e1")
	origin, err := journal.ReadOrigin(durable.OS{}, epoch)
	if err != nil {
		t.Fatal(err)
	}
	check := fiscal.NewCheck(nil)
	report, err := journal.Verify(t.Context(), epoch, journal.VerifyOptions{
		Keys: box.JournalKeys(), Policy: policy(t, box, origin),
		Check: func(h *proof.Head, body []byte) error {
			for _, f := range check.Entry(h, body) {
				t.Error(f)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Consistent() || !report.OriginChecked() || report.Contents != uint64(entries) {
		t.Errorf("size %d, contents %d, signed %d, findings %v", report.Size, report.Contents, report.Signed, report.Findings)
	}
	seen, _ := check.Counts()
	if s := check.State(); seen != uint64(entries) || s.LastZ == nil || s.LastZ.Number != 1 || s.Next.Document < 1000 {
		t.Errorf("%d entries checked, last Z %+v, next document %d", seen, s.LastZ, s.Next.Document)
	}
}

func policy(t *testing.T, box *seal.Box, origin string) *proof.Policy {
	t.Helper()
	key, err := box.Verifier(origin)
	if err != nil {
		t.Fatal(err)
	}
	p, err := proof.ParsePolicy([]byte("log " + key + "\nquorum none\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
