package sale_test

import (
	"fmt"
	"time"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/tax"
)

func Example() {
	now := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	b, err := sale.New("basket-1", sale.Sale, "anna", sale.Terms{Currency: "EUR", Tax: tax.Policy{Prices: tax.Gross}}, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	coffee := sale.Item{SKU: "1", Name: "Coffee", Price: 2_550_000, Class: tax.Standard, Letter: "A", Rate: 19_000}
	line, _ := b.AddLine(coffee, 3*money.One, sale.Apart, now)
	_, _ = b.DiscountLine(line, sale.Off{Percent: 10_000}, "regular", "")
	_, _ = b.Tender(sale.Payment{Type: sale.Cash, Amount: 1000}, now)
	d, err := b.Complete("anna", now)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("total", d.Total, "tax", d.TaxAmount, "change", d.Change)
	// Output: total 688 tax 110 change 312
}
