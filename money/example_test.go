package money_test

import (
	"fmt"

	"github.com/plomb-pos/plomb/money"
)

func ExampleExtend() {
	price, _ := money.ParseUnitPrice("2.55")
	weight, _ := money.ParseQuantity("0.452")
	line, err := money.Extend(price, weight, "EUR", money.HalfAwayFromZero)
	fmt.Println(line.Text("EUR"), err)
	// Output: 1.15 <nil>
}

func ExampleAllocate() {
	parts, err := money.Allocate(-1000, []int64{1, 1, 1}) // a return of 10.00
	fmt.Println(parts, err)
	// Output: [-334 -333 -333] <nil>
}

func ExampleRoundCash() {
	rule, _ := money.CashRuleAt("CH", "CHF", "2026-11-22")
	rounded, diff := money.RoundCash(1998, rule)
	fmt.Println(rounded.Text("CHF"), diff.Text("CHF"))
	// Output: 20.00 0.02
}
