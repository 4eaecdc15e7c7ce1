package till

import (
	"context"
	"fmt"
)

// settled lets the staged changes of a command take effect once its entry is
// durable. The entry decides, so a vault that fails now makes nothing undone: the
// changes are durable too, and are tried again before the next change of baskets
// and at the next start. The book is held.
func (n *Node) settled(ctx context.Context, command string) {
	if err := n.vault.Settle(ctx, command, true); err != nil {
		n.unsettled = append(n.unsettled, command)
		n.opts.Log.Error("staged changes take effect later", "command", command, "err", err)
	}
}

// settleLate tries again, in order. The book is held.
func (n *Node) settleLate(ctx context.Context) error {
	for len(n.unsettled) > 0 {
		if err := n.vault.Settle(ctx, n.unsettled[0], true); err != nil {
			return fmt.Errorf("earlier changes of the vault: %w", err)
		}
		n.unsettled = n.unsettled[1:]
	}
	return nil
}
