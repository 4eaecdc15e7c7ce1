package update_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/manifest"
)

// A sale waits for the processor and the disk behind one frame at most, and at most one
// in five meets one.
//
// Requirement: CU-07
func TestWhileSomebodyMaySellAFrameIsFollowedByARestAndASync(t *testing.T) {
	for _, load := range []update.Load{update.Quiet, update.InUse, update.Sale} {
		w := newTill(t)
		synctest.Test(t, func(t *testing.T) {
			begin, disk := time.Now(), &writes{FS: w.disk}
			cfg := w.config()
			cfg.FS, cfg.Load = disk, func() update.Load { return load }
			a, err := update.New(cfg)
			w.must(err)
			if _, err := a.Update(t.Context()); err != nil {
				t.Fatal(err)
			}
			frames := int64(0)
			for _, c := range w.two.manifest.Components {
				frames += manifest.Frames(c.Length)
			}
			// opened, and opened again to be written; no time passes but that of rests
			least := time.Duration(2*frames*manifest.FrameBytes) * 8 * time.Nanosecond
			took := time.Since(begin)
			if load == update.Quiet && took > 0 || load != update.Quiet && (took < least || took > 3*least) {
				t.Errorf("load %d: %d frames took %v", load, frames, took)
			}
			if most := disk.most; (most > manifest.FrameBytes) != (load == update.Quiet) {
				t.Errorf("load %d: %d bytes between two syncs", load, most)
			}
		})
		w.installed()
	}
}

// writes is a disk that knows the most bytes written to one new file without a sync.
type writes struct {
	durable.FS
	most int64
}

func (w *writes) Create(name string) (durable.File, error) {
	f, err := w.FS.Create(name)
	return &written{File: f, all: w}, err
}

type written struct {
	durable.File
	all   *writes
	bytes int64
}

func (f *written) WriteAt(p []byte, at int64) (int, error) {
	f.bytes += int64(len(p))
	f.all.most = max(f.all.most, f.bytes)
	return f.File.WriteAt(p, at)
}

func (f *written) Sync() error { f.bytes = 0; return f.File.Sync() }
