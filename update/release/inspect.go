package release

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/bundle"
	"github.com/plomb-pos/plomb/update/manifest"
)

// Inspection is what can be said of a release from its files. What is not verified
// against parties is only what the files claim.
type Inspection struct {
	Digest   manifest.Digest    `json:"digest"` // of the manifest; of the draft before registration
	Final    bool               `json:"final"`  // registered: the manifest is what parties sign
	State    Step               `json:"state,omitempty"`
	Manifest *manifest.Manifest `json:"manifest"`
	Claimed  []string           `json:"claimed,omitempty"` // names and key hashes on the note, as they stand there
	Signed   []string           `json:"signed,omitempty"`  // parties whose threshold is met, by the given parties file
	Origin   *Origin            `json:"origin,omitempty"`  // where its bill of materials and provenance are there
	Steps    []Entry            `json:"steps,omitempty"`
}

// Inspect shows a release's folder, with everything read and checked again. parties
// nil: as OpenRelease.
func Inspect(dir string, parties *Parties) (*Inspection, error) {
	r, err := OpenRelease(dir, parties)
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	if err := r.Check(); err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	out := &Inspection{State: r.State(), Manifest: r.Draft, Steps: r.Entries()}
	if r.Manifest == nil {
		draft, err := r.Draft.Encode()
		out.Digest = manifest.Sum(draft)
		return out, err
	}
	out.Digest, out.Final, out.Manifest = r.Digest(), true, r.Manifest
	signed, err := durable.ReadFile(r.fsys, r.path("manifest.note"), manifest.MaxDocument)
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	if out.Origin, err = readOrigin(r.fsys, r.path("reports"), out.Manifest); err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	return out, out.signatures(r.encoded, signed, parties)
}

// InspectPublished shows the releases of a repository.
func InspectPublished(dir string, parties *Parties) (out []*Inspection, err error) {
	p := &Repository{dir: filepath.ToSlash(dir), fsys: durable.OS{}}
	names, err := p.fsys.ReadDir(p.path("notes"))
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	for _, name := range names {
		var d manifest.Digest
		if d.UnmarshalText([]byte(name)) != nil {
			continue
		}
		one, err := p.inspect(d, parties)
		if err != nil {
			return nil, fmt.Errorf("inspect %s: %w", name, err)
		}
		out = append(out, one)
	}
	return out, nil
}

func (p *Repository) inspect(d manifest.Digest, parties *Parties) (*Inspection, error) {
	m, err := p.Manifest(d)
	if err != nil {
		return nil, err
	}
	encoded, err := m.Encode()
	if err != nil {
		return nil, err
	}
	signed, err := durable.ReadFile(p.fsys, p.path("notes", d.String()), manifest.MaxDocument)
	if err != nil {
		return nil, err
	}
	out := &Inspection{Digest: d, Final: true, State: Published, Manifest: m}
	if out.Origin, err = readOrigin(p.fsys, p.path("reports"), m); err != nil {
		return nil, err
	}
	return out, out.signatures(encoded, signed, parties)
}

// InspectBundle unpacks a bundle beside the other temporary files, and shows it.
func InspectBundle(r io.Reader, parties *Parties) (out []*Inspection, err error) {
	temp, err := os.MkdirTemp("", "plomb-bundle-")
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	defer os.RemoveAll(temp)
	dir := filepath.Join(temp, "repository")
	if err := bundle.Extract(r, dir, bundle.MaxBytes); err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	return InspectPublished(dir, parties)
}

// signatures says who is on the note, and who is so by the parties.
func (i *Inspection) signatures(encoded, signed []byte, parties *Parties) error {
	_, err := note.Open(signed, note.VerifierList())
	if unverified, ok := err.(*note.UnverifiedNoteError); ok {
		for _, s := range unverified.Note.UnverifiedSigs {
			i.Claimed = append(i.Claimed, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
		}
	}
	if parties == nil {
		return nil
	}
	_, i.Signed, err = parties.policy.Verify(encoded, signed)
	if i.State == Registered {
		return nil // not everybody has signed yet
	}
	return err
}
