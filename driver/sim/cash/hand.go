package cash

import (
	"errors"
	"fmt"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/xfs4iot/cashacceptor"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
	"github.com/plomb-pos/plomb/xfs4iot/storage"
)

// Class is "recycler".
func (d *Device) Class() string { return "recycler" }

// State is what the page shows.
type State struct {
	Power     bool                     `json:"power"`
	Error     string                   `json:"error,omitzero"` // of the disk
	Device    string                   `json:"device"`
	Acceptor  bool                     `json:"acceptor"`
	Exchange  bool                     `json:"exchange"`
	CashIn    bool                     `json:"cashIn"`  // a cash-in is open
	Waiting   bool                     `json:"waiting"` // a command waits for notes
	TimeLock  bool                     `json:"timeLock"`
	Shutter   string                   `json:"shutter"` // open, closed, jammed
	Jammed    bool                     `json:"jammed"`
	Door      bool                     `json:"door"`
	Foreign   bool                     `json:"foreign"`
	Cassettes []CassetteState          `json:"cassettes"`
	Places    map[vault.Place][]Bundle `json:"places"`
	Stacker   int                      `json:"stackerCapacity"`
	Armed     []string                 `json:"armed"` // faults that will strike
	Notes     []Kindof                 `json:"notes"` // what can be put in
}

// CassetteState is one cassette as the page shows it.
type CassetteState struct {
	Unit     string         `json:"unit"`
	ID       string         `json:"id"`
	Kind     Kind           `json:"kind"`
	Value    string         `json:"value,omitzero"` // "20 EUR"
	Notes    int            `json:"notes"`          // what is really in it
	Counted  int            `json:"counted"`
	Capacity int            `json:"capacity"`
	Areas    int            `json:"areas,omitzero"`
	Used     int            `json:"areasUsed,omitzero"`
	Fill     string         `json:"fill"`
	Status   storage.Status `json:"status"`
	Detected bool           `json:"detected"`
}

// Bundle is some notes of one kind.
type Bundle struct {
	Value string      `json:"value"` // "20 EUR", "?" when it was not recognised
	Type  string      `json:"type"`
	Level vault.Level `json:"level"`
	Count int         `json:"count"`
}

// Kindof is a note that the reader knows.
type Kindof struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// State is a State.
func (d *Device) State() any {
	d.Lock()
	defer d.Unlock()
	out := State{
		Power: !d.off, Device: string(d.device()), Acceptor: !d.o.DispenserOnly, Exchange: d.keep.Exchange, CashIn: d.keep.CashIn.Active,
		Waiting: d.waiting, TimeLock: d.timeLock, Shutter: string(d.shutter), Jammed: d.jammed, Door: d.door, Foreign: d.foreign,
		Places: map[vault.Place][]Bundle{}, Stacker: d.o.Stacker, Armed: append([]string{}, d.faults.Armed()...),
	}
	if err := d.vault.Failed(); err != nil {
		out.Error = err.Error()
	}
	for _, u := range d.units {
		out.Cassettes = append(out.Cassettes, d.cassette(u))
	}
	for place := range d.vault.State().Piles {
		out.Places[place] = d.bundles(d.pile(place))
	}
	for _, t := range d.types {
		out.Notes = append(out.Notes, Kindof{t.name, t.words()})
	}
	return out
}

func (t noteType) words() string {
	return shift(string(decimal(t.minor, t.currency)), 0) + " " + t.currency
}

func (d *Device) cassette(u *unit) CassetteState {
	c := d.contents(u)
	out := CassetteState{Unit: u.Unit, ID: u.ID, Kind: u.Kind, Notes: c.Notes.Count(), Counted: c.Counted().Count(), Capacity: u.Capacity,
		Fill: string(d.fill(u)), Status: u.status(), Detected: !u.undetected}
	if u.gives() {
		out.Value = noteType{minor: u.minor, currency: u.Currency}.words()
	}
	if u.Kind == Retract {
		out.Areas = d.areas(u)
		for i := range out.Areas {
			if len(c.Areas[i+1]) > 0 {
				out.Used++
			}
		}
	}
	return out
}

func (d *Device) bundles(n vault.Notes) []Bundle {
	out := []Bundle{}
	for _, kind := range n.Kinds() {
		b := Bundle{Value: "?", Type: kind.Type(), Level: kind.Level(), Count: n[kind]}
		if t, ok := d.noteType(kind.Type()); ok {
			b.Value = t.words()
		}
		out = append(out, b)
	}
	return out
}

// act changes the device by hand and shows what came of it.
func (d *Device) act(do func() error) error {
	d.Lock()
	defer d.Unlock()
	err := do()
	d.tellUnits()
	d.Show(d.status())
	return err
}

