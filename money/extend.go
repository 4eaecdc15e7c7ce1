package money

import (
	"errors"
	"fmt"
)

// ErrDivision is returned for a share of a whole that is zero.
var ErrDivision = errors.New("division by zero")

// Extend returns what q units at price p cost, in minor units of c: p × q,
// exact to the last digit and then rounded once. A negative quantity is a
// return. Errors: ErrCurrency, ErrRounding, ErrOverflow.
func Extend(p UnitPrice, q Quantity, c Currency, r Rounding) (Amount, error) {
	exp, err := c.exponent()
	if err != nil {
		return 0, fmt.Errorf("extend: %w", err)
	}
	// p and q are both millionths: their product is 10⁻¹² of a major unit.
	v, err := mulDiv(int64(p), int64(q), pow10[12-exp], r)
	if err != nil {
		return 0, fmt.Errorf("%v x %v: %w", q, p, err)
	}
	return Amount(v), nil
}

// Share returns total × part ÷ whole, rounded once: 15 % of an amount is
// Share(a, 15, 100, r), the price of the two left of three is
// Share(a, 2, 3, r). Errors: ErrDivision, ErrRounding, ErrOverflow.
func Share(total Amount, part, whole int64, r Rounding) (Amount, error) {
	if whole == 0 {
		return 0, fmt.Errorf("share of %d: %w", total, ErrDivision)
	}
	v, err := mulDiv(int64(total), part, whole, r)
	if err != nil {
		return 0, fmt.Errorf("%d x %d / %d: %w", total, part, whole, err)
	}
	return Amount(v), nil
}

// UnitPriceOf returns the unit price that is exactly a, as for an open price
// that was typed as an amount. Errors: ErrCurrency, ErrOverflow.
func UnitPriceOf(a Amount, c Currency) (UnitPrice, error) {
	exp, err := c.exponent()
	if err != nil {
		return 0, fmt.Errorf("unit price: %w", err)
	}
	v, err := mulDiv(int64(a), pow10[6-exp], 1, Down)
	if err != nil {
		return 0, fmt.Errorf("unit price of %d: %w", a, err)
	}
	return UnitPrice(v), nil
}

var pow10 = [...]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12}
