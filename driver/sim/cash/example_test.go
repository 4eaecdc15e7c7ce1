package cash_test

import (
	"context"
	"fmt"
	"net"

	"github.com/plomb-pos/plomb/driver/sim/cash"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// A client dispenses 85 euros, and a customer takes them.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	device, err := cash.New("Recycler", cash.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := host.New(host.Config{VendorName: "Example"})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil || server.Add(device.Service()) != nil {
		fmt.Println(err)
		return
	}
	go func() { _ = server.Serve(ctx, ln) }()

	conn, err := client.Dial(ctx, "ws://"+ln.Addr().String()+"/xfs4iot/v1.0/Recycler", client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	mix := &cashdispenser.ServiceMix{Currencies: map[string]xfs4iot.Decimal{"EUR": "85"}, Mix: "mix1"}
	got, err := client.Do(ctx, conn, cashdispenser.Dispense, &cashdispenser.DispenseCommand{
		Denomination: &cashdispenser.DenominateRequest{Denomination: &cashdispenser.DenominateRequestDenomination{Service: mix}},
	})
	fmt.Println(got.Denomination.Values, err)
	_, err = client.Do(ctx, conn, cashdispenser.Present, nil)
	fmt.Println(err, device.Take())
	// Output:
	// map[unitA:1 unitB:1 unitC:1 unitD:1] <nil>
	// <nil> <nil>
}
