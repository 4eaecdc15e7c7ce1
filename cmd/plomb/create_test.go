package main

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/till"
)

func TestStartsAtTheSameTimeMakeOneTill(t *testing.T) {
	parent := t.TempDir()
	dir, old := filepath.Join(parent, "till"), filepath.Join(parent, "till"+making+"1")
	for _, d := range []string{dir, old, filepath.Join(parent, "till"+making+"2")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Now(), time.Now().Add(-2*abandoned)); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := ensureTill(t.Context(), dir); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if _, err := till.CurrentOrigin(dir); err != nil {
		t.Error(err)
	}
	names, err := os.ReadDir(parent)
	if err != nil || len(names) != 2 || names[0].Name() != "till" || names[1].Name() != "till"+making+"2" {
		t.Errorf("beside the till: %v, %v; only what may be at work is left", names, err)
	}
}
