package boot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/counter"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// New is what a device is made of.
type New struct {
	Policy []byte            // of PolicyFile
	Facts  []byte            // of FactsFile
	Files  map[string][]byte // more files of the folder boot, by name
	TPM    string            // that holds the version floor; empty: the slot table alone does
	First  Release           // of slot a
}

// Release is the content of a slot.
type Release struct {
	Manifest, Note []byte
	Proof          []byte // nil: none
	// Write writes a component's bytes.
	Write func(c *manifest.Component, w io.Writer) error
}

// FromFolder is a release that lies unpacked in a folder, as in a slot.
func FromFolder(dir string) (r Release, err error) {
	for _, p := range []struct {
		name string
		into *[]byte
	}{{slot.ManifestFile, &r.Manifest}, {slot.NoteFile, &r.Note}, {slot.ProofFile, &r.Proof}} {
		*p.into, err = os.ReadFile(filepath.Join(dir, p.name))
		if errors.Is(err, fs.ErrNotExist) && p.name == slot.ProofFile {
			continue
		}
		if err != nil {
			return r, fmt.Errorf("read the release: %w", err)
		}
	}
	r.Write = func(c *manifest.Component, w io.Writer) error {
		in, err := os.Open(filepath.Join(dir, filepath.FromSlash(c.Path)))
		if err != nil {
			return err
		}
		defer in.Close()
		_, err = io.Copy(w, in)
		return err
	}
	return r, nil
}

// Make makes a device. The slot table is written last: a device that has one is
// whole, and one that was cut short is begun anew after its folder was removed. What
// is there is never replaced.
func Make(fsys durable.FS, root string, n New) (*Device, *slot.Release, error) {
	d := &Device{FS: fsys, Root: filepath.ToSlash(root)}
	if err := d.lay(n); err != nil {
		return nil, nil, fmt.Errorf("make a device in %s: %w", root, err)
	}
	d, err := Open(fsys, root)
	if err != nil {
		return nil, nil, err
	}
	r, err := d.fill(slot.A, n.First)
	if err != nil {
		return nil, nil, err
	}
	if err := d.createFloor(r.Manifest); err != nil {
		return nil, nil, err
	}
	if err := slot.CreateRing(fsys, d.Path("boot"), d.Path("boot", RingFile)); err != nil {
		return nil, nil, err
	}
	return d, r, d.MakeTable(slot.Table{Active: slot.A, Manifests: [2]manifest.Digest{r.Digest}}.Raised(r.Manifest))
}

// lay makes the folders and the small files.
func (d *Device) lay(n New) error {
	for _, dir := range []string{"", "boot", "slots", "slots/a", "slots/b"} {
		if err := d.FS.Mkdir(d.Path(dir)); err != nil && !(dir == "" && errors.Is(err, fs.ErrExist)) {
			return err
		}
	}
	files := map[string][]byte{PolicyFile: n.Policy, FactsFile: n.Facts}
	if n.TPM != "" {
		files[counter.File] = []byte(n.TPM + "\n")
	}
	for name, data := range n.Files {
		files[name] = data
	}
	for name, data := range files {
		if err := durable.Replace(d.FS, d.Path("boot", name), data); err != nil {
			return err
		}
	}
	for _, dir := range []string{d.Path("slots"), d.Root, path.Dir(d.Root)} {
		if err := d.FS.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// MakeTable makes a slot table where there is none, and logs it.
func (d *Device) MakeTable(t slot.Table) error {
	if err := slot.Create(d.FS, d.Path("boot"), d.Path("boot", TableFile), t); err != nil {
		return err
	}
	return errors.Join(d.FS.SyncDir(d.Path()), d.Say(fmt.Sprintf("table made, active slot %s", t.Active)))
}

// fill writes a release into an empty slot and verifies it there.
func (d *Device) fill(s slot.Slot, r Release) (*slot.Release, error) {
	m, err := manifest.Parse(r.Manifest)
	if err != nil {
		return nil, err
	}
	for i := range m.Components {
		if err := d.place(d.SlotDir(s), &m.Components[i], r); err != nil {
			return nil, fmt.Errorf("install %s: %w", m.Components[i].Name, err)
		}
	}
	for name, data := range map[string][]byte{slot.NoteFile: r.Note, slot.ProofFile: r.Proof, slot.ManifestFile: r.Manifest} {
		if data == nil {
			continue
		}
		if err := durable.Replace(d.FS, path.Join(d.SlotDir(s), name), data); err != nil {
			return nil, err
		}
	}
	return d.Check(counter.Floors{}).Verify(d.FS, d.SlotDir(s), manifest.Sum(r.Manifest))
}

// place writes one component.
func (d *Device) place(dir string, c *manifest.Component, r Release) error {
	folder := dir
	for part := range strings.SplitSeq(path.Dir(c.Path), "/") {
		folder = path.Join(folder, part)
		if err := d.FS.Mkdir(folder); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	name := path.Join(dir, c.Path)
	f, err := d.FS.Create(name)
	if err != nil {
		return err
	}
	err = r.Write(c, io.NewOffsetWriter(f, 0))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if m, ok := d.FS.(interface {
		Chmod(name string, mode fs.FileMode) error
	}); ok {
		err = m.Chmod(name, Mode(c))
	}
	return errors.Join(err, d.FS.SyncDir(path.Dir(name)))
}

// Mode are the permission bits of a component's file.
func Mode(c *manifest.Component) fs.FileMode {
	if c.Mode == 0 {
		return 0o644
	}
	return fs.FileMode(c.Mode) & fs.ModePerm
}

// createFloor makes the counter of a new device. One that the TPM has kept from an
// older life of the machine stays, and the first release has to pass it.
func (d *Device) createFloor(m *manifest.Manifest) error {
	tpm, ok := d.Floor.(counter.TPM)
	if !ok {
		return nil
	}
	if err := tpm.Create(slot.Table{}.Raised(m).Floors); err != nil {
		return err
	}
	floors, err := tpm.Floors()
	if err != nil {
		return err
	}
	if err := d.Check(floors).Fits(m); err != nil {
		return fmt.Errorf("this machine's TPM remembers its floor: %w", err)
	}
	return tpm.Raise(slot.ScopeOf(m.Scope), m.Lowest())
}
