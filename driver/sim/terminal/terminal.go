// Package terminal is a simulated text terminal: a screen of characters, a keyboard
// with command keys, a beeper and a key lock. It serves all of the interface
// TextTerminal; forms come as JSON (SetForm) or in the definition language
// (LoadForm, see package forms).
//
//	t, err := terminal.New("Operator", terminal.Options{})
//	server.Add(t.Service())
//	t.Type("1234")      // while a client waits in TextTerminal.Read
//	t.Press("enter")
//
// # Keys
//
// Printable keys are named by their character, digits by their English name (zero to
// nine); command keys are those of [CommandKeys]. Keys that are pressed while nobody
// reads wait, up to 64, until they are read or flushed; a key that is not active in
// the command that reads does nothing. Backspace and clear edit what was typed when
// they are active and do not end the command. What was typed is never in the state
// that the page shows, but for its echo on the screen.
//
// ReadForm goes through its fields in the order asked for, or from top left to bottom
// right. Enter goes on to the next field once a required one has a value, cancel ends
// the command with keyCanceled. DefineKeys says which keys are active in the next
// ReadForm; without it all are.
//
// What it does not do: graphic fields (typeNotSupported).
package terminal

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/plomb-pos/plomb/driver/forms"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

// Options chooses the device; the zero value has a screen of 32 by 16 characters
// that can be set to 40 by 8.
type Options struct {
	Resolutions []Resolution `json:"resolutions,omitzero" toml:"resolutions"` // the first counts at the start
}

// Resolution is columns and rows.
type Resolution struct {
	Columns int `json:"columns" toml:"columns"`
	Rows    int `json:"rows" toml:"rows"`
}

// Terminal is the device. Its methods may be called concurrently.
type Terminal struct {
	chassis.Chassis
	name        string
	resolutions []Resolution
	forms       map[string]*forms.TerminalForm

	screen  *screen
	cursor  bool // shown
	keys    []key
	reading bool
	active  *keyboard // for the next ReadForm; nil: all keys
	locked  bool      // the key lock
	gone    bool      // unplugged
	dead    bool      // the screen does not light
	beeps   int
	beep    string // the last, "" when silent
}

// New makes a terminal with an empty screen.
func New(name string, o Options) (*Terminal, error) {
	if len(o.Resolutions) == 0 {
		o.Resolutions = []Resolution{{32, 16}, {40, 8}}
	}
	for _, r := range o.Resolutions {
		if r.Columns < 1 || r.Rows < 1 || r.Columns > 200 || r.Rows > 100 {
			return nil, fmt.Errorf("terminal %s: a screen has 1 to 200 columns and 1 to 100 rows", name)
		}
	}
	first := o.Resolutions[0]
	return &Terminal{name: name, resolutions: o.Resolutions, forms: map[string]*forms.TerminalForm{}, screen: newScreen(first.Columns, first.Rows)}, nil
}

// Class names its picture.
func (t *Terminal) Class() string { return "textterminal" }

// Service makes a fresh service over the present state.
func (t *Terminal) Service() *host.Service {
	t.Lock()
	defer t.Unlock()
	s := host.NewService(t.name, host.Declaration{Capabilities: t.capabilities(), Status: t.status()})
	host.Handle(s, textterminal.Write, t.write)
	host.Handle(s, textterminal.ClearScreen, t.clearScreen)
	host.Handle(s, textterminal.SetResolution, t.setResolution)
	host.Handle(s, textterminal.Beep, t.beepCommand)
	host.Handle(s, textterminal.Reset, t.reset)
	host.Handle(s, textterminal.Read, t.read)
	host.Handle(s, textterminal.DefineKeys, t.defineKeys)
	host.Handle(s, textterminal.GetKeyDetail, t.keyDetail)
	t.handleForms(s)
	t.Serve(s)
	return s
}

func (t *Terminal) handleForms(s *host.Service) {
	host.Handle(s, textterminal.GetFormList, t.formList)
	host.Handle(s, textterminal.GetQueryForm, t.queryForm)
	host.Handle(s, textterminal.GetQueryField, t.queryField)
	host.Handle(s, textterminal.SetForm, t.setForm)
	host.Handle(s, textterminal.LoadForm, t.loadForm)
	host.Handle(s, textterminal.WriteForm, t.writeForm)
	host.Handle(s, textterminal.ReadForm, t.readForm)
}

func (t *Terminal) capabilities() common.CapabilitiesCompletion {
	var sizes []textterminal.Resolution
	for _, r := range t.resolutions {
		sizes = append(sizes, textterminal.Resolution{SizeX: new(r.Columns), SizeY: new(r.Rows)})
	}
	return common.CapabilitiesCompletion{
		Common: &common.CapabilityProperties{ServiceVersion: "1.0", DeviceInformation: []common.DeviceInformation{{ModelName: "simulated text terminal"}}},
		TextTerminal: &textterminal.Capabilities{Type: textterminal.CapabilitiesTypeRemovable, Resolutions: sizes,
			KeyLock: new(true), Cursor: new(true), Forms: new(true)},
	}
}

