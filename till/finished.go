package till

import (
	"context"

	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// finished is a basket whose receipt is staged in the journal and whose row is
// still in the vault. It leaves the vault along with the next change there, so
// that no sale waits for a sync of its own. If the process ends before, the next
// start finds the basket's id in the journal (basketEnded).
type finished struct {
	basket sale.ID
	entry  uint64 // the receipt's index
}

// withFinished puts the end of finished baskets before changes of the vault, for
// the same transaction: it holds one open basket at most. A receipt has to be
// durable before its basket is gone. The book is held.
func (n *Node) withFinished(ctx context.Context, changes []sqlite.Change) ([]sqlite.Change, error) {
	if err := n.settleLate(ctx); err != nil {
		return nil, err
	}
	out := make([]sqlite.Change, 0, len(n.finished)+len(changes))
	for _, f := range n.finished {
		if err := n.waitDurable(ctx, f.entry); err != nil {
			return nil, because(Unavailable, "stopping", err)
		}
		out = append(out, sqlite.Change{DropBasket: string(f.basket)})
	}
	return append(out, changes...), nil
}

// changeVault makes changes and ends finished baskets, in one transaction. The
// book is held.
func (n *Node) changeVault(ctx context.Context, changes ...sqlite.Change) error {
	all, err := n.withFinished(ctx, changes)
	if err != nil {
		return err
	}
	if err := n.vault.Apply(ctx, all...); err != nil {
		return err
	}
	n.finished = nil
	return nil
}
