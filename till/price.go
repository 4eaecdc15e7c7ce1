package till

import (
	"cmp"
	"slices"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/tax"
)

// lookedUp is what a customer is told of an article.
type lookedUp struct {
	SKU       catalog.SKU     `json:"sku"`
	Name      string          `json:"name"`
	Unit      catalog.Unit    `json:"unit"`
	UnitPrice money.UnitPrice `json:"unitPrice"`
	Open      bool            `json:"open"` // the price is asked for when it is sold
}

// lookUp tells an article's price without selling it, and journals that.
func lookUp(c *call) error {
	in, err := args[struct {
		Code string `json:"code"`
	}](c)
	if err != nil {
		return err
	}
	m, err := c.n.counter.catalog.Lookup(in.Code, c.now)
	if err != nil {
		return lookupRefusal(err)
	}
	c.record(&fiscal.PriceLookup{Actor: c.actor(), SKU: string(m.Article.SKU), Price: m.Price})
	c.result = lookedUp{m.Article.SKU, m.Article.NameIn(c.n.counter.language), m.Unit, m.Price, m.NeedsPrice}
	return nil
}

// changePrice gives one article another price, from now on.
func changePrice(c *call) error {
	in, err := args[struct {
		SKU   catalog.SKU     `json:"sku"`
		Price money.UnitPrice `json:"price"`
	}](c)
	if err != nil {
		return err
	}
	old := c.n.counter.catalog.Set()
	next := c.n.counter.catalog.Set()
	i := slices.IndexFunc(next.Articles, func(a catalog.Article) bool { return a.SKU == in.SKU })
	switch {
	case i < 0:
		return refuse(NotFound, "unknown-article")
	case in.Price < 0 || next.Articles[i].OpenPrice:
		return refuse(Invalid, "bad-price")
	}
	next.Articles = slices.Clone(next.Articles)
	next.Articles[i].Price = in.Price
	made, err := catalog.New(next)
	if err != nil {
		return because(Invalid, "bad-price", err)
	}
	diff := catalog.Compare(old, next)
	if diff.Empty() {
		return nil
	}
	encoded, err := made.Set().Encode()
	if err != nil {
		return err
	}
	c.takeCatalogue(made, encoded, diff)
	return nil
}

// taxArgs are another tax table, or the one that the program has for the country,
// and how tax is computed; what is not named stays.
type taxArgs struct {
	Rules   tax.Table  `json:"rules,omitzero"`
	BuiltIn bool       `json:"builtIn,omitzero"`
	Prices  tax.Prices `json:"prices,omitzero"`
	Method  tax.Method `json:"method,omitzero"`
}

// onto puts the table and the policy into a profile.
func (in taxArgs) onto(shop *fiscal.Shop) error {
	policy := shop.Tax.Explicit()
	policy.Prices, policy.Method = cmp.Or(in.Prices, policy.Prices), cmp.Or(in.Method, policy.Method)
	if policy.Validate() != nil {
		return because(Invalid, "bad-tax-table", policy.Validate())
	}
	switch {
	case in.BuiltIn && in.Rules != nil, !in.BuiltIn && in.Rules == nil && policy == shop.Tax.Explicit():
		return refuse(Invalid, "bad-tax-table")
	case in.BuiltIn:
		shop.TaxTable, _ = tax.For(shop.Country)
	case in.Rules != nil:
		shop.TaxTable = in.Rules
	}
	if err := shop.TaxTable.Validate(); err != nil {
		return because(Invalid, "bad-tax-table", err)
	}
	shop.Tax = policy
	return nil
}

// changeTax changes how tax is computed from now on. Receipts keep the rates that
// they were made with; baskets keep the policy that they began with.
func changeTax(c *call) error {
	in, err := args[taxArgs](c)
	if err != nil {
		return err
	}
	shop := *c.shop()
	if err := in.onto(&shop); err != nil {
		return err
	}
	if err := checkShop(shop); err != nil {
		return err
	}
	c.record(&fiscal.TaxChange{Actor: c.actor(), Shop: shop})
	c.after(c.n.shopChanged)
	return nil
}
