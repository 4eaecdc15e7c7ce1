package money_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/money"
)

func TestExponents(t *testing.T) {
	for c, want := range map[money.Currency]int{"EUR": 2, "JPY": 0, "KRW": 0, "ISK": 0, "BHD": 3, "TND": 3, "HUF": 2, "CZK": 2, "MRU": 2, "XOF": 0} {
		if got := c.Exponent(); got != want {
			t.Errorf("%s.Exponent() = %d, want %d", c, got, want)
		}
	}
}

func TestNumericCodesAreThreeDigitsAndBelongToOneCurrency(t *testing.T) {
	seen := make(map[string]money.Currency)
	for _, c := range money.Currencies() {
		n := c.Numeric()
		if len(n) != 3 || seen[n] != "" {
			t.Errorf("%s has numeric code %q, as has %q", c, n, seen[n])
		}
		seen[n] = c
	}
}

func TestOnlyCodesOfTheStandardAreCurrencies(t *testing.T) {
	for _, s := range []string{"", "eur", "EU", "EURO", "XXX", "XTS", "XAU", "CLF", "EUR ", "EU\x00"} {
		if c, err := money.ParseCurrency(s); !errors.Is(err, money.ErrCurrency) {
			t.Errorf("ParseCurrency(%q) = %v, %v, want ErrCurrency", s, c, err)
		}
	}
}

func TestWithdrawnCurrenciesAreReadButNotOffered(t *testing.T) {
	for _, c := range []money.Currency{"HRK", "BGN", "ANG"} {
		if _, err := money.ParseCurrency(string(c)); err != nil || c.Active() || slices.Contains(money.Currencies(), c) {
			t.Errorf("%s: error %v, active %v", c, err, c.Active())
		}
	}
}

func TestADayIsTheOneOnTheWall(t *testing.T) {
	oslo := time.FixedZone("CET", 3600)
	at := time.Date(2025, 12, 31, 23, 30, 0, 0, time.UTC)
	for got, want := range map[money.Date]money.Date{
		money.DateOf(at):          "2025-12-31",
		money.DateOf(at.In(oslo)): "2026-01-01",
		money.DateOf(time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC)): "9999-12-31",
		money.DateOf(time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)):    "0001-01-01",
	} {
		if got != want || !got.Valid() {
			t.Errorf("DateOf = %s, want %s", got, want)
		}
	}
}

func TestDatesAreDaysOfTheCalendar(t *testing.T) {
	for _, s := range []string{"", "2025-02-29", "2025-13-01", "2025-1-1", "20250101", "2025-01-01T00:00:00Z", "+2025-01-01", "12025-01-01"} {
		if d, err := money.ParseDate(s); !errors.Is(err, money.ErrDate) {
			t.Errorf("ParseDate(%q) = %v, %v, want ErrDate", s, d, err)
		}
	}
	if d := money.Date("2024-02-29"); !d.Valid() || !d.Within("2024-02-29", "2024-03-01") || d.Within("2024-01-01", "2024-02-29") || !d.Within("", "") {
		t.Error("2024-02-29 is a day, in the period that begins with it, not in the one that ends before it")
	}
}
