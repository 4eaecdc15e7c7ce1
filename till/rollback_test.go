package till

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
)

func TestAnOldCopyOfTheJournalIsRefusedWhereTheProjectionKnowsMore(t *testing.T) {
	n := quiet(t)
	o, epoch, old := n.opts, n.dir, t.TempDir()
	must(t, n.Close(t.Context()))
	must(t, os.CopyFS(old, os.DirFS(epoch)))
	n, err := Open(t.Context(), o)
	must(t, err)
	n.mu.Lock()
	_, err = n.append(t.Context(), [16]byte{}, &fiscal.PriceLookup{SKU: "x", Price: 1}, &fiscal.PriceLookup{SKU: "x", Price: 1})
	n.mu.Unlock()
	must(t, err)
	must(t, n.extend(t.Context(), n.searched.Load()))
	n.compared = false // the vault, which would know as well, hears nothing of it
	seen, held := n.journal.Size(), uint64(0)
	must(t, n.Close(t.Context()))
	must(t, os.RemoveAll(epoch))
	must(t, os.CopyFS(epoch, os.DirFS(old)))
	for range 2 { // nothing is written that would hide it the next time
		_, err = Open(t.Context(), o)
		back, ok := errors.AsType[*journal.RollbackError](err)
		if !ok || back.Seen.Size != seen || back.Size >= seen || held != 0 && back.Size != held {
			t.Fatalf("Open = %v", err)
		}
		held = back.Size
	}
	for _, suffix := range []string{"", "-wal"} { // without it nobody knows
		if err := os.Remove(filepath.Join(o.Dir, projectionFile+suffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	n, err = Open(t.Context(), o)
	must(t, err)
	must(t, n.Close(t.Context()))
}
