package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
)

type xfsList struct {
	Address string `arg:"" optional:"" default:"127.0.0.1" help:"A machine, HOST, whose standard ports are all asked; or one publisher, HOST:PORT or its ws[s]:// address."`
	xfsLink
	JSON bool `name:"json" help:"Print one line of JSON a service."`
}

// Help says how services are found.
func (xfsList) Help() string {
	return `Asks the service publishers of a machine (ports 80, 443 and 5846 to 5856) for
their services, and each service for its state and its interfaces. A service is
known by its interfaces, not by its name.`
}

// listedService is one line of the list.
type listedService struct {
	URL        string   `json:"url"`
	Vendor     string   `json:"vendor"`
	Device     string   `json:"device,omitempty"` // its state
	Model      string   `json:"model,omitempty"`
	Interfaces []string `json:"interfaces,omitempty"`
	Error      string   `json:"error,omitempty"`
}

func (c xfsList) Run(ctx context.Context, s streams) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, c.Patience)
	defer stop()
	publishers, err := c.publishers(ctx, o)
	if err != nil {
		return hint{err, c.advice()}
	}
	var all []listedService
	for _, p := range publishers {
		for _, at := range p.Services {
			all = append(all, c.ask(ctx, at, p.VendorName, o))
		}
	}
	if c.JSON {
		return encodeLines(s, all)
	}
	return writeServices(s, all)
}

func (c xfsList) publishers(ctx context.Context, o client.Options) ([]client.Publisher, error) {
	at, err := c.address(c.Address)
	if err != nil {
		return nil, err
	}
	if at == "" {
		return client.Discover(ctx, c.Address, o)
	}
	p, err := client.Services(ctx, at, o)
	if err != nil {
		return nil, err
	}
	return []client.Publisher{*p}, nil
}

// ask lets a service describe itself. One that does not answer is listed as such.
func (c xfsList) ask(ctx context.Context, at, vendor string, o client.Options) listedService {
	out := listedService{URL: at, Vendor: vendor}
	if err := out.fill(ctx, o); err != nil {
		out.Error = err.Error()
	}
	return out
}

func (l *listedService) fill(ctx context.Context, o client.Options) error {
	conn, err := client.Dial(ctx, l.URL, o)
	if err != nil {
		return err
	}
	defer conn.Close()
	capabilities, err := client.Do(ctx, conn, common.Capabilities, nil)
	if err != nil {
		return err
	}
	for _, i := range capabilities.Interfaces {
		l.Interfaces = append(l.Interfaces, string(i.Name))
	}
	if p := capabilities.Common; p != nil && len(p.DeviceInformation) > 0 {
		l.Model = p.DeviceInformation[0].ModelName
	}
	status, err := client.Do(ctx, conn, common.Status, nil)
	if err == nil && status.Common != nil {
		l.Device = string(status.Common.Device)
	}
	return err
}

func writeServices(s streams, all []listedService) error {
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for _, l := range all {
		last := strings.Join(l.Interfaces, " ")
		if l.Error != "" {
			last = l.Error
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.URL, l.Device, l.Model, last)
	}
	return w.Flush()
}

// encodeLines prints one line of JSON for each.
func encodeLines[T any](s streams, all []T) error {
	out := json.NewEncoder(s.Out)
	for _, v := range all {
		if err := out.Encode(v); err != nil {
			return err
		}
	}
	return nil
}
