// Package devices is the till's side of its devices: a receipt printer with the
// cash drawer on it, a scanner, a customer display and a cash dispenser, each an
// XFS4IoT service (Printer, BarcodeReader, TextTerminal, CashDispenser) that the till
// dials: directly, or through a tunnel that the devices' side has opened.
//
// A dispenser is looked for among the services that the publisher names; where there
// is none, nothing is dispensed. Behind a tunnel all devices are found that way. What
// became of ordered cash is never taken from an answer alone: it is read from the
// device's sensors and counts before and after ([Judge]).
//
// What goes to the printer is a print document in the JSON form of package
// receipt/paper, in a field of Printer.PrintForm, with an id by which the service
// prints it at most once; how it becomes dots is the service's. Connections come back by themselves, no command is ever sent twice,
// and every print has one of three outcomes ([Outcome]): what is not known is
// said to be unknown and left to the node, which has journaled its intent.
//
//	set := devices.New(devices.Config{Address: "ws://127.0.0.1:5846/xfs4iot/v1.0"}, devices.Events{...})
//	go set.Run(ctx)
//	outcome, err := set.Print(ctx, jobID, doc)
//
// Without an address there are no devices: prints fail as not done, nothing else
// changes. The package journals nothing and knows no receipts.
package devices

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// Config says where the devices are.
type Config struct {
	// Address is where the services are, "ws://host:port", with or without the
	// standard's path /xfs4iot/v1.0; empty: this till has no devices.
	Address string
	Link
	// Names of the services; empty: ReceiptPrinter, Scanner, CustomerDisplay, and
	// whatever dispenser there is.
	Printer, Scanner, Display, Dispenser string
	Log                                  *slog.Logger // nil discards
}

// Link is how the services are reached. The zero value is the network, without TLS.
type Link struct {
	// Credentials are for wss addresses: whom to trust, and the till's own certificate.
	Credentials *pki.Credentials
	// Dial goes through a tunnel in place of the network; nil: no tunnel.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (l Link) options(log *slog.Logger) client.Options {
	return client.Options{Credentials: l.Credentials, DialContext: l.Dial, Log: log}
}

// Kind says what a device is to the till.
type Kind string

// The kinds.
const (
	Printer Kind = "printer"
	Scanner Kind = "scanner"
	Display Kind = "display"
	Drawer  Kind = "drawer"
	// Dispenser is known only once one has been found.
	Dispenser Kind = "dispenser"
)

// Condition is how a device is.
type Condition string

// The conditions.
const (
	Ready     Condition = "ready"
	Attention Condition = "attention" // it works, and somebody should look: paper low
	Down      Condition = "down"
)

// Device is one device as it was seen last.
type Device struct {
	Name      string
	Kind      Kind
	Condition Condition
	Code      string // why, such as "paper-out"; empty when ready
	Open      bool   // of a drawer: it stands open
}

// Events are called by the devices' goroutines, one call at a time for one
// device; nil ones are left out.
type Events struct {
	Scanned func(code string)
	Changed func(d Device)
}

// Set is the till's devices. Its methods may be called concurrently.
type Set struct {
	config Config
	events Events

	printer, scanner, display, dispenser *link

	screen    chan []string // the newest text for the display, one at most
	cashMoved chan struct{} // the dispenser said that something changed

	mu    sync.Mutex // guards what follows
	state map[Kind]Device
	cash  *cashdispenser.Capabilities // of the dispenser, once it was connected
}

// New prepares the devices; Run connects to them.
func New(c Config, e Events) *Set {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Set{config: c, events: e, state: map[Kind]Device{}, screen: make(chan []string, 1), cashMoved: make(chan struct{}, 1)}
	if c.Address == "" {
		return s
	}
	s.printer = s.link(Printer, or(c.Printer, "ReceiptPrinter"))
	s.scanner = s.link(Scanner, or(c.Scanner, "Scanner"))
	s.display = s.link(Display, or(c.Display, "CustomerDisplay"))
	s.dispenser = s.link(Dispenser, c.Dispenser)
	if s.dispenser.session.Options.DialContext == nil {
		s.dispenser.session.Options.DialContext = dialAbrupt
	}
	delete(s.state, Dispenser) // most tills have none
	s.state[Drawer] = Device{Name: s.printer.name, Kind: Drawer, Condition: Down, Code: "not-connected"}
	return s
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// Run keeps the connections until ctx ends.
func (s *Set) Run(ctx context.Context) error {
	if s.config.Address == "" {
		<-ctx.Done()
		return nil
	}
	var all sync.WaitGroup
	start := func(l *link) { all.Go(func() { _ = l.session.Run(ctx) }) } // returns nil when ctx ends, always
	named, sought := []*link{s.printer, s.scanner, s.display}, []*link{s.dispenser}
	if s.config.Dial != nil {
		named, sought = nil, append(sought, named...)
	}
	for _, l := range named {
		start(l)
	}
	all.Go(func() { s.find(ctx, sought, start) })
	all.Go(func() { s.scan(ctx) })
	all.Go(func() { s.show(ctx) })
	all.Wait()
	return nil
}

// Devices lists what is known, ordered by kind.
func (s *Set) Devices() []Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Device, 0, len(s.state))
	for _, d := range s.state {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b Device) int { return strings.Compare(string(a.Kind), string(b.Kind)) })
	return list
}

