package fiscal

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/tax"
)

// Shop is the profile by which a till sells: who the shop is, its tax table and
// policy, what it takes and how its receipts look. Each change of it is an
// entry; the one in force stands in the state.
type Shop struct {
	Name      string            `json:"name"`
	Address   []string          `json:"address,omitempty"` // lines
	TaxNumber string            `json:"taxNumber,omitzero"`
	Country   money.Country     `json:"country"`
	Currency  money.Currency    `json:"currency"`
	Language  string            `json:"language"`            // of receipts
	Languages []string          `json:"languages,omitempty"` // offered on the screen
	Zone      string            `json:"zone,omitzero"`       // IANA time zone, "Europe/Berlin"; empty: UTC
	Till      string            `json:"till"`                // what the receipt calls this till
	TaxTable  tax.Table         `json:"taxTable"`
	Tax       tax.Policy        `json:"tax"`
	CashStep  money.Amount      `json:"cashStep,omitzero"` // smallest amount payable in cash
	CashRound money.Rounding    `json:"cashRounding"`
	Tenders   []sale.TenderType `json:"tenders,omitempty"` // taken; empty: all
	Exchange  []Exchange        `json:"exchange,omitempty"`
	QuickCash []money.Amount    `json:"quickCash,omitempty"` // buttons on the screen
	MaxChange money.Amount      `json:"maxChange,omitzero"`
	Discount  int32             `json:"discount,omitzero"`  // thousandths of a percent that need no approval
	NoReceipt bool              `json:"noReceipt,omitzero"` // returns without a receipt are possible, with approval
	Reauth    bool              `json:"reauth,omitzero"`    // the operator proves who they are before each sale
	LockAfter int               `json:"lockAfter,omitzero"` // seconds without input; 0: the till's own default
	MaxCopies int               `json:"maxCopies,omitzero"` // of one receipt; 0: any number
	Columns   int               `json:"columns,omitzero"`   // of the receipt paper: 32 or 48; 0: 48
	Detail    Detail            `json:"detail,omitzero"`
	Header    []string          `json:"header,omitempty"` // lines above the receipt
	Footer    []string          `json:"footer,omitempty"` // lines below it
	Roles     staff.Book        `json:"roles,omitempty"`  // finer roles
}

// Exchange is a foreign currency that the shop takes in cash.
type Exchange struct {
	Currency money.Currency `json:"currency"`
	Rate     money.Rate     `json:"rate"` // shop's major units for one of Currency
}

// Detail says how much beyond the floor is journaled. The floor is everything
// that anybody does or tries: each command, all money, closings, refusals and
// security events. It cannot be lowered.
type Detail string

// The levels of detail. Empty means Basic.
const (
	Minimum  Detail = "minimum"  // the floor
	Basic    Detail = "basic"    // and each entry that somebody opened or had proven
	Detailed Detail = "detailed" // and each search in the journal
)

// Validate reports the first thing that is wrong with the profile, with code
// bad-shop.
func (s *Shop) Validate() error {
	if err := s.texts(); err != nil {
		return err
	}
	if _, err := money.ParseCurrency(string(s.Currency)); err != nil {
		return because(CodeShop, "shop", err)
	}
	if len(s.Country) != 2 || strings.Trim(string(s.Country), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return refuse(CodeShop, "%.10q is not a country", string(s.Country))
	}
	if len(s.TaxTable) == 0 || len(s.TaxTable) > 500 {
		return refuse(CodeShop, "tax table of %d rules", len(s.TaxTable))
	}
	if err := s.TaxTable.Validate(); err != nil {
		return because(CodeShop, "shop", err)
	}
	if err := s.Tax.Validate(); err != nil {
		return because(CodeShop, "shop", err)
	}
	if err := s.Roles.Validate(); err != nil {
		return because(CodeShop, "shop", err)
	}
	return s.figures()
}

