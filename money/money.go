// Package money holds exact amounts: adding, rounding, splitting, converting
// and writing them without ever losing a cent.
//
// Everything is a 64-bit integer. An [Amount] counts minor units (cents, øre,
// fils) of the document's currency; a [Quantity] counts millionths of a piece
// or a kilogram; a [UnitPrice] counts millionths of one major unit of the
// currency. There is no floating point anywhere, and all three are integers in
// JSON. The currency is not part of an amount: it stands once on the document,
// and is given to the functions that need its number of decimals.
//
// The package promises:
//
//   - No result is wrapped: whatever does not fit in 64 bits is [ErrOverflow].
//     Products are made with 128 bits, so only the result has to fit.
//   - Every division names its [Rounding]. The default rounds halves away from
//     zero, so that a return mirrors its sale.
//   - [Allocate] hands out exactly what it was given, and the same the other
//     way round for negative totals.
//   - Text is read strictly: "12.345" is not an amount of euros.
//
// Cash rounding ([CashRuleAt], [RoundCash]) is a table of the countries whose
// rule we know, with dates. A country that is missing has no rule here, which
// is not a claim that it has none.
//
// The package does not know tax, does not fetch exchange rates and does not
// add amounts of different currencies: it cannot see the difference, the
// document can.
//
//	price, _ := money.ParseUnitPrice("2.55")           // per kg
//	weight, _ := money.ParseQuantity("0.452")          // kg
//	line, err := money.Extend(price, weight, "EUR", 0) // 115: 1.15 EUR
//	parts, err := money.Allocate(line, []int64{1, 1})  // 58, 57
package money

import (
	"cmp"
	"errors"
	"fmt"
	"math"
)

// ErrOverflow is returned when a result does not fit in 64 bits.
var ErrOverflow = errors.New("amount out of range")

// Amount is a number of minor units of the currency of the document that it
// stands in: 1999 is 19.99 EUR, 1999 JPY or 1.999 BHD. It is negative for
// money that goes the other way, and an integer in JSON.
type Amount int64

// Quantity counts millionths of the article's unit: 1_000_000 is one piece,
// 452_000 is 0.452 kg. It is an integer in JSON.
type Quantity int64

// One is a quantity of exactly one piece, kilogram, litre, ...
const One Quantity = 1_000_000

// UnitPrice counts millionths of one major unit of the currency, for one unit
// of the article: 2_550_000 is 2.55 EUR, 1_499 is 0.001499 EUR. The scale is
// the same in all currencies. It is an integer in JSON.
type UnitPrice int64

// Add returns a + b, or ErrOverflow.
func (a Amount) Add(b Amount) (Amount, error) { return add(a, b) }

// Sub returns a − b, or ErrOverflow.
func (a Amount) Sub(b Amount) (Amount, error) { return sub(a, b) }

// Neg returns −a. The smallest amount has no opposite: ErrOverflow.
func (a Amount) Neg() (Amount, error) { return sub(0, a) }

// Abs returns a without its sign. The smallest amount has none: ErrOverflow.
func (a Amount) Abs() (Amount, error) {
	if a < 0 {
		return a.Neg()
	}
	return a, nil
}

// Cmp returns −1, 0 or +1 as a is less than, equal to or more than b.
func (a Amount) Cmp(b Amount) int { return cmp.Compare(a, b) }

// Sign returns −1, 0 or +1.
func (a Amount) Sign() int { return cmp.Compare(a, 0) }

// Sum adds amounts. It gives ErrOverflow only if the sum itself does not fit,
// whatever the order of the amounts.
func Sum(amounts ...Amount) (Amount, error) {
	var hi, lo int64 // the sum is hi·2³² + lo; both are far from their ends
	for _, a := range amounts {
		hi += int64(a) >> 32
		lo += int64(a) & math.MaxUint32
		hi, lo = hi+lo>>32, lo&math.MaxUint32
	}
	if hi > math.MaxInt32 || hi < math.MinInt32 {
		return 0, fmt.Errorf("sum of %d amounts: %w", len(amounts), ErrOverflow)
	}
	return Amount(hi<<32 | lo), nil
}

// Add returns q + r, or ErrOverflow.
func (q Quantity) Add(r Quantity) (Quantity, error) { return add(q, r) }

// Sub returns q − r, or ErrOverflow.
func (q Quantity) Sub(r Quantity) (Quantity, error) { return sub(q, r) }

// Neg returns −q, as on a return. The smallest quantity has no opposite.
func (q Quantity) Neg() (Quantity, error) { return sub(0, q) }

// Whole reports whether q counts whole pieces, with no fraction.
func (q Quantity) Whole() bool { return q%One == 0 }

// Add returns p + r, or ErrOverflow.
func (p UnitPrice) Add(r UnitPrice) (UnitPrice, error) { return add(p, r) }

// Sub returns p − r, or ErrOverflow.
func (p UnitPrice) Sub(r UnitPrice) (UnitPrice, error) { return sub(p, r) }

// Neg returns −p, as for a deposit that is paid back.
func (p UnitPrice) Neg() (UnitPrice, error) { return sub(0, p) }

func add[T ~int64](a, b T) (T, error) {
	s := a + b
	if (s > a) != (b > 0) && b != 0 {
		return 0, fmt.Errorf("%d + %d: %w", int64(a), int64(b), ErrOverflow)
	}
	return s, nil
}

func sub[T ~int64](a, b T) (T, error) {
	d := a - b
	if (d < a) != (b > 0) && b != 0 {
		return 0, fmt.Errorf("%d - %d: %w", int64(a), int64(b), ErrOverflow)
	}
	return d, nil
}
