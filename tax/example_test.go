package tax_test

import (
	"fmt"
	"time"

	"github.com/plomb-pos/plomb/tax"
)

func ExampleCompute() {
	table, _ := tax.For("DE")
	rule, _ := table.At(tax.Standard, time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC))
	res, err := tax.Compute(tax.Policy{Prices: tax.Gross}, "EUR", []tax.Line{
		{Class: rule.Class, Letter: rule.Letter, Rate: rule.Rate, Amount: 1190},
		{Class: rule.Class, Letter: rule.Letter, Rate: rule.Rate, Amount: -595},
	})
	for _, t := range res.Totals {
		fmt.Println(t.Letter, t.Rate, t.Net.Text("EUR"), t.Tax.Text("EUR"), t.Gross.Text("EUR"), err)
	}
	// Output: A 19 5.00 0.95 5.95 <nil>
}
