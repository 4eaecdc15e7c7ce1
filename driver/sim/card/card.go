// Package card is a simulated card reader with a wallet of cards to put into it. It
// serves the interfaces CardReader and Storage.
//
//	r, err := card.New("CardReader", card.Options{})
//	server.Add(r.Service())
//	r.Insert("Credit card") // while a client waits in CardReader.ReadRawData
//
// # What it does
//
// A motorized reader draws a card in while a client waits for one, reads and writes
// its stripe, talks to its chip, gives it back or keeps it in the retain bin, a
// storage unit whose counts survive a loss of power. A dip reader (Options.Type)
// reads the card in a person's hand and can neither move nor write it. Both have a
// contactless antenna unless Options say otherwise.
//
// Chips are real in that they answer APDUs (package virtualcard). The contactless
// kernel is not: it checks its configuration, shows the messages, reads the data of
// the card that is tapped and gives the outcome that whoever taps has chosen. It does
// no EMV risk management, and its cryptograms are random bytes.
//
// The security module (CIM86) takes a key and says that it has one; it keeps no key.
//
// # Cards
//
// The numbers in the wallet are the public test numbers of the card schemes; they
// belong to nobody. State shows them with all but the first six and last four digits
// masked; nothing is logged. Whatever is written on a card stays in memory.
//
// # Faults
//
// Faults are armed and strike at the next movement or exchange. A jam ends with
// CardReader.Reset; a card that is stuck stays until a person clears it.
package card

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/driver/pcsc/virtualcard"
	"github.com/plomb-pos/plomb/driver/sim/bin"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/cardreader"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

// RetainBin is the storage unit of retained cards.
const RetainBin = "unitRETAIN"

// Options choose the reader; the zero value is a motorized one with a bin for 30
// cards that keeps its counts in memory.
type Options struct {
	Type          string `json:"type,omitzero" toml:"type"` // "motor" or "dip"
	NoContactless bool   `json:"noContactless,omitzero" toml:"no_contactless"`
	Capacity      int    `json:"capacity,omitzero" toml:"capacity"`   // cards in the retain bin
	Directory     string `json:"directory,omitzero" toml:"directory"` // where counts are kept; must exist

	FS    durable.FS `json:"-" toml:"-"` // in place of the operating system's, for tests
	Cards []Card     `json:"-" toml:"-"` // in place of the sample wallet
}

// Reader is the device. Its methods may be called concurrently.
type Reader struct {
	chassis.Chassis
	name        string
	dip         bool
	contactless bool
	fsys        durable.FS // nil: nothing is kept
	directory   string

	rack   *bin.Rack
	faults chassis.Faults
	cards  []*holding
	in     *holding // the card in the reader, at any place but hand and bin
	module module

	off       bool
	waiting   bool // a client waits for a card; the slot of a motorized reader is open
	shutter   bool // stuck
	powered   bool // the chip of the card
	mute      bool // the chip module does not work
	noWrite   bool // the writing head does not work
	unread    int  // track that cannot be read; 0: none, 4: all
	kernel    kernel
	tapped    *tap
	exchanged int  // APDUs since the card came in
	wrongWay  bool // a card was just put in the wrong way round
}

// place is where a card is.
type place string

const (
	inHand      place = "hand"
	atExit      place = "exit"      // given back, not taken yet
	inTransport place = "transport" // of a dip reader: in the slot, in somebody's hand
	jammed      place = "jammed"
	stuck       place = "stuck" // jammed until a person clears it
	inBin       place = "bin"
)

// holding is a card and where it is.
type holding struct {
	Card
	at place
}

// module is what the security module keeps.
type module struct {
	Keyed bool `json:"keyed"`
}

