package device

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/bundle"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/releaselog"
	"github.com/plomb-pos/plomb/update/slot"
	"github.com/plomb-pos/plomb/update/trust"
)

// finder decides what an agent is offered: an update.Truster and update.Keys.
type finder struct {
	d      *Device
	slot   slot.Slot
	asking bool // nothing is begun by it

	mu    sync.Mutex // guards old and found
	old   map[manifest.Digest]counted
	found trust.Decision // the last offer, until the agent has kept its papers
}

// counted is what need not be asked twice of a release.
type counted struct {
	scope   manifest.Scope
	counter uint64
}

// Find asks the repositories: what is released, what was withdrawn, whether the policy
// changed, what the deployer decided. Without an answer it offers what is known.
func (f *finder) Find(ctx context.Context) (*update.Offer, error) {
	f.d.finding.Lock()
	defer f.d.finding.Unlock()
	errs := []error{refusal(f.d.trusting().Refresh(ctx))}
	errs = append(errs, refusal(f.d.renew(ctx)))
	table, err := f.d.boot.Table()
	if err != nil {
		return nil, err
	}
	running := table.Manifests[f.runs(table)]
	errs = append(errs, f.d.learn(ctx, running))
	offer, err := f.offer(ctx, table)
	if offer != nil {
		return offer, f.d.forgetEntitlements(append(table.Manifests[:], manifest.Sum(offer.Manifest))...)
	}
	return nil, errors.Join(append(errs, err)...)
}

// runs is the slot that runs: the program's own, or that of the platform in force.
func (f *finder) runs(t slot.Table) slot.Slot {
	if f.d.boot.Facts.Line() == manifest.Platform {
		return t.Active
	}
	return f.slot
}

// offer is the best of the candidates.
func (f *finder) offer(ctx context.Context, table slot.Table) (*update.Offer, error) {
	if err := f.d.policyInForce(); err != nil {
		return nil, refusal(err)
	}
	digests, orders, err := f.candidates(ctx)
	errs := []error{err}
	var best trust.Decision
	for _, digest := range digests {
		if digest == table.Manifests[table.Active] || f.isOld(digest, table) {
			continue
		}
		d, err := f.decide(ctx, digest, table, orders != nil)
		switch {
		case err != nil:
			errs = append(errs, err)
		case d.Manifest != nil && (best.Manifest == nil || d.Manifest.Counter > best.Manifest.Counter):
			best = d
		}
	}
	if best.Manifest == nil {
		return nil, errors.Join(errs...)
	}
	offer := &update.Offer{Manifest: best.Encoded, Note: best.Note, Proof: best.Proof}
	if err := orders.give(f, best.Digest, offer); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.found = best
	return offer, nil
}

// candidates are the releases that may be for this device; orders is the campaign that
// names one, nil where there is none.
func (f *finder) candidates(ctx context.Context) ([]manifest.Digest, *orders, error) {
	o, err := f.d.orders(ctx)
	err = refusal(err)
	if o == nil {
		if f.d.Config.Take == Campaign || f.d.seenCampaign() > 0 { // one that is not there may have put a release off
			return nil, nil, err
		}
		return f.d.trusting().Releases(), nil, err
	}
	switch at, ours := o.begins(f.d); {
	case !ours && f.d.Config.Take == Released:
		return f.d.trusting().Releases(), nil, err
	case ours && !f.d.trusting().Now().Before(at):
		return []manifest.Digest{o.Release}, o, err
	case f.d.Config.Take == Released && ours: // put off; others are not
		all := f.d.trusting().Releases()
		return slices.DeleteFunc(all, func(d manifest.Digest) bool { return d == o.Release }), nil, err
	}
	return nil, nil, err
}

// isOld reports whether a release is known not to be newer.
func (f *finder) isOld(digest manifest.Digest, table slot.Table) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, known := f.old[digest]
	return known && c.counter <= table.Highest[slot.ScopeOf(c.scope)]
}

// decide makes the checks of one release; a decision without manifest says that it is
// not for this device. One that somebody ordered is offered even where it does not fit,
// so that the history says why it was not installed.
func (f *finder) decide(ctx context.Context, digest manifest.Digest, table slot.Table, ordered bool) (trust.Decision, error) {
	d := f.ask(ctx, digest, table)
	if d.Manifest == nil {
		return trust.Decision{}, fmt.Errorf("release %s: %w", digest, refusal(d.Err()))
	}
	f.remember(digest, d.Manifest)
	switch {
	case d.Manifest.Scope != f.d.boot.Facts.Line(), d.Manifest.Counter <= table.Highest[slot.ScopeOf(d.Manifest.Scope)]:
		return trust.Decision{}, nil
	case !ordered && f.d.check().Fits(d.Manifest) != nil:
		return trust.Decision{}, nil
	case !d.Allowed():
		return trust.Decision{}, fmt.Errorf("release %s: %w", d.Manifest.Identity, refusal(d.Err()))
	}
	return d, f.d.entitle(ctx, d.Digest)
}

