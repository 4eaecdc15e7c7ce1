// Package staff says who may do what at a till: people, roles, and one table of
// operations with the level that each needs.
//
// [Table] is the whole of it: for each [Operation] the roles that may do it
// alone, the roles that may approve it for somebody else (step-up), whether the
// person has to prove who they are again, and the name of the journal entry
// that records it. [Allowed] looks a role and an operation up and answers yes,
// "needs approval by", or no. Whatever the table does not name is refused.
//
// The roles keep duties apart: who sells does not change settings or people, who
// changes them does not sell, who reads the journal does not write to it. Two
// people approve what one person should not do alone; an approver is always
// somebody else ([Approve]). A person has one role; who works in two has two
// identities. Finer roles take operations away from one of the built-in roles
// ([Finer]); nothing can add any, so the separation stays.
//
// The package knows no passwords, sessions or names on a screen: it is a table.
//
//	switch d := staff.Allowed(staff.Operator, staff.Void); d.Answer {
//	case staff.Yes: // go on
//	case staff.NeedsApproval: // ask one of d.By, then staff.Approve
//	case staff.No: // refuse and journal it
//	}
package staff

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ID identifies a person at a shop's tills, for life and never given to
// somebody else: 1 to 32 ASCII letters, digits, '-' and '_'. It stands in
// journal bodies; the name that belongs to it does not.
type ID string

// ParseID checks the form of an ID.
func ParseID(s string) (ID, error) {
	if s == "" || len(s) > 32 || strings.Trim(s, word) != "" {
		return "", refuse(CodeBadID, "%.40q is not an identity: 1 to 32 letters, digits, '-', '_'", s)
	}
	return ID(s), nil
}

const word = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// Role is a set of duties. The built-in ones are the constants below; see
// [Finer] for others.
type Role string

// The built-in roles.
const (
	Customer         Role = "customer"          // the person who buys, at an unattended till
	Operator         Role = "operator"          // sells
	Supervisor       Role = "supervisor"        // sells and approves
	FinancialManager Role = "financial-manager" // counts, closes the day, reads figures and journal
	Administrator    Role = "administrator"     // people, settings, articles; does not sell
	Service          Role = "service"           // technician, works under an order
	Inspector        Role = "inspector"         // reads everything, changes nothing
	Responsible      Role = "responsible"       // answers for the whole: appoints administrators, stands in where nobody else can
)

// Roles returns the built-in roles, in the order of the constants.
func Roles() []Role {
	return []Role{Customer, Operator, Supervisor, FinancialManager, Administrator, Service, Inspector, Responsible}
}

// Valid reports whether r is a built-in role.
func (r Role) Valid() bool {
	switch r {
	case Customer, Operator, Supervisor, FinancialManager, Administrator, Service, Inspector, Responsible:
		return true
	}
	return false
}

// Person is somebody known to the till. The name is personal data: it is kept
// in the vault, never in the journal.
type Person struct {
	ID   ID     `json:"id"`
	Name string `json:"name,omitzero"` // as the receipt shows it; empty: the ID is shown
	Role Role   `json:"role"`
}

// Validate checks identity, name (at most 60 characters, printable) and that
// the role is not empty. Whether a finer role exists is for who holds the list.
func (p Person) Validate() error {
	if _, err := ParseID(string(p.ID)); err != nil {
		return err
	}
	if utf8.RuneCountInString(p.Name) > 60 || !printable(p.Name) {
		return refuse(CodeBadName, "name of person %s is too long or not printable", p.ID)
	}
	if !p.Role.Valid() && !roleName(p.Role) {
		return refuse(CodeBadRole, "%.40q is not a role", string(p.Role))
	}
	return nil
}

func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029 })
}

func roleName(r Role) bool {
	return r != "" && len(r) <= 32 && strings.Trim(string(r), "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// The codes of this package's refusals.
const (
	CodeBadID          = "bad-person-id"
	CodeBadName        = "bad-person-name"
	CodeBadRole        = "bad-role"
	CodeForbidden      = "forbidden"
	CodeNeedsApproval  = "needs-approval"
	CodeSelfApproval   = "self-approval"
	CodeCannotApprove  = "cannot-approve"
	CodeUnknownOp      = "unknown-operation"
	CodeBadFinerRole   = "bad-finer-role"
	CodeDoubleRoleName = "double-role-name"
)

// Error is a refusal with a stable code for the screen's words.
type Error struct {
	Reason string // one of the codes
	Detail string // for the log, English
}

func (e *Error) Error() string { return e.Detail }

// Code returns the stable code, such as "self-approval".
func (e *Error) Code() string { return e.Reason }

func refuse(code, format string, args ...any) error {
	return &Error{Reason: code, Detail: fmt.Sprintf(format, args...)}
}