// New makes a reader in order, with its wallet in somebody's hand.
func New(name string, o Options) (*Reader, error) {
	if o.Type != "" && o.Type != "motor" && o.Type != "dip" {
		return nil, fmt.Errorf("card reader %s: type %q is neither motor nor dip", name, o.Type)
	}
	if o.Capacity < 1 {
		o.Capacity = 30
	}
	if o.FS == nil && o.Directory != "" {
		o.FS = durable.OS{}
	}
	if o.Cards == nil {
		o.Cards = Wallet()
	}
	rack, err := bin.Open(o.FS, o.Directory, bin.Setup{Unit: RetainBin, ID: "RET", Position: "retain bin", Kind: bin.Card, Capacity: o.Capacity, Retract: true})
	if err != nil {
		return nil, fmt.Errorf("card reader %s: %w", name, err)
	}
	r := &Reader{name: name, dip: o.Type == "dip", contactless: !o.NoContactless, fsys: o.FS, directory: o.Directory, rack: rack}
	for _, c := range o.Cards {
		r.cards = append(r.cards, &holding{c, inHand})
	}
	return r, r.loadModule()
}

// maxModule bounds the file of the security module in bytes.
const maxModule = 4096

func (r *Reader) moduleFile() string { return path.Join(r.directory, "module.json") }

func (r *Reader) loadModule() error {
	if r.fsys == nil {
		return nil
	}
	data, err := durable.ReadFile(r.fsys, r.moduleFile(), maxModule)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, &r.module)
	}
	if err != nil {
		return fmt.Errorf("security module of %s: %w", r.name, err)
	}
	return nil
}

// keepModule makes the module's state durable before it counts.
func (r *Reader) keepModule(m module) error {
	if r.fsys != nil {
		data, err := json.Marshal(m)
		if err == nil {
			err = durable.Replace(r.fsys, r.moduleFile(), data)
		}
		if err != nil {
			return fmt.Errorf("security module of %s: %w", r.name, err)
		}
	}
	r.module = m
	return nil
}

// Class names its picture.
func (r *Reader) Class() string { return "cardreader" }

// Service makes a fresh service over the present state.
func (r *Reader) Service() *host.Service {
	r.Lock()
	defer r.Unlock()
	s := host.NewService(r.name, host.Declaration{
		Capabilities: r.capabilities(), Status: r.status(),
		Events: append(bin.Events(), &cardreader.CardActionEvent{}, &cardreader.MediaDetectedEvent{}, &cardreader.MediaRemovedEvent{}),
	})
	host.Handle(s, cardreader.ReadRawData, r.read)
	host.Handle(s, cardreader.WriteRawData, r.write)
	host.Handle(s, cardreader.Move, r.move)
	host.Handle(s, cardreader.Reset, r.reset)
	host.Handle(s, cardreader.SetKey, r.setKey)
	host.Handle(s, cardreader.ChipIO, r.chipIO)
	host.Handle(s, cardreader.ChipPower, r.chipPower)
	host.Handle(s, cardreader.QueryIFMIdentifier, r.identify)
	host.Handle(s, cardreader.EMVClessQueryApplications, r.applications)
	host.Handle(s, cardreader.EMVClessConfigure, r.configure)
	host.Handle(s, cardreader.EMVClessPerformTransaction, r.perform)
	host.Handle(s, cardreader.EMVClessIssuerUpdate, r.update)
	r.rack.Handle(s, r, r.busy, r.Say, r.changed)
	r.Serve(s)
	return s
}

// busy forbids an exchange of the bin while a card is in the reader.
func (r *Reader) busy() bool { return r.in != nil }

