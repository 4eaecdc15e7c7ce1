package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/plomb-pos/plomb/receipt/paper"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

// DisplayForm is the form of the display: one field a line, LINE1, LINE2 and so on.
// With clearScreen false the lines that are not named stay.
const DisplayForm = "PLOMB_LINES"

// Display is a customer display: a few lines of Unicode text. East Asian wide
// characters take two places. Attributes (inverted, underlined, flashing) are
// accepted and not shown.
type Display struct {
	columns, rows int

	mu      sync.Mutex // guards what follows
	changed chan struct{}
	cells   [][]string // "" is the right half of a wide character
	x, y    int        // where text goes on
	beeps   int
	xfs     *host.Service
}

// NewDisplay makes an empty display.
func NewDisplay(columns, rows int) *Display {
	d := &Display{columns: columns, rows: rows, changed: make(chan struct{})}
	d.clear()
	return d
}

func (d *Display) service() *host.Service {
	d.mu.Lock()
	defer d.mu.Unlock()
	size := textterminal.Resolution{SizeX: new(d.columns), SizeY: new(d.rows)}
	d.xfs = host.NewService(DisplayName, host.Declaration{
		Capabilities: common.CapabilitiesCompletion{
			Common: &common.CapabilityProperties{ServiceVersion: "1.0", DeviceInformation: []common.DeviceInformation{{ModelName: "simulated customer display"}}},
			TextTerminal: &textterminal.Capabilities{
				Type: textterminal.CapabilitiesTypeFixed, Resolutions: []textterminal.Resolution{size},
				KeyLock: new(false), Cursor: new(false), Forms: new(true),
			},
		},
		Status: common.StatusCompletion{
			Common:       &common.StatusProperties{Device: common.DeviceOnline},
			TextTerminal: &textterminal.Status{DisplaySizeX: size.SizeX, DisplaySizeY: size.SizeY},
		},
	})
	d.handle()
	return d.xfs
}

func (d *Display) handle() {
	host.Handle(d.xfs, textterminal.Write, d.write)
	host.Handle(d.xfs, textterminal.WriteForm, d.writeForm)
	host.Handle(d.xfs, textterminal.ClearScreen, d.clearScreen)
	host.Handle(d.xfs, textterminal.GetFormList, d.formList)
	host.Handle(d.xfs, textterminal.SetResolution, d.setResolution)
	host.Handle(d.xfs, textterminal.Beep, d.beep)
	host.Handle(d.xfs, textterminal.Reset, d.reset)
}

// Lines is what the customer sees, one string a line, spaces at the ends left out.
func (d *Display) Lines() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]string, d.rows)
	for i, row := range d.cells {
		out[i] = strings.TrimRight(strings.Join(row, ""), " ")
	}
	return out
}

// Beeps is how often the display beeped.
func (d *Display) Beeps() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.beeps
}

// Changed is closed by the next change of what is shown.
func (d *Display) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

// tell is called with mu held.
func (d *Display) tell() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// clear is called with mu held or before the display is shared.
func (d *Display) clear() {
	d.cells = make([][]string, d.rows)
	for i := range d.cells {
		d.cells[i] = d.blank()
	}
	d.x, d.y = 0, 0
}

func (d *Display) blank() []string { return slices.Repeat([]string{" "}, d.columns) }

func (d *Display) write(_ context.Context, _ *host.Command, req *textterminal.WriteCommand) (*textterminal.WriteCompletion, error) {
	if strings.ContainsFunc(req.Text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }) {
		return nil, host.Fail(textterminal.WriteErrorCodeCharacterSetsData, "control characters cannot be shown")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	x, y := value(req.PosX), value(req.PosY)
	if x >= d.columns || y >= d.rows {
		return nil, d.outside(x, y)
	}
	if req.Mode == textterminal.ModesRelative {
		x, y = x+d.x, y+d.y
	}
	if x > d.columns || y > d.rows { // one further than the end: text goes on in the next line
		return nil, d.outside(x, y)
	}
	d.x, d.y = x, y
	d.put(req.Text)
	d.tell()
	return nil, nil
}

func (d *Display) outside(x, y int) error {
	return &xfs4iot.Error{Code: xfs4iot.InvalidData, Description: fmt.Sprintf("position %d,%d is outside of %d x %d", x, y, d.columns, d.rows)}
}

// put writes from the present position on; what is too long goes on in the next
// line, and the lines move up when the last one is full.
func (d *Display) put(text string) {
	for _, r := range text {
		if r == '\n' {
			d.newLine()
			continue
		}
		d.putRune(string(r), paper.Width(string(r)))
	}
}

