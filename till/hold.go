package till

import (
	"context"
	"encoding/hex"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
)

// Work is what is going on at the till: what another program must not come between.
type Work struct {
	Sale   bool     // a basket with something in it is on the screen, or cash is being paid out
	Parked []string // labels of the baskets that wait; they are sales too: one version begins and ends each
	Day    bool     // something was recorded since the last Z that belongs to its day
}

// Work is asked before the till's program is replaced.
func (n *Node) Work() Work {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.work()
}

func (n *Node) work() Work {
	w := Work{Sale: n.selling(), Day: n.state.Session.Open || n.state.Next.Document > n.state.Day.FirstNumber}
	for _, b := range n.suspended {
		w.Parked = append(w.Parked, b.Label)
	}
	return w
}

// selling reports whether a sale or return is open, or cash on its way out.
func (n *Node) selling() bool {
	return n.basket != nil && !n.basket.Empty() || n.paying != nil || n.paysNow
}

// ClosesDayBefore reports whether the day has to be closed before a till's program is
// replaced in a country, whatever the deployer's policy says: where a till is a fiscal
// register with a memory of its own (China, Hungary, Italy, Poland), its daily report
// comes before any work on it. Elsewhere the policy decides.
func ClosesDayBefore(c money.Country) bool {
	switch c {
	case "CN", "HU", "IT", "PL":
		return true
	}
	return false
}

// Country is where the shop is.
func (n *Node) Country() money.Country {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state.Shop.Country
}

// Retire lets no new sale begin and waits until none is open: then the program may
// end to make room for another. It cannot be taken back. It returns ctx's error when
// that ends first; sales stay stopped.
func (n *Node) Retire(ctx context.Context) error {
	n.mu.Lock()
	if n.updating.retiring == nil {
		n.updating.retiring = make(chan struct{})
	}
	n.stream.changed()
	n.mu.Unlock()
	w := n.stream.Watch()
	defer w.Leave()
	for {
		if !n.Work().Sale {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.Changed:
		case <-w.Notices:
		}
	}
}

// Head is the journal's, of all that is durable.
func (n *Node) Head() proof.Checkpoint { return n.journal.Head() }

// Root is that of the journal's first size entries.
func (n *Node) Root(ctx context.Context, size uint64) (tlog.Hash, error) {
	return n.journal.Root(ctx, size)
}

// Matters is how many entries there are up to the last one that is about the shop: what
// a copy elsewhere has to hold. Steps of an update and words of devices are about the
// machine, and a copy need not chase them.
func (n *Node) Matters() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.matters
}

// aboutMachine reports whether an entry is about the till itself, not about the shop.
func aboutMachine(b fiscal.Body) bool {
	switch b.(type) {
	case *fiscal.SoftwareStage, *fiscal.Export, *fiscal.DeviceState, *fiscal.ClockChange, *fiscal.SignerDown, *fiscal.SignerUp, *fiscal.Snapshot:
		return true
	}
	return false
}

// RecordCopy journals that a copy of the journal was made and read back whole.
func (n *Node) RecordCopy(ctx context.Context, c proof.Checkpoint, where string) error {
	n.mu.Lock()
	r, err := n.stage([16]byte{}, &fiscal.Export{Format: "copy", Last: c.Size - 1, Hash: hex.EncodeToString(c.Root[:]), Target: oneLine(where)})
	n.mu.Unlock()
	if err != nil {
		return err
	}
	return r.ticket.Wait(ctx)
}
