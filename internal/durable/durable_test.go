package durable_test

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/powercut"
)

func TestReplaceLeavesTheOldContentOrTheNewAtEveryLossOfPower(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		disk := powercut.New()
		if err := disk.WriteFile("/head", []byte("old")); err != nil {
			t.Fatal(err)
		}
		disk.Before(func(powercut.Op) {
			got, err := durable.ReadFile(disk.Cut(rng, powercut.AnyKeep(rng)), "/head", 100)
			if err != nil || (string(got) != "old" && string(got) != "brand new") {
				t.Errorf("after a cut: %q, %v", got, err)
			}
		})
		if err := durable.Replace(disk, "/head", []byte("brand new")); err != nil {
			t.Fatal(err)
		}
		disk.Before(nil)
		if got, err := durable.ReadFile(disk.Cut(rng, powercut.KeepNone), "/head", 100); err != nil || string(got) != "brand new" {
			t.Errorf("after Replace and a cut: %q, %v", got, err)
		}
	}
}

func TestTheOperatingSystemsFiles(t *testing.T) {
	var fsys durable.OS
	dir := filepath.Join(t.TempDir(), "d")
	name := filepath.Join(dir, "a")
	if err := fsys.Mkdir(dir); err != nil {
		t.Fatal(err)
	}
	if err := fsys.Mkdir(dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Mkdir = %v, want ErrExist", err)
	}
	if _, err := fsys.Open(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of nothing = %v, want ErrNotExist", err)
	}
	for _, text := range []string{"first", "second, longer"} {
		if err := durable.Replace(fsys, name, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := durable.ReadFile(fsys, name, 100); err != nil || string(got) != text {
			t.Errorf("ReadFile = %q, %v, want %q", got, err, text)
		}
	}
	if _, err := durable.ReadFile(fsys, name, 3); err == nil {
		t.Error("ReadFile beyond its limit succeeded")
	}
	if _, err := fsys.Create(name); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create of an existing file = %v, want ErrExist", err)
	}
	if names, err := fsys.ReadDir(dir); err != nil || len(names) != 1 || names[0] != "a" {
		t.Errorf("ReadDir = %v, %v", names, err)
	}
	if err := errors.Join(durable.RemoveIfExists(fsys, name), durable.RemoveIfExists(fsys, name)); err != nil {
		t.Errorf("RemoveIfExists twice: %v", err)
	}
}

func TestALockIsHeldOnce(t *testing.T) {
	var fsys durable.OS
	name := filepath.Join(t.TempDir(), "LOCK")
	first, err := fsys.Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fsys.Lock(name); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("second Lock = %v, want ErrLocked", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := fsys.Lock(name)
	if err != nil {
		t.Fatalf("Lock after release: %v", err)
	}
	second.Close()
}
