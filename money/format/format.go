// Package format writes amounts for people, as CLDR says for their locale:
// Amount for screens, Plain for printers and customer displays.
//
// It stands apart from package money because it links CLDR's tables (some
// hundred kilobytes), which a verifier has no use for. Nothing is stored in
// these forms and nothing is read back from them.
//
//	format.Amount(123456, "EUR", "de-AT") // € 1.234,56
//	format.Plain(123456, "EUR", "de-AT")  // EUR 1.234,56
package format

import (
	"strings"
	"unicode"

	"github.com/bojanz/currency"

	"github.com/plomb-pos/plomb/money"
)

// Amount writes a for people, as CLDR says for the locale ("de-AT", "pl",
// "ar-EG"): symbol and its place, separators, grouping, digits. The result may
// hold no-break spaces, direction marks and digits of other scripts, so it is
// for screens; printers get Plain. A locale that is not known is written
// as "en". The number of decimals is always that of our own table.
func Amount(a money.Amount, c money.Currency, locale string) string {
	return write(a, c, locale, func(*currency.Formatter) {})
}

// Plain writes a for receipt printers and customer displays, which often
// know one code page only: the locale's order and separators, the ISO code for
// a symbol, and nothing but printable ASCII.
func Plain(a money.Amount, c money.Currency, locale string) string {
	s := write(a, c, locale, func(f *currency.Formatter) {
		f.SymbolMap[string(c)] = string(c)
	})
	return strings.Join(strings.Fields(strings.Map(printable, s)), " ")
}

func write(a money.Amount, c money.Currency, locale string, adjust func(*currency.Formatter)) string {
	if _, err := money.ParseCurrency(string(c)); err != nil {
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
	f := formatter(locale, c.Exponent())
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
