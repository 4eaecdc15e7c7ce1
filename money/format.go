package money

import (
	"strings"
	"unicode"

	"github.com/bojanz/currency"
)

// Format writes a for people, as CLDR says for the locale ("de-AT", "pl",
// "ar-EG"): symbol and its place, separators, grouping, digits. The result may
// hold no-break spaces, direction marks and digits of other scripts, so it is
// for screens; printers get FormatPlain. A locale that is not known is written
// as "en". The number of decimals is always that of our own table.
func Format(a Amount, c Currency, locale string) string {
	return format(a, c, locale, func(*currency.Formatter) {})
}

// FormatPlain writes a for receipt printers and customer displays, which often
// know one code page only: the locale's order and separators, the ISO code for
// a symbol, and nothing but printable ASCII.
func FormatPlain(a Amount, c Currency, locale string) string {
	s := format(a, c, locale, func(f *currency.Formatter) {
		f.SymbolMap[string(c)] = string(c)
	})
	return strings.Join(strings.Fields(strings.Map(printable, s)), " ")
}

func format(a Amount, c Currency, locale string, adjust func(*currency.Formatter)) string {
	exp, err := c.exponent()
	if err != nil {
		return a.Text(c) + " " + strings.Map(printable, string(c))
	}
	carrier := string(c)
	if !currency.IsValid(carrier) {
		carrier = "EUR" // younger than the library: borrow its rules, not its sign
	}
	v, err := currency.NewAmount(a.Text(c), carrier)
	if err != nil {
		return a.Text(c) + " " + string(c)
	}
	f := formatter(locale, exp)
	if carrier != string(c) {
		f.SymbolMap[carrier] = string(c)
	}
	adjust(f)
	return f.Format(v)
}

func formatter(locale string, exp int) *currency.Formatter {
	l := currency.NewLocale(locale)
	if len(locale) > 35 || !known(l) { // 35: RFC 5646, 4.4.1
		l = currency.Locale{Language: "en"}
	}
	f := currency.NewFormatter(l)
	f.MinDigits, f.MaxDigits = uint8(exp), uint8(exp)
	return f
}

// known reports whether the library has a pattern for l: for others it writes
// nothing at all.
func known(l currency.Locale) bool {
	one, err := currency.NewAmount("1", "EUR")
	return err == nil && currency.NewFormatter(l).Format(one) != ""
}

// printable maps what CLDR writes in numbers to the ASCII of the same meaning
// and drops the rest.
func printable(r rune) rune {
	switch {
	case r > ' ' && r < unicode.MaxASCII:
		return r
	case unicode.IsSpace(r):
		return ' '
	case unicode.IsDigit(r):
		return digitOf(r)
	}
	switch r {
	case '\u2212', '\u2010', '\u2011', '\u2012', '\u2013':
		return '-'
	case '\u2019', '\u2018':
		return '\''
	case '\u066b': // Arabic decimal separator
		return '.'
	case '\u066c': // Arabic thousands separator
		return ','
	}
	return -1
}

// digitOf returns the ASCII digit of a decimal digit in any script: Unicode
// lays them out in runs of ten that begin with zero.
func digitOf(r rune) rune {
	zero := r
	for unicode.IsDigit(zero-1) && r-zero < 9 {
		zero--
	}
	return '0' + r - zero
}
