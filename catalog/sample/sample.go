// Package sample is the catalogue of an invented grocery and gift shop, to try
// the software and to test it: some sixty articles without brands, priced in
// euros and taxed by the classes of package tax, named in English, German,
// Polish and Chinese.
//
// It has one of each thing that a till must handle: articles by weight with
// codes from a scale (28IIIIIWWWWWC, grams), packages with a price in the code
// (21IIIIVPPPPPC, cents, with price check digit), open prices, deposits sold
// along and paid back, age limits, reduced, standard, zero, exempt and no tax,
// short names and numbers of 8, 12 and 13 digits. All numbers are from the
// ranges that every shop may use for itself, so none belongs to a real product.
//
//	set, err := sample.Set()
//	c, err := sample.Catalog()
package sample

import (
	"bytes"
	_ "embed"
	"fmt"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/money"
)

// File is the articles as a table that catalog.ReadCSV reads, in UTF-8.
//
//go:embed sample.csv
var File []byte

// Weighed and Priced are the schemes of the shop's scale and label printer.
var (
	Weighed = catalog.Scheme{Pattern: "28IIIIIWWWWWC", Decimals: 3}
	Priced  = catalog.Scheme{Pattern: "21IIIIVPPPPPC", Decimals: 2}
)

// Set returns the articles, the schemes and a promotion for Advent 2026 that
// makes GRO-12 cheaper. Each call returns a new set.
func Set() (catalog.Set, error) {
	articles, problems, err := catalog.ReadCSV(bytes.NewReader(File), catalog.CSVOptions{})
	if err != nil {
		return catalog.Set{}, fmt.Errorf("sample shop: %w", err)
	}
	if len(problems) > 0 {
		return catalog.Set{}, fmt.Errorf("sample shop: %w", &catalog.InvalidError{Problems: problems})
	}
	return catalog.Set{
		Currency: "EUR",
		Articles: articles,
		Schemes:  []catalog.Scheme{Weighed, Priced},
		Lists: []catalog.PriceList{{
			ID: "advent-2026", Name: "Advent", From: "2026-11-29", Until: "2026-12-27",
			Prices: map[catalog.SKU]money.UnitPrice{"GRO-12": 2_990_000},
		}},
	}, nil
}

// Catalog returns the sample shop ready for use.
func Catalog() (*catalog.Catalog, error) {
	set, err := Set()
	if err != nil {
		return nil, err
	}
	return catalog.New(set)
}