func (d *Display) putRune(s string, width int) {
	if width == 0 {
		d.mark(s)
		return
	}
	if d.x+width > d.columns {
		d.newLine()
	}
	if d.y == d.rows {
		d.cells = append(d.cells[1:], d.blank())
		d.y--
	}
	for i := range min(width, d.columns-d.x) {
		d.cells[d.y][d.x+i] = map[bool]string{true: s}[i == 0]
	}
	d.x += width
}

func (d *Display) newLine() { d.x, d.y = 0, min(d.y+1, d.rows) }

// maxMarks bounds the combining marks on one character, in bytes.
const maxMarks = 64

// mark puts a combining mark on the character before.
func (d *Display) mark(s string) {
	if d.x == 0 || d.y == d.rows {
		return
	}
	cell := &d.cells[d.y][d.x-1]
	if len(*cell) < maxMarks {
		*cell += s
	}
}

func (d *Display) writeForm(_ context.Context, cmd *host.Command, req *textterminal.WriteFormCommand) (*textterminal.WriteFormCompletion, error) {
	if req.FormName != DisplayForm {
		return nil, host.Fail(textterminal.WriteFormErrorCodeFormNotFound, "the form is "+DisplayForm)
	}
	lines, err := d.formLines(cmd, req.Fields)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if req.ClearScreen == nil || *req.ClearScreen {
		d.clear()
	}
	for row, text := range lines {
		d.cells[row] = d.blank()
		d.x, d.y = 0, row
		d.put(text)
	}
	d.tell()
	return nil, nil
}

// formLines checks all fields before anything is shown.
func (d *Display) formLines(cmd *host.Command, fields map[string]string) (map[int]string, error) {
	lines := map[int]string{}
	for row := range d.rows {
		name := fmt.Sprintf("LINE%d", row+1)
		text, ok := fields[name]
		if !ok {
			continue
		}
		if strings.ContainsFunc(text, unicode.IsControl) {
			return nil, host.Fail(textterminal.WriteFormErrorCodeCharacterSetsData, "control characters cannot be shown")
		}
		if paper.Width(text) > d.columns {
			_ = cmd.Event(&textterminal.FieldErrorEvent{FormName: DisplayForm, FieldName: name, Failure: textterminal.FieldErrorEventFailureOverflow})
			return nil, host.Fail(textterminal.WriteFormErrorCodeFieldError, name+" is too long")
		}
		lines[row] = text
	}
	if len(lines) != len(fields) {
		return nil, host.Fail(textterminal.WriteFormErrorCodeFieldError, fmt.Sprintf("the fields are LINE1 to LINE%d", d.rows))
	}
	return lines, nil
}

func (d *Display) clearScreen(_ context.Context, _ *host.Command, req *textterminal.ClearScreenCommand) (*textterminal.ClearScreenCompletion, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.tell()
	if req.Screen == nil {
		d.clear()
		return nil, nil
	}
	left, top := value(req.Screen.PositionX), value(req.Screen.PositionY)
	for y := top; y-top < value(req.Screen.Height) && y < d.rows; y++ {
		for x := left; x-left < value(req.Screen.Width) && x < d.columns; x++ {
			d.cells[y][x] = " "
		}
	}
	d.x, d.y = min(left, d.columns-1), min(top, d.rows-1)
	return nil, nil
}

func (d *Display) formList(context.Context, *host.Command, *textterminal.GetFormListCommand) (*textterminal.GetFormListCompletion, error) {
	return &textterminal.GetFormListCompletion{FormList: []string{DisplayForm}}, nil
}

func (d *Display) setResolution(_ context.Context, _ *host.Command, req *textterminal.SetResolutionCommand) (*textterminal.SetResolutionCompletion, error) {
	r := req.Resolution
	if r == nil || value(r.SizeX) != d.columns || value(r.SizeY) != d.rows {
		return nil, host.Fail(textterminal.SetResolutionErrorCodeResolutionNotSupported, fmt.Sprintf("the display has %d x %d", d.columns, d.rows))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clear()
	d.tell()
	return nil, nil
}

func (d *Display) beep(context.Context, *host.Command, *textterminal.BeepCommand) (*textterminal.BeepCompletion, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.beeps++
	d.tell()
	return nil, nil
}

func (d *Display) reset(context.Context, *host.Command, *textterminal.ResetCommand) (*textterminal.ResetCompletion, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clear()
	d.tell()
	return nil, nil
}

func value(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}
