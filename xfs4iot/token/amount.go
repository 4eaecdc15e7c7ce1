package token

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Amount is money in minor units of its currency.
type Amount struct {
	Minor    int64  // not below zero
	Currency string // ISO 4217
}

// MaxMinor bounds an amount.
const MaxMinor = 1 << 53

// ErrAmount is an amount that is not written as it must be.
var ErrAmount = errors.New("not an amount of money")

// exponents are the currencies whose minor unit is not a hundredth (ISO 4217, list
// one, as of 2024).
var exponents = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0,
	"UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
	"CLF": 4, "UYW": 4,
}

// Exponent is the number of decimals of a currency.
func Exponent(currency string) int {
	if e, special := exponents[currency]; special {
		return e
	}
	return 2
}

// ParseMinor reads a decimal number ("123.45", "50.5", "50") as minor units, without
// any rounding: more decimals than the currency has are refused, even zeros.
func ParseMinor(decimal, currency string) (int64, error) {
	whole, fraction, dot := strings.Cut(decimal, ".")
	places := Exponent(currency)
	switch {
	case !digits(whole) || dot && !digits(fraction),
		len(whole) > 1 && whole[0] == '0', len(fraction) > places, len(whole) > 16:
		return 0, fmt.Errorf("%.40q %.10s: %w", decimal, currency, ErrAmount)
	}
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", places-len(fraction)), 10, 64)
	if err != nil || n > MaxMinor {
		return 0, fmt.Errorf("%.40q %.10s: %w", decimal, currency, ErrAmount)
	}
	return n, nil
}

// ParseAmount reads an amount with its currency, "123.45EUR".
func ParseAmount(text string) (Amount, error) {
	cut := len(text) - 3
	if cut < 1 || !letters(text[cut:]) {
		return Amount{}, fmt.Errorf("%.40q: %w", text, ErrAmount)
	}
	n, err := ParseMinor(text[:cut], text[cut:])
	return Amount{n, text[cut:]}, err
}

// Decimal writes the number with all decimals of its currency, "50.00".
func (a Amount) Decimal() string {
	places := Exponent(a.Currency)
	text := fmt.Sprintf("%0*d", places+1, a.Minor)
	if places == 0 {
		return text
	}
	return text[:len(text)-places] + "." + text[len(text)-places:]
}

// String writes "50.00EUR".
func (a Amount) String() string { return a.Decimal() + a.Currency }

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func letters(s string) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return s != ""
}
