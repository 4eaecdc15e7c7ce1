package terminal

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/driver/forms"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/receipt/paper"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

func (t *Terminal) formList(context.Context, *host.Command, *textterminal.GetFormListCommand) (*textterminal.GetFormListCompletion, error) {
	t.Lock()
	defer t.Unlock()
	return &textterminal.GetFormListCompletion{FormList: slices.Sorted(maps.Keys(t.forms))}, nil
}

func (t *Terminal) queryForm(_ context.Context, _ *host.Command, req *textterminal.GetQueryFormCommand) (*textterminal.GetQueryFormCompletion, error) {
	t.Lock()
	defer t.Unlock()
	f := t.forms[req.FormName]
	if f == nil {
		return nil, host.Fail(textterminal.GetQueryFormErrorCodeFormNotFound, "there is no such form")
	}
	out, err := f.Query()
	return &textterminal.GetQueryFormCompletion{Form: out}, err
}

func (t *Terminal) queryField(_ context.Context, _ *host.Command, req *textterminal.GetQueryFieldCommand) (*textterminal.GetQueryFieldCompletion, error) {
	t.Lock()
	defer t.Unlock()
	f := t.forms[req.FormName]
	if f == nil {
		return nil, host.Fail(textterminal.GetQueryFieldErrorCodeFormNotFound, "there is no such form")
	}
	fields, err := f.QueryFields(req.FieldName)
	if fields == nil && err == nil {
		return nil, host.Fail(textterminal.GetQueryFieldErrorCodeFieldNotFound, "there is no such field")
	}
	return &textterminal.GetQueryFieldCompletion{Fields: fields}, err
}

// maxForms is how many forms a terminal knows.
const maxForms = 200

// setForm sets a form, or removes it when none is given.
func (t *Terminal) setForm(_ context.Context, _ *host.Command, req *textterminal.SetFormCommand) (*textterminal.SetFormCompletion, error) {
	t.Lock()
	defer t.Unlock()
	switch {
	case req.Name == "" || len(req.Name) > 256:
		return nil, chassis.Invalid("a form has a name of up to 256 bytes")
	case req.Form == nil && t.forms[req.Name] == nil:
		return nil, host.Fail(textterminal.SetFormErrorCodeFormNotFound, "there is no such form")
	case req.Form == nil:
		delete(t.forms, req.Name)
		t.changed()
		return nil, nil
	}
	f, err := forms.FromTerminalSetForm(req.Name, req.Form)
	if err == nil {
		err = t.add(map[string]*forms.TerminalForm{req.Name: f})
	}
	if err != nil {
		return nil, host.Fail(textterminal.SetFormErrorCodeFormInvalid, err.Error())
	}
	return nil, nil
}

func (t *Terminal) add(more map[string]*forms.TerminalForm) error {
	all := maps.Clone(t.forms)
	maps.Copy(all, more)
	if len(all) > maxForms {
		return chassis.Invalid("the terminal knows 200 forms at most")
	}
	t.forms = all
	t.changed()
	return nil
}

// loadForm reads forms in the definition language: all of them or none.
func (t *Terminal) loadForm(_ context.Context, cmd *host.Command, req *textterminal.LoadFormCommand) (*textterminal.LoadFormCompletion, error) {
	t.Lock()
	defer t.Unlock()
	loaded, err := forms.ParseTerminal(req.Definition)
	if err != nil {
		return nil, host.Fail(textterminal.LoadFormErrorCodeFormInvalid, err.Error())
	}
	for name := range loaded {
		if t.forms[name] != nil && (req.Overwrite == nil || !*req.Overwrite) {
			return nil, host.Fail(textterminal.LoadFormErrorCodeDefinitionExists, name+" is defined already")
		}
	}
	if err := t.add(loaded); err != nil {
		return nil, host.Fail(textterminal.LoadFormErrorCodeFormInvalid, err.Error())
	}
	for _, name := range slices.Sorted(maps.Keys(loaded)) {
		_ = cmd.Event(&textterminal.FormLoadedEvent{Name: name})
	}
	return nil, nil
}

// wrong sends a field's error and gives the command's.
func wrong(cmd *host.Command, form, field string, why textterminal.FieldErrorEventFailure) error {
	_ = cmd.Event(&textterminal.FieldErrorEvent{FormName: form, FieldName: field, Failure: why})
	return host.Fail(textterminal.WriteFormErrorCodeFieldError, field+": "+string(why))
}

// shown is a value in its place.
type shown struct {
	field *forms.TerminalField
	text  string
}

