// Package sim is a counter full of devices that are not there: a receipt printer
// with its cash drawer, a barcode scanner and a customer display. They are served
// over XFS4IoT exactly as real ones are, so whoever builds or tests a till needs
// no hardware.
//
// The printer is the real driver (escpos, receiptprinter) talking to an emulated
// printer, so that what it keeps are pictures of what would be on paper. Scanner
// and display are services of their own. All of them have faults that are switched
// on and off, by tests in Go and by people on a small web page: nothing happens by
// chance or by the clock, except that a slow printer takes its time.
//
//	d := sim.New(sim.Options{})
//	go sim.Serve(ctx, d, xfsListener, pageListener, host.Config{VendorName: "Example"})
//	d.Scanner.Scan("4006381333931")
//	d.Printer.Fault(sim.PaperOut, 7) // lines
//	docs, err := d.Printer.Await(ctx, 1)
//
// The services are named [PrinterName], [ScannerName] and [DisplayName]. Each can
// vanish and come back, as when its cable is pulled or its process restarted
// ([Devices.Vanish], [Devices.Return]); its state stays.
//
// The page is for developers: it has no identities, so it is served on loopback
// only, refuses requests from other sites and under other host names, and opens
// nothing but these devices.
package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// Names of the services.
const (
	PrinterName = "ReceiptPrinter"
	ScannerName = "Scanner"
	DisplayName = "CustomerDisplay"
)

// Options chooses the devices; the zero value is what most shops have.
type Options struct {
	Printer       escpos.Profile // default escpos.Chinese80
	Columns, Rows int            // of the display; default 20 and 4
	// InPlaceOfPrinter is served instead of the simulated printer, which then
	// counts as gone: a real printer beside a simulated scanner and display. It
	// is to be named PrinterName.
	InPlaceOfPrinter *host.Service
}

// Devices are the simulated devices. Their state is kept while they are served or
// not; all methods may be called concurrently.
type Devices struct {
	Printer *Printer
	Scanner *Scanner
	Display *Display

	mu     sync.Mutex // guards what follows
	server *host.Server
	other  *host.Service // Options.InPlaceOfPrinter
	gone   map[string]bool
	turn   chan struct{} // closed when a service vanishes or returns
}

// New makes devices that are in order. It touches nothing.
func New(o Options) *Devices {
	if o.Printer.Columns == 0 {
		o.Printer = escpos.Chinese80()
	}
	if o.Columns < 1 || o.Rows < 1 {
		o.Columns, o.Rows = 20, 4
	}
	return &Devices{
		Printer: NewPrinter(o.Printer), Scanner: NewScanner(), Display: NewDisplay(o.Columns, o.Rows),
		other: o.InPlaceOfPrinter, gone: map[string]bool{}, turn: make(chan struct{}),
	}
}

// ErrNotLoopback says that the page was to be served beyond loopback.
var ErrNotLoopback = errors.New("the page of simulated devices is served on loopback only")

// Serve serves d until ctx ends or a listener fails, and closes both listeners: one
// XFS4IoT host with the three services on ln, and the page on control unless that
// is nil. It may be called once for d.
func Serve(ctx context.Context, d *Devices, ln, control net.Listener, config host.Config) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	server := host.New(config)
	if err := d.attach(server); err != nil {
		return err
	}
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { _ = d.Printer.run(ctx) }) // ends with ctx and has no other error
	running.Go(func() { stop(server.Serve(ctx, ln)) })
	if control != nil {
		running.Go(func() { stop(d.serveControl(ctx, control)) })
	}
	<-ctx.Done()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return fmt.Errorf("simulated devices: %w", cause)
	}
	return nil
}

func (d *Devices) attach(server *host.Server) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.server = server
	services := []*host.Service{d.other, d.service(ScannerName), d.service(DisplayName)}
	if d.gone[PrinterName] = d.other != nil; d.other == nil {
		services[0] = d.service(PrinterName)
	}
	for _, service := range services {
		if err := server.Add(service); err != nil {
			return fmt.Errorf("simulated devices: %w", err)
		}
	}
	return nil
}

// service makes a fresh service over the state of a device, nil for other names.
func (d *Devices) service(name string) *host.Service {
	switch name {
	case PrinterName:
		return d.Printer.service()
	case ScannerName:
		return d.Scanner.service()
	case DisplayName:
		return d.Display.service()
	}
	return nil
}

// ErrNoDevice says that there is no device of that name, or that it is not served.
var ErrNoDevice = errors.New("no such simulated device")

// Vanish takes a service away: its connections end, its commands are cancelled, and
// the publisher does not list it any more. A service that is gone stays so.
func (d *Devices) Vanish(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone[name] {
		return nil
	}
	if d.server == nil || !d.server.Remove(name) {
		return fmt.Errorf("%q: %w", name, ErrNoDevice)
	}
	d.gone[name] = true
	d.tell()
	return nil
}

// Return brings a service back that vanished, with the state that its device has by
// then.
func (d *Devices) Return(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.gone[name] {
		return nil
	}
	delete(d.gone, name)
	d.tell()
	return d.server.Add(d.service(name))
}

// tell is called with mu held.
func (d *Devices) tell() {
	close(d.turn)
	d.turn = make(chan struct{})
}

// turned is closed when the next service vanishes or returns.
func (d *Devices) turned() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.turn
}

// Gone says whether a service vanished and did not return.
func (d *Devices) Gone(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gone[name]
}
