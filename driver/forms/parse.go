package forms

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxText is how long a definition text may be, in bytes.
const MaxText = 1 << 20

// Parse reads print forms and media in the definition language: any number of
//
//	XFSFORM "name" BEGIN ... XFSFIELD ... XFSFRAME ... XFSSUBFORM ... END
//	XFSMEDIA "name" BEGIN ... END
//
// Keywords are in any case. Errors are *[SyntaxError] with line and column, or
// *[DefinitionError] when a definition is understood and contradicts itself.
func Parse(text string) (Definitions, error) {
	out := Definitions{Forms: map[string]*Form{}, Media: map[string]*Media{}}
	p, err := newParser(text)
	if err != nil {
		return out, err
	}
	for p.err == nil && p.token.kind != endToken {
		switch {
		case p.is("XFSFORM"):
			p.block("form", func(name string) { define(p, out.Forms, name, p.form()) })
		case p.is("XFSMEDIA"):
			p.block("media", func(name string) { define(p, out.Media, name, p.media()) })
		default:
			p.unexpected("XFSFORM or XFSMEDIA")
		}
	}
	if p.err == nil {
		p.err = out.complete()
	}
	return out, p.err
}

func newParser(text string) (*parser, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("a definition has at most %d bytes", MaxText)
	}
	if !utf8.ValidString(text) {
		return nil, errors.New("a definition is UTF-8 text")
	}
	p := &parser{scanner: scanner{text: text, line: 1, column: 1}}
	p.advance()
	return p, p.err
}

// parser reads tokens. Once something is wrong it sees only the end.
type parser struct {
	scanner
	token token
	err   error
}

func (p *parser) advance() {
	if p.err != nil {
		return
	}
	p.token, p.err = p.scanner.next()
	if p.err != nil {
		p.token = token{line: p.line, column: p.column}
	}
}

func (p *parser) wrong(at token, format string, a ...any) {
	if p.err == nil {
		p.err = &SyntaxError{at.line, at.column, fmt.Sprintf(format, a...)}
	}
	p.token = token{line: at.line, column: at.column}
}

func (p *parser) unexpected(wanted string) { p.wrong(p.token, "%s instead of %s", p.token, wanted) }

func (p *parser) is(word string) bool {
	return p.token.kind == wordToken && strings.EqualFold(p.token.text, word)
}

func (p *parser) expect(word string) {
	if !p.is(word) {
		p.unexpected(word)
		return
	}
	p.advance()
}

// block reads KEYWORD "name" BEGIN body END.
func (p *parser) block(what string, body func(name string)) {
	p.advance()
	name := p.name(what)
	p.expect("BEGIN")
	body(name)
	p.expect("END")
}

func (p *parser) name(what string) string {
	at := p.token
	name := p.str()
	if p.err == nil && (name == "" || len(name) > 256) {
		p.wrong(at, "the name of a %s has 1 to 256 bytes", what)
	}
	return name
}

func define[T any](p *parser, into map[string]*T, name string, v *T) {
	if p.err == nil && into[name] != nil {
		p.wrong(p.token, "%q is defined twice", name)
		return
	}
	into[name] = v
}

// properties reads KEYWORD values pairs until END or a nested block, which inner
// reads; a keyword comes once.
func (p *parser) properties(known map[string]func(), inner map[string]func()) {
	seen := map[string]bool{}
	for p.err == nil && !p.is("END") {
		key, at := strings.ToUpper(p.token.text), p.token
		if nested := inner[key]; nested != nil && at.kind == wordToken {
			nested()
			continue
		}
		read := known[key]
		if at.kind != wordToken || read == nil {
			p.unexpected("a keyword")
			return
		}
		if seen[key] {
			p.wrong(at, "%s comes twice", key)
			return
		}
		seen[key] = true
		p.advance()
		read()
	}
}

func (p *parser) str() string {
	if p.token.kind != stringToken {
		p.unexpected("a string")
		return ""
	}
	s := p.token.text
	p.advance()
	return s
}

// maxNumber is beyond every sensible measure and count.
const maxNumber = 1_000_000

func (p *parser) number() int {
	if p.token.kind != numberToken {
		p.unexpected("a number")
		return 0
	}
	n, err := strconv.Atoi(p.token.text)
	if err != nil || n > maxNumber || n > math.MaxInt32 {
		p.wrong(p.token, "%.20s is too large", p.token.text)
		return 0
	}
	p.advance()
	return n
}

// more says that a comma follows, and passes it.
func (p *parser) more() bool {
	if p.token.kind != markToken || p.token.text != "," {
		return false
	}
	p.advance()
	return true
}

// numbers reads at least least and at most len(into) numbers between commas.
func (p *parser) numbers(least int, into ...*int) {
	for i, n := range into {
		if i > 0 && !p.more() {
			if i < least {
				p.unexpected("a comma")
			}
			return
		}
		*n = p.number()
	}
}

