package till

import (
	"slices"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/tax"
)

// CountryState is what a shop of a country begins with, for the page that sets a
// till up.
type CountryState struct {
	Country  money.Country  `json:"country"`
	Currency money.Currency `json:"currency"`
	Rates    []tax.Rule     `json:"rates"`    // in force today, those with a rate only
	CashStep money.Amount   `json:"cashStep"` // smallest amount payable in cash
	Optional bool           `json:"optional"` // the shop decides whether it rounds
}

// countryStates lists the countries that the program has a tax table for.
func countryStates(today money.Date) []CountryState {
	out := []CountryState{}
	for _, c := range tax.Countries() {
		table, _ := tax.For(c)
		currency := currencyOf(c)
		rule, _ := money.CashRuleAt(c, currency, today)
		out = append(out, CountryState{Country: c, Currency: currency, Rates: taxed(table, today), CashStep: rule.Step, Optional: rule.Optional})
	}
	return out
}

func taxed(table tax.Table, day money.Date) []tax.Rule {
	return slices.DeleteFunc(table.Current(day), func(r tax.Rule) bool { return r.Class.Untaxed() })
}

// RateChange is another rate of a class than the program has for the country.
type RateChange struct {
	Class tax.Class `json:"class"`
	Rate  tax.Rate  `json:"rate"` // thousandths of a percent
}

// SetupTax is how a shop computes tax, where that is not what the program has for
// its country: gross prices, rounded per receipt and rate.
type SetupTax struct {
	Rates  []RateChange `json:"rates,omitzero"`
	Prices tax.Prices   `json:"prices,omitzero"`
	Method tax.Method   `json:"method,omitzero"`
}

// empty reports whether nothing differs.
func (x SetupTax) empty() bool {
	return len(x.Rates) == 0 && (tax.Policy{Prices: x.Prices, Method: x.Method}).Explicit() == tax.Policy{}.Explicit()
}

// onto puts the differences into a shop's profile from a day on.
func (x SetupTax) onto(shop *fiscal.Shop, day money.Date) error {
	shop.Tax = tax.Policy{Prices: x.Prices, Method: x.Method}.Explicit()
	shop.TaxTable = slices.Clone(shop.TaxTable)
	for _, c := range x.Rates {
		now, err := shop.TaxTable.On(c.Class, day)
		if err != nil {
			return because(Invalid, "bad-tax-table", err)
		}
		shop.TaxTable = slices.DeleteFunc(shop.TaxTable, func(r tax.Rule) bool { return r.Class == c.Class && r.From >= day })
		now.Rate, now.From = c.Rate, day
		shop.TaxTable = append(shop.TaxTable, now)
	}
	if err := shop.TaxTable.Validate(); err != nil {
		return because(Invalid, "bad-tax-table", err)
	}
	if err := shop.Tax.Validate(); err != nil {
		return because(Invalid, "bad-tax-table", err)
	}
	return checkShop(*shop)
}

// taxBodies are the entries for what the first person says about tax: none where
// the country's own rules hold.
func (x SetupTax) taxBodies(shop fiscal.Shop, day money.Date, by staff.ID) ([]fiscal.Body, error) {
	if x.empty() {
		return nil, nil
	}
	if err := x.onto(&shop, day); err != nil {
		return nil, err
	}
	return []fiscal.Body{&fiscal.TaxChange{Actor: fiscal.Actor{By: by}, Shop: shop}}, nil
}

// RatesState is how the shop computes tax, for the page of settings.
type RatesState struct {
	Rules    tax.Table  `json:"rules"`    // all of them, with past and coming days
	Today    []tax.Rule `json:"today"`    // in force today
	Prices   tax.Prices `json:"prices"`   // with or without tax
	Method   tax.Method `json:"method"`   // where rounding happens
	Standard bool       `json:"standard"` // the rules are those that the program has for the country
}

func ratesState(s *fiscal.Shop, today money.Date) RatesState {
	own, _ := tax.For(s.Country)
	p := s.Tax.Explicit()
	return RatesState{Rules: list(s.TaxTable), Today: list(s.TaxTable.Current(today)), Prices: p.Prices, Method: p.Method, Standard: slices.Equal(own, s.TaxTable)}
}
