package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"

	"golang.org/x/sync/errgroup"

	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/driver/sim/cash"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

type devicesCommand struct {
	Listen  string `default:"127.0.0.1:5846" help:"Address of the XFS4IoT services; the standard asks for a port from 5846 to 5856."`
	Control string `default:"127.0.0.1:8481" help:"Address of the page on which the simulated devices are seen and touched."`
	Config  string `type:"existingfile" placeholder:"FILE" help:"File that says which devices there are, simulated and real, and who may use them (TOML)."`
	All     bool   `help:"A simulated device of every class, for developing against."`
	printerFlags
	Dispenser bool `help:"Also a simulated cash dispenser, for change in euro notes and coins."`
	guardFlags
	dialFlags
	Dir  string `type:"path" placeholder:"DIR" help:"Directory for a journal of refused connections and device events, and for the dispenser's counts; made if it is missing."`
	JSON bool   `name:"json" help:"Print one line of JSON when ready, instead of words."`
}

// guardFlags say who may use the devices.
type guardFlags struct {
	Identity string   `type:"existingdir" placeholder:"DIR" help:"Folder with the device host's certificate and the authorities it trusts, as plomb pki writes it; the services are then wss and want certificates."`
	Client   []string `default:"till" placeholder:"NAME" help:"Identities that may use the devices; with --identity."`
}

// Help teaches what can be done with simulated devices.
func (devicesCommand) Help() string {
	return `Serves a simulated receipt printer with cash drawer, a barcode scanner and a
customer display over XFS4IoT, for trying and for developing against. On their
page a person scans codes, takes the paper, opens the cover, pulls the plug.

A real ESC/POS printer takes the simulated one's place:

  plomb devices --printer tcp:192.0.2.7:9100
  plomb devices --printer serial:/dev/ttyUSB0@19200 --paper 58

For a till in a data centre that cannot reach these devices, they dial it; the
certificates come from plomb pki init:

  plomb devices --identity plomb-pki/identities/devices --dial HOST:5860 --dial-name till`
}

// spareMemory collects garbage more than twice as often as Go does by itself: a host of devices
// has many idle connections and little to compute. GOGC in the environment counts
// more.
func spareMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(40)
	}
}

func (c devicesCommand) Run(ctx context.Context, s streams) error {
	spareMemory()
	group, ctx := errgroup.WithContext(ctx)
	log := slog.New(slog.NewTextHandler(s.Err, nil))
	counter, err := c.counter(ctx, log)
	if err != nil {
		return err
	}
	d, err := counter.start(ctx, group)
	if err != nil {
		return err
	}
	if err := c.dialOut(ctx, group, d.address, counter.creds, counter.book.link, log); err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(s.Out).Encode(map[string]string{"devices": d.service, "control": d.control})
	} else {
		_, err = fmt.Fprintf(s.Out, "\n  XFS4IoT  %s\n  page     %s\n\n  Ctrl-C ends\n\n", d.service, d.control)
	}
	return errors.Join(err, group.Wait(), counter.book.close())
}

// counter is what a host of devices is made of.
type counter struct {
	service, control string          // addresses to listen at
	listeners        [2]net.Listener // of services and page, where they are open already
	printer          printerFlags
	dispenser        bool
	dir              string           // for what has to survive; "": nothing does
	creds            *pki.Credentials // nil: plain connections
	clients          []string         // identities with rights
	devices          *devicesFile     // in place of the till's three; nil: those
	book             *deviceBook      // nil: nothing is journaled
	log              *slog.Logger
}

// counter checks what was asked for.
func (c devicesCommand) counter(ctx context.Context, log *slog.Logger) (counter, error) {
	file, err := c.file()
	if err != nil {
		return counter{}, err
	}
	k := counter{service: c.Listen, control: c.Control, printer: c.printerFlags, dispenser: c.Dispenser, dir: c.Dir, clients: c.Client, log: log}
	if c.Dial != "" && c.Identity == "" {
		return k, errNoIdentity
	}
	k.devices = file
	if c.Identity != "" {
		if k.creds, err = credentials(c.Identity, pki.Policy{}); err != nil {
			return k, err
		}
	}
	if c.Dir != "" {
		k.book, err = openDeviceBook(ctx, c.Dir, log)
	}
	return k, err
}

// defaultListen and defaultControl give way to what a file says.
const (
	defaultListen  = "127.0.0.1:5846"
	defaultControl = "127.0.0.1:8481"
)

