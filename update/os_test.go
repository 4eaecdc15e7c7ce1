package update_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// onRealDisk puts the till's device into a folder of the operating system.
func (w *till) onRealDisk() string {
	w.t.Helper()
	root := w.t.TempDir()
	for _, dir := range []string{"boot", "slots/a/bin", "slots/a/data", "slots/b"} {
		w.must(os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	for name, data := range w.one.files {
		w.must(os.WriteFile(filepath.Join(root, "slots/a", name), data, 0o555)) // as a program that runs: not to be written
	}
	w.must(os.WriteFile(filepath.Join(root, "slots/a/manifest.json"), w.one.offer.Manifest, 0o644))
	w.must(os.WriteFile(filepath.Join(root, "slots/a/manifest.note"), w.one.offer.Note, 0o644))
	w.must(slot.Create(durable.OS{}, root+"/boot", root+"/boot/table", slot.Table{Manifests: [2]manifest.Digest{w.one.digest}}.Raised(w.one.manifest)))
	return root
}

func TestOnARealDiskProgramsGetTheirModesAndLinksAreNotFollowed(t *testing.T) {
	w := newTill(t)
	root, outside := w.onRealDisk(), t.TempDir()
	w.must(os.WriteFile(filepath.Join(outside, "precious"), []byte("x"), 0o644))
	w.must(os.Symlink(outside, filepath.Join(root, "slots/b/bin"))) // somebody's trap in the slot that is written
	cfg := w.config()
	cfg.FS, cfg.Root, cfg.Free = durable.OS{}, root, func() (int64, error) { return update.FreeBytes(root) }
	a, err := update.New(cfg)
	w.must(err)
	if r, err := a.Update(t.Context()); err != nil || !r.Restart {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := os.Stat(filepath.Join(outside, "precious")); err != nil {
		t.Errorf("a link led out of the slot: %v", err)
	}
	info, err := os.Lstat(filepath.Join(root, "slots/b/bin/plomb"))
	w.must(err)
	if info.Mode() != 0o755 {
		t.Errorf("the program has mode %v", info.Mode())
	}
	f, _, err := slot.Open(durable.OS{}, root+"/boot/table")
	w.must(err)
	p := slot.Next(f.Table(), func(s slot.Slot) error {
		_, err := w.check().Verify(durable.OS{}, root+"/slots/"+s.String(), f.Table().Manifests[s])
		return err
	})
	if !p.Trial || p.Slot != slot.B {
		t.Errorf("%+v", p)
	}
}

// A component of many frames is fetched, opened, installed and verified one by one.
func TestMemoryIsThatOfAFrameHoweverLongTheComponent(t *testing.T) {
	if testing.Short() {
		t.Skip("a component of 32 MiB")
	}
	w := newTill(t)
	data := make([]byte, 32<<20)
	piece := noise(6, manifest.FrameBytes)
	for at := 0; at < len(data); at += len(piece) {
		copy(data[at:], piece)
		copy(data[at:], fmt.Sprint(at))
	}
	big, err := w.maker.release(2, nil, map[string][]byte{"bin/plomb": data}, nil)
	w.must(err)
	w.offer, w.policy.Budget = &big.offer, 1<<30
	root := w.onRealDisk()
	cfg := w.config()
	var most, begin uint64
	sample := func() { most = max(most, inUse()) }
	cfg.FS, cfg.Root = sampled{sample: sample}, root
	a, err := update.New(cfg)
	w.must(err)
	begin = inUse()
	if _, err := a.Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	if grown := int64(most) - int64(begin); grown > 12<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	} else {
		t.Logf("memory grew by %d MiB", grown>>20)
	}
	got, err := os.Open(filepath.Join(root, "slots/b/bin/plomb"))
	w.must(err)
	defer got.Close()
	if n, err := io.Copy(io.Discard, got); n != int64(len(data)) || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// sampled looks at the memory in use whenever a frame is written or read.
type sampled struct {
	durable.OS
	sample func()
}

func (s sampled) Create(name string) (durable.File, error) { return s.wrap(s.OS.Create(name)) }
func (s sampled) Open(name string) (durable.File, error)   { return s.wrap(s.OS.Open(name)) }

func (s sampled) wrap(f durable.File, err error) (durable.File, error) {
	if err != nil {
		return nil, err
	}
	return sampledFile{f, s.sample}, nil
}

type sampledFile struct {
	durable.File
	sample func()
}

func (f sampledFile) WriteAt(p []byte, at int64) (int, error) {
	f.sample()
	return f.File.WriteAt(p, at)
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
