package device

import (
	"context"

	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// Offered is what the device's agent would be offered.
func Offered(d *Device, s slot.Slot, ctx context.Context) (*update.Offer, error) {
	return (&finder{d: d, slot: s}).Find(ctx)
}

// WavePlace is wavePlace.
func WavePlace(device, release manifest.Digest) int { return wavePlace(device, release) }
