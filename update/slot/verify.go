package slot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/manifest"
)

// The files of a slot beside its components.
const (
	ManifestFile = "manifest.json"
	NoteFile     = "manifest.note"
	ProofFile    = "log.proof"
)

// Errors of verification.
var (
	ErrFloor        = errors.New("older than what may start here")
	ErrIncompatible = errors.New("not for this device")
	ErrStranger     = errors.New("a file that no manifest names")
)

// Device is what a release has to fit.
type Device struct {
	Hardware     manifest.Identity // registered identity; empty: not known, fits only releases that name none
	Model        string            // three characters; empty as above
	Platform     string            // GOOS/GOARCH
	Jurisdiction string            // country code
}

// Release is a verified slot.
type Release struct {
	Manifest *manifest.Manifest
	Digest   manifest.Digest
	Signers  []string
}

// Check is what a slot is verified against.
type Check struct {
	Policy *manifest.Policy
	Device Device
	Floors [2]uint64 // by Scope
	// Scope is the line of releases that starts here (requirement CU-19); empty: any.
	Scope manifest.Scope
	// Log checks ProofFile, the proof that the release was logged; nil: no proof is
	// asked for.
	Log func(digest manifest.Digest, proof []byte) error
}

// limits of what is read whole.
const (
	maxNote  = 64 << 10
	maxProof = 256 << 10
)

// Verify checks a slot's folder as a whole: signatures, device, floor, log, every
// component byte by byte, and that nothing lies beside them. wanted is the digest
// that the table names; all zero: any.
func (c Check) Verify(fsys durable.FS, dir string, wanted manifest.Digest) (*Release, error) {
	r, err := c.release(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("verify slot: %w", err)
	}
	if wanted != (manifest.Digest{}) && r.Digest != wanted {
		return nil, fmt.Errorf("verify slot: %s is not the release that the table names: %w", r.Manifest.Identity, manifest.ErrContent)
	}
	if err := c.Fits(r.Manifest); err != nil {
		return nil, fmt.Errorf("verify slot: %w", err)
	}
	for i := range r.Manifest.Components {
		if err := checkFile(fsys, dir, &r.Manifest.Components[i]); err != nil {
			return nil, fmt.Errorf("verify slot: %w", err)
		}
	}
	if err := noStrangers(fsys, dir, r.Manifest); err != nil {
		return nil, fmt.Errorf("verify slot: %w", err)
	}
	return r, nil
}

// release reads and verifies manifest, note and proof.
func (c Check) release(fsys durable.FS, dir string) (*Release, error) {
	encoded, err := readPaper(fsys, dir, ManifestFile, manifest.MaxBytes)
	if err != nil {
		return nil, err
	}
	signed, err := readPaper(fsys, dir, NoteFile, maxNote)
	if err != nil {
		return nil, err
	}
	m, signers, err := c.Policy.Verify(encoded, signed)
	if err != nil {
		return nil, err
	}
	r := &Release{Manifest: m, Digest: manifest.Sum(encoded), Signers: signers}
	if c.Log == nil {
		return r, nil
	}
	proof, err := readPaper(fsys, dir, ProofFile, maxProof)
	if err != nil {
		return nil, err
	}
	return r, c.Logged(m, r.Digest, proof)
}

func readPaper(fsys durable.FS, dir, name string, limit int64) ([]byte, error) {
	if err := checkPlace(fsys, dir, name); err != nil {
		return nil, err
	}
	return durable.ReadFile(fsys, path.Join(dir, name), limit)
}

// Logged checks that a release was logged, and the approved one whose legally relevant
// part it has; without Log nothing is asked.
func (c Check) Logged(m *manifest.Manifest, digest manifest.Digest, proof []byte) error {
	if c.Log == nil {
		return nil
	}
	if err := c.Log(digest, proof); err != nil || m.Approved == nil {
		return err
	}
	_, base := m.Base()
	return c.Log(base, m.Approved.Proof)
}

