package manifest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"
)

// PolicyFormat is the version of the boot policy that this package reads.
const PolicyFormat = "plomb-boot-policy/1"

// Errors of verification.
var (
	ErrPolicy   = errors.New("the boot policy cannot be used")
	ErrUnsigned = errors.New("not signed by all that the boot policy names")
)

// Policy says who has to sign a release: the maker always, and for a legally
// relevant one every approval body whose jurisdictions it touches. It is the
// launcher's root of trust. What no rule allows is refused.
type Policy struct {
	Format string    `json:"format"`
	Serial uint64    `json:"serial"` // from 1; a policy never gives way to an older one
	Maker  Signers   `json:"maker"`
	Bodies []Body    `json:"bodies,omitempty"` // approval authorities
	Legal  LegalRule `json:"legal"`

	keys map[string]note.Verifier // by verifier key
}

// LegalRule says what a legally relevant release needs beside the maker.
type LegalRule string

// The rules.
const (
	EveryBody LegalRule = "every-body" // that is responsible for one of its jurisdictions, one at least
	MakerOnly LegalRule = "maker-only" // where no law asks for an approval; has to be said
)

// Signers is one party's keys.
type Signers struct {
	Name      string   `json:"name"` // of the party, and of its keys
	Threshold int      `json:"threshold"`
	Keys      []string `json:"keys"` // verifier keys as in c2sp.org/signed-note
}

// Body is an approval authority.
type Body struct {
	Signers
	Jurisdictions []string `json:"jurisdictions"`
}

