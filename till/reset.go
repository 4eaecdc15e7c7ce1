package till

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// ErrNotForReset says that somebody else with a PIN can help: only the PIN of an
// administrator or of the responsible person is set at the machine.
var ErrNotForReset = errors.New("an administrator gives this person a new PIN at the screen")

// ResetPIN gives an administrator or the responsible person a new PIN, for the day
// on which nobody knows theirs any more. Whoever has the till's files and keys may:
// that is all the protection there is, so the journal says for ever that it was
// done at the machine, and why. Somebody who was shut out is let in again where no
// other administrator is left. All their sessions end.
//
// The till must not run. Errors to decide on: those of [Open], [ErrNotForReset], a
// [*Refusal] for a PIN that is none.
func ResetPIN(ctx context.Context, o Options, person staff.ID, pin, why string) error {
	if why = oneLine(strings.TrimSpace(why)); why == "" {
		return errors.New("reset a PIN: no reason given")
	}
	n, err := Open(ctx, o)
	if err != nil {
		return fmt.Errorf("reset a PIN: %w", err)
	}
	if err := errors.Join(n.resetPIN(ctx, person, pin, why), n.Close(ctx)); err != nil {
		return fmt.Errorf("reset the PIN of person %s: %w", person, err)
	}
	return nil
}

func (n *Node) resetPIN(ctx context.Context, person staff.ID, pin, why string) error {
	if err := checkPIN(pin); err != nil {
		return err
	}
	hash, err := n.pins.hash(ctx, pin)
	if err != nil {
		return err
	}
	if err := n.compareNow(ctx); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p, err := n.resettable(person)
	if err != nil {
		return err
	}
	p.PIN, p.Active = hash, p.Active || !n.administered()
	bodies := []fiscal.Body{
		&fiscal.Recovery{Note: oneLine(fmt.Sprintf("the PIN of person %s was set at the machine: %s", person, why))},
		&fiscal.UserChange{Person: person, What: "pin", Old: staff.Role(p.Role), New: staff.Role(p.Role)},
	}
	m := n.marked(len(bodies))
	changes := []sqlite.Change{{Person: &p}, m.change()}
	for _, s := range n.sessions {
		if s.person.ID == person {
			changes = append(changes, sqlite.Change{DropSession: s.hash[:]})
		}
	}
	if err := n.both(ctx, newID(n.opts.Now()), bodies, changes); err != nil {
		return err
	}
	n.people[person], n.mark = p, m
	n.lockout.forget(person)
	n.keepGuesses(ctx)
	return nil
}

// resettable is somebody whose PIN nobody else may be able to set.
func (n *Node) resettable(person staff.ID) (sqlite.Person, error) {
	p, ok := n.people[person]
	if !ok {
		return p, refuse(NotFound, "unknown-person")
	}
	base, _ := n.state.Shop.Roles.Base(staff.Role(p.Role))
	if base != staff.Administrator && base != staff.Responsible {
		return p, ErrNotForReset
	}
	return p, nil
}

// administered reports whether any administrator can sign in.
func (n *Node) administered() bool {
	for _, p := range n.people {
		if p.Active && staff.Role(p.Role) == staff.Administrator {
			return true
		}
	}
	return false
}

// compareNow holds the vault against the journal, however far the projection is.
func (n *Node) compareNow(ctx context.Context) error {
	for n.searched.Load() < n.journal.Size() {
		if err := n.extend(ctx, n.searched.Load()); err != nil {
			return err
		}
	}
	if n.isCompared() {
		return nil
	}
	return n.compareVault(ctx)
}
