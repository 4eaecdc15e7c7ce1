package till

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/catalog/sample"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/tax"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// placed is what puts the shop's profile in force at setup, and the catalogue
// that it then sells from.
type placed struct {
	bodies  []fiscal.Body
	changes []sqlite.Change
	catalog *catalog.Catalog
}

// place makes the profile that the first person chose. Another country or
// currency than the till was commissioned for brings its tax table and cash
// rounding, and the sample catalogue follows. Anything else than the sample has
// prices that mean something: then both stay. The book is held.
func (n *Node) place(p Profile, x SetupTax, by staff.ID) (*placed, error) {
	now, was := n.opts.Now(), n.state.Shop
	p.choose(was.Country, was.Currency)
	shop, err := newShop(p, n.Name(), now)
	if err != nil {
		return nil, err
	}
	out := &placed{catalog: n.counter.catalog}
	if shop.Country != was.Country || shop.Currency != was.Currency {
		if err := n.movable(shop); err != nil {
			return nil, err
		}
		if err := out.relabel(shop, now.In(zone(&shop)), by); err != nil {
			return nil, err
		}
	}
	other, err := x.taxBodies(shop, money.DateOf(now.In(zone(&shop))), by)
	if err != nil {
		return nil, err
	}
	out.bodies = slices.Concat([]fiscal.Body{&fiscal.ConfigChange{Actor: fiscal.Actor{By: by}, Shop: shop}}, other, out.bodies)
	return out, nil
}

// choose fills in country and currency: those that were, and the country's own
// currency for another country.
func (p *Profile) choose(country money.Country, currency money.Currency) {
	if p.Country == nil {
		p.Country = &country
	}
	if p.Currency == nil && *p.Country != country {
		currency = currencyOf(*p.Country)
	}
	if p.Currency == nil {
		p.Currency = &currency
	}
}

// movable refuses another country or currency for a till that has sold anything,
// or sells a catalogue of its own.
func (n *Node) movable(shop fiscal.Shop) error {
	invented, err := sample.Catalog()
	if err != nil {
		return err
	}
	_, touched := n.state.Draft(&fiscal.ConfigChange{Shop: shop})
	if touched == nil && n.basket == nil && len(n.suspended) == 0 && n.counter.catalog.Hash() == invented.Hash() {
		return nil
	}
	r := because(Refused, "country-fixed", touched)
	r.Values = []string{"country", string(n.state.Shop.Country), "currency", string(n.state.Shop.Currency)}
	return r
}

// relabel takes the catalogue into the shop's currency, every price as the number
// it was, and gives classes that the country does not have its standard rate.
func (o *placed) relabel(shop fiscal.Shop, now time.Time, by staff.ID) error {
	old := o.catalog
	set := old.Set()
	set.Currency = shop.Currency
	for i, a := range set.Articles {
		if _, err := shop.TaxTable.At(a.Class, now); err != nil {
			set.Articles[i].Class = tax.Standard
		}
	}
	made, err := catalog.New(set)
	if err != nil {
		return err
	}
	encoded, err := made.Set().Encode()
	if err != nil || made.Hash() == old.Hash() {
		return err
	}
	o.catalog = made
	o.bodies = append(o.bodies, &fiscal.ArticleChange{
		Actor: fiscal.Actor{By: by}, Old: old.Hash(), New: made.Hash(), Changed: len(catalog.Compare(old.Set(), made.Set()).Changed),
	})
	o.changes = append(o.changes, sqlite.Change{Setting: &sqlite.Setting{Key: settingCatalogue, Value: encoded}})
	return nil
}

// both makes entries and changes of the vault true together, as commit does for a
// command. The book is held.
func (n *Node) both(ctx context.Context, id [16]byte, bodies []fiscal.Body, changes []sqlite.Change) error {
	if err := n.vault.Stage(ctx, sqlite.Staged{Command: idText(id), Size: n.state.Size, Changes: changes}); err != nil {
		return err
	}
	_, err := n.append(ctx, id, bodies...)
	switch {
	case err == nil:
		n.settled(ctx, idText(id))
	case n.journal.Err() == nil: // otherwise the next start looks for the entry
		return errors.Join(err, n.vault.Settle(ctx, idText(id), false))
	}
	return err
}

// currencyOf is the currency that a country pays with; the euro where the country
// is not listed, as all others with a built-in tax table do.
func currencyOf(c money.Country) money.Currency {
	own := map[money.Country]money.Currency{
		"CH": "CHF", "CN": "CNY", "CZ": "CZK", "DK": "DKK", "GB": "GBP", "HU": "HUF", "LI": "CHF", "NO": "NOK", "PL": "PLN", "SE": "SEK", "US": "USD",
	}
	if currency, ok := own[c]; ok {
		return currency
	}
	return "EUR"
}
