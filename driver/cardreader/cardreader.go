// Package cardreader serves a PC/SC reader for chip cards as the XFS4IoT interface
// CardReader: an application reads cards by ChipPower and ChipIO without knowing
// what drives the reader. It speaks to pcscd through package pcsc.
//
//	d := cardreader.New("CardReader", cardreader.Options{})
//	go d.Run(ctx)
//	server.Add(d.Service())
//
// The reader may be absent, and pcscd may come and go: the service is there from
// the start and reports noDevice or offline until both are.
//
// # What it does
//
//   - ReadRawData waits for a card (InsertCardEvent, MediaInsertedEvent), powers it
//     and gives its answer to reset as the chip's data. Sources that a chip card
//     reader does not have are answered with dataSourceNotSupported.
//   - ChipPower cold and warm reset the card and give its answer to reset; off takes
//     its power.
//   - ChipIO exchanges one APDU.
//   - Reset takes the chip's power. It moves nothing and ignores a storage id, as
//     there is no place to retain cards in; retain is refused.
//   - QueryIFMIdentifier gives what Options name.
//
// # A card that is pulled
//
// A card pulled during ChipIO or ChipPower ends the command with noMedia, tells every
// client with MediaRemovedEvent and shows in the status. What the card did last is
// then unknown, and the description says so; an exchange is never repeated here, and
// never cut short by a cancel.
//
// Contents of exchanges are neither logged nor kept.
package cardreader

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/driver/pcsc"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cardreader"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// Options choose the reader. The zero value takes the first reader of the machine's
// own daemon.
type Options struct {
	Socket string            `json:"socket,omitzero" toml:"socket"` // of pcscd; default pcsc.DefaultSocket
	Reader string            `json:"reader,omitzero" toml:"reader"` // its name; "": the first that is not a reader of its own inside another
	IFM    map[string]string `json:"ifm,omitzero" toml:"ifm"`       // approval numbers of the interface module by emv, europay, visa, giecb
	Retry  time.Duration     `json:"-" toml:"-"`                    // between attempts to reach pcscd; default 1 s
}

// Driver is the service of one reader. Its methods may be called concurrently.
type Driver struct {
	name    string
	options Options

	mu      sync.Mutex // guards what follows; never held during an exchange
	xfs     *host.Service
	linked  bool // pcscd answers
	found   bool // and has the reader
	reader  pcsc.Reader
	said    pcsc.Reader // by the daemon, last
	pulled  bool        // the card was judged gone; the daemon may lag behind
	card    *pcsc.Card  // powered, by us
	work    *pcsc.Context
	changed chan struct{}
}

// New makes the driver; it touches nothing before Run.
func New(name string, o Options) *Driver {
	if o.Socket == "" {
		o.Socket = pcsc.DefaultSocket
	}
	if o.Retry <= 0 {
		o.Retry = time.Second
	}
	o.IFM = maps.Clone(o.IFM)
	return &Driver{name: name, options: o, changed: make(chan struct{})}
}

// Service makes a fresh service over the present state of the reader.
func (d *Driver) Service() *host.Service {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.xfs = host.NewService(d.name, host.Declaration{
		Capabilities: capabilities(), Status: d.status(),
		Events: []xfs4iot.Event{&cardreader.MediaDetectedEvent{}, &cardreader.MediaRemovedEvent{}},
	})
	host.Handle(d.xfs, cardreader.ReadRawData, d.read)
	host.Handle(d.xfs, cardreader.ChipPower, d.chipPower)
	host.Handle(d.xfs, cardreader.ChipIO, d.chipIO)
	host.Handle(d.xfs, cardreader.Reset, d.reset)
	host.Handle(d.xfs, cardreader.QueryIFMIdentifier, d.identify)
	return d.xfs
}

func capabilities() common.CapabilitiesCompletion {
	no := false
	return common.CapabilitiesCompletion{
		Common: &common.CapabilityProperties{ServiceVersion: "1.0", PowerSaveControl: &no, AntiFraudModule: &no,
			DeviceInformation: []common.DeviceInformation{{ModelName: "PC/SC reader"}}},
		CardReader: &cardreader.Capabilities{
			Type:                   cardreader.CapabilitiesTypeDip,
			ReadTracks:             &cardreader.CapabilitiesReadTracks{},
			WriteTracks:            &cardreader.CapabilitiesWriteTracks{},
			ChipProtocols:          &cardreader.CapabilitiesChipProtocols{ChipT0: new(true), ChipT1: new(true), ChipProtocolNotRequired: new(true)},
			FluxSensorProgrammable: &no, ReadWriteAccessFromExit: &no,
			WriteMode:           &cardreader.CapabilitiesWriteMode{},
			ChipPower:           &cardreader.CapabilitiesChipPower{Cold: new(true), Warm: new(true), Off: new(true)},
			MemoryChipProtocols: &cardreader.CapabilitiesMemoryChipProtocols{},
			Positions:           &cardreader.CapabilitiesPositions{Exit: new(true), Transport: &no},
			CardTakenSensor:     new(true),
		},
	}
}

// status is called with mu held.
func (d *Driver) status() common.StatusCompletion {
	device, media, chip := common.DeviceOnline, cardreader.StatusMediaNotPresent, cardreader.StatusChipPowerNoCard
	switch {
	case !d.linked:
		device, media, chip = common.DeviceOffline, cardreader.StatusMediaUnknown, cardreader.StatusChipPowerUnknown
	case !d.found:
		device, media, chip = common.DeviceNoDevice, cardreader.StatusMediaUnknown, cardreader.StatusChipPowerUnknown
	case d.reader.Present():
		media, chip = cardreader.StatusMediaPresent, d.chip()
	}
	return common.StatusCompletion{
		Common:     &common.StatusProperties{Device: device, DevicePosition: common.PositionStatusInPosition, PowerSaveRecoveryTime: new(0)},
		CardReader: &cardreader.Status{Media: media, ChipPower: chip, ChipModule: cardreader.StatusChipModuleOk},
	}
}

