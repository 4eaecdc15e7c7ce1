package receipt_test

import (
	"fmt"

	"github.com/plomb-pos/plomb/receipt"
)

func ExamplePlainText() {
	d := samples()["void"]
	d.Issuer = receipt.Issuer{Name: "Kiosk", Till: "1"}
	fmt.Print(receipt.PlainText(d, receipt.Narrow, "en"))
	// Output:
	//              Kiosk
	//
	// VOID No. 17
	// 2026-11-22 09:30:15       Till 1
	// Operator                    anna
	// Original receipt          No. 12
	//              2026-11-22 08:30:15
	// Reason              falsche Ware
	// --------------------------------
	// Kaffee, frisch gemahlen
	// und sehr lang benannt    -7.65 A
	//   -3 x 2.55
	// Äpfel 苹果               -1.35 B
	//   -0.452 kg x 2.99
	// --------------------------------
	// TOTAL EUR                  -9.00
	// Cash paid out             -10.00
	// Change                     -1.00
	// --------------------------------
	// %            Net     Tax   Gross
	// A 19 %     -6.43   -1.22   -7.65
	// B 7 %      -1.26   -0.09   -1.35
	//        Check this receipt
	//          till-1/e1 #123
}
