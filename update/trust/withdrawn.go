package trust

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/plomb-pos/plomb/update/manifest"
)

// Withdrawals are the statements against a release, of an installed one too
// (requirement DL-06), from any party's repository as the last Refresh left it:
// nothing is fetched that was seen before. An error that wraps ErrWithdrawn says
// that a party withdrew the release and its statement cannot be read; any other,
// that a repository cannot be asked.
func (t *Trust) Withdrawals(ctx context.Context, digest manifest.Digest) ([]*Withdrawal, error) {
	found, errs := t.withdrawals(ctx, digest)
	var all []error
	for party, err := range errs {
		all = append(all, fmt.Errorf("withdrawals of %s: %w", party, err))
	}
	return found, errors.Join(all...)
}

// withdrawals asks every party; errors are by party.
func (t *Trust) withdrawals(ctx context.Context, digest manifest.Digest) (found []*Withdrawal, errs map[string]error) {
	errs = map[string]error{}
	for _, c := range t.clients {
		w, err := t.withdrawal(ctx, c, digest)
		if err != nil {
			errs[c.repo.Name] = err
		}
		if w != nil {
			found = append(found, w)
		}
	}
	return found, errs
}

func (t *Trust) withdrawal(ctx context.Context, c *Client, digest manifest.Digest) (*Withdrawal, error) {
	name := WithdrawalTarget(digest)
	if _, err := c.Lookup(ctx, name); errors.Is(err, ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	data, err := t.statement(ctx, c, name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWithdrawn, err)
	}
	w, err := ParseWithdrawal(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWithdrawn, err)
	}
	if w.Party != c.repo.Name || w.Release != digest {
		return nil, fmt.Errorf("%w: by a statement of %q about %s", ErrWithdrawn, w.Party, w.Release)
	}
	return w, nil
}

// Freshness is how the age of what is known is to be taken.
type Freshness int

// The degrees.
const (
	Fresh   Freshness = iota
	Ageing            // expires within the policy's warning time
	Expired           // nothing is installed any more
	Stale             // beyond the policy's limit: stop selling (requirement CU-06)
)

// Freshness judges the metadata of all repositories by the one that expires first,
// and gives that time; zero and Expired where a repository was never seen.
func (t *Trust) Freshness() (Freshness, time.Time) {
	var first time.Time
	for _, c := range t.clients {
		at := c.Expires()
		if at.IsZero() {
			return Expired, time.Time{}
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return t.policy.freshness(t.clock.now(), first), first
}

func (p *Policy) freshness(now, expires time.Time) Freshness {
	switch {
	case now.Before(expires.Add(-p.warn)):
		return Fresh
	case !now.After(expires):
		return Ageing
	case p.stop < 0 || now.Before(expires.Add(p.stop)):
		return Expired
	}
	return Stale
}
