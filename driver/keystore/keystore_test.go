package keystore_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/driver/keystore"
	"github.com/plomb-pos/plomb/internal/powercut"
)

var secret = []byte("0123456789abcdef")

func put(name string) func(*keystore.Contents) error {
	return func(c *keystore.Contents) error {
		c.Keys[name] = keystore.Key{Name: name, Usage: "P0", Algorithm: "A", ModeOfUse: "E", Bits: 128, Value: bytes.Clone(secret)}
		return nil
	}
}

func open(t *testing.T, d *powercut.Disk) *keystore.Store {
	t.Helper()
	s, err := keystore.Open(d, "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestKeysComeBackAndNeverLieInClearOnDisk(t *testing.T) {
	d := powercut.New()
	s := open(t, d)
	must(t, s.Change(put("PIN")))
	must(t, s.Change(func(c *keystore.Contents) error { c.Records["host"] = []byte("certificate"); return nil }))
	again := open(t, d)
	k, ok := again.Key("PIN")
	if !ok || !bytes.Equal(k.Value, secret) || k.Usage != "P0" || string(again.Record("host")) != "certificate" {
		t.Fatalf("%+v, %q", k, again.Record("host"))
	}
	for _, name := range []string{"device.key", "keys"} {
		data, err := d.ReadFile(name)
		if err != nil || bytes.Contains(data, secret) || bytes.Contains(data, []byte("MDEyMzQ1Njc4OWFiY2RlZg")) {
			t.Errorf("%s holds the key in clear, or %v", name, err)
		}
	}
}

func TestPowerCutAnywhereLeavesAChangeWholeOrNot(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, change := range map[string]struct {
		do   func(*keystore.Store) error
		want [][]string
	}{
		"import": {func(s *keystore.Store) error { return s.Change(put("B")) }, [][]string{{"A"}, {"A", "B"}}},
		"wipe":   {func(s *keystore.Store) error { return s.Wipe() }, [][]string{{"A"}, nil}},
	} {
		d := powercut.New()
		s := open(t, d)
		must(t, s.Change(put("A")))
		cuts := 0
		d.Before(func(powercut.Op) {
			for _, keep := range []powercut.Keep{powercut.KeepNone, powercut.KeepAll, powercut.KeepSome, powercut.KeepSome} {
				got := open(t, d.Cut(rng, keep)).Names()
				cuts++
				if !cmp.Equal(got, change.want[0]) && !cmp.Equal(got, change.want[1]) {
					t.Errorf("%s, cut %d: keys %q", name, cuts, got)
				}
			}
		})
		must(t, change.do(s))
		d.Before(nil)
		if got := open(t, d.Cut(rng, powercut.KeepNone)).Names(); !cmp.Equal(got, change.want[1]) || cuts < 8 {
			t.Errorf("%s: after it was acknowledged keys are %q (%d cuts)", name, got, cuts)
		}
	}
}

func TestAFirstStartCutAnywhereStartsAgain(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	d := powercut.New()
	d.Before(func(powercut.Op) { open(t, d.Cut(rng, powercut.KeepSome)) })
	s := open(t, d)
	must(t, s.Change(put("A")))
}

func TestAFailedWriteStopsTheStore(t *testing.T) {
	d := powercut.New()
	s := open(t, d)
	must(t, s.Change(put("A")))
	d.FailWhen(func(powercut.Op) bool { return true }, errors.New("disk broken"), false)
	if err := s.Change(put("B")); !errors.Is(err, keystore.ErrStopped) {
		t.Errorf("a failed write: %v", err)
	}
	d.Heal()
	if err := s.Change(put("B")); !errors.Is(err, keystore.ErrStopped) || s.Failed() == nil {
		t.Errorf("after it: %v", err)
	}
	if _, ok := s.Key("B"); ok {
		t.Error("the key is there though it was not kept")
	}
}

func TestDamageIsRefused(t *testing.T) {
	for _, name := range []string{"keys", "device.key"} {
		d := powercut.New()
		must(t, open(t, d).Change(put("A")))
		must(t, d.Flip(name, 20, 1))
		if _, err := keystore.Open(d, ""); !errors.Is(err, keystore.ErrDamaged) {
			t.Errorf("%s damaged: %v", name, err)
		}
	}
}

func TestARefusedChangeChangesNothing(t *testing.T) {
	s, err := keystore.Open(nil, "")
	must(t, err)
	no := errors.New("no")
	if err := s.Change(func(c *keystore.Contents) error { _ = put("A")(c); return no }); !errors.Is(err, no) || len(s.Names()) != 0 {
		t.Errorf("%v, keys %q", err, s.Names())
	}
	must(t, s.Change(put("A")))
	k, _ := s.Key("A")
	clear(k.Value)
	if again, _ := s.Key("A"); !bytes.Equal(again.Value, secret) {
		t.Error("the copy that was given out is the key itself")
	}
}

func TestPowerCutAnywhereInAWipeKeepsWhatIsNamed(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	d := powercut.New()
	s := open(t, d)
	must(t, s.Change(func(c *keystore.Contents) error { c.Records["mark"] = []byte("m"); return put("A")(c) }))
	for range 3 { // a store is wiped more than once in its life
		d.Before(func(powercut.Op) {
			if got := open(t, d.Cut(rng, powercut.KeepSome)); string(got.Record("mark")) != "m" {
				t.Error("the record is gone")
			}
		})
		must(t, s.Wipe("mark"))
		d.Before(nil)
		must(t, s.Change(put("B")))
	}
}

func TestWipeKeepsWhatIsNamed(t *testing.T) {
	d := powercut.New()
	s := open(t, d)
	must(t, s.Change(func(c *keystore.Contents) error { c.Records["maker"] = []byte("m"); return put("A")(c) }))
	before, err := d.ReadFile("keys")
	must(t, err)
	must(t, s.Wipe("maker"))
	if again := open(t, d); len(again.Names()) != 0 || string(again.Record("maker")) != "m" {
		t.Errorf("%q, %q", again.Names(), again.Record("maker"))
	}
	must(t, d.WriteFile("keys", before)) // the old file put back
	if again := open(t, d); len(again.Names()) != 0 {
		t.Errorf("a wiped key came back with the old file: %q", again.Names())
	}
}