func (t *Terminal) status() common.StatusCompletion {
	device := common.DeviceOnline
	switch {
	case t.gone:
		device = common.DeviceNoDevice
	case t.dead:
		device = common.DeviceHardwareError
	}
	return common.StatusCompletion{
		Common: &common.StatusProperties{Device: device},
		TextTerminal: &textterminal.Status{
			Keyboard:     pick(t.reading, textterminal.StatusKeyboardOn, textterminal.StatusKeyboardOff),
			KeyLock:      pick(t.locked, textterminal.StatusKeyLockOn, textterminal.StatusKeyLockOff),
			DisplaySizeX: new(t.screen.columns), DisplaySizeY: new(t.screen.rows),
		},
	}
}

func pick[T any](yes bool, a, b T) T {
	if yes {
		return a
	}
	return b
}

func (t *Terminal) changed() { t.Show(t.status()) }

func (t *Terminal) ready() error {
	switch {
	case t.gone:
		return &xfs4iot.Error{Code: xfs4iot.DeviceNotReady, Description: "the terminal is unplugged"}
	case t.dead:
		return chassis.Broken("the screen does not work")
	}
	return nil
}

// Errors of hands.
var (
	ErrGone   = errors.New("the terminal is unplugged")
	ErrLocked = errors.New("the key lock is on")
	ErrNoKey  = errors.New("there is no such key")
	ErrFull   = errors.New("too many keys wait to be read")
)

// maxKeys is how many keys wait for a reader.
const maxKeys = 64

// Press presses a key by its name: a character, zero to nine, or a command key.
func (t *Terminal) Press(name string) error {
	t.Lock()
	defer t.Unlock()
	return t.press(name)
}

func (t *Terminal) press(name string) error {
	k, ok := known(name)
	switch {
	case t.gone:
		return ErrGone
	case t.locked:
		return ErrLocked
	case !ok || !present(name):
		return fmt.Errorf("%.20q: %w", name, ErrNoKey)
	case len(t.keys) >= maxKeys:
		return ErrFull
	}
	t.keys = append(t.keys, k)
	t.changed()
	return nil
}

// Type presses the keys of a text, one after the other.
func (t *Terminal) Type(text string) error {
	t.Lock()
	defer t.Unlock()
	for _, r := range text {
		if err := t.press(nameOf(r)); err != nil {
			return err
		}
	}
	return nil
}

// SetLock turns the key lock.
func (t *Terminal) SetLock(on bool) {
	t.Lock()
	defer t.Unlock()
	t.locked = on
	t.changed()
}

// Unplug takes the terminal away; commands end with deviceNotReady.
func (t *Terminal) Unplug() {
	t.Lock()
	defer t.Unlock()
	t.gone, t.keys = true, nil
	t.changed()
}

// Darken makes the screen fail.
func (t *Terminal) Darken() {
	t.Lock()
	defer t.Unlock()
	t.dead = true
	t.changed()
}

// Repair plugs the terminal in and lights its screen.
func (t *Terminal) Repair() {
	t.Lock()
	defer t.Unlock()
	t.gone, t.dead = false, false
	t.changed()
}

// Lines is what stands on the screen, one string a line.
func (t *Terminal) Lines() []string {
	t.Lock()
	defer t.Unlock()
	return t.screen.lines()
}

// Acts lists what can be done to it.
func (t *Terminal) Acts() []panel.Act {
	do := func(kind panel.Kind, name, label string, f func()) panel.Act {
		return panel.Act{Name: name, Label: label, Kind: kind, Do: func(panel.Values) error { f(); return nil }}
	}
	return []panel.Act{
		{Name: "type", Label: "Type", Kind: panel.Hand, Args: []panel.Arg{{Name: "text", Label: "Text", Default: "1234"}},
			Do: func(v panel.Values) error { return t.Type(v["text"]) }},
		{Name: "press", Label: "Press", Kind: panel.Hand, Args: []panel.Arg{{Name: "key", Label: "Key", Default: "enter"}},
			Do: func(v panel.Values) error { return t.Press(v["key"]) }},
		do(panel.Hand, "lock", "Turn the key lock on", func() { t.SetLock(true) }),
		do(panel.Hand, "unlock", "Turn the key lock off", func() { t.SetLock(false) }),
		do(panel.Fault, "unplug", "Unplug it", t.Unplug), do(panel.Fault, "darken", "Break the screen", t.Darken),
		do(panel.Repair, "repair", "All in order", t.Repair),
	}
}

// State is what the page shows.
type State struct {
	Plugged bool     `json:"plugged"`
	Lit     bool     `json:"lit"`
	Locked  bool     `json:"locked"`
	Reading bool     `json:"reading"`
	Lines   []string `json:"lines"`
	Looks   []string `json:"looks"` // a digit for each character: 1 underlined, 2 inverted, 4 flashing
	Columns int      `json:"columns"`
	Rows    int      `json:"rows"`
	Cursor  bool     `json:"cursor"`
	X       int      `json:"x"`
	Y       int      `json:"y"`
	Beeps   int      `json:"beeps"`
	Beep    string   `json:"beep"`
	Waiting int      `json:"waiting"` // keys that nobody read yet
	Forms   []string `json:"forms"`
	Command []string `json:"command"` // the command keys
}

// State gives what the page shows.
func (t *Terminal) State() any {
	t.Lock()
	defer t.Unlock()
	return State{!t.gone, !t.dead, t.locked, t.reading, t.screen.lines(), t.screen.looks(), t.screen.columns, t.screen.rows, t.cursor,
		t.screen.x, t.screen.y, t.beeps, t.beep, len(t.keys), slices.Sorted(maps.Keys(t.forms)), CommandKeys()}
}

var _ panel.Device = (*Terminal)(nil)
