package trust

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/releaselog"
)

// Stage is the check that refused; the names are those of the journal's entries.
type Stage string

// The stages that this package decides.
const (
	Transmission  Stage = "transmission"  // the bytes are not those that were signed, or did not come
	Authenticity  Stage = "authenticity"  // somebody who has to has not signed them, or they are not logged
	Freshing      Stage = "freshness"     // what is known is too old, or the clock is in doubt
	Compatibility Stage = "compatibility" // not newer than what is there, or not for this place
	Certification Stage = "certification" // certificate: number, scope, period, withdrawal
)

// Refusal is why a release may not be installed.
type Refusal struct {
	Stage Stage
	Party string // whose repository or signature; empty: of the release itself
	Err   error
}

// Error names stage and party.
func (r *Refusal) Error() string {
	if r.Party == "" {
		return fmt.Sprintf("%s: %v", r.Stage, r.Err)
	}
	return fmt.Sprintf("%s: %s: %v", r.Stage, r.Party, r.Err)
}

// Unwrap is the error below.
func (r *Refusal) Unwrap() error { return r.Err }

// Device is what a release is decided for.
type Device struct {
	Model        string // three characters, as in identities
	Jurisdiction string // country code
	// Highest is, by scope, the highest counter that was ever kept: only what is
	// above is newer (requirement DL-15).
	Highest map[manifest.Scope]uint64
}

// Decision is the outcome for one release. Its zero value refuses.
type Decision struct {
	Digest       manifest.Digest
	Manifest     *manifest.Manifest // nil: not known or not parsed
	Encoded      []byte             // the manifest's bytes, as signed
	Note         []byte             // of all parties, over Encoded
	Proof        []byte             // c2sp.org/tlog-proof
	Signers      []string           // parties whose threshold is met in Note
	Certificates []*Approval        // one of each body needed
	Withdrawn    []*Withdrawal
	Reasons      []*Refusal // in the order of the checks

	decided bool // every check was made
}

// Allowed says that every check was made and none refused.
func (d *Decision) Allowed() bool { return d.decided && len(d.Reasons) == 0 }

// Err joins the refusals; nil where the release is allowed.
func (d *Decision) Err() error {
	var errs []error
	for _, r := range d.Reasons {
		errs = append(errs, r)
	}
	if !d.decided && errs == nil {
		return &Refusal{Stage: Authenticity, Err: errors.New("not decided")}
	}
	return errors.Join(errs...)
}

// Decide makes every check of a release, from what the last Refresh brought; the
// files themselves come from the sources. It goes on after a refusal, so that
// Reasons says all that stands against the release.
func (t *Trust) Decide(ctx context.Context, digest manifest.Digest, dev Device) Decision {
	d := &deciding{t: t, dev: dev, Decision: Decision{Digest: digest}}
	if !d.manifest(ctx) {
		return d.Decision
	}
	d.note(ctx)
	d.logged(ctx) // before everything that asks for the time: the witnesses tell one
	d.clock()
	d.parties(ctx)
	d.certificates(ctx)
	d.withdrawals(ctx)
	d.newer()
	d.decided = true
	return d.Decision
}

type deciding struct {
	Decision
	t   *Trust
	dev Device
	now time.Time
}

func (d *deciding) refuse(stage Stage, party string, err error) {
	d.Reasons = append(d.Reasons, &Refusal{Stage: stage, Party: party, Err: err})
}

// manifest takes the release from the maker's repository; its name there is its
// hash.
func (d *deciding) manifest(ctx context.Context) bool {
	maker := d.t.policy.Maker.Name
	target, err := d.t.named(maker).Lookup(ctx, ReleaseTarget(d.Digest))
	if err != nil {
		d.refuse(Authenticity, maker, err)
		return false
	}
	if target.SHA256 != d.Digest || target.Length > manifest.MaxBytes {
		d.refuse(Authenticity, maker, fmt.Errorf("%s is %s, %d bytes long: %w", target.Name, target.SHA256, target.Length, ErrContent))
		return false
	}
	if d.Encoded, err = d.t.content(ctx, target); err != nil {
		d.refuse(Transmission, "", err)
		return false
	}
	if d.Manifest, err = manifest.Parse(d.Encoded); err != nil {
		d.refuse(Authenticity, "", err)
		return false
	}
	return true
}

