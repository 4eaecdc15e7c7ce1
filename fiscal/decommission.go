package fiscal

import (
	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/sale"
)

// Decommission takes a till out of service for good: the day is closed, the
// drawer is counted, nothing is sold after it. It repeats the life-long totals
// and the last numbers, and says who keeps the records from now on. The journal
// can still be read, proven and exported, and says who did.
type Decommission struct {
	plain
	Actor
	Reason string       `json:"reason"`
	Keeper string       `json:"keeper"` // who keeps journal and keys from now on
	Grand  drawer.Grand `json:"grand"`
	Next   Next         `json:"next"`           // numbers that are never given
	LastZ  *Link        `json:"lastZ,omitzero"` // the last closing
}

// Ended is the end of a till's service.
type Ended struct {
	Index uint64 `json:"index"` // of the entry
	Time  int64  `json:"time"`  // of the entry, ms
}

// NewDecommission makes the body that takes the till out of service. Codes:
// day-open, session-open, training-mode-differs, reason-missing,
// decommissioned.
func (s *State) NewDecommission(a Actor, reason, keeper string) (*Decommission, error) {
	b := &Decommission{Actor: a, Reason: reason, Keeper: keeper, Grand: s.Grand, Next: s.Next, LastZ: s.LastZ}
	return b, b.check(s)
}

// Kind is decommission.
func (*Decommission) Kind() proof.Kind { return KindDecommission }
func (b *Decommission) numbers(*State) numbers {
	n := numbers{{Tag: TagDocument, Value: b.Next.Document - 1}}
	n.grand(b.Grand, b.Grand)
	return n
}

func (b *Decommission) check(s *State) error {
	if err := s.selling(); err != nil {
		return err
	}
	switch {
	case s.Training:
		return refuse(CodeMode, "taken out of service while training")
	case s.Session.Open:
		return refuse(CodeSessionOpen, "the drawer has not been counted and closed")
	case s.Next.Document != s.Day.FirstNumber:
		return refuse(CodeDayOpen, "the day has documents that no Z report names")
	case b.Reason == "" || b.Keeper == "" || !line(b.Reason, sale.MaxReason) || !line(b.Keeper, 200):
		return refuse(CodeReason, "the end of a till needs a reason, and who keeps its records")
	case b.Grand != s.Grand || b.Next != s.Next:
		return refuse(CodeGrand, "grand totals %+v and numbers %+v where %+v and %+v are", b.Grand, b.Next, s.Grand, s.Next)
	case (b.LastZ == nil) != (s.LastZ == nil) || b.LastZ != nil && *b.LastZ != *s.LastZ:
		return refuse(CodeReference, "the last closing is not the one that is named")
	}
	return nil
}

func (b *Decommission) apply(s *State, h *proof.Head) error {
	s.Ended = &Ended{Index: h.Index, Time: h.Time}
	return nil
}
