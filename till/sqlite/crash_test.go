package sqlite_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plomb-pos/plomb/till/sqlite"
)

// shelf is what a vault must hold.
type shelf struct {
	Open, Total string
	Settings    map[string]string
	Answers     []string
	Staged      []string
}

// copied is the vault as another process finds it when this one was killed.
func copied(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "vault.db")
	for _, suffix := range []string{"", "-wal", "-redo"} {
		b, err := os.ReadFile(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		must(t, err)
		must(t, os.WriteFile(to+suffix, b, 0o600))
	}
	return to
}

func (s *shelf) read(t *testing.T, path string) shelf {
	t.Helper()
	v, err := sqlite.OpenVault(t.Context(), path, key)
	must(t, err)
	defer v.Close()
	got := shelf{Settings: map[string]string{}}
	baskets, err := v.Baskets(t.Context())
	must(t, err)
	for _, b := range baskets {
		got.Open, got.Total = b.ID, string(b.Body)
	}
	for k := range s.Settings {
		value, err := v.Setting(t.Context(), k)
		must(t, err)
		got.Settings[k] = string(value)
	}
	for _, id := range s.Answers {
		body, ok, err := v.Answer(t.Context(), id)
		must(t, err)
		if ok && string(body) == "of "+id {
			got.Answers = append(got.Answers, id)
		}
	}
	staged, err := v.Staged(t.Context())
	must(t, err)
	for _, x := range staged {
		got.Staged = append(got.Staged, x.Command)
	}
	return got
}

// TestAVaultThatWasKilledHasAllThatWasAcknowledged changes a vault at random,
// and looks after each change at what the next process would find.
func TestAVaultThatWasKilledHasAllThatWasAcknowledged(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	v, path := newVault(t)
	want, bodies := shelf{Settings: map[string]string{}}, map[string]string{}
	for n := range 40 {
		id := fmt.Sprintf("c%d", n)
		body := fmt.Sprintf("%d %s", n, make([]byte, rng.IntN(3000)))
		switch rng.IntN(6) {
		case 0:
			k := fmt.Sprintf("k%d", rng.IntN(4))
			value := []byte(id)
			if rng.IntN(3) == 0 {
				value = nil
			}
			must(t, v.Apply(t.Context(), sqlite.Change{Setting: &sqlite.Setting{Key: k, Value: value}}))
			want.Settings[k] = string(value)
		case 1:
			must(t, v.Stage(t.Context(), sqlite.Staged{Command: id, Changes: []sqlite.Change{{Setting: &sqlite.Setting{Key: id, Value: []byte(body)}}}}))
			want.Staged, bodies[id] = append(want.Staged, id), body
		case 2:
			if len(want.Staged) > 0 {
				done := want.Staged[0]
				must(t, v.Settle(t.Context(), done, true))
				must(t, v.Apply(t.Context(), sqlite.Change{Setting: &sqlite.Setting{Key: "last", Value: []byte(done)}}))
				want.Staged, want.Settings["last"] = slices.Clone(want.Staged[1:]), done
				want.Settings[done] = bodies[done]
			}
		case 3:
			large := string(make([]byte, 300<<10)) + id
			must(t, v.Apply(t.Context(), sqlite.Change{Setting: &sqlite.Setting{Key: "large", Value: []byte(large)}}))
			want.Settings["large"] = large
		default:
			changes := []sqlite.Change{{Basket: &sqlite.Basket{ID: id, Open: true, Body: []byte(body)}}, {Answer: &sqlite.Answer{Command: id, Body: []byte("of " + id)}}}
			if want.Open != "" {
				changes = append([]sqlite.Change{{DropBasket: want.Open}}, changes...)
			}
			must(t, v.Apply(t.Context(), changes...))
			want.Open, want.Total, want.Answers = id, body, append(want.Answers, id)
		}
		if got := want.read(t, copied(t, path)); !cmp.Equal(want, got, cmpopts.EquateEmpty()) {
			t.Fatalf("after change %d:\n%s", n, cmp.Diff(want, got))
		}
	}
	must(t, v.Close())
	if got := want.read(t, path); !cmp.Equal(want, got, cmpopts.EquateEmpty()) {
		t.Errorf("after an orderly end:\n%s", cmp.Diff(want, got))
	}
}

// TestALogThatIsLostOrForeignTakesNothingElseAlong removes and exchanges the log.
func TestALogThatIsLostOrForeignTakesNothingElseAlong(t *testing.T) {
	v, path := newVault(t)
	kept := sqlite.Change{Setting: &sqlite.Setting{Key: "kept", Value: []byte("yes")}}
	must(t, v.Apply(t.Context(), kept))
	must(t, v.Close()) // now it is in the database
	v, err := sqlite.OpenVault(t.Context(), path, key)
	must(t, err)
	must(t, v.Apply(t.Context(), sqlite.Change{Setting: &sqlite.Setting{Key: "lost", Value: []byte("yes")}}))
	defer v.Close()
	other, otherPath := newVault(t)
	must(t, other.Apply(t.Context(), sqlite.Change{Setting: &sqlite.Setting{Key: "kept", Value: []byte("foreign")}}))
	defer other.Close()
	foreign, err := os.ReadFile(otherPath + "-redo")
	must(t, err)
	for what, change := range map[string]func(log string) error{
		"removed":   os.Remove,
		"shortened": func(log string) error { return os.Truncate(log, 700) },
		"emptied":   func(log string) error { return os.WriteFile(log, make([]byte, len(foreign)), 0o600) },
	} {
		at := copied(t, path)
		must(t, change(at+"-redo"))
		again, err := sqlite.OpenVault(t.Context(), at, key)
		must(t, err)
		value, err := again.Setting(t.Context(), "kept")
		if err != nil || string(value) != "yes" {
			t.Errorf("with the log %s: %q, %v", what, value, err)
		}
		must(t, again.Apply(t.Context(), kept))
		must(t, again.Close())
	}
}
