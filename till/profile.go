package till

import (
	"cmp"
	"slices"
	"sync"
	"time"
	_ "time/tzdata" // a till's image need not carry the zones

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/tax"
)

// Profile is the shop's profile as the screen sees it: the part of
// [fiscal.Shop] that people change. Fields that are left out of a change stay
// as they are.
type Profile struct {
	Name             *string            `json:"name,omitzero"`
	Address          *[]string          `json:"address,omitzero"`
	TaxNumber        *string            `json:"taxNumber,omitzero"`
	Country          *money.Country     `json:"country,omitzero"`
	Currency         *money.Currency    `json:"currency,omitzero"`
	Language         *string            `json:"language,omitzero"`
	TimeZone         *string            `json:"timeZone,omitzero"` // IANA name; receipts carry local time
	Header           *[]string          `json:"header,omitzero"`
	Footer           *[]string          `json:"footer,omitzero"`
	Tenders          *[]sale.TenderType `json:"tenders,omitzero"`
	Currencies       *[]CurrencyState   `json:"currencies,omitzero"` // foreign cash that is taken
	QuickCash        *[]money.Amount    `json:"quickCash,omitzero"`
	DiscountLimit    *int32             `json:"discountLimit,omitzero"` // thousandths of a percent that need no approval
	MaxChange        *money.Amount      `json:"maxChange,omitzero"`     // a larger change is a slip; 0: any
	NoReceipt        *bool              `json:"noReceipt,omitzero"`     // goods are taken back without a receipt, with approval
	MaxCopies        *int               `json:"maxCopies,omitzero"`     // of one receipt; 0: any number
	Columns          *int               `json:"columns,omitzero"`       // of the receipt paper, 32 or 48
	LockAfterSeconds *int               `json:"lockAfterSeconds,omitzero"`
	CashStep         *money.Amount      `json:"cashStep,omitzero"` // smallest amount payable in cash; 0: totals are not rounded
	Detail           *fiscal.Detail     `json:"detail,omitzero"`   // how much beyond the floor is journaled
	Roles            *staff.Book        `json:"roles,omitzero"`    // finer ones, beside those that are built in
}

// Languages are those that the screen speaks.
var Languages = []string{"en", "de", "pl", "zh"}

// fixed are the fields of a profile that stay once the shop is set up: past
// receipts, returns and the tax table depend on them.
var fixed = []string{"country", "currency"}

// A screen that nobody touches locks itself; bounds and default in seconds.
const (
	minLock, defaultLock, maxLock = 15, 300, 3600
	defaultDiscount               = 10_000 // 10 %
)

// newShop is the profile that setup makes: what was given, and the built-in
// rules of the country.
func newShop(p Profile, till string, now time.Time) (fiscal.Shop, error) {
	shop := fiscal.Shop{Till: till, Language: "en", Languages: slices.Clone(Languages), Discount: defaultDiscount, LockAfter: defaultLock,
		Tenders: []sale.TenderType{sale.Cash, sale.Card, sale.Voucher}, Tax: tax.Policy{}.Explicit()}
	set(&shop.Country, p.Country)
	set(&shop.Currency, p.Currency)
	table, ok := tax.For(shop.Country)
	if !ok {
		return shop, refuse(Invalid, "unknown-country")
	}
	shop.TaxTable, shop.Zone = table, zoneOf(shop.Country)
	shop.QuickCash = quickCash(shop.Currency)
	if rule, ok := money.CashRuleAt(shop.Country, shop.Currency, money.DateOf(now)); ok && !rule.Optional {
		shop.CashStep, shop.CashRound = rule.Step, rule.Rounding
	}
	return changedShop(shop, p, now)
}

