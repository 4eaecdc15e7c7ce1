// Package cash is a simulated banknote recycler, or a dispenser alone: cassettes,
// a stacker, a shutter with one slot, a banknote reader. It is one service with
// the interfaces Common, Storage, CashManagement, CashDispenser and, unless it is a
// dispenser only, CashAcceptor; on demand also BanknoteNeutralization.
//
//	d, err := cash.New("Recycler", cash.Options{Directory: dir})
//	server.Add(d.Service())
//	d.Take() // what lies in the slot
//
// # What it keeps
//
// Every note is accounted for by package vault: in a cassette, on the stacker, in
// the transport, in the slot, or with a customer. The account, the last dispense,
// an open cash-in, mix tables, tellers and the state of end-to-end security are one
// file that is replaced as a whole, so they survive a loss of power together: a
// device that loses power between pick and present comes back with the notes on its
// stacker, and says so in its status and counts.
//
// # How it behaves
//
// Mixes come from package cashmix: exact, the best by the chosen algorithm. Partial
// counts are a minimum that the rest is solved for. The shutter opens and closes by
// itself unless Options.ExplicitShutter is set. Faults are armed by acts and strike
// where they can; nothing happens by chance or by the clock. A jam stays until
// somebody clears it by hand; CashManagement.Reset then moves the notes.
//
// A cassette that is taken out is missing; one that is not detected at all is
// answered with null by Storage.GetStorage. Setting the counts of a cassette in an
// exchange also fills it: the simulator takes the attendant at his word. Miscount
// makes the word wrong.
//
// Where keys are configured, CashDispenser.Dispense (and what neutralizes notes)
// needs a token of package token.
//
// Not simulated: several positions, coins, a teller's cash box.
package cash

import (
	"fmt"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
	"github.com/plomb-pos/plomb/xfs4iot/token"
)

// Options chooses the device; the zero value is a recycler for euros with four
// recycling cassettes, a box for all other notes, a reject and a retract cassette,
// whose state is in memory.
type Options struct {
	DispenserOnly   bool       `json:"dispenserOnly,omitzero" toml:"dispenser_only"`
	Currency        string     `json:"currency,omitzero" toml:"currency"` // of the default cassettes and of what the reader knows; EUR
	Cassettes       []Cassette `json:"cassettes,omitzero" toml:"cassettes"`
	Stacker         int        `json:"stacker,omitzero" toml:"stacker"` // notes it holds, which is the most of one dispense or cash-in; 60
	ExplicitShutter bool       `json:"explicitShutter,omitzero" toml:"explicit_shutter"`
	Neutralization  bool       `json:"neutralization,omitzero" toml:"neutralization"` // serve BanknoteNeutralization too
	Security        Security   `json:"security,omitzero" toml:"security"`
	Directory       string     `json:"directory,omitzero" toml:"directory"` // where the state is kept; must exist; "": in memory

	FS durable.FS `json:"-" toml:"-"` // in place of the operating system's, for tests
	// PowerLost is called when power is lost, in a goroutine of its own, so that
	// whoever serves the device can take its service away. Without it the command
	// under way ends with deviceNotReady and the service stays.
	PowerLost func() `json:"-" toml:"-"`
}

// Kind says what a cassette is for.
type Kind string

// The kinds of cassettes.
const (
	Recycle Kind = "recycle" // takes in and gives out notes of one value
	Out     Kind = "out"     // gives out notes of one value
	In      Kind = "in"      // takes in any note
	Reject  Kind = "reject"  // what is not good enough
	Retract Kind = "retract" // what nobody took
)

// Cassette is one storage unit.
type Cassette struct {
	Unit     string `json:"unit" toml:"unit"` // "unit" and letters or digits
	ID       string `json:"id,omitzero" toml:"id"`
	Kind     Kind   `json:"kind" toml:"kind"`
	Currency string `json:"currency,omitzero" toml:"currency"` // of Recycle and Out
	Value    string `json:"value,omitzero" toml:"value"`       // of one note, "20" or "0.50"
	Count    int    `json:"count,omitzero" toml:"count"`       // notes when it is new
	Capacity int    `json:"capacity,omitzero" toml:"capacity"` // notes; 300
	Low      int    `json:"low,omitzero" toml:"low"`           // notes from which it is low; 20 for those that give out
	High     int    `json:"high,omitzero" toml:"high"`         // notes from which it is high; 9/10 of Capacity
	Areas    int    `json:"areas,omitzero" toml:"areas"`       // of a retract cassette: retract operations it holds; 3
	Max      int    `json:"max,omitzero" toml:"max"`           // notes it gives in one dispense; 0 is unlimited
}

