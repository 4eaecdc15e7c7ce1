package manifest

import (
	"fmt"
	"time"
)

// Identity is the version identity of software or hardware: 18 ASCII characters,
// '0' for software or '1' for hardware, company (3), model (3), version (2), '-'
// and the date yyyymmdd (requirement FM-11). "0PLMTIL02-20261122".
type Identity string

// identityLength is fixed.
const identityLength = 18

// NewIdentity puts an identity together.
func NewIdentity(hardware bool, company, model, version string, date time.Time) (Identity, error) {
	kind := "0"
	if hardware {
		kind = "1"
	}
	i := Identity(kind + company + model + version + "-" + date.Format("20060102"))
	if len(company) != 3 || len(model) != 3 || len(version) != 2 {
		return "", fmt.Errorf("%w: an identity has company (3), model (3) and version (2), not %q, %q, %q", ErrFormat, company, model, version)
	}
	return i, i.Validate()
}

// Validate says what is wrong with an identity: its length, a character outside of
// A-Z and 0-9, a date that is none.
func (i Identity) Validate() error {
	if len(i) != identityLength {
		return fmt.Errorf("%w: identity %q has %d characters, not %d", ErrFormat, string(i), len(i), identityLength)
	}
	if i[0] != '0' && i[0] != '1' {
		return fmt.Errorf("%w: identity %q begins with neither 0 (software) nor 1 (hardware)", ErrFormat, string(i))
	}
	for _, c := range []byte(i[1:9]) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return fmt.Errorf("%w: identity %q: %q is neither A-Z nor 0-9", ErrFormat, string(i), c)
		}
	}
	if i[9] != '-' {
		return fmt.Errorf("%w: identity %q has no '-' before its date", ErrFormat, string(i))
	}
	if _, err := time.Parse("20060102", string(i[10:])); err != nil {
		return fmt.Errorf("%w: identity %q: %q is no date", ErrFormat, string(i), string(i[10:]))
	}
	return nil
}

// The parts of a valid identity; empty and zero for one that is not valid.

// Hardware says whether it names hardware.
func (i Identity) Hardware() bool { return i.part(0, 1) == "1" }

// Company is who makes it, three characters.
func (i Identity) Company() string { return i.part(1, 4) }

// Model is what it is, three characters.
func (i Identity) Model() string { return i.part(4, 7) }

// Version is two characters.
func (i Identity) Version() string { return i.part(7, 9) }

// Date is the day of the version, UTC.
func (i Identity) Date() time.Time {
	t, err := time.Parse("20060102", i.part(10, identityLength))
	if err != nil {
		return time.Time{}
	}
	return t
}

func (i Identity) part(from, to int) string {
	if i.Validate() != nil {
		return ""
	}
	return string(i[from:to])
}
