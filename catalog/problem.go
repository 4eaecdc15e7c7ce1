package catalog

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/tax"
)

// Problem is one thing that is wrong with a set or a file, in words for the
// person who made it.
type Problem struct {
	Line  int    // in the file, from 1; 0 if it did not come from a file
	SKU   SKU    // the article, if known
	Field string // the column or field
	What  string
}

// String writes "line 7, article A-1, price: not a plain decimal number".
func (p Problem) String() string {
	var parts []string
	if p.Line > 0 {
		parts = append(parts, fmt.Sprintf("line %d", p.Line))
	}
	if p.SKU != "" {
		parts = append(parts, fmt.Sprintf("article %.40q", string(p.SKU)))
	}
	if p.Field != "" {
		parts = append(parts, p.Field)
	}
	return strings.Join(parts, ", ") + ": " + p.What
}

// InvalidError says everything that is wrong with a set.
type InvalidError struct {
	Problems []Problem
}

// Error names the first problems and the number of the others.
func (e *InvalidError) Error() string {
	const shown = 5
	var b strings.Builder
	fmt.Fprintf(&b, "invalid catalogue, %d problems", len(e.Problems))
	for _, p := range e.Problems[:min(shown, len(e.Problems))] {
		b.WriteString("; " + p.String())
	}
	return b.String()
}

// Problems lists all that is wrong with a set at once, in the order of the
// set: nothing means that New takes it. Prices may be zero (giveaways) or
// negative (deposits paid back).
func (s Set) Problems() []Problem {
	var out []Problem
	if _, err := money.ParseCurrency(string(s.Currency)); err != nil {
		out = append(out, Problem{Field: "currency", What: err.Error()})
	}
	out = append(out, s.schemeProblems()...)
	for _, a := range s.Articles {
		out = append(out, a.Problems()...)
	}
	out = append(out, s.doubles()...)
	out = append(out, s.deposits()...)
	return append(out, s.listProblems()...)
}

// Problems lists what is wrong with an article taken alone.
func (a Article) Problems() []Problem {
	var out []Problem
	add := func(bad bool, field, what string, args ...any) {
		if bad {
			out = append(out, Problem{SKU: a.SKU, Field: field, What: fmt.Sprintf(what, args...)})
		}
	}
	add(!a.SKU.Valid(), "sku", "must be 1 to 40 printable ASCII characters without blanks")
	for _, g := range a.GTINs {
		add(!g.Valid(), "gtin", "%.20q is not a canonical GTIN", string(g))
	}
	for _, code := range a.InStore {
		add(len(code) > 12 || !digits(code), "in_store", "%.20q is not a prefix with an item number", code)
	}
	add(!title(a.Name), "name", "must be 1 to 200 bytes of printable text")
	for tag, name := range a.Names {
		add(!language(tag), "name", "%.40q is not a language tag", tag)
		add(!title(name), "name_"+tag, "must be 1 to 200 bytes of printable text")
	}
	_, err := tax.ParseClass(string(a.Class))
	add(err != nil, "tax_class", "%.40q is not a tax class", string(a.Class))
	add(!a.Unit.Valid(), "unit", "%.20q is not one of %v", string(a.Unit), Units())
	add(a.Group != "" && !title(a.Group), "group", "must be at most 200 bytes of printable text")
	add(a.AgeLimit < 0 || a.AgeLimit > 99, "age_limit", "must be 0 to 99 years")
	add(a.Deposit != "" && a.Deposit == a.SKU, "deposit", "an article cannot be its own deposit")
	return out
}

// title reports whether s can stand on a receipt: text without control
// characters, and not only blanks.
func title(s string) bool {
	if s == "" || len(s) > 200 || !utf8.ValidString(s) || strings.TrimSpace(s) != s {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// language reports whether s looks like a tag of RFC 5646.
func language(s string) bool {
	ok := len(s) >= 2 && len(s) <= 35 && s[0] >= 'a' && s[0] <= 'z'
	for i := range len(s) {
		c := s[i] | 0x20
		ok = ok && (c >= 'a' && c <= 'z' || s[i] >= '0' && s[i] <= '9' || s[i] == '-')
	}
	return ok
}

func (s Set) schemeProblems() []Problem {
	var out []Problem
	for _, scheme := range s.Schemes {
		if err := scheme.Validate(); err != nil {
			out = append(out, Problem{Field: "schemes", What: err.Error()})
		}
	}
	return out
}

// doubles finds numbers that would mean two articles.
func (s Set) doubles() []Problem {
	var out []Problem
	owner := make(map[string]SKU)
	claim := func(a Article, field, number string) {
		key := field + " " + number
		if first, taken := owner[key]; taken {
			out = append(out, Problem{SKU: a.SKU, Field: field, What: fmt.Sprintf("%.40q already belongs to article %q", number, first)})
			return
		}
		owner[key] = a.SKU
	}
	for _, a := range s.Articles {
		claim(a, "sku", string(a.SKU))
		for _, g := range a.GTINs {
			claim(a, "gtin", string(g))
		}
		for _, code := range a.InStore {
			claim(a, "in_store", code)
		}
	}
	return out
}

// deposits finds deposits that do not exist or have deposits themselves.
func (s Set) deposits() []Problem {
	articles := make(map[SKU]Article, len(s.Articles))
	for _, a := range s.Articles {
		articles[a.SKU] = a
	}
	var out []Problem
	for _, a := range s.Articles {
		if a.Deposit == "" || a.Deposit == a.SKU {
			continue
		}
		d, ok := articles[a.Deposit]
		switch {
		case !ok:
			out = append(out, Problem{SKU: a.SKU, Field: "deposit", What: fmt.Sprintf("there is no article %.40q", string(a.Deposit))})
		case d.Deposit != "" || d.OpenPrice || d.Unit != Piece:
			out = append(out, Problem{SKU: a.SKU, Field: "deposit", What: fmt.Sprintf("article %.40q must be sold by the piece, at a fixed price and without deposit", string(a.Deposit))})
		}
	}
	return out
}

func (s Set) listProblems() []Problem {
	known, ids := make(map[SKU]bool), make(map[ListID]bool)
	for _, a := range s.Articles {
		known[a.SKU] = true
	}
	var out []Problem
	for _, l := range s.Lists {
		add := func(bad bool, what string, args ...any) {
			if bad {
				out = append(out, Problem{Field: fmt.Sprintf("price list %.40q", string(l.ID)), What: fmt.Sprintf(what, args...)})
			}
		}
		add(!SKU(l.ID).Valid(), "its id must be 1 to 40 printable ASCII characters without blanks")
		add(ids[l.ID], "there are two of this id")
		ids[l.ID] = true
		add(l.Name != "" && !title(l.Name), "its name must be at most 200 bytes of printable text")
		add(l.For != "" && !title(l.For), "the group of customers must be at most 200 bytes of printable text")
		add(l.From != "" && !l.From.Valid(), "%.20q is not a date", string(l.From))
		add(l.Until != "" && !l.Until.Valid(), "%.20q is not a date", string(l.Until))
		add(l.From != "" && l.Until != "" && l.Until <= l.From, "it ends before it begins")
		for sku := range l.Prices {
			add(!known[sku], "there is no article %.40q", string(sku))
		}
	}
	return out
}
