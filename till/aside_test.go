package till

import (
	"testing"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// TestATillStartsWithTwoBasketsThatWantToBeOpen leaves what power took before the
// vault had settled: a basket on the screen, and an entry that opened another one.
func TestATillStartsWithTwoBasketsThatWantToBeOpen(t *testing.T) {
	n := quiet(t)
	row := func(id sale.ID) sqlite.Change {
		b, err := sale.New(id, sale.Sale, "1", n.state.Shop.Terms(), time.Now())
		must(t, err)
		p, err := n.counter.find("2900000011472", nil, nil, time.Now())
		must(t, err)
		_, err = b.AddLine(p.item, p.quantity, sale.Merged, time.Now())
		must(t, err)
		body, err := sale.Encode(b)
		must(t, err)
		return sqlite.Change{Basket: &sqlite.Basket{ID: string(id), Open: true, At: time.Now(), Size: n.state.Size, Body: body}}
	}
	id := newID(time.Now())
	must(t, n.vault.Stage(t.Context(), sqlite.Staged{Command: idText(id), Size: n.state.Size, Changes: []sqlite.Change{row("resumed")}}))
	must(t, n.vault.Apply(t.Context(), row("in-the-way")))
	n.mu.Lock()
	_, err := n.append(t.Context(), id, &fiscal.Resumed{Actor: fiscal.Actor{By: "1"}, Basket: "resumed", Mode: sale.Sale})
	n.mu.Unlock()
	must(t, err)
	o := n.opts
	must(t, n.Close(t.Context()))
	n, err = Open(t.Context(), o)
	must(t, err)
	defer n.Close(t.Context())
	if n.basket == nil || n.basket.ID != "resumed" || len(n.suspended) != 1 || n.suspended[0].ID != "in-the-way" {
		t.Errorf("on the screen %+v, waiting %+v", n.basket, n.suspended)
	}
	if err := n.suspended[0].Resume(); err != nil {
		t.Errorf("what was put aside: %v", err)
	}
}
