package xfs4iot_test

import (
	"fmt"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

// The same command in both generations of the envelope.
func Example() {
	m, err := xfs4iot.New(xfs4iot.Header{Type: xfs4iot.TypeCommand, Name: printer.PrintRaw.Info().Name,
		RequestID: 1, Version: printer.PrintRaw.Info().Version, Timeout: 2000_000_000},
		printer.PrintRawCommand{Data: []byte("Hallo")})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range []xfs4iot.Generation{xfs4iot.Gen2021, xfs4iot.Gen2023} {
		m.Generation = g
		data, _ := m.Encode()
		back, err := xfs4iot.Decode(data, xfs4iot.Limits{})
		fmt.Println(string(data), back.Header.Timeout, err)
	}
	// Output:
	// {"header":{"type":"command","name":"Printer.PrintRaw","requestId":1},"payload":{"timeout":2000,"data":"SGFsbG8="}} 2s <nil>
	// {"header":{"type":"command","name":"Printer.PrintRaw","requestId":1,"version":"3.0","timeout":2000},"payload":{"data":"SGFsbG8="}} 2s <nil>
}
