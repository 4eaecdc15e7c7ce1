package money_test

import (
	"testing"

	"github.com/plomb-pos/plomb/money"
	"pgregory.net/rapid"
)

func TestCashIsRoundedAsEachCountryDoes(t *testing.T) {
	for _, c := range []struct {
		country  money.Country
		currency money.Currency
		day      money.Date
		amount   money.Amount
		want     money.Amount
	}{
		{"CH", "CHF", "2026-01-01", 1002, 1000}, {"CH", "CHF", "2026-01-01", 1003, 1005},
		{"SE", "SEK", "2026-01-01", 1049, 1000}, {"SE", "SEK", "2026-01-01", 1050, 1100},
		{"SE", "SEK", "2010-09-30", 1049, 1049}, // the table does not reach back
		{"NO", "NOK", "2012-05-01", 1150, 1200}, {"NO", "NOK", "2012-04-30", 1150, 1150},
		{"DK", "DKK", "2026-01-01", 1024, 1000}, {"DK", "DKK", "2026-01-01", 1025, 1050},
		{"DK", "DKK", "2026-01-01", 1074, 1050}, {"DK", "DKK", "2026-01-01", 1075, 1100},
		{"FI", "EUR", "2026-01-01", 112, 110}, {"FI", "EUR", "2026-01-01", 113, 115},
		{"EE", "EUR", "2024-12-31", 112, 112}, {"EE", "EUR", "2025-01-01", 112, 110},
		{"LT", "EUR", "2025-04-30", 113, 113}, {"LT", "EUR", "2025-05-01", 113, 115},
		{"HU", "HUF", "2026-01-01", 100200, 100000}, {"HU", "HUF", "2026-01-01", 100300, 100500},
		{"CZ", "CZK", "2026-01-01", 9950, 10000}, {"CZ", "CZK", "2026-01-01", 9949, 9900},
		{"NZ", "NZD", "2026-01-01", 105, 100}, {"NZ", "NZD", "2026-01-01", 106, 110}, {"NZ", "NZD", "2026-01-01", -105, -100},
		{"CA", "CAD", "2026-01-01", 107, 105}, {"AU", "AUD", "2026-01-01", 108, 110},
		{"DE", "EUR", "2026-01-01", 112, 112}, // no rule
		{"FI", "USD", "2026-01-01", 112, 112}, // the rule is for euros
	} {
		rule, _ := money.CashRuleAt(c.country, c.currency, c.day)
		got, diff := money.RoundCash(c.amount, rule)
		if got != c.want || diff != c.want-c.amount {
			t.Errorf("RoundCash(%d %s, %s, %s) = %d, %d, want %d, %d", c.amount, c.currency, c.country, c.day, got, diff, c.want, c.want-c.amount)
		}
	}
}

func TestCashRoundingMovesByLessThanAStepAndMirrorsReturns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := money.Amount(edgy().Draw(t, "amount"))
		rule := rapid.SampledFrom(money.CashRules()).Draw(t, "rule")
		got, diff := money.RoundCash(a, rule)
		if got%rule.Step != 0 || got-a != diff || diff >= rule.Step || diff <= -rule.Step {
			t.Fatalf("RoundCash(%d) = %d, %d with step %d", a, got, diff, rule.Step)
		}
		if a == smallest {
			return
		}
		if back, _ := money.RoundCash(-a, rule); back != -got {
			t.Fatalf("RoundCash(%d) = %d, of the opposite %d", a, got, back)
		}
	})
}

func TestTheCashTableIsSound(t *testing.T) {
	rules := money.CashRules()
	for i, r := range rules {
		if !r.From.Valid() || r.Until != "" && r.Until <= r.From || r.Step <= 1 || !r.Currency.Active() || len(r.Country) != 2 {
			t.Errorf("rule %+v is not sound", r)
		}
		for _, s := range rules[:i] {
			if s.Country == r.Country && s.Currency == r.Currency && r.From.Within(s.From, s.Until) {
				t.Errorf("rules %+v and %+v overlap", s, r)
			}
		}
	}
}