// ask takes what the device has kept of a release, which needs no network, and asks the
// sources where that is not enough.
func (f *finder) ask(ctx context.Context, digest manifest.Digest, table slot.Table) trust.Decision {
	t := f.d.trusting()
	if d := t.With(f.kept()).Decide(ctx, digest, f.d.place(table)); d.Allowed() {
		return d
	}
	return t.Decide(ctx, digest, f.d.place(table))
}

func (f *finder) remember(digest manifest.Digest, m *manifest.Manifest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.old == nil {
		f.old = map[manifest.Digest]counted{}
	}
	f.old[digest] = counted{m.Scope, m.Counter}
}

// place is the device as package trust asks for it.
func (d *Device) place(table slot.Table) trust.Device {
	return trust.Device{Model: d.boot.Facts.Model, Jurisdiction: d.boot.Facts.Jurisdiction, Highest: map[manifest.Scope]uint64{
		manifest.Application: table.Highest[slot.Application], manifest.Platform: table.Highest[slot.Platform],
	}}
}

// Approved decides once more, from the device's own disk alone.
func (f *finder) Approved(m *manifest.Manifest, digest manifest.Digest, _ time.Time) (string, error) {
	if err := f.d.policyInForce(); err != nil {
		return "", refusal(err)
	}
	table, err := f.d.boot.Table()
	if err != nil {
		return "", err
	}
	d := f.d.trusting().With(f.kept()).Decide(context.Background(), digest, f.d.place(table))
	if !d.Allowed() {
		return "", refusal(d.Err())
	}
	detail := "by maker alone"
	for _, a := range d.Certificates {
		detail = fmt.Sprintf("certificate %s of %s, valid until %s", a.Certificate, a.Body, a.NotAfter.Format(time.DateOnly))
	}
	return detail, nil
}

// Valid says until when what is known is good. A device that has never seen a
// repository, or has lost what it saw, knows nothing since it was made.
func (f *finder) Valid() update.Validity {
	v := update.Validity{Entitlement: f.d.rentedUntil(f.runs)}
	if _, v.Metadata = f.d.trusting().Freshness(); v.Metadata.IsZero() {
		v.Metadata = f.d.Config.Made
	}
	return v
}

// ForgetTime implements update.Forgetter.
func (f *finder) ForgetTime() error { return f.d.trusting().ForgetTime() }

// refused are the errors of package trust that say something about the software or
// about who sent it, and belong into the history. The others say that nothing is known.
var refused = []error{
	trust.ErrMalformed, trust.ErrTooLong, trust.ErrContent, trust.ErrSignature, trust.ErrRollback, trust.ErrFork, trust.ErrKeys, trust.ErrDelegation,
	trust.ErrPolicy, trust.ErrNotApproved, trust.ErrScope, trust.ErrPeriod, trust.ErrWithdrawn, trust.ErrNotNewer,
	manifest.ErrFormat, manifest.ErrUnsigned, manifest.ErrContent, manifest.ErrDevice, releaselog.ErrUnlogged, ErrEntitlement, ErrCampaign,
	bundle.ErrFormat,
}

// refusal puts an error of trust under the agent's.
func refusal(err error) error {
	switch {
	case err == nil || errors.Is(err, update.ErrRejected):
		return err
	case errors.Is(err, trust.ErrClock):
		return fmt.Errorf("%w: %w", update.ErrClock, err)
	case slices.ContainsFunc(refused, func(r error) bool { return errors.Is(err, r) }):
		return fmt.Errorf("%w: %w", update.ErrRejected, err)
	case errors.Is(err, trust.ErrExpired) || errors.Is(err, trust.ErrNoMetadata):
		return fmt.Errorf("%w: %w", update.ErrWaiting, err)
	}
	return err
}

// kept is the device's own disk as a source: papers of the announced release, of the
// slots, and of the last offer.
func (f *finder) kept() trust.Source {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := disk{}
	s.add(f.found.Encoded, f.found.Note, f.found.Proof)
	for _, dir := range []string{f.d.boot.Path("download"), f.d.boot.SlotDir(slot.A), f.d.boot.SlotDir(slot.B)} {
		read := func(name string) []byte {
			data, err := durable.ReadFile(f.d.options.FS, dir+"/"+name, manifest.MaxBytes)
			if err != nil {
				return nil
			}
			return data
		}
		s.add(read(slot.ManifestFile), read(slot.NoteFile), read(slot.ProofFile))
	}
	return s
}

// disk holds papers under the names of a repository.
type disk map[string][]byte

func (s disk) add(encoded, note, proof []byte) {
	if encoded == nil {
		return
	}
	id := manifest.Sum(encoded).String()
	for name, data := range map[string][]byte{"targets/" + id: encoded, "notes/" + id: note, "proofs/" + id: proof} {
		if data != nil && s[name] == nil {
			s[name] = data
		}
	}
}

// String names it in errors.
func (disk) String() string { return "this device" }

// Fetch implements trust.Source.
func (s disk) Fetch(_ context.Context, name string, limit int64) ([]byte, error) {
	data, ok := s[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("%s: %w", name, trust.ErrNotFound)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("%s: %w", name, trust.ErrTooLong)
	}
	return data, nil
}