// Fits says whether a release may start on the device.
func (c Check) Fits(m *manifest.Manifest) error {
	d, k := c.Device, m.Compatibility
	switch {
	case c.Scope != "" && m.Scope != c.Scope:
		return fmt.Errorf("%s is a release of the %s, this place is the %s's: %w", m.Identity, m.Scope, c.Scope, ErrIncompatible)
	case m.Counter < c.Floors[ScopeOf(m.Scope)]:
		return fmt.Errorf("%s has counter %d, the floor is %d: %w", m.Identity, m.Counter, c.Floors[ScopeOf(m.Scope)], ErrFloor)
	case c.baseBelow(m):
		return fmt.Errorf("the legally relevant part of %s is below the floor %d: %w", m.Identity, c.Floors[ScopeOf(m.Scope)], ErrFloor)
	case !slices.Contains(k.Platforms, d.Platform):
		return fmt.Errorf("%s is for %s, this is %s: %w", m.Identity, strings.Join(k.Platforms, ", "), d.Platform, ErrIncompatible)
	case len(k.Models) > 0 && !slices.Contains(k.Models, d.Model):
		return fmt.Errorf("%s is for models %s, this is %q: %w", m.Identity, strings.Join(k.Models, ", "), d.Model, ErrIncompatible)
	case len(k.Hardware) > 0 && !slices.Contains(k.Hardware, d.Hardware):
		return fmt.Errorf("%s is not for hardware %q: %w", m.Identity, d.Hardware, ErrIncompatible)
	case len(m.Jurisdictions) > 0 && !slices.Contains(m.Jurisdictions, d.Jurisdiction):
		return fmt.Errorf("%s is approved for %s, this is %q: %w", m.Identity, strings.Join(m.Jurisdictions, ", "), d.Jurisdiction, ErrIncompatible)
	}
	return nil
}

// baseBelow says whether the approved release is older than what may start.
func (c Check) baseBelow(m *manifest.Manifest) bool {
	base, _ := m.Base()
	return base != nil && base.Counter < c.Floors[ScopeOf(m.Scope)]
}

// moder is a file system that has links and files that are none; durable.OS is one.
type moder interface {
	Mode(name string) (fs.FileMode, error)
}

// checkPlace refuses a component that is no regular file, or to which a link leads:
// another disk may give other bytes when it is read again.
func checkPlace(fsys durable.FS, dir, file string) error {
	m, ok := fsys.(moder)
	if !ok {
		return nil
	}
	for at := file; ; at = path.Dir(at) {
		mode, err := m.Mode(path.Join(dir, at))
		if err != nil {
			return err
		}
		if right := mode.IsRegular() == (at == file) && mode.IsDir() == (at != file); !right {
			return fmt.Errorf("%s is %s: %w", at, mode.Type(), ErrStranger)
		}
		if at == "." {
			return nil
		}
	}
}

func checkFile(fsys durable.FS, dir string, c *manifest.Component) error {
	if err := checkPlace(fsys, dir, c.Path); err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	f, err := fsys.Open(path.Join(dir, c.Path))
	if err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	return c.Check(io.NewSectionReader(f, 0, size))
}

// noStrangers lists the slot's folders and compares them with the manifest.
func noStrangers(fsys durable.FS, dir string, m *manifest.Manifest) error {
	want := map[string][]string{"": {ManifestFile, NoteFile, ProofFile}}
	for _, c := range m.Components {
		add(want, c.Path)
	}
	for sub, names := range want {
		have, err := fsys.ReadDir(path.Join(dir, sub))
		if err != nil {
			return err
		}
		for _, name := range have {
			if !slices.Contains(names, name) {
				return fmt.Errorf("%s: %w", path.Join(sub, name), ErrStranger)
			}
		}
	}
	return nil
}

// add names a file and the folders above it.
func add(want map[string][]string, file string) {
	for file != "" {
		dir, name := path.Split(file)
		dir = strings.TrimSuffix(dir, "/")
		want[dir] = append(want[dir], name)
		file = dir
	}
}
