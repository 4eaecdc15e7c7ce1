package money

// CashRule says how a total that is paid in cash is rounded, because the small
// coins do not exist. It touches the cash remainder only, never the tax base:
// the difference stands on the receipt as an item of its own.
type CashRule struct {
	Country  Country  `json:"country"`
	Currency Currency `json:"currency"`
	From     Date     `json:"from"`              // first day
	Until    Date     `json:"until,omitempty"`   // first day after; empty: still in force
	Step     Amount   `json:"step"`              // smallest amount that can be paid, in minor units
	Rounding Rounding `json:"rounding"`          // what happens between two steps
	Optional bool     `json:"optional,omitzero"` // the shop decides whether it rounds at all
}

// cashRules holds what we are certain of; a country that is not here is not
// claimed to have no rule. Each row names the law or whoever publishes the rule,
// read in November 2026; "from" is its first day.
//
// Left out: totals below one step (SK: 1 and 2 cents are paid as 5; BE: not
// rounded), and that IT and BE round only what is paid in cash as a whole: here
// the cash that completes a split payment is rounded too, as SK's law has it.
var cashRules = []CashRule{
	// The 1 and 2 cent coins were withdrawn from February 1992 (Royal Australian
	// Mint, ACCC's guidance on rounding).
	{Country: "AU", Currency: "AUD", From: "1992-02-01", Step: 5, Optional: true},
	// Code de droit économique, art. VI.7/1 and VI.7/2; before, from 1 October
	// 2014, at the shop's choice.
	{Country: "BE", Currency: "EUR", From: "2014-10-01", Until: "2019-12-01", Step: 5, Optional: true},
	{Country: "BE", Currency: "EUR", From: "2019-12-01", Step: 5},
	// End of distribution of the penny; government guideline on rounding (Budget 2012).
	{Country: "CA", Currency: "CAD", From: "2013-02-04", Step: 5, Optional: true},
	// Coins exist from 5 centimes up since the 1 centime piece lost its value
	// (Federal Council, decision of 12 April 2006).
	{Country: "CH", Currency: "CHF", From: "2007-01-01", Step: 5},
	// Zákon 634/1992 Sb. § 3 (1) c: to the nearest valid nominal value; the 50 haléř
	// coin was valid until 31 August 2008 (ČNB).
	{Country: "CZ", Currency: "CZK", From: "2008-09-01", Step: 100},
	// The 25 øre coin ended on 1 October 2008 (Danmarks Nationalbank, "New rounding
	// rules").
	{Country: "DK", Currency: "DKK", From: "2008-10-01", Step: 50},
	// Obligatory where cash is paid, for the total of the purchase (Eesti Pank,
	// questions on the rounding rule).
	{Country: "EE", Currency: "EUR", From: "2025-01-01", Step: 5},
	// Laki rahasuoritusten pyöristämisestä 890/2000.
	{Country: "FI", Currency: "EUR", From: "2002-01-01", Step: 5},
	// 2008. évi III. törvény 1. § and 2. §: 2.50 upward to 5, 7.50 upward to 10.
	{Country: "HU", Currency: "HUF", From: "2008-03-01", Step: 500},
	// Central Bank's national rounding, voluntary for both sides.
	{Country: "IE", Currency: "EUR", From: "2015-10-28", Step: 5, Optional: true},
	// Decreto-legge 50/2017, art. 13-quater, comma 2.
	{Country: "IT", Currency: "EUR", From: "2018-01-01", Step: 5},
	// Swiss francs: treaty on the currency union of 19 June 1980.
	{Country: "LI", Currency: "CHF", From: "2007-01-01", Step: 5},
	// Law adopted by the Seimas on 28 March 2024; Lietuvos bankas, "Apvalinimas":
	// obligatory, refunds too.
	{Country: "LT", Currency: "EUR", From: "2025-05-01", Step: 5},
	// Bank Negara's rounding mechanism.
	{Country: "MY", Currency: "MYR", From: "2008-04-01", Step: 5},
	// Agreement of the trade with De Nederlandsche Bank, voluntary.
	{Country: "NL", Currency: "EUR", From: "2004-09-01", Step: 5, Optional: true},
	// The 50 øre coin ended on 1 May 2012 (Norges Bank, 12 April 2012).
	{Country: "NO", Currency: "NOK", From: "2012-05-01", Step: 100},
	// The 5 cent coin ended on 1 November 2006. The shop chooses what becomes of 5
	// cents; the Retailers Association recommends to round them down.
	{Country: "NZ", Currency: "NZD", From: "2006-11-01", Step: 10, Rounding: HalfTowardsZero, Optional: true},
	// Lag (1970:1029) om avrundning av vissa öresbelopp 2 §, as of SFS 2009:283: 50
	// to 99 öre upward.
	{Country: "SE", Currency: "SEK", From: "2010-10-01", Step: 100},
	// Zákon 18/1996 Z. z. o cenách § 3 (4), as of 457/2021: the part that is paid in cash.
	{Country: "SK", Currency: "EUR", From: "2022-07-01", Step: 5},
}

// CashRules returns a copy of the built-in table, ordered by country.
func CashRules() []CashRule { return append([]CashRule(nil), cashRules...) }

// CashRuleAt returns the built-in rule of a country for payments in c on a
// day. Where there is none it returns false and the rule that changes nothing.
func CashRuleAt(country Country, c Currency, day Date) (CashRule, bool) {
	for _, r := range cashRules {
		if r.Country == country && r.Currency == c && day.Within(r.From, r.Until) {
			return r, true
		}
	}
	return CashRule{Country: country, Currency: c, Step: 1}, false
}

// RoundCash returns a as it can be paid in cash, and the difference
// rounded − a that the receipt shows as rounding. A return mirrors a sale if
// the rule's rounding is symmetric. A rule without step changes nothing; within
// a step of the ends of the 64-bit range a is rounded towards zero, since the
// other neighbour does not exist.
func RoundCash(a Amount, rule CashRule) (rounded, diff Amount) {
	if rule.Step <= 1 {
		return a, 0
	}
	steps, err := mulDiv(int64(a), 1, int64(rule.Step), rule.Rounding)
	if err != nil {
		return a, 0 // only an unknown rounding mode gets here
	}
	v, err := mulDiv(steps, int64(rule.Step), 1, Down)
	if err != nil {
		v = int64(a - a%rule.Step)
	}
	return Amount(v), Amount(v) - a
}
