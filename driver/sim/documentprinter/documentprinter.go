// Package documentprinter is a simulated printer for documents and passbooks: forms
// with fields on sheets from two trays and on what customers put into its slot, a
// scanner, a stacker and a retract bin. It serves the interfaces Printer, all 23
// commands, and Storage.
//
//	p, err := documentprinter.New("DocumentPrinter", documentprinter.Options{})
//	server.Add(p.Service())
//	// a client sends Printer.PrintForm with the form STATEMENT and mediaControl eject
//	p.Take()
//
// # What it does
//
// Ink is real: every page is drawn at 120 dots to the inch by package press and can
// be looked at (Picture). The trays upper and lower hold sheets; external is the
// slot, where it waits for a customer (NoMediaEvent, MediaInsertedEvent). What was
// printed stays inside until it is moved. What is presented and not taken can be
// retracted into the bin, whose count survives a loss of power, or goes there by
// itself when a person says that the period for it is over.
//
// Reading is simulated: ReadForm finds the text that was printed, or that came with
// the medium, at the place of each field; it does not look at the ink. ReadImage
// gives the ink.
//
// A form is set before paper moves: a wrong field costs no sheet. Definitions that
// clients load are kept beside the counts when there is a directory.
//
// PrintNative takes PNG, JPEG, GIF and BMP. PrintRaw takes text in Windows code page
// 1252; a form feed presents the sheet.
package documentprinter

import (
	_ "embed" // the definitions of a new printer
	"fmt"

	"github.com/plomb-pos/plomb/driver/forms"
	"github.com/plomb-pos/plomb/driver/sim/bin"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
)

// Bin is the storage unit of what was retracted.
const Bin = "unitRETRACT"

// The trays.
const (
	Upper = "upper" // A4
	Lower = "lower" // A5
	Slot  = "external"
)

// Options chooses the device; the zero value has full trays of 100 sheets and a bin
// for 10 retracted media, and keeps nothing.
type Options struct {
	Sheets    int    `json:"sheets,omitzero" toml:"sheets"`     // of a full tray
	Retracts  int    `json:"retracts,omitzero" toml:"retracts"` // the bin's capacity
	Directory string `json:"directory,omitzero" toml:"directory"`

	FS durable.FS `json:"-" toml:"-"` // in place of the operating system's, for tests
}

// Supplies of a full device, in pages, and what counts as few.
const (
	maxToner, lowToner = 500, 25
	maxInk, lowInk     = 200, 10
	lowSheets          = 10
	maxStacker         = 5
	autoRetract        = 60_000 // ms; a person says when they are over
)

// place is where the medium in the device is.
type place string

const (
	nowhere   place = "nowhere"
	inside    place = "inside"
	presented place = "presented" // the customer can take it
	jammed    place = "jammed"
)

// Printer is the device. Its methods may be called concurrently.
type Printer struct {
	chassis.Chassis
	name  string
	full  int // sheets of a full tray
	store definitionStore
	defs  forms.Definitions
	rack  *bin.Rack

	faults    chassis.Faults
	off       bool
	cover     bool // open
	trays     map[string]int
	toner     int
	ink       int
	lamp      printer.StatusLamp
	blackMark bool

	medium    *medium // in the transport or presented
	at        place
	retracted bool // the last medium went into the bin
	stack     []*medium
	waiting   bool   // for a customer's medium
	rejected  string // why the last one was refused
	taken     []document
	numbers   int
	alarms    int
	prompt    string
	told      supplyState
}

//go:embed definitions.txt
var firstDefinitions string

// New makes a printer in order.
func New(name string, o Options) (*Printer, error) {
	if o.Sheets < 1 {
		o.Sheets = 100
	}
	if o.Retracts < 1 {
		o.Retracts = 10
	}
	if o.FS == nil && o.Directory != "" {
		o.FS = durable.OS{}
	}
	rack, err := bin.Open(o.FS, o.Directory, bin.Setup{
		Unit: Bin, ID: "RET", Position: "retract bin", Kind: bin.Printer, Capacity: o.Retracts, Retract: true,
	})
	if err != nil {
		return nil, fmt.Errorf("printer %s: %w", name, err)
	}
	store := definitionStore{o.FS, o.Directory}
	defs, err := store.load()
	if err != nil {
		return nil, fmt.Errorf("printer %s: %w", name, err)
	}
	p := &Printer{name: name, full: o.Sheets, rack: rack, store: store, defs: defs, at: nowhere, lamp: printer.StatusLampOk,
		trays: map[string]int{Upper: o.Sheets, Lower: o.Sheets}, toner: maxToner, ink: maxInk}
	p.told = p.supplies()
	return p, nil
}

// Class names its picture.
func (p *Printer) Class() string { return "documentprinter" }

// Service makes a fresh service over the present state.
func (p *Printer) Service() *host.Service {
	p.Lock()
	defer p.Unlock()
	s := host.NewService(p.name, host.Declaration{Capabilities: capabilities(), Status: p.status(), Events: append(bin.Events(), events()...)})
	p.handlePrinting(s)
	p.handleDefinitions(s)
	p.rack.Handle(s, p, p.busy, p.Say, p.changed)
	p.Serve(s)
	return s
}

