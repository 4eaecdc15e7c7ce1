package software

import (
	"context"
	"fmt"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/update"
)

// Authoriser names who answers for an installation: whoever agreed to it, having
// proved again who they are, or the deployer's policy where nobody has to be asked.
// It is an update.Authoriser.
type Authoriser struct {
	node   *till.Node
	policy update.Policy
	waits  *waits
}

// Authorise takes the consent to this very release. One that was used up by a trial
// which failed does not count.
func (a *Authoriser) Authorise(_ context.Context, r update.Request) (string, error) {
	if d, ok := a.node.Decision(hexOf(r.Digest), fiscal.ForInstall); ok && d.Agreed {
		a.waits.passed(till.WaitsForAuthorisation)
		return string(d.By), nil
	}
	if !a.policy.Consent || r.Overdue && a.policy.AtEnd == update.Install {
		a.waits.passed(till.WaitsForAuthorisation)
		return byPolicy, nil
	}
	a.waits.set(till.WaitsForAuthorisation, "")
	return "", fmt.Errorf("%w: nobody answers for this installation yet", update.ErrWaiting)
}
