// Package vault keeps account of the notes in and before a simulated recycler:
// which lie in which cassette, on the stacker, in the transport or in the slot,
// what customers took away and brought, and the counters that the standard has
// for each cassette.
//
// Every change is a [Vault.Change]: a function that moves notes in a copy, which
// is made durable as a whole before it counts. So no note is ever in two places
// or in none, wherever power is lost. Two sums hold always:
//
//   - For each kind of note: cassettes + stacker + transport + input + output +
//     customers is a constant; customers may be below zero, they bring notes too.
//   - For each cassette: what is in it is the initial count plus all that came in
//     less all that went out, unless somebody put notes in or took them out
//     without telling ([State.Miscount]); Drift tells by how much.
//
// After an error of the disk the vault refuses every change until it is opened
// again. It knows nothing of the protocol, and has no lock: its device has one.
package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/durable"
)

// Place is where notes can lie outside of the cassettes.
type Place string

// The places.
const (
	Stacker   Place = "stacker"
	Transport Place = "transport"
	Input     Place = "input"  // put in by a customer, not taken in yet
	Output    Place = "output" // within a customer's reach
)

// Pile is notes by the cassette they came from; those of customers are under "".
type Pile map[string]Notes

// All is the notes of a pile, wherever they came from.
func (p Pile) All() Notes {
	out := Notes{}
	for _, n := range p {
		out.Add(n)
	}
	return out
}

func (p Pile) clone() Pile {
	out := Pile{}
	for from, n := range p {
		out[from] = maps.Clone(n)
	}
	return out
}

// State is everything that survives.
type State struct {
	Units   map[string]*Unit `json:"units"`
	Piles   map[Place]Pile   `json:"piles"`
	Outside Notes            `json:"outside"` // with customers and attendants; may be below zero
	// Memory is what the device keeps beside the notes, by name; it is written
	// together with them.
	Memory map[string]jsonText `json:"memory,omitzero"`
}

// Unit is a cassette.
type Unit struct {
	Notes   Notes         `json:"notes"`   // what is really in it
	Areas   map[int]Notes `json:"areas"`   // which of them lie in which retract area, from 1
	Initial Notes         `json:"initial"` // what follows are the counters
	In      In            `json:"in"`
	Out     Out           `json:"out"`
}

// In counts what came into a cassette, Out what left it, by reason.
type (
	In struct {
		Retracts                                         int
		Deposited, Retracted, Rejected, Distributed, Way Notes
	}
	Out struct {
		Presented, Rejected, Distributed, Unknown, Stacked, Diverted, Way Notes
	}
)

func (i In) all() []Notes {
	return []Notes{i.Deposited, i.Retracted, i.Rejected, i.Distributed, i.Way}
}

func (o Out) all() []Notes {
	return []Notes{o.Presented, o.Rejected, o.Distributed, o.Unknown, o.Stacked, o.Diverted, o.Way}
}

// Counted is what the counters say is in the cassette.
func (u *Unit) Counted() Notes {
	sum := maps.Clone(u.Initial)
	if sum == nil {
		sum = Notes{}
	}
	for _, n := range u.In.all() {
		sum.Add(n)
	}
	for _, n := range u.Out.all() {
		sum.Remove(n)
	}
	return sum
}

// Drift is what is really in the cassette less what is counted.
func (u *Unit) Drift() Notes {
	d := maps.Clone(u.Notes)
	d.Remove(u.Counted())
	return d
}

// newUnit is an empty cassette.
func newUnit() *Unit {
	u := &Unit{}
	u.complete()
	return u
}

// Total is all notes that the state knows of. No move changes it.
func (s *State) Total() Notes {
	sum := maps.Clone(s.Outside)
	if sum == nil {
		sum = Notes{}
	}
	for _, u := range s.Units {
		sum.Add(u.Notes)
	}
	for _, p := range s.Piles {
		sum.Add(p.All())
	}
	return sum
}

// Vault is a state on a disk.
type Vault struct {
	fsys   durable.FS // nil: in memory
	file   string
	state  *State
	failed error
}

const (
	fileName = "notes.json"
	maxFile  = 8 << 20
)

// ErrSize is returned by Change for a state that has become too large to be kept.
var ErrSize = errors.New("the notes' account is too large")

// Open reads the state in a folder, which must exist; where there is none the
// cassettes are new and hold what stock says. With fsys nil nothing is kept.
// Cassettes that the folder does not know yet begin with their stock.
func Open(fsys durable.FS, folder string, stock map[string]Notes) (*Vault, error) {
	v := &Vault{fsys: fsys, file: path.Join(folder, fileName), state: &State{}}
	if fsys != nil {
		if err := v.load(); err != nil {
			return nil, err
		}
	}
	v.state.complete(stock)
	if fsys == nil {
		return v, nil
	}
	return v, v.Change(func(*State) error { return nil })
}

