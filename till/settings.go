package till

import (
	"bytes"
	"errors"
	"strings"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// changeSettings puts another profile in force; what is not named stays.
func changeSettings(c *call) error {
	in, err := args[Profile](c)
	if err != nil {
		return err
	}
	if in.Country != nil && *in.Country != c.shop().Country || in.Currency != nil && *in.Currency != c.shop().Currency {
		return refuse(Refused, "field-fixed")
	}
	shop, err := changedShop(*c.shop(), in, c.now)
	if err != nil {
		return err
	}
	if in.Roles != nil {
		if err := c.n.rolesFree(shop.Roles); err != nil {
			return err
		}
	}
	c.record(&fiscal.ConfigChange{Actor: c.actor(), Shop: shop})
	c.after(c.n.shopChanged)
	return nil
}

// setLanguage changes the shop's language. That is a setting like any other,
// but everybody may.
func setLanguage(c *call) error {
	in, err := args[struct {
		Language string `json:"language"`
	}](c)
	if err != nil {
		return err
	}
	shop, err := changedShop(*c.shop(), Profile{Language: &in.Language}, c.now)
	if err != nil {
		return err
	}
	c.record(&fiscal.ConfigChange{Actor: c.actor(), Shop: shop})
	c.after(c.n.shopChanged)
	return nil
}

type importArgs struct {
	CSV    string `json:"csv"`
	DryRun bool   `json:"dryRun,omitzero"`
}

// ImportAnswer says what an import changes and what is wrong with the file.
type ImportAnswer struct {
	Added    int             `json:"added"`
	Changed  int             `json:"changed"`
	Removed  int             `json:"removed"`
	Applied  bool            `json:"applied"`
	Changes  []ArticleChange `json:"differences"`
	Problems []ImportProblem `json:"problems"`
}

// ArticleChange is one article that differs.
type ArticleChange struct {
	SKU    catalog.SKU `json:"sku"`
	Name   string      `json:"name"`
	What   string      `json:"what"` // "added", "changed", "removed"
	Fields []string    `json:"fields,omitzero"`
}

// ImportProblem is one mistake in the file.
type ImportProblem struct {
	Line int    `json:"line"`
	SKU  string `json:"sku"`
	Text string `json:"text"`
}

// maxListed bounds what an answer lists of an import.
const maxListed = 500

// imported is a file that has been read.
type imported struct {
	catalog *catalog.Catalog // nil where there are problems
	set     catalog.Set
	encoded []byte
	answer  ImportAnswer
}

// readArticles reads the file outside the book.
func readArticles(c *call, _ sessionKey) error {
	in, err := args[importArgs](c)
	if err != nil {
		return err
	}
	articles, problems, err := catalog.ReadCSV(strings.NewReader(in.CSV), catalog.CSVOptions{})
	if err != nil {
		return because(Invalid, "bad-csv", err)
	}
	out := &imported{}
	c.n.mu.Lock()
	out.set = c.n.counter.catalog.Set().With(articles)
	c.n.mu.Unlock()
	if len(problems) == 0 {
		if problems, err = out.check(); err != nil {
			return err
		}
	}
	out.answer.list(problems)
	c.ready = out
	return nil
}

func (m *imported) check() ([]catalog.Problem, error) {
	made, err := catalog.New(m.set)
	if wrong, ok := errors.AsType[*catalog.InvalidError](err); ok {
		return wrong.Problems, nil
	}
	if err != nil {
		return nil, err
	}
	m.catalog = made
	m.encoded, err = made.Set().Encode()
	return nil, err
}

func (a *ImportAnswer) list(problems []catalog.Problem) {
	a.Problems, a.Changes = []ImportProblem{}, []ArticleChange{}
	for _, p := range problems {
		if len(a.Problems) < maxListed {
			a.Problems = append(a.Problems, ImportProblem{Line: p.Line, SKU: string(p.SKU), Text: p.String()})
		}
	}
}

// importArticles takes the file's articles in place of the present ones, or
// with dryRun only says what would change. A file with problems changes nothing.
func importArticles(c *call) error {
	in, err := args[importArgs](c)
	if err != nil {
		return err
	}
	m := c.ready.(*imported)
	old := c.n.counter.catalog
	diff := catalog.Compare(old.Set(), m.set)
	m.answer.compare(diff)
	m.answer.Applied = !in.DryRun && m.catalog != nil && !diff.Empty()
	c.result = m.answer
	if !m.answer.Applied {
		return nil
	}
	c.takeCatalogue(m.catalog, m.encoded, diff)
	return nil
}

// maxPriceChanges bounds the entries that one import makes for prices: a catalogue
// entry names all of them besides.
const maxPriceChanges = 100

// takeCatalogue puts another catalogue in force.
func (c *call) takeCatalogue(made *catalog.Catalog, encoded []byte, diff catalog.Diff) {
	moves := priceMoves(diff)
	for _, p := range moves[:min(len(moves), maxPriceChanges)] {
		c.record(&fiscal.PriceChange{Actor: c.actor(), SKU: p.SKU, Old: p.Old, New: p.New})
	}
	c.record(&fiscal.ArticleChange{
		Actor: c.actor(), Old: c.n.state.Catalog, New: made.Hash(),
		Added: len(diff.Added), Changed: len(diff.Changed), Removed: len(diff.Removed), Prices: moves,
	})
	c.change(sqlite.Change{Setting: &sqlite.Setting{Key: settingCatalogue, Value: bytes.Clone(encoded)}})
	c.after(func() { c.n.counter.catalog = made })
}

func (a *ImportAnswer) compare(d catalog.Diff) {
	a.Added, a.Changed, a.Removed = len(d.Added), len(d.Changed), len(d.Removed)
	put := func(x catalog.Article, what string, fields []string) {
		if len(a.Changes) < maxListed {
			a.Changes = append(a.Changes, ArticleChange{SKU: x.SKU, Name: x.Name, What: what, Fields: fields})
		}
	}
	for _, x := range d.Added {
		put(x, "added", nil)
	}
	for _, x := range d.Changed {
		put(x.New, "changed", x.Fields)
	}
	for _, x := range d.Removed {
		put(x, "removed", nil)
	}
}

func priceMoves(d catalog.Diff) []fiscal.PriceMove {
	var out []fiscal.PriceMove
	for _, x := range d.Changed {
		if x.Old.Price != x.New.Price {
			out = append(out, fiscal.PriceMove{SKU: string(x.New.SKU), Old: x.Old.Price, New: x.New.Price})
		}
	}
	return out
}
