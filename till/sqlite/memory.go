package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// op is one thing that is done to the vault; one of Changes, Stage and Settle is
// set. Its JSON form, in a list, is a record of the log: docs/design/0002-till.md.
type op struct {
	Changes []Change `json:"changes,omitempty"`
	Stage   *Staged  `json:"stage,omitzero"`
	Settle  string   `json:"settle,omitzero"`
	Apply   bool     `json:"apply,omitzero"` // with Settle: the changes take effect
}

// ErrTwoOpen says that a change would open a basket beside the one that is open.
var ErrTwoOpen = errors.New("a second open basket")

// memory is what has to be known of the vault without asking the database, so
// that what goes into the log is sure to go into the database later.
type memory struct {
	open    string // id of the open basket
	staged  []Staged
	answers map[string]struct{} // commands whose answers the database has
	more    bool                // it has others besides
}

// maxAnswers bounds the answers that are remembered: some megabytes. Beyond that
// the database is asked for each command.
const maxAnswers = 50_000

func (m *memory) mayKnow(command string) bool {
	_, known := m.answers[command]
	return known || m.more
}

func (m *memory) answered(command string) {
	if len(m.answers) < maxAnswers {
		m.answers[command] = struct{}{}
		return
	}
	m.more = true
}

func (m *memory) clone() memory {
	return memory{open: m.open, staged: slices.Clone(m.staged), answers: m.answers, more: m.more}
}

// check says whether an op can be done.
func (m *memory) check(o op) error {
	switch {
	case o.Stage != nil:
		if _, ok := m.stagedFor(o.Stage.Command); ok {
			return fmt.Errorf("changes of command %s are staged already", o.Stage.Command)
		}
	case o.Settle != "":
		s, _ := m.stagedFor(o.Settle)
		if o.Apply {
			return m.checkChanges(s.Changes)
		}
	default:
		return m.checkChanges(o.Changes)
	}
	return nil
}

func (m *memory) checkChanges(changes []Change) error {
	open := m.open
	for _, c := range changes {
		if _, ok := rowOf(c); !ok {
			return errors.New("empty change")
		}
		next := c.opens(open)
		if open != "" && next != "" && next != open {
			return ErrTwoOpen
		}
		open = next
	}
	return nil
}

// opens is which basket is open after the change, when open was before.
func (c Change) opens(open string) string {
	switch {
	case c.Basket != nil && c.Basket.Open:
		return c.Basket.ID
	case c.Basket != nil && c.Basket.ID == open, c.DropBasket == open:
		return ""
	}
	return open
}

func (m *memory) stagedFor(command string) (Staged, bool) {
	i := slices.IndexFunc(m.staged, func(s Staged) bool { return s.Command == command })
	if i < 0 {
		return Staged{}, false
	}
	return m.staged[i], true
}

// note makes an op that was checked true in memory, and pending for the database.
func (v *Vault) note(o op) {
	switch {
	case o.Stage != nil:
		v.memory.staged = append(v.memory.staged, *o.Stage)
		v.pending.put(row{stage: o.Stage})
	case o.Settle != "":
		s, _ := v.memory.stagedFor(o.Settle)
		v.memory.staged = slices.DeleteFunc(v.memory.staged, func(s Staged) bool { return s.Command == o.Settle })
		v.pending.put(row{unstage: o.Settle})
		if o.Apply {
			v.noteChanges(s.Changes)
		}
	default:
		v.noteChanges(o.Changes)
	}
}

func (v *Vault) noteChanges(changes []Change) {
	for _, c := range changes {
		v.memory.open = c.opens(v.memory.open)
		v.pending.put(row{change: c})
	}
}

// waiting is the answer to a command that is not in the database yet, nil if
// there is none.
func (v *Vault) waiting(command string) *Answer {
	for _, p := range []*pending{v.pending, v.under} {
		if a := p.answer(command); a != nil {
			return a
		}
	}
	return nil
}

// learnAnswers reads which commands the database has answers to. Called while
// nothing is taken over.
func (v *Vault) learnAnswers(ctx context.Context) error {
	list, err := all(ctx, v.d.db, func(scan func(...any) error) (command string, err error) {
		err = scan(&command)
		return command, err
	}, "SELECT command FROM answer ORDER BY at DESC LIMIT ?", maxAnswers+1)
	if err != nil {
		return fmt.Errorf("list answers: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.memory.answers, v.memory.more = make(map[string]struct{}, len(list)), false
	for _, command := range list {
		v.memory.answered(command)
	}
	return nil
}
