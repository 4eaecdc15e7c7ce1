package epp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/keyboard"
)

// mode is what an entry is for.
type mode string

const (
	dataMode   mode = "data"
	pinMode    mode = "pin"
	secureMode mode = "secure"
)

// entry is what a client waits for at the keypad.
type entry struct {
	mode      mode
	active    map[string]bool // the keys that do something; true: they end the entry
	min, max  int             // digits; max 0: as many as the device takes
	autoEnd   bool
	keys      []keyboard.KeyPressed // of a data entry
	digits    []byte                // of the others: ASCII, lower case
	shift     bool
	completed keyboard.EntryCompletion // "" while it goes on
	expired   bool
	send      func(keyboard.KeyEvent)
}

// maxPIN is how many digits the device takes for a PIN.
const maxPIN = 16

// Errors of pressing keys.
var (
	ErrNoEntry  = errors.New("no client waits for keys")
	ErrNoKey    = errors.New("the keypad has no such key")
	ErrInactive = errors.New("the key does nothing now")
	ErrStuck    = errors.New("the key is stuck")
	ErrPower    = errors.New("the PIN pad has no power")
)

// Press presses a key, by its XFS4IoT name: "one", "enter", "shift", "fdk01".
func (e *EPP) Press(name string) error {
	e.Lock()
	defer e.Unlock()
	switch {
	case e.off:
		return ErrPower
	case e.stuck[name]:
		return fmt.Errorf("%q: %w", name, ErrStuck)
	case e.entry == nil || e.entry.completed != "" || e.entry.expired:
		return ErrNoEntry
	}
	defer e.show()
	return e.press(e.entry, name)
}

func (e *EPP) press(n *entry, name string) error {
	meaning, ok := e.meaning(n, name)
	if !ok {
		return fmt.Errorf("%q: %w", name, ErrNoKey)
	}
	if name == "shift" && n.mode == secureMode {
		n.shift = !n.shift
		n.send(keyboard.KeyEvent{Completion: keyboard.EntryCompletionContinue, Digit: "shift"})
		return nil
	}
	n.shift = false
	terminates, active := n.active[meaning]
	switch {
	case !active:
		return fmt.Errorf("%q: %w", meaning, ErrInactive)
	case digit(meaning) != 0:
		return n.digit(meaning, terminates)
	}
	return n.function(meaning, terminates)
}

// meaning is the key after Shift, as the layout of the mode has it.
func (e *EPP) meaning(n *entry, name string) (string, bool) {
	for _, f := range e.frames(n.mode) {
		for _, k := range f.Keys {
			if k.Key == name && n.shift && k.ShiftKey != "" {
				return k.ShiftKey, true
			}
			if k.Key == name {
				return name, true
			}
		}
	}
	return "", false
}

// digit is the character of a digit's key, 0 for others.
func digit(name string) byte {
	if i := slices.Index(digitKeys[:], name); i >= 0 {
		return '0' + byte(i)
	}
	if len(name) == 1 && name[0] >= 'a' && name[0] <= 'f' {
		return name[0]
	}
	return 0
}

// room says whether another digit is taken.
func (n *entry) room() bool {
	limit := n.max
	if n.mode == pinMode && limit == 0 {
		limit = maxPIN
	}
	return limit == 0 || n.count() < limit
}

func (n *entry) count() int {
	if n.mode == dataMode {
		return len(n.keys)
	}
	return len(n.digits)
}

// digit takes a digit. Of a PIN or a key the event does not say which.
func (n *entry) digit(name string, terminates bool) error {
	if !n.room() {
		return fmt.Errorf("%d digits are in: %w", n.count(), ErrInactive)
	}
	e := keyboard.KeyEvent{Completion: keyboard.EntryCompletionContinue}
	if n.mode == dataMode {
		e.Digit = name
	} else {
		n.digits = append(n.digits, digit(name))
	}
	switch full := n.max > 0 && n.count()+added(n.mode) == n.max; {
	case terminates:
		e.Completion = keyboard.EntryCompletionFk
	case full && n.autoEnd:
		e.Completion = keyboard.EntryCompletionAuto
	}
	n.took(name, e)
	return nil
}

// added is the key that took will count yet.
func added(m mode) int {
	if m == dataMode {
		return 1
	}
	return 0
}

// took records a key of a data entry, sends its event and ends the entry where the
// key does.
func (n *entry) took(name string, e keyboard.KeyEvent) {
	if n.mode == dataMode {
		n.keys = append(n.keys, keyboard.KeyPressed{Completion: e.Completion, Digit: name})
	}
	n.send(e)
	switch e.Completion {
	case keyboard.EntryCompletionContinue, keyboard.EntryCompletionContFdk:
	default:
		n.completed = e.Completion
	}
}

