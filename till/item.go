package till

import (
	"errors"
	"time"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/tax"
)

// pick is an article on its way into a basket.
type pick struct {
	item     sale.Item
	quantity money.Quantity
	deposit  *pick // sold along with it
}

// counter is where articles come from: the catalogue in force and the tax table
// of the shop's country.
type counter struct {
	catalog  *catalog.Catalog
	taxes    tax.Table
	language string
}

// find looks a scanned or typed code up. quantity and price, where given, count
// more than what the code says; price only where the article's is open.
func (c counter) find(code string, quantity *money.Quantity, price *money.UnitPrice, now time.Time) (pick, error) {
	m, err := c.catalog.Lookup(code, now)
	if err != nil {
		return pick{}, lookupRefusal(err)
	}
	q, err := chooseQuantity(m, quantity)
	if err != nil {
		return pick{}, err
	}
	p, err := choosePrice(m, price)
	if err != nil {
		return pick{}, err
	}
	return c.pick(m.Article, m.Unit, p, q, now)
}

func lookupRefusal(err error) error {
	for code, sentinel := range map[string]error{
		"unknown-article": catalog.ErrUnknown, "blocked-article": catalog.ErrBlocked,
		"misread-code": catalog.ErrCheckDigit, "misread-price": catalog.ErrPriceDigit,
	} {
		if errors.Is(err, sentinel) {
			kind := Refused
			if errors.Is(err, catalog.ErrUnknown) {
				kind = NotFound
			}
			return because(kind, code, err)
		}
	}
	return because(Invalid, "not-a-code", err)
}

func chooseQuantity(m catalog.Match, given *money.Quantity) (money.Quantity, error) {
	switch {
	case m.NeedsQuantity && given == nil:
		return 0, refuse(Refused, "weigh-it")
	case m.NeedsQuantity || given != nil && m.By != catalog.ByEmbedded:
		return *given, nil
	case given != nil:
		return 0, refuse(Refused, "quantity-in-code")
	}
	return m.Quantity, nil
}

func choosePrice(m catalog.Match, given *money.UnitPrice) (money.UnitPrice, error) {
	switch {
	case m.NeedsPrice && given == nil:
		return 0, refuse(Refused, "price-needed")
	case m.NeedsPrice && *given < 0:
		return 0, refuse(Invalid, "bad-price")
	case m.NeedsPrice:
		return *given, nil
	case given != nil:
		return 0, refuse(Refused, "price-is-fixed")
	}
	return m.Price, nil
}

func (c counter) pick(a catalog.Article, unit catalog.Unit, price money.UnitPrice, q money.Quantity, now time.Time) (pick, error) {
	rule, err := c.taxes.At(a.Class, now)
	if err != nil {
		return pick{}, because(Refused, "no-tax-rule", err)
	}
	p := pick{quantity: q, item: sale.Item{
		SKU: string(a.SKU), Name: a.NameIn(c.language), Group: a.Group, Price: price,
		Class: rule.Class, Letter: rule.Letter, Rate: rule.Rate, Divisible: unit.Fractional(), Fixed: a.NoDiscount,
	}}
	if len(a.GTINs) > 0 {
		p.item.GTIN = string(a.GTINs[0])
	}
	if unit != catalog.Piece {
		p.item.Unit = string(unit)
	}
	if a.Deposit == "" {
		return p, nil
	}
	p.deposit, err = c.depositOf(a, q, now)
	return p, err
}

// depositOf is the article that is always sold along, as many of it.
func (c counter) depositOf(a catalog.Article, q money.Quantity, now time.Time) (*pick, error) {
	d, ok := c.catalog.Article(a.Deposit)
	if !ok || d.Deposit != "" {
		return nil, refuse(Refused, "bad-deposit")
	}
	price, ok := c.catalog.Price(d.SKU, "", now)
	if !ok {
		return nil, refuse(Refused, "bad-deposit")
	}
	p, err := c.pick(d, d.Unit, price.Unit, q, now)
	return &p, err
}
