package seal

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

// ErrTwoRoots is a refusal to sign a tree size a second time with another
// root. Two such signatures would be proof of fraud against the till.
var ErrTwoRoots = errors.New("refused: this tree size was signed with another root")

// rememberedSizes bounds what a Guard keeps; a till asks for sizes far apart only after a restart.
const rememberedSizes = 1 << 16

// Guard is a signer that never signs one size with two roots, as far back as
// it remembers: the last 65,536 sizes since the process started. It is the
// second lock on that door; the first is the journal, which asks only for
// sizes that are synced.
type Guard struct {
	proof.Signer

	mu     sync.Mutex
	roots  map[uint64]tlog.Hash
	oldest []uint64 // sizes in the order they came, a ring once it is full
	next   int
}

// NewGuard puts a guard before a signer.
func NewGuard(s proof.Signer) *Guard {
	return &Guard{Signer: s, roots: map[uint64]tlog.Hash{}}
}

// Sign signs unless the size was signed with another root.
func (g *Guard) Sign(ctx context.Context, c proof.Checkpoint) ([]byte, error) {
	if !g.admit(c.Size, c.Root) {
		return nil, fmt.Errorf("size %d: %w", c.Size, ErrTwoRoots)
	}
	return g.Signer.Sign(ctx, c)
}

func (g *Guard) admit(size uint64, root tlog.Hash) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if known, ok := g.roots[size]; ok {
		return known == root
	}
	g.forgetOldest()
	g.oldest[g.next] = size
	g.next = (g.next + 1) % rememberedSizes
	g.roots[size] = root
	return true
}

// forgetOldest makes the slot at next free.
func (g *Guard) forgetOldest() {
	if len(g.oldest) <= g.next {
		g.oldest = append(g.oldest, 0)
		return
	}
	delete(g.roots, g.oldest[g.next])
}