// Errors of hands.
var (
	ErrShut   = errors.New("the shutter is closed")
	ErrFault  = errors.New("there is no such fault")
	ErrLocked = errors.New("a client locked it")
	ErrNote   = errors.New("there is no such note")
	ErrSlot   = errors.New("the slot takes no notes now")
)

// Take takes all notes from the slot.
func (d *Device) Take() error { return d.TakeSome(0) }

// TakeSome takes that many notes from the slot and leaves the others; 0 takes all.
func (d *Device) TakeSome(n int) error {
	return d.act(func() error {
		if d.shutter != shutterOpen {
			return ErrShut
		}
		there := d.pile(vault.Output)
		if n > 0 {
			there = there.First(n)
		}
		return d.taken(there)
	})
}

// maxInserted bounds what a person puts in at once.
const maxInserted = 1000

// Insert puts notes of a type ("typeEUR20") into the open slot, while a cash-in or
// a look at a note waits for some. What the classification list has under serial
// counts as what the list says; "" is a number that nobody knows.
func (d *Device) Insert(noteType string, l vault.Level, n int, serial string) error {
	return d.act(func() error {
		_, known := d.noteType(noteType)
		switch {
		case l == vault.Unrecognized:
			noteType = ""
		case !known || !slices.Contains(vault.Levels(), l):
			return fmt.Errorf("%.40q %.20q: %w", noteType, l, ErrNote)
		}
		if n < 1 || n > maxInserted || d.o.DispenserOnly || d.shutter != shutterOpen || len(d.pile(vault.Output)) > 0 {
			return ErrSlot
		}
		if listed, ok := d.classified(noteType, serial); ok {
			l = listed
		}
		err := d.change(func(s *state, m *memory) error {
			if serial != "" {
				m.Inserted = append(m.Inserted, item{Note: vault.NoteOf(noteType, l), Serial: serial[:min(len(serial), 40)]})
			}
			s.Insert(vault.Notes{vault.NoteOf(noteType, l): n})
			return nil
		})
		if err == nil {
			d.Say(&cashmanagement.ItemsInsertedEvent{Position: cashmanagement.PositionInDefault})
		}
		return err
	})
}

// BreakReader makes the banknote reader fail.
func (d *Device) BreakReader() error { return d.act(func() error { d.reader = true; return nil }) }

// TooLate is the customer forgetting the notes: the device takes them back by
// itself, into the retract cassette.
func (d *Device) TooLate() error {
	return d.act(func() error {
		u := d.ofKind(Retract)
		switch {
		case len(d.pile(vault.Output)) == 0:
			return chassis.ErrNothing
		case u == nil || d.freeArea(u) == 0 || d.space(u) < d.loose() || d.jammed:
			return errNoHome
		}
		_, err := d.toCassettes(func(vault.Note) *unit { return u }, d.freeArea(u), cashacceptor.GetCashInStatusCompletionStatusRetract)
		return err
	})
}

// Grab lets the customer take the notes just when they are retracted next.
func (d *Device) Grab() error { return d.act(func() error { d.grab = true; return nil }) }

// faultWords are the faults in words.
var faultWords = []struct{ name, words, after string }{
	{FaultJam, "A note jams", "after notes"},
	{FaultShort, "A cassette gives no more", "after notes"},
	{FaultDouble, "Two notes come at once", "after notes"},
	{FaultPower, "Lose power", "after notes"},
	{FaultPresent, "Lose power between pick and present", ""},
	{FaultShutter, "The shutter sticks", ""},
	{FaultRefuse, "The reader refuses a good note", "after notes"},
}

// Arm arms a fault, one of the Fault constants; it strikes after so many chances.
func (d *Device) Arm(name string, after int) error {
	return d.act(func() error {
		for _, f := range faultWords {
			if f.name == name {
				d.faults.Arm(name, after)
				return nil
			}
		}
		return fmt.Errorf("%.40q: %w", name, ErrFault)
	})
}

// ClearJam takes what is stuck loose; it stays in the transport until Reset moves it.
func (d *Device) ClearJam() error { return d.act(func() error { d.jammed = false; return nil }) }

// MendShutter makes the shutter move again.
func (d *Device) MendShutter() error {
	return d.act(func() error {
		if d.shutter == shutterStuck {
			d.turn(shutterClosed)
		}
		return nil
	})
}

// PowerOff cuts the power, whatever the device is doing.
func (d *Device) PowerOff() error {
	return d.act(func() error {
		d.off = true
		if d.o.PowerLost != nil {
			go d.o.PowerLost()
		}
		return nil
	})
}

