package till

import (
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// personArgs are what people are added and changed by.
type personArgs struct {
	ID     staff.ID `json:"id"`
	Name   *string  `json:"name,omitzero"`
	Role   *string  `json:"role,omitzero"`
	PIN    *string  `json:"pin,omitzero"`
	Active *bool    `json:"active,omitzero"`
}

// personOperation: who appoints administrators or the responsible person needs
// another right than who changes anybody else. Where nobody is responsible yet
// there is nobody to ask: then the administrator names the first one.
func personOperation(c *call) (staff.Name, error) {
	in, err := args[personArgs](c)
	if err != nil {
		return staff.PeopleChange, err
	}
	high := func(r staff.Role) bool {
		base, _ := c.shop().Roles.Base(r)
		return base == staff.Administrator || base == staff.Responsible
	}
	if old, ok := c.n.people[in.ID]; ok && high(staff.Role(old.Role)) {
		return staff.AppointAdmin, nil
	}
	if in.Role != nil {
		if r, err := roleNamed(*in.Role, c.shop().Roles); err == nil && high(r) && (r != staff.Responsible || c.n.someoneResponsible()) {
			return staff.AppointAdmin, nil
		}
	}
	return staff.PeopleChange, nil
}

// someoneResponsible reports whether the shop ever had a responsible person: one
// who was shut out still counts, so that nobody is made responsible by shutting
// somebody out.
func (n *Node) someoneResponsible() bool {
	for _, p := range n.people {
		if base, ok := n.state.Shop.Roles.Base(staff.Role(p.Role)); ok && base == staff.Responsible {
			return true
		}
	}
	return false
}

// pinOperation: one's own PIN, or somebody else's.
func pinOperation(c *call) (staff.Name, error) {
	in, err := args[personArgs](c)
	if err != nil || in.ID == c.who.ID || in.ID == "" {
		return staff.OwnPIN, err
	}
	return personOperation(c)
}

// hashPIN makes the hash of a new PIN, outside the book.
func hashPIN(c *call, _ sessionKey) error {
	in, err := args[personArgs](c)
	if err != nil {
		return err
	}
	if in.PIN == nil {
		return refuse(Invalid, "pin-length")
	}
	if err := checkPIN(*in.PIN); err != nil {
		return err
	}
	hash, err := c.n.pins.hash(c.ctx, *in.PIN)
	c.ready = hash
	return err
}

func addPerson(c *call) error {
	in, err := args[personArgs](c)
	if err != nil {
		return err
	}
	if _, ok := c.n.people[in.ID]; ok {
		return refuse(Conflict, "person-exists")
	}
	if len(c.n.people) >= maxPeople {
		return refuse(Refused, "too-many-people")
	}
	if in.Name == nil {
		return refuse(Invalid, "bad-person-name")
	}
	p := sqlite.Person{ID: string(in.ID), PIN: c.ready.(string), Active: true}
	if err := in.onto(&p, c.shop().Roles); err != nil {
		return err
	}
	return c.person(p, &fiscal.UserChange{Actor: c.actor(), Person: in.ID, What: "added", New: staff.Role(p.Role)})
}

// maxPeople bounds those that one till knows.
const maxPeople = 500

// onto puts what is named into a person.
func (in personArgs) onto(p *sqlite.Person, roles staff.Book) error {
	if in.Name != nil {
		if err := checkName(*in.Name); err != nil {
			return err
		}
		p.Name = *in.Name
	}
	if in.Role != nil {
		r, err := roleNamed(*in.Role, roles)
		if err != nil {
			return err
		}
		p.Role = string(r)
	}
	if in.Active != nil {
		p.Active = *in.Active
	}
	return personOf(*p).Validate()
}

// changePerson changes name, role or whether somebody may sign in. Nobody is
// ever deleted: the journal names them.
func changePerson(c *call) error {
	in, err := args[personArgs](c)
	if err != nil {
		return err
	}
	p, ok := c.n.people[in.ID]
	if !ok {
		return refuse(NotFound, "unknown-person")
	}
	if in.PIN != nil {
		return refuse(Invalid, "malformed")
	}
	old := p
	if err := in.onto(&p, c.shop().Roles); err != nil {
		return err
	}
	if c.n.lastAdministrator(old, p) {
		return refuse(Refused, "last-administrator")
	}
	what := "changed"
	if old.Active && !p.Active {
		what = "removed"
	}
	b := &fiscal.UserChange{Actor: c.actor(), Person: in.ID, What: what, Old: staff.Role(old.Role), New: staff.Role(p.Role)}
	c.endSessions(in.ID)
	c.after(func() {
		if c.session.person.ID == in.ID { // the right to go on is that of the new role
			c.session.person = personOf(p)
		}
	})
	return c.person(p, b)
}

// lastAdministrator reports whether a change would leave the till without one.
func (n *Node) lastAdministrator(old, next sqlite.Person) bool {
	is := func(p sqlite.Person) bool { return p.Active && staff.Role(p.Role) == staff.Administrator }
	if !is(old) || is(next) {
		return false
	}
	for id, p := range n.people {
		if string(id) != old.ID && is(p) {
			return false
		}
	}
	return true
}

func changePIN(c *call) error {
	in, err := args[personArgs](c)
	if err != nil {
		return err
	}
	if in.ID == "" {
		in.ID = c.who.ID
	}
	p, ok := c.n.people[in.ID]
	if !ok {
		return refuse(NotFound, "unknown-person")
	}
	p.PIN = c.ready.(string)
	c.after(func() { c.n.lockout.forget(in.ID) })
	c.endSessions(in.ID) // whoever knew the old PIN is out
	return c.person(p, &fiscal.UserChange{Actor: c.actor(), Person: in.ID, What: "pin", Old: staff.Role(p.Role), New: staff.Role(p.Role)})
}

// person records and keeps somebody.
func (c *call) person(p sqlite.Person, b *fiscal.UserChange) error {
	if !c.n.compared {
		return refuse(Unavailable, "searching")
	}
	c.record(b)
	m := c.n.marked(len(c.bodies))
	c.change(sqlite.Change{Person: &p}, m.change())
	c.after(func() { c.n.people[staff.ID(p.ID)], c.n.mark = p, m })
	return nil
}

// endSessions ends the sessions of somebody whose rights or PIN change, but for
// the one that makes the change.
func (c *call) endSessions(id staff.ID) {
	for hash, s := range c.n.sessions {
		if s.person.ID != id || s == c.session {
			continue
		}
		c.change(sqlite.Change{DropSession: s.hash[:]})
		c.after(func() { delete(c.n.sessions, hash) })
	}
}
