package update

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// stateFile outlives what is staged.
const stateFile = "state.json"

// staging is the folder where a release waits: what was announced and its packs.
type staging struct {
	fsys durable.FS
	dir  string
}

func (s staging) path(name string) string { return path.Join(s.dir, name) }

// make makes the folder of a device that has none.
func (s staging) make() error {
	err := s.fsys.Mkdir(s.dir)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = s.fsys.SyncDir(path.Dir(s.dir))
	}
	return wrap("make the download folder", err)
}

// take makes the folder that of an offer. What is there already of the same release
// stays; another release's frames are removed first, so that a cut leaves files of
// one release only, those of the manifest that is there.
func (s staging) take(o *Offer) error {
	have, err := durable.ReadFile(s.fsys, s.path(slot.ManifestFile), manifest.MaxBytes)
	if err != nil || manifest.Sum(have) != manifest.Sum(o.Manifest) {
		if err := s.clear(); err != nil {
			return wrap("clear the download folder", err)
		}
	}
	// The manifest comes last: with it the folder belongs to this release.
	for _, f := range []struct {
		name string
		data []byte
	}{{slot.NoteFile, o.Note}, {slot.ProofFile, o.Proof}, {slot.ManifestFile, o.Manifest}} {
		if err := s.put(f.name, f.data); err != nil {
			return wrap("keep the release's papers", err)
		}
	}
	return nil
}

// put replaces a small file unless it has that content; nil removes it.
func (s staging) put(name string, data []byte) error {
	if data == nil {
		return durable.RemoveIfExists(s.fsys, s.path(name))
	}
	have, err := durable.ReadFile(s.fsys, s.path(name), manifest.MaxBytes)
	if err == nil && string(have) == string(data) {
		return nil
	}
	return durable.Replace(s.fsys, s.path(name), data)
}

// clear removes everything but the state.
func (s staging) clear() error {
	names, err := s.fsys.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, name := range slices.DeleteFunc(names, func(n string) bool { return n == stateFile }) {
		if err := durable.RemoveAll(s.fsys, s.path(name)); err != nil {
			return err
		}
	}
	return s.fsys.SyncDir(s.dir)
}

// pack is one pack of a component as far as it is there.
type pack struct {
	*manifest.Pack
	table *frame.Table
	key   *frame.Key // nil: not sealed
	file  string     // of its frames, each at its place in the pack
	have  []bool     // frames whose bytes are on disk, by their hash
	begun begun
}

// scan finds the frames that are on disk. A file that is not there holds none; a
// place that cannot be read holds none either, and is written again.
func (p *pack) scan(fsys durable.FS) error {
	p.have = make([]bool, len(p.table.Entries))
	f, err := fsys.Open(p.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for frames: %w", err)
	}
	if err == nil {
		defer f.Close()
	}
	for i := range p.have {
		p.have[i] = p.table.Entries[i].Wire == 0
		if f != nil && !p.have[i] {
			_, err := p.wire(f, i)
			p.have[i] = err == nil
		}
	}
	return nil
}

// wire reads frame i from the pack's file and checks its hash.
func (p *pack) wire(f durable.File, i int) ([]byte, error) {
	at, n := p.table.Range(i)
	data := make([]byte, n)
	if n == 0 {
		return nil, nil
	}
	if got, err := f.ReadAt(data, at); got < len(data) {
		return nil, fmt.Errorf("read frame %d: %w", i, err)
	}
	return data, p.table.Check(i, data)
}

// there reports whether the bytes of frame i are on the disk; f may be nil.
func (p *pack) there(f durable.File, i int) bool {
	if f == nil {
		return p.table.Entries[i].Wire == 0
	}
	_, err := p.wire(f, i)
	return err == nil
}

// open makes the pack's file, for writing frames.
func (p *pack) open(fsys durable.FS) (durable.File, error) {
	f, err := fsys.Open(p.file)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if f, err = fsys.Create(p.file); err != nil {
		return nil, err
	}
	return f, fsys.SyncDir(path.Dir(p.file))
}

// missing is how many bytes are still to come, of frames that wanted names.
func (p *pack) missing(wanted func(i int) bool) (n int64) {
	for i, have := range p.have {
		if !have && wanted(i) {
			n += int64(p.table.Entries[i].Wire)
		}
	}
	return n
}

func wrap(doing string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
