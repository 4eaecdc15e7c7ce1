package terminal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

// key is one that was pressed: a character, or a command key.
type key struct {
	char    rune
	command string
}

var digits = []string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}

// commands are the command keys of this keyboard; standard are those that others
// have.
var (
	commands = []string{"enter", "cancel", "clear", "backspace", "help", "arrowUp", "arrowDown", "arrowLeft", "arrowRight",
		"fdk01", "fdk02", "fdk03", "fdk04", "fdk05", "fdk06", "fdk07", "fdk08"}
	standard = []string{"doubleZero", "tripleZero", "decPoint", "shift"}
)

// CommandKeys lists the command keys.
func CommandKeys() []string { return slices.Clone(commands) }

// printable lists the characters of the keyboard.
const printable = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ .,-+/:@#*"

// nameOf is the name of a character's key.
func nameOf(r rune) string {
	if r >= '0' && r <= '9' {
		return digits[r-'0']
	}
	return string(r)
}

// known says what a name means, whether this keyboard has the key or not.
func known(name string) (key, bool) {
	if n := slices.Index(digits, name); n >= 0 {
		return key{char: rune('0' + n)}, true
	}
	if slices.Contains(commands, name) || slices.Contains(standard, name) || strings.HasPrefix(name, "fdk") && len(name) == 5 || strings.HasPrefix(name, "oem") {
		return key{command: name}, true
	}
	r, size := utf8.DecodeRuneInString(name)
	return key{char: r}, size == len(name) && size > 0 && r != utf8.RuneError && r >= ' ' && (r < '0' || r > '9')
}

// present says that this keyboard has a key.
func present(name string) bool {
	k, ok := known(name)
	if k.command != "" {
		return slices.Contains(commands, name)
	}
	return ok && strings.ContainsRune(printable, k.char)
}

// keyboard is which keys are active; those that end a command have true.
type keyboard struct {
	chars    map[rune]bool
	commands map[string]bool
}

func (k *keyboard) has(p key) bool {
	if k == nil {
		return true
	}
	if p.command != "" {
		_, ok := k.commands[p.command]
		return ok
	}
	return k.chars[p.char]
}

// activeKeys reads the keys of a command. The three failures have the same words in
// Read and DefineKeys.
func activeKeys(chars []string, named map[string]*textterminal.Key) (*keyboard, error) {
	out := &keyboard{chars: map[rune]bool{}, commands: map[string]bool{}}
	for _, name := range chars {
		k, ok := known(name)
		if err := usable(name, ok && k.command == ""); err != nil {
			return nil, err
		}
		out.chars[k.char] = true
	}
	for name, how := range named {
		k, ok := known(name)
		if err := usable(name, ok && k.command != ""); err != nil {
			return nil, err
		}
		out.commands[name] = how != nil && how.Terminate != nil && *how.Terminate
	}
	if len(out.chars)+len(out.commands) == 0 {
		return nil, host.Fail(textterminal.ReadErrorCodeNoActiveKeys, "no key is active")
	}
	return out, nil
}

func usable(name string, valid bool) error {
	switch {
	case !valid:
		return host.Fail(textterminal.ReadErrorCodeKeyInvalid, fmt.Sprintf("%.40q is no key there", name))
	case !present(name):
		return host.Fail(textterminal.ReadErrorCodeKeyNotSupported, "the keyboard has no key "+name)
	}
	return nil
}

func (t *Terminal) keyDetail(context.Context, *host.Command, *textterminal.GetKeyDetailCommand) (*textterminal.GetKeyDetailCompletion, error) {
	out := &textterminal.GetKeyDetailCompletion{CommandKeys: map[string]*textterminal.Key{}}
	for _, r := range printable {
		out.Keys = append(out.Keys, nameOf(r))
	}
	for _, name := range commands {
		out.CommandKeys[name] = &textterminal.Key{Terminate: new(name == "enter" || name == "cancel")}
	}
	return out, nil
}

func (t *Terminal) defineKeys(_ context.Context, _ *host.Command, req *textterminal.DefineKeysCommand) (*textterminal.DefineKeysCompletion, error) {
	t.Lock()
	defer t.Unlock()
	if err := t.ready(); err != nil {
		return nil, err
	}
	active, err := activeKeys(req.ActiveKeys, req.ActiveCommandKeys)
	if err != nil {
		return nil, err
	}
	t.active = active
	return nil, nil
}

// nextKey waits for an active key.
func (t *Terminal) nextKey(ctx context.Context, active *keyboard) (key, error) {
	for {
		if err := t.Await(ctx, func() bool { return len(t.keys) > 0 || t.ready() != nil }); err != nil {
			return key{}, err
		}
		if err := t.ready(); err != nil {
			return key{}, err
		}
		k := t.keys[0]
		t.keys = t.keys[1:]
		if active.has(k) {
			return k, nil
		}
		t.changed()
	}
}

