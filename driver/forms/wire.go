package forms

import (
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/xfs4iot/printer"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

// The JSON of this package is that of the interface description, so that going
// over JSON loses nothing; the description's own check comes on top.

// convert goes from one type to another with the same JSON.
func convert(from, to any) error {
	data, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(data, to)
	}
	if err != nil {
		return fmt.Errorf("convert a definition: %w", err)
	}
	return nil
}

// FromSetForm takes the form of Printer.SetForm.
func FromSetForm(name string, wire *printer.SetFormCommandForm) (*Form, error) {
	f := new(Form)
	if err := convert(wire, f); err != nil {
		return nil, err
	}
	return f, f.complete(name)
}

// Query is a form for Printer.GetQueryForm.
func (f *Form) Query() (*printer.GetQueryFormCompletionForm, error) {
	out := new(printer.GetQueryFormCompletionForm)
	if err := convert(f, out); err != nil {
		return nil, err
	}
	return out, out.Validate()
}

// FromQuery takes a form as Printer.GetQueryForm describes it.
func FromQuery(wire *printer.GetQueryFormCompletionForm) (*Form, error) {
	f := new(Form)
	if err := convert(wire, f); err != nil {
		return nil, err
	}
	return f, nil
}

// QueryFields gives one field of a form, or all for "", for Printer.GetQueryField;
// nil when there is no such field. Fields of subforms are named SUBFORM.FIELD.
func (f *Form) QueryFields(name string) (map[string]*printer.GetQueryFieldCompletionFieldsValue, error) {
	all := f.All()
	if name != "" {
		if all[name] == nil {
			return nil, nil
		}
		all = map[string]*Field{name: all[name]}
	}
	out := map[string]*printer.GetQueryFieldCompletionFieldsValue{}
	return out, convert(all, &out)
}

// All gives every field by its full name.
func (f *Form) All() map[string]*Field {
	out := map[string]*Field{}
	for name, field := range f.Fields {
		out[name] = field
	}
	for sub, s := range f.SubForms {
		for name, field := range s.Fields {
			out[sub+"."+name] = field
		}
	}
	return out
}

// FromSetMedia takes the medium of Printer.SetMedia.
func FromSetMedia(name string, wire *printer.SetMediaCommandMedia) (*Media, error) {
	m := new(Media)
	if err := convert(wire, m); err != nil {
		return nil, err
	}
	return m, m.complete(name)
}

// Query is a medium for Printer.GetQueryMedia.
func (m *Media) Query() (*printer.GetQueryMediaCompletionMedia, error) {
	out := new(printer.GetQueryMediaCompletionMedia)
	if err := convert(m, out); err != nil {
		return nil, err
	}
	return out, out.Validate()
}

// FromTerminalSetForm takes the form of TextTerminal.SetForm.
func FromTerminalSetForm(name string, wire *textterminal.SetFormCommandForm) (*TerminalForm, error) {
	f := new(TerminalForm)
	if err := convert(wire, f); err != nil {
		return nil, err
	}
	return f, f.complete(name)
}

// Query is a form for TextTerminal.GetQueryForm.
func (f *TerminalForm) Query() (*textterminal.GetQueryFormCompletionForm, error) {
	out := new(textterminal.GetQueryFormCompletionForm)
	if err := convert(f, out); err != nil {
		return nil, err
	}
	return out, out.Validate()
}

// QueryFields gives one field of a form, or all for "", for
// TextTerminal.GetQueryField; nil when there is no such field.
func (f *TerminalForm) QueryFields(name string) (map[string]*textterminal.GetQueryFieldCompletionFieldsValue, error) {
	all := f.Fields
	if name != "" {
		if all[name] == nil {
			return nil, nil
		}
		all = map[string]*TerminalField{name: all[name]}
	}
	out := map[string]*textterminal.GetQueryFieldCompletionFieldsValue{}
	return out, convert(all, &out)
}
