package staff

import "slices"

// Answer is what the table says: "yes", "approval" or "no".
type Answer string

// The answers. The words are those of the till's API.
const (
	Yes           Answer = "yes"
	NeedsApproval Answer = "approval"
	No            Answer = "no"
)

// Decision is the answer for one role and one operation.
type Decision struct {
	Answer Answer `json:"answer"`
	By     []Role `json:"by,omitzero"`     // who may approve, where approval is needed
	Reauth bool   `json:"reauth,omitzero"` // the person proves again who they are
}

// Allowed says whether a built-in role may do an operation. An unknown role or
// operation is No.
func Allowed(role Role, op Name) Decision {
	o, ok := Find(op)
	switch {
	case !ok || !role.Valid():
		return Decision{Answer: No}
	case slices.Contains(o.Roles, role):
		return Decision{Answer: Yes, Reauth: o.Reauth}
	case slices.Contains(o.Asks, role):
		return Decision{Answer: NeedsApproval, By: o.StepUp, Reauth: o.Reauth}
	}
	return Decision{Answer: No}
}

// Approve checks a step-up: person asks for op, approver (who has just proved
// who they are) approves. It returns nil where the two together may do it;
// nobody approves for themselves. Codes: forbidden, self-approval,
// cannot-approve, unknown-operation.
func Approve(person, approver Person, op Name) error {
	return approve(Allowed, person, approver, op)
}

func approve(allowed func(Role, Name) Decision, person, approver Person, op Name) error {
	if _, ok := Find(op); !ok {
		return refuse(CodeUnknownOp, "operation %.40q is not in the table", string(op))
	}
	d := allowed(person.Role, op)
	switch {
	case d.Answer == No:
		return refuse(CodeForbidden, "%s may not %s, with or without approval", person.Role, op)
	case d.Answer == Yes:
		return nil
	case person.ID == approver.ID:
		return refuse(CodeSelfApproval, "person %s cannot approve %s for themselves", person.ID, op)
	case !slices.Contains(d.By, approver.Role):
		return refuse(CodeCannotApprove, "%s cannot approve %s", approver.Role, op)
	}
	return nil
}

// Check is Allowed as an error: nil for yes, code needs-approval or forbidden.
func Check(role Role, op Name) error {
	switch d := Allowed(role, op); d.Answer {
	case Yes:
		return nil
	case NeedsApproval:
		return refuse(CodeNeedsApproval, "%s by %s needs the approval of one of %v", op, role, d.By)
	}
	return refuse(CodeForbidden, "%s may not %s", role, op)
}

// Finer is a role of a shop's own: a built-in role without some operations,
// such as an operator who may not give discounts. It cannot do, ask for or
// approve what its base cannot. As approver it counts as its base, except for
// operations it is without.
type Finer struct {
	Name    Role   `json:"name"`
	Base    Role   `json:"base"`
	Without []Name `json:"without"`
}

// Validate checks that the name is free, the base is built in and the
// operations exist.
func (f Finer) Validate() error {
	if f.Name.Valid() {
		return refuse(CodeDoubleRoleName, "%s is a built-in role", f.Name)
	}
	if !roleName(f.Name) || !f.Base.Valid() {
		return refuse(CodeBadFinerRole, "role %.40q on %.40q: bad name or base", string(f.Name), string(f.Base))
	}
	for _, op := range f.Without {
		if _, ok := Find(op); !ok {
			return refuse(CodeUnknownOp, "role %s is without %.40q, which is not in the table", f.Name, string(op))
		}
	}
	return nil
}

// Book is a shop's list of finer roles beside the built-in ones. The zero Book
// has the built-in roles only.
type Book []Finer

// Validate checks each role and that no name stands twice.
func (b Book) Validate() error {
	seen := make(map[Role]bool)
	for _, f := range b {
		if err := f.Validate(); err != nil {
			return err
		}
		if seen[f.Name] {
			return refuse(CodeDoubleRoleName, "role %s stands twice", f.Name)
		}
		seen[f.Name] = true
	}
	return nil
}

// Allowed is the package's Allowed for built-in and finer roles.
func (b Book) Allowed(role Role, op Name) Decision {
	f, ok := b.find(role)
	switch {
	case !ok:
		return Allowed(role, op)
	case slices.Contains(f.Without, op):
		return Decision{Answer: No}
	}
	return Allowed(f.Base, op)
}

// Approve is the package's Approve for built-in and finer roles.
func (b Book) Approve(person, approver Person, op Name) error {
	if f, ok := b.find(approver.Role); ok {
		if slices.Contains(f.Without, op) {
			return refuse(CodeCannotApprove, "%s cannot approve %s", f.Name, op)
		}
		approver.Role = f.Base
	}
	return approve(b.Allowed, person, approver, op)
}

// Base is the built-in role that a role is made of, or the role itself; not ok:
// there is no such role.
func (b Book) Base(role Role) (base Role, ok bool) {
	if role.Valid() {
		return role, true
	}
	f, ok := b.find(role)
	return f.Base, ok
}

func (b Book) find(role Role) (Finer, bool) {
	i := slices.IndexFunc(b, func(f Finer) bool { return f.Name == role })
	if i < 0 {
		return Finer{}, false
	}
	return b[i], true
}
