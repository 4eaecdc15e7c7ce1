// Package bin holds the storage units of simulated devices that take paper in:
// the pockets of a check scanner, the retain bin of a card reader, the container of an envelope depository, the
// retract bin of a printer. It counts what falls in, keeps the counts through a
// loss of power, and serves the interface Storage over them.
//
//	rack, err := bin.Open(durable.OS{}, "/var/lib/plomb/checks", bin.Setup{
//		Unit: "unitPOCKET1", Kind: bin.Check, Capacity: 200, MediaIn: true,
//	})
//	rack.Handle(service, device, busy, say)
//	err = rack.Put("unitPOCKET1", 1)
//
// # Promises
//
// When Put, Retract, Set or Empty has returned nil the counts survive a loss of
// power; during one of them the file holds the counts before or after, never
// anything else. After an error of the disk nothing is counted any more until the
// rack is opened again.
//
// Three things can be wrong with a unit and are told apart: it is missing (it was
// there and was taken out: status missing, the counts stay), it was handled outside
// of an exchange (status manipulated until the next exchange ends), or nothing is
// detected in its place (Storage.GetStorage answers null for it, and null for the
// whole storage when that holds for every unit).
//
// A Rack is guarded by its device's lock; only the handlers of Handle take that
// lock themselves.
package bin

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/xfs4iot/deposit"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

// Kind says which part of a storage unit's description it has.
type Kind string

// The kinds of units.
const (
	Card    Kind = "card" // retained cards
	Check   Kind = "check"
	Deposit Kind = "deposit"
	Printer Kind = "printer"
)

// Setup is what a unit is; it does not change while the device runs.
type Setup struct {
	Unit     string // its name in Storage.GetStorage: "unit" and letters or digits
	ID       string // printed on it, 1 to 5 characters
	Position string // where it sits, in words
	Kind     Kind
	Capacity int  // items; 0: not limited
	High     int  // items from which it counts as nearly full; 0: 9/10 of Capacity
	MediaIn  bool // takes items of a transaction
	Retract  bool // takes what nobody took

	// Envelopes says how many empty ones the device still has beside a unit of kind
	// Deposit; nil: none are given out. It is called with the device's lock held.
	Envelopes func() deposit.StorageStatusEnvSupply
}

// Counts are durable.
type Counts struct {
	InitialMedia    int `json:"initialMedia"`
	InitialCount    int `json:"initialCount"`
	InitialRetracts int `json:"initialRetracts"`
	Media           int `json:"media"`    // items taken in by transactions since then
	Count           int `json:"count"`    // all items since then
	Retracts        int `json:"retracts"` // retract operations since then

	BinID        string `json:"binId,omitzero"`
	HighAt       int    `json:"highAt,omitzero"` // 0: as set up
	RetractsHigh int    `json:"retractsHigh,omitzero"`
}

// total is what lies in it.
func (c Counts) total() int { return c.InitialCount + c.Count }

// unit is one place in the rack.
type unit struct {
	Setup
	index       int
	counts      Counts
	missing     bool
	manipulated bool
	undetected  bool
	broken      bool
	told        Fill // the last that a threshold event told
}

// Rack is a device's storage units.
type Rack struct {
	fsys     durable.FS // nil: in memory
	file     string
	units    []*unit
	exchange bool
	failed   error
}

// fileName is the file of the counts in the device's folder.
const fileName = "counts.json"

// maxFile bounds the file of the counts in bytes.
const maxFile = 1 << 20

// Open makes the rack with the counts that the folder holds; a folder without
// counts is a new device. With fsys nil nothing is kept. The folder must exist.
func Open(fsys durable.FS, folder string, setups ...Setup) (*Rack, error) {
	r := &Rack{fsys: fsys, file: path.Join(folder, fileName)}
	for i, s := range setups {
		r.units = append(r.units, &unit{Setup: s, index: i + 1, told: FillEmpty})
	}
	if fsys == nil {
		return r, nil
	}
	return r, r.load()
}

func (r *Rack) load() error {
	data, err := durable.ReadFile(r.fsys, r.file, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read counts: %w", err)
	}
	var kept map[string]Counts
	if err := json.Unmarshal(data, &kept); err != nil {
		return fmt.Errorf("read counts of %s: %w", r.file, err)
	}
	for _, u := range r.units {
		u.counts = kept[u.Unit]
		u.told = u.fill()
	}
	return nil
}

// Errors of units.
var (
	ErrUnknown  = errors.New("there is no such storage unit")
	ErrFull     = errors.New("the storage unit is full")
	ErrAway     = errors.New("the storage unit is not in its place")
	ErrUnfit    = errors.New("the storage unit does not take that")
	ErrExchange = errors.New("the storage units are being exchanged")
)

func (r *Rack) unit(name string) *unit {
	for _, u := range r.units {
		if u.Unit == name {
			return u
		}
	}
	return nil
}

