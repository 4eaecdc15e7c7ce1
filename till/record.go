package till

import (
	"context"
	"fmt"
	"strings"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
)

// recorded are entries that were staged together.
type recorded struct {
	ticket *journal.Ticket
	heads  []*proof.Head
}

// stage gives bodies their place in the journal and makes them the state. The
// book is held. Bodies are tried on a copy first, so an error means that nothing
// has happened. A snapshot follows in the same group when one is due, and a
// clock that has jumped is journaled before.
//
// What is staged is in the state before it is durable: if its sync fails the
// journal stops and the process with it, and the next start folds what the disk
// kept.
func (n *Node) stage(command [16]byte, bodies ...fiscal.Body) (*recorded, error) {
	if err := n.stopped(); err != nil {
		return nil, err
	}
	if err := n.mayWrite(bodies); err != nil {
		return nil, err
	}
	now := n.clock.look()
	s := &scratch{
		state: n.state.Clone(), origin: n.journal.Origin(), time: now.wall, uptime: now.uptime, boot: n.opts.Boot,
		command: command, unsure: now.unsure,
	}
	matters := n.matters
	for i, b := range n.withClock(bodies, now) {
		if err := s.add(b); err != nil {
			return nil, fmt.Errorf("entry %d of a group: %w", i, err)
		}
		if !aboutMachine(b) {
			matters = s.state.Size
		}
	}
	if err := n.addSnapshot(s); err != nil {
		return nil, err
	}
	t, err := n.journal.Stage(s.drafts...)
	if err != nil {
		return nil, because(Unavailable, "stopping", err)
	}
	n.clock.wrote(s.time)
	n.state, n.matters = s.state, matters
	n.shown.forget(bodies)
	for _, b := range bodies {
		n.papers.staged(b, n.state.Size, n.searched.Load())
	}
	return &recorded{ticket: t, heads: s.heads}, nil
}

// withClock puts a clock change behind the bodies where the clock has jumped or
// its doubt begins or ends: behind, so that a command's own entry stays first.
func (n *Node) withClock(bodies []fiscal.Body, now reading) []fiscal.Body {
	if now.step == nil && now.unsure == n.state.Clock.Unsure {
		return bodies
	}
	c := &fiscal.ClockChange{Before: now.wall.UTC(), After: now.wall.UTC(), Unsure: now.unsure}
	if now.step != nil {
		c.Before, c.After, c.Step = now.step.Expected.UTC(), now.step.Got.UTC(), now.step.By.Milliseconds()
	}
	return append(bodies[:len(bodies):len(bodies)], c)
}

// addSnapshot adds a snapshot behind a Z report and when enough entries have
// come since the last one.
func (n *Node) addSnapshot(s *scratch) error {
	due := s.state.Size-n.snapshot >= fiscal.SnapshotEvery
	for _, d := range s.drafts {
		due = due || d.Kind == fiscal.KindZReport
	}
	if !due {
		return nil
	}
	b, err := s.state.NewSnapshot()
	if err != nil {
		return err
	}
	at := s.state.Size
	if err := s.add(b); err != nil {
		return err
	}
	n.snapshot = at
	return nil
}

// append stages bodies and waits until they are durable, holding the book.
func (n *Node) append(ctx context.Context, command [16]byte, bodies ...fiscal.Body) (*recorded, error) {
	r, err := n.stage(command, bodies...)
	if err != nil {
		return nil, err
	}
	if err := r.ticket.Wait(ctx); err != nil {
		return nil, because(Unavailable, "stopping", err)
	}
	return r, nil
}

// note journals something that nobody waits for; without bodies it is the clock
// that has something to say. The error goes to the log: a
// journal that has stopped ends the node by itself.
func (n *Node) note(bodies ...fiscal.Body) {
	if _, err := n.stage([16]byte{}, bodies...); err != nil {
		n.opts.Log.Error("event not journaled", "events", len(bodies), "err", err)
	}
	n.stream.changed()
}

// oneLine makes a text fit for an entry.
func oneLine(s string) string { return lineOf(s, 200) }

// lineOf makes a text of at most so many characters fit for an entry.
func lineOf(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfffd || turns(r) {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > most {
		s = string(r[:most])
	}
	return s
}
