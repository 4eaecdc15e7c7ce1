package journal

import (
	"context"
	"fmt"

	"github.com/plomb-pos/plomb/journal/proof"
)

// Ticket stands for drafts staged together. All methods may be called
// concurrently and repeatedly.
type Ticket struct {
	first    uint64
	prepared []prepared
	fate     *fate
	receipts []*receipt // one for each draft with Sign, in order
	signers  *signers
	one      [1]prepared
}

// fate is what becomes of a group; shared by the tickets in it.
type fate struct {
	done chan struct{} // closed when known
	err  error
}

// receipt is one receipt's signature, asked for.
type receipt struct {
	checkpoint proof.Checkpoint
	done       chan struct{} // closed when the first answer is known
	signed     Signed
	err        error
	stored     bool // guarded by Journal.mu: its signature is in a group

	// Guarded by signers.mu.
	queued   bool // it is durable
	claimed  bool // somebody signs it, or has
	answered bool
	wanted   int // how many will come for it
}

// Signed is a checkpoint with its signature.
type Signed struct {
	Checkpoint proof.Checkpoint
	KeyHash    uint32
	Sig        []byte // as the algorithm makes it, over Checkpoint.Text()
}

// First is the index of the first draft; the others follow without gap.
func (t *Ticket) First() uint64 { return t.first }

// Len is the number of drafts.
func (t *Ticket) Len() int { return len(t.prepared) }

// HeadBytes is the head of the i-th draft as stored, the leaf that is hashed.
// It must not be changed.
func (t *Ticket) HeadBytes(i int) []byte { return t.prepared[i].head }

// Salt is the salt of the i-th draft's body commitment.
func (t *Ticket) Salt(i int) [16]byte { return t.prepared[i].salt }

// Heads decodes the drafts' heads: index, time and flags as they were set.
func (t *Ticket) Heads() []*proof.Head {
	heads := make([]*proof.Head, len(t.prepared))
	for i := range t.prepared {
		h, err := proof.ParseHead(t.prepared[i].head)
		if err != nil {
			h = nil // cannot be: Stage encoded it
		}
		heads[i] = h
	}
	return heads
}

// Wait returns nil once the drafts survive loss of power. After ErrStopped they
// may be there or not; after an error of ctx they may still become durable.
func (t *Ticket) Wait(ctx context.Context) error {
	select {
	case <-t.fate.done:
		return t.fate.err
	default:
	}
	select {
	case <-t.fate.done:
		return t.fate.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Signed waits until the last draft that was staged with Sign is durable and
// signed. ErrUnsigned says that the signer failed, or hangs since somebody waited
// for it in vain: the entry is durable all the same.
func (t *Ticket) Signed(ctx context.Context) (Signed, error) {
	return t.SignedAt(ctx, len(t.receipts)-1)
}

// SignedAt is Signed for the n-th of the drafts that were staged with Sign.
func (t *Ticket) SignedAt(ctx context.Context, n int) (Signed, error) {
	if n < 0 || n >= len(t.receipts) {
		return Signed{}, fmt.Errorf("receipt %d of the staged drafts: staged without Sign: %w", n, ErrUnsigned)
	}
	r := t.receipts[n]
	t.signers.want(r, 1)
	defer t.signers.want(r, -1)
	if err := t.Wait(ctx); err != nil {
		return Signed{}, err
	}
	return t.signers.await(ctx, r)
}
