package money_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/money"
	"pgregory.net/rapid"
)

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	currencies := money.Currencies()
	rapid.Check(t, func(t *rapid.T) {
		n, c := edgy().Draw(t, "n"), rapid.SampledFrom(currencies).Draw(t, "currency")
		if got, err := money.ParseAmount(money.Amount(n).Text(c), c); err != nil || int64(got) != n {
			t.Fatalf("%d %s is written %s and read %d, %v", n, c, money.Amount(n).Text(c), got, err)
		}
		if got, err := money.ParseQuantity(money.Quantity(n).String()); err != nil || int64(got) != n {
			t.Fatalf("quantity %d is written %v and read %d, %v", n, money.Quantity(n), int64(got), err)
		}
		for _, s := range []string{money.UnitPrice(n).String(), money.UnitPrice(n).Text(c)} {
			if got, err := money.ParseUnitPrice(s); err != nil || int64(got) != n {
				t.Fatalf("price %d is written %s and read %d, %v", n, s, int64(got), err)
			}
		}
	})
}

func TestAmountsHaveTheDecimalsOfTheirCurrency(t *testing.T) {
	for _, c := range []struct {
		n    money.Amount
		c    money.Currency
		want string
	}{
		{1250, "EUR", "12.50"}, {-5, "EUR", "-0.05"}, {0, "EUR", "0.00"},
		{1250, "JPY", "1250"}, {0, "JPY", "0"}, {-1, "JPY", "-1"},
		{1250, "BHD", "1.250"}, {-7, "KWD", "-0.007"}, {12, "XYZ", "12?"},
	} {
		if got := c.n.Text(c.c); got != c.want {
			t.Errorf("Amount(%d).Text(%s) = %q, want %q", c.n, c.c, got, c.want)
		}
	}
	for p, want := range map[money.UnitPrice]string{2_500_000: "2.50", 1_499: "0.001499", -250_000: "-0.25", 0: "0.00"} {
		if got := p.Text("EUR"); got != want {
			t.Errorf("UnitPrice(%d).Text(EUR) = %q, want %q", int64(p), got, want)
		}
	}
}

func TestParsingIsStrict(t *testing.T) {
	for s, want := range map[string]error{
		"12.345": money.ErrDecimals, "1.234567890123": money.ErrDecimals,
		"92233720368547758.08": money.ErrOverflow, "-92233720368547758.09": money.ErrOverflow,
		"99999999999999999999": money.ErrOverflow,
		"":                     money.ErrSyntax, "-": money.ErrSyntax, ".": money.ErrSyntax, ".5": money.ErrSyntax,
		"5.": money.ErrSyntax, "+5": money.ErrSyntax, " 5": money.ErrSyntax, "5 ": money.ErrSyntax,
		"1,50": money.ErrSyntax, "1.2.3": money.ErrSyntax, "--1": money.ErrSyntax, "1e3": money.ErrSyntax,
		"0x10": money.ErrSyntax, "1_000": money.ErrSyntax, "١": money.ErrSyntax, "NaN": money.ErrSyntax,
		"007": money.ErrSyntax, "-00.5": money.ErrSyntax, "−5": money.ErrSyntax,
		strings.Repeat("0", 1<<20): money.ErrSyntax,
	} {
		if got, err := money.ParseAmount(s, "EUR"); !errors.Is(err, want) {
			t.Errorf("ParseAmount(%.30q) = %d, %v, want %v", s, got, err, want)
		}
	}
	if _, err := money.ParseAmount("1.5", "JPY"); !errors.Is(err, money.ErrDecimals) {
		t.Errorf("ParseAmount(1.5, JPY) error = %v, want ErrDecimals", err)
	}
	if _, err := money.ParseAmount("1", "eur"); !errors.Is(err, money.ErrCurrency) {
		t.Errorf("ParseAmount(1, eur) error = %v, want ErrCurrency", err)
	}
}

func TestFewerDecimalsAreFilledUp(t *testing.T) {
	for s, want := range map[string]money.Amount{"12": 1200, "12.5": 1250, "-0.05": -5, "0": 0, "-0": 0, "92233720368547758.07": largest} {
		if got, err := money.ParseAmount(s, "EUR"); err != nil || got != want {
			t.Errorf("ParseAmount(%s) = %d, %v, want %d", s, got, err, want)
		}
	}
}

func FuzzParseAmount(f *testing.F) {
	for _, s := range []string{"0", "12.34", "-0.01", "92233720368547758.07", "-92233720368547758.08", "1.", "1e5", "٣", "-0", "0.000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range []money.Currency{"EUR", "JPY", "BHD"} {
			v, err := money.ParseAmount(s, c)
			if err != nil {
				continue
			}
			if len(s) > 40 {
				t.Fatalf("ParseAmount accepts %d bytes", len(s))
			}
			text := v.Text(c)
			if strings.TrimRight(text, ".0") != strings.TrimRight(s, ".0") && v != 0 && !strings.HasPrefix(text, s) {
				t.Fatalf("ParseAmount(%q, %s) = %s", s, c, text)
			}
			if again, err := money.ParseAmount(text, c); err != nil || again != v {
				t.Fatalf("%q is read %d, written %s, read %d, %v", s, v, text, again, err)
			}
		}
	})
}