func (r *Reader) capabilities() common.CapabilitiesCompletion {
	motor, no := !r.dip, false
	kind := cardreader.CapabilitiesTypeMotor
	if r.dip {
		kind = cardreader.CapabilitiesTypeDip
	}
	caps := &cardreader.Capabilities{
		Type:          kind,
		ReadTracks:    &cardreader.CapabilitiesReadTracks{Track1: new(true), Track2: new(true), Track3: new(true), Watermark: &no, FrontTrack1: &no, FrontImage: &no, BackImage: &no, Track1JIS: &no, Track3JIS: &no, Ddi: &no},
		WriteTracks:   &cardreader.CapabilitiesWriteTracks{Track1: &motor, Track2: &motor, Track3: &motor, FrontTrack1: &no, Track1JIS: &no, Track3JIS: &no},
		ChipProtocols: &cardreader.CapabilitiesChipProtocols{ChipT0: &no, ChipT1: new(true), ChipProtocolNotRequired: new(true), ChipTypeAPart3: &no, ChipTypeAPart4: &no, ChipTypeB: &no, ChipTypeNFC: &no},
		SecurityType:  cardreader.CapabilitiesSecurityTypeCim86, FluxSensorProgrammable: &no, ReadWriteAccessFromExit: &no,
		WriteMode:           &cardreader.CapabilitiesWriteMode{Loco: &motor, Hico: &motor, Auto: &motor},
		ChipPower:           &cardreader.CapabilitiesChipPower{Cold: new(true), Warm: new(true), Off: new(true)},
		MemoryChipProtocols: &cardreader.CapabilitiesMemoryChipProtocols{Siemens4442: &no, Gpm896: &no},
		Positions:           &cardreader.CapabilitiesPositions{Exit: new(true), Transport: &motor},
		CardTakenSensor:     new(true),
	}
	if motor {
		caps.PowerOnOption, caps.PowerOffOption = cardreader.CapabilitiesPowerOnOptionExitThenRetain, cardreader.CapabilitiesPowerOffOptionTransport
	}
	return common.CapabilitiesCompletion{
		Common: &common.CapabilityProperties{ServiceVersion: "1.0", PowerSaveControl: &no, AntiFraudModule: &no,
			DeviceInformation: []common.DeviceInformation{{ModelName: "simulated card reader", ModelDescription: string(kind)}}},
		CardReader: caps,
	}
}

// changed tells a change; the lock is held.
func (r *Reader) changed() { r.Show(r.status()) }

func (r *Reader) status() common.StatusCompletion {
	exchange := common.ExchangeInactive
	if r.rack.Exchanging() {
		exchange = common.ExchangeActive
	}
	out := common.StatusCompletion{
		Common: &common.StatusProperties{Device: common.DeviceOnline, DevicePosition: common.PositionStatusInPosition, PowerSaveRecoveryTime: new(0), Exchange: exchange},
		CardReader: &cardreader.Status{
			Media: r.media(), Security: cardreader.StatusSecurityNotReady, ChipPower: r.chip(),
			ChipModule: cardreader.StatusChipModuleOk, MagWriteModule: cardreader.StatusMagWriteModuleOk,
		},
	}
	switch {
	case r.off:
		out.Common.Device = common.DevicePowerOff
	case r.rack.Failed() != nil, r.shutter:
		out.Common.Device = common.DeviceHardwareError
	}
	if r.module.Keyed {
		out.CardReader.Security = cardreader.StatusSecurityOpen
	}
	if r.mute {
		out.CardReader.ChipModule = cardreader.StatusChipModuleInoperable
	}
	if r.noWrite {
		out.CardReader.MagWriteModule = cardreader.StatusMagWriteModuleInoperable
	}
	if r.dip {
		out.CardReader.MagWriteModule = ""
	}
	return out
}

func (r *Reader) media() cardreader.StatusMedia {
	switch {
	case r.off:
		return cardreader.StatusMediaUnknown
	case r.in == nil:
		return cardreader.StatusMediaNotPresent
	case r.in.at == jammed, r.in.at == stuck:
		return cardreader.StatusMediaJammed
	case r.in.at == atExit:
		return cardreader.StatusMediaEntering
	}
	return cardreader.StatusMediaPresent
}

func (r *Reader) chip() cardreader.StatusChipPower {
	switch {
	case r.off:
		return cardreader.StatusChipPowerUnknown
	case r.in == nil:
		return cardreader.StatusChipPowerNoCard
	case r.in.Chip == nil:
		return cardreader.StatusChipPowerNoDevice
	case r.mute:
		return cardreader.StatusChipPowerHardwareError
	case r.powered:
		return cardreader.StatusChipPowerOnline
	}
	return cardreader.StatusChipPowerPoweredOff
}

