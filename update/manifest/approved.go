package manifest

import (
	"fmt"
	"slices"
)

// Approved is the release whose legally relevant part another one has unchanged, with
// the signatures of all that had to sign it. That other release changes only what is
// not legally relevant, and so needs its maker alone (requirement DL-17).
type Approved struct {
	Manifest []byte `json:"manifest"`        // as it was signed
	Note     []byte `json:"note"`            // of all parties
	Proof    []byte `json:"proof,omitempty"` // that it was logged
}

// Base is the release whose legally relevant part this one has, and its digest: nil
// where the release is its own.
func (m *Manifest) Base() (*Manifest, Digest) {
	if m.Approved == nil {
		return nil, Digest{}
	}
	base, err := Parse(m.Approved.Manifest)
	if err != nil {
		return nil, Digest{} // Validate refuses it
	}
	return base, Sum(m.Approved.Manifest)
}

// LegalPart is the digest of the release that the legally relevant components were
// approved with; encoded is this one's encoding.
func (m *Manifest) LegalPart(encoded Digest) Digest {
	if base, digest := m.Base(); base != nil {
		return digest
	}
	return encoded
}

// checkApproved refuses a release that differs from its base in anything that an
// authority approved.
func (m *Manifest) checkApproved() error {
	if m.Approved == nil {
		return nil
	}
	base, err := Parse(m.Approved.Manifest)
	if err != nil {
		return fmt.Errorf("%w: the approved release: %w", ErrFormat, err)
	}
	if len(m.Approved.Note) == 0 || len(m.Approved.Note) > maxNote || len(m.Approved.Proof) > 512<<10 {
		return fmt.Errorf("%w: note or proof of the approved release", ErrFormat)
	}
	if what := m.differs(base); what != "" {
		return fmt.Errorf("%w: it says that the legally relevant part is that of %s, and has another %s", ErrFormat, base.Identity, what)
	}
	return nil
}

// differs names what is not as in the base; empty: nothing is.
func (m *Manifest) differs(base *Manifest) string {
	a, b := m.Compatibility, base.Compatibility
	switch {
	case base.Approved != nil || !base.Legal:
		return "base"
	case m.Scope != base.Scope:
		return "scope"
	case m.Counter <= base.Counter || m.Lowest() > base.Counter:
		return "counter or floor"
	case m.Certificate != base.Certificate || !slices.Equal(m.Jurisdictions, base.Jurisdictions):
		return "certificate"
	case !slices.Equal(a.Models, b.Models) || !slices.Equal(a.Hardware, b.Hardware) || !slices.Equal(a.Platforms, b.Platforms) || !slices.Equal(a.Reads, b.Reads) || a.Writes != b.Writes:
		return "compatibility"
	case slices.ContainsFunc(base.Tests, func(t string) bool { return !slices.Contains(m.Tests, t) }):
		return "self-test"
	case !slices.EqualFunc(m.legalComponents(), base.legalComponents(), sameComponent):
		return "component"
	}
	return ""
}

func (m *Manifest) legalComponents() (out []Component) {
	for _, c := range m.Components {
		if c.Legal {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Component) int { return slices.Compare([]byte(a.Path), []byte(b.Path)) })
	return out
}

// sameComponent compares all but how the two travel.
func sameComponent(a, b Component) bool {
	return a.Name == b.Name && a.Kind == b.Kind && a.Path == b.Path && a.Mode == b.Mode && a.Length == b.Length && a.SHA256 == b.SHA256 && a.Root == b.Root
}

// signedBase checks the signatures of the approved release: those of its maker and of
// every body.
func (p *Policy) signedBase(m *Manifest) error {
	if m.Approved == nil {
		return nil
	}
	if _, _, err := p.Verify(m.Approved.Manifest, m.Approved.Note); err != nil {
		return fmt.Errorf("the approved release that %s names: %w", m.Identity, err)
	}
	return nil
}
