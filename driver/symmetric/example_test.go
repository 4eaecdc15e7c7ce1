package symmetric_test

import (
	"encoding/hex"
	"fmt"
	"log"

	"github.com/plomb-pos/plomb/driver/symmetric"
)

func ExampleKCV() {
	key, err := hex.DecodeString("0123456789ABCDEFFEDCBA9876543210")
	if err != nil {
		log.Fatal(err)
	}
	kcv, err := symmetric.KCV(symmetric.TDES, key)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%X\n", kcv)
	// Output: 08D7B4
}
