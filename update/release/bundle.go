package release

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/update/bundle"
	"github.com/plomb-pos/plomb/update/manifest"
)

// Bundle writes what a device needs of the repository to install one release.
func (p *Repository) Bundle(w io.Writer, release manifest.Digest) error {
	return p.bundle(w, release, nil)
}

// BundleWithOrigin adds bill of materials and provenance, out of the folder of the
// release, for people: devices do not read them. They are in the clear and name what
// the software is made of, which the repository does not tell.
func (p *Repository) BundleWithOrigin(w io.Writer, r *Release) error {
	if r.Manifest == nil {
		return fmt.Errorf("bundle: %w: the release is not registered", ErrOrder)
	}
	reports := map[string]string{}
	for _, x := range r.Manifest.Reports {
		if isOrigin(x) {
			reports["reports/"+x.SHA256.String()] = r.path("reports", x.SHA256.String())
		}
	}
	return p.bundle(w, r.Digest(), reports)
}

// bundle writes what is needed of the repository, and more files by their names.
func (p *Repository) bundle(w io.Writer, release manifest.Digest, more map[string]string) error {
	names, err := p.needed(release)
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	place := func(name string) string {
		if file, ok := more[name]; ok {
			return filepath.FromSlash(file)
		}
		return filepath.FromSlash(p.path(name))
	}
	var files []bundle.File
	for _, name := range slices.Concat(names, slices.Collect(maps.Keys(more))) {
		f, err := describe(name, place(name))
		if err != nil {
			return fmt.Errorf("bundle: %w", err)
		}
		files = append(files, f)
	}
	return bundle.Write(w, files, func(name string) (io.ReadCloser, error) { return os.Open(place(name)) })
}

func describe(name, file string) (bundle.File, error) {
	f, err := os.Open(file)
	if err != nil {
		return bundle.File{}, err
	}
	defer f.Close()
	d, n, err := sum(f)
	return bundle.File{Name: name, Bytes: n, SHA256: d}, err
}

// needed names the files: all small ones that devices read, and the tables and packs
// of the release.
func (p *Repository) needed(release manifest.Digest) (names []string, err error) {
	id := release.String()
	m, err := p.Manifest(release)
	if err != nil {
		return nil, err
	}
	for _, folder := range []string{string(Maker), string(Authority), "targets", "entitlements/" + id} {
		more, err := p.below(folder)
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	names = append(names, "notes/"+id, "proofs/"+id, "log/checkpoint")
	if _, err := os.Stat(filepath.FromSlash(p.path("campaign.json"))); err == nil {
		names = append(names, "campaign.json")
	}
	for _, c := range m.Components {
		for _, k := range c.Packs {
			names = append(names, "tables/"+k.Table.String(), "packs/"+k.SHA256.String())
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// below lists the files in a folder; a missing one is empty.
func (p *Repository) below(folder string) (names []string, err error) {
	root := filepath.FromSlash(p.dir)
	err = filepath.WalkDir(filepath.Join(root, filepath.FromSlash(folder)), func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if rel = filepath.ToSlash(rel); bundle.ValidName(rel) && !strings.HasSuffix(rel, ".new") {
			names = append(names, rel)
		}
		return err
	})
	return names, err
}

// Manifest reads a release's manifest from the repository, by its hash.
func (p *Repository) Manifest(release manifest.Digest) (*manifest.Manifest, error) {
	data, err := os.ReadFile(filepath.FromSlash(p.path("targets", release.String())))
	if err != nil {
		return nil, err
	}
	if manifest.Sum(data) != release {
		return nil, fmt.Errorf("manifest %s: %w", release, ErrTampered)
	}
	return manifest.Parse(data)
}

// Approved is what a release names that has a published one's legally relevant part
// unchanged, and so needs its maker alone (requirement DL-17): Plan.Manifest.Approved.
func (p *Repository) Approved(release manifest.Digest) (*manifest.Approved, error) {
	if _, err := p.Manifest(release); err != nil {
		return nil, fmt.Errorf("the approved release: %w", err)
	}
	var out manifest.Approved
	for folder, to := range map[string]*[]byte{"targets": &out.Manifest, "notes": &out.Note, "proofs": &out.Proof} {
		data, err := os.ReadFile(filepath.FromSlash(p.path(folder, release.String())))
		if err != nil {
			return nil, fmt.Errorf("the approved release: %w", err)
		}
		*to = data
	}
	return &out, nil
}