// Fit is nil when items can fall into a unit now; retract asks for those of a
// retract operation.
func (r *Rack) Fit(name string, items int, retract bool) error {
	u := r.unit(name)
	switch {
	case r.failed != nil:
		return r.failed
	case u == nil:
		return fmt.Errorf("%.40q: %w", name, ErrUnknown)
	case u.missing || u.undetected || u.broken:
		return fmt.Errorf("%s: %w", name, ErrAway)
	case retract && !u.Retract || !retract && !u.MediaIn:
		return fmt.Errorf("%s: %w", name, ErrUnfit)
	case u.Capacity > 0 && u.counts.total()+items > u.Capacity:
		return fmt.Errorf("%s: %w", name, ErrFull)
	}
	return nil
}

// First is the first unit into which items fit; "" and the last reason when there
// is none.
func (r *Rack) First(items int, retract bool) (string, error) {
	err := error(ErrUnfit)
	for _, u := range r.units {
		if err1 := r.Fit(u.Unit, items, retract); err1 == nil {
			return u.Unit, nil
		} else if !errors.Is(err1, ErrUnfit) {
			err = err1
		}
	}
	return "", err
}

// Put counts items of a transaction that fell into a unit.
func (r *Rack) Put(name string, items int) error {
	return r.add(name, Counts{Media: items, Count: items}, items, false)
}

// Retract counts one retract operation that brought items.
func (r *Rack) Retract(name string, items int) error {
	return r.add(name, Counts{Count: items, Retracts: 1}, items, true)
}

func (r *Rack) add(name string, more Counts, items int, retract bool) error {
	if err := r.Fit(name, items, retract); err != nil {
		return err
	}
	next := r.unit(name).counts
	next.Media += more.Media
	next.Count += more.Count
	next.Retracts += more.Retracts
	return r.store(name, next)
}

// store makes new counts durable, then true.
func (r *Rack) store(name string, next Counts) error {
	if err := r.write(name, next); err != nil {
		r.failed = err
		return err
	}
	r.unit(name).counts = next
	return nil
}

func (r *Rack) write(name string, next Counts) error {
	if r.fsys == nil {
		return nil
	}
	all := map[string]Counts{}
	for _, u := range r.units {
		all[u.Unit] = u.counts
	}
	all[name] = next
	data, err := json.Marshal(all, json.Deterministic(true))
	if err == nil {
		err = durable.Replace(r.fsys, r.file, data)
	}
	if err != nil {
		return fmt.Errorf("keep counts of %s: %w", name, err)
	}
	return nil
}

// Empty counts a unit as emptied.
func (r *Rack) Empty(name string) error {
	u := r.unit(name)
	if u == nil {
		return fmt.Errorf("%.40q: %w", name, ErrUnknown)
	}
	next := u.counts
	next.InitialMedia, next.InitialCount, next.InitialRetracts = 0, 0, 0
	next.Media, next.Count, next.Retracts = 0, 0, 0
	return r.store(name, next)
}

// TakeOut takes a unit out of its place. PutBack brings it.
func (r *Rack) TakeOut(name string) error {
	return r.hand(name, func(u *unit) { u.missing, u.manipulated = true, !r.exchange })
}

// PutBack puts a unit back, also one that was not detected or did not work.
func (r *Rack) PutBack(name string) error {
	return r.hand(name, func(u *unit) { u.missing, u.undetected, u.broken = false, false, false })
}

// Hide makes a unit's place look as if there had never been one.
func (r *Rack) Hide(name string) error { return r.hand(name, func(u *unit) { u.undetected = true }) }

// Break makes a unit inoperative.
func (r *Rack) Break(name string) error { return r.hand(name, func(u *unit) { u.broken = true }) }

func (r *Rack) hand(name string, do func(*unit)) error {
	u := r.unit(name)
	if u == nil {
		return fmt.Errorf("%.40q: %w", name, ErrUnknown)
	}
	do(u)
	return nil
}

// Names lists the units in their order.
func (r *Rack) Names() []string {
	out := make([]string, len(r.units))
	for i, u := range r.units {
		out[i] = u.Unit
	}
	return out
}

// View is a unit as the page shows it.
type View struct {
	Unit     string         `json:"unit"`
	Position string         `json:"position"`
	Items    int            `json:"items"`
	Capacity int            `json:"capacity"`
	Status   storage.Status `json:"status"`
	Detected bool           `json:"detected"`
}

// View gives all units.
func (r *Rack) View() []View {
	out := make([]View, len(r.units))
	for i, u := range r.units {
		out[i] = View{u.Unit, u.Position, u.counts.total(), u.Capacity, u.status(), !u.undetected}
	}
	return out
}

// Exchanging says whether an exchange is open.
func (r *Rack) Exchanging() bool { return r.exchange }

// Failed is why nothing is counted any more; nil while all is well.
func (r *Rack) Failed() error { return r.failed }
