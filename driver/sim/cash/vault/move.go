package vault

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Errors of moves.
var (
	ErrUnit  = errors.New("there is no such cassette")
	ErrNotes = errors.New("the notes are not there")
)

func (s *State) unit(id string) (*Unit, error) {
	if u := s.Units[id]; u != nil {
		return u, nil
	}
	return nil, fmt.Errorf("%.40q: %w", id, ErrUnit)
}

// draw takes notes out of a cassette for a reason.
func (s *State) draw(id string, n Notes, why func(*Out) Notes) error {
	u, err := s.unit(id)
	if err != nil {
		return err
	}
	if !u.Notes.holds(n) {
		return fmt.Errorf("%s: %w", id, ErrNotes)
	}
	u.Notes.Remove(n)
	why(&u.Out).Add(n)
	u.leaveAreas(n)
	return nil
}

// leaveAreas takes notes out of the retract areas, the last area first.
func (u *Unit) leaveAreas(n Notes) {
	for _, i := range slices.Backward(slices.Sorted(maps.Keys(u.Areas))) {
		for kind, c := range n {
			gone := min(c, u.Areas[i][kind])
			u.Areas[i].Remove(Notes{kind: gone})
		}
	}
}

// put brings notes into a cassette for a reason.
func (s *State) put(id string, n Notes, why func(*In) Notes) error {
	u, err := s.unit(id)
	if err != nil {
		return err
	}
	u.Notes.Add(n)
	why(&u.In).Add(n)
	return nil
}

// lay puts notes on a pile.
func (s *State) lay(p Place, from string, n Notes) {
	if s.Piles[p][from] == nil {
		s.Piles[p][from] = Notes{}
	}
	s.Piles[p][from].Add(n)
	if len(s.Piles[p][from]) == 0 {
		delete(s.Piles[p], from)
	}
}

// lift takes notes off a pile.
func (s *State) lift(p Place, from string, n Notes) error {
	if !s.Piles[p][from].holds(n) {
		return fmt.Errorf("%s of %q: %w", p, from, ErrNotes)
	}
	s.Piles[p][from].Remove(n)
	if len(s.Piles[p][from]) == 0 {
		delete(s.Piles[p], from)
	}
	return nil
}

// Pick takes notes from a cassette to the stacker.
func (s *State) Pick(id string, n Notes) error {
	if err := s.draw(id, n, func(o *Out) Notes { return o.Stacked }); err != nil {
		return err
	}
	s.lay(Stacker, id, n)
	return nil
}

// Jam takes notes from a cassette as far as the transport.
func (s *State) Jam(id string, n Notes) error {
	if err := s.draw(id, n, func(o *Out) Notes { return o.Way }); err != nil {
		return err
	}
	s.lay(Transport, id, n)
	return nil
}

// PickBad takes notes from a cassette straight to the reject cassette.
func (s *State) PickBad(id string, n Notes, reject string) error {
	if err := s.draw(id, n, func(o *Out) Notes { return o.Rejected }); err != nil {
		return err
	}
	return s.put(reject, n, func(i *In) Notes { return i.Rejected })
}

// Transfer moves notes from one cassette to another.
func (s *State) Transfer(from string, n Notes, to string) error {
	if err := s.draw(from, n, func(o *Out) Notes { return o.Distributed }); err != nil {
		return err
	}
	return s.put(to, n, func(i *In) Notes { return i.Distributed })
}

// counter is the counter of the cassette that stands for its notes in a place;
// nil where the notes are a customer's already.
func (s *State) counter(p Place, from string) Notes {
	u := s.Units[from]
	switch {
	case u == nil:
		return Notes{}
	case p == Stacker:
		return u.Out.Stacked
	case p == Transport:
		return u.Out.Way
	}
	return nil
}

// Shift moves the notes of one place to another.
func (s *State) Shift(from, to Place) error {
	for id, n := range s.Piles[from].clone() {
		if err := s.ShiftSome(from, to, id, n); err != nil {
			return err
		}
	}
	return nil
}

// ShiftSome moves notes that came from one cassette (or, with "", from a customer)
// from one place to another.
func (s *State) ShiftSome(from, to Place, id string, n Notes) error {
	n = maps.Clone(n)
	if err := s.lift(from, id, n); err != nil {
		return err
	}
	source := s.counter(from, id)
	if u := s.Units[id]; u != nil && source != nil {
		target := s.counter(to, id)
		if target == nil {
			target = u.Out.Presented
		}
		source.Remove(n)
		target.Add(n)
	}
	if source == nil && to != Input && to != Output {
		id = "" // once within a customer's reach, nobody vouches for them
	}
	s.lay(to, id, n)
	return nil
}

