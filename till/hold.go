package till

import (
	"context"

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

// ClosesDayBefore reports whether a country's practice is that the day is closed before
// a till's program is replaced: where the till is a fiscal cash register that an
// authority has approved as a whole (Poland, Italy, Hungary, Slovakia, Czechia before
// 2023, China) its daily report comes first. Elsewhere the deployer decides.
func ClosesDayBefore(c money.Country) bool {
	switch c {
	case "CN", "HU", "IT", "PL", "SK":
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
