package epp_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/driver/sim/epp"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/keyboard"
)

type (
	dataKeys   = map[string]*keyboard.DataEntryCommandActiveKeysValue
	pinKeys    = map[string]*keyboard.PinEntryCommandActiveKeysValue
	secureKeys = map[string]*keyboard.SecureKeyEntryCommandActiveKeysValue
)

var numbers = []string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}

// ends are the keys that end the entries of these tests.
var ends = map[string]bool{"enter": true, "cancel": true}

func dataActive(more ...string) dataKeys {
	out := dataKeys{}
	for _, name := range append(append([]string{}, numbers...), more...) {
		out[name] = &keyboard.DataEntryCommandActiveKeysValue{Terminate: new(ends[name])}
	}
	return out
}

func pinActive(more ...string) pinKeys {
	out := pinKeys{}
	for _, name := range append(append([]string{}, numbers...), more...) {
		out[name] = &keyboard.PinEntryCommandActiveKeysValue{Terminate: new(ends[name])}
	}
	return out
}

func secureActive(more ...string) secureKeys {
	out := secureKeys{}
	for _, name := range append(append([]string{"a", "b", "c", "d", "e", "f"}, numbers...), more...) {
		out[name] = &keyboard.SecureKeyEntryCommandActiveKeysValue{Terminate: new(ends[name])}
	}
	return out
}

// press presses keys one after the other.
func press(t testing.TB, e *epp.EPP, keys ...string) {
	t.Helper()
	for _, k := range keys {
		if err := e.Press(k); err != nil {
			t.Fatalf("press %s: %v", k, err)
		}
	}
}

// digits are the keys of a number.
func digits(number string) []string {
	var out []string
	for _, c := range number {
		out = append(out, numbers[c-'0'])
	}
	return out
}

// start begins an entry and waits until keys may be pressed.
func start[Req, Resp any](t testing.TB, c *simtest.Client, cmd xfs4iot.Command[Req, Resp], req *Req) *simtest.Call[Resp] {
	t.Helper()
	call := simtest.Start(c, cmd, req)
	call.Await(t, &keyboard.EnterDataEvent{})
	return call
}

func TestDataEntryReturnsTheKeys(t *testing.T) {
	e, c := serve(t, epp.Options{})
	call := start(t, c, keyboard.DataEntry, &keyboard.DataEntryCommand{ActiveKeys: dataActive("enter", "backspace", "decPoint", "fdk02")})
	press(t, e, "one", "two", "three", "backspace", "decPoint", "fdk02")
	if text := state(e).Entry.Text; text != "12[decPoint][fdk02]" {
		t.Errorf("the page shows %q", text)
	}
	if err := e.Press("clear"); !errors.Is(err, epp.ErrInactive) {
		t.Errorf("an inactive key: %v", err)
	}
	press(t, e, "enter")
	got, err := call.End()
	if err != nil {
		t.Fatal(err)
	}
	want := []keyboard.KeyPressed{{Completion: "continue", Digit: "one"}, {Completion: "continue", Digit: "two"}, {Completion: "continue", Digit: "decPoint"},
		{Completion: "contFdk", Digit: "fdk02"}, {Completion: "enter", Digit: "enter"}}
	if diff := cmp.Diff(want, got.PinKeys); diff != "" || *got.Keys != 5 || got.Completion != keyboard.EntryCompletionEnter {
		t.Errorf("%+v\n%s", got, diff)
	}
	var events []string
	for len(call.Events) > 0 {
		var k keyboard.KeyEvent
		if err := (<-call.Events).Into(&k); err != nil {
			t.Fatal(err)
		}
		events = append(events, string(k.Completion)+" "+k.Digit)
	}
	if diff := cmp.Diff([]string{"continue one", "continue two", "continue three", "backspace backspace", "continue decPoint", "contFdk fdk02", "enter enter"}, events); diff != "" {
		t.Error(diff)
	}
}

func TestAnEntryEndsByItselfWhenAsked(t *testing.T) {
	e, c := serve(t, epp.Options{})
	call := start(t, c, keyboard.DataEntry, &keyboard.DataEntryCommand{MaxLen: new(3), AutoEnd: new(true), ActiveKeys: dataActive()})
	press(t, e, digits("042")...)
	if got, err := call.End(); err != nil || got.Completion != keyboard.EntryCompletionAuto || *got.Keys != 3 {
		t.Errorf("data: %+v, %v", got, err)
	}
	pin := start(t, c, keyboard.PinEntry, &keyboard.PinEntryCommand{MinLen: new(4), MaxLen: new(4), AutoEnd: new(true), ActiveKeys: pinActive()})
	press(t, e, digits("1234")...)
	if got, err := pin.End(); err != nil || got.Completion != keyboard.EntryCompletionAuto || *got.Digits != 4 {
		t.Errorf("PIN: %+v, %v", got, err)
	}
}