// note keeps how a device is, and tells when that is new.
func (s *Set) note(d Device) {
	s.mu.Lock()
	changed := s.state[d.Kind] != d
	s.state[d.Kind] = d
	s.mu.Unlock()
	if changed && s.events.Changed != nil {
		s.events.Changed(d)
	}
}

// link is the connection to one device's service.
type link struct {
	kind    Kind
	name    string
	set     *Set
	session *client.Session
}

func (s *Set) link(kind Kind, name string) *link {
	l := &link{kind: kind, name: name, set: s}
	s.state[kind] = Device{Name: name, Kind: kind, Condition: Down, Code: "not-connected"}
	l.session = &client.Session{URL: base(s.config.Address) + "/" + name, Options: s.config.options(s.config.Log), Up: l.up, Down: l.down}
	l.session.Options.Unsolicited = l.unsolicited
	if s.config.Dial != nil { // asking a tunnel is cheap, and it may be back at any moment
		l.session.Max = 2 * time.Second
	}
	return l
}

// base adds the standard's path to an address that has none.
func base(address string) string {
	address = strings.TrimSuffix(address, "/")
	if _, rest, ok := strings.Cut(address, "://"); ok && !strings.Contains(rest, "/") {
		return address + "/xfs4iot/v1.0"
	}
	return address
}

// up asks a device that has just been connected how it is.
func (l *link) up(ctx context.Context, c *client.Conn) error {
	status, err := client.Do(ctx, c, common.Status, nil)
	if err != nil {
		return err
	}
	if l.kind == Dispenser {
		if err := l.learnCash(ctx, c); err != nil {
			return err
		}
	}
	if status.Common == nil {
		return l.noted(common.DeviceOnline, status)
	}
	return l.noted(status.Common.Device, status)
}

func (l *link) noted(d common.Device, status *common.StatusCompletion) error {
	condition, code := conditionOf(d)
	if condition == Ready && status.Printer != nil {
		condition, code = paperCondition(status.Printer)
	}
	if condition == Ready && status.CashManagement != nil {
		condition, code = cashCondition(status.CashManagement)
	}
	l.note(condition, code)
	if status.Auxiliaries != nil {
		l.door(status.Auxiliaries)
	}
	return nil
}

// note keeps a condition; the drawer hangs on the printer and shares its fate.
func (l *link) note(condition Condition, code string) {
	l.set.note(Device{Name: l.name, Kind: l.kind, Condition: condition, Code: code})
	if l.kind == Printer {
		l.set.noteDrawer(func(d *Device) {
			d.Condition, d.Code = Ready, ""
			if condition == Down && (code == "not-connected" || code == "off") {
				d.Condition, d.Code = Down, code
			}
		})
	}
}

func (s *Set) noteDrawer(change func(*Device)) {
	s.mu.Lock()
	d := s.state[Drawer]
	s.mu.Unlock()
	change(&d)
	s.note(d)
}

func (l *link) down(err error) {
	l.set.config.Log.Info("device not connected", "device", l.name, "err", err)
	l.note(Down, "not-connected")
}

// unsolicited takes what a device says by itself.
func (l *link) unsolicited(m *xfs4iot.Message) {
	if l.kind == Dispenser {
		select {
		case l.set.cashMoved <- struct{}{}:
		default:
		}
	}
	if m.Header.Name != (common.StatusChangedEvent{}).EventName() {
		return
	}
	var e common.StatusChangedEvent
	if err := m.Into(&e); err != nil {
		l.set.config.Log.Warn("device status not understood", "device", l.name, "err", err)
		return
	}
	l.changed(&e)
}
