package till

import (
	"github.com/plomb-pos/plomb/staff"
)

// rolesFree refuses a list of finer roles that lacks one which somebody has. The
// book is held.
func (n *Node) rolesFree(roles staff.Book) error {
	for _, p := range n.people {
		if _, ok := roles.Base(staff.Role(p.Role)); !ok {
			r := refuse(Refused, "role-in-use")
			r.Values = []string{"role", p.Role, "person", p.ID}
			return r
		}
	}
	return nil
}
