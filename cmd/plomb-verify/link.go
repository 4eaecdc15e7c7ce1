package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
)

// link is what an epoch's end hands on to the next epoch.
type link struct {
	origin string
	size   uint64
	state  *fiscal.State // nil: not known in full
}

// linkOf is the end of an epoch that was verified.
func linkOf(rep *journal.Report, c *contents) *link {
	l := &link{origin: rep.Origin, size: rep.Size}
	if c != nil && c.complete(rep) {
		l.state = c.check.State()
	}
	return l
}

// claim is what the first entry of the epoch after says of this one.
type claim struct {
	*fiscal.Epoch
	point *proof.Checkpoint // its last known checkpoint; nil: none
}

// claimIn reads the first entry of the epoch in dir; nil: it cannot be read, or says nothing of an epoch before.
func (s *session) claimIn(ctx context.Context, dir string) *claim {
	j := s.open(dir)
	if j == nil {
		return nil
	}
	b, err := bodyAt(ctx, j, 0)
	if e, ok := b.(*fiscal.Epoch); ok && err == nil {
		point, _ := lastKnown(e) // what is malformed is found in its own epoch
		return &claim{e, point}
	}
	return nil
}

// lastKnown parses the checkpoint in an epoch's first entry: a signed note, or
// the text alone where no signature was left.
func lastKnown(e *fiscal.Epoch) (*proof.Checkpoint, error) {
	if e.Checkpoint == "" {
		return nil, nil
	}
	c, _, err := proof.ParseNote([]byte(e.Checkpoint))
	if err != nil {
		c, err = proof.ParseCheckpoint([]byte(e.Checkpoint))
	}
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// hold adds what the epoch after knows of this one to what it is held against.
func (c *claim) hold(opts *journal.VerifyOptions, origin string) {
	if c == nil || c.point == nil || c.point.Origin != origin {
		return
	}
	opts.Checkpoints = append(opts.Checkpoints, *c.point)
	if c.AtLeast {
		opts.Lost = c.point.Size
	}
}

// lost notes that the end of an epoch is gone, and that the epoch after says so:
// that is no tampering, but nobody vouches for what was there.
func (c *claim) lost(it *item, rep *journal.Report) {
	if c == nil || c.point == nil || c.point.Origin != rep.Origin || !c.AtLeast || c.point.Size <= rep.Size {
		return
	}
	it.OriginChecked = false
	it.say("its end is lost: it holds %d entries, the epoch after goes on from %d and says why: %s", rep.Size, c.point.Size, c.Reason)
}

// link holds the first entry of an epoch against the end of the epoch before.
func (s *session) link(it *item, e epoch, c *contents, before *link) {
	if c == nil || c.first == nil {
		return
	}
	first, ok := c.first.(*fiscal.Epoch)
	switch {
	case !ok && before != nil:
		it.find(0, "epoch", fmt.Sprintf("begins as if there were no %s before", before.origin))
	case ok && before == nil && e.number == 1:
		it.find(0, "epoch", fmt.Sprintf("the first epoch says that it goes on from %s", first.Origin))
	case ok && before == nil:
		it.say("goes on from %s, which was not looked at: %s", first.Origin, first.Reason)
	case ok:
		it.say("goes on from %s: %s", first.Origin, first.Reason)
		s.goesOn(it, first, before)
	}
}

// goesOn compares what an epoch says of the one before with that.
func (s *session) goesOn(it *item, e *fiscal.Epoch, before *link) {
	if e.Origin != before.origin {
		it.find(0, "epoch", fmt.Sprintf("goes on from %s, the epoch before is %s", e.Origin, before.origin))
		return
	}
	if err := s.vouched(e); err != nil {
		it.find(0, "epoch", fmt.Sprintf("the checkpoint of %s that it goes on from: %v", e.Origin, err))
	}
	if before.state != nil && !follows(e, before.state) {
		it.find(0, "epoch", fmt.Sprintf("goes on with %s, the epoch before ended with %s", figures(e.Next, e.Grand), figures(before.state.Next, before.state.Grand)))
	}
}

// vouched checks the checkpoint that an epoch goes on from by itself; how it
// compares with the epoch before is found there.
func (s *session) vouched(e *fiscal.Epoch) error {
	point, err := lastKnown(e)
	if err != nil || point == nil {
		return err
	}
	if point.Origin != e.Origin {
		return fmt.Errorf("it is of %s", point.Origin)
	}
	_, _, unsigned := proof.ParseNote([]byte(e.Checkpoint))
	if s.policy == nil || unsigned != nil {
		return nil
	}
	if _, err := s.policy.Verify([]byte(e.Checkpoint)); err != nil && !errors.Is(err, proof.ErrQuorum) {
		return err
	}
	return nil
}

// follows reports whether numbers and grand totals go on; where the end of the
// epoch before may be lost they may have become more.
func follows(e *fiscal.Epoch, s *fiscal.State) bool {
	if !e.AtLeast {
		return e.Next == s.Next && e.Grand == s.Grand
	}
	return e.Next.Document >= s.Next.Document && e.Next.Z >= s.Next.Z && e.Next.Training >= s.Next.Training &&
		e.Grand.Sale >= s.Grand.Sale && e.Grand.Return >= s.Grand.Return
}

func figures(n fiscal.Next, g drawer.Grand) string {
	return fmt.Sprintf("document %d, Z %d, training %d, grand totals %d less %d", n.Document, n.Z, n.Training, g.Sale, g.Return)
}