// note takes the signed note of all parties.
func (d *deciding) note(ctx context.Context) {
	err := d.t.mirrors.fetch(ctx, "notes/"+d.Digest.String(), maxStatement, func(data []byte) error {
		_, signers, err := d.t.policy.boot.Verify(d.Encoded, data)
		if len(signers) > len(d.Signers) {
			d.Signers = signers
		}
		if err == nil {
			d.Note = data
		}
		return err
	})
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("%w: %w", manifest.ErrUnsigned, err)
	}
	if err != nil {
		d.refuse(Authenticity, "", fmt.Errorf("note: %w", err))
	}
}

func (d *deciding) clock() {
	if err := d.t.clock.check(); err != nil {
		d.refuse(Freshing, "", err)
	}
	d.now = d.t.clock.now()
}

// parties asks the repository of each party that has to agree: whether it is fresh,
// and whether it names the same bytes.
func (d *deciding) parties(ctx context.Context) {
	if err := d.t.disjoint(); err != nil {
		d.refuse(Authenticity, "", err)
	}
	for _, name := range d.t.policy.boot.Needed(d.Manifest) {
		c := d.t.named(name)
		if err := c.check(); err != nil {
			d.refuse(Freshing, name, err)
		}
		target, err := c.Lookup(ctx, ReleaseTarget(d.Digest))
		switch {
		case errors.Is(err, ErrNotFound):
			d.refuse(Authenticity, name, fmt.Errorf("%w: %w", ErrNotApproved, err))
		case err != nil:
			d.refuse(Authenticity, name, err)
		case target.SHA256 != d.Digest || target.Length != int64(len(d.Encoded)):
			d.refuse(Authenticity, name, fmt.Errorf("%s is %s there: %w", target.Name, target.SHA256, ErrContent))
		}
	}
}

// certificates asks each body that has to agree for its approval (requirement DL-06).
func (d *deciding) certificates(ctx context.Context) {
	approved, digest := d.Manifest, d.Digest
	if base, of := d.Manifest.Base(); base != nil { // its certificate is still the one that counts
		approved, digest = base, of
	}
	for _, name := range d.t.policy.boot.Needed(approved)[1:] {
		a, err := d.t.approval(ctx, name, digest)
		if err != nil {
			d.refuse(Certification, name, err)
			continue
		}
		d.Certificates = append(d.Certificates, a)
		for _, err := range d.uncovered(a) {
			d.refuse(Certification, name, err)
		}
	}
	numbered := slices.ContainsFunc(d.Certificates, func(a *Approval) bool { return a.Certificate == d.Manifest.Certificate })
	if len(d.Certificates) > 0 && !numbered {
		d.refuse(Certification, "", fmt.Errorf("%w: certificate %q is none of the approvals'", ErrScope, d.Manifest.Certificate))
	}
}

// uncovered says what of the release, the device and the time a certificate does
// not cover.
func (d *deciding) uncovered(a *Approval) (errs []error) {
	m := d.Manifest
	if d.now.Before(a.NotBefore) || d.now.After(a.NotAfter) {
		errs = append(errs, fmt.Errorf("%w: %s is valid from %s to %s", ErrPeriod, a.Certificate, a.NotBefore.Format(time.RFC3339), a.NotAfter.Format(time.RFC3339)))
	}
	if len(a.Models) > 0 {
		if !within(m.Compatibility.Models, a.Models) || len(m.Compatibility.Models) == 0 {
			errs = append(errs, fmt.Errorf("%w: models %q, approved are %q", ErrScope, m.Compatibility.Models, a.Models))
		}
		if !slices.Contains(a.Models, d.dev.Model) {
			errs = append(errs, fmt.Errorf("%w: this is model %q, approved are %q", ErrScope, d.dev.Model, a.Models))
		}
	}
	if theirs := d.t.responsible(a.Body, m); !within(theirs, a.Jurisdictions) {
		errs = append(errs, fmt.Errorf("%w: jurisdictions %q, approved are %q", ErrScope, theirs, a.Jurisdictions))
	}
	return errs
}

