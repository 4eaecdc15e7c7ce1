// Package sim is a counter full of devices that are not there. They are served
// over XFS4IoT exactly as real ones are, so whoever builds or tests a till needs
// no hardware.
//
// What every till has is made by New: a receipt printer with its cash drawer, a
// barcode scanner and a customer display. The printer is the real driver (escpos,
// receiptprinter) talking to an emulated printer, so that what it keeps are
// pictures of what would be on paper. Devices of the other classes live in
// packages below this one and join with [Devices.Add]. All of them have faults
// that are switched on and off, by tests in Go, by scripts over HTTP and by people
// on a page: nothing happens by chance or by the clock, except that a slow printer
// takes its time.
//
//	d := sim.New(sim.Options{})
//	go sim.Serve(ctx, d, xfsListener, pageListener, host.Config{VendorName: "Example"})
//	d.Scanner.Scan("4006381333931")
//	d.Printer.Fault(sim.PaperOut, 7) // lines
//	docs, err := d.Printer.Await(ctx, 1)
//
// Each can vanish and come back, as when its cable is pulled or its process
// restarted ([Devices.Vanish], [Devices.Return]); its state stays.
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
	"slices"
	"sync"

	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// Names of the services of every till.
const (
	PrinterName = "ReceiptPrinter"
	ScannerName = "Scanner"
	DisplayName = "CustomerDisplay"
)

// Options chooses the devices of New; the zero value is what most shops have.
type Options struct {
	Printer       escpos.Profile // default escpos.Chinese80
	Columns, Rows int            // of the display; default 20 and 4
	// InPlaceOfPrinter is served instead of the simulated printer, which is then
	// not to be seen: a real printer beside a simulated scanner and display. It
	// is to be named PrinterName.
	InPlaceOfPrinter *host.Service
}

// Devices are the simulated devices. Their state is kept while they are served or
// not; all methods may be called concurrently.
type Devices struct {
	// The devices of New; nil in those of Empty.
	Printer *Printer
	Scanner *Scanner
	Display *Display

	changes panel.Changes // of any device

	mu     sync.Mutex // guards what follows
	server *host.Server
	others []*host.Service // beside the simulated ones
	all    []*seat
}

// seat is where one device sits.
type seat struct {
	name   string
	device panel.Device
	gone   bool
}

// Empty makes a counter with no devices on it.
func Empty() *Devices { return &Devices{} }

// New makes the devices of every till, in order. It touches nothing.
func New(o Options) *Devices {
	if o.Printer.Columns == 0 {
		o.Printer = escpos.Chinese80()
	}
	if o.Columns < 1 || o.Rows < 1 {
		o.Columns, o.Rows = 20, 4
	}
	d := Empty()
	d.Printer, d.Scanner, d.Display = NewPrinter(o.Printer), NewScanner(), NewDisplay(o.Columns, o.Rows)
	d.all = []*seat{{name: DisplayName, device: d.Display}, {name: ScannerName, device: d.Scanner}}
	if o.InPlaceOfPrinter != nil {
		d.others = append(d.others, o.InPlaceOfPrinter)
	} else {
		d.all = append(d.all, &seat{name: PrinterName, device: d.Printer})
	}
	return d
}

// Errors of adding and serving.
var (
	ErrNotLoopback = errors.New("the page of simulated devices is served on loopback only")
	ErrServed      = errors.New("devices are added before they are served")
	ErrNoDevice    = errors.New("no such simulated device") // or it is not served
)

// Add puts a device on the counter; name is that of its service. It returns
// ErrServed once Serve was called.
func (d *Devices) Add(name string, device panel.Device) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server != nil {
		return ErrServed
	}
	d.all = append(d.all, &seat{name: name, device: device})
	return nil
}

// AddService serves a device that is not simulated beside the others. It does not
// stand on the page and cannot vanish. It returns ErrServed once Serve was called.
func (d *Devices) AddService(service *host.Service) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server != nil {
		return ErrServed
	}
	d.others = append(d.others, service)
	return nil
}

// Serve serves d until ctx ends or a listener fails, and closes both listeners: one
// XFS4IoT host with all services on ln, and the page on control unless that is nil.
// It may be called once for d.
func Serve(ctx context.Context, d *Devices, ln, control net.Listener, config host.Config) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	server := host.New(config)
	if err := d.attach(server); err != nil {
		return err
	}
	var running sync.WaitGroup
	defer running.Wait()
	d.run(ctx, &running, stop)
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
	if d.server != nil {
		return ErrServed
	}
	d.server = server
	services := slices.Clone(d.others)
	for _, s := range d.all {
		services = append(services, s.device.Service())
	}
	for _, service := range services {
		if err := server.Add(service); err != nil {
			return fmt.Errorf("simulated devices: %w", err)
		}
	}
	return nil
}

// run lets the devices work and hears of their changes until ctx ends. A device
// that cannot work any more stops all.
func (d *Devices) run(ctx context.Context, running *sync.WaitGroup, stop context.CancelCauseFunc) {
	for _, s := range d.all {
		running.Go(func() { d.watch(ctx, s.device) })
		runner, ok := s.device.(panel.Runner)
		if !ok {
			continue
		}
		running.Go(func() {
			if err := runner.Run(ctx); err != nil && ctx.Err() == nil {
				stop(fmt.Errorf("%s: %w", s.name, err))
			}
		})
	}
}

func (d *Devices) watch(ctx context.Context, device panel.Device) {
	for {
		changed := device.Changed()
		d.changes.Tell() // what changed before the call was not heard
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// Vanish takes a service away: its connections end, its commands are cancelled, and
// the publisher does not list it any more. A service that is gone stays so.
func (d *Devices) Vanish(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.seat(name)
	switch {
	case s != nil && s.gone:
		return nil
	case s == nil || d.server == nil || !d.server.Remove(name):
		return fmt.Errorf("%q: %w", name, ErrNoDevice)
	}
	s.gone = true
	d.changes.Tell()
	return nil
}

// Return brings a service back that vanished, with the state that its device has by
// then.
func (d *Devices) Return(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.seat(name)
	if s == nil {
		return fmt.Errorf("%q: %w", name, ErrNoDevice)
	}
	if !s.gone {
		return nil
	}
	s.gone = false
	d.changes.Tell()
	return d.server.Add(s.device.Service())
}

// seat is called with mu held; nil when there is none of that name.
func (d *Devices) seat(name string) *seat {
	i := slices.IndexFunc(d.all, func(s *seat) bool { return s.name == name })
	if i < 0 {
		return nil
	}
	return d.all[i]
}

// Gone says whether a service vanished and did not return.
func (d *Devices) Gone(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.seat(name)
	return s != nil && s.gone
}
