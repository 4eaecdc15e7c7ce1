package forms

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// DefinitionError is a definition that contradicts itself.
type DefinitionError struct {
	Name string // of the form or the medium
	Part string // the field, frame or member; "" for all of it
	Text string
}

// Error names what is wrong where.
func (e *DefinitionError) Error() string {
	if e.Part == "" {
		return fmt.Sprintf("%s: %s", e.Name, e.Text)
	}
	return fmt.Sprintf("%s: %s: %s", e.Name, e.Part, e.Text)
}

// Bounds of a definition.
const (
	maxFields  = 1000   // fields and frames of a form
	maxRepeats = 1000   // of one field or frame
	maxPages   = 50     // of a form or a passbook
	maxEdge    = 20_000 // in tenths of a millimetre: 2 m
)

// Tenths gives a distance in tenths of a millimetre: n units of u, across or down,
// where cpi and lpi measure rows and columns.
func (u Unit) Tenths(n int, across bool, cpi, lpi int) int {
	per, pitch := u.Y, lpi
	if across {
		per, pitch = u.X, cpi
	}
	switch u.Base {
	case Inch:
		return n * 254 / max(per, 1)
	case MM:
		return n * 10 / max(per, 1)
	}
	return n * 254 / (max(pitch, 1) * max(per, 1))
}

