package catalog

import (
	"maps"
	"slices"
)

// Diff is what changes between two catalogues: shown before an import is
// taken, and journaled when it is.
type Diff struct {
	Added   []Article // by number
	Changed []Change  // by number
	Removed []Article // by number
	Other   []string  // "currency", "lists", "schemes" where they differ
}

// Change is an article before and after.
type Change struct {
	Old, New Article
	Fields   []string // names of the CSV columns that differ: "price", "name_de", ...
}

// Empty reports whether nothing changes.
func (d Diff) Empty() bool {
	return len(d.Added)+len(d.Changed)+len(d.Removed)+len(d.Other) == 0
}

// Compare returns what turns old into new, articles matched by number. The
// order in which a set lists its articles, and an article its GTINs, does not
// count. Sets need not be valid: an import can be compared before it is mended.
func Compare(old, new Set) Diff {
	old, new = old.canonical(), new.canonical()
	var d Diff
	before, after := byNumber(old), byNumber(new)
	for _, sku := range slices.Sorted(maps.Keys(after)) {
		b, existed := before[sku]
		if !existed {
			d.Added = append(d.Added, after[sku])
		} else if fields := changedFields(b, after[sku]); len(fields) > 0 {
			d.Changed = append(d.Changed, Change{Old: b, New: after[sku], Fields: fields})
		}
	}
	for _, sku := range slices.Sorted(maps.Keys(before)) {
		if _, stays := after[sku]; !stays {
			d.Removed = append(d.Removed, before[sku])
		}
	}
	d.Other = otherChanges(old, new)
	return d
}

func byNumber(s Set) map[SKU]Article {
	out := make(map[SKU]Article, len(s.Articles))
	for _, a := range s.Articles {
		out[a.SKU] = a
	}
	return out
}

func changedFields(a, b Article) []string {
	var out []string
	add := func(differs bool, field string) {
		if differs {
			out = append(out, field)
		}
	}
	add(!slices.Equal(a.GTINs, b.GTINs), "gtin")
	add(!slices.Equal(a.InStore, b.InStore), "in_store")
	add(a.Name != b.Name, "name")
	for _, tag := range languages(a, b) {
		add(a.Names[tag] != b.Names[tag], "name_"+tag)
	}
	add(a.Class != b.Class, "tax_class")
	add(a.Unit != b.Unit, "unit")
	add(a.Group != b.Group, "group")
	add(a.Price != b.Price, "price")
	add(a.OpenPrice != b.OpenPrice, "open_price")
	add(a.AgeLimit != b.AgeLimit, "age_limit")
	add(a.NoDiscount != b.NoDiscount, "no_discount")
	add(a.Deposit != b.Deposit, "deposit")
	add(a.Blocked != b.Blocked, "blocked")
	return out
}

// languages returns the tags in which one of two articles has a name.
func languages(a, b Article) []string {
	tags := slices.AppendSeq(slices.Collect(maps.Keys(a.Names)), maps.Keys(b.Names))
	slices.Sort(tags)
	return slices.Compact(tags)
}

func otherChanges(old, new Set) []string {
	var out []string
	if old.Currency != new.Currency {
		out = append(out, "currency")
	}
	if !slices.EqualFunc(old.Lists, new.Lists, sameList) {
		out = append(out, "lists")
	}
	if !slices.Equal(old.Schemes, new.Schemes) {
		out = append(out, "schemes")
	}
	return out
}

func sameList(a, b PriceList) bool {
	return a.ID == b.ID && a.Name == b.Name && a.For == b.For && a.From == b.From &&
		a.Until == b.Until && maps.Equal(a.Prices, b.Prices)
}