// read reads keys with their echo until enough came or a key ends it.
func (t *Terminal) read(ctx context.Context, cmd *host.Command, req *textterminal.ReadCommand) (*textterminal.ReadCompletion, error) {
	t.Lock()
	defer t.Unlock()
	if err := t.ready(); err != nil {
		return nil, err
	}
	active, err := activeKeys(req.ActiveKeys, req.ActiveCommandKeys)
	if err != nil {
		return nil, err
	}
	x, y, err := t.place(req.Mode, req.PosX, req.PosY)
	if err != nil {
		return nil, err
	}
	if req.Flush != nil && *req.Flush {
		t.keys = nil
	}
	e := &entry{t: t, x: x, y: y, mode: string(req.EchoMode), attr: echoAttr(req.EchoAttr), most: value(req.NumOfChars)}
	autoEnd := req.AutoEnd == nil || *req.AutoEnd
	defer t.startReading(req.Visible == nil || *req.Visible)()
	e.echo()
	for {
		k, err := t.nextKey(ctx, active)
		if err != nil {
			return nil, err
		}
		_ = cmd.Event(k.event())
		if k.command != "" && active.commands[k.command] || e.take(k) && autoEnd {
			return &textterminal.ReadCompletion{Input: e.text()}, nil
		}
	}
}

// startReading turns keyboard and cursor on; the function that it returns turns
// them off.
func (t *Terminal) startReading(cursor bool) func() {
	t.reading, t.cursor = true, cursor
	return func() {
		t.reading, t.cursor = false, false
		t.changed()
	}
}

func (k key) event() *textterminal.KeyEvent {
	if k.command != "" {
		return &textterminal.KeyEvent{CommandKey: k.command}
	}
	return &textterminal.KeyEvent{Key: nameOf(k.char)}
}

func echoAttr(a *textterminal.ReadCommandEchoAttr) int {
	if a == nil {
		return 0
	}
	return attribute(a.Underline, a.Inverted, a.Flash)
}

func attribute(underlined, inverted, flashing *bool) int {
	out := 0
	for n, on := range []*bool{underlined, inverted, flashing} {
		if on != nil && *on {
			out |= 1 << n
		}
	}
	return out
}

// entry is what is being typed, and its echo.
type entry struct {
	t    *Terminal
	x, y int
	mode string // text, invisible, password
	attr int
	most int // characters; 0: any number
	room int // places of the echo, for wiping; 0: to the end of the line
	in   []rune
}

func (e *entry) text() string { return string(e.in) }

// maxEntry bounds what is typed into one command.
const maxEntry = 4096

// take works a key in; full says that no more characters go in.
func (e *entry) take(k key) (full bool) {
	switch {
	case k.command == "backspace" && len(e.in) > 0:
		e.in = e.in[:len(e.in)-1]
	case k.command == "clear":
		e.in = nil
	case k.command == "" && (e.most == 0 || len(e.in) < e.most) && len(e.in) < maxEntry:
		e.in = append(e.in, k.char)
	}
	e.echo()
	return e.most > 0 && len(e.in) >= e.most
}

// echo draws what is typed, or stars, or nothing.
func (e *entry) echo() {
	s := e.t.screen
	room := e.room
	if room == 0 {
		room = s.columns - e.x
	}
	s.wipe(e.x, e.y, room, 1)
	shown := e.text()
	switch e.mode {
	case "invisible":
		shown = ""
	case "password":
		shown = strings.Repeat("*", len(e.in))
	}
	if over := len([]rune(shown)) - room; over > 0 { // the end stays in sight
		shown = string([]rune(shown)[over:])
	}
	s.x, s.y = e.x, e.y
	s.put(shown, e.attr)
	e.t.changed()
}

// place finds a position on the screen.
func (t *Terminal) place(mode textterminal.Modes, posX, posY *int) (x, y int, err error) {
	x, y = value(posX), value(posY)
	if mode == textterminal.ModesRelative {
		x, y = min(x, t.screen.columns)+t.screen.x, min(y, t.screen.rows)+t.screen.y
		if x == t.screen.columns {
			x, y = 0, y+1
		}
		y = min(y, t.screen.rows-1)
	}
	if x >= t.screen.columns || y >= t.screen.rows {
		return 0, 0, chassis.Invalid(fmt.Sprintf("position %d,%d is outside of %d x %d", x, y, t.screen.columns, t.screen.rows))
	}
	return x, y, nil
}

func value(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}