// Why says as what notes come into a cassette.
type Why int

// Reasons.
const (
	Deposited   Why = iota // at the end of a cash-in
	Retracted              // nobody took them
	Rejected               // not good enough to go on
	Distributed            // moved between cassettes
)

func (w Why) counter(i *In) Notes {
	switch w {
	case Deposited:
		return i.Deposited
	case Retracted:
		return i.Retracted
	case Rejected:
		return i.Rejected
	}
	return i.Distributed
}

// Stow brings notes of a place into a cassette. What its own cassette still
// counted as under way is counted there as rejected, or as distributed for other
// reasons. area is a retract area from 1, or 0.
func (s *State) Stow(from Place, id string, n Notes, to string, why Why, area int) error {
	n = maps.Clone(n)
	if err := s.lift(from, id, n); err != nil {
		return err
	}
	if source := s.counter(from, id); s.Units[id] != nil && source != nil {
		source.Remove(n)
		if why == Rejected {
			s.Units[id].Out.Rejected.Add(n)
		} else {
			s.Units[id].Out.Distributed.Add(n)
		}
	}
	if err := s.put(to, n, why.counter); err != nil {
		return err
	}
	if area > 0 {
		u := s.Units[to]
		if u.Areas[area] == nil {
			u.Areas[area] = Notes{}
		}
		u.Areas[area].Add(n)
	}
	return nil
}

// CountRetract counts one retract operation of a cassette.
func (s *State) CountRetract(id string) {
	if u := s.Units[id]; u != nil {
		u.In.Retracts++
	}
}

// Take is a customer taking notes out of the input or the output.
func (s *State) Take(p Place, n Notes) error {
	if !s.Piles[p].All().holds(n) {
		return fmt.Errorf("%s: %w", p, ErrNotes)
	}
	rest := maps.Clone(n)
	for _, id := range slices.Sorted(maps.Keys(s.Piles[p])) {
		part := Notes{}
		for kind, c := range rest {
			if k := min(c, s.Piles[p][id][kind]); k > 0 {
				part[kind] = k
			}
		}
		rest.Remove(part)
		if err := s.lift(p, id, part); err != nil {
			return err
		}
	}
	s.Outside.Add(n)
	return nil
}

// Insert is a customer putting notes into the input.
func (s *State) Insert(n Notes) {
	s.Outside.Remove(n)
	s.lay(Input, "", n)
}

// Leave is a customer putting notes back into the output.
func (s *State) Leave(n Notes) {
	s.Outside.Remove(n)
	s.lay(Output, "", n)
}

// Fill makes a cassette hold exactly these notes, counted as its initial ones; an
// attendant brings what is missing and takes the rest away. All its other counters
// begin anew, but for what is still under way from it.
func (s *State) Fill(id string, n Notes) error {
	u, err := s.unit(id)
	if err != nil {
		return err
	}
	s.Outside.Add(u.Notes)
	s.Outside.Remove(n)
	fresh := newUnit()
	fresh.Notes.Add(n)
	fresh.Out.Stacked, fresh.Out.Way = u.Out.Stacked, u.Out.Way
	fresh.Initial.Add(n)
	fresh.Initial.Add(fresh.Out.Stacked)
	fresh.Initial.Add(fresh.Out.Way)
	s.Units[id] = fresh
	return nil
}

// Miscount changes what is really in a cassette and not its counters: somebody
// took notes (or, below zero, slipped some in).
func (s *State) Miscount(id string, n Notes) error {
	u, err := s.unit(id)
	if err != nil {
		return err
	}
	for kind, c := range n {
		if u.Notes[kind] < c {
			return fmt.Errorf("%s: %w", id, ErrNotes)
		}
	}
	u.Notes.Remove(n)
	s.Outside.Add(n)
	return nil
}

// Recount sets the counters to what is really there, as an honest count finds it.
func (s *State) Recount(id string) error {
	u, err := s.unit(id)
	if err != nil {
		return err
	}
	u.Initial.Add(u.Drift())
	return nil
}

// Turn makes notes of a kind into another kind, as ink does to genuine ones; both
// in the cassette and as counted.
func (s *State) Turn(id string, into Level) error {
	u, err := s.unit(id)
	if err != nil {
		return err
	}
	for kind, c := range maps.Clone(u.Notes) {
		was, is := Notes{kind: c}, Notes{NoteOf(kind.Type(), into): c}
		for _, n := range []Notes{u.Notes, u.Initial} {
			n.Remove(was)
			n.Add(is)
		}
		s.Outside.Add(was)
		s.Outside.Remove(is)
	}
	return nil
}