// Card is one of the wallet.
type Card struct {
	Name        string
	Number      string           // as embossed; digits
	Holder      string           //
	Color       string           // of the picture: blue, gold, green, grey, white, red
	Tracks      [3]string        // as XFS gives them: without sentinels and check character; "" is a track with nothing on it
	Hico        bool             // its stripe is of high coercivity
	Stripe      bool             // it has one
	Genuine     bool             // the security module knows its mark
	Chip        virtualcard.Card // nil: none
	Contactless []byte           // the identifier of its application (AID); nil: it has no antenna
	Length      int              // against the standard: 0 right, below 0 too short, above 0 too long
}

// applet makes the chip of a sample card: a file with the holder's name, one behind
// the PIN 1234.
func applet(aid []byte, holder string) virtualcard.Card {
	return virtualcard.New(virtualcard.NewFiles(aid, virtualcard.FilesOptions{PIN: "1234", Files: map[uint16]virtualcard.File{
		0x0001: {Content: []byte(holder)},
		0x0002: {Content: []byte("known after the PIN only"), Secret: true},
	}}))
}

// The applications on the sample cards, and the kernels that serve them (EMV
// Contactless Book A, 5.8.2).
var (
	visa       = []byte{0xA0, 0, 0, 0, 0x03, 0x10, 0x10}
	mastercard = []byte{0xA0, 0, 0, 0, 0x04, 0x10, 0x10}
	staff      = []byte{0xF0, 'p', 'l', 'o', 'm', 'b', 1}
)

// Wallet is the sample cards. The numbers are the schemes' public test numbers.
func Wallet() []Card {
	return []Card{
		{Name: "Credit card", Number: "4111111111111111", Holder: "CAROL EXAMPLE", Color: "blue", Stripe: true, Hico: true, Genuine: true,
			Tracks: [3]string{"B4111111111111111^EXAMPLE/CAROL^30122010000000000000", "4111111111111111=30122010000000000000", ""},
			Chip:   applet(visa, "EXAMPLE/CAROL"), Contactless: visa},
		{Name: "Debit card", Number: "5555555555554444", Holder: "DAVE SAMPLE", Color: "red", Stripe: true, Hico: true, Genuine: true,
			Tracks: [3]string{"B5555555555554444^SAMPLE/DAVE^30122010000000000000", "5555555555554444=30122010000000000000", "015555555555554444=000978000000000000003012"},
			Chip:   applet(mastercard, "SAMPLE/DAVE"), Contactless: mastercard},
		{Name: "Old stripe card", Number: "378282246310005", Holder: "ERIN SPECIMEN", Color: "green", Stripe: true, Genuine: true,
			Tracks: [3]string{"B378282246310005^SPECIMEN/ERIN^30122010000000000000", "378282246310005=30122010000000000000", ""}},
		{Name: "Copied card", Number: "4111111111111111", Holder: "CAROL EXAMPLE", Color: "white", Stripe: true,
			Tracks: [3]string{"", "4111111111111111=30122010000000000000", ""}},
		{Name: "Staff card", Holder: "OPERATOR 7", Color: "grey", Chip: applet(staff, "OPERATOR 7")},
		{Name: "Loyalty card", Holder: "CAROL EXAMPLE", Color: "gold", Stripe: true, Tracks: [3]string{"", "0000700815", ""}},
		{Name: "Blank card", Color: "white"},
		{Name: "Telephone card", Color: "white", Chip: applet(staff, "MINI"), Length: -1},
		{Name: "Business card", Holder: "FRANK OF NOWHERE LTD", Color: "white", Length: 1},
	}
}

// masked hides all but the first six and the last four digits.
func masked(number string) string {
	if len(number) < 11 {
		return ""
	}
	out := []byte(number)
	for i := 6; i < len(out)-4; i++ {
		out[i] = '*'
	}
	return string(out)
}

func (r *Reader) find(name string) *holding {
	i := slices.IndexFunc(r.cards, func(h *holding) bool { return h.Name == name })
	if i < 0 {
		return nil
	}
	return r.cards[i]
}

var errOff = &xfs4iot.Error{Code: xfs4iot.DeviceNotReady, Description: "the reader has no power"}
