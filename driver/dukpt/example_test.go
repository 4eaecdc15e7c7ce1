package dukpt_test

import (
	"encoding/hex"
	"fmt"
	"log"

	"github.com/plomb-pos/plomb/driver/dukpt"
)

func ExampleGenerator() {
	base, err := hex.DecodeString("0123456789ABCDEFFEDCBA9876543210")
	if err != nil {
		log.Fatal(err)
	}
	ksn, err := hex.DecodeString("FFFF9876543210E00000")
	if err != nil {
		log.Fatal(err)
	}
	initial, err := dukpt.InitialKey(base, ksn)
	if err != nil {
		log.Fatal(err)
	}
	g, err := dukpt.New(initial, ksn)
	if err != nil {
		log.Fatal(err)
	}
	tx, err := g.Next()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%x %x\n", tx.KSN, initial)
	// Output: ffff9876543210e00001 6ac292faa1315b4d858ab3a3d7d5933a
}