// PowerOn gives it back. The device looks where its notes are.
func (d *Device) PowerOn() error {
	return d.act(func() error {
		if d.off {
			d.off = false
			d.awake()
		}
		return nil
	})
}

// TakeOut takes a cassette out; outside of an exchange that counts as manipulation.
func (d *Device) TakeOut(name string) error {
	return d.hands(name, func(u *unit) error {
		if d.keep.Locks[name] {
			return fmt.Errorf("%s: %w", name, ErrLocked)
		}
		u.missing, u.manipulated = true, !d.keep.Exchange
		return nil
	})
}

// PutBack puts a cassette back as it should be, whatever was wrong with it.
func (d *Device) PutBack(name string) error {
	return d.hands(name, func(u *unit) error {
		u.missing, u.undetected, u.broken = false, false, false
		return nil
	})
}

// PutWrong puts a cassette in askew: it does not work.
func (d *Device) PutWrong(name string) error {
	return d.hands(name, func(u *unit) error { u.missing, u.broken = false, true; return nil })
}

// Hide makes a cassette's bay look as if there had never been one.
func (d *Device) Hide(name string) error {
	return d.hands(name, func(u *unit) error { u.undetected = true; return nil })
}

// Approve says that a cassette that was handled outside of an exchange is as it was.
func (d *Device) Approve(name string) error {
	return d.hands(name, func(u *unit) error { u.manipulated = false; return nil })
}

// Miscount takes notes out of a cassette that gives notes, behind the counters' back.
func (d *Device) Miscount(name string, n int) error {
	return d.hands(name, func(u *unit) error {
		if !u.gives() {
			return fmt.Errorf("%s: %w", name, chassis.ErrNothing)
		}
		return d.change(func(s *state, _ *memory) error { return s.Miscount(name, vault.Notes{u.note: n}) })
	})
}

// Empty takes all notes out of a cassette, counted.
func (d *Device) Empty(name string) error {
	return d.hands(name, func(*unit) error {
		return d.change(func(s *state, _ *memory) error { return s.Fill(name, vault.Notes{}) })
	})
}

// Refill makes a cassette that gives notes hold that many, counted.
func (d *Device) Refill(name string, n int) error {
	return d.hands(name, func(u *unit) error {
		if !u.gives() || n < 0 || n > u.Capacity {
			return fmt.Errorf("%d notes in %s: %w", n, name, ErrCassette)
		}
		u.found = false
		notes := vault.Notes{}
		if n > 0 {
			notes[u.note] = n
		}
		return d.change(func(s *state, _ *memory) error { return s.Fill(name, notes) })
	})
}

func (d *Device) hands(name string, do func(*unit) error) error {
	return d.act(func() error {
		u := d.unit(name)
		if u == nil {
			return fmt.Errorf("%.40q: %w", name, vault.ErrUnit)
		}
		return do(u)
	})
}

// TimeLock makes the next dispense wait until Release.
func (d *Device) TimeLock() error { return d.act(func() error { d.timeLock = true; return nil }) }

// Release ends the wait of TimeLock.
func (d *Device) Release() error { return d.act(func() error { d.timeLock = false; return nil }) }

// OpenDoor opens the safe, unless a client locked it.
func (d *Device) OpenDoor() error {
	return d.act(func() error {
		if d.keep.DeviceLock {
			return ErrLocked
		}
		d.door = true
		return nil
	})
}

// CloseDoor closes the safe.
func (d *Device) CloseDoor() error { return d.act(func() error { d.door = false; return nil }) }

// LeaveObject puts something that is no note into the open slot.
func (d *Device) LeaveObject() error {
	return d.act(func() error {
		if d.shutter != shutterOpen {
			return ErrShut
		}
		d.foreign = true
		return nil
	})
}

// TakeObject takes it away.
func (d *Device) TakeObject() error { return d.act(func() error { d.foreign = false; return nil }) }

// Mend puts everything right that hands can put right: faults, jam, shutter, door,
// cassettes, power. Notes stay where they are.
func (d *Device) Mend() error {
	return d.act(func() error {
		d.faults.Mend()
		d.jammed, d.door, d.foreign, d.reader, d.grab, d.timeLock = false, false, false, false, false, false
		d.sensors = sensors{}
		for _, u := range d.units {
			u.missing, u.undetected, u.broken, u.manipulated = false, false, false, false
		}
		if d.shutter == shutterStuck {
			d.turn(shutterClosed)
		}
		if d.off {
			d.off = false
			d.awake()
		}
		return nil
	})
}