func (d Definitions) complete() error {
	for name, f := range d.Forms {
		if err := f.complete(name); err != nil {
			return err
		}
	}
	for name, m := range d.Media {
		if err := m.complete(name); err != nil {
			return err
		}
	}
	return nil
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

func (u *Unit) complete() error {
	if u.Base == RowColumn {
		setDefault(&u.X, 1)
		setDefault(&u.Y, 1)
	}
	if !slices.Contains(bases, u.Base) || u.X < 1 || u.Y < 1 || u.X > 1000 || u.Y > 1000 {
		return fmt.Errorf("the unit is inch, mm or rowColumn in 1 to 1000 parts")
	}
	return nil
}

// complete fills defaults in and finds contradictions.
func (f *Form) complete(name string) error {
	bad := func(part, text string) error { return &DefinitionError{name, part, text} }
	if err := f.Unit.complete(); err != nil {
		return bad("unit", err.Error())
	}
	setDefault(&f.Orientation, "portrait")
	setDefault(&f.CPI, 10)
	setDefault(&f.LPI, 6)
	switch {
	case f.CPI < 2 || f.CPI > 40 || f.LPI < 1 || f.LPI > 40 || f.PointSize < 0 || f.PointSize > 200:
		return bad("cpi", "letters have 2 to 40 to the inch, lines 1 to 40, and 0 to 200 points")
	case f.Skew < 0 || f.Skew > 359:
		return bad("skew", "an angle is 0 to 359 degrees")
	case f.Size.Width < 1 || f.Size.Height < 1 || f.edge(f.Size.Width, true) > maxEdge || f.edge(f.Size.Height, false) > maxEdge:
		return bad("size", "a form is at least one unit and at most two metres wide and high")
	case f.Alignment != nil && !slices.Contains(corners, f.Alignment.Relative):
		return bad("alignment", "it is relative to one of the corners")
	case !slices.Contains(orientations, f.Orientation):
		return bad("orientation", "it is portrait or landscape")
	}
	if text := f.Version.wrong(); text != "" {
		return bad("version", text)
	}
	return f.completeParts(bad)
}

func (f *Form) edge(n int, across bool) int { return f.Unit.Tenths(n, across, f.CPI, f.LPI) }

func (v *Version) wrong() string {
	if v == nil {
		return ""
	}
	major, minor, _ := strings.Cut(v.Version, ".")
	n, err := strconv.Atoi(major)
	if _, err2 := strconv.Atoi(minor + "0"); err != nil || err2 != nil || n < 1 || major != strconv.Itoa(n) || strings.HasSuffix(v.Version, ".") {
		return "it is a number from 1, or two with a dot"
	}
	return ""
}

func (f *Form) completeParts(bad func(part, text string) error) error {
	count := len(f.Fields) + len(f.Frames)
	if err := part(f.Size, f.Fields, f.Frames, bad); err != nil {
		return err
	}
	for name, s := range f.SubForms {
		if s == nil || s.Position == nil || s.Size == nil || !inside(s.Position, s.Size, f.Size) {
			return bad(name, "a subform has a position and a size inside of its form")
		}
		inner := func(p, text string) error { return bad(name+"."+p, text) }
		if err := part(*s.Size, s.Fields, s.Frames, inner); err != nil {
			return err
		}
		count += len(s.Fields) + len(s.Frames)
	}
	if count > maxFields {
		return bad("", fmt.Sprintf("more than %d fields and frames", maxFields))
	}
	return nil
}

func part(in Size, fields map[string]*Field, frames map[string]*Frame, bad func(part, text string) error) error {
	ink := 0 // in units of area, repeats included
	for name, f := range fields {
		if text := f.complete(in, fields); text != "" {
			return bad(name, text)
		}
		ink += f.Size.Width * f.Size.Height * f.Repeats()
	}
	for name, f := range frames {
		if text := f.complete(in, fields); text != "" {
			return bad(name, text)
		}
		if f.Size != nil {
			across, down := f.Repeats()
			ink += f.Size.Width * f.Size.Height * across * down
		}
	}
	if ink > 100*in.Width*in.Height {
		return bad("", "the fields and frames cover it more than a hundred times")
	}
	return nil
}

func inside(at *Position, size *Size, in Size) bool {
	return at.X >= 0 && at.Y >= 0 && at.Z >= 0 && at.Z < maxPages && size.Width > 0 && size.Height > 0 &&
		at.X+size.Width <= in.Width && at.Y+size.Height <= in.Height
}

// Repeats is how often a field stands in its form.
func (f *Field) Repeats() int {
	if f.Index == nil {
		return 1
	}
	return max(f.Index.RepeatCount, 1)
}

// complete fills defaults in; it returns what is wrong.
func (f *Field) complete(in Size, all map[string]*Field) string {
	if f == nil {
		return "it is empty"
	}
	f.defaults()
	if text := f.wrongWord(); text != "" {
		return text
	}
	return f.wrongPlace(in, all)
}

func (f *Field) defaults() {
	setDefault(&f.Side, "front")
	setDefault(&f.FieldType, Text)
	setDefault(&f.Class, Optional)
	setDefault(&f.Access, Write)
	setDefault(&f.Overflow, Terminate)
	setDefault(&f.Case, "noChange")
	setDefault(&f.Horizontal, "left")
	setDefault(&f.Vertical, "bottom")
	setDefault(&f.Color, "black")
	setDefault(&f.Scaling, "bestFit")
	setDefault(&f.Barcode, "none")
	setDefault(&f.Coercivity, "auto")
	if f.Style != nil {
		f.Style.plain()
	}
	if f.Follows != "" {
		f.Position = nil
	}
	if f.Font != nil && *f.Font == (Font{}) {
		f.Font = nil
	}
	if len(f.InitialGraphic) == 0 {
		f.InitialGraphic = nil
	}
}

func (f *Field) wrongWord() string {
	words := []struct {
		what, is string
		of       []string
	}{
		{"side", f.Side, sides}, {"fieldType", f.FieldType, fieldTypes}, {"class", f.Class, classes}, {"access", f.Access, accesses},
		{"overflow", f.Overflow, overflows}, {"case", f.Case, cases}, {"horizontal", f.Horizontal, horizontals},
		{"vertical", f.Vertical, verticals}, {"scaling", f.Scaling, scalings}, {"barcode", f.Barcode, barcodeTexts}, {"coercivity", f.Coercivity, coercivities},
	}
	for _, w := range words {
		if !slices.Contains(w.of, w.is) {
			return fmt.Sprintf("%s is one of %s", w.what, strings.Join(w.of, ", "))
		}
	}
	if text := wrongColor(f.Color); text != "" {
		return text
	}
	return wrongPages(f.Header, f.Footer)
}

func wrongColor(c string) string {
	if slices.Contains(colors, c) {
		return ""
	}
	parts := strings.Split(c, ",")
	for _, p := range parts {
		if n, err := strconv.Atoi(p); err != nil || n < 0 || n > 255 {
			return "a colour is a name or R,G,B of 0 to 255"
		}
	}
	if len(parts) != 3 {
		return "a colour is a name or R,G,B of 0 to 255"
	}
	return ""
}

func wrongPages(lists ...string) string {
	for _, list := range lists {
		if _, err := Pages(list, 1); err != nil {
			return err.Error()
		}
	}
	return ""
}

// Pages says on which of so many pages a header or footer stands: true for each
// page that list names. The list is "ALL" or like "1,3-4", pages from 1.
func Pages(list string, pages int) ([]bool, error) {
	out := make([]bool, pages)
	if list == "" {
		return out, nil
	}
	if list == "ALL" {
		list = "1-" + strconv.Itoa(maxPages)
	}
	for _, span := range strings.Split(list, ",") {
		first, last, isSpan := strings.Cut(span, "-")
		if !isSpan {
			last = first
		}
		a, err1 := strconv.Atoi(first)
		b, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || a < 1 || b < a || b > maxPages {
			return nil, fmt.Errorf("pages are ALL or like 1,3-4, up to %d", maxPages)
		}
		for n := a; n <= min(b, pages); n++ {
			out[n-1] = true
		}
	}
	return out, nil
}

func (f *Field) wrongPlace(in Size, all map[string]*Field) string {
	switch {
	case f.Size == nil || f.Size.Width < 1 || f.Size.Height < 1 || f.Size.Width > in.Width || f.Size.Height > in.Height:
		return "a field has a size of at least one unit that fits into its form"
	case f.Font != nil && (f.Font.PointSize < 0 || f.Font.PointSize > 200 || f.Font.CPI < 0 || f.Font.CPI == 1 || f.Font.CPI > 40 || f.Font.LPI < 0 || f.Font.LPI > 40):
		return "a font has 0 to 200 points, 2 to 40 characters and 1 to 40 lines to the inch"
	case f.Class == Static && f.FieldType != Graphic && f.InitialValue == "" && len(f.InitialGraphic) == 0:
		return "a static field has an initial value"
	case f.Follows != "":
		return f.wrongFollows(all)
	case f.Position == nil:
		return "a field has a position or follows another"
	}
	if i := f.Index; i != nil && (i.RepeatCount < 1 || i.RepeatCount > maxRepeats || i.X < 0 || i.Y < 0) {
		return fmt.Sprintf("a field repeats 1 to %d times, to the right or down", maxRepeats)
	}
	last := *f.Position
	if f.Index != nil {
		last.X += (f.Index.RepeatCount - 1) * f.Index.X
		last.Y += (f.Index.RepeatCount - 1) * f.Index.Y
	}
	if !inside(&last, f.Size, in) || f.Position.X < 0 || f.Position.Y < 0 {
		return "the field does not lie inside of its form"
	}
	return ""
}

// wrongFollows walks up the chain of fields.
func (f *Field) wrongFollows(all map[string]*Field) string {
	for n := 0; f.Follows != ""; n++ {
		next := all[f.Follows]
		if next == nil {
			return fmt.Sprintf("there is no field %.40q to follow", f.Follows)
		}
		if n > len(all) {
			return "fields follow each other in a circle"
		}
		f = next
	}
	return ""
}

// Repeats is how often a frame stands across and down.
func (f *Frame) Repeats() (across, down int) {
	if f.Repeat == nil {
		return 1, 1
	}
	return max(f.Repeat.RepeatCountX, 1), max(f.Repeat.RepeatCountY, 1)
}

func (f *Frame) complete(in Size, fields map[string]*Field) string {
	if f == nil {
		return "it is empty"
	}
	f.defaults()
	words := []struct {
		what, is string
		of       []string
	}{
		{"side", f.Side, sides}, {"fieldType", f.FieldType, frameTypes}, {"class", f.Class, frameClasses}, {"overflow", f.Overflow, frameOverflows},
		{"style", f.Style, frameStyles}, {"fillStyle", f.FillStyle, fillStyles}, {"horizontal", f.Horizontal, frameHorizontals}, {"vertical", f.Vertical, frameVerticals},
	}
	for _, w := range words {
		if !slices.Contains(w.of, w.is) {
			return fmt.Sprintf("%s is one of %s", w.what, strings.Join(w.of, ", "))
		}
	}
	for _, text := range []string{wrongColor(f.Color), wrongColor(f.FillColor), wrongPages(f.Header, f.Footer)} {
		if text != "" {
			return text
		}
	}
	return f.wrongPlace(in, fields)
}

func (f *Frame) defaults() {
	setDefault(&f.Side, "front")
	setDefault(&f.FieldType, "rectangle")
	setDefault(&f.Class, Static)
	setDefault(&f.Overflow, Terminate)
	setDefault(&f.Style, "singleThin")
	setDefault(&f.Color, "black")
	setDefault(&f.FillColor, "white")
	setDefault(&f.FillStyle, "none")
	setDefault(&f.Horizontal, "left")
	setDefault(&f.Vertical, "top")
	if f.Frames != "" {
		f.Position, f.Size, f.Repeat = nil, nil, nil
	}
}

func (f *Frame) wrongPlace(in Size, fields map[string]*Field) string {
	switch {
	case f.Frames != "" && fields[f.Frames] == nil:
		return fmt.Sprintf("there is no field %.40q to frame", f.Frames)
	case f.Title != "" && fields[f.Title] == nil:
		return fmt.Sprintf("there is no field %.40q for the title", f.Title)
	case len(f.SubstSign) > 4:
		return "the substitute sign is one character"
	case f.Frames != "":
		return ""
	case f.Position == nil || f.Size == nil:
		return "a frame has a position and a size or frames a field"
	}
	across, down := f.Repeats()
	if across*down > maxRepeats || across > maxRepeats || down > maxRepeats {
		return fmt.Sprintf("a frame repeats at most %d times", maxRepeats)
	}
	last := *f.Position
	if r := f.Repeat; r != nil {
		last.X += (across - 1) * r.OffsetX
		last.Y += (down - 1) * r.OffsetY
	}
	if !inside(&last, f.Size, in) || f.Position.X < 0 || f.Position.Y < 0 || f.Repeat != nil && (f.Repeat.OffsetX < 0 || f.Repeat.OffsetY < 0) {
		return "the frame does not lie inside of its form"
	}
	return ""
}

func (m *Media) complete(name string) error {
	bad := func(part, text string) error { return &DefinitionError{name, part, text} }
	if err := m.Unit.complete(); err != nil {
		return bad("unit", err.Error())
	}
	setDefault(&m.MediaType, "generic")
	setDefault(&m.Source, "any")
	setDefault(&m.Page, 1)
	if m.PrintArea == nil {
		m.PrintArea = &Area{0, 0, m.Size.Width, m.Size.Height}
	}
	edge := func(n int, across bool) int { return m.Unit.Tenths(n, across, 10, 6) }
	switch {
	case !slices.Contains(mediaTypes, m.MediaType):
		return bad("mediaType", "it is generic, passbook or multipart")
	case m.Fold != "" && !slices.Contains(folds, m.Fold):
		return bad("fold", "it is horizontal or vertical")
	case m.Size.Width < 1 || m.Size.Height < 1 || edge(m.Size.Width, true) > maxEdge || edge(m.Size.Height, false) > maxEdge:
		return bad("size", "a medium is at least one unit and at most two metres wide and high")
	case m.Page < 1 || m.Page > maxPages || m.Lines < 0 || m.Lines > 1000 || m.Staggering < 0 || m.Staggering > m.Size.Height:
		return bad("page", fmt.Sprintf("a passbook has 1 to %d pages of up to 1000 lines", maxPages))
	case !m.PrintArea.in(m.Size) || m.Restricted != nil && !m.Restricted.in(m.Size):
		return bad("printArea", "an area lies inside of its medium")
	}
	return nil
}

func (a *Area) in(s Size) bool {
	return inside(&Position{X: a.X, Y: a.Y}, &Size{a.Width, a.Height}, s)
}
