package sqlite_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/plomb-pos/plomb/till/sqlite"
)

var key = bytes.Repeat([]byte{7}, 32)

func newVault(t *testing.T) (*sqlite.Vault, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vault.db")
	v, err := sqlite.CreateVault(t.Context(), path, key)
	if err != nil {
		t.Fatal(err)
	}
	return v, path
}

func TestVaultGivesBackWhatWasChanged(t *testing.T) {
	v, path := newVault(t)
	at := time.UnixMilli(1_700_000_000_123).UTC()
	person := sqlite.Person{ID: "2", Name: "Zażółć Gęślą", Role: "operator", PIN: "$argon2id$x", Active: true}
	basket := sqlite.Basket{ID: "b1", Open: true, Lines: 3, Total: -5, At: at, Size: 9, Body: []byte(`{"a":1}`)}
	session := sqlite.Session{Token: []byte{1, 2}, Person: "2", At: at, Locked: true}
	err := v.Apply(t.Context(),
		sqlite.Change{Person: &person}, sqlite.Change{Basket: &basket}, sqlite.Change{Session: &session},
		sqlite.Change{Answer: &sqlite.Answer{Command: "c1", At: at, Body: []byte("ok")}},
		sqlite.Change{Setting: &sqlite.Setting{Key: "k", Value: []byte("v")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	v, err = sqlite.OpenVault(t.Context(), path, key)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	people, err1 := v.People(t.Context())
	baskets, err2 := v.Baskets(t.Context())
	sessions, err3 := v.Sessions(t.Context())
	answer, ok, err4 := v.Answer(t.Context(), "c1")
	value, err5 := v.Setting(t.Context(), "k")
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	got := []any{people, baskets, sessions, string(answer), ok, string(value)}
	want := []any{[]sqlite.Person{person}, []sqlite.Basket{basket}, []sqlite.Session{session}, "ok", true, "v"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestVaultHoldsAtMostOneOpenBasket(t *testing.T) {
	v, _ := newVault(t)
	defer v.Close()
	if err := v.Apply(t.Context(), sqlite.Change{Basket: &sqlite.Basket{ID: "a", Open: true, Body: []byte{}}}); err != nil {
		t.Fatal(err)
	}
	if err := v.Apply(t.Context(), sqlite.Change{Basket: &sqlite.Basket{ID: "b", Open: true, Body: []byte{}}}); err == nil {
		t.Error("two open baskets were kept")
	}
}

func TestStagedChangesWaitAndAreAllOrNone(t *testing.T) {
	v, path := newVault(t)
	person := sqlite.Person{ID: "9", Role: "operator"}
	for _, c := range []string{"yes", "no"} {
		p := person
		p.Name = c
		if err := v.Stage(t.Context(), sqlite.Staged{Command: c, Size: 4, Changes: []sqlite.Change{{Person: &p}}}); err != nil {
			t.Fatal(err)
		}
	}
	if people, _ := v.People(t.Context()); len(people) != 0 {
		t.Error("staged changes were applied before their entry")
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	v, err := sqlite.OpenVault(t.Context(), path, key)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if list, err := v.Staged(t.Context()); err != nil || len(list) != 2 || list[0].Size != 4 || list[0].Changes[0].Person == nil {
		t.Fatalf("Staged() = %v, %v", list, err)
	}
	err = errors.Join(v.Settle(t.Context(), "yes", true), v.Settle(t.Context(), "no", false), v.Settle(t.Context(), "yes", true))
	if err != nil {
		t.Fatal(err)
	}
	if people, _ := v.People(t.Context()); len(people) != 1 || people[0].Name != "yes" {
		t.Errorf("people = %v", people)
	}
}

func TestNothingReadableIsOnTheDisk(t *testing.T) {
	v, path := newVault(t)
	name := "Schlüssel-Kowalska-und-ein-langer-Name"
	if err := v.Apply(t.Context(), sqlite.Change{Person: &sqlite.Person{ID: "1", Name: name}}); err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 || bytes.Contains(b, []byte(name)) || bytes.Contains(b, []byte("SQLite format")) || bytes.Contains(b, []byte("CREATE TABLE")) {
			t.Errorf("vault%s (%d bytes) shows plain text", suffix, len(b))
		}
	}
}

func TestOpenRefusesWhatItMustNotOpen(t *testing.T) {
	v, path := newVault(t)
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.CreateVault(t.Context(), path, key); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create over a vault: %v", err)
	}
	if _, err := sqlite.OpenVault(t.Context(), path, bytes.Repeat([]byte{8}, 32)); !errors.Is(err, sqlite.ErrKey) {
		t.Errorf("wrong key: %v", err)
	}
	if _, err := sqlite.OpenVault(t.Context(), path+"x", key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	v, err := sqlite.OpenVault(t.Context(), path, key)
	if err != nil {
		t.Fatalf("after the wrong key: %v", err)
	}
	v.Close()
}

func amount(n int64) *int64 { return &n }

func rows(n int) []sqlite.Row {
	out := make([]sqlite.Row, n)
	for i := range out {
		x := uint64(i)
		out[i] = sqlite.Row{Index: x, Leaf: [32]byte{byte(i), 1}, At: time.UnixMilli(int64(i)).UTC(), Kind: uint16(1 + i%2), Person: "2",
			Number: x + 1, Amount: amount(int64(i)), Words: "sale", Text: "Milk Äpfel"}
		out[i].Receipt = &sqlite.ReceiptRow{Number: x + 1, Index: x, Total: int64(i), Lines: 1}
	}
	out[n-2].Refers, out[n-1].Refers = []uint64{0, 1}, []uint64{0}
	return out
}

func TestProjectionFindsWhatItWasGiven(t *testing.T) {
	path := filepath.Join(t.TempDir(), "projection.db")
	p, rebuilt, err := sqlite.OpenProjection(t.Context(), path, key, "till-a/e1")
	if err != nil || !rebuilt {
		t.Fatal(rebuilt, err)
	}
	if err := p.Apply(t.Context(), rows(10)); err != nil {
		t.Fatal(err)
	}
	if err := p.Apply(t.Context(), rows(10)); err == nil {
		t.Error("entries were taken twice")
	}
	found, err := p.Entries(t.Context(), sqlite.Query{Text: "äpfel", Kinds: []uint16{2}, Before: 8, Limit: 2})
	if err != nil || len(found) != 2 || found[0].Index != 7 || found[1].Index != 5 {
		t.Errorf("Entries = %v, %v", found, err)
	}
	list, err := p.Receipts(t.Context(), false, sqlite.Query{Text: "3"})
	if err != nil || len(list) != 1 || list[0].Index != 2 {
		t.Errorf("Receipts = %v, %v", list, err)
	}
	if list, _ := p.Receipts(t.Context(), true, sqlite.Query{}); len(list) != 0 {
		t.Errorf("training receipts = %v", list)
	}
	all, err1 := p.Referring(t.Context(), 0)
	odd, err2 := p.Referring(t.Context(), 0, 2)
	if d := cmp.Diff([][]uint64{{8, 9}, {9}}, [][]uint64{all, odd}); d != "" || err1 != nil || err2 != nil {
		t.Error(d, err1, err2)
	}
	if next, leaf, err := p.Cursor(t.Context()); next != 10 || leaf != [32]byte{9, 1} || err != nil {
		t.Errorf("Cursor = %d %x %v", next, leaf, err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestProjectionThatCannotBeUsedIsMadeAnew(t *testing.T) {
	breakIt := map[string]func(t *testing.T, path string) (origin string, key []byte){
		"deleted":       func(t *testing.T, path string) (string, []byte) { return "a", key },
		"another's":     func(t *testing.T, path string) (string, []byte) { return "b", key },
		"another key":   func(t *testing.T, path string) (string, []byte) { return "a", bytes.Repeat([]byte{1}, 32) },
		"scribbled on":  func(t *testing.T, path string) (string, []byte) { scribble(t, path); return "a", key },
		"only its head": func(t *testing.T, path string) (string, []byte) { must(t, os.Truncate(path, 5000)); return "a", key },
	}
	for name, f := range breakIt {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "projection.db")
			p, _, err := sqlite.OpenProjection(t.Context(), path, key, "a")
			must(t, err)
			must(t, p.Apply(t.Context(), rows(200)))
			must(t, p.Close())
			if name == "deleted" {
				must(t, os.Remove(path))
			}
			origin, k := f(t, path)
			p, rebuilt, err := sqlite.OpenProjection(t.Context(), path, k, origin)
			if err != nil {
				t.Fatal(err)
			}
			if !rebuilt {
				if _, err := p.Entries(t.Context(), sqlite.Query{Limit: 200}); err == nil {
					t.Fatal("damage was neither found at open nor when reading")
				}
				must(t, p.Renew(t.Context()))
			}
			must(t, p.Apply(t.Context(), rows(3)))
			must(t, p.Close())
		})
	}
}

func scribble(t *testing.T, path string) {
	b, err := os.ReadFile(path)
	must(t, err)
	for i := 4096; i < len(b); i += 4096 {
		b[i+8] ^= 0xff
	}
	must(t, os.WriteFile(path, b, 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestHostileSearchesAreOnlyWords(t *testing.T) {
	p, _, err := sqlite.OpenProjection(t.Context(), filepath.Join(t.TempDir(), "p.db"), key, "a")
	must(t, err)
	defer p.Close()
	must(t, p.Apply(t.Context(), rows(2)))
	for _, q := range []string{"' OR 1=1 --", "%", "_", `"`, strings.Repeat("x ", 300), "\x00"} {
		list, err := p.Entries(t.Context(), sqlite.Query{Text: q})
		if err != nil || len(list) != 0 {
			t.Errorf("Entries(%q) = %v, %v", q, list, err)
		}
	}
}
