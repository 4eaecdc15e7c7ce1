package till

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/seal"
)

// TestAStartReadsTheTailOnly fills a journal with 49,000 entries, the last 9,000
// without a snapshot, and looks how long a start takes.
func TestAStartReadsTheTailOnly(t *testing.T) {
	dir := t.TempDir()
	box, err := seal.Create(durable.OS{}, filepath.Join(dir, "seal"))
	must(t, err)
	signer, err := box.CreateSigner(Origin("till-00000001", 1))
	must(t, err)
	o := Options{Dir: dir, Name: "till-00000001", Keys: box.JournalKeys(), Signer: signer, DatabaseKey: func(name string) ([]byte, error) {
		key, err := box.DatabaseKey(name)
		return key[:], err
	}}
	must(t, Create(t.Context(), o))
	n, err := Open(t.Context(), o)
	must(t, err)
	const entries = 49_000
	n.mu.Lock()
	for n.state.Size < entries {
		bodies := make([]fiscal.Body, 500)
		for i := range bodies {
			bodies[i] = &fiscal.PriceLookup{SKU: "BRD-01", Price: 3_490_000}
		}
		_, err := n.append(t.Context(), [16]byte{}, bodies...)
		must(t, err)
	}
	snapshot := n.snapshot
	n.mu.Unlock()
	must(t, n.Close(t.Context()))

	began := time.Now()
	n, err = Open(t.Context(), o)
	must(t, err)
	took := time.Since(began)
	defer n.Close(t.Context())
	t.Logf("%d entries, last snapshot at %d: ready in %v", n.journal.Size(), snapshot, took)
	if snapshot < entries-fiscal.SnapshotEvery-1000 || n.snapshot != snapshot {
		t.Errorf("snapshots at %d, after the start %d", snapshot, n.snapshot)
	}
	if took > 2*time.Second {
		t.Errorf("ready after %v", took)
	}
	if s, ok := n.journal.Snapshot(); !ok || s != snapshot {
		t.Errorf("the journal's last snapshot is at %d", s)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