// one reads a word of a list in any case, with or without underscores, and gives it
// as the JSON form spells it.
func (p *parser) one(of []string) string {
	if p.token.kind == wordToken {
		word := strings.ReplaceAll(p.token.text, "_", "")
		for _, v := range of {
			if strings.EqualFold(word, v) {
				p.advance()
				return v
			}
		}
	}
	p.unexpected("one of " + strings.ToUpper(strings.Join(of, ", ")))
	return ""
}

func readString(p *parser, into *string) func()           { return func() { *into = p.str() } }
func readInt(p *parser, into *int) func()                 { return func() { *into = p.number() } }
func readOne(p *parser, into *string, of []string) func() { return func() { *into = p.one(of) } }

func (p *parser) size() *Size {
	s := new(Size)
	p.numbers(2, &s.Width, &s.Height)
	return s
}

func (p *parser) position() *Position {
	at := new(Position)
	p.numbers(2, &at.X, &at.Y, &at.Z)
	return at
}

func (p *parser) unit() (u Unit) {
	u.Base = p.one(bases)
	if p.more() {
		p.numbers(2, &u.X, &u.Y)
	}
	return u
}

func (p *parser) version() *Version {
	var major, minor int
	v := new(Version)
	p.numbers(2, &major, &minor)
	v.Version = fmt.Sprintf("%d.%d", major, minor)
	if p.more() {
		v.Date = p.str()
	}
	if p.more() {
		v.Author = p.str()
	}
	return v
}

func (p *parser) form() *Form {
	f := &Form{Fields: map[string]*Field{}, Frames: map[string]*Frame{}, SubForms: map[string]*SubForm{}}
	p.properties(map[string]func(){
		"UNIT": func() { f.Unit = p.unit() }, "SIZE": func() { f.Size = *p.size() },
		"ALIGNMENT":   func() { f.Alignment = p.alignment() },
		"ORIENTATION": readOne(p, &f.Orientation, orientations), "SKEW": readInt(p, &f.Skew),
		"VERSION": func() { f.Version = p.version() },
		"CPI":     readInt(p, &f.CPI), "LPI": readInt(p, &f.LPI), "POINTSIZE": readInt(p, &f.PointSize),
		"COPYRIGHT": readString(p, &f.Copyright), "TITLE": readString(p, &f.Title), "COMMENT": readString(p, &f.Comment),
		"USERPROMPT": readString(p, &f.UserPrompt), "LANGUAGE": p.ignore,
	}, p.parts(f.Fields, f.Frames, f.SubForms))
	return f
}

// ignore passes a number or a string that means nothing any more.
func (p *parser) ignore() {
	if p.token.kind == stringToken || p.token.kind == numberToken {
		p.advance()
		return
	}
	p.unexpected("a number or a string")
}

// parts are the blocks inside a form or a subform, which has no subforms itself.
func (p *parser) parts(fields map[string]*Field, frames map[string]*Frame, subs map[string]*SubForm) map[string]func() {
	out := map[string]func(){
		"XFSFIELD": func() {
			p.block("field", func(name string) {
				f := p.field()
				f.Order = len(fields)
				define(p, fields, name, f)
			})
		},
		"XFSFRAME": func() { p.block("frame", func(name string) { define(p, frames, name, p.frame()) }) },
	}
	if subs != nil {
		out["XFSSUBFORM"] = func() { p.block("subform", func(name string) { define(p, subs, name, p.subForm()) }) }
	}
	return out
}

func (p *parser) alignment() *Alignment {
	a := &Alignment{Relative: p.one(corners)}
	if p.more() {
		p.numbers(2, &a.X, &a.Y)
	}
	return a
}

func (p *parser) subForm() *SubForm {
	s := &SubForm{Fields: map[string]*Field{}, Frames: map[string]*Frame{}}
	p.properties(map[string]func(){
		"POSITION": func() { s.Position = p.position() }, "SIZE": func() { s.Size = p.size() },
	}, p.parts(s.Fields, s.Frames, nil))
	return s
}

func (p *parser) field() *Field {
	f := new(Field)
	p.properties(map[string]func(){
		"POSITION": func() { f.Position = p.position() }, "FOLLOWS": readString(p, &f.Follows),
		"HEADER": func() { f.Header = p.pages() }, "FOOTER": func() { f.Footer = p.pages() },
		"SIDE": readOne(p, &f.Side, sides), "SIZE": func() { f.Size = p.size() },
		"INDEX": func() { f.Index = p.index() }, "TYPE": readOne(p, &f.FieldType, fieldTypes),
		"SCALING": readOne(p, &f.Scaling, scalings), "BARCODE": readOne(p, &f.Barcode, barcodeTexts),
		"COERCIVITY": readOne(p, &f.Coercivity, coercivities), "CLASS": readOne(p, &f.Class, classes),
		"ACCESS": readOne(p, &f.Access, accesses), "OVERFLOW": readOne(p, &f.Overflow, overflows),
		"STYLE": func() { f.Style = p.style() }, "CASE": readOne(p, &f.Case, cases),
		"HORIZONTAL": readOne(p, &f.Horizontal, horizontals), "VERTICAL": readOne(p, &f.Vertical, verticals),
		"COLOR": func() { f.Color = p.color() }, "RGBCOLOR": func() { f.Color = p.rgb() },
		"FONT":      func() { f.font().Name = p.str() },
		"POINTSIZE": func() { f.font().PointSize = p.number() }, "CPI": func() { f.font().CPI = p.number() },
		"LPI": func() { f.font().LPI = p.number() }, "FORMAT": readString(p, &f.Format),
		"INITIALVALUE": readString(p, &f.InitialValue), "INITIALGRAPHIC": func() { f.InitialGraphic = p.base64() },
		"LANGUAGE": p.ignore,
	}, nil)
	return f
}

