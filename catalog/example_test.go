package catalog_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/money"
)

func ExampleCatalog_Lookup() {
	articles, problems, err := catalog.ReadCSV(strings.NewReader(
		"sku;gtin;in_store;name;price;tax_class;unit\n"+
			"T-1;4006381333931;;Green tea;4,90;reduced;piece\n"+
			"C-1;;2800101;Mountain cheese;19,90;reduced;kg\n"+
			"T-2;4006381333932;;Black tea;4,90;reduced;piece\n"),
		catalog.CSVOptions{DecimalComma: true})
	fmt.Println(problems, err)

	c, err := catalog.New(catalog.Set{
		Currency: "EUR",
		Articles: articles,
		Schemes:  []catalog.Scheme{{Pattern: "28IIIIIWWWWWC", Decimals: 3}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, code := range []string{"4006381333931", "2800101004529", "4006381333938"} {
		m, err := c.Lookup(code, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
		if err != nil {
			fmt.Println(err)
			continue
		}
		line, err := money.Extend(m.Price, m.Quantity, c.Currency(), money.HalfAwayFromZero)
		fmt.Println(m.Article.Name, m.Quantity, m.Unit, line.Text("EUR"), err)
	}
	// Output:
	// [line 4, article "T-2", gtin: wrong check digit: 4006381333932 ends in 2, not in 1] <nil>
	// Green tea 1 piece 4.90 <nil>
	// Mountain cheese 0.452 kg 8.99 <nil>
	// look up "4006381333938": wrong check digit: 4006381333938 ends in 8, not in 1
}
