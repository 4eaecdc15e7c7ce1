package sqlite_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/till/sqlite"
)

// TestAfterAChangeThatFailsTheNextOneIsMade fails in the middle of compiled
// queries, by a constraint and by a context that has ended.
func TestAfterAChangeThatFailsTheNextOneIsMade(t *testing.T) {
	v, _ := newVault(t)
	defer v.Close()
	ended, end := context.WithCancel(t.Context())
	end()
	basket := func(id, body string) sqlite.Change {
		return sqlite.Change{Basket: &sqlite.Basket{ID: id, Open: true, Label: id, Body: []byte(body)}}
	}
	staged := sqlite.Staged{Command: "c", Size: 1, Changes: []sqlite.Change{basket("later", "l")}}
	must(t, v.Apply(t.Context(), basket("a", "1")))
	for range 3 {
		if err := v.Apply(t.Context(), sqlite.Change{Answer: &sqlite.Answer{Command: "x", Body: []byte("x")}}, basket("b", "2")); err == nil {
			t.Fatal("two open baskets were kept")
		}
		if err := v.Apply(ended, basket("a", "3")); err == nil {
			t.Fatal("a change was made for nobody")
		}
		must(t, v.Stage(t.Context(), staged))
		if err := v.Stage(t.Context(), staged); err == nil {
			t.Fatal("a command was staged twice")
		}
		if err := v.Settle(t.Context(), "c", true); err == nil {
			t.Fatal("two open baskets were settled")
		}
		must(t, v.Settle(t.Context(), "c", false))
		if _, ok, err := v.Answer(t.Context(), "x"); ok || err != nil {
			t.Fatalf("half of a change was made: %v, %v", ok, err)
		}
	}
	must(t, v.Apply(t.Context(), sqlite.Change{DropBasket: "a"}, basket("b", "2")))
	list, err := v.Baskets(t.Context())
	want := []sqlite.Basket{{ID: "b", Open: true, Label: "b", At: time.Time{}, Body: []byte("2")}}
	if len(list) == 1 {
		list[0].At = time.Time{}
	}
	if d := cmp.Diff(want, list); d != "" || err != nil {
		t.Error(d, err)
	}
}

func BenchmarkApply(b *testing.B) {
	v, err := sqlite.CreateVault(b.Context(), b.TempDir()+"/v.db", key)
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	for b.Loop() {
		err := v.Apply(b.Context(), sqlite.Change{DropBasket: "x"}, sqlite.Change{Basket: &sqlite.Basket{ID: "a", Open: true, Body: make([]byte, 2000)}},
			sqlite.Change{Answer: &sqlite.Answer{Command: "c", Body: []byte("ok")}})
		if err != nil {
			b.Fatal(err)
		}
	}
}
