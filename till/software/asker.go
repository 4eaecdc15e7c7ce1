package software

import (
	"context"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/update"
)

// Asker gives what people at the till decided (requirement DL-02): an update.Asker. It
// waits for nobody; the till's state shows what is asked.
type Asker struct {
	node  *till.Node
	waits *waits
}

// Consent is about an installation.
func (a *Asker) Consent(ctx context.Context, r update.Request) (update.Answer, error) {
	out, err := a.answer(ctx, r, fiscal.ForInstall)
	if err == nil && !out.Agreed {
		a.waits.set(till.WaitsForConsent, "")
	} else {
		a.waits.passed(till.WaitsForConsent)
	}
	return out, err
}

// Spend is about bytes beyond what the policy allows: who agreed to fewer is asked
// again.
func (a *Asker) Spend(ctx context.Context, r update.Request) (update.Answer, error) {
	if d, ok := a.node.Decision(hexOf(r.Digest), fiscal.ForSpend); ok && d.Bytes < r.Bytes {
		a.waits.ask(r.Bytes)
		return update.Answer{}, nil
	}
	out, err := a.answer(ctx, r, fiscal.ForSpend)
	if err == nil && !out.Agreed {
		a.waits.ask(r.Bytes)
	} else {
		a.waits.passed(till.WaitsForSpend)
	}
	return out, err
}

// answer never tells the agent not to ask before a time: who has put a release off may
// agree at any moment, and the screen leaves them in peace until then.
func (a *Asker) answer(ctx context.Context, r update.Request, what string) (update.Answer, error) {
	d, ok := a.node.Decision(hexOf(r.Digest), what)
	if !ok || !d.Agreed {
		return update.Answer{Person: string(d.By)}, nil
	}
	signed, err := evidenceOf(ctx, a.node, d.Index)
	return update.Answer{Agreed: true, Person: string(d.By), Signed: signed}, err
}