// ParsePolicy reads a boot policy, strictly: an unknown or repeated member, a
// threshold that is not between 1 and the number of keys, a key that stands twice,
// a party twice or a legally relevant rule without a body refuses the whole.
func ParsePolicy(data []byte) (*Policy, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrPolicy, len(data))
	}
	p := new(Policy)
	if err := json.Unmarshal(data, p, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	if err := p.prepare(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	return p, nil
}

func (p *Policy) prepare() error {
	switch {
	case p.Format != PolicyFormat:
		return fmt.Errorf("format %q, not %q", p.Format, PolicyFormat)
	case p.Serial == 0:
		return errors.New("serial 0")
	case p.Legal != EveryBody && p.Legal != MakerOnly:
		return fmt.Errorf("unknown rule %q for legally relevant releases", p.Legal)
	case (p.Legal == EveryBody) != (len(p.Bodies) > 0):
		return fmt.Errorf("rule %q with %d bodies", p.Legal, len(p.Bodies))
	}
	p.keys = map[string]note.Verifier{}
	names, raw := map[string]bool{}, map[string]bool{}
	for _, s := range p.parties() {
		if names[s.Name] {
			return fmt.Errorf("party %q stands twice", s.Name)
		}
		names[s.Name] = true
		if err := p.addKeys(s, raw); err != nil {
			return err
		}
	}
	return p.checkJurisdictions()
}

func (p *Policy) parties() []Signers {
	out := []Signers{p.Maker}
	for _, b := range p.Bodies {
		out = append(out, b.Signers)
	}
	return out
}

// addKeys takes a party's keys; raw holds the key bytes seen, whatever they are
// called, so that no key counts twice.
func (p *Policy) addKeys(s Signers, raw map[string]bool) error {
	if s.Threshold < 1 || s.Threshold > len(s.Keys) {
		return fmt.Errorf("threshold %d of %q is not between 1 and its %d keys", s.Threshold, s.Name, len(s.Keys))
	}
	for _, text := range s.Keys {
		v, err := note.NewVerifier(text)
		if err != nil {
			return fmt.Errorf("key of %q: %w", s.Name, err)
		}
		_, data, _ := strings.Cut(strings.TrimPrefix(text, v.Name()+"+"), "+")
		if v.Name() != s.Name || raw[data] {
			return fmt.Errorf("key %q of %q has another name or stands twice", text, s.Name)
		}
		raw[data] = true
		p.keys[text] = v
	}
	return nil
}

func (p *Policy) checkJurisdictions() error {
	for _, b := range p.Bodies {
		if len(b.Jurisdictions) == 0 || !sortedSet(b.Jurisdictions) || slices.ContainsFunc(b.Jurisdictions, notCountry) {
			return fmt.Errorf("body %q has no country codes in order", b.Name)
		}
	}
	return nil
}

// Disjoint refuses two boot policies that have a key in common: platform and
// application are released under keys of their own (requirement CU-19).
func Disjoint(a, b *Policy) error {
	for text := range a.keys {
		for other := range b.keys {
			if keyBytes(text) == keyBytes(other) {
				return fmt.Errorf("%w: the key %s stands in the policies of platform and application", ErrPolicy, text)
			}
		}
	}
	return nil
}

// keyBytes is a verifier key without its name and hash.
func keyBytes(text string) string {
	at := strings.Index(text, "+")
	_, data, _ := strings.Cut(text[at+1:], "+")
	return data
}

// Statement is what a party signs: identity, scope, counter and hash of a manifest.
func Statement(m *Manifest, encoded []byte) string {
	sum := Sum(encoded)
	return fmt.Sprintf("plomb release/1\n%s\n%s %d\n%s\n", m.Identity, m.Scope, m.Counter, base64.StdEncoding.EncodeToString(sum[:]))
}

// Sign makes a party's note over a manifest; several signers of one party or of
// several may sign one note.
func Sign(encoded []byte, signers ...note.Signer) ([]byte, error) {
	m, err := Parse(encoded)
	if err != nil {
		return nil, err
	}
	return note.Sign(&note.Note{Text: Statement(m, encoded)}, signers...)
}

// maxNote bounds a note, in bytes.
const maxNote = 64 << 10

// Verify checks a manifest with its note (of all parties, see Merge) and gives the
// names of the parties whose threshold is met. Its errors wrap ErrFormat or
// ErrUnsigned, a wrong signature note.InvalidSignatureError too.
func (p *Policy) Verify(encoded, signed []byte) (*Manifest, []string, error) {
	m, err := Parse(encoded)
	if err != nil {
		return nil, nil, err
	}
	met, err := p.signedBy(Statement(m, encoded), signed)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range p.Needed(m) {
		if !slices.Contains(met, name) {
			return nil, met, fmt.Errorf("%s: %q has not signed: %w", m.Identity, name, ErrUnsigned)
		}
	}
	if err := errors.Join(p.covered(m), p.signedBase(m)); err != nil {
		return nil, met, err
	}
	return m, met, nil
}

// covered says that each jurisdiction of a legally relevant release has a body.
func (p *Policy) covered(m *Manifest) error {
	if !m.Legal || p.Legal == MakerOnly {
		return nil
	}
	for _, j := range m.Jurisdictions {
		if !slices.ContainsFunc(p.Bodies, func(b Body) bool { return slices.Contains(b.Jurisdictions, j) }) {
			return fmt.Errorf("%s: no approval body of the policy is responsible for %s: %w", m.Identity, j, ErrUnsigned)
		}
	}
	return nil
}

// Needed names the parties that have to sign a manifest. What an approved release's
// legally relevant part is unchanged in needs the maker alone; Verify looks whether it is.
func (p *Policy) Needed(m *Manifest) []string {
	out := []string{p.Maker.Name}
	if !m.Legal || m.Approved != nil || p.Legal == MakerOnly {
		return out
	}
	for _, b := range p.Bodies {
		if slices.ContainsFunc(b.Jurisdictions, func(j string) bool { return slices.Contains(m.Jurisdictions, j) }) {
			out = append(out, b.Name)
		}
	}
	return out
}

// signedBy opens the note over text and names the parties whose threshold is met.
func (p *Policy) signedBy(text string, signed []byte) ([]string, error) {
	if len(signed) > maxNote {
		return nil, fmt.Errorf("%w: note of %d bytes", ErrFormat, len(signed))
	}
	var known []note.Verifier
	for _, v := range p.keys {
		known = append(known, v)
	}
	n, err := note.Open(signed, note.VerifierList(known...))
	if err != nil {
		return nil, fmt.Errorf("open the release's note: %w: %w", ErrUnsigned, err)
	}
	if n.Text != text {
		return nil, fmt.Errorf("the note is about another release: %w", ErrUnsigned)
	}
	var met []string
	for _, s := range p.parties() {
		if p.count(s, n.Sigs) >= s.Threshold {
			met = append(met, s.Name)
		}
	}
	return met, nil
}

// count is how many different keys of a party signed.
func (p *Policy) count(s Signers, sigs []note.Signature) int {
	seen := map[uint32]bool{}
	for _, text := range s.Keys {
		v := p.keys[text]
		if slices.ContainsFunc(sigs, func(g note.Signature) bool { return g.Name == v.Name() && g.Hash == v.KeyHash() }) {
			seen[v.KeyHash()] = true
		}
	}
	return len(seen)
}

// Merge puts the signature lines of notes over the same text into one note.
func Merge(notes ...[]byte) ([]byte, error) {
	var text []byte
	var lines [][]byte
	for _, n := range notes {
		at := bytes.LastIndex(n, []byte("\n\n"))
		if at < 0 || len(n) > maxNote {
			return nil, fmt.Errorf("%w: not a signed note", ErrFormat)
		}
		if text != nil && !bytes.Equal(text, n[:at+1]) {
			return nil, fmt.Errorf("%w: notes over different texts", ErrFormat)
		}
		text = n[:at+1]
		for line := range bytes.Lines(n[at+2:]) {
			if !slices.ContainsFunc(lines, func(l []byte) bool { return bytes.Equal(l, line) }) {
				lines = append(lines, line)
			}
		}
	}
	if text == nil {
		return nil, fmt.Errorf("%w: no note", ErrFormat)
	}
	return slices.Concat(text, []byte("\n"), bytes.Join(lines, nil)), nil
}
