package forms

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// TerminalForm is a form of a text terminal (TextTerminal.SetForm), in rows and
// columns.
type TerminalForm struct {
	Size      Size                      `json:"size"`
	Version   *Version                  `json:"version,omitzero"`
	Copyright string                    `json:"copyright,omitzero"`
	Title     string                    `json:"title,omitzero"`
	Comment   string                    `json:"comment,omitzero"`
	Fields    map[string]*TerminalField `json:"fields,omitzero"`
}

// TerminalField is a place on the screen.
type TerminalField struct {
	Position       *TerminalPosition `json:"position"`
	Size           *Size             `json:"size"`
	FieldType      string            `json:"fieldType,omitzero"` // text, invisible, password, graphic
	Scaling        string            `json:"scaling,omitzero"`
	Class          string            `json:"class,omitzero"`
	Keys           string            `json:"keys,omitzero"` // numeric, hexadecimal, alphanumeric
	Access         string            `json:"access,omitzero"`
	Overflow       string            `json:"overflow,omitzero"` // terminate, truncate, overwrite
	Style          *TerminalStyle    `json:"style,omitzero"`
	Horizontal     string            `json:"horizontal,omitzero"`
	Format         string            `json:"format,omitzero"`
	InitialValue   string            `json:"initialValue,omitzero"`
	InitialGraphic []byte            `json:"initialGraphic,omitzero"`
}

// TerminalPosition is a column and a row, from 0.
type TerminalPosition struct {
	X int `json:"x"`
	Y int `json:"y"`
}

// TerminalStyle is how characters look.
type TerminalStyle struct {
	Underline bool `json:"underline,omitzero"`
	Inverted  bool `json:"inverted,omitzero"`
	Flashing  bool `json:"flashing,omitzero"`
}

// ParseTerminal reads the forms of a text terminal in the definition language: as
// Parse, with XFSFORM and XFSFIELD only, and KEYS in fields.
func ParseTerminal(text string) (map[string]*TerminalForm, error) {
	out := map[string]*TerminalForm{}
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	for p.err == nil && p.token.kind != endToken {
		if !p.is("XFSFORM") {
			p.unexpected("XFSFORM")
			break
		}
		p.block("form", func(name string) { define(p, out, name, p.terminalForm()) })
	}
	for name, f := range out {
		if p.err == nil {
			p.err = f.complete(name)
		}
	}
	return out, p.err
}

func (p *parser) terminalForm() *TerminalForm {
	f := &TerminalForm{Fields: map[string]*TerminalField{}}
	p.properties(map[string]func(){
		"SIZE": func() { f.Size = *p.size() }, "VERSION": func() { f.Version = p.version() }, "LANGUAGE": p.ignore,
		"COPYRIGHT": readString(p, &f.Copyright), "TITLE": readString(p, &f.Title), "COMMENT": readString(p, &f.Comment),
	}, map[string]func(){
		"XFSFIELD": func() {
			p.block("field", func(name string) { define(p, f.Fields, name, p.terminalField()) })
		},
	})
	return f
}

func (p *parser) terminalField() *TerminalField {
	f := new(TerminalField)
	p.properties(map[string]func(){
		"POSITION": func() { f.Position = new(TerminalPosition); p.numbers(2, &f.Position.X, &f.Position.Y) },
		"SIZE":     func() { f.Size = p.size() }, "TYPE": readOne(p, &f.FieldType, terminalTypes),
		"SCALING": readOne(p, &f.Scaling, scalings), "CLASS": readOne(p, &f.Class, classes),
		"KEYS": readOne(p, &f.Keys, keyboards), "ACCESS": readOne(p, &f.Access, accesses),
		"OVERFLOW": readOne(p, &f.Overflow, terminalFlows), "STYLE": func() { f.Style = p.terminalStyle() },
		"HORIZONTAL": readOne(p, &f.Horizontal, frameHorizontals), "FORMAT": readString(p, &f.Format),
		"INITIALVALUE": readString(p, &f.InitialValue), "INITIALGRAPHIC": func() { f.InitialGraphic = p.base64() }, "LANGUAGE": p.ignore,
	}, nil)
	return f
}

