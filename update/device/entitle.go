package device

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
	"github.com/plomb-pos/plomb/update/trust"
)

// maxNote bounds a signed note of the deployer, in bytes.
const maxNote = manifest.MaxDocument + 64<<10

// Errors of entitlements.
var (
	ErrEntitlement = errors.New("this device has no entitlement")
	ErrRanOut      = errors.New("the entitlement ran out")
)

// openEntitlement checks the deployer's signature and what an entitlement is about.
func openEntitlement(deployer *manifest.Signers, signed []byte, release, device manifest.Digest) (*manifest.Entitlement, error) {
	var e manifest.Entitlement
	if err := deployer.OpenDocument(signed, &e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEntitlement, err)
	}
	switch {
	case e.Release != release:
		return nil, fmt.Errorf("%w for %s: it is for release %s", ErrEntitlement, release, e.Release)
	case e.Device != device:
		return nil, fmt.Errorf("%w: it is for device %s: %w", ErrEntitlement, e.Device, manifest.ErrDevice)
	}
	return &e, nil
}

// entitlementPrefix begins the names of entitlements in the folder trust.
const entitlementPrefix = "entitlement-"

func entitlementFile(release manifest.Digest) string { return entitlementPrefix + release.String() }

// keptEntitlement is what is kept of a release, nil where there is none.
func (d *Device) keptEntitlement(release manifest.Digest) *manifest.Entitlement {
	signed, err := durable.ReadFile(d.options.FS, d.path(entitlementFile(release)), maxNote)
	if err != nil {
		return nil
	}
	e, err := openEntitlement(d.Config.Deployer, signed, release, d.Key.ID())
	if err != nil {
		return nil
	}
	return e
}

// entitle sees that the device has an entitlement for a release that counts now; the
// one with the latest end of those that are kept and that the sources have.
func (d *Device) entitle(ctx context.Context, release manifest.Digest) error {
	if d.Config.Deployer == nil {
		return nil
	}
	e, err := d.newestEntitlement(ctx, release)
	switch {
	case e == nil:
		return refusal(errors.Join(fmt.Errorf("%w for release %s", ErrEntitlement, release), err))
	case d.trusting().Now().After(e.NotAfter):
		return refusal(fmt.Errorf("%w: %w on %s", ErrEntitlement, ErrRanOut, e.NotAfter.Format(time.RFC3339)))
	}
	return nil
}

func (d *Device) newestEntitlement(ctx context.Context, release manifest.Digest) (*manifest.Entitlement, error) {
	best := d.keptEntitlement(release)
	var errs []error
	for _, s := range d.sources.small() {
		signed, err := s.Fetch(ctx, manifest.EntitlementName(release, d.Key.ID()), maxNote)
		if errors.Is(err, trust.ErrNotFound) {
			continue
		}
		var e *manifest.Entitlement
		if err == nil {
			e, err = openEntitlement(d.Config.Deployer, signed, release, d.Key.ID())
		}
		if err == nil && (best == nil || e.NotAfter.After(best.NotAfter)) {
			best, err = e, keep(d.options.FS, d.path(entitlementFile(release)), signed)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s, err))
		}
	}
	return best, errors.Join(errs...)
}

// Content opens the content key of a release.
func (f *finder) Content(_ context.Context, m *manifest.Manifest) ([]byte, error) {
	encoded, err := m.Encode()
	if err != nil {
		return nil, err
	}
	e := f.d.keptEntitlement(manifest.Sum(encoded))
	switch {
	case e == nil:
		return nil, refusal(fmt.Errorf("%w for %s", ErrEntitlement, m.Identity))
	case f.d.trusting().Now().After(e.NotAfter):
		return nil, refusal(fmt.Errorf("%w: %w", ErrEntitlement, ErrRanOut))
	}
	return e.Open(f.d.Key.private)
}

// rentedUntil is until when what runs may run; zero: for ever.
func (d *Device) rentedUntil(runs func(slot.Table) slot.Slot) time.Time {
	if !d.Config.Rent || d.Config.Deployer == nil {
		return time.Time{}
	}
	table, err := d.boot.Table()
	if err != nil {
		return d.Config.Made
	}
	if e := d.keptEntitlement(table.Manifests[runs(table)]); e != nil {
		return e.NotAfter
	}
	return d.Config.Made
}

// forgetEntitlements removes those of releases that are gone.
func (d *Device) forgetEntitlements(keep ...manifest.Digest) error {
	names, err := d.options.FS.ReadDir(d.path(""))
	if err != nil {
		return err
	}
	for _, n := range names {
		var release manifest.Digest
		text, ok := strings.CutPrefix(n, entitlementPrefix)
		if !ok || release.UnmarshalText([]byte(text)) != nil || slices.Contains(keep, release) {
			continue
		}
		if err := d.options.FS.Remove(d.path(n)); err != nil {
			return err
		}
	}
	return nil
}
