package till

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// quiet opens a new till that nobody runs.
func quiet(t *testing.T) *Node { t.Helper(); return quietB(t) }

func quietB(t testing.TB) *Node {
	t.Helper()
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
	t.Cleanup(func() { n.Close(t.Context()) })
	return n
}

// TestAnEntryCountsThoughTheVaultFailsBehindIt makes the vault refuse the second
// of two open baskets, which it holds one of, until the first is gone.
func TestAnEntryCountsThoughTheVaultFailsBehindIt(t *testing.T) {
	n := quiet(t)
	n.mu.Lock()
	defer n.mu.Unlock()
	must(t, n.vault.Apply(t.Context(), sqlite.Change{Basket: &sqlite.Basket{ID: "in-the-way", Open: true, Body: []byte("{}")}}))
	ran := false
	c := &call{n: n, ctx: t.Context(), id: newID(time.Now()), now: time.Now()}
	c.record(&fiscal.NoSale{Actor: fiscal.Actor{By: "1"}, Reason: "x"})
	c.change(sqlite.Change{Basket: &sqlite.Basket{ID: "next", Open: true, Body: []byte("{}")}})
	c.after(func() { ran = true })
	if _, err := c.commit(); err != nil || !ran || len(n.unsettled) != 1 {
		t.Fatalf("the entry is durable, yet %v, memory changed %v, %d to settle", err, ran, len(n.unsettled))
	}
	if err := n.changeVault(t.Context()); err == nil {
		t.Error("the vault was changed past what is staged")
	}
	must(t, n.vault.Apply(t.Context(), sqlite.Change{DropBasket: "in-the-way"}))
	must(t, n.changeVault(t.Context()))
	rows, err := n.vault.Baskets(t.Context())
	if err != nil || len(rows) != 1 || rows[0].ID != "next" || len(n.unsettled) != 0 {
		t.Errorf("baskets = %+v, %v", rows, err)
	}
}
