package catalog

import (
	"errors"
	"fmt"
	"time"

	"github.com/plomb-pos/plomb/money"
)

// Errors of Lookup, besides ErrCheckDigit, ErrPriceDigit and ErrCode.
var (
	ErrUnknown = errors.New("no such article")
	ErrBlocked = errors.New("article must not be sold")
)

// By says how a code was understood.
type By string

// The ways to find an article.
const (
	BySKU      By = "sku"
	ByGTIN     By = "gtin"
	ByEmbedded By = "embedded" // a code with price, weight or count in it
)

// Match is what a code means: an article, and how much of it at what price.
type Match struct {
	Article  Article
	By       By
	Quantity money.Quantity  // one unit, or what the code says; 0 if NeedsQuantity
	Unit     Unit            // of Quantity and Price; Piece where the code holds the price of a package
	Price    money.UnitPrice // for one Unit; 0 if NeedsPrice
	List     ListID          // the price list that gave Price; empty: the article's own, or the code

	NeedsQuantity bool // sold by measure and the code does not say how much: weigh it
	NeedsPrice    bool // open price and the code does not say: ask for it
	PriceInCode   bool // Price was printed in the code
}

// maxCode bounds what Lookup looks at: no code we read is longer.
const maxCode = 80

// Lookup finds the article that a scanned or typed code means, on the day that
// at shows in its own location. Errors, each worth another word to the
// cashier: ErrUnknown, ErrCheckDigit (scan again), ErrPriceDigit (type the
// price), ErrBlocked, ErrCode (not a code at all: empty, too long, control
// characters). With ErrBlocked the match tells which article it is.
func (c *Catalog) Lookup(code string, at time.Time) (Match, error) {
	if !readable(code) {
		return Match{}, fmt.Errorf("look up %.20q: %w", code, ErrCode)
	}
	m, err := c.find(code, at)
	if err == nil && m.Article.Blocked {
		err = ErrBlocked
	}
	if err != nil {
		return m, fmt.Errorf("look up %q: %w", code, err)
	}
	return m, nil
}

// readable reports whether code is printable ASCII of a sane length.
func readable(code string) bool {
	for i := range len(code) {
		if code[i] < ' ' || code[i] > '~' {
			return false
		}
	}
	return code != "" && len(code) <= maxCode
}

func (c *Catalog) find(code string, at time.Time) (Match, error) {
	if i, ok := c.bySKU[SKU(code)]; ok {
		return c.match(i, BySKU, at), nil
	}
	gtin, err := ParseGTIN(code)
	switch {
	case errors.Is(err, ErrCheckDigit):
		return Match{}, err
	case err != nil:
		return Match{}, ErrUnknown // not a GTIN: then it was an article number
	}
	if i, ok := c.byGTIN[gtin]; ok {
		return c.match(i, ByGTIN, at), nil
	}
	return c.findEmbedded(pad(string(gtin), 13), at)
}

func (c *Catalog) findEmbedded(code string, at time.Time) (Match, error) {
	for _, p := range c.schemes {
		if !p.matches(code) {
			continue
		}
		e, err := p.read(code)
		if err != nil {
			return Match{}, err
		}
		if i, ok := c.inStore[e.item]; ok {
			return e.apply(c.match(i, ByEmbedded, at)), nil
		}
	}
	return Match{}, ErrUnknown
}

// match is one unit of an article at its price of the day.
func (c *Catalog) match(i int, by By, at time.Time) Match {
	a := c.set.Articles[i].clone()
	m := Match{Article: a, By: by, Quantity: money.One, Unit: a.Unit, NeedsPrice: a.OpenPrice}
	if a.Unit.Fractional() {
		m.Quantity, m.NeedsQuantity = 0, true
	}
	if !a.OpenPrice {
		p, _ := c.Price(a.SKU, "", at)
		m.Price, m.List = p.Unit, p.List
	}
	return m
}

// apply puts what the code says over what the catalogue says.
func (e embedded) apply(m Match) Match {
	m.NeedsQuantity = false
	if e.carries == 'P' {
		m.Quantity, m.Unit = money.One, Piece
		m.Price, m.List = e.price(), ""
		m.NeedsPrice, m.PriceInCode = false, true
		return m
	}
	m.Quantity = e.quantity()
	return m
}
