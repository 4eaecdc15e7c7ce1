package terminal_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/driver/sim/terminal"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

func serve(t *testing.T) (*terminal.Terminal, *simtest.Client) {
	t.Helper()
	d, err := terminal.New("Operator", terminal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d, simtest.Serve(t, d.Service())
}

func state(d *terminal.Terminal) terminal.State { return d.State().(terminal.State) }

func TestEveryCommandIsServed(t *testing.T) {
	_, c := serve(t)
	commands := textterminal.Description
	commands.Events = slices.DeleteFunc(slices.Clone(commands.Events), func(e xfs4iot.EventInfo) bool { return !e.Unsolicited })
	simtest.ServesAll(t, c, commands)
}

func TestTheTerminalKeepsTheSessionRules(t *testing.T) {
	_, c := serve(t)
	simtest.Conforms(t, c, textterminal.Read.Info(),
		`{"numOfChars":4,"mode":"absolute","posX":0,"posY":0,"echoMode":"text","visible":true,"flush":false,"autoEnd":true,"activeKeys":["one"]}`)
}

func TestTextIsWrittenWithItsAttributes(t *testing.T) {
	d, c := serve(t)
	simtest.Must(c, textterminal.Write, &textterminal.WriteCommand{Mode: "absolute", PosX: new(30), PosY: new(0), Text: "abcd",
		TextAttr: &textterminal.WriteCommandTextAttr{Inverted: new(true), Underline: new(true)}})
	simtest.Must(c, textterminal.Write, &textterminal.WriteCommand{Mode: "relative", PosX: new(1), PosY: new(1), Text: "é 日"})
	if s := state(d); !slices.Equal(s.Lines[:3], []string{"                              ab", "cd", "   é 日"}) || s.Looks[0][30] != '3' {
		t.Errorf("%q, %q", s.Lines, s.Looks[0])
	}
	simtest.Must(c, textterminal.ClearScreen, &textterminal.ClearScreenCommand{Screen: &textterminal.ClearScreenCommandScreen{PositionX: new(31), PositionY: new(0), Width: new(9), Height: new(1)}})
	if s := state(d); s.Lines[0] != "                              a" {
		t.Errorf("%q", s.Lines[0])
	}
	if _, _, err := simtest.Do(c, textterminal.Write, &textterminal.WriteCommand{Mode: "absolute", PosX: new(0), PosY: new(0), Text: "\x1b"}); simtest.Code(err) != "characterSetsData" {
		t.Errorf("escape = %v", err)
	}
	simtest.Must(c, textterminal.SetResolution, &textterminal.SetResolutionCommand{Resolution: &textterminal.Resolution{SizeX: new(40), SizeY: new(8)}})
	status, _ := simtest.Must(c, common.Status, nil)
	if *status.TextTerminal.DisplaySizeX != 40 || len(d.Lines()) != 8 {
		t.Errorf("status %+v", status.TextTerminal)
	}
	if _, _, err := simtest.Do(c, textterminal.SetResolution, &textterminal.SetResolutionCommand{Resolution: &textterminal.Resolution{SizeX: new(1), SizeY: new(1)}}); simtest.Code(err) != "resolutionNotSupported" {
		t.Errorf("one character = %v", err)
	}
	simtest.Must(c, textterminal.Beep, &textterminal.BeepCommand{Beep: &textterminal.BeepCommandBeep{BeepType: "warning", Continuous: new(true)}})
	if s := state(d); s.Beep != "warning, going on" || s.Beeps != 1 {
		t.Errorf("beep %q", s.Beep)
	}
	simtest.Must(c, textterminal.Reset, &textterminal.ResetCommand{})
}

var enter = map[string]*textterminal.Key{"enter": {Terminate: new(true)}, "backspace": {}}

func TestKeysAreReadWithTheirEcho(t *testing.T) {
	d, c := serve(t)
	call := simtest.Start(c, textterminal.Read, &textterminal.ReadCommand{NumOfChars: new(0), Flush: new(false), Mode: "absolute", PosX: new(2), PosY: new(1), EchoMode: "password",
		ActiveKeys: []string{"one", "two", "three", "a"}, ActiveCommandKeys: enter})
	for _, key := range []string{"one", "nine", "two", "backspace", "a", "enter"} { // nine is not active
		if err := d.Press(key); err != nil {
			t.Fatal(err)
		}
	}
	got, err := call.End()
	if err != nil || got.Input != "1a" {
		t.Errorf("read %+v, %v", got, err)
	}
	var keys []string
	for len(call.Events) > 0 {
		var e textterminal.KeyEvent
		if err := (<-call.Events).Into(&e); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, e.Key+e.CommandKey)
	}
	if diff := cmp.Diff([]string{"one", "two", "backspace", "a", "enter"}, keys); diff != "" {
		t.Error(diff)
	}
	if s := state(d); s.Lines[1] != "  **" || s.Reading || s.Cursor {
		t.Errorf("state %+v", s)
	}
}