func (v *Vault) load() error {
	data, err := durable.ReadFile(v.fsys, v.file, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the notes' account: %w", err)
	}
	v.state, err = parse(data)
	if err != nil {
		return fmt.Errorf("read the notes' account %s: %w", v.file, err)
	}
	return nil
}

// parse reads a state. Whatever it accepts can be worked with: no map is missing,
// and no place holds fewer than none or more notes than there are.
func parse(data []byte) (*State, error) {
	s := &State{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, err
	}
	for _, u := range s.Units {
		if u == nil {
			return nil, fmt.Errorf("a cassette is null: %w", ErrNotes)
		}
		u.complete()
		if err := sensible(u.Notes); err != nil {
			return nil, err
		}
	}
	for _, p := range s.Piles {
		for _, n := range p {
			if err := sensible(n); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// maxNotes is more than any place holds.
const maxNotes = 10_000_000

func sensible(n Notes) error {
	for kind, c := range n {
		if c < 0 || c > maxNotes {
			return fmt.Errorf("%d of %.40q: %w", c, string(kind), ErrNotes)
		}
	}
	return nil
}

// complete makes the maps that a cassette lacks.
func (u *Unit) complete() {
	if u.Areas == nil {
		u.Areas = map[int]Notes{}
	}
	for _, n := range []*Notes{&u.Notes, &u.Initial, &u.In.Deposited, &u.In.Retracted, &u.In.Rejected, &u.In.Distributed, &u.In.Way,
		&u.Out.Presented, &u.Out.Rejected, &u.Out.Distributed, &u.Out.Unknown, &u.Out.Stacked, &u.Out.Diverted, &u.Out.Way} {
		if *n == nil {
			*n = Notes{}
		}
	}
	for i, n := range u.Areas {
		if n == nil {
			u.Areas[i] = Notes{}
		}
	}
}

// complete makes what a new or older state lacks.
func (s *State) complete(stock map[string]Notes) {
	if s.Units == nil {
		s.Units = map[string]*Unit{}
	}
	if s.Piles == nil {
		s.Piles = map[Place]Pile{}
	}
	if s.Memory == nil {
		s.Memory = map[string]jsonText{}
	}
	if s.Outside == nil {
		s.Outside = Notes{}
	}
	for _, p := range []Place{Stacker, Transport, Input, Output} {
		if s.Piles[p] == nil {
			s.Piles[p] = Pile{}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(stock)) {
		if s.Units[id] == nil {
			s.Units[id] = newUnit()
			s.Units[id].Notes.Add(stock[id])
			s.Units[id].Initial.Add(stock[id])
			s.Outside.Remove(stock[id])
		}
	}
}

// State is the present state; it is to be read only.
func (v *Vault) State() *State { return v.state }

// Failed is why nothing can be changed any more, nil while all is well.
func (v *Vault) Failed() error { return v.failed }

// Change lets do change a copy of the state, makes it durable, and then the present
// one. An error of do changes nothing and is returned as it is.
func (v *Vault) Change(do func(*State) error) error {
	if v.failed != nil {
		return v.failed
	}
	next := v.state.clone()
	if err := do(next); err != nil {
		return err
	}
	if v.fsys != nil {
		data, err := json.Marshal(next, json.Deterministic(true))
		if err == nil && len(data) > maxFile {
			return fmt.Errorf("%d bytes: %w", len(data), ErrSize) // it could not be read again
		}
		if err == nil {
			// A crash here leaves the state before or after the change, whole.
			err = durable.Replace(v.fsys, v.file, data)
		}
		if err != nil {
			v.failed = fmt.Errorf("keep the notes' account: %w", err)
			return v.failed
		}
	}
	v.state = next
	return nil
}

func (s *State) clone() *State {
	c := &State{Units: map[string]*Unit{}, Piles: map[Place]Pile{}, Outside: maps.Clone(s.Outside), Memory: maps.Clone(s.Memory)}
	for id, u := range s.Units {
		c.Units[id] = u.clone()
	}
	for place, p := range s.Piles {
		c.Piles[place] = p.clone()
	}
	return c
}

func (u *Unit) clone() *Unit {
	c := &Unit{Notes: maps.Clone(u.Notes), Areas: map[int]Notes{}, Initial: maps.Clone(u.Initial)}
	for i, n := range u.Areas {
		c.Areas[i] = maps.Clone(n)
	}
	in, out := u.In, u.Out
	c.In = In{in.Retracts, maps.Clone(in.Deposited), maps.Clone(in.Retracted), maps.Clone(in.Rejected), maps.Clone(in.Distributed), maps.Clone(in.Way)}
	c.Out = Out{maps.Clone(out.Presented), maps.Clone(out.Rejected), maps.Clone(out.Distributed), maps.Clone(out.Unknown),
		maps.Clone(out.Stacked), maps.Clone(out.Diverted), maps.Clone(out.Way)}
	return c
}
