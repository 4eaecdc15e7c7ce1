package epp

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/driver/keystore"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/sim/panel"
	"github.com/plomb-pos/plomb/xfs4iot/german"
)

// State is what the page shows. It holds no key, no PIN and no digit of either.
type State struct {
	Power    bool      `json:"power"`
	Tampered bool      `json:"tampered"`
	Waiting  bool      `json:"waiting"` // for Initialization
	Touch    bool      `json:"touch"`
	Stuck    []string  `json:"stuck"`
	Entry    *Entering `json:"entry,omitzero"`
	Keypad   []Button  `json:"keypad"`
	Beeps    bool      `json:"beeps"` // when an active key is pressed
	PIN      bool      `json:"pin"`   // one is held for the next command
	Part     bool      `json:"part"`  // a key part was entered and waits for ImportKey
	Keys     []Loaded  `json:"keys"`
	HSM      int       `json:"hsm"` // 1 to 5
	Bound    bool      `json:"bound"`
	Secured  bool      `json:"secured"`
}

// Entering is an entry that a client waits for.
type Entering struct {
	Mode   string   `json:"mode"`
	Text   string   `json:"text"` // of a data entry; stars for others
	Shift  bool     `json:"shift"`
	Active []string `json:"active"`
}

// Button is a key of the keypad with its place: pixels of the touch screen, or for
// physical keys thousandths of the pad (frame 0) and pixels beside the screen.
type Button struct {
	Key    string `json:"key"`
	Shift  string `json:"shift,omitzero"`
	Frame  int    `json:"frame"`
	X      int    `json:"x"`
	Y      int    `json:"y"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// Loaded is a key without its value.
type Loaded struct {
	Name      string `json:"name"`
	Usage     string `json:"usage"`
	Algorithm string `json:"algorithm"`
	ModeOfUse string `json:"modeOfUse"`
	Bits      int    `json:"bits"`
	KCV       string `json:"kcv"`   // "" where it has none
	Parts     int    `json:"parts"` // entered so far; 0 when it is whole
}

// State is a State.
func (e *EPP) State() any {
	e.Lock()
	defer e.Unlock()
	out := State{Power: !e.off, Tampered: e.tampered, Waiting: e.virgin, Touch: e.o.Touch, Stuck: []string{}, Keypad: e.buttons(),
		Beeps: e.beep.active, PIN: len(e.pin) > 0, Part: e.part != nil, Keys: []Loaded{}, HSM: e.hsmState(),
		Bound: e.store.Record(recordHost) != nil, Secured: e.o.Secured}
	for name := range e.stuck {
		out.Stuck = append(out.Stuck, name)
	}
	slices.Sort(out.Stuck)
	for _, name := range e.store.Names() {
		out.Keys = append(out.Keys, e.shown(name))
	}
	if e.entry != nil {
		out.Entry = e.entry.shown()
	}
	return out
}

func (e *EPP) shown(name string) Loaded {
	k, _ := e.store.Key(name)
	defer clear(k.Value)
	out := Loaded{Name: k.Name, Usage: k.Usage, Algorithm: k.Algorithm, ModeOfUse: k.ModeOfUse, Bits: k.Bits, KCV: strings.ToUpper(hex.EncodeToString(kcv(k)))}
	if k.Constructing {
		out.Parts = k.Parts
	}
	return out
}

func (n *entry) shown() *Entering {
	out := &Entering{Mode: string(n.mode), Text: strings.Repeat("*", len(n.digits)), Shift: n.shift}
	for _, k := range n.keys {
		if c := digit(k.Digit); c != 0 {
			out.Text += string(rune(c))
		} else {
			out.Text += "[" + k.Digit + "]"
		}
	}
	for name := range n.active {
		out.Active = append(out.Active, name)
	}
	slices.Sort(out.Active)
	return out
}

// buttons is the layout of the entry that is on, otherwise that of data.
func (e *EPP) buttons() []Button {
	m := dataMode
	if e.entry != nil {
		m = e.entry.mode
	}
	out := []Button{}
	for i, f := range e.frames(m) {
		for _, k := range f.Keys {
			out = append(out, Button{Key: k.Key, Shift: k.ShiftKey, Frame: i, X: number(f.XPos) + number(k.XPos), Y: number(f.YPos) + number(k.YPos), Width: number(k.XSize), Height: number(k.YSize)})
		}
	}
	return out
}

// Expire lets the time run out that standards and hardware leave for an entry of a
// PIN or a key.
func (e *EPP) Expire() error {
	e.Lock()
	defer e.Unlock()
	if e.entry == nil || e.entry.mode == dataMode {
		return chassis.ErrNothing
	}
	e.entry.expired = true
	e.show()
	return nil
}

// Stick makes a key of the keypad stick: entries end with hardwareError.
func (e *EPP) Stick(key string) error {
	e.Lock()
	defer e.Unlock()
	if !e.has(dataMode, key) && !e.has(secureMode, key) {
		return ErrNoKey
	}
	e.stuck[key] = true
	e.show()
	return nil
}

// Free makes all stuck keys work again.
func (e *EPP) Free() {
	e.Lock()
	defer e.Unlock()
	clear(e.stuck)
	e.show()
}

// Tamper opens the case: all keys are destroyed, the manufacturer's too, durably.
func (e *EPP) Tamper() error {
	e.Lock()
	defer e.Unlock()
	defer e.show()
	e.tampered, e.virgin, e.me = true, false, nil
	e.forget()
	// A cut between the two leaves the mark, and New destroys the keys.
	if err := e.store.Change(func(c *keystore.Contents) error {
		delete(c.Records, recordVirgin)
		c.Records[recordTampered] = []byte{1}
		return nil
	}); err != nil {
		return err
	}
	return e.store.Wipe(recordTampered)
}

// forget forgets all that is only in memory.
func (e *EPP) forget() {
	e.forgetEntries()
	clear(e.compared)
	e.compared, e.preset, e.maintain, e.exchange, e.challenge = nil, nil, false, nil, nil
}

// ErrWhole says that nothing is to be mended.
var ErrWhole = errors.New("the PIN pad is in order")

// Mend sends a tampered device to its manufacturer: it comes back empty, with new
// certificates, and waits for Initialization.
func (e *EPP) Mend() error {
	e.Lock()
	defer e.Unlock()
	if !e.tampered {
		return ErrWhole
	}
	if err := e.store.Change(func(c *keystore.Contents) error {
		delete(c.Records, recordTampered)
		delete(c.Records, recordHSMDead)
		c.Records[recordVirgin] = []byte{1}
		return nil
	}); err != nil {
		return err
	}
	e.tampered, e.virgin, e.hsmDead = false, true, false
	e.show()
	return nil
}

// CutPower takes the power away: what was entered is gone, keys stay. Done to a
// device without power it does nothing.
func (e *EPP) CutPower() {
	e.Lock()
	defer e.Unlock()
	e.off = true
	e.forget()
	e.show()
}

// Power gives it back.
func (e *EPP) Power() {
	e.Lock()
	defer e.Unlock()
	e.off = false
	e.show()
}

// OnlineTimeOver lets the HSM's online time pass: it asks for personalisation.
func (e *EPP) OnlineTimeOver() error {
	e.Lock()
	defer e.Unlock()
	if e.hsmState() < 3 {
		return chassis.ErrNothing
	}
	e.Say(&german.OPTRequiredEvent{})
	return nil
}

// Acts lists what can be done to the device now.
func (e *EPP) Acts() []panel.Act {
	e.Lock()
	defer e.Unlock()
	names := []string{}
	for _, b := range e.buttons() {
		names = append(names, b.Key)
	}
	key := []panel.Arg{{Name: "key", Label: "Key", Default: strings.Join(names[:min(1, len(names))], ""), Choices: names}}
	return []panel.Act{
		{Name: "press", Label: "Press a key", Kind: panel.Hand, Args: key, Do: func(v panel.Values) error { return e.Press(v["key"]) }},
		{Name: "online-time", Label: "Let the DK online time pass", Kind: panel.Hand, Do: func(panel.Values) error { return e.OnlineTimeOver() }},
		{Name: "expire", Label: "Let the time for the entry run out", Kind: panel.Fault, Do: func(panel.Values) error { return e.Expire() }},
		{Name: "stick", Label: "Make a key stick", Kind: panel.Fault, Args: key, Do: func(v panel.Values) error { return e.Stick(v["key"]) }},
		{Name: "tamper", Label: "Open the case", Kind: panel.Fault, Do: func(panel.Values) error { return e.Tamper() }},
		{Name: "cut-power", Label: "Cut the power", Kind: panel.Fault, Do: func(panel.Values) error { e.CutPower(); return nil }},
		{Name: "free", Label: "Free stuck keys", Kind: panel.Repair, Do: func(panel.Values) error { e.Free(); return nil }},
		{Name: "mend", Label: "Send it to the manufacturer", Kind: panel.Repair, Do: func(panel.Values) error { return e.Mend() }},
		{Name: "power", Label: "Give power back", Kind: panel.Repair, Do: func(panel.Values) error { e.Power(); return nil }},
	}
}
