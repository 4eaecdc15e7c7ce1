package till

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// RefusalKind says what sort of refusal an answer is; the words are those of the API.
type RefusalKind string

// The kinds of refusals. After Unavailable and Internal the outcome may be
// unknown: the same command with the same id finds it out.
const (
	Invalid         RefusalKind = "invalid"         // the request makes no sense
	Refused         RefusalKind = "refused"         // it makes sense and is not allowed now
	Forbidden       RefusalKind = "forbidden"       // this person may not
	ApprovalNeeded  RefusalKind = "approval"        // somebody has to approve; Roles says who
	Unauthenticated RefusalKind = "unauthenticated" // nobody is signed in, or the PIN is wrong
	Locked          RefusalKind = "locked"          // the session is locked, or too many wrong PINs
	Conflict        RefusalKind = "conflict"        // something else has happened in between
	NotFound        RefusalKind = "notFound"
	Unavailable     RefusalKind = "unavailable" // not now; Hint says what to do
	Internal        RefusalKind = "internal"
)

// Refusal is why a command or question was not carried out, in words for the
// person at the till. It never holds internals; Cause does, for the log.
type Refusal struct {
	Kind  RefusalKind  `json:"kind"`
	Code  string       `json:"code"`
	Text  string       `json:"text"`
	Hint  string       `json:"hint"`
	Roles []staff.Role `json:"roles,omitzero"` // who may approve

	// Values fill the places in the words: name, value, name, value.
	Values []string `json:"-"`
	Cause  error    `json:"-"`
}

// Error is for the log: kind, code and cause.
func (r *Refusal) Error() string {
	if r.Cause != nil {
		return fmt.Sprintf("%s %s: %v", r.Kind, r.Code, r.Cause)
	}
	return string(r.Kind) + " " + r.Code
}

// Unwrap returns the cause, or nil.
func (r *Refusal) Unwrap() error { return r.Cause }

func refuse(kind RefusalKind, code string) *Refusal { return &Refusal{Kind: kind, Code: code} }

func because(kind RefusalKind, code string, cause error) *Refusal {
	return &Refusal{Kind: kind, Code: code, Cause: cause}
}

// tooMany says how long no PIN is looked at.
func tooMany(wait time.Duration) *Refusal {
	r := refuse(Locked, "too-many-guesses")
	r.Values = []string{"seconds", strconv.Itoa(int((wait + time.Second - 1) / time.Second))}
	return r
}

// coded is what the trade's packages refuse with.
type coded interface {
	error
	Code() string
}

// toRefusal makes a refusal of any error: the trade's refusals keep their code,
// everything else is internal.
func toRefusal(err error) *Refusal {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return because(Unavailable, "interrupted", err)
	}
	if sqlite.Full(err) {
		return because(Unavailable, "disk-full", err)
	}
	if c, ok := errors.AsType[coded](err); ok {
		return because(kindOf(c), c.Code(), err)
	}
	return because(Internal, "internal", err)
}

func kindOf(c coded) RefusalKind {
	switch c.Code() {
	case staff.CodeForbidden, staff.CodeSelfApproval, staff.CodeCannotApprove:
		return Forbidden
	case staff.CodeBadID, staff.CodeBadName, staff.CodeBadRole:
		return Invalid
	}
	return Refused
}
