package tax

import (
	"maps"
	"slices"

	"github.com/plomb-pos/plomb/money"
)

// For returns the built-in table of a country. ok is false where there is
// none. The table is a fresh copy, to be completed and changed by the shop.
//
// Regions with rates of their own (Canary Islands, Corsica, Azores, Jungholz,
// ...) are not covered.
func For(country money.Country) (table Table, ok bool) {
	t, ok := countries[country]
	return append(Table(nil), t...), ok
}

// Countries returns the countries that have a built-in table, in order.
func Countries() []money.Country { return slices.Sorted(maps.Keys(countries)) }

// countries begins each table on a day since which we are certain of all that
// it says; earlier days are left out, not denied.
//
// The standard rates of the members of the Union have been compared, from 2016
// on, with the Commission's database TEDB ("Taxes in Europe"), the reduced ones
// with the Commission's list "VAT rates applied in the Member States" and its
// successors; other countries with what their tax authorities publish. Which
// goods a class is for changes without the rates: food in Sweden is taxed at
// 6 instead of 12 % from April 2026 on, for example. That is for the articles'
// classes, not for these tables.
var countries = map[money.Country]Table{
	// UStG 1994 §10. The rate of 4.9 % for basic food holds from July 2026.
	"AT": untaxed("2016-01-01", Table{
		{Standard, "A", 20_000, "2016-01-01", false},
		{Reduced, "B", 10_000, "2016-01-01", false},
		{Reduced2, "C", 13_000, "2016-01-01", false},
		{Reduced3, "D", 4_900, "2026-07-01", false},
	}),
	// Arrêté royal no. 20 of 20 July 1970, art. 1 and tables A and B.
	"BE": untaxed("2000-01-01", Table{
		{Standard, "A", 21_000, "2000-01-01", false},
		{Reduced, "B", 12_000, "2000-01-01", false},
		{Reduced2, "C", 6_000, "2000-01-01", false},
	}),
	// MWSTG art. 25; reduced2 is the special rate for accommodation.
	"CH": untaxed("2018-01-01", Table{
		{Standard, "A", 7_700, "2018-01-01", false},
		{Reduced, "B", 2_500, "2018-01-01", false},
		{Reduced2, "C", 3_700, "2018-01-01", false},
		{Standard, "A", 8_100, "2024-01-01", false},
		{Reduced, "B", 2_600, "2024-01-01", false},
		{Reduced2, "C", 3_800, "2024-01-01", false},
	}),
	// Zákon 235/2004 Sb. § 47, as of 349/2023 Sb.: one reduced rate since 2024.
	"CZ": untaxed("2024-01-01", Table{
		{Standard, "A", 21_000, "2024-01-01", false},
		{Reduced, "B", 12_000, "2024-01-01", false},
	}),
	// UStG §12; §28 for the second half of 2020.
	"DE": untaxed("2007-01-01", Table{
		{Standard, "A", 19_000, "2007-01-01", false},
		{Reduced, "B", 7_000, "2007-01-01", false},
		{Standard, "A", 16_000, "2020-07-01", false},
		{Reduced, "B", 5_000, "2020-07-01", false},
		{Standard, "A", 19_000, "2021-01-01", false},
		{Reduced, "B", 7_000, "2021-01-01", false},
	}),
	// Momsloven §33: one rate.
	"DK": untaxed("1992-01-01", Table{
		{Standard, "A", 25_000, "1992-01-01", false},
	}),
	// Ley 37/1992, arts. 90 and 91.
	"ES": untaxed("2012-09-01", Table{
		{Standard, "A", 21_000, "2012-09-01", false},
		{Reduced, "B", 10_000, "2012-09-01", false},
		{Reduced2, "C", 4_000, "2012-09-01", false},
	}),
	// Arvonlisäverolaki 84 §, 85 §, 85 a §.
	"FI": untaxed("2013-01-01", Table{
		{Standard, "A", 24_000, "2013-01-01", false},
		{Standard, "A", 25_500, "2024-09-01", false},
		{Reduced, "B", 14_000, "2013-01-01", false},
		{Reduced, "B", 13_500, "2026-01-01", false},
		{Reduced2, "C", 10_000, "2013-01-01", false},
	}),
	// CGI art. 278 and following; reduced3 is the particular rate.
	"FR": untaxed("2014-01-01", Table{
		{Standard, "A", 20_000, "2014-01-01", false},
		{Reduced, "B", 10_000, "2014-01-01", false},
		{Reduced2, "C", 5_500, "2014-01-01", false},
		{Reduced3, "D", 2_100, "2014-01-01", false},
	}),
	// VATA 1994 s. 2 and s. 29A; 15 % by SI 2008/3020 for thirteen months; 20 % by
	// Finance (No. 2) Act 2010 s. 3. History as HMRC tells it in "VAT rates":
	// 17.5 % from 1 April 1991, the reduced rate from 1 September 1997. Reduced2 is
	// that of hospitality, Finance Act 2021 s. 93, for six months.
	"GB": untaxed("1997-09-01", Table{
		{Standard, "A", 17_500, "1997-09-01", false},
		{Standard, "A", 15_000, "2008-12-01", false},
		{Standard, "A", 17_500, "2010-01-01", false},
		{Standard, "A", 20_000, "2011-01-04", false},
		{Reduced, "B", 5_000, "1997-09-01", false},
		{Reduced2, "C", 12_500, "2021-10-01", false},
		{Reduced2, "", 0, "2022-04-01", true},
	}),
	// 2007. évi CXXVII. törvény (Áfa tv.) 82. §.
	"HU": untaxed("2012-01-01", Table{
		{Standard, "A", 27_000, "2012-01-01", false},
		{Reduced, "B", 18_000, "2012-01-01", false},
		{Reduced2, "C", 5_000, "2012-01-01", false},
	}),
	// DPR 633/1972, art. 16.
	"IT": untaxed("2016-01-01", Table{
		{Standard, "A", 22_000, "2016-01-01", false},
		{Reduced, "B", 10_000, "2016-01-01", false},
		{Reduced2, "C", 5_000, "2016-01-01", false},
		{Reduced3, "D", 4_000, "2016-01-01", false},
	}),
	// Loi du 12 février 1979 art. 39 and 40; 2023 was lower by one point for a year.
	"LU": untaxed("2024-01-01", Table{
		{Standard, "A", 17_000, "2024-01-01", false},
		{Reduced, "B", 14_000, "2024-01-01", false},
		{Reduced2, "C", 8_000, "2024-01-01", false},
		{Reduced3, "D", 3_000, "2024-01-01", false},
	}),
	// Wet op de omzetbelasting 1968 art. 9; 9 % since 2019.
	"NL": untaxed("2019-01-01", Table{
		{Standard, "A", 21_000, "2019-01-01", false},
		{Reduced, "B", 9_000, "2019-01-01", false},
	}),
	// Stortingets vedtak om merverdiavgift; reduced is food, reduced2 is
	// transport and culture. The rate for raw fish is left out.
	"NO": untaxed("2021-10-01", Table{
		{Standard, "A", 25_000, "2021-10-01", false},
		{Reduced, "B", 15_000, "2021-10-01", false},
		{Reduced2, "C", 12_000, "2021-10-01", false},
	}),
	// Ustawa o VAT, art. 41 and 146aa and following; the letters are those of Polish receipts.
	"PL": {
		{Standard, "A", 23_000, "2011-01-01", false},
		{Reduced, "B", 8_000, "2011-01-01", false},
		{Reduced2, "C", 5_000, "2011-01-01", false},
		{Zero, "D", 0, "2011-01-01", false},
		{Exempt, "E", 0, "2011-01-01", false},
		{Reverse, "R", 0, "2011-01-01", false},
		{Outside, "O", 0, "2011-01-01", false},
	},
	// CIVA art. 18, mainland.
	"PT": untaxed("2011-01-01", Table{
		{Standard, "A", 23_000, "2011-01-01", false},
		{Reduced, "B", 13_000, "2011-01-01", false},
		{Reduced2, "C", 6_000, "2011-01-01", false},
	}),
	// Mervärdesskattelagen (2023:200) 9 kap.; the rates are older than the law.
	"SE": untaxed("1996-01-01", Table{
		{Standard, "A", 25_000, "1996-01-01", false},
		{Reduced, "B", 12_000, "1996-01-01", false},
		{Reduced2, "C", 6_000, "1996-01-01", false},
	}),
	// Zákon 222/2004 Z. z. § 27, as of 278/2024 Z. z.
	"SK": untaxed("2025-01-01", Table{
		{Standard, "A", 23_000, "2025-01-01", false},
		{Reduced, "B", 19_000, "2025-01-01", false},
		{Reduced2, "C", 5_000, "2025-01-01", false},
	}),
}

// untaxed adds the classes without tax, which need no figure.
func untaxed(from money.Date, t Table) Table {
	return append(t,
		Rule{Zero, "Z", 0, from, false},
		Rule{Exempt, "E", 0, from, false},
		Rule{Reverse, "R", 0, from, false},
		Rule{Outside, "O", 0, from, false})
}
