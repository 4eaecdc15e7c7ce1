package till

import (
	"context"
	"errors"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
)

// answerOf makes the answer to a command again from the entry that it made:
// after a restart nothing else is left of it.
func (n *Node) answerOf(ctx context.Context, index uint64, c Command) (any, error) {
	if err := n.waitDurable(ctx, index); err != nil {
		return nil, err
	}
	e, err := n.journal.Entry(ctx, index)
	if err != nil {
		return nil, entryRefusal(err)
	}
	if err := madeBy(e.Head.Kind, c.Do); err != nil {
		return nil, err
	}
	b, err := fiscal.Decode(e.Head.Kind, e.Body)
	if err != nil {
		return nil, err
	}
	switch b := b.(type) {
	case *fiscal.Receipt:
		return n.receiptAgain(ctx, e, b, c)
	case *fiscal.XReport, *fiscal.ZReport:
		return n.reportOf(e)
	case *fiscal.Count:
		return found(b.Finding), nil
	case *fiscal.ShiftClose:
		return found(b.Finding), nil
	case *fiscal.Copy:
		return n.receiptOfCopy(ctx, b)
	}
	return nil, nil
}

// waitDurable waits for an entry that is staged.
func (n *Node) waitDurable(ctx context.Context, index uint64) error {
	for n.journal.Size() <= index {
		select {
		case <-n.journal.Changed(index):
			if err := n.stopped(); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (n *Node) receiptAgain(ctx context.Context, e journal.Entry, b *fiscal.Receipt, c Command) (any, error) {
	printed, err := n.printedOf(ctx, e.Head.Index)
	if err != nil {
		printed = PrintedUnknown // the search is not ready; the screen asks again
	}
	last := &LastReceipt{
		Index: e.Head.Index, Number: b.Number, Total: b.Document.Total, Change: b.Document.Change,
		Code: n.codeAgain(ctx, e.Head.Index), Printed: printed,
	}
	if c.Do == "basket.tender" {
		return tenderAnswer{Change: b.Document.Change, Receipt: last}, nil
	}
	return receiptAnswer{last}, nil
}

func (n *Node) receiptOfCopy(ctx context.Context, b *fiscal.Copy) (any, error) {
	return receiptAnswer{&LastReceipt{
		Index: b.Receipt.Index, Number: b.Receipt.Number, Total: b.Total, Code: n.codeAgain(ctx, b.Receipt.Index), Printed: PrintedUnknown,
	}}, nil
}

// codeAgain makes a receipt's code again: the same size has the same root, and
// an Ed25519 signature over it is the same one as before. It is "" while the
// signer is down.
func (n *Node) codeAgain(ctx context.Context, index uint64) string {
	code, err := n.signAgain(ctx, index)
	if err != nil && !errors.Is(err, errNoSigner) {
		n.opts.Log.Warn("receipt code", "index", index, "err", err)
	}
	return code
}

var errNoSigner = errors.New("this till has no signer")

func (n *Node) signAgain(ctx context.Context, index uint64) (string, error) {
	if n.opts.Signer == nil {
		return "", errNoSigner
	}
	e, err := n.journal.Entry(ctx, index)
	if err != nil {
		return "", err
	}
	root, err := n.journal.Root(ctx, index+1)
	if err != nil {
		return "", err
	}
	leaf := e.Leaf
	c := proof.Checkpoint{Origin: n.journal.Origin(), Size: index + 1, Root: root, Leaf: &leaf}
	wait, cancel := context.WithTimeout(ctx, n.opts.SignPatience)
	defer cancel()
	sig, err := n.opts.Signer.Sign(wait, c)
	if err != nil {
		return "", err
	}
	return fiscal.Code(e.HeadBytes, c, n.opts.Signer.KeyHash(), sig)
}
