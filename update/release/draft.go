package release

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/manifest"
)

// draft is a file system over another one whose files are only in memory until they
// are committed. What is read and was not written comes from below.
type draft struct {
	below durable.FS
	files map[string]*draftFile
	gone  map[string]bool
	dirs  map[string]bool
}

func newDraft(below durable.FS) *draft {
	return &draft{below: below, files: map[string]*draftFile{}, gone: map[string]bool{}, dirs: map[string]bool{}}
}

// draftFile is a file in memory.
type draftFile struct{ data []byte }

func (f *draftFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *draftFile) WriteAt(p []byte, off int64) (int, error) {
	if grow := off + int64(len(p)) - int64(len(f.data)); grow > 0 {
		f.data = append(f.data, make([]byte, grow)...)
	}
	return copy(f.data[off:], p), nil
}

func (f *draftFile) Truncate(size int64) error {
	f.data = append(f.data[:min(size, int64(len(f.data)))], make([]byte, max(0, size-int64(len(f.data))))...)
	return nil
}

func (f *draftFile) Size() (int64, error) { return int64(len(f.data)), nil }
func (f *draftFile) Sync() error          { return nil }
func (f *draftFile) Close() error         { return nil }

// Create implements durable.FS.
func (d *draft) Create(name string) (durable.File, error) {
	f, err := d.Open(name)
	if err == nil {
		f.Close()
		return nil, fmt.Errorf("create %s: %w", name, fs.ErrExist)
	}
	d.files[name] = &draftFile{}
	delete(d.gone, name)
	return d.files[name], nil
}

// Open implements durable.FS: a file of below is read into memory when it is written.
func (d *draft) Open(name string) (durable.File, error) {
	if f := d.files[name]; f != nil {
		return f, nil
	}
	if d.gone[name] {
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
	f, err := d.below.Open(name)
	if err != nil {
		return nil, err
	}
	return &lazyFile{File: f, d: d, name: name}, nil
}

// lazyFile is a file of below until it is written.
type lazyFile struct {
	durable.File
	d    *draft
	name string
	mine *draftFile
}

func (f *lazyFile) own() (*draftFile, error) {
	if f.mine != nil {
		return f.mine, nil
	}
	size, err := f.File.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	if _, err := f.File.ReadAt(data, 0); err != nil && err != io.EOF {
		return nil, err
	}
	f.mine = &draftFile{data}
	f.d.files[f.name] = f.mine
	return f.mine, nil
}

func (f *lazyFile) ReadAt(p []byte, off int64) (int, error) {
	if f.mine != nil {
		return f.mine.ReadAt(p, off)
	}
	return f.File.ReadAt(p, off)
}

func (f *lazyFile) Size() (int64, error) {
	if f.mine != nil {
		return f.mine.Size()
	}
	return f.File.Size()
}

func (f *lazyFile) WriteAt(p []byte, off int64) (int, error) {
	m, err := f.own()
	if err != nil {
		return 0, err
	}
	return m.WriteAt(p, off)
}

func (f *lazyFile) Truncate(size int64) error {
	m, err := f.own()
	if err != nil {
		return err
	}
	return m.Truncate(size)
}

func (f *lazyFile) Sync() error { return nil }

// Rename implements durable.FS.
func (d *draft) Rename(from, to string) error {
	f, err := d.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	if l, ok := f.(*lazyFile); ok {
		if _, err := l.own(); err != nil {
			return err
		}
	}
	d.files[to] = d.files[from]
	delete(d.gone, to)
	return d.Remove(from)
}

// Remove implements durable.FS.
func (d *draft) Remove(name string) error {
	f, err := d.Open(name)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	delete(d.files, name)
	if below, err := d.below.Open(name); err == nil {
		d.gone[name] = true
		return below.Close()
	}
	return nil
}

// Mkdir implements durable.FS.
func (d *draft) Mkdir(name string) error {
	d.dirs[name] = true
	return nil
}

// ReadDir implements durable.FS.
func (d *draft) ReadDir(name string) ([]string, error) {
	names, err := d.below.ReadDir(name)
	if err != nil && !d.dirs[name] {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return d.gone[path.Join(name, n)] })
	for f := range d.files {
		if path.Dir(f) == name {
			names = append(names, path.Base(f))
		}
	}
	for sub := range d.dirs {
		if path.Dir(sub) == name {
			names = append(names, path.Base(sub))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// SyncDir implements durable.FS.
func (d *draft) SyncDir(string) error { return nil }

// Lock implements durable.FS.
func (d *draft) Lock(name string) (io.Closer, error) { return d.below.Lock(name) }

// journal is what a commit writes before it touches a file: whoever opens the office
// after a crash does the rest.
type journal struct {
	Format string         `json:"format"`
	Writes []journalWrite `json:"writes"`
	Remove []string       `json:"remove,omitempty"`
}

// journalWrite is one file, by its name below the office.
type journalWrite struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

const (
	journalFormat = "plomb-office-journal/1"
	journalFile   = "journal"
	maxJournal    = 256 << 20
)

// commit makes a draft durable, all of it or nothing: the journal first, then the
// files, then the journal goes. A crash before the journal stands leaves the office as
// it was; after it, replay finishes.
func (o *Office) commit(d *draft) error {
	j := journal{Format: journalFormat}
	for name, f := range d.files {
		rel, ok := strings.CutPrefix(name, o.dir+"/")
		if !ok {
			return fmt.Errorf("%s is not a file of the office", name)
		}
		j.Writes = append(j.Writes, journalWrite{rel, f.data})
	}
	for name := range d.gone {
		j.Remove = append(j.Remove, strings.TrimPrefix(name, o.dir+"/"))
	}
	slices.SortFunc(j.Writes, func(a, b journalWrite) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(j.Remove)
	if len(j.Writes) == 0 && len(j.Remove) == 0 {
		return nil
	}
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	if err := mkdirs(o.disk, o.dir); err != nil {
		return err
	}
	if err := durable.Replace(o.disk, o.path(journalFile), text); err != nil {
		return err
	}
	return o.replay()
}

// replay finishes a commit that was cut off, if there is one.
func (o *Office) replay() error {
	text, err := durable.ReadFile(o.disk, o.path(journalFile), maxJournal)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the office's journal: %w", err)
	}
	var j journal
	if err := json.Unmarshal(text, &j, json.RejectUnknownMembers(true)); err != nil || j.Format != journalFormat {
		return fmt.Errorf("the office's journal: %w", ErrFormat)
	}
	if err := o.apply(j); err != nil {
		return fmt.Errorf("finish what a crash cut off: %w", err)
	}
	if err := o.disk.Remove(o.path(journalFile)); err != nil {
		return err
	}
	return o.disk.SyncDir(o.dir)
}

func (o *Office) apply(j journal) error {
	for _, w := range j.Writes {
		if !plainPath(w.Name) {
			return fmt.Errorf("%q: %w", w.Name, ErrFormat)
		}
		if err := mkdirs(o.disk, path.Dir(o.path(w.Name))); err != nil {
			return err
		}
		if err := durable.Replace(o.disk, o.path(w.Name), w.Data); err != nil {
			return err
		}
	}
	for _, name := range j.Remove {
		if !plainPath(name) {
			return fmt.Errorf("%q: %w", name, ErrFormat)
		}
		if err := durable.RemoveIfExists(o.disk, o.path(name)); err != nil {
			return err
		}
	}
	return nil
}

// plainPath is manifest.ValidPath without its reserved names.
func plainPath(p string) bool { return manifest.ValidPath("x/" + p) }
