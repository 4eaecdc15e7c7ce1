// Package checkscanner is a simulated scanner for cheques: a feeder that takes
// bunches, a code line reader, cameras for both sides, a stacker, an endorser with a
// stamp, two pockets and a retract pocket. It serves the interfaces Check, Storage
// and Lights, and MixedMedia where it also takes banknotes.
//
//	s, err := checkscanner.New("CheckScanner", checkscanner.Options{})
//	server.Add(s.Service())
//	s.Insert(checkscanner.Cheque{Payee: "Kiosk am Eck", Amount: "12.50", CodeLine: "⑆123456789⑆ 0042"})
//
// # A transaction
//
// Check.MediaIn opens the slot and waits for a bunch. Each item is read
// (MediaDataEvent) and goes onto the stacker, or is refused (MediaRefusedEvent) and
// must be given back with PresentMedia before anything else is taken. With
// applicationRefuse the client decides on each item itself (AcceptItem,
// GetNextItem). MediaInEnd endorses and brings each item to its pocket or back to the
// customer, MediaInRollback gives all back. The count of a pocket is durable before
// the command completes (package bin). A scanner with Options.Single has no stacker:
// MediaIn takes one item and ActionItem brings it where it is to go.
//
// Code lines are E-13B; the reader spells their four symbols a, b, c, d and a
// character that it cannot read "?". Nothing on these cheques is real.
//
// # Mixed media
//
// With Options.Mixed or Options.Cash banknotes may lie between the cheques.
// MixedMedia.SetMode says what is taken. Notes go to a [Cash], the seam at which a
// recycler can be joined; without one they are only counted.
package checkscanner

import (
	"fmt"

	"github.com/plomb-pos/plomb/driver/sim/bin"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/check"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/lights"
	"github.com/plomb-pos/plomb/xfs4iot/mixedmedia"
)

// The storage units.
const (
	Pocket1 = "unitPOCKET1"
	Pocket2 = "unitPOCKET2"
	Retract = "unitRETRACT"
)

// Options chooses the device; the zero value takes bunches of up to 50 cheques into
// pockets for 200 and keeps its counts in memory.
type Options struct {
	Single    bool   `json:"single,omitzero" toml:"single"`     // one item at a time, no stacker
	Stacker   int    `json:"stacker,omitzero" toml:"stacker"`   // items it holds
	Capacity  int    `json:"capacity,omitzero" toml:"capacity"` // of each pocket
	Mixed     bool   `json:"mixed,omitzero" toml:"mixed"`       // takes banknotes too
	Directory string `json:"directory,omitzero" toml:"directory"`

	Cash Cash       `json:"-" toml:"-"` // takes the notes of a mixed device
	FS   durable.FS `json:"-" toml:"-"` // in place of the operating system's, for tests
}

// Cash is the part of a mixed device that takes banknotes. Its methods are called
// with the scanner's lock held and must not call the scanner.
type Cash interface {
	// Busy says that a cash transaction is under way, which forbids a change of mode.
	Busy() bool
	// Note takes a banknote that lay between cheques; an error refuses it.
	Note() error
	// Notes is how many it took.
	Notes() int
}

// box is a Cash that only counts.
type box struct{ notes int }

func (*box) Busy() bool    { return false }
func (b *box) Note() error { b.notes++; return nil }
func (b *box) Notes() int  { return b.notes }

// What the endorser prints, in rows and columns.
const (
	printRows    = 4
	printColumns = 60
)

// Ink and toner of a full device, in items, and what counts as little.
const (
	maxInk, lowInk = 200, 20
)

// Scanner is the device. Its methods may be called concurrently.
type Scanner struct {
	chassis.Chassis
	name string
	o    Options
	rack *bin.Rack
	cash Cash

	faults  chassis.Faults
	off     bool
	jammed  bool
	shutter map[check.Position]check.ShutterState
	ink     int
	micr    bool
	camera  bool
	feed    bool // the feeder works
	light   lights.PositionStatus
	modes   mixedmedia.Modes

	serial   int // of the last item
	waiting  bool
	rejected check.MediaRejectedEventReason
	feeder   []*item
	held     *item                      // read, not yet on the stacker
	stacker  []*item                    // in the order of reading
	refused  []*item                    // inside, to be presented
	at       map[check.Position][]*item // presented: the customer can take them
	stored   []*item                    // the last in the pockets, to be looked at
	deal     transaction
}

