package money

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ErrCurrency is returned for a code that is not in the table.
var ErrCurrency = errors.New("unknown currency")

// Currency is an ISO 4217 alphabetic code in capitals, such as "EUR".
type Currency string

type currencyRow struct {
	numeric  string
	exponent int
	active   bool
}

// ParseCurrency reads a code exactly as ISO 4217 writes it, in capitals.
// Withdrawn currencies of the last years are known, so that old documents stay
// readable; see Active.
func ParseCurrency(s string) (Currency, error) {
	c := Currency(s)
	_, err := c.exponent()
	return c, err
}

// Currencies returns the active currencies in alphabetic order.
func Currencies() []Currency {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(currencies)), func(c Currency) bool { return !c.Active() })
}

// Valid reports whether c is in the table, active or withdrawn.
func (c Currency) Valid() bool { _, ok := currencies[c]; return ok }

// Active reports whether c is in use today, as of the table's last edition.
func (c Currency) Active() bool { return currencies[c].active }

// Exponent returns the number of decimals of c's minor unit, 0 to 3: 2 for
// EUR, 0 for JPY, 3 for BHD. It is 2 for a currency that is not known; check
// with ParseCurrency at the edge.
func (c Currency) Exponent() int {
	exp, err := c.exponent()
	if err != nil {
		return 2
	}
	return exp
}

// Numeric returns the three digits of ISO 4217 that payment terminals and
// cards use ("978"), or "" for a currency that is not known.
func (c Currency) Numeric() string { return currencies[c].numeric }

func (c Currency) exponent() (int, error) {
	row, ok := currencies[c]
	if !ok {
		return 0, fmt.Errorf("%w %.40q", ErrCurrency, string(c))
	}
	return row.exponent, nil
}
