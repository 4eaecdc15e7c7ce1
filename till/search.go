package till

import (
	"github.com/plomb-pos/plomb/fiscal"
)

// awaitSearch lets the projection come as far as the state is, outside the book:
// nobody else waits for it meanwhile.
func awaitSearch(c *call, _ sessionKey) error {
	c.n.mu.Lock()
	size := c.n.state.Size
	c.n.mu.Unlock()
	return c.n.caughtUp(c.ctx, size)
}

// searchedTo refuses what needs the first size entries to be in the projection.
// Whoever holds the book does not wait for it.
func (n *Node) searchedTo(size uint64) error {
	if n.searched.Load() < size {
		return refuse(Unavailable, "searching")
	}
	return nil
}

// papers is how far the projection has to have come to tell what became of an
// entry's original on paper. The zero value is a journal without entries.
type papers struct {
	floor uint64            // for any entry
	need  map[uint64]uint64 // for entries about which more was staged
	most  int               // length at which need is looked through
}

// of is the number of entries that the projection has to know about an entry's
// print.
func (p *papers) of(entry uint64) uint64 { return max(p.floor, p.need[entry]) }

// staged notes what was staged, before size. What the projection knows already
// it may have to read again: that stays under the floor.
func (p *papers) staged(b fiscal.Body, size, searched uint64) {
	entry, ok := printOf(b)
	if !ok {
		return
	}
	if p.need == nil {
		p.need = map[uint64]uint64{}
	}
	p.need[entry] = size
	if len(p.need) <= p.most {
		return
	}
	for entry, size := range p.need {
		if size <= searched {
			delete(p.need, entry)
			p.floor = max(p.floor, size)
		}
	}
	p.most = 2*len(p.need) + 100
}

// printOf is the entry whose print a body is about.
func printOf(b fiscal.Body) (entry uint64, ok bool) {
	switch b := b.(type) {
	case *fiscal.Intent:
		if b.Entry != nil {
			return *b.Entry, b.Action == actionPrint
		}
	case *fiscal.Printed:
		return b.Entry, true
	case *fiscal.PrintFailed:
		return b.Entry, true
	}
	return 0, false
}