// transaction is what GetTransactionStatus tells.
type transaction struct {
	state        check.GetTransactionStatusCompletionMediaInTransaction
	items        []*item // all that were read
	most         int     // on the stacker
	apart        bool    // the client decides on each item
	codeLine     bool
	wanted       []check.ImageRequest
	total        int
	last         int
	lastStacked  int
	refusedItems int
}

// New makes a scanner in order.
func New(name string, o Options) (*Scanner, error) {
	if o.Stacker < 1 {
		o.Stacker = 50
	}
	if o.Capacity < 1 {
		o.Capacity = 200
	}
	if o.FS == nil && o.Directory != "" {
		o.FS = durable.OS{}
	}
	if o.Cash == nil && o.Mixed {
		o.Cash = new(box)
	}
	rack, err := bin.Open(o.FS, o.Directory,
		bin.Setup{Unit: Pocket1, ID: "POC1", Position: "upper pocket", Kind: bin.Check, Capacity: o.Capacity, MediaIn: true},
		bin.Setup{Unit: Pocket2, ID: "POC2", Position: "lower pocket", Kind: bin.Check, Capacity: o.Capacity, MediaIn: true},
		bin.Setup{Unit: Retract, ID: "RET", Position: "retract pocket", Kind: bin.Check, Capacity: o.Capacity, Retract: true})
	if err != nil {
		return nil, fmt.Errorf("check scanner %s: %w", name, err)
	}
	s := &Scanner{name: name, o: o, rack: rack, cash: o.Cash, ink: maxInk, micr: true, camera: true, feed: true,
		light: dark(), at: map[check.Position][]*item{}, modes: mixedmedia.Modes{CashAccept: new(o.Cash != nil), CheckAccept: new(true)},
		shutter: map[check.Position]check.ShutterState{}, deal: transaction{state: check.GetTransactionStatusCompletionMediaInTransactionOk}}
	for _, p := range positions {
		s.shutter[p] = check.ShutterStateClosed
	}
	return s, nil
}

var positions = []check.Position{check.PositionInput, check.PositionOutput, check.PositionRefused}

// Class names its picture.
func (s *Scanner) Class() string { return "checkscanner" }

// Service makes a fresh service over the present state.
func (s *Scanner) Service() *host.Service {
	s.Lock()
	defer s.Unlock()
	svc := host.NewService(s.name, host.Declaration{Capabilities: s.capabilities(), Status: s.status(), Events: append(bin.Events(),
		&check.MediaDetectedEvent{}, &check.MediaTakenEvent{}, &check.ShutterStatusChangedEvent{})})
	s.handle(svc)
	host.Handle(svc, lights.SetLight, s.setLight)
	if s.cash != nil {
		host.Handle(svc, mixedmedia.SetMode, s.setMode)
	}
	s.rack.Handle(svc, s, s.busy, s.Say, s.changed)
	s.Serve(svc)
	return svc
}

func (s *Scanner) handle(svc *host.Service) {
	host.Handle(svc, check.MediaIn, s.mediaIn)
	host.Handle(svc, check.GetNextItem, s.getNextItem)
	host.Handle(svc, check.AcceptItem, s.acceptItem)
	host.Handle(svc, check.ActionItem, s.actionItem)
	host.Handle(svc, check.MediaInEnd, s.mediaInEnd)
	host.Handle(svc, check.MediaInRollback, s.mediaInRollback)
	host.Handle(svc, check.PresentMedia, s.presentMedia)
	host.Handle(svc, check.ExpelMedia, s.expelMedia)
	host.Handle(svc, check.RetractMedia, s.retractMedia)
	host.Handle(svc, check.ReadImage, s.readImage)
	host.Handle(svc, check.SetMediaParameters, s.setMediaParameters)
	host.Handle(svc, check.GetTransactionStatus, s.transactionStatus)
	host.Handle(svc, check.Reset, s.reset)
	host.Handle(svc, check.SupplyReplenish, s.supplyReplenish)
}

