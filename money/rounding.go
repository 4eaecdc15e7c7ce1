package money

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// ErrRounding is returned for a rounding mode that does not exist.
var ErrRounding = errors.New("unknown rounding mode")

// Rounding says what becomes of a fraction. Documents store it as text, so
// that a receipt can be computed again in twenty years; the numbers may change,
// the words may not. The zero value is HalfAwayFromZero.
type Rounding uint8

// The rounding modes. "Symmetric" ones treat −x as the mirror of x, as returns
// need it.
const (
	HalfAwayFromZero Rounding = iota // nearest, ties away from zero; symmetric; the default
	HalfEven                         // nearest, ties to the even neighbour ("banker's"); symmetric
	HalfTowardsZero                  // nearest, ties towards zero; symmetric
	HalfUp                           // nearest, ties towards +∞: −2.5 becomes −2
	HalfDown                         // nearest, ties towards −∞: −2.5 becomes −3
	Up                               // away from zero; symmetric
	Down                             // towards zero, cutting off; symmetric
	Ceil                             // towards +∞
	Floor                            // towards −∞
)

var roundingText = [...]string{
	HalfAwayFromZero: "half-away-from-zero",
	HalfEven:         "half-even",
	HalfTowardsZero:  "half-towards-zero",
	HalfUp:           "half-up",
	HalfDown:         "half-down",
	Up:               "up",
	Down:             "down",
	Ceil:             "ceil",
	Floor:            "floor",
}

// Roundings returns all modes, the default first.
func Roundings() []Rounding {
	all := make([]Rounding, len(roundingText))
	for i := range all {
		all[i] = Rounding(i)
	}
	return all
}

// ParseRounding reads the text form, exactly as String writes it.
func ParseRounding(s string) (Rounding, error) {
	for i, text := range roundingText {
		if s == text {
			return Rounding(i), nil
		}
	}
	return 0, fmt.Errorf("%w %.40q", ErrRounding, s)
}

// Valid reports whether r is one of the modes above.
func (r Rounding) Valid() bool { return int(r) < len(roundingText) }

// Symmetric reports whether r rounds −x to the opposite of what it makes of x.
func (r Rounding) Symmetric() bool {
	switch r {
	case HalfAwayFromZero, HalfEven, HalfTowardsZero, Up, Down:
		return true
	}
	return false
}

// String returns the text that documents store, such as "half-even".
func (r Rounding) String() string {
	if !r.Valid() {
		return fmt.Sprintf("rounding(%d)", uint8(r))
	}
	return roundingText[r]
}

// MarshalText writes the text form; an unknown mode is ErrRounding.
func (r Rounding) MarshalText() ([]byte, error) {
	if !r.Valid() {
		return nil, fmt.Errorf("%w %d", ErrRounding, uint8(r))
	}
	return []byte(roundingText[r]), nil
}

// UnmarshalText reads what MarshalText wrote, and nothing else.
func (r *Rounding) UnmarshalText(b []byte) error {
	v, err := ParseRounding(string(b))
	if err != nil {
		return err
	}
	*r = v
	return nil
}

// away reports whether the magnitude quo + rem/div, rem < div, is to be rounded
// to quo+1 (away from zero) rather than to quo.
func (r Rounding) away(quo, rem, div uint64, negative bool) bool {
	if rem == 0 {
		return false
	}
	switch r {
	case Up:
		return true
	case Down:
		return false
	case Ceil:
		return !negative
	case Floor:
		return negative
	}
	if other := div - rem; rem != other {
		return rem > other
	}
	switch r { // exactly half
	case HalfEven:
		return quo&1 == 1
	case HalfTowardsZero:
		return false
	case HalfUp:
		return !negative
	case HalfDown:
		return negative
	}
	return true // HalfAwayFromZero
}

// mulDiv returns a·b/c rounded by r. The product is exact; c must not be zero.
func mulDiv(a, b, c int64, r Rounding) (int64, error) {
	if !r.Valid() {
		return 0, fmt.Errorf("%w %d", ErrRounding, uint8(r))
	}
	negative := (a < 0) != (b < 0) != (c < 0)
	div := magnitude(c)
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	if hi >= div {
		return 0, ErrOverflow
	}
	quo, rem := bits.Div64(hi, lo, div)
	if r.away(quo, rem, div, negative) {
		if quo == math.MaxUint64 {
			return 0, ErrOverflow
		}
		quo++
	}
	return signed(quo, negative)
}

// magnitude is |x|, which always fits in 64 bits without sign.
func magnitude(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

// signed puts the sign back on a magnitude.
func signed(m uint64, negative bool) (int64, error) {
	switch {
	case negative && m <= 1<<63:
		return int64(-m), nil
	case !negative && m <= math.MaxInt64:
		return int64(m), nil
	}
	return 0, ErrOverflow
}
