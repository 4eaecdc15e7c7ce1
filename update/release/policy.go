package release

import (
	"fmt"
	"time"

	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/trust"
)

// SignPolicy puts a trust policy that is to follow the one in force into the office's
// repository, which Push publishes. A device takes it once every party of the policy in
// force has done so, with the same bytes, and the release that it runs passes it.
func (o *Office) SignPolicy(text []byte, now time.Time) error {
	if o.Card.Party == Deployer {
		return fmt.Errorf("sign a trust policy: %s %s: %w", o.Card.Party, o.Card.Name, ErrParty)
	}
	p, err := trust.ParsePolicy(text)
	if err != nil {
		return fmt.Errorf("sign a trust policy: %w", err)
	}
	err = o.do(fmt.Sprintf("sign trust policy %d, %s", p.Serial, manifest.Sum(text)), now, nil, func(now time.Time) error {
		return o.whole(func() error {
			if err := o.add(now, map[string][]byte{trust.PolicyTarget(p.Serial): text}); err != nil {
				return err
			}
			return o.enter(Entry{At: now, Step: "policy", Subject: fmt.Sprint(p.Serial), Digests: []digestName{{"policy", manifest.Sum(text)}}})
		})
	})
	if err != nil {
		return fmt.Errorf("sign a trust policy: %w", err)
	}
	return nil
}
