package sqlite

import (
	"cmp"
	"slices"
)

// row is what shall stand in one row of the database, or that it shall be gone;
// one field is set.
type row struct {
	change  Change
	stage   *Staged
	unstage string // a command
}

// pending are rows that the database does not have yet. Of several changes of a
// row the last one is enough.
type pending struct {
	rows  map[string]row
	order []string // keys, as they first came
}

func newPending() *pending { return &pending{rows: map[string]row{}} }

func (p *pending) put(r row) {
	key := r.key()
	if _, ok := p.rows[key]; !ok {
		p.order = append(p.order, key)
	}
	p.rows[key] = r
}

func (p *pending) empty() bool { return p == nil || len(p.rows) == 0 }

// with is p and what came after it.
func (p *pending) with(later *pending) *pending {
	for _, key := range later.order {
		p.put(later.rows[key])
	}
	return p
}

func (p *pending) answer(command string) *Answer {
	if p == nil {
		return nil
	}
	return p.rows["answer "+command].change.Answer
}

// list orders the rows so that the database never has two open baskets: what
// goes, goes first, and what is opened comes last.
func (p *pending) list() []row {
	out := make([]row, 0, len(p.order))
	for _, key := range p.order {
		out = append(out, p.rows[key])
	}
	slices.SortStableFunc(out, func(a, b row) int { return cmp.Compare(a.turn(), b.turn()) })
	return out
}

func (r row) turn() int {
	switch b := r.change.Basket; {
	case r.change.DropBasket != "":
		return 0
	case b != nil && !b.Open:
		return 1
	case b != nil:
		return 2
	}
	return 3
}

// rowOf is the row that a change is about; ok is false where it is about none.
func rowOf(c Change) (key string, ok bool) {
	switch {
	case c.Person != nil:
		return "person " + c.Person.ID, true
	case c.Basket != nil:
		return "basket " + c.Basket.ID, true
	case c.DropBasket != "":
		return "basket " + c.DropBasket, true
	case c.Session != nil:
		return "session " + string(c.Session.Token), true
	case c.DropSession != nil:
		return "session " + string(c.DropSession), true
	case c.Answer != nil:
		return "answer " + c.Answer.Command, true
	case c.Setting != nil:
		return "setting " + c.Setting.Key, true
	}
	return "", false
}

func (r row) key() string {
	switch {
	case r.stage != nil:
		return "staged " + r.stage.Command
	case r.unstage != "":
		return "staged " + r.unstage
	}
	key, _ := rowOf(r.change)
	return key
}
