package forms

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// writer writes definitions in the language that Parse reads.
type writer struct {
	out    strings.Builder
	indent string
}

func (w *writer) line(format string, a ...any) {
	w.out.WriteString(w.indent)
	fmt.Fprintf(&w.out, format, a...)
	w.out.WriteByte('\n')
}

func (w *writer) word(key, v string) {
	if v != "" {
		w.line("%s %s", key, strings.ToUpper(v))
	}
}

func (w *writer) str(key, v string) {
	if v != "" {
		w.line("%s %s", key, quote(v))
	}
}

func (w *writer) num(key string, v int) {
	if v != 0 {
		w.line("%s %d", key, v)
	}
}

func (w *writer) block(key, name string, body func()) {
	w.line("%s %s", key, quote(name))
	w.line("BEGIN")
	w.indent += "  "
	body()
	w.indent = w.indent[2:]
	w.line("END")
}

// Text writes definitions in the definition language, sorted by name; Parse gives
// the same definitions back.
func (d Definitions) Text() string {
	var w writer
	for _, name := range slices.Sorted(maps.Keys(d.Forms)) {
		w.block("XFSFORM", name, func() { w.form(d.Forms[name]) })
	}
	for _, name := range slices.Sorted(maps.Keys(d.Media)) {
		w.block("XFSMEDIA", name, func() { w.media(d.Media[name]) })
	}
	return w.out.String()
}

func (w *writer) unit(u Unit) { w.line("UNIT %s,%d,%d", strings.ToUpper(u.Base), u.X, u.Y) }

func (w *writer) form(f *Form) {
	w.unit(f.Unit)
	w.line("SIZE %d,%d", f.Size.Width, f.Size.Height)
	if a := f.Alignment; a != nil {
		w.line("ALIGNMENT %s,%d,%d", strings.ToUpper(a.Relative), a.X, a.Y)
	}
	w.word("ORIENTATION", f.Orientation)
	w.num("SKEW", f.Skew)
	w.version(f.Version)
	w.num("CPI", f.CPI)
	w.num("LPI", f.LPI)
	w.num("POINTSIZE", f.PointSize)
	w.str("COPYRIGHT", f.Copyright)
	w.str("TITLE", f.Title)
	w.str("COMMENT", f.Comment)
	w.str("USERPROMPT", f.UserPrompt)
	w.parts(f.Fields, f.Frames)
	for _, name := range slices.Sorted(maps.Keys(f.SubForms)) {
		s := f.SubForms[name]
		w.block("XFSSUBFORM", name, func() {
			w.position(s.Position)
			w.line("SIZE %d,%d", s.Size.Width, s.Size.Height)
			w.parts(s.Fields, s.Frames)
		})
	}
}

func (w *writer) version(v *Version) {
	if v == nil {
		return
	}
	major, minor, _ := strings.Cut(v.Version, ".")
	if minor == "" {
		minor = "0"
	}
	w.line("VERSION %s,%s,%s,%s", major, minor, quote(v.Date), quote(v.Author))
}

// InOrder lists the names of fields as they are printed: by order, then by name.
func InOrder(fields map[string]*Field) []string {
	names := slices.Sorted(maps.Keys(fields))
	slices.SortStableFunc(names, func(a, b string) int { return fields[a].Order - fields[b].Order })
	return names
}

func (w *writer) parts(fields map[string]*Field, frames map[string]*Frame) {
	for _, name := range InOrder(fields) {
		w.block("XFSFIELD", name, func() { w.field(fields[name]) })
	}
	for _, name := range slices.Sorted(maps.Keys(frames)) {
		w.block("XFSFRAME", name, func() { w.frame(frames[name]) })
	}
}

func (w *writer) position(p *Position) {
	if p != nil {
		w.line("POSITION %d,%d,%d", p.X, p.Y, p.Z)
	}
}

func (w *writer) color(key, c string) {
	if strings.Contains(c, ",") {
		w.line("%s %s", key, c)
		return
	}
	w.word(key, c)
}

func (w *writer) field(f *Field) {
	w.position(f.Position)
	w.str("FOLLOWS", f.Follows)
	w.str("HEADER", f.Header)
	w.str("FOOTER", f.Footer)
	w.word("SIDE", f.Side)
	w.line("SIZE %d,%d", f.Size.Width, f.Size.Height)
	if i := f.Index; i != nil {
		w.line("INDEX %d,%d,%d", i.RepeatCount, i.X, i.Y)
	}
	w.word("TYPE", f.FieldType)
	w.word("SCALING", f.Scaling)
	w.word("BARCODE", f.Barcode)
	w.word("COERCIVITY", f.Coercivity)
	w.word("CLASS", f.Class)
	w.word("ACCESS", f.Access)
	w.word("OVERFLOW", f.Overflow)
	if f.Style != nil {
		w.word("STYLE", strings.Join(f.Style.words(), " | "))
	}
	w.word("CASE", f.Case)
	w.word("HORIZONTAL", f.Horizontal)
	w.word("VERTICAL", f.Vertical)
	w.color("COLOR", f.Color)
	w.font(f.Font)
	w.str("FORMAT", f.Format)
	w.str("INITIALVALUE", f.InitialValue)
	if len(f.InitialGraphic) > 0 {
		w.str("INITIALGRAPHIC", base64.StdEncoding.EncodeToString(f.InitialGraphic))
	}
}

func (w *writer) font(f *Font) {
	if f != nil {
		w.str("FONT", f.Name)
		w.num("POINTSIZE", f.PointSize)
		w.num("CPI", f.CPI)
		w.num("LPI", f.LPI)
	}
}

func (w *writer) frame(f *Frame) {
	w.position(f.Position)
	w.str("FRAMES", f.Frames)
	w.str("HEADER", f.Header)
	w.str("FOOTER", f.Footer)
	w.word("SIDE", f.Side)
	if f.Size != nil {
		w.line("SIZE %d,%d", f.Size.Width, f.Size.Height)
	}
	if r := f.Repeat; r != nil {
		w.line("REPEATONX %d,%d", r.RepeatCountX, r.OffsetX)
		w.line("REPEATONY %d,%d", r.RepeatCountY, r.OffsetY)
	}
	w.word("TYPE", f.FieldType)
	w.word("CLASS", f.Class)
	w.word("OVERFLOW", f.Overflow)
	w.word("STYLE", f.Style)
	w.color("COLOR", f.Color)
	w.color("FILLCOLOR", f.FillColor)
	w.word("FILLSTYLE", f.FillStyle)
	w.str("SUBSTSIGN", f.SubstSign)
	w.str("TITLE", f.Title)
	w.word("HORIZONTAL", f.Horizontal)
	w.word("VERTICAL", f.Vertical)
}

func (w *writer) media(m *Media) {
	w.word("TYPE", m.MediaType)
	w.word("SOURCE", m.Source)
	w.unit(m.Unit)
	w.line("SIZE %d,%d", m.Size.Width, m.Size.Height)
	w.area("PRINTAREA", m.PrintArea)
	w.area("RESTRICTED", m.Restricted)
	w.word("FOLD", m.Fold)
	w.num("STAGGERING", m.Staggering)
	w.num("PAGE", m.Page)
	w.num("LINES", m.Lines)
}

func (w *writer) area(key string, a *Area) {
	if a != nil {
		w.line("%s %d,%d,%d,%d", key, a.X, a.Y, a.Width, a.Height)
	}
}
