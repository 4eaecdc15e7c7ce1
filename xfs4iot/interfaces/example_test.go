package interfaces_test

import (
	"fmt"

	"github.com/plomb-pos/plomb/xfs4iot/interfaces"
)

// What a message name means, without its Go type.
func ExampleCommand() {
	c, ok := interfaces.Command("Printer.PrintRaw")
	fmt.Println(ok, c.Version, c.Immediate, c.ErrorCodes[0])
	_, ok = interfaces.Command("Toaster.Toast")
	fmt.Println(ok)
	// Output:
	// true 3.0 false shutterFail
	// false
}
