package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sync/errgroup"

	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

type devicesCommand struct {
	Listen  string `default:"127.0.0.1:5846" help:"Address of the XFS4IoT services; the standard asks for a port from 5846 to 5856."`
	Control string `default:"127.0.0.1:8481" help:"Address of the page on which the simulated devices are seen and touched."`
	printerFlags
	JSON bool `name:"json" help:"Print one line of JSON when ready, instead of words."`
}

// Help teaches what can be done with simulated devices.
func (devicesCommand) Help() string {
	return `Serves a simulated receipt printer with cash drawer, a barcode scanner and a
customer display over XFS4IoT, for trying and for developing against. On their
page a person scans codes, takes the paper, opens the cover, pulls the plug.

A real ESC/POS printer takes the simulated one's place:

  plomb devices --printer tcp:192.0.2.7:9100
  plomb devices --printer serial:/dev/ttyUSB0@19200 --paper 58`
}

func (c devicesCommand) Run(ctx context.Context, s streams) error {
	group, ctx := errgroup.WithContext(ctx)
	d, err := startDevices(ctx, group, c.Listen, c.Control, c.printerFlags)
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(s.Out).Encode(map[string]string{"devices": d.service, "control": d.control})
	} else {
		_, err = fmt.Fprintf(s.Out, "\n  XFS4IoT  %s\n  page     %s\n\n  Ctrl-C ends\n\n", d.service, d.control)
	}
	return errors.Join(err, group.Wait())
}

// runningDevices are the addresses of devices that are served.
type runningDevices struct{ service, control string }

// startDevices serves devices in the group, on loopback.
func startDevices(ctx context.Context, group *errgroup.Group, service, control string, p printerFlags) (runningDevices, error) {
	printer, err := p.start(ctx, group)
	if err != nil {
		return runningDevices{}, err
	}
	l, err := net.Listen("tcp", service)
	if err != nil {
		return runningDevices{}, hint{err, "another plomb may be running; choose another address with --listen"}
	}
	page, err := net.Listen("tcp", control)
	if err != nil {
		l.Close()
		return runningDevices{}, hint{err, "choose another address with --control"}
	}
	group.Go(func() error {
		return sim.Serve(ctx, sim.New(sim.Options{InPlaceOfPrinter: printer}), l, page, host.Config{VendorName: "plomb"})
	})
	return runningDevices{
		service: "ws://" + l.Addr().String() + "/xfs4iot/v1.0",
		control: "http://" + page.Addr().String() + "/",
	}, nil
}
