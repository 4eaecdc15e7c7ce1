package replay_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/plomb-pos/plomb/internal/replay"
)

const oneDay = "testdata/online-retail-2010-12-01.csv"

func plan(t *testing.T, name string) *replay.Plan {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := replay.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOneRealDayIsBooked(t *testing.T) {
	p := plan(t, oneDay)
	r, err := replay.Run(context.Background(), p, replay.Options{Dir: filepath.Join(t.TempDir(), "till"), Weeks: replay.Weeks})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range r.Differences {
		t.Error(d)
	}
	t.Logf("%+v", r.Total)
	t.Logf("%d commands, %d requests, %.1f s, %d entries", r.Commands, r.Requests, r.Seconds, r.Entries)
}