// file reads --config, whose members count where a flag was left at its default. It
// is nil for the devices of a till.
func (c *devicesCommand) file() (*devicesFile, error) {
	switch {
	case c.Config == "" && !c.All:
		return nil, nil
	case c.Config == "":
		return &devicesFile{Devices: everyClass(), leftover: func() error { return nil }}, nil
	}
	if c.All || c.Printer != "" || c.Dispenser {
		return nil, usage{errors.New("--config says which devices there are; leave out --all, --printer and --dispenser")}
	}
	f, err := readDevicesFile(c.Config)
	if err != nil {
		return nil, usage{err}
	}
	for _, m := range []struct {
		flag     *string
		fallback string
		file     string
	}{{&c.Listen, defaultListen, f.Listen}, {&c.Control, defaultControl, f.Control}, {&c.Dir, "", f.Dir}, {&c.Identity, "", f.Identity}} {
		if *m.flag == m.fallback && m.file != "" {
			*m.flag = m.file
		}
	}
	return f, nil
}

// runningDevices are the addresses of devices that are served.
type runningDevices struct {
	service, control string // URLs
	address          string // of the services, "host:port"
}

// start serves devices in the group.
func (c counter) start(ctx context.Context, group *errgroup.Group) (runningDevices, error) {
	printer, err := c.printer.start(ctx, group)
	if err != nil {
		return runningDevices{}, err
	}
	if c.devices != nil {
		b := counterBuild{ctx: ctx, group: group, devices: sim.Empty(), dir: c.dir}
		if err := b.addDevices(c.devices.Devices); err != nil {
			return runningDevices{}, err
		}
		if err := c.devices.leftover(); err != nil {
			return runningDevices{}, err
		}
		return c.serve(ctx, group, b.devices)
	}
	devices := sim.New(sim.Options{InPlaceOfPrinter: printer})
	if err := c.addDispenser(devices); err != nil {
		return runningDevices{}, err
	}
	return c.serve(ctx, group, devices)
}

// serve serves devices and their page.
func (c counter) serve(ctx context.Context, group *errgroup.Group, devices *sim.Devices) (runningDevices, error) {
	l, page, err := c.listen()
	if err != nil {
		return runningDevices{}, err
	}
	if c.creds != nil {
		group.Go(func() error { watch(ctx, c.creds, c.log); return nil })
	}
	group.Go(func() error { return sim.Serve(ctx, devices, l, page, c.config()) })
	scheme := "ws://"
	if c.creds != nil {
		scheme = "wss://"
	}
	return runningDevices{service: scheme + l.Addr().String() + xfsPath, control: "http://" + page.Addr().String() + "/", address: l.Addr().String()}, nil
}

// listen opens the listeners of services and page, or takes those that are open.
func (c counter) listen() (service, page net.Listener, err error) {
	if c.listeners[0] != nil {
		return c.listeners[0], c.listeners[1], nil
	}
	if service, err = net.Listen("tcp", c.service); err != nil {
		return nil, nil, hint{err, "another plomb may be running; choose another address with --listen"}
	}
	if page, err = net.Listen("tcp", c.control); err != nil {
		service.Close()
		return nil, nil, hint{err, "choose another address with --control"}
	}
	return service, page, nil
}

func (c counter) config() host.Config {
	conf := host.Config{VendorName: "plomb", Credentials: c.creds, Refused: c.book.refused, StatusChanged: c.book.status}
	if c.creds != nil {
		if c.devices != nil && c.devices.Rights != nil {
			conf.Rights = c.devices.Rights
			return conf
		}
		conf.Rights = host.Rights{}
		for _, name := range c.clients {
			conf.Rights = append(conf.Rights, host.Right{Client: name, Services: []string{"*"}, Allow: []string{"*"}})
		}
	}
	return conf
}

// dispenserName is the service of the simulated dispenser.
const dispenserName = "Dispenser"

func (c counter) addDispenser(d *sim.Devices) error {
	if !c.dispenser {
		return nil
	}
	o := cash.Options{DispenserOnly: true, Cassettes: changeCassettes()}
	if c.dir != "" {
		o.Directory = filepath.Join(c.dir, "cash")
		if err := os.MkdirAll(o.Directory, 0o700); err != nil {
			return fmt.Errorf("directory for the dispenser: %w", err)
		}
	}
	device, err := cash.New(dispenserName, o)
	if err != nil {
		return err
	}
	return d.Add(dispenserName, device)
}

// changeCassettes are what any change in euro can be paid from.
func changeCassettes() []cash.Cassette {
	var list []cash.Cassette
	for i, value := range []string{"20", "10", "5", "2", "1", "0.50", "0.20", "0.10", "0.05", "0.02", "0.01"} {
		name := string(rune('A' + i))
		list = append(list, cash.Cassette{Unit: "unit" + name, ID: name, Kind: cash.Out, Currency: "EUR", Value: value, Count: 200})
	}
	return append(list, cash.Cassette{Unit: "unitREJECT", ID: "REJ", Kind: cash.Reject, Capacity: 200},
		cash.Cassette{Unit: "unitRETRACT", ID: "RET", Kind: cash.Retract, Capacity: 200, Areas: 3})
}
