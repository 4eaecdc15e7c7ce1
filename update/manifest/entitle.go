package manifest

import (
	"crypto/hpke"
	"errors"
	"fmt"
	"time"
)

// CampaignName is where the deployer's campaign lies in a repository.
const CampaignName = "campaign.json"

// ErrDevice says that an entitlement is for another device.
var ErrDevice = errors.New("for another device")

// EntitlementName is where an entitlement lies in a repository.
func EntitlementName(release, device Digest) string {
	return "entitlements/" + release.String() + "/" + device.String()
}

// NewEntitlement wraps a release's content key to a device's public key: HPKE with
// MLKEM768X25519, HKDF-SHA256 and AES-256-GCM, the encapsulated key first. It is worth
// something once the deployer has signed it (SignDocument).
func NewEntitlement(release Digest, device, content []byte, notAfter time.Time) (*Entitlement, error) {
	pub, err := hpke.MLKEM768X25519().NewPublicKey(device)
	if err != nil {
		return nil, fmt.Errorf("entitle a device: %w", err)
	}
	e := &Entitlement{Format: EntitlementFormat, Release: release, Device: Sum(device), NotAfter: notAfter.UTC().Truncate(time.Second)}
	if e.Key, err = hpke.Seal(pub, hpke.HKDFSHA256(), hpke.AES256GCM(), e.info(), content); err != nil {
		return nil, fmt.Errorf("entitle a device: %w", err)
	}
	return e, nil
}

func (e *Entitlement) info() []byte {
	return fmt.Appendf(nil, "plomb entitlement/1\n%s\n%s\n", e.Release, e.Device)
}

// Open gives the content key to the device whose key it is for; the deployer's
// signature was checked before (Signers.OpenDocument). Errors wrap ErrDevice or say
// that the key does not open.
func (e *Entitlement) Open(device hpke.PrivateKey) ([]byte, error) {
	if got := Sum(device.PublicKey().Bytes()); got != e.Device {
		return nil, fmt.Errorf("open entitlement: it is for %s, this is %s: %w", e.Device, got, ErrDevice)
	}
	key, err := hpke.Open(device, hpke.HKDFSHA256(), hpke.AES256GCM(), e.info(), e.Key)
	if err != nil {
		return nil, fmt.Errorf("open entitlement: %w", err)
	}
	return key, nil
}
