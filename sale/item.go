package sale

import (
	"time"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/tax"
)

// ItemOf makes an item of what the catalogue found: its name in a language, its
// price, and the tax rule of the day that at shows in its own location. Where
// the match needs a price, price is what was typed; else it is not looked at.
// Codes: bad-tax where the table has no rule, bad-price where a price is
// needed and none was given.
func ItemOf(m catalog.Match, table tax.Table, language string, price *money.UnitPrice, at time.Time) (Item, error) {
	rule, err := table.At(m.Article.Class, at)
	if err != nil {
		return Item{}, because(CodeBadTax, "article "+string(m.Article.SKU), err)
	}
	item := Item{
		SKU: string(m.Article.SKU), Name: m.Article.NameIn(language), Group: m.Article.Group, Unit: unit(m.Unit),
		Price: m.Price, Class: rule.Class, Letter: rule.Letter, Rate: rule.Rate,
		Divisible: m.Unit.Fractional(), Fixed: m.Article.NoDiscount,
	}
	if len(m.Article.GTINs) > 0 {
		item.GTIN = string(m.Article.GTINs[0])
	}
	if m.NeedsPrice {
		if price == nil || *price < 0 {
			return Item{}, refuse(CodeBadPrice, "article %s needs a price", item.SKU)
		}
		item.Price = *price
	}
	return item, item.validate()
}

// unit is how lines write a unit: pieces go without.
func unit(u catalog.Unit) string {
	if u == catalog.Piece {
		return ""
	}
	return string(u)
}