func (s *Scanner) capabilities() common.CapabilitiesCompletion {
	out := common.CapabilitiesCompletion{
		Common: &common.CapabilityProperties{ServiceVersion: "1.0", DeviceInformation: []common.DeviceInformation{{ModelName: "simulated check scanner"}}},
		Check:  s.checkCapabilities(),
		Lights: &lights.Capabilities{IndividualFlashRates: new(true), Lights: &lights.CapabilitiesLights{CheckUnit: map[string]*lights.PositionCaps{lightPosition: lightCaps()}}},
	}
	if s.cash != nil {
		out.MixedMedia = &mixedmedia.Capabilities{Modes: &mixedmedia.Modes{CashAccept: new(true), CheckAccept: new(true)}, Dynamic: new(false)}
	}
	return out
}

func (s *Scanner) checkCapabilities() *check.Capabilities {
	yes, no := new(true), new(false)
	image := &check.ImageCapabilities{
		ColorFormat:      &check.ImageCapabilitiesColorFormat{Binary: yes, GrayScale: yes, Full: yes},
		ScanColor:        &check.ImageCapabilitiesScanColor{Red: no, Green: no, Blue: no, Yellow: no, White: yes, InfraRed: no, UltraViolet: no},
		DefaultScanColor: check.ImageCapabilitiesDefaultScanColorWhite,
	}
	place := func(retract bool) *check.PositionCapabilities {
		return &check.PositionCapabilities{ItemsTakenSensor: yes, ItemsInsertedSensor: yes,
			RetractAreas: &check.PositionCapabilitiesRetractAreas{RetractBin: &retract, Transport: no, Stacker: no, Rebuncher: no}}
	}
	kind, most := check.CapabilitiesTypeBunchMediaInput, s.o.Stacker
	if s.o.Single {
		kind, most = check.CapabilitiesTypeSingleMediaInput, 0
	}
	return &check.Capabilities{
		Type: kind, MaxMediaOnStacker: &most, PrintSize: &check.Printsize{Rows: new(printRows), Cols: new(printColumns)},
		PrintSizeFront: &check.Printsize{Rows: new(0), Cols: new(0)}, Stamp: yes, Rescan: yes, PresentControl: yes, ApplicationRefuse: new(!s.o.Single),
		RetractLocation: &check.CapabilitiesRetractLocation{Storage: yes, Transport: no, Stacker: no, Rebuncher: no},
		ResetControl:    &check.CapabilitiesResetControl{Eject: yes, StorageUnit: yes, Transport: no, Rebuncher: no},
		ImageType:       &check.CapabilitiesImageType{Tif: yes, Wmf: no, Bmp: yes, Jpg: yes},
		FrontImage:      image, BackImage: image,
		CodelineFormat:          &check.CapabilitiesCodelineFormat{Cmc7: no, E13b: yes, Ocr: no, Ocra: no, Ocrb: no},
		DataSource:              &check.CapabilitiesDataSource{ImageFront: yes, ImageBack: yes, CodeLine: yes},
		InsertOrientation:       &check.CapabilitiesInsertOrientation{CodeLineRight: no, CodeLineLeft: no, CodeLineBottom: yes, CodeLineTop: no, FaceUp: yes, FaceDown: no},
		Positions:               &check.CapabilitiesPositions{Input: place(true), Output: place(true), Refused: place(true)},
		ImageAfterEndorse:       yes,
		ReturnedItemsProcessing: &check.CapabilitiesReturnedItemsProcessing{Endorse: no, EndorseImage: no},
	}
}

// busy says that a transaction is under way or something lies in the device.
func (s *Scanner) busy() bool {
	n := len(s.feeder) + len(s.stacker) + len(s.refused)
	for _, items := range s.at {
		n += len(items)
	}
	return s.waiting || s.active() || s.held != nil || n > 0
}

func (s *Scanner) active() bool {
	return s.deal.state == check.GetTransactionStatusCompletionMediaInTransactionActive
}

func (s *Scanner) changed() { s.Show(s.status()) }

func pick[T any](yes bool, a, b T) T {
	if yes {
		return a
	}
	return b
}

