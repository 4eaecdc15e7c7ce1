package catalog

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/plomb-pos/plomb/money"
)

// Errors of schemes.
var (
	ErrScheme     = errors.New("invalid scheme")
	ErrPriceDigit = errors.New("wrong price check digit") // the printed price was misread
)

// Scheme reads 13-digit codes that a shop's scale or label printer makes, with
// a price, a weight or a count in them. Each character of Pattern stands for
// one digit of the code:
//
//	0-9  this very digit; the pattern begins with at least one, usually the
//	     prefix 20 to 29 or 02
//	I    item number
//	P    price, W weight or measure, N count of pieces (one of the three kinds)
//	V    check digit over the price (GS1 General Specifications 7.9.2 to 7.9.4),
//	     for prices of four or five digits
//	x    anything
//	C    check digit of the code, the last character
//
// For instance "28IIIIIWWWWWC" or "20IIIIIVPPPPC". An article's InStore number
// is the leading digits and the item digits: "2800123".
type Scheme struct {
	Pattern  string `json:"pattern"`
	Decimals int    `json:"decimals"` // of the price or measure: 2 for cents, 3 for grams of a kg; 0 to 6
}

// value says what a scheme carries.
type value byte

// pattern is a compiled Scheme.
type pattern struct {
	fixed    string // leading digits
	mask     string
	carries  value
	decimals int
}

// embedded is what a code says under a pattern.
type embedded struct {
	item    string // key into Article.InStore
	carries value
	value   int64 // millionths of a major unit, of a kg or of a piece
}

// Validate reports why a pattern cannot be used; the error wraps ErrScheme.
func (s Scheme) Validate() error {
	_, err := s.compile()
	return err
}

func (s Scheme) compile() (pattern, error) {
	p := pattern{mask: s.Pattern, decimals: s.Decimals}
	p.fixed = s.Pattern[:len(s.Pattern)-len(strings.TrimLeft(s.Pattern, "0123456789"))]
	if what := s.problem(p.fixed); what != "" {
		return pattern{}, fmt.Errorf("%w %.20q: %s", ErrScheme, s.Pattern, what)
	}
	for _, kind := range "PWN" {
		if strings.ContainsRune(s.Pattern, kind) {
			p.carries = value(kind)
		}
	}
	return p, nil
}

func (s Scheme) problem(fixed string) string {
	m := s.Pattern
	count := func(chars string) int { return len(m) - len(strings.Map(without(chars), m)) }
	switch {
	case len(m) != 13:
		return "it must have 13 characters"
	case count("0123456789IPWNVxC") != len(m):
		return "it has characters without meaning"
	case fixed == "":
		return "it must begin with a digit"
	case count("C") != 1 || m[12] != 'C':
		return "the last character, and only it, must be C"
	case count("I") == 0:
		return "it has no item number"
	case count("PWN") == 0 || count("PWN") != max(count("P"), count("W"), count("N")):
		return "it must carry exactly one of price P, measure W and count N"
	case count("V") > 1 || count("V") == 1 && count("P") != 4 && count("P") != 5:
		return "V stands once, with a price of four or five digits"
	case s.Decimals < 0 || s.Decimals > 6 || m != "" && count("N") > 0 && s.Decimals != 0:
		return "decimals must be 0 to 6, and 0 for a count"
	}
	return ""
}

func without(chars string) func(rune) rune {
	return func(r rune) rune {
		if strings.ContainsRune(chars, r) {
			return -1
		}
		return r
	}
}

// matches reports whether the fixed digits of the pattern stand in the code.
func (p pattern) matches(code string) bool {
	if len(code) != len(p.mask) {
		return false
	}
	for i := range len(code) {
		if m := p.mask[i]; m >= '0' && m <= '9' && m != code[i] {
			return false
		}
	}
	return true
}

// read takes a code with a right check digit apart.
func (p pattern) read(code string) (embedded, error) {
	number := p.pick(code, byte(p.carries))
	if v := p.pick(code, 'V'); v != "" {
		if want := PriceDigit(number); v[0] != want {
			return embedded{}, fmt.Errorf("%w: price %s has %s, not %c", ErrPriceDigit, number, v, want)
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt64/1_000_000 {
		return embedded{}, fmt.Errorf("%w: value %.20q", ErrCode, number)
	}
	for range 6 - p.decimals {
		n *= 10
	}
	return embedded{item: p.fixed + p.pick(code, 'I'), carries: p.carries, value: n}, nil
}

func (p pattern) pick(code string, kind byte) string {
	var b []byte
	for i := range len(code) {
		if p.mask[i] == kind {
			b = append(b, code[i])
		}
	}
	return string(b)
}

// Encode makes the code for an item: the opposite of what Lookup does, for
// label printers and tests. inStore is the article's InStore number; amount is
// in millionths as everywhere (money.UnitPrice or money.Quantity). It fails if
// the value does not fit in the digits of the pattern.
func (s Scheme) Encode(inStore string, amount int64) (string, error) {
	p, err := s.compile()
	if err != nil {
		return "", err
	}
	item, ok := strings.CutPrefix(inStore, p.fixed)
	step := int64(1)
	for range 6 - s.Decimals {
		step *= 10
	}
	digits := strings.Count(s.Pattern, string(rune(p.carries)))
	number := strconv.FormatInt(amount/step, 10)
	if !ok || amount < 0 || amount%step != 0 || len(number) > digits || len(item) != strings.Count(s.Pattern, "I") {
		return "", fmt.Errorf("%w: item %.20q with %d does not fit in %s", ErrCode, inStore, amount, s.Pattern)
	}
	return p.write(item, pad(number, digits)), nil
}

func (p pattern) write(item, number string) string {
	b := []byte(p.mask)
	verifier := PriceDigit(number)
	for i, m := range b {
		switch m {
		case 'I':
			b[i], item = item[0], item[1:]
		case byte(p.carries):
			b[i], number = number[0], number[1:]
		case 'V':
			b[i] = verifier
		case 'x':
			b[i] = '0'
		}
	}
	b[12] = CheckDigit(string(b[:12]))
	return string(b)
}

// The weighting tables of GS1 General Specifications, 7.9.2: the digit times
// the factor, with the tens added to or taken from the units.
const (
	times2minus = "0246891357"
	times3      = "0369258147"
	times5plus  = "0516273849"
	times5minus = "0594837261"
)

// PriceDigit returns the check digit over a price of four digits (7.9.3) or
// five digits (7.9.4). For other lengths it returns '0'.
func PriceDigit(price string) byte {
	if !digits(price) {
		return '0'
	}
	switch len(price) {
	case 4:
		sum := weigh(price, times2minus, times2minus, times3, times5minus)
		return byte('0' + 3*sum%10)
	case 5:
		sum := weigh(price, times5plus, times2minus, times5minus, times5plus, times2minus)
		missing := byte('0' + (10-sum%10)%10)
		return byte('0' + strings.IndexByte(times5minus, missing))
	}
	return '0'
}

func weigh(price string, tables ...string) int {
	sum := 0
	for i, table := range tables {
		sum += int(table[price[i]-'0'] - '0')
	}
	return sum
}

// quantity and price of what a code says.
func (e embedded) quantity() money.Quantity { return money.Quantity(e.value) }
func (e embedded) price() money.UnitPrice   { return money.UnitPrice(e.value) }