// completions of keys that end an entry.
var completions = map[string]keyboard.EntryCompletion{
	"enter": keyboard.EntryCompletionEnter, "cancel": keyboard.EntryCompletionCancel, "clear": keyboard.EntryCompletionClear,
	"backspace": keyboard.EntryCompletionBackspace, "help": keyboard.EntryCompletionHelp,
}

func completionOf(name string) keyboard.EntryCompletion {
	if c, ok := completions[name]; ok {
		return c
	}
	if strings.HasPrefix(name, "fdk") {
		return keyboard.EntryCompletionFdk
	}
	return keyboard.EntryCompletionFk
}

// function does a key that is no digit.
func (n *entry) function(name string, terminates bool) error {
	switch {
	case name == "enter" && n.mode == pinMode && len(n.digits) < n.min:
		return fmt.Errorf("the PIN is too short: %w", ErrInactive)
	case terminates:
		n.took(name, keyboard.KeyEvent{Completion: completionOf(name), Digit: name})
		return nil
	case name == "clear" || name == "backspace":
		n.erase(name)
		n.send(keyboard.KeyEvent{Completion: completions[name], Digit: name})
		return nil
	case n.mode == dataMode && !n.room():
		return fmt.Errorf("%d keys are in: %w", n.count(), ErrInactive)
	}
	return n.other(name)
}

// other takes a key that only a data entry returns: a point, a double zero, a
// function display key.
func (n *entry) other(name string) error {
	e := keyboard.KeyEvent{Completion: keyboard.EntryCompletionContinue, Digit: name}
	if strings.HasPrefix(name, "fdk") {
		e.Completion = keyboard.EntryCompletionContFdk
	}
	if n.mode == dataMode && n.autoEnd && n.max > 0 && n.count()+1 == n.max {
		e.Completion = keyboard.EntryCompletionAuto
	}
	n.took(name, e)
	return nil
}

// erase takes back the last key, or all.
func (n *entry) erase(how string) {
	keep := 0
	if how == "backspace" {
		keep = max(0, n.count()-1)
	}
	if n.mode == dataMode {
		n.keys = n.keys[:keep]
		return
	}
	clear(n.digits[keep:])
	n.digits = n.digits[:keep]
}

// forget overwrites what was entered.
func (n *entry) forget() {
	clear(n.digits)
	n.digits = nil
}

// checkActive checks the keys a client wants; terminate says which end the entry.
func (e *EPP) checkActive(m mode, active map[string]bool, none string) error {
	if len(active) == 0 || len(e.frames(m)) == 0 {
		return refuse(none, "no keys are active")
	}
	for name := range active {
		switch {
		case e.has(m, name):
		case e.has(dataMode, name) || e.has(pinMode, name) || e.has(secureMode, name):
			return refuse("keyInvalid", fmt.Sprintf("the key %q is not for this entry", name))
		default:
			return refuse("keyNotSupported", fmt.Sprintf("the keypad has no key %.32q", name))
		}
	}
	return nil
}

// terminates says whether any key ends the entry.
func terminates(active map[string]bool) bool {
	for _, end := range active {
		if end {
			return true
		}
	}
	return false
}

// wait lets somebody enter. What was entered before is forgotten first; when the
// entry does not end by a key, what was entered now is.
func (e *EPP) wait(ctx context.Context, cmd *host.Command, n *entry) error {
	if len(e.stuck) > 0 {
		return chassis.Broken("a key is stuck")
	}
	e.forgetEntries()
	n.digits = make([]byte, 0, 64)                           // never moved, so that forget overwrites all there is
	n.send = func(k keyboard.KeyEvent) { _ = cmd.Event(&k) } // only a client that is gone misses it
	if err := e.announce(cmd, n.mode); err != nil {
		return err
	}
	e.entry = n
	e.show()
	err := e.Await(ctx, func() bool { return n.completed != "" || n.expired || e.off || e.tampered })
	e.entry = nil
	defer e.show()
	switch {
	case err != nil:
	case n.expired:
		err = refuse("entryTimeout", "the time for entries is over")
	case e.off:
		err = errNoPower
	case e.tampered:
		err = chassis.Broken("the PIN pad was opened")
	}
	if err != nil {
		n.forget()
	}
	return err
}

// announce sends the layout where it moved, and that keys may be pressed.
func (e *EPP) announce(cmd *host.Command, m mode) error {
	if frames, moved := e.float(m); moved {
		event := keyboard.LayoutEvent{}
		*map[mode]*[]keyboard.LayoutFrame{dataMode: &event.Data, pinMode: &event.Pin, secureMode: &event.Secure}[m] = frames
		if err := cmd.Event(&event); err != nil {
			return err
		}
	}
	return cmd.Event(&keyboard.EnterDataEvent{})
}

// forgetEntries clears PIN and key part.
func (e *EPP) forgetEntries() {
	clear(e.pin)
	e.pin = nil
	e.part.forget()
	e.part = nil
}