func TestNobodySeesThePIN(t *testing.T) {
	e, c := serve(t, epp.Options{})
	call := start(t, c, keyboard.PinEntry, &keyboard.PinEntryCommand{MinLen: new(4), MaxLen: new(6), ActiveKeys: pinActive("enter", "clear", "backspace")})
	press(t, e, digits("98")...)
	press(t, e, "clear")
	press(t, e, digits("567")...)
	if err := e.Press("enter"); !errors.Is(err, epp.ErrInactive) {
		t.Errorf("Enter before the minimum: %v", err)
	}
	press(t, e, digits("8")...)
	if text := state(e).Entry.Text; text != "****" {
		t.Errorf("the page shows %q", text)
	}
	if page := stateText(t, e); strings.Contains(page, "5678") {
		t.Errorf("the state has the PIN: %s", page)
	}
	press(t, e, "enter")
	got, err := call.End()
	if err != nil || *got.Digits != 4 || got.Completion != keyboard.EntryCompletionEnter {
		t.Fatalf("%+v, %v", got, err)
	}
	for len(call.Events) > 0 {
		m := <-call.Events
		for _, name := range numbers {
			if strings.Contains(string(m.Payload), name) {
				t.Errorf("an event tells a digit: %s", m.Payload)
			}
		}
	}
	if !state(e).PIN {
		t.Error("the PIN is not held")
	}
}

// unsupported are keys that this keypad lacks.
var unsupported = []string{"tripleZero", "fdk09", "oemBlue"}

// Requirement: XFS-13
func TestDataEntryAnswersKeyNotSupported(t *testing.T) {
	_, c := serve(t, epp.Options{})
	for want, names := range map[string][]string{"keyNotSupported": unsupported, "keyInvalid": {"a", "shift"}} {
		for _, name := range names {
			if got := code(simtest.Do(c, keyboard.DataEntry, &keyboard.DataEntryCommand{ActiveKeys: dataActive(name)})); got != want {
				t.Errorf("%q: %s, want %s", name, got, want)
			}
		}
	}
	if got := code(simtest.Do(c, keyboard.DataEntry, &keyboard.DataEntryCommand{})); got != "noActivekeys" {
		t.Errorf("no keys: %s", got)
	}
}

// Requirement: XFS-13
func TestPinEntryAnswersKeyNotSupported(t *testing.T) {
	_, c := serve(t, epp.Options{})
	for want, names := range map[string][]string{"keyNotSupported": unsupported, "keyInvalid": {"decPoint", "doubleZero"}} {
		for _, name := range names {
			if got := code(simtest.Do(c, keyboard.PinEntry, &keyboard.PinEntryCommand{MinLen: new(0), ActiveKeys: pinActive("enter", name)})); got != want {
				t.Errorf("%q: %s, want %s", name, got, want)
			}
		}
	}
}

// Requirement: XFS-13
func TestSecureKeyEntryAnswersKeyNotSupported(t *testing.T) {
	_, c := serve(t, epp.Options{})
	length := keyboard.SecureKeyEntryCommandKeyLen32
	for want, names := range map[string][]string{"keyNotSupported": unsupported, "keyInvalid": {"decPoint", "doubleZero"}} {
		for _, name := range names {
			if got := code(simtest.Do(c, keyboard.SecureKeyEntry, &keyboard.SecureKeyEntryCommand{KeyLen: &length, VerificationType: "zero", ActiveKeys: secureActive("shift", "enter", name)})); got != want {
				t.Errorf("%q: %s, want %s", name, got, want)
			}
		}
	}
}

