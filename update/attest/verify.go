package attest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/veraison/go-cose"

	"github.com/plomb-pos/plomb/update/manifest"
)

// Errors of verification, one for each way in which a statement is not what it
// should be.
var (
	ErrForged     = errors.New("not signed by the enrolled device")
	ErrReplayed   = errors.New("not an answer to this challenge")
	ErrStranger   = errors.New("from another device")
	ErrSoftware   = errors.New("other software than released")
	ErrRolledBack = errors.New("older than what the device said before")
)

// Challenge is a question; it is answered once and not after it expired. Its maker
// keeps it: what the device sends back is compared with it.
type Challenge struct {
	Nonce   []byte    `json:"nonce"`
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`
}

// NewChallenge asks at a moment; the answer may take that long.
func NewChallenge(now time.Time, patience time.Duration) Challenge {
	c := Challenge{Nonce: make([]byte, 32), Issued: now.UTC(), Expires: now.Add(patience).UTC()}
	rand.Read(c.Nonce)
	return c
}

// Enrolment is what is known of a device since it was trusted, such as when it was
// commissioned. It must not come with the statement that it judges.
type Enrolment struct {
	UEID []byte `json:"ueid"`
	Key  []byte `json:"key"`            // SubjectPublicKeyInfo of the software key
	TPM  []byte `json:"tpm,omitempty"`  // of the TPM's attestation key; a device that has one always quotes
	PCRs []byte `json:"pcrs,omitempty"` // digest over PCRs 0 to 7; empty: any
}

// Seen is what a device said last; it may not fall behind it. The zero value knows
// nothing.
type Seen struct {
	Challenged time.Time     `json:"challenged,omitzero"` // when the last challenge was issued
	Floors     Floors        `json:"floors,omitzero"`
	Journals   []JournalSeen `json:"journals,omitempty"`
	TPM        *Moment       `json:"tpm,omitempty"`
}

// JournalSeen is the head of a journal as the device stated it.
type JournalSeen struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   []byte `json:"root"`
}

// Verifier judges the statements of one device.
type Verifier struct {
	Enrolment Enrolment
	// Releases are the manifests, as encoded, that the active slot may hold; empty:
	// any that the device found to be signed as its boot policy wants.
	Releases [][]byte
	Now      func() time.Time // nil: time.Now
}

// Report is a statement that was believed.
type Report struct {
	Claims *Claims
	PCRs   []byte // digest over PCRs 0 to 7, from the quote
	Seen   Seen   // to be kept for the next time
}

// Enrol takes a device's keys from a statement that answers a challenge, unchecked
// against anything but itself: the caller vouches that it comes from the device.
func Enrol(statement []byte, key crypto.PublicKey, challenge Challenge) (*Enrolment, error) {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	c, err := Read(statement)
	if err != nil {
		return nil, err
	}
	e := Enrolment{UEID: c.UEID, Key: spki}
	if c.Quote != nil {
		e.TPM = c.Quote.Key
	}
	r, err := Verifier{Enrolment: e, Now: func() time.Time { return challenge.Issued }}.Verify(statement, challenge, Seen{})
	if err != nil {
		return nil, err
	}
	e.PCRs = r.PCRs
	return &e, nil
}

// Verify checks a statement against a challenge and what was seen before. Errors
// wrap ErrFormat or one of those above.
func (v Verifier) Verify(statement []byte, challenge Challenge, seen Seen) (*Report, error) {
	m, c, err := open(statement)
	if err != nil {
		return nil, err
	}
	if err := v.checkSignature(m); err != nil {
		return nil, err
	}
	if err := v.checkFresh(c, challenge, seen); err != nil {
		return nil, err
	}
	info, err := v.checkDevice(c)
	if err != nil {
		return nil, err
	}
	if err := v.checkSoftware(&c.Device); err != nil {
		return nil, err
	}
	r := &Report{Claims: c, Seen: seen.next(c, challenge)}
	if info != nil {
		r.PCRs, r.Seen.TPM = info.pcrs, &info.moment
	}
	return r, seen.check(r.Seen)
}

func (v Verifier) checkSignature(m *cose.Sign1Message) error {
	key, err := x509.ParsePKIXPublicKey(v.Enrolment.Key)
	if err != nil {
		return fmt.Errorf("enrolled key: %w", err)
	}
	alg, err := algorithm(key)
	if err != nil {
		return fmt.Errorf("enrolled key: %w", err)
	}
	verifier, err := cose.NewVerifier(alg, key)
	if err != nil {
		return fmt.Errorf("enrolled key: %w", err)
	}
	if err := m.Verify(nil, verifier); err != nil {
		return fmt.Errorf("%w: %w", ErrForged, err)
	}
	return nil
}

func (v Verifier) checkFresh(c *Claims, challenge Challenge, seen Seen) error {
	now := v.Now
	if now == nil {
		now = time.Now
	}
	switch {
	case c.Profile != Profile:
		return fmt.Errorf("%w: profile %q", ErrFormat, c.Profile)
	case len(challenge.Nonce) < minNonce || !bytes.Equal(c.Nonce, challenge.Nonce):
		return fmt.Errorf("%w: another nonce", ErrReplayed)
	case now().After(challenge.Expires):
		return fmt.Errorf("%w: it expired at %s", ErrReplayed, challenge.Expires.Format(time.RFC3339))
	case !challenge.Issued.After(seen.Challenged):
		return fmt.Errorf("%w: it was answered already", ErrReplayed)
	}
	return nil
}

// checkDevice compares with the enrolment; info is nil where there is no TPM.
func (v Verifier) checkDevice(c *Claims) (*quoteInfo, error) {
	e := v.Enrolment
	identifying := e.Key
	if e.TPM != nil {
		identifying = e.TPM
	}
	if !bytes.Equal(c.UEID, e.UEID) || !bytes.Equal(c.UEID, UEID(identifying)) {
		return nil, fmt.Errorf("%w: it calls itself %x", ErrStranger, c.UEID)
	}
	switch {
	case e.TPM == nil && c.Quote == nil:
		return nil, nil
	case e.TPM == nil || c.Quote == nil:
		return nil, fmt.Errorf("%w: with a TPM on one side only", ErrStranger)
	case !bytes.Equal(c.Quote.Key, e.TPM):
		return nil, fmt.Errorf("%w: another TPM", ErrStranger)
	}
	data, err := c.quoted()
	if err != nil {
		return nil, err
	}
	info, err := c.Quote.verify(data)
	if err != nil {
		return nil, err
	}
	if e.PCRs != nil && !bytes.Equal(info.pcrs, e.PCRs) {
		return nil, fmt.Errorf("%w: firmware or boot loader (PCRs 0 to 7) changed", ErrSoftware)
	}
	return &info, nil
}

// checkSoftware finds the active slot among the releases.
func (v Verifier) checkSoftware(d *Device) error {
	if len(v.Releases) == 0 {
		return nil
	}
	for _, s := range d.Slots {
		if s.Name != d.Active {
			continue
		}
		for _, encoded := range v.Releases {
			if digest := manifest.Sum(encoded); bytes.Equal(s.Manifest, digest[:]) {
				return d.checkProgram(encoded)
			}
		}
		return fmt.Errorf("%w: slot %s holds %q (%x) %s", ErrSoftware, s.Name, s.Identity, s.Manifest, s.Error)
	}
	return fmt.Errorf("%w: it was not started by plomb-boot", ErrSoftware)
}

// checkProgram asks that the program that speaks is one of the release.
func (d *Device) checkProgram(encoded []byte) error {
	m, err := manifest.Parse(encoded)
	if err != nil {
		return err
	}
	for _, c := range m.Components {
		if c.Kind == manifest.Program && bytes.Equal(c.SHA256[:], d.Program) {
			return nil
		}
	}
	return fmt.Errorf("%w: a program (%x) that is not in %s made the statement", ErrSoftware, d.Program, m.Identity)
}

// next is what is seen with a statement.
func (s Seen) next(c *Claims, challenge Challenge) Seen {
	out := Seen{Challenged: challenge.Issued, Floors: c.Device.Floors}
	for _, h := range c.Device.Journals {
		out.Journals = append(out.Journals, JournalSeen(h))
	}
	return out
}

// check says whether next goes on from s.
func (s Seen) check(next Seen) error {
	f, g := s.Floors, next.Floors
	if g.Application < f.Application || g.Platform < f.Platform || f.TPM && !g.TPM {
		return fmt.Errorf("%w: version floors", ErrRolledBack)
	}
	for _, old := range s.Journals {
		if err := old.check(next.Journals); err != nil {
			return err
		}
	}
	return s.TPM.check(next.TPM)
}

func (old JournalSeen) check(journals []JournalSeen) error {
	for _, j := range journals {
		switch {
		case j.Origin != old.Origin:
			continue
		case j.Size < old.Size:
			return fmt.Errorf("%w: journal %s had %d entries and has %d", ErrRolledBack, j.Origin, old.Size, j.Size)
		case j.Size == old.Size && !bytes.Equal(j.Root, old.Root):
			return fmt.Errorf("%w: journal %s has two histories of %d entries", ErrRolledBack, j.Origin, j.Size)
		}
		return nil
	}
	return fmt.Errorf("%w: journal %s is gone", ErrRolledBack, old.Origin)
}

// check compares two moments of one TPM.
func (m *Moment) check(next *Moment) error {
	switch {
	case m == nil:
		return nil
	case next == nil, next.Resets < m.Resets, next.Resets == m.Resets && next.Restarts < m.Restarts:
		return fmt.Errorf("%w: the TPM's count of resets", ErrRolledBack)
	case next.Resets == m.Resets && next.Restarts == m.Restarts && next.Clock < m.Clock:
		return fmt.Errorf("%w: the TPM's clock", ErrRolledBack)
	}
	return nil
}
