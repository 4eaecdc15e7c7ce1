package catalog

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/tax"
)

// SKU is the shop's own article number: 1 to 40 printable ASCII characters
// without blanks.
type SKU string

// Valid reports whether s has that form.
func (s SKU) Valid() bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 40
}

// Unit is what a quantity of an article counts.
type Unit string

// The units of measure. Pieces and hours of work are typed by people; the
// others usually come from a scale or a code.
const (
	Piece       Unit = "piece"
	Kilogram    Unit = "kg"
	Gram        Unit = "g"
	Litre       Unit = "l"
	Metre       Unit = "m"
	SquareMetre Unit = "m2"
	Hour        Unit = "h"
)

// Units returns all units.
func Units() []Unit { return []Unit{Piece, Kilogram, Gram, Litre, Metre, SquareMetre, Hour} }

// Valid reports whether u is one of the units above.
func (u Unit) Valid() bool { return slices.Contains(Units(), u) }

// Fractional reports whether parts of the unit can be sold.
func (u Unit) Fractional() bool { return u != Piece }

// Article is one thing that can be sold.
type Article struct {
	SKU        SKU               `json:"sku"`
	GTINs      []GTIN            `json:"gtins,omitempty"`    // canonical; each belongs to one article of the set
	InStore    []string          `json:"in_store,omitempty"` // prefix and item digits in codes with price or weight, see Scheme
	Name       string            `json:"name"`               // in the shop's main language; at most 200 bytes
	Names      map[string]string `json:"names,omitempty"`    // further languages: "de", "pl", "zh", "pt-BR"
	Class      tax.Class         `json:"class"`
	Unit       Unit              `json:"unit"`
	Group      string            `json:"group,omitempty"` // group of goods, for reports
	Price      money.UnitPrice   `json:"price"`           // usual price of one unit; lists may differ
	OpenPrice  bool              `json:"open_price,omitzero"`
	AgeLimit   int               `json:"age_limit,omitzero"`   // years the customer must have completed
	NoDiscount bool              `json:"no_discount,omitzero"` // books, tobacco, deposits
	Deposit    SKU               `json:"deposit,omitempty"`    // article that is always sold along, such as Pfand
	Blocked    bool              `json:"blocked,omitzero"`     // must not be sold now (recall)
}

// NameIn returns the name in a language ("de-AT" falls back to "de"), or the
// main name.
func (a Article) NameIn(language string) string {
	for tag := language; tag != ""; {
		if name, ok := a.Names[tag]; ok {
			return name
		}
		cut := strings.LastIndexByte(tag, '-')
		tag = tag[:max(cut, 0)]
	}
	return a.Name
}

func (a Article) clone() Article {
	a.GTINs, a.InStore, a.Names = slices.Clone(a.GTINs), slices.Clone(a.InStore), maps.Clone(a.Names)
	return a
}

// ListID names a price list in a set.
type ListID string

// PriceList holds prices that differ from the articles' own: a promotion, next
// month's prices, prices for a group of customers.
type PriceList struct {
	ID     ListID                  `json:"id"`
	Name   string                  `json:"name,omitempty"`
	For    string                  `json:"for,omitempty"`   // group of customers; empty: everyone
	From   money.Date              `json:"from,omitempty"`  // first day; empty: always has been
	Until  money.Date              `json:"until,omitempty"` // first day after; empty: without end
	Prices map[SKU]money.UnitPrice `json:"prices"`
}

func (l PriceList) clone() PriceList {
	l.Prices = maps.Clone(l.Prices)
	return l
}

// Price is what an article costs on a day, and by which list.
type Price struct {
	Unit money.UnitPrice
	List ListID // empty: the article's own price
}

// Price returns the price of one unit on the day that at shows in its own
// location, for a group of customers ("" for everyone). Of the lists in force
// the last one in the set that names the article wins.
func (c *Catalog) Price(sku SKU, group string, at time.Time) (Price, bool) {
	i, ok := c.bySKU[sku]
	if !ok {
		return Price{}, false
	}
	day := money.DateOf(at)
	for _, l := range slices.Backward(c.set.Lists) {
		p, named := l.Prices[sku]
		if named && (l.For == "" || l.For == group) && day.Within(l.From, l.Until) {
			return Price{Unit: p, List: l.ID}, true
		}
	}
	return Price{Unit: c.set.Articles[i].Price}, true
}

func compare[T cmp.Ordered](a, b T) int { return cmp.Compare(a, b) }
