package catalog

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of codes.
var (
	ErrCode       = errors.New("not a code of this kind") // wrong length or characters
	ErrCheckDigit = errors.New("wrong check digit")       // scanned or typed wrongly: try again
)

// GTIN is a Global Trade Item Number in canonical form: the shortest of 8, 13
// or 14 digits that holds it, so that one number has one form whatever the
// scanner added. A GTIN-12 (UPC-A) is a 13-digit one that begins with 0.
type GTIN string

// ParseGTIN reads a GTIN-8, -12, -13 or -14: digits only, with a right check
// digit (GS1 General Specifications 7.9). Padding with zeros is removed.
// Errors: ErrCode, ErrCheckDigit.
func ParseGTIN(s string) (GTIN, error) {
	switch len(s) {
	case 8, 12, 13, 14:
	default:
		return "", fmt.Errorf("%w: a GTIN has 8, 12, 13 or 14 digits, not %d", ErrCode, len(s))
	}
	if !digits(s) {
		return "", fmt.Errorf("%w: %.20q", ErrCode, s)
	}
	last := len(s) - 1
	if want := CheckDigit(s[:last]); s[last] != want {
		return "", fmt.Errorf("%w: %s ends in %c, not in %c", ErrCheckDigit, s, s[last], want)
	}
	return canonicalGTIN(s)
}

func canonicalGTIN(s string) (GTIN, error) {
	short := strings.TrimLeft(s, "0")
	switch n := len(short); {
	case n == 0:
		return "", fmt.Errorf("%w: zero is no GTIN", ErrCode)
	case n <= 8:
		return GTIN(pad(short, 8)), nil
	case n <= 13:
		return GTIN(pad(short, 13)), nil
	}
	return GTIN(short), nil
}

// Valid reports whether g is canonical and its check digit right.
func (g GTIN) Valid() bool {
	c, err := ParseGTIN(string(g))
	return err == nil && c == g
}

// GTIN14 returns the number with leading zeros, as databases and GS1 exchange
// it.
func (g GTIN) GTIN14() string { return pad(string(g), 14) }

// Restricted reports whether the number is one that shops give themselves
// (prefixes 02, 04 and 20 to 29, or 0 and 2 in eight digits): elsewhere it
// means something else, or nothing.
func (g GTIN) Restricted() bool {
	switch {
	case len(g) == 8:
		return g[0] == '0' || g[0] == '2'
	case len(g) == 13:
		return g[0] == '2' || g[:2] == "02" || g[:2] == "04"
	}
	return false
}

// CheckDigit returns the digit '0' to '9' that completes a GS1 number: weights
// 3 and 1 from the right. Characters that are not digits count as nothing.
func CheckDigit(number string) byte {
	sum, weight := 0, 3
	for i := len(number) - 1; i >= 0; i-- {
		if d := number[i]; d >= '0' && d <= '9' {
			sum = (sum + weight*int(d-'0')) % 10
		}
		weight = 4 - weight
	}
	return byte('0' + (10-sum)%10)
}

// ParseUPCE expands a zero-suppressed UPC-E code of eight digits (number
// system 0 or 1, six digits, check digit) to its GTIN-12. Eight digits may be a
// GTIN-8 as well, and only the scanner knows the symbol: Lookup does not guess,
// a caller that knows uses this.
func ParseUPCE(s string) (GTIN, error) {
	if len(s) != 8 || !digits(s) || s[0] > '1' {
		return "", fmt.Errorf("%w: UPC-E %.20q", ErrCode, s)
	}
	d := s[1:7]
	var body string
	switch d[5] {
	case '0', '1', '2':
		body = d[:2] + d[5:6] + "0000" + d[2:5]
	case '3':
		body = d[:3] + "00000" + d[3:5]
	case '4':
		body = d[:4] + "00000" + d[4:5]
	default:
		body = d[:5] + "0000" + d[5:6]
	}
	return ParseGTIN(s[:1] + body + s[7:])
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func pad(s string, n int) string { return strings.Repeat("0", max(n-len(s), 0)) + s }
