// Package manifest is the release manifest: the one document that maker and
// approval authorities sign, and everything needed to check it without TUF, the
// network or a clock. The launcher, the till and an inspector share it.
//
// A manifest binds by hash what a release consists of, and states what the
// release is: its identity, legal class, counter, certificate, what it is
// compatible with, what the user agrees to. Parse accepts exactly one encoding of
// it, so that hash and signatures are over the same bytes everywhere:
//
//	m, err := manifest.Parse(data)
//	by, err := policy.Verify(m, notes) // who signed
//	err = m.Component("till").Check(file)
//
// # Legal class
//
// What a component is decides whether it is legally relevant, never what it says
// of itself: programs, launchers, policies, trust anchors, country profiles and
// images are, and so is everything outside of the folder data/. A manifest that
// claims otherwise is refused (requirement DL-17).
//
// # Promises
//
// Everything here is pure. No input makes it panic, allocate beyond MaxBytes times
// a small factor, or accept two encodings of one manifest.
//
// What is not here: freshness and withdrawal (package update/trust), the slots
// (update/slot), how frames travel (update/frame). The format is written down in
// docs/design/0004-update.md, section 2.
package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
)

// Format is the version of the format that this package reads and writes.
const Format = "plomb-release/1"

// Limits of a manifest.
const (
	MaxBytes      = 1 << 20 // of the encoding
	MaxComponents = 256
	MaxPacks      = 16 // of one component
	MaxText       = 16 << 10
)

// ErrFormat is wrapped by every error about a manifest that is not what it should be.
var ErrFormat = errors.New("malformed release manifest")

// Scope is one of the two lines of releases that have a counter of their own
// (requirement CU-19).
type Scope string

// The scopes.
const (
	Application Scope = "application"
	Platform    Scope = "platform" // the launcher and what lies below it
)

// Manifest is a release. Members are encoded in this order.
type Manifest struct {
	Format        string        `json:"format"`
	Identity      Identity      `json:"identity"`
	Scope         Scope         `json:"scope"`
	Counter       uint64        `json:"counter"`        // from 1; every release of a scope raises it
	Floor         uint64        `json:"floor,omitzero"` // see Lowest
	Legal         bool          `json:"legal"`          // a component is legally relevant
	Issued        time.Time     `json:"issued"`         // whole seconds, UTC
	Jurisdictions []string      `json:"jurisdictions,omitempty"`
	Certificate   string        `json:"certificate,omitempty"` // number of the type examination certificate
	Components    []Component   `json:"components"`
	Compatibility Compatibility `json:"compatibility"`
	Consent       []Text        `json:"consent,omitempty"` // what the user confirms, one a language
	Tests         []string      `json:"tests,omitempty"`   // self-tests that a trial has to pass
	Reports       []Report      `json:"reports,omitempty"`
	Supersedes    []Identity    `json:"supersedes,omitempty"`
	Approved      *Approved     `json:"approved,omitempty"` // nil: every legally relevant component is this release's own
}

// Kind is what a component is.
type Kind string

// The kinds. Those up to Image are legally relevant wherever they lie.
const (
	Program    Kind = "program"
	Launcher   Kind = "launcher"
	BootPolicy Kind = "policy"  // the boot policy
	Anchors    Kind = "anchors" // TUF roots
	Profile    Kind = "profile" // a country's fiscal rules
	Image      Kind = "image"   // of an operating system, handed to its own updater
	Page       Kind = "page"    // what a browser runs
	Data       Kind = "data"    // translations, ornaments, pictures: cannot run
)

// Component is one file of a release.
type Component struct {
	Name   string `json:"name"` // lower-case letters, digits, '-'; unique
	Kind   Kind   `json:"kind"`
	Legal  bool   `json:"legal"`
	Path   string `json:"path"`          // below the slot, slash-separated
	Mode   uint32 `json:"mode,omitzero"` // permission bits; default 0644
	Length int64  `json:"length"`        // bytes, from 1
	SHA256 Digest `json:"sha256"`
	Root   Digest `json:"root"` // RFC 6962 tree over its frames
	Packs  []Pack `json:"packs,omitempty"`
}