func (d *Driver) chip() cardreader.StatusChipPower {
	switch {
	case d.card != nil:
		return cardreader.StatusChipPowerOnline
	case d.reader.Mute():
		return cardreader.StatusChipPowerHardwareError
	}
	return cardreader.StatusChipPowerPoweredOff
}

// Run follows the reader until ctx ends.
func (d *Driver) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		_ = d.follow(ctx) // what ended it shows as offline
		d.lose()
		select {
		case <-ctx.Done():
		case <-time.After(d.options.Retry):
		}
	}
	return nil
}

// follow dials and reports each change until something ends.
func (d *Driver) follow(ctx context.Context) error {
	watch, err := pcsc.Dial(ctx, d.options.Socket)
	if err != nil {
		return err
	}
	defer watch.Close()
	for list, err := watch.Readers(ctx); ; list, err = watch.Await(ctx, list) {
		if err != nil {
			return err
		}
		d.see(list)
	}
}

// see takes over what the daemon says.
func (d *Driver) see(list []pcsc.Reader) {
	r, found := d.choose(list)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pulled = d.pulled && r.Present() && r.Events == d.said.Events
	d.linked, d.found, d.said = true, found, r
	d.conclude()
}

// conclude makes the state out of what the daemon said and what an exchange has
// shown; it is called with mu held.
func (d *Driver) conclude() {
	before, now := d.reader, d.said
	if d.pulled {
		now.State, now.ATR = pcsc.StateAbsent, nil
	}
	if !now.Present() || now.Events != before.Events {
		d.card = nil
	}
	d.reader = now
	d.tell()
	if before.Present() && !now.Present() {
		d.say(&cardreader.MediaRemovedEvent{})
	}
}

// settleTime is longer than the daemon takes to notice a card (0.4 s).
const settleTime = time.Second

// gone marks the reader empty and tells it, once. When the daemon still says after
// settleTime that a card is there, it is: put back so fast that nobody noticed, or
// never pulled.
func (d *Driver) gone() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pulled = true
	d.conclude()
	time.AfterFunc(settleTime, d.trust)
}

// trust believes the daemon again.
func (d *Driver) trust() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pulled {
		d.pulled = false
		d.conclude()
	}
}

func (d *Driver) choose(list []pcsc.Reader) (pcsc.Reader, bool) {
	if d.options.Reader == "" && len(list) > 0 {
		return list[0], true
	}
	return pcsc.Find(list, d.options.Reader)
}

// lose is the state without a daemon.
func (d *Driver) lose() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.work != nil {
		_ = d.work.Close()
	}
	d.linked, d.found, d.pulled, d.card, d.work = false, false, false, nil, nil
	d.reader, d.said = pcsc.Reader{}, pcsc.Reader{}
	d.tell()
}

// tell is called with mu held, after a change.
func (d *Driver) tell() {
	close(d.changed)
	d.changed = make(chan struct{})
	if d.xfs != nil {
		now := d.status()
		_ = d.xfs.SetStatus(func(s *common.StatusCompletion) { *s = now }) // such a status can be encoded
	}
}

// say is called with mu held.
func (d *Driver) say(e xfs4iot.Event) {
	if d.xfs != nil {
		_ = d.xfs.Broadcast(e) // such an event can be encoded
	}
}

// place is what is in the reader at a moment.
type place struct {
	ready   bool // daemon and reader are there
	present bool
	atr     []byte
	card    *pcsc.Card
	changed <-chan struct{}
}

func (d *Driver) look() place {
	d.mu.Lock()
	defer d.mu.Unlock()
	return place{d.linked && d.found, d.reader.Present(), d.reader.ATR, d.card, d.changed}
}

var errNotReady = &xfs4iot.Error{Code: xfs4iot.DeviceNotReady, Description: "the reader or its daemon is not there"}

// power connects the card, or resets it when it is connected.
func (d *Driver) power(ctx context.Context, how pcsc.Disposition) error {
	if card := d.look().card; card != nil {
		return d.judge(card.Reconnect(ctx, pcsc.Shared, pcsc.T0|pcsc.T1, how))
	}
	work, err := d.context(ctx)
	if err != nil {
		return err
	}
	card, err := work.Connect(ctx, d.readerName(), pcsc.Shared, pcsc.T0|pcsc.T1)
	if err != nil {
		return d.judge(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.card = card
	d.tell()
	return nil
}

func (d *Driver) readerName() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reader.Name
}

// context is the one that exchanges run on, dialled when the last one broke.
func (d *Driver) context(ctx context.Context) (*pcsc.Context, error) {
	d.mu.Lock()
	work := d.work
	d.mu.Unlock()
	if work != nil {
		if _, err := work.Readers(ctx); err == nil {
			return work, nil
		}
	}
	work, err := pcsc.Dial(ctx, d.options.Socket)
	if err != nil {
		return nil, errNotReady
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.work = work
	return work, nil
}

// errGone is a card that was pulled; the status shows it at once, although the
// daemon may take another moment to notice.
var errGone = errors.New("the card was removed")

// judge turns an error of the card into what became of it.
func (d *Driver) judge(err error) error {
	var lost *pcsc.ExchangeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &lost) && lost.Gone, errors.Is(err, pcsc.Removed), errors.Is(err, pcsc.NoCard):
		d.gone()
		return errors.Join(errGone, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.card = nil // after an error the next command powers it anew
	d.tell()
	return err
}
