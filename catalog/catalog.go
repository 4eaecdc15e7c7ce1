// Package catalog knows the articles of a shop: what they are called, what
// they cost on a day, how they are taxed, and which one a scanned code means.
//
// A [Set] is the plain data, as it is edited, imported ([ReadCSV]) and sent to
// tills. [New] checks a set as a whole and makes a [Catalog] of it: immutable,
// indexed, safe for any number of readers. [Catalog.Hash] identifies its
// content; the journal names it, so that each sale tells by which list it was
// made. A changed catalogue is a new one, and [Compare] says what changed.
//
// [Catalog.Lookup] is the entry point for a scanner or a typed number. It
// tries, in this order: the article number (SKU) as it stands, a GTIN with its
// check digit, and the shop's patterns for codes with a price or a weight in
// them ([Scheme]). What is scanned is data: a code never does anything but
// find an article. [Catalog.Search] finds articles by parts of their names in
// any language, whatever the accents and the case.
//
// Check digits, price verifiers and number ranges follow the GS1 General
// Specifications (sections 7.9 and 2.1). Restricted numbers (20 to 29, 02, 04)
// mean only what the shop's schemes say.
//
// The package does not count stock, does not compute totals or tax, and keeps
// no history: earlier catalogues are found by hash where they are stored.
//
//	articles, problems, err := catalog.ReadCSV(file, catalog.CSVOptions{})
//	c, err := catalog.New(catalog.Set{Currency: "EUR", Articles: articles})
//	m, err := c.Lookup("4006381333931", time.Now())
//	line, err := money.Extend(m.Price, m.Quantity, c.Currency(), 0)
package catalog

import (
	"iter"
	"maps"
	"slices"

	"github.com/plomb-pos/plomb/money"
)

// Set is the data of a catalogue, in any order; its JSON form is what is
// stored and sent.
type Set struct {
	Currency money.Currency `json:"currency"`          // of all prices
	Articles []Article      `json:"articles"`          // each SKU once
	Lists    []PriceList    `json:"lists,omitempty"`   // later ones win over earlier ones
	Schemes  []Scheme       `json:"schemes,omitempty"` // the first that fits a code counts
}

// With is the set with other articles: price lists lose the prices of articles
// that are gone, and those that then hold none. The set itself is not changed.
func (s Set) With(articles []Article) Set {
	known := make(map[SKU]bool, len(articles))
	for _, a := range articles {
		known[a.SKU] = true
	}
	lists := make([]PriceList, 0, len(s.Lists))
	for _, l := range s.Lists {
		l = l.clone()
		maps.DeleteFunc(l.Prices, func(sku SKU, _ money.UnitPrice) bool { return !known[sku] })
		if len(l.Prices) > 0 {
			lists = append(lists, l)
		}
	}
	s.Articles, s.Lists = articles, lists
	return s
}

// Catalog is a checked and indexed set. It never changes, so it needs no lock.
type Catalog struct {
	set     Set // articles sorted by SKU; owned, never handed out for writing
	hash    Hash
	bySKU   map[SKU]int
	byGTIN  map[GTIN]int
	inStore map[string]int
	schemes []pattern
	index   searchIndex
}

// New checks a set and indexes a copy of it. If anything is wrong the error is
// an [*InvalidError] with every problem found, and there is no catalogue.
func New(set Set) (*Catalog, error) {
	if problems := set.Problems(); len(problems) > 0 {
		return nil, &InvalidError{Problems: problems}
	}
	set = set.canonical()
	encoded, err := set.Encode()
	if err != nil {
		return nil, err
	}
	c := &Catalog{set: set, hash: HashOf(encoded)}
	c.indexArticles()
	for _, s := range set.Schemes {
		p, err := s.compile()
		if err != nil {
			return nil, err
		}
		c.schemes = append(c.schemes, p)
	}
	c.index = newSearchIndex(set.Articles)
	return c, nil
}

func (c *Catalog) indexArticles() {
	n := len(c.set.Articles)
	c.bySKU, c.byGTIN, c.inStore = make(map[SKU]int, n), make(map[GTIN]int, n), make(map[string]int)
	for i, a := range c.set.Articles {
		c.bySKU[a.SKU] = i
		for _, g := range a.GTINs {
			c.byGTIN[g] = i
		}
		for _, code := range a.InStore {
			c.inStore[code] = i
		}
	}
}

// Currency is the currency of all prices.
func (c *Catalog) Currency() money.Currency { return c.set.Currency }

// Hash identifies the content: equal sets have equal hashes, in whatever order
// their articles were given.
func (c *Catalog) Hash() Hash { return c.hash }

// Len is the number of articles.
func (c *Catalog) Len() int { return len(c.set.Articles) }

// Article returns the article with this number.
func (c *Catalog) Article(sku SKU) (Article, bool) {
	i, ok := c.bySKU[sku]
	if !ok {
		return Article{}, false
	}
	return c.set.Articles[i].clone(), true
}

// Articles returns all articles in the order of their numbers.
func (c *Catalog) Articles() iter.Seq[Article] {
	return func(yield func(Article) bool) {
		for _, a := range c.set.Articles {
			if !yield(a.clone()) {
				return
			}
		}
	}
}

// Set returns a copy of the data in canonical order.
func (c *Catalog) Set() Set { return c.set.canonical() }

// canonical returns a deep copy with articles and what they hold in order.
// Lists and schemes keep theirs: it has a meaning.
func (s Set) canonical() Set {
	out := Set{Currency: s.Currency, Schemes: slices.Clone(s.Schemes)}
	for _, a := range s.Articles {
		a = a.clone()
		slices.Sort(a.GTINs)
		slices.Sort(a.InStore)
		out.Articles = append(out.Articles, a)
	}
	slices.SortStableFunc(out.Articles, func(a, b Article) int { return compare(a.SKU, b.SKU) })
	for _, l := range s.Lists {
		out.Lists = append(out.Lists, l.clone())
	}
	return out
}