func TestReadingEndsWithTheLastCharacter(t *testing.T) {
	d, c := serve(t)
	if err := d.Type("99"); err != nil { // before anybody reads
		t.Fatal(err)
	}
	read := &textterminal.ReadCommand{Mode: "absolute", PosX: new(0), PosY: new(0), NumOfChars: new(3), EchoMode: "text", Flush: new(true), ActiveKeys: []string{"one", "nine"}}
	call := simtest.Start(c, textterminal.Read, read)
	for changed := d.Changed(); !state(d).Reading; changed = d.Changed() {
		<-changed
	}
	if err := d.Type("1911"); err != nil {
		t.Fatal(err)
	}
	if got, err := call.End(); err != nil || got.Input != "191" {
		t.Errorf("read %+v, %v", got, err)
	}
	if s := state(d); s.Waiting != 1 || s.Lines[0] != "191" {
		t.Errorf("%d keys wait, %q", s.Waiting, s.Lines[0])
	}
}

func TestWrongKeysAreRefused(t *testing.T) {
	d, c := serve(t)
	for code, req := range map[string]*textterminal.ReadCommand{
		"keyInvalid":      {ActiveKeys: []string{"\n"}},
		"keyNotSupported": {ActiveKeys: []string{"ß"}},
		"noActiveKeys":    {ActiveKeys: []string{}},
	} {
		req.Mode, req.PosX, req.PosY, req.NumOfChars, req.Flush = "absolute", new(0), new(0), new(0), new(false)
		if _, _, err := simtest.Do(c, textterminal.Read, req); simtest.Code(err) != code {
			t.Errorf("Read: want %s, ended with %v", code, err)
		}
		define := &textterminal.DefineKeysCommand{ActiveKeys: req.ActiveKeys}
		if _, _, err := simtest.Do(c, textterminal.DefineKeys, define); simtest.Code(err) != code {
			t.Errorf("DefineKeys: want %s, ended with %v", code, err)
		}
	}
	if _, _, err := simtest.Do(c, textterminal.DefineKeys, &textterminal.DefineKeysCommand{ActiveKeys: []string{}, ActiveCommandKeys: map[string]*textterminal.Key{"tripleZero": {}}}); simtest.Code(err) != "keyNotSupported" {
		t.Errorf("tripleZero = %v", err)
	}
	detail, _ := simtest.Must(c, textterminal.GetKeyDetail, &textterminal.GetKeyDetailCommand{})
	if len(detail.Keys) != 72 || detail.CommandKeys["fdk08"] == nil {
		t.Errorf("%d keys", len(detail.Keys))
	}
	d.SetLock(true)
	if err := d.Press("one"); err == nil {
		t.Error("a key was pressed under the lock")
	}
	var changed common.StatusChangedEvent
	c.Heard(&changed)
	d.Unplug()
	if _, _, err := simtest.Do(c, textterminal.Read, &textterminal.ReadCommand{Mode: "absolute", PosX: new(0), PosY: new(0), NumOfChars: new(0), Flush: new(false), ActiveKeys: []string{"one"}}); simtest.Code(err) != "deviceNotReady" {
		t.Errorf("unplugged = %v", err)
	}
}

const loginForm = `XFSFORM "LOGIN" BEGIN SIZE 30,5
XFSFIELD "TITLE" BEGIN POSITION 0,0 SIZE 30,1 CLASS STATIC INITIALVALUE "Sign in" HORIZONTAL CENTER STYLE INVERTED END
XFSFIELD "NAME" BEGIN POSITION 6,2 SIZE 10,1 ACCESS READWRITE INITIALVALUE "eva" END
XFSFIELD "PIN" BEGIN POSITION 6,3 SIZE 4,1 ACCESS READ TYPE PASSWORD KEYS NUMERIC CLASS REQUIRED END
XFSFIELD "HINT" BEGIN POSITION 0,4 SIZE 10,1 OVERFLOW TRUNCATE HORIZONTAL RIGHT END
END`

