package trust

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/update/manifest"
)

// Formats of the statements that stand beside a manifest in a repository.
const (
	ApprovalFormat   = "plomb-approval/1"
	WithdrawalFormat = "plomb-withdrawal/1"
)

// maxStatement bounds an approval or a withdrawal, in bytes.
const maxStatement = 64 << 10

// Names of TUF targets.

// ReleaseTarget is a manifest.
func ReleaseTarget(d manifest.Digest) string { return "releases/" + d.String() }

// ApprovalTarget is an Approval, in a body's repository.
func ApprovalTarget(d manifest.Digest) string { return "approvals/" + d.String() }

// WithdrawalTarget is a Withdrawal, in anybody's repository.
func WithdrawalTarget(d manifest.Digest) string { return "withdrawn/" + d.String() }

// Approval is an authority's statement about one manifest: under which
// certificate, where and how long it may run (requirement DL-06). The repository's
// signatures carry it; it is a target like the manifest.
type Approval struct {
	Format        string          `json:"format"`
	Release       manifest.Digest `json:"release"` // of the manifest
	Body          string          `json:"body"`    // as the policy calls it
	Certificate   string          `json:"certificate"`
	Models        []string        `json:"models,omitempty"` // three characters each; empty: any
	Jurisdictions []string        `json:"jurisdictions"`
	NotBefore     time.Time       `json:"notBefore"` // whole seconds, UTC
	NotAfter      time.Time       `json:"notAfter"`  // last second of validity
}

// ParseApproval reads an approval strictly: an unknown or repeated member or one
// without content is refused. Errors wrap ErrMalformed.
func ParseApproval(data []byte) (*Approval, error) {
	a := new(Approval)
	if err := strict(data, a); err != nil {
		return nil, fmt.Errorf("parse approval: %w", err)
	}
	if err := a.Validate(); err != nil {
		return nil, fmt.Errorf("parse approval: %w", err)
	}
	return a, nil
}

// Encode is the approval's bytes; it refuses what ParseApproval would refuse.
func (a *Approval) Encode() ([]byte, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(a)
}

// Validate says what is wrong with an approval.
func (a *Approval) Validate() error {
	switch {
	case a.Format != ApprovalFormat:
		return fmt.Errorf("%w: format %q, not %q", ErrMalformed, a.Format, ApprovalFormat)
	case a.Release == manifest.Digest{}:
		return fmt.Errorf("%w: no release", ErrMalformed)
	case a.Body == "" || a.Certificate == "" || len(a.Certificate) > 256:
		return fmt.Errorf("%w: no body or no certificate number", ErrMalformed)
	case len(a.Jurisdictions) == 0 || slices.Contains(a.Jurisdictions, "") || slices.Contains(a.Models, ""):
		return fmt.Errorf("%w: no jurisdiction, or an empty name", ErrMalformed)
	case !wholeSecond(a.NotBefore) || !wholeSecond(a.NotAfter) || !a.NotBefore.Before(a.NotAfter):
		return fmt.Errorf("%w: valid from %v to %v", ErrMalformed, a.NotBefore, a.NotAfter)
	}
	return nil
}

// Action is what a withdrawal wants done with an installed release after its
// deadline.
type Action string

// The actions.
const (
	Warn  Action = "warn"
	Block Action = "block" // stop selling with it
)

// Withdrawal is a party's statement that a release must not be used any longer. It
// refuses installation at once, whatever its action.
type Withdrawal struct {
	Format   string          `json:"format"`
	Release  manifest.Digest `json:"release"`
	Party    string          `json:"party"` // as the policy calls it
	Reason   string          `json:"reason"`
	Deadline time.Time       `json:"deadline"` // from when on an installed till follows Action
	Action   Action          `json:"action"`
}

// ParseWithdrawal reads a withdrawal as strictly as ParseApproval.
func ParseWithdrawal(data []byte) (*Withdrawal, error) {
	w := new(Withdrawal)
	if err := strict(data, w); err != nil {
		return nil, fmt.Errorf("parse withdrawal: %w", err)
	}
	if err := w.Validate(); err != nil {
		return nil, fmt.Errorf("parse withdrawal: %w", err)
	}
	return w, nil
}

// Encode is the withdrawal's bytes; it refuses what ParseWithdrawal would refuse.
func (w *Withdrawal) Encode() ([]byte, error) {
	if err := w.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(w)
}

// Validate says what is wrong with a withdrawal.
func (w *Withdrawal) Validate() error {
	switch {
	case w.Format != WithdrawalFormat:
		return fmt.Errorf("%w: format %q, not %q", ErrMalformed, w.Format, WithdrawalFormat)
	case w.Release == manifest.Digest{}:
		return fmt.Errorf("%w: no release", ErrMalformed)
	case w.Party == "" || w.Reason == "":
		return fmt.Errorf("%w: no party or no reason", ErrMalformed)
	case !wholeSecond(w.Deadline):
		return fmt.Errorf("%w: deadline %v", ErrMalformed, w.Deadline)
	case w.Action != Warn && w.Action != Block:
		return fmt.Errorf("%w: unknown action %q", ErrMalformed, w.Action)
	}
	return nil
}

// Due says that the action is due at the given time.
func (w *Withdrawal) Due(now time.Time) bool { return !now.Before(w.Deadline) }

func wholeSecond(t time.Time) bool {
	return t.Location() == time.UTC && t.Nanosecond() == 0 && t.Year() >= 2000 && t.Year() <= 9999
}

// strict decodes a statement of ours.
func strict(data []byte, into any) error {
	if len(data) > maxStatement {
		return fmt.Errorf("%w: %d bytes are more than %d", ErrMalformed, len(data), maxStatement)
	}
	if err := json.Unmarshal(data, into, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}
