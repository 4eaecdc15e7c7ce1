package pinblock_test

import (
	"fmt"
	"log"

	"github.com/plomb-pos/plomb/driver/pinblock"
)

func ExampleFormat() {
	block, err := pinblock.Format(pinblock.ISO0, []byte("1234"), pinblock.Data{Customer: "401234567890"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%x\n", block)
	// Output: 041274edcba9876f
}