func (p *parser) terminalStyle() *TerminalStyle {
	s := new(TerminalStyle)
	for {
		switch p.one(terminalStyles) {
		case "under":
			s.Underline = true
		case "inverted":
			s.Inverted = true
		case "flashing":
			s.Flashing = true
		}
		if p.token.kind != markToken || p.token.text != "|" {
			return s
		}
		p.advance()
	}
}

// maxScreen bounds the columns and rows of a form.
const maxScreen = 1000

func (f *TerminalForm) complete(name string) error {
	bad := func(part, text string) error { return &DefinitionError{name, part, text} }
	if s := f.Size; s.Width < 1 || s.Height < 1 || s.Width > maxScreen || s.Height > maxScreen {
		return bad("size", fmt.Sprintf("a form has 1 to %d columns and rows", maxScreen))
	}
	if text := f.Version.wrong(); text != "" {
		return bad("version", text)
	}
	if len(f.Fields) > maxFields {
		return bad("", fmt.Sprintf("more than %d fields", maxFields))
	}
	for name, field := range f.Fields {
		if text := field.complete(f.Size); text != "" {
			return bad(name, text)
		}
	}
	return nil
}

func (f *TerminalField) complete(in Size) string {
	if f == nil || f.Position == nil || f.Size == nil {
		return "a field has a position and a size"
	}
	setDefault(&f.FieldType, Text)
	setDefault(&f.Class, Optional)
	setDefault(&f.Keys, "alphanumeric")
	setDefault(&f.Access, Write)
	setDefault(&f.Overflow, Terminate)
	setDefault(&f.Horizontal, "left")
	setDefault(&f.Scaling, "bestFit")
	if len(f.InitialGraphic) == 0 {
		f.InitialGraphic = nil
	}
	words := []struct {
		what, is string
		of       []string
	}{
		{"fieldType", f.FieldType, terminalTypes}, {"class", f.Class, classes}, {"keys", f.Keys, keyboards}, {"access", f.Access, accesses},
		{"overflow", f.Overflow, terminalFlows}, {"horizontal", f.Horizontal, frameHorizontals}, {"scaling", f.Scaling, scalings},
	}
	for _, w := range words {
		if !slices.Contains(w.of, w.is) {
			return fmt.Sprintf("%s is one of %s", w.what, strings.Join(w.of, ", "))
		}
	}
	if !inside(&Position{X: f.Position.X, Y: f.Position.Y}, f.Size, in) {
		return "the field does not lie inside of its form"
	}
	return ""
}

// TerminalText writes forms in the definition language, sorted by name;
// ParseTerminal gives the same forms back.
func TerminalText(forms map[string]*TerminalForm) string {
	var w writer
	for _, name := range slices.Sorted(maps.Keys(forms)) {
		w.block("XFSFORM", name, func() { w.terminalForm(forms[name]) })
	}
	return w.out.String()
}

func (w *writer) terminalForm(f *TerminalForm) {
	w.line("SIZE %d,%d", f.Size.Width, f.Size.Height)
	w.version(f.Version)
	w.str("COPYRIGHT", f.Copyright)
	w.str("TITLE", f.Title)
	w.str("COMMENT", f.Comment)
	for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
		w.block("XFSFIELD", name, func() { w.terminalField(f.Fields[name]) })
	}
}

func (w *writer) terminalField(f *TerminalField) {
	g := Field{Size: f.Size, FieldType: f.FieldType, Scaling: f.Scaling, Class: f.Class, Access: f.Access, Overflow: f.Overflow,
		Horizontal: f.Horizontal, Format: f.Format, InitialValue: f.InitialValue, InitialGraphic: f.InitialGraphic}
	w.line("POSITION %d,%d", f.Position.X, f.Position.Y)
	w.field(&g)
	w.word("KEYS", f.Keys)
	if s := f.Style; s != nil {
		words := []string{"NORMAL"}
		for i, on := range []bool{s.Underline, s.Inverted, s.Flashing} {
			if on {
				words = append(words, terminalStyles[i+1])
			}
		}
		w.word("STYLE", strings.Join(words, " | "))
	}
}