func (s *Shop) figures() error {
	switch {
	case s.CashStep < 0 || s.CashStep > 1_000_000 || !s.CashRound.Valid():
		return refuse(CodeShop, "cash step %d", s.CashStep)
	case s.MaxChange < 0 || s.Discount < 0 || s.Discount > 100_000 || s.LockAfter < 0 || s.MaxCopies < 0:
		return refuse(CodeShop, "a limit below zero, or a discount above 100 %%")
	case s.Columns != 0 && s.Columns != 32 && s.Columns != 48:
		return refuse(CodeShop, "%d columns; paper has 32 or 48", s.Columns)
	case !slices.Contains([]Detail{"", Minimum, Basic, Detailed}, s.Detail):
		return refuse(CodeShop, "detail %.20q", string(s.Detail))
	case len(s.Exchange) > 50 || len(s.QuickCash) > 20:
		return refuse(CodeShop, "too many currencies or quick amounts")
	}
	for _, t := range s.Tenders {
		if !t.Valid() {
			return refuse(CodeShop, "tender type %.20q", string(t))
		}
	}
	return s.rates()
}

func (s *Shop) rates() error {
	for i, x := range s.Exchange {
		if !x.Currency.Valid() || x.Currency == s.Currency {
			return refuse(CodeShop, "foreign currency %.10q", string(x.Currency))
		}
		if slices.ContainsFunc(s.Exchange[:i], func(y Exchange) bool { return y.Currency == x.Currency }) {
			return refuse(CodeShop, "currency %s stands twice", x.Currency)
		}
		if err := x.Rate.Validate(); err != nil {
			return because(CodeShop, "rate of "+string(x.Currency), err)
		}
	}
	return nil
}

func (s *Shop) texts() error {
	if s.Name == "" || s.Till == "" || s.Language == "" {
		return refuse(CodeShop, "a shop needs a name, its till a name, and a language")
	}
	if len(s.Address) > 6 || len(s.Header) > 10 || len(s.Footer) > 20 || len(s.Languages) > 20 {
		return refuse(CodeShop, "too many lines of address, header or footer, or languages")
	}
	all := slices.Concat([]string{s.Name, s.TaxNumber, s.Till, s.Language, s.Zone}, s.Address, s.Header, s.Footer, s.Languages)
	for _, t := range all {
		if !line(t, 200) {
			return refuse(CodeShop, "%.40q is not one line of at most 200 characters", t)
		}
	}
	return nil
}

// line reports whether s is one printable line of at most limit characters.
func line(s string, limit int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029
	})
}

// Terms are the rules that a new basket begins with.
func (s *Shop) Terms() sale.Terms {
	return sale.Terms{
		Currency: s.Currency, Tax: s.Tax.Explicit(), CashStep: s.CashStep, CashRounding: s.CashRound,
		Tenders: slices.Clone(s.Tenders), MaxChange: s.MaxChange,
	}
}

// Rate returns the exchange rate of a foreign currency that the shop takes.
func (s *Shop) Rate(c money.Currency) (money.Rate, bool) {
	i := slices.IndexFunc(s.Exchange, func(x Exchange) bool { return x.Currency == c })
	if i < 0 {
		return money.Rate{}, false
	}
	return s.Exchange[i].Rate, true
}

// Issuer is who issued a receipt, as it was when it was issued: what a receipt
// prints at its top and bottom. It is repeated in each receipt, so that a
// receipt can be printed again from its own entry alone.
type Issuer struct {
	Name      string         `json:"name"`
	Address   []string       `json:"address,omitempty"`
	TaxNumber string         `json:"taxNumber,omitzero"`
	Country   money.Country  `json:"country"`
	Currency  money.Currency `json:"currency"`
	Till      string         `json:"till"`
	Language  string         `json:"language"`
	Header    []string       `json:"header,omitempty"`
	Footer    []string       `json:"footer,omitempty"`
}

func (s *Shop) issuer() Issuer {
	return Issuer{
		Name: s.Name, Address: s.Address, TaxNumber: s.TaxNumber, Country: s.Country, Currency: s.Currency, Till: s.Till,
		Language: s.Language, Header: s.Header, Footer: s.Footer,
	}
}