func (s *Scanner) status() common.StatusCompletion {
	out := common.StatusCompletion{
		Common: &common.StatusProperties{Device: s.device()},
		Check:  s.checkStatus(),
		Lights: &lights.Status{CheckUnit: map[string]*lights.PositionStatus{lightPosition: new(s.light)}},
	}
	if s.cash != nil {
		out.MixedMedia = &mixedmedia.Status{Modes: new(s.modes)}
	}
	return out
}

func (s *Scanner) device() common.Device {
	switch {
	case s.off:
		return common.DevicePowerOff
	case s.jammed || s.rack.Failed() != nil:
		return common.DeviceHardwareError
	}
	return common.DeviceOnline
}

func (s *Scanner) checkStatus() *check.Status {
	inside := len(s.stacker)+len(s.refused)+len(s.feeder) > 0 || s.held != nil
	return &check.Status{
		Acceptor:          s.acceptor(),
		Media:             pick(s.jammed, check.StatusMediaJammed, pick(inside, check.StatusMediaPresent, check.StatusMediaNotPresent)),
		Toner:             check.TonerUnknown,
		Ink:               pick(s.ink == 0, check.InkOut, pick(s.ink <= lowInk, check.InkLow, check.InkFull)),
		FrontImageScanner: pick(s.camera, check.FrontImageScannerOk, check.FrontImageScannerInoperative),
		BackImageScanner:  pick(s.camera, check.BackImageScannerOk, check.BackImageScannerInoperative),
		MICRReader:        pick(s.micr, check.MicrReaderOk, check.MicrReaderInoperative),
		Stacker:           s.stackerStatus(),
		Rebuncher:         check.StatusRebuncherUnknown,
		MediaFeeder:       s.feederStatus(),
		Positions:         &check.StatusPositions{Input: s.position(check.PositionInput), Output: s.position(check.PositionOutput), Refused: s.position(check.PositionRefused)},
	}
}

func (s *Scanner) acceptor() check.StatusAcceptor {
	if _, err := s.rack.First(1, false); err != nil {
		return check.StatusAcceptorStop
	}
	for _, v := range s.rack.View() {
		if v.Status != "ok" || !v.Detected || s.rack.Fill(v.Unit) == bin.FillFull {
			return check.StatusAcceptorState
		}
	}
	return check.StatusAcceptorOk
}

func (s *Scanner) stackerStatus() check.StatusStacker {
	switch n := len(s.stacker); {
	case n == 0:
		return check.StatusStackerEmpty
	case n >= s.o.Stacker:
		return check.StatusStackerFull
	}
	return check.StatusStackerNotEmpty
}

func (s *Scanner) feederStatus() check.MediaFeeder {
	switch {
	case !s.feed:
		return check.MediaFeederInoperative
	case len(s.feeder) > 0:
		return check.MediaFeederNotEmpty
	}
	return check.MediaFeederEmpty
}

func (s *Scanner) position(p check.Position) *check.PositionStatus {
	full := len(s.at[p]) > 0
	return &check.PositionStatus{
		Shutter:               s.shutter[p],
		PositionStatus:        pick(full, check.PositionStatusPositionStatusNotEmpty, check.PositionStatusPositionStatusEmpty),
		Transport:             pick(s.jammed, check.PositionStatusTransportInoperative, check.PositionStatusTransportOk),
		TransportMediaStatus:  pick(s.jammed, check.PositionStatusTransportMediaStatusNotEmpty, check.PositionStatusTransportMediaStatusEmpty),
		JammedShutterPosition: pick(s.shutter[p] == check.ShutterStateJammed, check.PositionStatusJammedShutterPositionClosed, check.PositionStatusJammedShutterPositionNotJammed),
	}
}

// ready refuses what moves something while the device cannot.
func (s *Scanner) ready() error {
	switch {
	case s.off:
		return &xfs4iot.Error{Code: xfs4iot.DeviceNotReady, Description: "the scanner has no power"}
	case s.rack.Exchanging():
		return chassis.Sequence(bin.ErrExchange.Error())
	case s.jammed:
		return host.Fail(check.MediaInErrorCodeMediaJammed, "an item sticks in the transport")
	}
	return nil
}

var (
	_ panel.Device   = (*Scanner)(nil)
	_ panel.Pictured = (*Scanner)(nil)
)