// Pack is one way in which a component travels.
type Pack struct {
	From   *Digest `json:"from,omitempty"` // SHA-256 of the component that it is a delta against; absent: whole
	Bytes  int64   `json:"bytes"`          // of the pack, as it travels
	SHA256 Digest  `json:"sha256"`         // of the pack
	Table  Digest  `json:"table"`          // SHA-256 of its frame table
}

// Compatibility is where a release may be installed. An empty list allows any,
// but for Platforms.
type Compatibility struct {
	Models    []string   `json:"models,omitempty"`   // three characters, as in identities
	Hardware  []Identity `json:"hardware,omitempty"` // registered hardware versions
	Platforms []string   `json:"platforms"`          // GOOS/GOARCH
	From      uint64     `json:"from,omitzero"`      // lowest counter of the scope that it can be installed over
	Reads     []int      `json:"reads,omitempty"`    // versions of the journal's format
	Writes    int        `json:"writes,omitzero"`    // the lowest that it keeps to while an older version may start again; 0: not said
	Peers     []Peer     `json:"peers,omitempty"`
}

// Peer is another component that must be there already.
type Peer struct {
	Name    string `json:"name"`
	Counter uint64 `json:"counter"` // at least
}

// Text is words in one language (BCP 47).
type Text struct {
	Language string `json:"language"`
	Text     string `json:"text"`
}

// Report is a document that belongs to the release and that the authority saw
// before it approved (requirement DL-19).
type Report struct {
	Kind   string `json:"kind"` // test, assessor, bom, provenance
	Name   string `json:"name"`
	SHA256 Digest `json:"sha256"`
}

// Digest is a SHA-256 in 64 lower-case hex digits.
type Digest [sha256.Size]byte

// Sum is the digest of data.
func Sum(data []byte) Digest { return sha256.Sum256(data) }

// String is the hex form.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText writes the hex form.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the hex form; upper-case digits are refused.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) || bytes.ContainsAny(text, "ABCDEF") {
		return fmt.Errorf("%w: %q is not 64 lower-case hex digits", ErrFormat, text)
	}
	if _, err := hex.Decode(d[:], text); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return nil
}

// Encode is the one encoding of a manifest. It refuses what Parse would refuse.
func (m *Manifest) Encode() ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m.encode()
}

func (m *Manifest) encode() ([]byte, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes are more than %d", ErrFormat, len(text), MaxBytes)
	}
	return text, nil
}

// Parse reads a manifest. Any other bytes than Encode would write are refused.
func Parse(data []byte) (*Manifest, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes are more than %d", ErrFormat, len(data), MaxBytes)
	}
	m := new(Manifest)
	if err := json.Unmarshal(data, m, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	again, err := m.Encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(data, again) {
		return nil, fmt.Errorf("%w: not in the canonical encoding", ErrFormat)
	}
	return m, nil
}

// Lowest is the lowest counter of the scope that may still be started once this
// release is kept: its Floor, or its own counter where it names none. A floor below
// the counter lets a till fall back to the release before when a slot goes bad; a
// release that mends a weakness names none.
func (m *Manifest) Lowest() uint64 {
	if m.Floor == 0 {
		return m.Counter
	}
	return m.Floor
}

// Component finds a component by its name, nil when there is none.
func (m *Manifest) Component(name string) *Component {
	for i := range m.Components {
		if m.Components[i].Name == name {
			return &m.Components[i]
		}
	}
	return nil
}

// Full is the pack that needs nothing installed, nil when there is none.
func (c *Component) Full() *Pack {
	for i := range c.Packs {
		if c.Packs[i].From == nil {
			return &c.Packs[i]
		}
	}
	return nil
}

// Delta is the pack against an installed component, nil when there is none.
func (c *Component) Delta(installed Digest) *Pack {
	for i := range c.Packs {
		if from := c.Packs[i].From; from != nil && *from == installed {
			return &c.Packs[i]
		}
	}
	return nil
}
