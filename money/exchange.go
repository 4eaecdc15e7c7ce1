package money

import (
	"errors"
	"fmt"
)

// ErrRate is returned for an exchange rate that is zero, negative or absurd.
var ErrRate = errors.New("not an exchange rate")

// maxRateTerm bounds both terms of a rate, so that they can be scaled by the
// difference in decimals of two currencies (at most 10³) without overflow.
const maxRateTerm = 1_000_000_000_000_000

// Rate is an exchange rate as the exact ratio Num/Den: how many major units of
// the target currency one major unit of the source currency is worth. Receipts
// store both terms, so 1 EUR = 11.4525 NOK is {114525, 10000} for ever.
type Rate struct {
	Num int64 `json:"num"` // 1 to 10^15
	Den int64 `json:"den"` // 1 to 10^15
}

// ParseRate reads a rate quoted as a plain decimal such as "11.4525", with at
// most 12 decimals.
func ParseRate(s string) (Rate, error) {
	v, decimals, err := parseDecimal(s, 12)
	if err != nil {
		return Rate{}, fmt.Errorf("exchange rate: %w", err)
	}
	r := Rate{Num: v, Den: pow10[decimals]}
	return r, r.Validate()
}

// Validate reports whether both terms are within their bounds.
func (r Rate) Validate() error {
	if r.Num < 1 || r.Den < 1 || r.Num > maxRateTerm || r.Den > maxRateTerm {
		return fmt.Errorf("%w: %d/%d", ErrRate, r.Num, r.Den)
	}
	return nil
}

// Inverse returns the rate the other way round, exactly.
func (r Rate) Inverse() Rate { return Rate{Num: r.Den, Den: r.Num} }

// Convert returns what amount of from is worth in to, in to's minor units,
// computed exactly and rounded once. For a foreign tender, convert what was
// given and keep both amounts and the rate on the receipt: converting back
// need not give the first amount again.
func Convert(amount Amount, from, to Currency, rate Rate, r Rounding) (Amount, error) {
	if err := rate.Validate(); err != nil {
		return 0, fmt.Errorf("convert %s to %s: %w", from, to, err)
	}
	num, den, err := scaled(rate, from, to)
	if err != nil {
		return 0, fmt.Errorf("convert %s to %s: %w", from, to, err)
	}
	v, err := mulDiv(int64(amount), num, den, r)
	if err != nil {
		return 0, fmt.Errorf("convert %d %s to %s: %w", amount, from, to, err)
	}
	return Amount(v), nil
}

// scaled turns a rate between major units into one between minor units.
func scaled(rate Rate, from, to Currency) (num, den int64, err error) {
	ef, err := from.exponent()
	if err != nil {
		return 0, 0, err
	}
	et, err := to.exponent()
	if err != nil {
		return 0, 0, err
	}
	if et >= ef {
		return rate.Num * pow10[et-ef], rate.Den, nil
	}
	return rate.Num, rate.Den * pow10[ef-et], nil
}
