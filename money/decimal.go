package money

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Errors of the parsers. Their text is fit for a person who typed the number.
var (
	ErrSyntax   = errors.New("not a plain decimal number")
	ErrDecimals = errors.New("too many decimals")
)

// maxDecimalLen is more than any 64-bit number with its sign and point needs.
const maxDecimalLen = 24

// ParseAmount reads a plain decimal such as "12.50" or "-3" as minor units of
// c. It accepts ASCII digits, at most one leading minus and one point with
// digits on both sides. Refused are blanks, plus signs, exponents, group
// separators, superfluous leading zeros and more decimals than c has.
// Errors: ErrCurrency, ErrSyntax, ErrDecimals, ErrOverflow.
func ParseAmount(s string, c Currency) (Amount, error) {
	exp, err := c.exponent()
	if err != nil {
		return 0, fmt.Errorf("amount: %w", err)
	}
	v, err := parseFixed(s, exp)
	if err != nil {
		return 0, fmt.Errorf("amount in %s: %w", c, err)
	}
	return Amount(v), nil
}

// ParseQuantity reads a plain decimal with at most six decimals; the same
// rules as ParseAmount.
func ParseQuantity(s string) (Quantity, error) {
	v, err := parseFixed(s, 6)
	if err != nil {
		return 0, fmt.Errorf("quantity: %w", err)
	}
	return Quantity(v), nil
}

// ParseUnitPrice reads a plain decimal with at most six decimals, in major
// units of the currency; the same rules as ParseAmount.
func ParseUnitPrice(s string) (UnitPrice, error) {
	v, err := parseFixed(s, 6)
	if err != nil {
		return 0, fmt.Errorf("unit price: %w", err)
	}
	return UnitPrice(v), nil
}

// Text writes a with exactly the decimals of c: 1250 is "12.50" in EUR, "1250"
// in JPY and "1.250" in BHD. ParseAmount reads it back. For a currency that
// is not known it writes the minor units followed by "?", which nothing reads.
func (a Amount) Text(c Currency) string {
	exp, err := c.exponent()
	if err != nil {
		return strconv.FormatInt(int64(a), 10) + "?"
	}
	return fixed(int64(a), exp, exp)
}

// String writes the shortest decimal: "1", "0.452", "-2". ParseQuantity reads
// it back.
func (q Quantity) String() string { return fixed(int64(q), 6, 0) }

// String writes the shortest decimal in major units: "2.55", "0.001499".
// ParseUnitPrice reads it back.
func (p UnitPrice) String() string { return fixed(int64(p), 6, 0) }

// Text writes p with at least the decimals of c, and more if it has more:
// "2.50", "0.001499". ParseUnitPrice reads it back.
func (p UnitPrice) Text(c Currency) string { return fixed(int64(p), 6, c.Exponent()) }

// fixed writes v × 10^−scale with at least min decimals and no zeros beyond.
func fixed(v int64, scale, min int) string {
	digits := strconv.FormatUint(magnitude(v), 10)
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	whole, frac := digits[:len(digits)-scale], digits[len(digits)-scale:]
	for len(frac) > min && strings.HasSuffix(frac, "0") {
		frac = frac[:len(frac)-1]
	}
	if frac != "" {
		whole += "." + frac
	}
	if v < 0 {
		return "-" + whole
	}
	return whole
}

// parseFixed reads s as a multiple of 10^−scale.
func parseFixed(s string, scale int) (int64, error) {
	v, decimals, err := parseDecimal(s, scale)
	if err != nil {
		return 0, err
	}
	v, err = mulDiv(v, pow10[scale-decimals], 1, Down)
	if err != nil {
		return 0, fmt.Errorf("%q: %w", s, err)
	}
	return v, nil
}

// parseDecimal reads s as v × 10^−decimals, decimals ≤ max.
func parseDecimal(s string, max int) (v int64, decimals int, err error) {
	rest, negative := strings.CutPrefix(s, "-")
	whole, frac, point := strings.Cut(rest, ".")
	if len(s) > maxDecimalLen || !digits(whole) || point && !digits(frac) || len(whole) > 1 && whole[0] == '0' {
		return 0, 0, fmt.Errorf("%w: %.40q", ErrSyntax, s)
	}
	if len(frac) > max {
		return 0, 0, fmt.Errorf("%w: %q has %d, allowed are %d", ErrDecimals, s, len(frac), max)
	}
	m, err := strconv.ParseUint(whole+frac, 10, 64)
	if err != nil || m > math.MaxInt64+1 {
		return 0, 0, fmt.Errorf("%q: %w", s, ErrOverflow)
	}
	v, err = signed(m, negative)
	if err != nil {
		return 0, 0, fmt.Errorf("%q: %w", s, err)
	}
	return v, len(frac), nil
}

// digits reports whether s is one or more ASCII digits.
func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
