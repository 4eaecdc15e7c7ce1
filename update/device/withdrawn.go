package device

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
	"github.com/plomb-pos/plomb/update/trust"
)

// memo is what was known of withdrawals when it was last looked at.
type memo struct {
	release   manifest.Digest
	known     bool
	withdrawn []trust.Withdrawal
}

// Withdrawn are the statements against the release in a slot, as far as the device has
// heard (requirement DL-06); each says by Due whether its deadline has passed at Now. It
// waits for no network. A statement that cannot be read is one to be warned of.
func (d *Device) Withdrawn(s slot.Slot) []trust.Withdrawal {
	table, err := d.boot.Table()
	if err != nil {
		return nil // the launcher says so
	}
	release := table.Manifests[s]
	d.mu.Lock()
	known := d.memo.known && d.memo.release == release
	out := slices.Clone(d.memo.withdrawn)
	d.mu.Unlock()
	if known {
		return out
	}
	return d.look(context.Background(), d.trusting().With(), release)
}

// Now is the time by which deadlines are judged: the device's clock, or a later time
// that somebody trusted has signed.
func (d *Device) Now() time.Time { return d.trusting().Now() }

// look asks a trust for withdrawals and remembers them.
func (d *Device) look(ctx context.Context, t *trust.Trust, release manifest.Digest) (out []trust.Withdrawal) {
	for _, digest := range slices.Compact([]manifest.Digest{release, d.legalPart(release)}) {
		found, err := t.Withdrawals(ctx, digest)
		for _, w := range found {
			out = append(out, *w)
		}
		if errors.Is(err, trust.ErrWithdrawn) {
			out = append(out, trust.Withdrawal{Release: digest, Reason: err.Error(), Action: trust.Warn, Deadline: d.Config.Made})
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.memo = memo{release, true, out}
	return slices.Clone(out)
}

// legalPart is the release that the legally relevant part of one in a slot was approved
// with.
func (d *Device) legalPart(release manifest.Digest) manifest.Digest {
	for _, s := range []slot.Slot{slot.A, slot.B} {
		if m, digest, err := d.Manifest(s); err == nil && digest == release {
			return m.LegalPart(release)
		}
	}
	return release
}

// learn fetches what is said of the release that runs: withdrawals, and a longer right
// to run it.
func (d *Device) learn(ctx context.Context, running manifest.Digest) error {
	d.look(ctx, d.trusting(), running)
	if d.Config.Deployer == nil {
		return nil
	}
	if d.Config.Rent {
		if _, err := d.newestEntitlement(ctx, running); err != nil {
			return fmt.Errorf("entitlement of what runs: %w", err)
		}
	}
	return nil
}
