package terminal

import (
	"context"
	"strings"
	"unicode"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

func unshowable(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' })
}

func (t *Terminal) write(_ context.Context, _ *host.Command, req *textterminal.WriteCommand) (*textterminal.WriteCompletion, error) {
	t.Lock()
	defer t.Unlock()
	if err := t.ready(); err != nil {
		return nil, err
	}
	if unshowable(req.Text) {
		return nil, host.Fail(textterminal.WriteErrorCodeCharacterSetsData, "control characters cannot be shown")
	}
	x, y, err := t.place(req.Mode, req.PosX, req.PosY)
	if err != nil {
		return nil, err
	}
	attr := 0
	if a := req.TextAttr; a != nil {
		attr = attribute(a.Underline, a.Inverted, a.Flash)
	}
	t.screen.x, t.screen.y = x, y
	t.screen.put(req.Text, attr)
	t.changed()
	return nil, nil
}

// clearScreen clears all of the screen or a rectangle, and goes to its corner.
func (t *Terminal) clearScreen(_ context.Context, _ *host.Command, req *textterminal.ClearScreenCommand) (*textterminal.ClearScreenCompletion, error) {
	t.Lock()
	defer t.Unlock()
	if err := t.ready(); err != nil {
		return nil, err
	}
	defer t.changed()
	r := req.Screen
	if r == nil {
		t.screen.clear()
		return nil, nil
	}
	x, y, err := t.place(textterminal.ModesAbsolute, r.PositionX, r.PositionY)
	if err != nil {
		return nil, err
	}
	t.screen.wipe(x, y, min(value(r.Width), t.screen.columns), min(value(r.Height), t.screen.rows))
	t.screen.x, t.screen.y = x, y
	return nil, nil
}

func (t *Terminal) setResolution(_ context.Context, _ *host.Command, req *textterminal.SetResolutionCommand) (*textterminal.SetResolutionCompletion, error) {
	t.Lock()
	defer t.Unlock()
	if err := t.ready(); err != nil {
		return nil, err
	}
	for _, r := range t.resolutions {
		if req.Resolution != nil && value(req.Resolution.SizeX) == r.Columns && value(req.Resolution.SizeY) == r.Rows {
			t.screen = newScreen(r.Columns, r.Rows)
			t.changed()
			return nil, nil
		}
	}
	return nil, host.Fail(textterminal.SetResolutionErrorCodeResolutionNotSupported, "the screen has no such resolution")
}

// beepCommand beeps once, or starts a sound that goes on until the next one; without
// a sound it is silent.
func (t *Terminal) beepCommand(_ context.Context, _ *host.Command, req *textterminal.BeepCommand) (*textterminal.BeepCompletion, error) {
	t.Lock()
	defer t.Unlock()
	if err := t.ready(); err != nil {
		return nil, err
	}
	defer t.changed()
	t.beep = ""
	if req.Beep == nil {
		return nil, nil
	}
	if req.Beep.BeepType == "" {
		return nil, chassis.Invalid("a beep has a type")
	}
	t.beeps++
	t.beep = string(req.Beep.BeepType)
	if req.Beep.Continuous != nil && *req.Beep.Continuous {
		t.beep += ", going on"
	}
	return nil, nil
}

func (t *Terminal) reset(context.Context, *host.Command, *textterminal.ResetCommand) (*textterminal.ResetCompletion, error) {
	t.Lock()
	defer t.Unlock()
	if err := t.ready(); err != nil {
		return nil, err
	}
	t.screen.clear()
	t.keys, t.active, t.beep, t.cursor = nil, nil, "", false
	t.changed()
	return nil, nil
}