// defaults are the cassettes of a new device.
func defaults(currency string) []Cassette {
	return []Cassette{
		{Unit: "unitA", ID: "A", Kind: Recycle, Currency: currency, Value: "5", Count: 150},
		{Unit: "unitB", ID: "B", Kind: Recycle, Currency: currency, Value: "10", Count: 150},
		{Unit: "unitC", ID: "C", Kind: Recycle, Currency: currency, Value: "20", Count: 150},
		{Unit: "unitD", ID: "D", Kind: Recycle, Currency: currency, Value: "50", Count: 100},
		{Unit: "unitBOX", ID: "BOX", Kind: In, Capacity: 1000},
		{Unit: "unitREJECT", ID: "REJ", Kind: Reject, Capacity: 200},
		{Unit: "unitRETRACT", ID: "RET", Kind: Retract, Capacity: 200, Areas: 3},
	}
}

// Device is the recycler. Its methods may be called concurrently.
type Device struct {
	chassis.Chassis
	name  string
	o     Options
	vault *vault.Vault
	units []*unit
	types []noteType
	keep  memory // the present one of the vault's

	faults    chassis.Faults
	off       bool
	jammed    bool // something is stuck in the transport
	shutter   shutter
	door      bool // the safe's door is open
	reader    bool // the banknote reader is broken
	waiting   bool // a command waits for notes
	timeLock  bool // a dispense waits for the time lock
	prepared  bool // PrepareDispense
	foreign   bool // something that is no note lies in the slot
	grab      bool // the customer grabs the notes while they are retracted
	told      map[string]told
	guard     *token.Guard // nil: no tokens are asked for
	deviceKey []byte
	sensors   sensors
}

type shutter string

const (
	shutterClosed shutter = "closed"
	shutterOpen   shutter = "open"
	shutterStuck  shutter = "jammed" // closed
)

// told is what clients have heard of a cassette.
type told struct {
	fill   cashmanagement.ReplenishmentStatus
	status storage.Status
	counts string
}

// New makes a device with the state of its directory.
func New(name string, o Options) (*Device, error) {
	o.defaults()
	d := &Device{name: name, o: o, shutter: shutterClosed, told: map[string]told{}}
	if err := d.fit(o.Cassettes); err != nil {
		return nil, fmt.Errorf("recycler %s: %w", name, err)
	}
	stock := map[string]vault.Notes{}
	for _, u := range d.units {
		stock[u.Unit] = u.stock()
	}
	v, err := vault.Open(o.FS, o.Directory, stock)
	if err != nil {
		return nil, fmt.Errorf("recycler %s: %w", name, err)
	}
	d.vault = v
	if err := v.State().Recall(memoryName, &d.keep); err != nil {
		return nil, fmt.Errorf("recycler %s: %w", name, err)
	}
	d.keep.complete()
	if err := d.secure(); err != nil {
		return nil, fmt.Errorf("recycler %s: %w", name, err)
	}
	d.awake()
	return d, nil
}

func (o *Options) defaults() {
	if o.Currency == "" {
		o.Currency = "EUR"
	}
	if len(o.Cassettes) == 0 {
		o.Cassettes = defaults(o.Currency)
	}
	if o.Stacker < 1 {
		o.Stacker = 60
	}
	if o.FS == nil && o.Directory != "" {
		o.FS = durable.OS{}
	}
	if o.Directory == "" {
		o.FS = nil
	}
}

// awake is the device as it finds itself when it gets power: the shutter is where
// the notes are.
func (d *Device) awake() {
	d.shutter, d.jammed = shutterClosed, len(d.pile(vault.Transport)) > 0
	if len(d.pile(vault.Output)) > 0 || len(d.pile(vault.Input)) > 0 {
		d.shutter = shutterOpen
	}
	if d.guard != nil {
		d.guard.Clear() // without power a device forgets its nonce, and every token is void
	}
	for _, u := range d.units {
		d.told[u.Unit] = d.present(u)
	}
}

// pile is the notes in a place.
func (d *Device) pile(p vault.Place) vault.Notes { return d.vault.State().Piles[p].All() }

func (d *Device) unit(name string) *unit {
	i := slices.IndexFunc(d.units, func(u *unit) bool { return u.Unit == name })
	if i < 0 {
		return nil
	}
	return d.units[i]
}

// ofKind is the first cassette of a kind that works.
func (d *Device) ofKind(k Kind) *unit {
	for _, u := range d.units {
		if u.Kind == k && u.works() {
			return u
		}
	}
	return nil
}