// Acts are what customers, attendants and bad luck do.
func (d *Device) Acts() []panel.Act {
	hand := func(name, label string, kind panel.Kind, do func() error) panel.Act {
		return panel.Act{Name: name, Label: label, Kind: kind, Do: func(panel.Values) error { return do() }}
	}
	acts := []panel.Act{
		{Name: "take", Label: "Take the notes", Kind: panel.Hand, Args: []panel.Arg{{Name: "count", Label: "notes, 0: all", Default: "0", Number: true}},
			Do: func(v panel.Values) error { return d.TakeSome(v.Int("count")) }},
		hand("too-late", "Forget the notes: the device takes them back", panel.Fault, d.TooLate),
		hand("grab", "Grab the notes while they are retracted", panel.Fault, d.Grab),
		hand("object", "Leave something else in the slot", panel.Fault, d.LeaveObject),
		hand("take-object", "Take it away", panel.Repair, d.TakeObject),
		hand("time-lock", "Lock the safe for a time", panel.Fault, d.TimeLock),
		hand("release", "The time is over", panel.Repair, d.Release),
		hand("open-door", "Open the safe", panel.Fault, d.OpenDoor),
		hand("close-door", "Close the safe", panel.Repair, d.CloseDoor),
		hand("power-off", "Cut the power", panel.Fault, d.PowerOff),
		hand("power-on", "Switch on", panel.Repair, d.PowerOn),
		hand("clear-jam", "Clear the jam", panel.Repair, d.ClearJam),
		hand("mend-shutter", "Mend the shutter", panel.Repair, d.MendShutter),
		hand("mend", "All in order", panel.Repair, d.Mend),
	}
	for _, f := range faultWords {
		a := panel.Act{Name: f.name, Label: f.words, Kind: panel.Fault, Do: func(v panel.Values) error { return d.Arm(f.name, v.Int("after")) }}
		if f.after != "" {
			a.Args = chassis.After(f.after)
		}
		acts = append(acts, a)
	}
	if !d.o.DispenserOnly {
		acts = append(acts, d.insertAct(), hand("break-reader", "The banknote reader fails", panel.Fault, d.BreakReader))
	}
	if d.o.Neutralization {
		acts = append(acts, hand("break-in", "Break into the safe", panel.Fault, d.BreakIn), hand("break-sensors", "The safe's sensors fail", panel.Fault, d.Break))
	}
	return append(acts, d.cassetteActs()...)
}

func (d *Device) insertAct() panel.Act {
	var types, levels []string
	for _, t := range d.types {
		types = append(types, t.name)
	}
	for _, l := range vault.Levels() {
		levels = append(levels, string(l))
	}
	return panel.Act{Name: "insert", Label: "Put notes in", Kind: panel.Hand, Args: []panel.Arg{
		{Name: "note", Label: "note", Default: types[0], Choices: types},
		{Name: "count", Label: "how many", Default: "1", Number: true},
		{Name: "level", Label: "what the reader sees", Default: levels[0], Choices: levels},
		{Name: "serial", Label: "serial number"},
	}, Do: func(v panel.Values) error {
		return d.Insert(v["note"], vault.Level(v["level"]), v.Int("count"), v["serial"])
	}}
}

func (d *Device) cassetteActs() []panel.Act {
	var all, giving []string
	for _, u := range d.units {
		all = append(all, u.Unit)
		if u.gives() {
			giving = append(giving, u.Unit)
		}
	}
	on := func(name, label string, kind panel.Kind, do func(string) error) panel.Act {
		return panel.Act{Name: name, Label: label, Kind: kind, Args: []panel.Arg{{Name: "unit", Label: "cassette", Default: all[0], Choices: all}},
			Do: func(v panel.Values) error { return do(v["unit"]) }}
	}
	acts := []panel.Act{
		on("take-out", "Take a cassette out", panel.Fault, d.TakeOut),
		on("put-wrong", "Put a cassette in askew", panel.Fault, d.PutWrong),
		on("hide", "A cassette is not detected", panel.Fault, d.Hide),
		on("put-back", "Put a cassette in", panel.Repair, d.PutBack),
		on("approve", "Cassette is as it was", panel.Repair, d.Approve),
		on("empty", "Empty a cassette", panel.Repair, d.Empty),
	}
	if len(giving) == 0 {
		return acts
	}
	count := func(name, label, def string, kind panel.Kind, do func(string, int) error) panel.Act {
		return panel.Act{Name: name, Label: label, Kind: kind, Args: []panel.Arg{
			{Name: "unit", Label: "cassette", Default: giving[0], Choices: giving},
			{Name: "count", Label: "notes", Default: def, Number: true},
		}, Do: func(v panel.Values) error { return do(v["unit"], v.Int("count")) }}
	}
	return append(acts, count("miscount", "Take notes behind the counter's back", "1", panel.Fault, d.Miscount),
		count("refill", "Fill a cassette", "150", panel.Repair, d.Refill))
}
