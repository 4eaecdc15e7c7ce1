package main

import (
	"context"
	"errors"
	"fmt"

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
		point, _, _ := e.LastKnown() // what is malformed is found in its own epoch
		return &claim{e, point}
	}
	return nil
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
	if err := e.Follows(before.origin, before.state); err != nil {
		it.find(0, "epoch", err.Error())
		return
	}
	if err := s.vouched(e); err != nil {
		it.find(0, "epoch", fmt.Sprintf("the checkpoint of %s that it goes on from: %v", e.Origin, err))
	}
}

// vouched checks the signature of the checkpoint that an epoch goes on from; how
// it compares with the epoch before is found there.
func (s *session) vouched(e *fiscal.Epoch) error {
	point, signed, err := e.LastKnown()
	if err != nil || point == nil || s.policy == nil || !signed {
		return err
	}
	if _, err := s.policy.Verify([]byte(e.Checkpoint)); err != nil && !errors.Is(err, proof.ErrQuorum) {
		return err
	}
	return nil
}
