package keyblock_test

import (
	"encoding/hex"
	"fmt"
	"log"

	"github.com/plomb-pos/plomb/driver/keyblock"
)

// The block is the example of TR-31:2018, A.7.2.2.
func ExampleUnwrap() {
	kbpk, err := hex.DecodeString("DD7515F2BFC17F85CE48F3CA25CB21F6")
	if err != nil {
		log.Fatal(err)
	}
	header, key, err := keyblock.Unwrap(kbpk, "B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %c %c %x\n", header.Usage, header.Algorithm, header.ModeOfUse, key)
	// Output: P0 T E 3f419e1cb7079442aa37474c2efbf8b8
}