// writeForm checks every field before anything is shown.
func (t *Terminal) writeForm(_ context.Context, cmd *host.Command, req *textterminal.WriteFormCommand) (*textterminal.WriteFormCompletion, error) {
	t.Lock()
	defer t.Unlock()
	if err := t.ready(); err != nil {
		return nil, err
	}
	f := t.forms[req.FormName]
	switch {
	case f == nil:
		return nil, host.Fail(textterminal.WriteFormErrorCodeFormNotFound, "there is no such form")
	case f.Size.Width > t.screen.columns || f.Size.Height > t.screen.rows:
		return nil, host.Fail(textterminal.WriteFormErrorCodeMediaOverflow, "the form is larger than the screen")
	}
	all, err := t.fill(cmd, req.FormName, f, req.Fields)
	if err != nil {
		return nil, err
	}
	if req.ClearScreen == nil || *req.ClearScreen {
		t.screen.clear()
	}
	for _, s := range all {
		t.show(s)
	}
	t.changed()
	return nil, nil
}

func (t *Terminal) fill(cmd *host.Command, form string, f *forms.TerminalForm, given map[string]string) ([]shown, error) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if f.Fields[name] == nil {
			return nil, wrong(cmd, form, name, textterminal.FieldErrorEventFailureNotFound)
		}
	}
	var out []shown
	for _, name := range inOrder(f.Fields) {
		text, ok := given[name]
		field := f.Fields[name]
		if why := misfit(field, ok); why != "" {
			return nil, wrong(cmd, form, name, why)
		}
		if !ok {
			text = field.InitialValue
		}
		if unshowable(text) {
			return nil, host.Fail(textterminal.WriteFormErrorCodeCharacterSetsData, name+": control characters cannot be shown")
		}
		s, err := t.fitted(cmd, form, name, field, text)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// misfit is why a field cannot be given, or must be.
func misfit(f *forms.TerminalField, given bool) textterminal.FieldErrorEventFailure {
	switch {
	case f.FieldType == forms.Graphic && (given || len(f.InitialGraphic) > 0):
		return textterminal.FieldErrorEventFailureTypeNotSupported
	case given && f.Class == forms.Static:
		return textterminal.FieldErrorEventFailureStaticOverwrite
	case given && f.Access == forms.Read:
		return textterminal.FieldErrorEventFailureNotWrite
	case !given && f.Class == forms.Required && f.Access != forms.Read && f.InitialValue == "":
		return textterminal.FieldErrorEventFailureRequired
	}
	return ""
}

// fitted obeys the field's overflow. A field of several rows takes as much as all of
// them.
func (t *Terminal) fitted(cmd *host.Command, form, name string, f *forms.TerminalField, text string) (shown, error) {
	lines := strings.Split(text, "\n")
	room := f.Size.Width * f.Size.Height
	if len(lines) <= f.Size.Height && (len(lines) == 1 && paper.Width(text) <= room || !slices.ContainsFunc(lines, func(l string) bool { return paper.Width(l) > f.Size.Width })) {
		return shown{f, text}, nil
	}
	switch f.Overflow {
	case forms.Overwrite:
		return shown{f, text}, nil
	case forms.Truncate:
		_ = cmd.Event(&textterminal.FieldWarningEvent{FormName: form, FieldName: name, Failure: textterminal.FieldWarningEventFailureOverflow})
		return shown{f, cut(lines, f.Size)}, nil
	}
	return shown{}, wrong(cmd, form, name, textterminal.FieldErrorEventFailureOverflow)
}

// cut keeps what fits, line by line.
func cut(lines []string, size *forms.Size) string {
	var out []string
	for _, line := range lines[:min(len(lines), size.Height)] {
		kept := ""
		for _, r := range line {
			if paper.Width(kept+string(r)) > size.Width {
				break
			}
			kept += string(r)
		}
		out = append(out, kept)
	}
	return strings.Join(out, "\n")
}

// show draws a value; stars for a password, nothing for what is invisible.
func (t *Terminal) show(s shown) {
	f := s.field
	switch f.FieldType {
	case "invisible":
		return
	case "password":
		s.text = strings.Repeat("*", len([]rune(s.text)))
	}
	attr := 0
	if f.Style != nil {
		attr = attribute(&f.Style.Underline, &f.Style.Inverted, &f.Style.Flashing)
	}
	t.screen.wipe(f.Position.X, f.Position.Y, f.Size.Width, f.Size.Height)
	for n, line := range rows(s.text, f) {
		free := max(f.Size.Width-paper.Width(line), 0)
		left := map[string]int{"right": free, "center": free / 2}[f.Horizontal]
		t.screen.x, t.screen.y = f.Position.X+left, min(f.Position.Y+n, t.screen.rows-1)
		t.screen.put(line, attr)
	}
}

// rows breaks a value into the rows of its field, unless it may go beyond.
func rows(text string, f *forms.TerminalField) (out []string) {
	for _, line := range strings.Split(text, "\n") {
		for f.Overflow != forms.Overwrite && paper.Width(line) > f.Size.Width {
			head := cut([]string{line}, &forms.Size{Width: f.Size.Width, Height: 1})
			if head == "" {
				break
			}
			out, line = append(out, head), line[len(head):]
		}
		out = append(out, line)
	}
	return out
}

// inOrder lists fields from top left to bottom right.
func inOrder(fields map[string]*forms.TerminalField) []string {
	names := slices.Sorted(maps.Keys(fields))
	slices.SortStableFunc(names, func(a, b string) int {
		p, q := fields[a].Position, fields[b].Position
		if p.Y != q.Y {
			return p.Y - q.Y
		}
		return p.X - q.X
	})
	return names
}

// readForm has its fields filled in, one after the other.
func (t *Terminal) readForm(ctx context.Context, cmd *host.Command, req *textterminal.ReadFormCommand) (*textterminal.ReadFormCompletion, error) {
	t.Lock()
	defer t.Unlock()
	if err := t.ready(); err != nil {
		return nil, err
	}
	f := t.forms[req.FormName]
	switch {
	case f == nil:
		return nil, host.Fail(textterminal.ReadFormErrorCodeFormNotFound, "there is no such form")
	case f.Size.Width > t.screen.columns || f.Size.Height > t.screen.rows:
		return nil, host.Fail(textterminal.ReadFormErrorCodeFormInvalid, "the form is larger than the screen")
	}
	names, err := readable(cmd, req.FormName, f, req.Fields)
	if err != nil {
		return nil, err
	}
	active := t.active
	t.active = nil
	defer t.startReading(true)()
	out := map[string]string{}
	for _, name := range names {
		text, err := t.readField(ctx, f.Fields[name], active)
		if err != nil {
			return nil, err
		}
		out[name] = text
	}
	return &textterminal.ReadFormCompletion{Fields: out}, nil
}

func readable(cmd *host.Command, form string, f *forms.TerminalForm, asked []string) ([]string, error) {
	var out []string
	for _, name := range asked {
		switch field := f.Fields[name]; {
		case field == nil:
			return nil, wrong(cmd, form, name, textterminal.FieldErrorEventFailureNotFound)
		case field.Access == forms.Write || field.Class == forms.Static:
			return nil, wrong(cmd, form, name, textterminal.FieldErrorEventFailureNotRead)
		case field.FieldType == forms.Graphic:
			return nil, wrong(cmd, form, name, textterminal.FieldErrorEventFailureTypeNotSupported)
		}
		out = append(out, name)
	}
	for _, name := range inOrder(f.Fields) {
		if field := f.Fields[name]; len(asked) == 0 && field.Access != forms.Write && field.Class != forms.Static && field.FieldType != forms.Graphic {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return nil, host.Fail(textterminal.ReadFormErrorCodeFieldSpecFailure, "the form has no field that is read")
	}
	return out, nil
}

// readField reads one field until enter, or until a command key that ends it.
func (t *Terminal) readField(ctx context.Context, f *forms.TerminalField, active *keyboard) (string, error) {
	e := &entry{t: t, x: f.Position.X, y: f.Position.Y, mode: f.FieldType, most: f.Size.Width * f.Size.Height, room: f.Size.Width}
	if f.Style != nil {
		e.attr = attribute(&f.Style.Underline, &f.Style.Inverted, &f.Style.Flashing)
	}
	if f.Access == forms.ReadWrite {
		e.in = []rune(f.InitialValue)
	}
	e.echo()
	for {
		k, err := t.nextKey(ctx, active)
		switch {
		case err != nil:
			return "", err
		case k.command == "cancel":
			return "", host.Fail(textterminal.ReadFormErrorCodeKeyCanceled, "the form was cancelled at the keyboard")
		case k.command == "enter" || active != nil && active.commands[k.command]:
			if len(e.in) > 0 || f.Class != forms.Required {
				return e.text(), nil
			}
		case k.command != "" || allowed(f.Keys, k.char):
			e.take(k)
		}
	}
}

// allowed says whether a field takes a character.
func allowed(keys string, r rune) bool {
	switch keys {
	case "numeric":
		return r >= '0' && r <= '9'
	case "hexadecimal":
		return strings.ContainsRune("0123456789abcdefABCDEF", r)
	}
	return true
}