func events() []xfs4iot.Event {
	return []xfs4iot.Event{
		&printer.DefinitionLoadedEvent{}, &printer.InkThresholdEvent{}, &printer.LampThresholdEvent{}, &printer.MediaAutoRetractedEvent{},
		&printer.MediaDetectedEvent{}, &printer.MediaInsertedUnsolicitedEvent{}, &printer.MediaPresentedUnsolicitedEvent{}, &printer.MediaTakenEvent{},
		&printer.PaperThresholdEvent{}, &printer.RetractBinStatusEvent{}, &printer.RetractBinThresholdEvent{}, &printer.TonerThresholdEvent{},
	}
}

func (p *Printer) handlePrinting(s *host.Service) {
	host.Handle(s, printer.PrintForm, p.printForm)
	host.Handle(s, printer.PrintRaw, p.printRaw)
	host.Handle(s, printer.PrintNative, p.printNative)
	host.Handle(s, printer.ReadForm, p.readForm)
	host.Handle(s, printer.ReadImage, p.readImage)
	host.Handle(s, printer.MediaExtents, p.mediaExtents)
	host.Handle(s, printer.ControlMedia, p.controlMedia)
	host.Handle(s, printer.ControlPassbook, p.controlPassbook)
	host.Handle(s, printer.RetractMedia, p.retractMedia)
	host.Handle(s, printer.DispensePaper, p.dispensePaper)
	host.Handle(s, printer.ClearBuffer, p.clearBuffer)
	host.Handle(s, printer.Reset, p.reset)
	host.Handle(s, printer.ResetCount, p.resetCount)
	host.Handle(s, printer.SetBlackMarkMode, p.setBlackMarkMode)
	host.Handle(s, printer.SupplyReplenish, p.supplyReplenish)
}

func capabilities() common.CapabilitiesCompletion {
	yes, no := new(true), new(false)
	return common.CapabilitiesCompletion{
		Common: &common.CapabilityProperties{ServiceVersion: "1.0", DeviceInformation: []common.DeviceInformation{{ModelName: "simulated document and passbook printer"}}},
		Printer: &printer.Capabilities{
			Type:                  &printer.CapabilitiesType{Receipt: no, Passbook: yes, Journal: no, Document: yes, Scanner: yes},
			Resolution:            &printer.CapabilitiesResolution{Low: no, Medium: yes, High: no, VeryHigh: no},
			ReadForm:              &printer.CapabilitiesReadForm{Ocr: yes, Micr: yes, Msf: no, Barcode: yes, PageMark: yes, ReadImage: yes, ReadEmptyLine: no},
			WriteForm:             &printer.CapabilitiesWriteForm{Text: yes, Graphics: yes, Ocr: yes, Micr: yes, Msf: no, Barcode: yes, Stamp: yes},
			Extents:               &printer.CapabilitiesExtents{Horizontal: yes, Vertical: yes},
			Control:               controls(),
			MaxMediaOnStacker:     new(maxStacker),
			AcceptMedia:           yes,
			MultiPage:             yes,
			PaperSources:          &printer.CapabilitiesPaperSources{Upper: yes, Lower: yes, External: yes, Aux: no, Aux2: no, Park: no},
			MediaTaken:            yes,
			ImageType:             &printer.CapabilitiesImageType{Tif: yes, Wmf: no, Bmp: yes, Jpg: yes, Png: yes, Gif: yes, Svg: no},
			FrontImageColorFormat: &printer.CapabilitiesFrontImageColorFormat{Binary: yes, Grayscale: yes, Full: yes},
			BackImageColorFormat:  &printer.CapabilitiesBackImageColorFormat{Binary: yes, GrayScale: yes, Full: yes},
			ImageSource:           &printer.CapabilitiesImageSource{ImageFront: yes, ImageBack: yes, PassportDataGroup1: no, PassportDataGroup2: no},
			DispensePaper:         yes,
			MediaPresented:        yes,
			AutoRetractPeriod:     new(autoRetract),
			RetractToTransport:    yes,
			CoercivityType:        &printer.CapabilitiesCoercivityType{Low: no, High: no, Auto: no},
			ControlPassbook:       &printer.CapabilitiesControlPassbook{TurnForward: yes, TurnBackward: yes, CloseForward: yes, CloseBackward: yes},
			PrintSides:            printer.CapabilitiesPrintSidesDual,
		},
	}
}

func controls() *printer.CapabilitiesControl {
	yes, no := new(true), new(false)
	return &printer.CapabilitiesControl{Eject: yes, Perforate: no, Cut: no, Skip: no, Flush: yes, Retract: yes, Stack: yes, PartialCut: no, Alarm: yes,
		PageForward: yes, PageBackward: yes, TurnMedia: yes, Stamp: yes, Park: no, Expel: yes, EjectToTransport: no, Rotate180: no, ClearBuffer: yes}
}

func (p *Printer) busy() bool { return p.waiting || p.medium != nil }