func TestEntriesThatCannotEndAreRefused(t *testing.T) {
	_, c := serve(t, epp.Options{})
	length, few := keyboard.SecureKeyEntryCommandKeyLen32, secureActive("enter")
	delete(few, "f")
	for name, got := range map[string]string{
		"noTerminatekeys":  code(simtest.Do(c, keyboard.PinEntry, &keyboard.PinEntryCommand{MinLen: new(0), MaxLen: new(4), ActiveKeys: pinActive()})),
		"noTerminatekeys ": code(simtest.Do(c, keyboard.PinEntry, &keyboard.PinEntryCommand{MinLen: new(0), AutoEnd: new(true), ActiveKeys: pinActive()})),
		"minimumLength":    code(simtest.Do(c, keyboard.PinEntry, &keyboard.PinEntryCommand{MinLen: new(6), MaxLen: new(4), ActiveKeys: pinActive("enter")})),
		"missingKeys":      code(simtest.Do(c, keyboard.SecureKeyEntry, &keyboard.SecureKeyEntryCommand{KeyLen: &length, VerificationType: "zero", ActiveKeys: few})),
		"invalidKeyLength": code(simtest.Do(c, keyboard.SecureKeyEntry, &keyboard.SecureKeyEntryCommand{KeyLen: &length, VerificationType: "zero", CryptoMethod: "des", ActiveKeys: secureActive("enter")})),
	} {
		if strings.TrimSpace(name) != got {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// The reference takes 16 digits for 48 and 64 for 48.
func TestSecureKeyEntryTakesEachLength(t *testing.T) {
	e, c := serve(t, epp.Options{})
	for length, kcv := range map[keyboard.SecureKeyEntryCommandKeyLen]string{16: "d5d44f", 32: "08d7b4", 48: "", 64: ""} {
		call := start(t, c, keyboard.SecureKeyEntry, &keyboard.SecureKeyEntryCommand{KeyLen: &length, VerificationType: "zero", AutoEnd: new(true), ActiveKeys: secureActive("shift")})
		text := strings.Repeat("0123456789abcdeffedcba9876543210", 2)[:length]
		for _, d := range text {
			if d >= 'a' {
				press(t, e, "shift", numbers[d-'a'+1])
			} else {
				press(t, e, numbers[d-'0'])
			}
		}
		got, err := call.End()
		if err != nil || *got.Digits != int(length) || got.Completion != keyboard.EntryCompletionAuto || len(got.Kcv) < 3 {
			t.Errorf("%d digits: %+v, %v", length, got, err)
			continue
		}
		if kcv != "" && string(got.Kcv) != string(unhex(t, kcv)) {
			t.Errorf("%d digits: check value %x, want %s", length, got.Kcv, kcv)
		}
	}
}

func TestAnEntryIsForgottenWhenItDoesNotEndByAKey(t *testing.T) {
	e, c := serve(t, epp.Options{})
	pin := &keyboard.PinEntryCommand{MinLen: new(0), ActiveKeys: pinActive("enter")}
	for want, stop := range map[string]func(*simtest.Call[keyboard.PinEntryCompletion]){
		"canceled":       func(call *simtest.Call[keyboard.PinEntryCompletion]) { call.Cancel() },
		"entryTimeout":   func(*simtest.Call[keyboard.PinEntryCompletion]) { _ = e.Expire() },
		"deviceNotReady": func(*simtest.Call[keyboard.PinEntryCompletion]) { e.CutPower() },
	} {
		call := start(t, c, keyboard.PinEntry, pin)
		press(t, e, digits("1234")...)
		stop(call)
		if _, err := call.End(); simtest.Code(err) != want {
			t.Errorf("ended with %v, want %s", err, want)
		}
		e.Power()
		if s := state(e); s.PIN || s.Entry != nil {
			t.Errorf("%s: state %+v", want, s)
		}
	}
	_, _, err := simtest.Do(c, keyboard.PinEntry, pin, client.Timeout(50*time.Millisecond))
	if simtest.Code(err) != "timeOut" {
		t.Errorf("its time over: %v", err)
	}
}

func TestAStuckKeyIsAHardwareError(t *testing.T) {
	e, c := serve(t, epp.Options{})
	if err := e.Stick("five"); err != nil {
		t.Fatal(err)
	}
	if got := code(simtest.Do(c, keyboard.DataEntry, &keyboard.DataEntryCommand{ActiveKeys: dataActive("enter")})); got != "hardwareError" {
		t.Errorf("ended with %s", got)
	}
	if status, _ := simtest.Must(c, common.Status, nil); status.Common.Device != common.DeviceHardwareError {
		t.Errorf("device %s", status.Common.Device)
	}
	if err := e.Stick("tripleZero"); !errors.Is(err, epp.ErrNoKey) {
		t.Errorf("a key that is not there sticks: %v", err)
	}
}

func TestBeepsAreSet(t *testing.T) {
	_, c := serve(t, epp.Options{})
	simtest.Must(c, keyboard.KeypressBeep, &keyboard.KeypressBeepCommand{Mode: &keyboard.KeypressBeepCommandMode{Active: new(false), Inactive: new(true)}})
	status, _ := simtest.Must(c, common.Status, nil)
	if m := status.Keyboard.AutoBeepMode; *m.ActiveAvailable || !*m.InactiveAvailable {
		t.Errorf("%+v", m)
	}
}

// frame is a touch frame with one key.
func frame(x, y, width, height int, keys ...keyboard.Key) keyboard.LayoutFrame {
	return keyboard.LayoutFrame{XPos: &x, YPos: &y, XSize: &width, YSize: &height, Keys: keys}
}

func touchKey(name string, x, y, size int) keyboard.Key {
	return keyboard.Key{XPos: &x, YPos: &y, XSize: &size, YSize: &size, Key: name}
}

func TestLayoutsAreChecked(t *testing.T) {
	_, c := serve(t, epp.Options{Touch: true})
	one, two := touchKey("one", 0, 0, 50), touchKey("two", 60, 0, 50)
	many := []keyboard.LayoutFrame{}
	for i := range 5 {
		many = append(many, frame(100*i, 0, 50, 50, touchKey(numbers[i], 0, 0, 10)))
	}
	for want, frames := range map[string][]keyboard.LayoutFrame{
		"success":           {frame(0, 0, 200, 100, one, two)},
		"frameCoordinate":   {frame(700, 0, 200, 100, one)},
		"keyCoordinate":     {frame(0, 0, 40, 100, one)},
		"frameOverlap":      {frame(0, 0, 200, 100, one), frame(100, 50, 100, 100, two)},
		"keyOverlap":        {frame(0, 0, 200, 100, one, touchKey("two", 40, 0, 50))},
		"tooManyFrames":     many,
		"keyAlreadyDefined": {frame(0, 0, 200, 100, one), frame(300, 0, 200, 100, one)},
	} {
		if got := code(simtest.Do(c, keyboard.DefineLayout, &keyboard.DefineLayoutCommand{Layout: &keyboard.Layout{Pin: frames}})); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	layout, _ := simtest.Must(c, keyboard.GetLayout, &keyboard.GetLayoutCommand{EntryMode: "pin"})
	if len(layout.Layout.Pin) != 1 || len(layout.Layout.Pin[0].Keys) != 2 || layout.Layout.Data != nil {
		t.Errorf("%+v", layout.Layout)
	}
}

func TestAFloatingLayoutIsAnnounced(t *testing.T) {
	e, c := serve(t, epp.Options{Touch: true})
	f := frame(0, 0, 200, 100, touchKey("one", 0, 0, 50), touchKey("enter", 60, 0, 50))
	f.Float = &keyboard.LayoutFrameFloat{X: new(true), Y: new(true)}
	simtest.Must(c, keyboard.DefineLayout, &keyboard.DefineLayoutCommand{Layout: &keyboard.Layout{Data: []keyboard.LayoutFrame{f}}})
	end := &keyboard.DataEntryCommandActiveKeysValue{Terminate: new(true)}
	call := simtest.Start(c, keyboard.DataEntry, &keyboard.DataEntryCommand{ActiveKeys: dataKeys{"one": end}})
	var layout keyboard.LayoutEvent
	call.Await(t, &layout)
	call.Await(t, &keyboard.EnterDataEvent{})
	if len(layout.Data) != 1 || *layout.Data[0].XPos > 600 || *layout.Data[0].YPos > 500 {
		t.Errorf("%+v", layout.Data)
	}
	press(t, e, "one")
	if got, err := call.End(); err != nil || got.Completion != keyboard.EntryCompletionFk {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAPhysicalKeypadHasItsLayout(t *testing.T) {
	_, c := serve(t, epp.Options{})
	got := code(simtest.Do(c, keyboard.DefineLayout, &keyboard.DefineLayoutCommand{Layout: &keyboard.Layout{Pin: []keyboard.LayoutFrame{frame(0, 0, 1, 1)}}}))
	if got != "unsupportedData" {
		t.Errorf("DefineLayout ended with %s", got)
	}
	layout, _ := simtest.Must(c, keyboard.GetLayout, nil)
	if len(layout.Layout.Data) != 3 || len(layout.Layout.Secure[0].Keys) != 16 {
		t.Errorf("%d frames, %d keys", len(layout.Layout.Data), len(layout.Layout.Secure[0].Keys))
	}
}
