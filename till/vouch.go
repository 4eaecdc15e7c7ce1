package till

import (
	"context"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/staff"
)

// Vouch checks that a person may do an operation alone and is who they say, by the
// PIN; for what a program does at the machine without a session. Wrong PINs count and
// are journaled as at the screen, and so is somebody who may not. Errors are of type
// *Refusal.
func (n *Node) Vouch(ctx context.Context, by Approval, op staff.Name) error {
	if n.setupNeeded() {
		return n.Words(refuse(Refused, "setup-needed"))
	}
	p, err := n.prove(ctx, guesser{of: by.Person}, by.PIN, "reauth")
	if err != nil {
		return n.Words(toRefusal(err))
	}
	n.mu.Lock()
	allowed := n.state.Shop.Roles.Allowed(p.Role, op).Answer == staff.Yes
	if !allowed {
		n.floodHeld("refused", &fiscal.Refused{Actor: fiscal.Actor{By: p.ID}, Role: p.Role, Operation: op, Reason: "forbidden"})
	}
	n.mu.Unlock()
	if !allowed {
		return n.Words(refuse(Forbidden, "forbidden"))
	}
	return nil
}
