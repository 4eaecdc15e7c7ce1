// Package trust decides which releases a device may install: TUF repositories of
// the maker and of every approval authority below, a policy that denies by default
// above.
//
// # Promises
//
// A release is allowed only when the maker and each body that the boot policy
// names carry the same manifest bytes as a target of their own repositories, the
// signed note is by all of them, each certificate covers the device's place and
// time, nobody withdrew it, and the public log has it. Whatever is missing is a
// refusal with its stage; nothing is allowed because nothing forbade it.
//
// docs/design/0004-update.md, sections 1 to 4.
package trust

import "errors"

// Errors that refusals wrap.
var (
	ErrMalformed = errors.New("malformed")
)