func within(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// responsible are the jurisdictions of a release that a body decides on.
func (t *Trust) responsible(body string, m *manifest.Manifest) (out []string) {
	for _, b := range t.policy.boot.Bodies {
		for _, j := range m.Jurisdictions {
			if b.Name == body && slices.Contains(b.Jurisdictions, j) {
				out = append(out, j)
			}
		}
	}
	return out
}

func (d *deciding) withdrawals(ctx context.Context) {
	for _, digest := range slices.Compact([]manifest.Digest{d.Digest, d.Manifest.LegalPart(d.Digest)}) {
		found, errs := d.t.withdrawals(ctx, digest)
		d.Withdrawn = append(d.Withdrawn, found...)
		for _, w := range found {
			d.refuse(Certification, w.Party, fmt.Errorf("%w: %s", ErrWithdrawn, w.Reason))
		}
		for party, err := range errs {
			d.refuse(Certification, party, err)
		}
	}
}

// logged asks for the proof that the release is public; the witnesses' time moves
// the clock's floor.
func (d *deciding) logged(ctx context.Context) {
	err := d.t.mirrors.fetch(ctx, "proofs/"+d.Digest.String(), 512<<10, func(data []byte) error {
		at, err := releaselog.Verify(d.t.policy.log, releaselog.Released, d.Digest, data)
		if err != nil {
			return err
		}
		d.Proof = data
		return d.t.Saw(at)
	})
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("%w: %w", releaselog.ErrUnlogged, err)
	}
	if err != nil {
		d.refuse(Authenticity, "", err)
	}
}

// newer compares the release with what the device had, and its place with the
// device's.
func (d *deciding) newer() {
	m := d.Manifest
	if highest := d.dev.Highest[m.Scope]; m.Counter <= highest {
		d.refuse(Compatibility, "", fmt.Errorf("%w: counter %d, %d was kept", ErrNotNewer, m.Counter, highest))
	}
	if len(m.Jurisdictions) > 0 && !slices.Contains(m.Jurisdictions, d.dev.Jurisdiction) {
		d.refuse(Compatibility, "", fmt.Errorf("%w: for %q, this is %q", ErrScope, m.Jurisdictions, d.dev.Jurisdiction))
	}
}

// content takes a target's bytes from a source that has them.
func (t *Trust) content(ctx context.Context, target Target) (out []byte, err error) {
	err = t.mirrors.fetch(ctx, "targets/"+target.SHA256.String(), target.Length, func(data []byte) error {
		if int64(len(data)) != target.Length || manifest.Sum(data) != target.SHA256 {
			return fmt.Errorf("%s: %w", target.Name, ErrContent)
		}
		out = data
		return nil
	})
	return out, err
}

func (t *Trust) approval(ctx context.Context, body string, digest manifest.Digest) (*Approval, error) {
	data, err := t.statement(ctx, t.named(body), ApprovalTarget(digest))
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("%w: no certificate: %w", ErrNotApproved, err)
	}
	if err != nil {
		return nil, err
	}
	a, err := ParseApproval(data)
	if err != nil {
		return nil, err
	}
	if a.Body != body || a.Release != digest {
		return nil, fmt.Errorf("%w: an approval by %q of %s", ErrNotApproved, a.Body, a.Release)
	}
	return a, nil
}

// Target gives the content of a small target that a party's repository names, such as
// hardware/IDENTITY; ErrNotFound when it names none.
func (t *Trust) Target(ctx context.Context, party, name string) ([]byte, error) {
	c := t.named(party)
	if c == nil {
		return nil, fmt.Errorf("target %s: no repository of %q: %w", name, party, ErrNotFound)
	}
	return t.statement(ctx, c, name)
}

// statement takes a small target, from the store where it was kept before.
func (t *Trust) statement(ctx context.Context, c *Client, name string) ([]byte, error) {
	target, err := c.Lookup(ctx, name)
	if err != nil {
		return nil, err
	}
	if target.Length > maxStatement {
		return nil, fmt.Errorf("%s: %d bytes: %w", name, target.Length, ErrTooLong)
	}
	kept := "target-" + target.SHA256.String()
	for _, r := range c.store.load(kept) {
		if manifest.Sum(r.data) == target.SHA256 {
			return r.data, nil
		}
	}
	data, err := t.content(ctx, target)
	if err != nil {
		return nil, err
	}
	return data, c.store.put(kept, 0, data)
}
