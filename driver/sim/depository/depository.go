// Package depository is a simulated envelope depository: it gives out empty
// envelopes, takes filled ones in, prints on them and counts them into a container.
// It serves the interfaces Deposit and Storage.
//
//	d, err := depository.New("Depository", depository.Options{})
//	server.Add(d.Service())
//	d.Insert("Takings of Monday", 5) // while a client waits in Deposit.Entry
//
// # What it does
//
// Deposit.Dispense offers an empty envelope in the slot; it stays there until it is
// taken (EnvTakenEvent) or retracted into the container. Deposit.Entry opens the
// slot, sends InsertDepositEvent, waits for an envelope, prints the client's text on
// it, drops it into the container, makes the new count durable, and only then sends
// EnvDepositedEvent and completes. When something fails after the envelope was taken
// in, DepositErrorEvent tells every client. An envelope never leaves the count: if
// counting itself fails, the command ends with hardwareError and the envelope stays
// in the transport.
//
// A jam, a stuck slot and lost power stay until somebody mends them; Deposit.Reset
// then moves what is in the transport and reports it in MediaDetectedEvent.
//
// The printer knows the characters of Windows code page 1252 (ISO 8859-1 and €).
package depository

import (
	"fmt"

	"github.com/plomb-pos/plomb/driver/sim/bin"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/deposit"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// Container is the storage unit of the deposits.
const Container = "unitENVELOPES"

// Options chooses the device; the zero value has room for 50 deposits and 25 empty
// envelopes and keeps its counts in memory.
type Options struct {
	Capacity  int    `json:"capacity,omitzero" toml:"capacity"`   // deposits the container holds
	Envelopes int    `json:"envelopes,omitzero" toml:"envelopes"` // empty ones at the start
	Directory string `json:"directory,omitzero" toml:"directory"` // where the counts are kept; must exist

	FS durable.FS `json:"-" toml:"-"` // in place of the operating system's, for tests
}

// maxText is how many characters fit on an envelope.
const maxText = 80

// Depository is the device. Its methods may be called concurrently.
type Depository struct {
	chassis.Chassis
	name string
	full int // envelopes of a full supply

	rack      *bin.Rack
	faults    chassis.Faults
	off       bool
	waiting   bool      // a client waits for an envelope
	slot      slot      // what is in the slot or behind it
	envelope  *Envelope // in the slot or in the transport
	shutter   shutter
	supply    int // empty envelopes left
	toner     int // envelopes it can print on
	printer   bool
	deposited []Envelope // in the container, those of this run
}

// Envelope is one that was handed in.
type Envelope struct {
	Label     string `json:"label"`     // what somebody wrote on it by hand
	Thickness int    `json:"thickness"` // mm
	Printed   string `json:"printed"`   // what the device printed
	Empty     bool   `json:"empty"`     // one of its own supply
}

type slot string

const (
	slotEmpty   slot = "empty"
	slotOffered slot = "offered"   // an empty envelope waits to be taken
	slotEntered slot = "transport" // an envelope was taken in
	slotJammed  slot = "jammed"
)

type shutter string

const (
	shutterClosed shutter = "closed"
	shutterOpen   shutter = "open"
	shutterStuck  shutter = "jammed"
)

// maxToner is how many envelopes a cartridge prints; it is low from lowToner on.
const maxToner, lowToner = 100, 10

// maxThickness in mm goes through the slot.
const maxThickness = 10

// lowSupply is how many envelopes are few.
const lowSupply = 5

// New makes a depository in order.
func New(name string, o Options) (*Depository, error) {
	if o.Capacity < 1 {
		o.Capacity = 50
	}
	if o.Envelopes < 1 {
		o.Envelopes = 25
	}
	if o.FS == nil && o.Directory != "" {
		o.FS = durable.OS{}
	}
	d := &Depository{name: name, full: o.Envelopes, supply: o.Envelopes, toner: maxToner, printer: true, slot: slotEmpty, shutter: shutterClosed}
	rack, err := bin.Open(o.FS, o.Directory, bin.Setup{
		Unit: Container, ID: "ENV", Position: "container", Kind: bin.Deposit, Capacity: o.Capacity, MediaIn: true, Retract: true, Envelopes: d.envelopes,
	})
	if err != nil {
		return nil, fmt.Errorf("depository %s: %w", name, err)
	}
	d.rack = rack
	return d, nil
}

func (d *Depository) envelopes() deposit.StorageStatusEnvSupply {
	switch {
	case d.supply == 0:
		return deposit.StorageStatusEnvSupplyEmpty
	case d.supply <= lowSupply:
		return deposit.StorageStatusEnvSupplyLow
	}
	return deposit.StorageStatusEnvSupplyOk
}

// Class names its picture.
func (d *Depository) Class() string { return "depository" }

// Service makes a fresh service over the present state.
func (d *Depository) Service() *host.Service {
	d.Lock()
	defer d.Unlock()
	s := host.NewService(d.name, host.Declaration{
		Capabilities: capabilities(), Status: d.status(),
		Events: append(bin.Events(), &deposit.DepositErrorEvent{}, &deposit.EnvDepositedEvent{}, &deposit.EnvInsertedEvent{},
			&deposit.EnvTakenEvent{}, &deposit.InsertDepositEvent{}, &deposit.MediaDetectedEvent{}),
	})
	host.Handle(s, deposit.Dispense, d.dispense)
	host.Handle(s, deposit.Entry, d.entry)
	host.Handle(s, deposit.Retract, d.retract)
	host.Handle(s, deposit.Reset, d.reset)
	host.Handle(s, deposit.SupplyReplenish, d.replenish)
	d.rack.Handle(s, d, d.busy, d.Say, d.changed)
	d.Serve(s)
	return s
}

func capabilities() common.CapabilitiesCompletion {
	return common.CapabilitiesCompletion{
		Common: &common.CapabilityProperties{ServiceVersion: "1.0", DeviceInformation: []common.DeviceInformation{{ModelName: "simulated envelope depository"}}},
		Deposit: &deposit.Capabilities{
			Type:            &deposit.CapabilitiesType{Envelope: new(true), Bag: new(false)},
			DepTransport:    new(true),
			Printer:         &deposit.PrintCapabilities{Toner: new(true), PrintOnRetract: new(true), MaxNumChars: new(maxText), UnicodeSupport: new(false)},
			Shutter:         new(true),
			RetractEnvelope: deposit.CapabilitiesRetractEnvelopeContainer,
		},
	}
}

// busy says that an envelope is on its way.
func (d *Depository) busy() bool { return d.waiting || d.slot != slotEmpty }

func (d *Depository) changed() { d.Show(d.status()) }

func (d *Depository) status() common.StatusCompletion {
	return common.StatusCompletion{
		Common: &common.StatusProperties{Device: d.device()},
		Deposit: &deposit.Status{
			DepTransport:    pick(d.slot == slotJammed, deposit.StatusDepTransportInoperative, deposit.StatusDepTransportOk),
			EnvDispenser:    pick(d.supply == 0, deposit.StatusEnvDispenserInoperative, deposit.StatusEnvDispenserOk),
			Printer:         pick(d.printer, deposit.StatusPrinterOk, deposit.StatusPrinterInoperative),
			Toner:           d.tonerStatus(),
			Shutter:         deposit.StatusShutter(d.shutter),
			DepositLocation: d.location(),
		},
	}
}

func pick[T any](yes bool, a, b T) T {
	if yes {
		return a
	}
	return b
}

func (d *Depository) device() common.Device {
	switch {
	case d.off:
		return common.DevicePowerOff
	case d.slot == slotJammed || d.shutter == shutterStuck || d.rack.Failed() != nil:
		return common.DeviceHardwareError
	}
	return common.DeviceOnline
}

func (d *Depository) tonerStatus() deposit.StatusToner {
	switch {
	case d.toner == 0:
		return deposit.StatusTonerOut
	case d.toner <= lowToner:
		return deposit.StatusTonerLow
	}
	return deposit.StatusTonerFull
}

// location is where the last envelope of a customer is.
func (d *Depository) location() deposit.StatusDepositLocation {
	switch {
	case d.slot == slotOffered:
		return deposit.StatusDepositLocationShutter
	case d.slot == slotEntered || d.slot == slotJammed:
		return deposit.StatusDepositLocationTransport
	case len(d.deposited) > 0:
		return deposit.StatusDepositLocationContainer
	}
	return deposit.StatusDepositLocationNone
}

// State is what the page shows.
type State struct {
	Power     bool       `json:"power"`
	Waiting   bool       `json:"waiting"` // a client waits for an envelope
	Slot      string     `json:"slot"`    // empty, offered, transport, jammed
	Shutter   string     `json:"shutter"` // closed, open, jammed
	Envelope  *Envelope  `json:"envelope,omitzero"`
	Supply    int        `json:"supply"`
	Toner     int        `json:"toner"`
	Printer   bool       `json:"printer"`
	Container bin.View   `json:"container"`
	Deposited []Envelope `json:"deposited"`
	Armed     []string   `json:"armed"`
}

// State gives what the page shows.
func (d *Depository) State() any {
	d.Lock()
	defer d.Unlock()
	return State{!d.off, d.waiting, string(d.slot), string(d.shutter), d.copyEnvelope(), d.supply, d.toner, d.printer,
		d.rack.View()[0], append([]Envelope{}, d.deposited...), d.faults.Armed()}
}

func (d *Depository) copyEnvelope() *Envelope {
	if d.envelope == nil {
		return nil
	}
	return new(*d.envelope)
}

// ready refuses a command while the device has no power or is being exchanged.
func (d *Depository) ready() error {
	switch {
	case d.off:
		return &xfs4iot.Error{Code: xfs4iot.DeviceNotReady, Description: "the device has no power"}
	case d.rack.Exchanging():
		return chassis.Sequence(bin.ErrExchange.Error())
	}
	return nil
}

var _ panel.Device = (*Depository)(nil)
