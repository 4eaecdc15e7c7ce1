package image_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/plomb-pos/plomb/internal/raucrig"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/image"
)

// machine is a machine with RAUC on it. Where it cannot be had a test is skipped, but
// not in CI.
func machine(t *testing.T, o raucrig.Options) (*raucrig.Machine, *image.RAUC) {
	t.Helper()
	why := raucrig.Unable()
	if why != "" && os.Getenv("CI") == "" {
		t.Skip(why)
	}
	m, err := raucrig.New(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(why, err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(m.Words())
		}
	})
	return m, &image.RAUC{Address: m.Address()}
}

// system is an operating system of n bytes: noise, and zeros in its second half.
func system(t *testing.T, seed uint64, n int) string {
	t.Helper()
	data := make([]byte, n)
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range data[:n/2] {
		data[i] = byte(rng.Uint32())
	}
	name := filepath.Join(t.TempDir(), "system")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func build(t *testing.T, m *raucrig.Machine, b raucrig.Bundle) string {
	t.Helper()
	out, err := m.Build(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// runs fails unless the machine runs one place and starts another next.
func runs(t *testing.T, r *image.RAUC, running, next string) {
	t.Helper()
	m, err := r.Machine(context.WithoutCancel(t.Context()))
	if want := (update.Machine{Running: running, Next: next}); err != nil || m != want {
		t.Fatalf("the machine: %+v, %v, want %+v", m, err, want)
	}
}

// Requirement: CU-19
func TestRAUCWritesAnImageActivatesItApartAndKeepsIt(t *testing.T) {
	m, r := machine(t, raucrig.Options{})
	img := system(t, 1, 8<<20)
	bundle := build(t, m, raucrig.Bundle{Version: "2", Image: img})
	runs(t, r, "rootfs.0", "rootfs.0")
	must(t, r.Check(t.Context(), bundle))
	last := -1
	place, err := r.Write(t.Context(), bundle, func(percent int) { last = percent })
	if err != nil || place != "rootfs.1" || last < 50 {
		t.Fatalf("Write: %q, %v; last heard of %d %%", place, err, last)
	}
	runs(t, r, "rootfs.0", "rootfs.0")
	must(t, r.Verify(t.Context(), place))
	want, _ := os.ReadFile(img)
	got, err := os.ReadFile(m.Device("B"))
	if err != nil || !bytes.Equal(got[:len(want)], want) {
		t.Errorf("slot B holds something else: %v", err)
	}
	must(t, r.Activate(t.Context(), place))
	runs(t, r, "rootfs.0", "rootfs.1")
	must(t, m.Boot(t.Context()))
	runs(t, r, "rootfs.1", "rootfs.1")
	must(t, r.Keep(t.Context(), place))
	for range raucrig.Tries + 1 {
		must(t, m.Boot(t.Context()))
	}
	runs(t, r, "rootfs.1", "rootfs.1")
}
