// Package tax computes value added tax: which rate holds on a day, and what
// net, tax and gross a document's lines and its totals have.
//
// A [Class] says what an article is ("reduced"), a [Table] says what that means
// in a country from which day on ([Rule]: rate and the letter printed on the
// receipt), a [Policy] says how a shop computes: prices with or without tax,
// rounded per line or per receipt and rate. [Compute] does the rest, and keeps
// these promises for every input that it accepts:
//
//   - net + tax = gross on each line and in each total;
//   - the lines of a rate add up to the total of that rate, and the totals to
//     the document, to the cent;
//   - with a symmetric rounding, a document with all signs turned has all
//     results turned: a return mirrors its sale;
//   - what does not fit in 64 bits is refused with [money.ErrOverflow].
//
// Both policies are used: the example in Norway's SAF-T Cash Register rounds
// each line (11.28), per receipt the same goods give 11.27. So the policy is
// stored in each receipt, and totals are stored as printed: exports and
// reports copy them and never compute them again.
//
// The built-in tables ([For]) hold the general rates of some countries, from a
// day on which we are certain of them. They are a start for a shop's own
// table, which is part of its signed settings; they are not legal advice, and
// what article belongs in what class is not decided here. Days before a
// table's first rule are refused, never guessed.
//
//	table, _ := tax.For("DE")
//	rule, err := table.At(tax.Standard, time.Date(2026, 1, 2, 0, 0, 0, 0, berlin)) // 19 %, "A"
//	res, err := tax.Compute(tax.Policy{Prices: tax.Gross}, "EUR",
//		[]tax.Line{{Class: rule.Class, Rate: rule.Rate, Amount: 1190}})
package tax

import (
	"errors"
	"fmt"
	"strings"

	"github.com/plomb-pos/plomb/money"
)

// ErrClass is returned for a class that is not a word of the kind below.
var ErrClass = errors.New("not a tax class")

// Class says how an article is taxed, apart from the figure, which changes by
// law. Shops may add classes of their own: a lower-case letter followed by at
// most 23 lower-case letters, digits and hyphens.
type Class string

// The classes that the built-in tables use.
const (
	Standard Class = "standard" // the general rate
	Reduced  Class = "reduced"  // the first reduced rate
	Reduced2 Class = "reduced2" // the second (lower) reduced rate
	Reduced3 Class = "reduced3" // the third reduced rate
	Zero     Class = "zero"     // taxed at 0 %, input tax deductible
	Exempt   Class = "exempt"   // exempt from tax, such as stamps
	Reverse  Class = "reverse"  // the customer owes the tax
	Outside  Class = "outside"  // not turnover at all: multi-purpose vouchers, money passed on
)

// ParseClass checks the form of a class.
func ParseClass(s string) (Class, error) {
	ok := s != "" && len(s) <= 24 && s[0] >= 'a' && s[0] <= 'z' &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	if !ok {
		return "", fmt.Errorf("%w: %.40q", ErrClass, s)
	}
	return Class(s), nil
}

// Untaxed reports whether c is one of the classes whose rate is always zero.
func (c Class) Untaxed() bool {
	switch c {
	case Zero, Exempt, Reverse, Outside:
		return true
	}
	return false
}

// ErrRate is returned for a rate below 0 % or above 100 %.
var ErrRate = errors.New("not a tax rate")

// Rate is a tax rate in thousandths of a percent: 19 % is 19_000, 5.5 % is
// 5_500. It is an integer in JSON.
type Rate int32

// hundred is 100 %, the highest rate and the divisor of all.
const hundred = 100_000

// ParseRate reads a plain decimal percentage with at most three decimals, with
// or without a percent sign: "19", "5.5", "4.9 %".
func ParseRate(s string) (Rate, error) {
	number := strings.TrimSuffix(strings.TrimSuffix(s, "%"), " ")
	v, err := money.ParseAmount(number, "BHD") // three decimals
	if err != nil || v < 0 || v > hundred {
		return 0, fmt.Errorf("%w: %.40q", ErrRate, s)
	}
	return Rate(v), nil
}

// Valid reports whether r lies between 0 % and 100 %.
func (r Rate) Valid() bool { return r >= 0 && r <= hundred }

// String writes the shortest percentage without the sign: "19", "5.5".
func (r Rate) String() string {
	return (money.Quantity(r) * 1000).String()
}
