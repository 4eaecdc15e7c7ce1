package money_test

import (
	"errors"
	"math/big"
	"testing"

	"github.com/plomb-pos/plomb/money"
	"pgregory.net/rapid"
)

func TestConversionIsExactAndRoundedOnce(t *testing.T) {
	all := money.Currencies()
	rapid.Check(t, func(t *rapid.T) {
		a := edgy().Draw(t, "amount")
		from, to := rapid.SampledFrom(all).Draw(t, "from"), rapid.SampledFrom(all).Draw(t, "to")
		term := rapid.OneOf(rapid.Int64Range(1, 1e15), rapid.Int64Range(1, 1000), rapid.Just(int64(1e15)))
		rate := money.Rate{Num: term.Draw(t, "num"), Den: term.Draw(t, "den")}
		r := rapid.SampledFrom(money.Roundings()).Draw(t, "rounding")
		exact := new(big.Rat).SetInt64(a)
		exact.Mul(exact, big.NewRat(rate.Num, rate.Den))
		exact.Mul(exact, ratio(pow(to.Exponent()), pow(from.Exponent())))
		same(t, "Convert", round(exact, r))(money.Convert(money.Amount(a), from, to, rate, r))
	})
}

func TestForeignTender(t *testing.T) {
	rate, err := money.ParseRate("11.4525") // NOK for one EUR
	if err != nil || rate != (money.Rate{Num: 114525, Den: 10000}) {
		t.Fatalf("ParseRate = %+v, %v", rate, err)
	}
	if got, err := money.Convert(2000, "EUR", "NOK", rate, 0); err != nil || got != 22905 {
		t.Errorf("20 EUR = %d, %v, want 229.05 NOK", got, err)
	}
	if got, err := money.Convert(22905, "NOK", "EUR", rate.Inverse(), 0); err != nil || got != 2000 {
		t.Errorf("229.05 NOK = %d, %v, want 20 EUR", got, err)
	}
	if got, err := money.Convert(1000, "JPY", "BHD", money.Rate{Num: 25, Den: 10000}, 0); err != nil || got != 2500 {
		t.Errorf("1000 JPY = %d, %v, want 2.500 BHD", got, err)
	}
}

func TestRatesThatAreNoneAreRefused(t *testing.T) {
	for _, r := range []money.Rate{{}, {1, 0}, {0, 1}, {-1, 1}, {1, -1}, {1e15 + 1, 1}, {1, 1e15 + 1}} {
		if _, err := money.Convert(1, "EUR", "NOK", r, 0); !errors.Is(err, money.ErrRate) {
			t.Errorf("Convert at %v: error = %v, want ErrRate", r, err)
		}
	}
	for _, s := range []string{"0", "-1", "1,5", "", "1e3", "1.1234567890123", "99999999999999999"} {
		if r, err := money.ParseRate(s); err == nil {
			t.Errorf("ParseRate(%q) = %v, want an error", s, r)
		}
	}
	if _, err := money.Convert(1, "EUR", "???", money.Rate{Num: 1, Den: 1}, 0); !errors.Is(err, money.ErrCurrency) {
		t.Errorf("Convert to ???: error = %v, want ErrCurrency", err)
	}
}