// changedShop is shop with what p names; country and currency are not among it.
func changedShop(shop fiscal.Shop, p Profile, now time.Time) (fiscal.Shop, error) {
	set(&shop.Name, p.Name)
	set(&shop.Address, p.Address)
	set(&shop.TaxNumber, p.TaxNumber)
	set(&shop.Language, p.Language)
	set(&shop.Zone, p.TimeZone)
	set(&shop.Header, p.Header)
	set(&shop.Footer, p.Footer)
	set(&shop.Tenders, p.Tenders)
	set(&shop.QuickCash, p.QuickCash)
	set(&shop.Discount, p.DiscountLimit)
	set(&shop.MaxChange, p.MaxChange)
	set(&shop.NoReceipt, p.NoReceipt)
	set(&shop.MaxCopies, p.MaxCopies)
	set(&shop.Columns, p.Columns)
	set(&shop.LockAfter, p.LockAfterSeconds)
	set(&shop.Detail, p.Detail)
	set(&shop.Roles, p.Roles)
	if p.CashStep != nil {
		if err := roundCash(&shop, *p.CashStep, now); err != nil {
			return shop, err
		}
	}
	if p.Currencies != nil {
		exchange, err := exchangeOf(*p.Currencies)
		if err != nil {
			return shop, err
		}
		shop.Exchange = exchange
	}
	return shop, checkShop(shop)
}

// maxOwnStep bounds the rounding of cash in countries whose rule we do not know.
const maxOwnStep = 10

