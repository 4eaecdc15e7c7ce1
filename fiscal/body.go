package fiscal

import (
	"bytes"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/staff"
)

// MaxBody is the largest body that a draft may have, in bytes: a receipt of a
// thousand lines with the longest texts fits, and so does any snapshot.
const MaxBody = 4 << 20

// Body is what an entry says. Its JSON form is canonical: fields in the order
// of the struct, no blanks, integers only, empty fields left out where the
// struct says so. The types of this package are the only ones.
type Body interface {
	// Kind is the kind of the entry that carries the body.
	Kind() proof.Kind

	// check says why the body cannot follow the state, or nil. It is asked
	// before recording and again by whoever verifies.
	check(s *State) error
	// numbers are the head's numbers, given the state before the entry.
	numbers(s *State) numbers
	// flags are the head's flags, apart from the clock's.
	flags() proof.Flags
	// apply changes the state; check has passed.
	apply(s *State, h *proof.Head) error
}

// Actor is who did something, and who allowed it where somebody had to. Both
// are empty where the till acted by itself.
type Actor struct {
	By       staff.ID `json:"by,omitzero"`
	Approver staff.ID `json:"approver,omitzero"`
}

// Encode writes a body in its canonical form.
func Encode(b Body) ([]byte, error) {
	data, err := json.Marshal(b, json.Deterministic(true))
	if err != nil {
		return nil, because(CodeMalformed, "encode "+KindName(b.Kind()), err)
	}
	if len(data) > MaxBody {
		return nil, refuse(CodeTooLarge, "%s of %d bytes", KindName(b.Kind()), len(data))
	}
	return data, nil
}

// Decode reads the body of an entry of a kind. It accepts exactly what Encode
// writes: unknown or doubled fields, another order, blanks, or a body of
// another kind are refused. Codes: unknown-kind and newer-format ([IsNewer]),
// malformed-body, body-not-canonical, body-of-another-kind.
func Decode(k proof.Kind, data []byte) (Body, error) {
	r, ok := lookup(k)
	if !ok {
		return nil, refuse(CodeUnknownKind, "kind %d, which this program does not know: a newer one wrote it", k)
	}
	if len(data) > MaxBody {
		return nil, refuse(CodeTooLarge, "%s of %d bytes", r.name, len(data))
	}
	b := r.make()
	if err := json.Unmarshal(data, b, json.RejectUnknownMembers(true)); err != nil {
		return nil, malformed("decode "+r.name, data, err)
	}
	if b.Kind() != k {
		return nil, refuse(CodeWrongKind, "%s carries the body of %s", r.name, KindName(b.Kind()))
	}
	again, err := Encode(b)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, data) {
		return nil, refuse(CodeNotCanonical, "body of %s is not in canonical form", r.name)
	}
	return b, nil
}

// plain is what most bodies have in common: nothing to check, no numbers, no
// effect. Bodies with more override it.
type plain struct{}

func (plain) check(*State) error              { return nil }
func (plain) numbers(*State) numbers          { return nil }
func (plain) flags() proof.Flags              { return 0 }
func (plain) apply(*State, *proof.Head) error { return nil }