func (f *Field) font() *Font {
	if f.Font == nil {
		f.Font = new(Font)
	}
	return f.Font
}

func (p *parser) index() *Index {
	i := new(Index)
	p.numbers(1, &i.RepeatCount, &i.X, &i.Y)
	return i
}

// pages reads ALL or a list of pages, like 1,3-4, in quotes or without.
func (p *parser) pages() string {
	if p.is("ALL") {
		p.advance()
		return "ALL"
	}
	if p.token.kind != numberToken {
		return p.str()
	}
	list := strconv.Itoa(p.number())
	for p.token.kind == markToken && p.token.text != "|" {
		list += p.token.text
		p.advance()
		list += strconv.Itoa(p.number())
	}
	return list
}

// color reads a colour's name, or three numbers.
func (p *parser) color() string {
	if p.token.kind == numberToken {
		return p.rgb()
	}
	return p.one(colors)
}

func (p *parser) rgb() string {
	var r, g, b int
	p.numbers(3, &r, &g, &b)
	return fmt.Sprintf("%d,%d,%d", r, g, b)
}

func (p *parser) style() *Style {
	s := new(Style)
	for {
		word := p.one(styleNames())
		if set := styles[word]; set != nil && p.err == nil {
			set(s)
		}
		if p.token.kind != markToken || p.token.text != "|" {
			return s
		}
		p.advance()
	}
}

func (p *parser) frame() *Frame {
	f := new(Frame)
	p.properties(map[string]func(){
		"POSITION": func() { f.Position = p.position() }, "FRAMES": readString(p, &f.Frames),
		"HEADER": func() { f.Header = p.pages() }, "FOOTER": func() { f.Footer = p.pages() },
		"SIDE": readOne(p, &f.Side, sides), "SIZE": func() { f.Size = p.size() },
		"REPEATONX": func() { r := f.repeat(); p.numbers(1, &r.RepeatCountX, &r.OffsetX) },
		"REPEATONY": func() { r := f.repeat(); p.numbers(1, &r.RepeatCountY, &r.OffsetY) },
		"TYPE":      readOne(p, &f.FieldType, frameTypes), "CLASS": readOne(p, &f.Class, frameClasses),
		"OVERFLOW": readOne(p, &f.Overflow, frameOverflows), "STYLE": readOne(p, &f.Style, frameStyles),
		"COLOR": func() { f.Color = p.color() }, "RGBCOLOR": func() { f.Color = p.rgb() },
		"FILLCOLOR": func() { f.FillColor = p.color() }, "RGBFILLCOLOR": func() { f.FillColor = p.rgb() },
		"FILLSTYLE": readOne(p, &f.FillStyle, fillStyles), "SUBSTSIGN": readString(p, &f.SubstSign),
		"TITLE": readString(p, &f.Title), "HORIZONTAL": readOne(p, &f.Horizontal, frameHorizontals),
		"VERTICAL": readOne(p, &f.Vertical, frameVerticals), "LANGUAGE": p.ignore,
	}, nil)
	return f
}

func (f *Frame) repeat() *Repeat {
	if f.Repeat == nil {
		f.Repeat = new(Repeat)
	}
	return f.Repeat
}

func (p *parser) media() *Media {
	m := new(Media)
	p.properties(map[string]func(){
		"TYPE": readOne(p, &m.MediaType, mediaTypes), "SOURCE": readOne(p, &m.Source, sources),
		"UNIT": func() { m.Unit = p.unit() }, "SIZE": func() { m.Size = *p.size() },
		"PRINTAREA": func() { m.PrintArea = p.area() }, "RESTRICTED": func() { m.Restricted = p.area() },
		"FOLD": readOne(p, &m.Fold, folds), "STAGGERING": readInt(p, &m.Staggering),
		"PAGE": readInt(p, &m.Page), "LINES": readInt(p, &m.Lines),
	}, nil)
	return m
}

func (p *parser) area() *Area {
	a := new(Area)
	p.numbers(4, &a.X, &a.Y, &a.Width, &a.Height)
	return a
}
