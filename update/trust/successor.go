package trust

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/update/manifest"
)

// PolicyTarget is a trust policy that is to take the place of the one in force, in the
// repository of every party of that one.
func PolicyTarget(serial uint64) string { return "policy/" + strconv.FormatUint(serial, 10) }

// Successor is the newest trust policy above the one in force that all its parties
// name, with the same bytes: maker and every body, whatever their jurisdictions. nil
// says that there is none. One that only some of them name is refused with
// ErrNotApproved, and one that is not fresh, not parsed or not of its own serial with
// other errors: the policy in force stays.
func (t *Trust) Successor(ctx context.Context) (*Policy, []byte, error) {
	serial := t.newestPolicy()
	if serial <= t.policy.Serial {
		return nil, nil, nil
	}
	if err := t.clock.check(); err != nil {
		return nil, nil, err
	}
	target, err := t.agreed(ctx, PolicyTarget(serial))
	if err != nil {
		return nil, nil, fmt.Errorf("trust policy %d: %w", serial, err)
	}
	text, err := t.content(ctx, target)
	if err != nil {
		return nil, nil, fmt.Errorf("trust policy %d: %w", serial, err)
	}
	p, err := ParsePolicy(text)
	if err == nil && p.Serial != serial {
		err = fmt.Errorf("%w: it says serial %d", ErrPolicy, p.Serial)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("trust policy %d: %w", serial, err)
	}
	return p, text, nil
}

// newestPolicy is the highest serial that any party names.
func (t *Trust) newestPolicy() (newest uint64) {
	for _, c := range t.clients {
		for _, name := range c.Names() {
			text, ok := strings.CutPrefix(name, "policy/")
			if n, err := strconv.ParseUint(text, 10, 64); ok && err == nil && PolicyTarget(n) == name {
				newest = max(newest, n)
			}
		}
	}
	return newest
}

// agreed is a target that every party names with the same content.
func (t *Trust) agreed(ctx context.Context, name string) (all Target, err error) {
	for i, c := range t.clients {
		if err := c.check(); err != nil {
			return all, fmt.Errorf("%s: %w", c.repo.Name, err)
		}
		target, err := c.Lookup(ctx, name)
		switch {
		case err != nil:
			return all, fmt.Errorf("%w by %s: %w", ErrNotApproved, c.repo.Name, err)
		case i > 0 && target != all:
			return all, fmt.Errorf("%w by %s: it names other bytes: %w", ErrNotApproved, c.repo.Name, ErrContent)
		case target.Length > manifest.MaxBytes:
			return all, fmt.Errorf("%d bytes: %w", target.Length, ErrTooLong)
		}
		all = target
	}
	return all, nil
}

// With is the same knowledge, asked of other sources alone: with those of the device's
// own disk it decides without a network. It does not follow later refreshes of t.
func (t *Trust) With(sources ...Source) *Trust {
	out := &Trust{policy: t.policy, mirrors: func() []Source { return sources }, clock: t.clock, store: t.store, limits: t.limits}
	for _, c := range t.clients {
		out.clients = append(out.clients, &Client{
			repo: c.repo, dir: c.dir, anchor: c.anchor, mirrors: out.mirrors, store: c.store, now: c.now, limits: c.limits, atLeast: c.atLeast, view: c.current(),
		})
	}
	return out
}

// Now is the time by which this package judges: the device's clock, or a later time
// that somebody trusted has signed.
func (t *Trust) Now() time.Time { return t.clock.now() }
