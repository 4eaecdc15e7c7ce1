package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/driver/receiptprinter"
	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// printerFlags name a real printer.
type printerFlags struct {
	Printer string `placeholder:"ADDRESS" help:"Real ESC/POS printer instead of the simulated one: tcp:HOST:9100 or serial:DEVICE@BAUD."`
	Paper   int    `default:"80" enum:"58,80" help:"Width of the real printer's paper in mm: 58 or 80."`
	Chinese bool   `help:"The real printer has Chinese characters (GB18030)."`
}

// start keeps the real printer connected and returns its service; nil without one.
func (p printerFlags) start(ctx context.Context, group *errgroup.Group) (*host.Service, error) {
	if p.Printer == "" {
		return nil, nil
	}
	dial, err := dialPrinter(p.Printer)
	if err != nil {
		return nil, err
	}
	printer := escpos.New(dial, p.profile())
	service := receiptprinter.New(sim.PrinterName, printer, new(receiptprinter.Memory))
	printer.OnStatus = service.Report
	group.Go(func() error {
		printer.Run(ctx) // ends with ctx and has no other error
		return nil
	})
	return service.XFS(), nil
}

func (p printerFlags) profile() escpos.Profile {
	switch {
	case p.Paper == 58:
		return escpos.Generic58()
	case p.Chinese:
		return escpos.Chinese80()
	}
	return escpos.Generic80()
}

const defaultBaud = 9600

// dialPrinter reads a printer's address.
func dialPrinter(address string) (escpos.Dial, error) {
	kind, rest, _ := strings.Cut(address, ":")
	switch kind {
	case "tcp":
		return escpos.TCP(rest), nil
	case "serial":
		device, speed, ok := strings.Cut(rest, "@")
		if !ok {
			return escpos.Serial(device, defaultBaud), nil
		}
		baud, err := strconv.Atoi(speed)
		if err != nil {
			return nil, fmt.Errorf("speed of the serial line %q: %w", speed, err)
		}
		return escpos.Serial(device, baud), nil
	}
	return nil, hint{fmt.Errorf("unknown printer address %q", address), "give tcp:HOST:9100 or serial:/dev/ttyUSB0@9600"}
}
