package sim_test

import (
	"context"
	"fmt"
	"net"

	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/xfs4iot/barcodereader"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

func ExampleServe() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	devices := sim.New(sim.Options{})
	go sim.Serve(ctx, devices, ln, nil, host.Config{VendorName: "Example"})

	scanner, err := client.Dial(ctx, "ws://"+ln.Addr().String()+"/xfs4iot/v1.0/"+sim.ScannerName, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer scanner.Close()
	devices.Scanner.Scan("4006381333931")
	got, err := client.Do(ctx, scanner, barcodereader.Read, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(got.ReadOutput[0].Symbology, string(got.ReadOutput[0].BarcodeData))
	// Output: ean13 4006381333931
}