// roundCash takes another rounding of cash. Where the country has a rule, the shop
// may at most decide whether it follows it.
func roundCash(shop *fiscal.Shop, step money.Amount, now time.Time) error {
	rule, known := money.CashRuleAt(shop.Country, shop.Currency, money.DateOf(now))
	switch {
	case step == shop.CashStep:
		return nil
	case known && step == rule.Step, !known && step > 1 && step <= maxOwnStep:
		shop.CashStep, shop.CashRound = step, rule.Rounding
		return nil
	case step <= 1 && step >= 0 && (!known || rule.Optional):
		shop.CashStep, shop.CashRound = 0, 0
		return nil
	}
	return refuse(Invalid, "bad-cash-step")
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func exchangeOf(list []CurrencyState) ([]fiscal.Exchange, error) {
	var out []fiscal.Exchange
	for _, c := range list {
		rate, err := money.ParseRate(c.Rate)
		if err != nil {
			return nil, because(Invalid, "bad-currencies", err)
		}
		out = append(out, fiscal.Exchange{Currency: c.Code, Rate: rate})
	}
	return out, nil
}

// checkShop adds the till's own limits to those of the profile itself.
func checkShop(shop fiscal.Shop) error {
	_, zoneErr := time.LoadLocation(shop.Zone)
	bad := func(a money.Amount) bool { return a <= 0 || a > sale.MaxAmount }
	texts := slices.Concat([]string{shop.TaxNumber}, shop.Address, shop.Header, shop.Footer)
	switch {
	case checkName(shop.Name) != nil || slices.ContainsFunc(texts, func(s string) bool { return !honest(s) }):
		return refuse(Invalid, "bad-text")
	case !slices.Contains(Languages, shop.Language):
		return refuse(Invalid, "unknown-language")
	case zoneErr != nil || shop.Zone == "Local":
		return because(Invalid, "unknown-time-zone", zoneErr)
	case shop.LockAfter < minLock || shop.LockAfter > maxLock:
		return refuse(Invalid, "bad-lock-time")
	case shop.MaxChange > sale.MaxAmount || slices.ContainsFunc(shop.QuickCash, bad):
		return refuse(Invalid, "bad-amount")
	case len(shop.Tenders) == 0:
		return refuse(Invalid, "unknown-tender")
	}
	if err := shop.Validate(); err != nil {
		return because(Invalid, "bad-shop", err)
	}
	return nil
}

// profileOf shows a shop.
func profileOf(s *fiscal.Shop) Profile {
	detail := cmp.Or(s.Detail, fiscal.Basic)
	lock, address, header, footer := s.LockAfter, list(s.Address), list(s.Header), list(s.Footer)
	roles := staff.Book(list(s.Roles))
	tenders, quick, currencies := list(s.Tenders), list(s.QuickCash), currenciesOf(s)
	return Profile{
		Name: &s.Name, Address: &address, TaxNumber: &s.TaxNumber, Country: &s.Country, Currency: &s.Currency, Language: &s.Language,
		TimeZone: &s.Zone, Header: &header, Footer: &footer, Tenders: &tenders, Currencies: &currencies, QuickCash: &quick,
		DiscountLimit: &s.Discount, MaxChange: &s.MaxChange, NoReceipt: &s.NoReceipt, MaxCopies: &s.MaxCopies, Columns: &s.Columns,
		LockAfterSeconds: &lock, Roles: &roles, CashStep: &s.CashStep, Detail: &detail,
	}
}

func currenciesOf(s *fiscal.Shop) []CurrencyState {
	out := []CurrencyState{}
	for _, x := range s.Exchange {
		out = append(out, CurrencyState{Code: x.Currency, Rate: rateText(x.Rate)})
	}
	return out
}

// rateText writes a rate as a decimal; a rate that was quoted as one comes out
// exactly.
func rateText(r money.Rate) string {
	p, err := money.Share(1_000_000, r.Num, r.Den, money.HalfAwayFromZero)
	if err != nil {
		return ""
	}
	return money.UnitPrice(p).String()
}

// list makes an empty list of none, for JSON.
func list[T any](in []T) []T {
	if in == nil {
		return []T{}
	}
	return in
}

// zones are those that were loaded before, by name: reading one takes long.
var zones sync.Map

// zone is the shop's zone; a profile that was accepted has one.
func zone(s *fiscal.Shop) *time.Location {
	if loc, ok := zones.Load(s.Zone); ok {
		return loc.(*time.Location)
	}
	loc, err := time.LoadLocation(s.Zone)
	if err != nil {
		return time.UTC
	}
	zones.Store(s.Zone, loc)
	return loc
}

// denominations are the coins and notes of a currency, for counting. Currencies
// that are not listed get the usual series from 1 to 5,000 of their large unit.
func denominations(c money.Currency) []money.Amount {
	switch c {
	case "EUR":
		return []money.Amount{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000}
	case "PLN":
		return []money.Amount{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000}
	case "CHF":
		return []money.Amount{5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 100000}
	case "NOK":
		return []money.Amount{100, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000}
	case "DKK":
		return []money.Amount{50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000}
	case "SEK":
		return []money.Amount{100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000}
	case "CZK":
		return []money.Amount{100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000}
	case "GBP":
		return []money.Amount{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000}
	case "USD":
		return []money.Amount{1, 5, 10, 25, 100, 500, 1000, 2000, 5000, 10000}
	case "CNY":
		return []money.Amount{10, 50, 100, 500, 1000, 2000, 5000, 10000}
	case "HUF":
		return []money.Amount{500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000, 2000000}
	}
	return steps(6)
}

// steps is the usual series of coins and notes over so many powers of ten.
func steps(powers int) []money.Amount {
	var out []money.Amount
	for p, unit := 0, money.Amount(1); p < powers; p, unit = p+1, unit*10 {
		out = append(out, unit, 2*unit, 5*unit)
	}
	return out
}

// quickCash are the four smallest notes that people pay with.
func quickCash(c money.Currency) []money.Amount {
	smallest := map[money.Currency]money.Amount{"CHF": 1000, "CNY": 1000, "CZK": 10000, "DKK": 5000, "HUF": 50000, "NOK": 5000, "PLN": 1000, "SEK": 2000}
	from := cmp.Or(smallest[c], 500)
	notes := slices.DeleteFunc(denominations(c), func(a money.Amount) bool { return a < from })
	return notes[:min(4, len(notes))]
}

// zoneOf is the zone of a country's capital, UTC where it is not listed.
func zoneOf(c money.Country) string {
	zones := map[money.Country]string{
		"AT": "Europe/Vienna", "BE": "Europe/Brussels", "CH": "Europe/Zurich", "CZ": "Europe/Prague", "DE": "Europe/Berlin",
		"DK": "Europe/Copenhagen", "ES": "Europe/Madrid", "FI": "Europe/Helsinki", "FR": "Europe/Paris", "GB": "Europe/London",
		"HU": "Europe/Budapest", "IE": "Europe/Dublin", "IT": "Europe/Rome", "LU": "Europe/Luxembourg", "NL": "Europe/Amsterdam",
		"NO": "Europe/Oslo", "PL": "Europe/Warsaw", "PT": "Europe/Lisbon", "SE": "Europe/Stockholm", "SK": "Europe/Bratislava",
		"SI": "Europe/Ljubljana", "CN": "Asia/Shanghai",
	}
	if z, ok := zones[c]; ok {
		return z
	}
	return "UTC"
}
