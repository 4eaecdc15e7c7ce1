package host_test

import (
	"context"
	"fmt"

	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

// A receipt printer that writes to memory, and one receipt printed on it.
func Example() {
	var paper []byte
	svc := host.NewService("ReceiptPrinter", host.Declaration{
		Capabilities: common.CapabilitiesCompletion{Printer: &printer.Capabilities{}},
		Status:       common.StatusCompletion{Common: &common.StatusProperties{Device: common.DeviceOnline}},
	})
	host.Handle(svc, printer.PrintRaw, func(ctx context.Context, cmd *host.Command, req *printer.PrintRawCommand) (*printer.PrintRawCompletion, error) {
		if len(paper)+len(req.Data) > 20 {
			return nil, host.Fail(printer.PrintRawErrorCodePaperOut, "the roll is 20 characters long")
		}
		paper = append(paper, req.Data...)
		return nil, cmd.Event(printer.MediaPresentedEvent{WadIndex: new(1), TotalWads: new(1)})
	})

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	srv := host.New(host.Config{VendorName: "Example"})
	if err := srv.Add(svc); err != nil {
		fmt.Println(err)
	}
	ln, err := host.Listen("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go srv.Serve(ctx, ln)

	conn, err := client.Dial(ctx, "ws://"+ln.Addr().String()+"/xfs4iot/v1.0/ReceiptPrinter", client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	for _, text := range []string{"2 coffee 5.20\n", "1 cake 3.10\n"} {
		_, err := client.Do(ctx, conn, printer.PrintRaw, &printer.PrintRawCommand{Data: []byte(text)})
		fmt.Println(err)
	}
	fmt.Print(string(paper))
	// Output:
	// <nil>
	// Printer.PrintRaw: paperOut: the roll is 20 characters long
	// 2 coffee 5.20
}
