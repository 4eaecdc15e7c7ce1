package epp_test

import (
	"fmt"
	"log"

	"github.com/plomb-pos/plomb/driver/sim/epp"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

func Example() {
	pad, err := epp.New("PinPad", epp.Options{Keys: []epp.Preset{
		{Name: "PIN", Usage: "P0", Algorithm: "T", ModeOfUse: "E", Value: "0123456789ABCDEFFEDCBA9876543210"},
	}})
	if err != nil {
		log.Fatal(err)
	}
	server := host.New(host.Config{VendorName: "Example"})
	if err := server.Add(pad.Service()); err != nil {
		log.Fatal(err)
	}
	for _, k := range pad.State().(epp.State).Keys {
		fmt.Println(k.Name, k.Usage, k.KCV)
	}
	// Output: PIN P0 08D7B4
}