func TestAFormIsShownAndFilledIn(t *testing.T) {
	d, c := serve(t)
	_, events := simtest.Must(c, textterminal.LoadForm, &textterminal.LoadFormCommand{Definition: loginForm})
	if !slices.Equal(events.Names(), []string{"TextTerminal.FormLoadedEvent"}) {
		t.Errorf("events %q", events.Names())
	}
	_, events = simtest.Must(c, textterminal.WriteForm, &textterminal.WriteFormCommand{FormName: "LOGIN", ClearScreen: new(true), Fields: map[string]string{"HINT": "a very long hint"}})
	if !slices.Equal(events.Names(), []string{"TextTerminal.FieldWarningEvent"}) {
		t.Errorf("events %q", events.Names())
	}
	if diff := cmp.Diff([]string{"           Sign in", "", "      eva", "", "a very lon"}, d.Lines()[:5]); diff != "" {
		t.Error(diff)
	}
	call := simtest.Start(c, textterminal.ReadForm, &textterminal.ReadFormCommand{FormName: "LOGIN", Fields: []string{"PIN", "NAME"}})
	for _, key := range []string{"enter", "a", "one", "two", "three", "enter", "clear", "u", "l", "enter"} { // PIN is required and takes digits
		if err := d.Press(key); err != nil {
			t.Fatal(err)
		}
	}
	got, err := call.End()
	if diff := cmp.Diff(map[string]string{"PIN": "123", "NAME": "ul"}, got.Fields); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if diff := cmp.Diff([]string{"      ul", "      ***"}, d.Lines()[2:4]); diff != "" {
		t.Error(diff)
	}
	call = simtest.Start(c, textterminal.ReadForm, &textterminal.ReadFormCommand{FormName: "LOGIN"})
	if err := d.Press("cancel"); err != nil {
		t.Fatal(err)
	}
	if _, err := call.End(); simtest.Code(err) != "keyCanceled" {
		t.Errorf("cancelled at the keyboard = %v", err)
	}
}

func TestWrongFieldsAreNamed(t *testing.T) {
	_, c := serve(t)
	simtest.Must(c, textterminal.LoadForm, &textterminal.LoadFormCommand{Definition: loginForm})
	for name, c1 := range map[string]struct {
		value string
		why   textterminal.FieldErrorEventFailure
	}{"TITLE": {"x", "staticOverwrite"}, "PIN": {"1", "notWrite"}, "NONE": {"", "notFound"}, "NAME": {"longer than ten", "overflow"}} {
		_, events, err := simtest.Do(c, textterminal.WriteForm, &textterminal.WriteFormCommand{FormName: "LOGIN", ClearScreen: new(true), Fields: map[string]string{name: c1.value}})
		var e textterminal.FieldErrorEvent
		if len(events) != 1 || events[0].Into(&e) != nil || e.Failure != c1.why || e.FieldName != name || simtest.Code(err) != "fieldError" {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	for code, definition := range map[string]string{"definitionExists": loginForm, "formInvalid": "XFSFORM"} {
		if _, _, err := simtest.Do(c, textterminal.LoadForm, &textterminal.LoadFormCommand{Definition: definition}); simtest.Code(err) != code {
			t.Errorf("want %s, ended with %v", code, err)
		}
	}
	big := &textterminal.SetFormCommandForm{Size: &textterminal.Size{Width: new(100), Height: new(2)}}
	simtest.Must(c, textterminal.SetForm, &textterminal.SetFormCommand{Name: "BIG", Form: big})
	if _, _, err := simtest.Do(c, textterminal.WriteForm, &textterminal.WriteFormCommand{FormName: "BIG", ClearScreen: new(true), Fields: map[string]string{}}); simtest.Code(err) != "mediaOverflow" {
		t.Errorf("a form that is too wide = %v", err)
	}
	list, _ := simtest.Must(c, textterminal.GetFormList, &textterminal.GetFormListCommand{})
	form, _ := simtest.Must(c, textterminal.GetQueryForm, &textterminal.GetQueryFormCommand{FormName: "LOGIN"})
	field, _ := simtest.Must(c, textterminal.GetQueryField, &textterminal.GetQueryFieldCommand{FormName: "LOGIN", FieldName: "PIN"})
	if !slices.Equal(list.FormList, []string{"BIG", "LOGIN"}) || len(form.Form.Fields) != 4 || field.Fields["PIN"].FieldType != "password" {
		t.Errorf("%v, %v, %v", list, form, field)
	}
	simtest.Must(c, textterminal.SetForm, &textterminal.SetFormCommand{Name: "BIG"})
	if _, _, err := simtest.Do(c, textterminal.SetForm, &textterminal.SetFormCommand{Name: "BIG"}); simtest.Code(err) != "formNotFound" {
		t.Errorf("removed twice = %v", err)
	}
}
