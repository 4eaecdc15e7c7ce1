package trust

import (
	"context"
	"fmt"

	"github.com/plomb-pos/plomb/update/manifest"
)

// HardwareTarget is a registered hardware version, in the maker's repository.
func HardwareTarget(identity manifest.Identity) string { return "hardware/" + string(identity) }

// Hardware is the registration of a hardware version by the maker, with its reports
// (requirement FM-19). Whoever commissions a device asks before: an error that wraps
// ErrNotFound says that the maker never registered this hardware, and such a device
// must not be commissioned; any other, that the maker's repository cannot be asked.
func (t *Trust) Hardware(ctx context.Context, identity manifest.Identity) (*manifest.Hardware, error) {
	if err := identity.Validate(); err != nil || !identity.Hardware() {
		return nil, fmt.Errorf("hardware %q: %w: not the identity of hardware", identity, ErrNotFound)
	}
	maker := t.clients[0]
	data, err := t.statement(ctx, maker, HardwareTarget(identity))
	if err != nil {
		return nil, fmt.Errorf("hardware %s: %w", identity, err)
	}
	h := new(manifest.Hardware)
	if err := manifest.ParseDocument(data, h); err != nil {
		return nil, fmt.Errorf("hardware %s: %w: %w", identity, ErrMalformed, err)
	}
	if h.Identity != identity {
		return nil, fmt.Errorf("hardware %s: %w: its target registers %s", identity, ErrContent, h.Identity)
	}
	return h, nil
}