// changed tells the status, and supplies that crossed a threshold.
func (p *Printer) changed() {
	p.tellSupplies()
	p.Show(p.status())
}

func (p *Printer) status() common.StatusCompletion {
	now := p.supplies()
	return common.StatusCompletion{
		Common: &common.StatusProperties{Device: p.device()},
		Printer: &printer.Status{
			Media:          p.mediaStatus(),
			Paper:          &printer.StatusPaper{Upper: now.upper, Lower: now.lower, External: printer.PaperSupplyUnknown},
			Toner:          now.toner,
			Ink:            now.ink,
			Lamp:           now.lamp,
			MediaOnStacker: new(len(p.stack)),
			PaperType:      &printer.StatusPaperType{Upper: printer.PaperTypeDual, Lower: printer.PaperTypeDual},
			BlackMarkMode:  pick(p.blackMark, printer.StatusBlackMarkModeOn, printer.StatusBlackMarkModeOff),
		},
	}
}

func pick[T any](yes bool, a, b T) T {
	if yes {
		return a
	}
	return b
}

func (p *Printer) device() common.Device {
	switch {
	case p.off:
		return common.DevicePowerOff
	case p.at == jammed || p.rack.Failed() != nil:
		return common.DeviceHardwareError
	case p.cover:
		return common.DeviceUserError
	}
	return common.DeviceOnline
}

func (p *Printer) mediaStatus() printer.StatusMedia {
	switch {
	case p.at == jammed:
		return printer.StatusMediaJammed
	case p.medium != nil:
		return printer.StatusMediaPresent
	case p.waiting:
		return printer.StatusMediaEntering
	case p.retracted:
		return printer.StatusMediaRetracted
	}
	return printer.StatusMediaNotPresent
}

// supplyState is what thresholds are told of.
type supplyState struct {
	upper, lower printer.PaperSupply
	toner        printer.StatusToner
	ink          printer.StatusInk
	lamp         printer.StatusLamp
	bin          bin.Fill
}

func (p *Printer) supplies() supplyState {
	return supplyState{
		upper: level(p.trays[Upper], lowSheets, printer.PaperSupplyFull, printer.PaperSupplyLow, printer.PaperSupplyOut),
		lower: level(p.trays[Lower], lowSheets, printer.PaperSupplyFull, printer.PaperSupplyLow, printer.PaperSupplyOut),
		toner: level(p.toner, lowToner, printer.StatusTonerFull, printer.StatusTonerLow, printer.StatusTonerOut),
		ink:   level(p.ink, lowInk, printer.StatusInkFull, printer.StatusInkLow, printer.StatusInkOut),
		lamp:  p.lamp, bin: p.rack.Fill(Bin),
	}
}

func level[T any](n, low int, full, few, out T) T {
	switch {
	case n == 0:
		return out
	case n <= low:
		return few
	}
	return full
}

// tellSupplies sends the threshold events of what changed since the last time.
func (p *Printer) tellSupplies() {
	now, before := p.supplies(), p.told
	p.told = now
	if now.upper != before.upper {
		p.Say(&printer.PaperThresholdEvent{PaperSource: Upper, Threshold: printer.PaperThresholdEventThreshold(now.upper)})
	}
	if now.lower != before.lower {
		p.Say(&printer.PaperThresholdEvent{PaperSource: Lower, Threshold: printer.PaperThresholdEventThreshold(now.lower)})
	}
	if now.toner != before.toner {
		p.Say(&printer.TonerThresholdEvent{State: printer.TonerThresholdEventState(now.toner)})
	}
	if now.ink != before.ink {
		p.Say(&printer.InkThresholdEvent{State: printer.InkThresholdEventState(now.ink)})
	}
	if now.lamp != before.lamp {
		p.Say(&printer.LampThresholdEvent{State: printer.LampThresholdEventState(now.lamp)})
	}
	if state, was := binState(now.bin), binState(before.bin); state != was {
		p.Say(&printer.RetractBinThresholdEvent{BinNumber: new(1), State: state})
	}
}

func binState(f bin.Fill) printer.RetractBinThresholdEventState {
	switch f {
	case bin.FillFull:
		return printer.RetractBinThresholdEventStateFull
	case bin.FillHigh:
		return printer.RetractBinThresholdEventStateHigh
	}
	return printer.RetractBinThresholdEventStateOk
}

// ready refuses commands that move something while the device cannot.
func (p *Printer) ready() error {
	switch {
	case p.off:
		return &xfs4iot.Error{Code: xfs4iot.DeviceNotReady, Description: "the printer has no power"}
	case p.cover:
		return &xfs4iot.Error{Code: xfs4iot.DeviceNotReady, Description: "the cover is open"}
	case p.rack.Exchanging():
		return chassis.Sequence(bin.ErrExchange.Error())
	case p.at == jammed:
		return host.Fail(printer.PrintFormErrorCodeMediaJammed, "something sticks in the transport")
	}
	return nil
}

var (
	_ panel.Device   = (*Printer)(nil)
	_ panel.Pictured = (*Printer)(nil)
)
