package device

import (
	"errors"
	"fmt"
	"time"

	"github.com/plomb-pos/plomb/update/manifest"
)

// maxNote bounds a signed note of the deployer, in bytes.
const maxNote = manifest.MaxDocument + 64<<10

// Errors of entitlements and campaigns.
var (
	ErrEntitlement = errors.New("this device has no entitlement")
	ErrRanOut      = errors.New("the entitlement ran out")
)

// openEntitlement checks the deployer's signature and what an entitlement is about.
func openEntitlement(deployer *manifest.Signers, signed []byte, release, device manifest.Digest, now time.Time) (*manifest.Entitlement, error) {
	var e manifest.Entitlement
	if err := deployer.OpenDocument(signed, &e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEntitlement, err)
	}
	switch {
	case e.Release != release:
		return nil, fmt.Errorf("%w for %s: it is for release %s", ErrEntitlement, release, e.Release)
	case e.Device != device:
		return nil, fmt.Errorf("%w: it is for device %s: %w", ErrEntitlement, e.Device, manifest.ErrDevice)
	case now.After(e.NotAfter):
		return nil, fmt.Errorf("%w on %s", ErrRanOut, e.NotAfter.Format(time.RFC3339))
	}
	return &e, nil
}
