package format_test

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bojanz/currency"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/money/format"
	"pgregory.net/rapid"
)

// CLDR 47, checked by eye; · stands for U+00A0 and ˙ for U+202F.
func TestAmountsAreWrittenAsInTheCountry(t *testing.T) {
	for _, c := range []struct {
		locale        string
		amount        money.Amount
		c             money.Currency
		screen, plain string
	}{
		{"en", 123456789, "EUR", "€1,234,567.89", "EUR 1,234,567.89"},
		{"en-GB", -1999, "GBP", "-£19.99", "-GBP 19.99"},
		{"de", 123456789, "EUR", "1.234.567,89·€", "1.234.567,89 EUR"},
		{"de-AT", 123456789, "EUR", "€·1.234.567,89", "EUR 1.234.567,89"},
		{"de-CH", 123456789, "CHF", "CHF·1’234’567.89", "CHF 1'234'567.89"},
		{"fr", 123456789, "EUR", "1˙234˙567,89·€", "1 234 567,89 EUR"},
		{"pl", 123456789, "PLN", "1·234·567,89·zł", "1 234 567,89 PLN"},
		{"pl", 123456, "PLN", "1234,56·zł", "1234,56 PLN"},
		{"nb", -123456, "NOK", "−1·234,56·kr", "-1 234,56 NOK"},
		{"sv", 123456, "SEK", "1·234,56·kr", "1 234,56 SEK"},
		{"da", 123456, "DKK", "1.234,56·kr.", "1.234,56 DKK"},
		{"hu", 123456, "HUF", "1234,56·Ft", "1234,56 HUF"},
		{"zh", 123456, "CNY", "¥1,234.56", "CNY 1,234.56"},
		{"ja", 1234, "JPY", "￥1,234", "JPY 1,234"},
		{"hi", 123456789, "INR", "₹12,34,567.89", "INR 12,34,567.89"},
		{"ar-BH", 123456, "BHD", "\u200f١٢٣٫٤٥٦·د.ب.\u200f", "123.456 BHD"},
		{"tr", 123456, "TRY", "₺1.234,56", "TRY 1.234,56"},
		{"en", 123456, "XCG", "XCG·1,234.56", "XCG 1,234.56"}, // younger than the library
		{"xx-YY", 5, "EUR", "€0.05", "EUR 0.05"},              // no such locale
		{"", 0, "EUR", "€0.00", "EUR 0.00"},
		{"en", 7, "???", "7? ???", "7? ???"},
		{"en", int64Min, "EUR", "-€92,233,720,368,547,758.08", "-EUR 92,233,720,368,547,758.08"},
	} {
		want := strings.NewReplacer("·", "\u00a0", "˙", "\u202f").Replace(c.screen)
		if got := format.Amount(c.amount, c.c, c.locale); got != want {
			t.Errorf("Amount(%d, %s, %s) = %q, want %q", c.amount, c.c, c.locale, got, want)
		}
		if got := format.Plain(c.amount, c.c, c.locale); got != c.plain {
			t.Errorf("Plain(%d, %s, %s) = %q, want %q", c.amount, c.c, c.locale, got, c.plain)
		}
	}
}

const int64Min = money.Amount(math.MinInt64)

var locales = []string{"af", "am", "ar", "ar-EG", "ar-MA", "az", "be", "bg", "bn", "bs", "ca", "cs", "cy", "da", "de", "de-AT",
	"de-CH", "de-LI", "el", "en", "en-AU", "en-CA", "en-IE", "en-IN", "en-ZA", "es", "es-AR", "es-MX", "et", "eu", "fa", "fi", "fil", "fr",
	"fr-BE", "fr-CA", "fr-CH", "ga", "gl", "gu", "he", "hi", "hr", "hu", "hy", "id", "is", "it", "it-CH", "ja", "ka", "kk", "km", "ko", "ky",
	"lb", "lo", "lt", "lv", "mk", "ml", "mn", "mr", "ms", "my", "nb", "ne", "nl", "nl-BE", "nn", "pa", "pl", "ps", "pt", "pt-PT", "ro",
	"ru", "si", "sk", "sl", "sq", "sr", "sr-Latn", "sv", "sv-FI", "sw", "ta", "te", "th", "tr", "uk", "ur", "uz", "vi", "zh", "zh-Hant", "zu"}

func TestPrintersGetTheSameDigitsInPrintableASCII(t *testing.T) {
	all := money.Currencies()
	rapid.Check(t, func(t *rapid.T) {
		a := money.Amount(rapid.Int64().Draw(t, "amount"))
		c, locale := rapid.SampledFrom(all).Draw(t, "currency"), rapid.SampledFrom(locales).Draw(t, "locale")
		got := format.Plain(a, c, locale)
		for i := range len(got) {
			if got[i] < ' ' || got[i] > '~' {
				t.Fatalf("Plain(%d, %s, %s) = %q: not printable ASCII", a, c, locale, got)
			}
		}
		if want := onlyDigits(a.Text(c)); onlyDigits(got) != want {
			t.Fatalf("Plain(%d, %s, %s) = %q: digits are not %s", a, c, locale, got, want)
		}
		if strings.Contains(got, "-") != (a < 0) || !strings.Contains(got, string(c)) {
			t.Fatalf("Plain(%d, %s, %s) = %q: sign or code", a, c, locale, got)
		}
	})
}

func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

func FuzzAmount(f *testing.F) {
	for _, l := range locales {
		f.Add(int64(-123456789), "EUR", l)
	}
	f.Add(int64(1), "E\x1b@", "de\x00")
	f.Fuzz(func(t *testing.T, n int64, c, locale string) {
		if s := format.Amount(money.Amount(n), money.Currency(c), locale); s == "" || utf8.ValidString(c) && !utf8.ValidString(s) {
			t.Errorf("Amount(%d, %q, %q) = %q", n, c, locale, s)
		}
		for _, r := range format.Plain(money.Amount(n), money.Currency(c), locale) {
			if r < ' ' || r > '~' {
				t.Errorf("Plain(%d, %q, %q) holds %q", n, c, locale, r)
			}
		}
	})
}

func TestOurTableAgreesWithTheLibraryWhereBothKnowACurrency(t *testing.T) {
	known := 0
	for _, c := range money.Currencies() {
		if !currency.IsValid(string(c)) {
			continue
		}
		known++
		digits, _ := currency.GetDigits(string(c))
		numeric, _ := currency.GetNumericCode(string(c))
		if int(digits) != c.Exponent() || numeric != c.Numeric() {
			t.Errorf("%s: ours %d, %s, theirs %d, %s", c, c.Exponent(), c.Numeric(), digits, numeric)
		}
	}
	if known < 150 {
		t.Errorf("only %d currencies are known to both", known)
	}
}
