package press

import (
	"image"
	"image/color"
	"image/draw"
	"maps"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/driver/forms"
)

// setter puts one form in its place.
type setter struct {
	form     *forms.Form
	values   map[string][]string
	paper    Paper
	pages    int
	origin   image.Point // of the form on the page
	problems []Problem
	items    []item
	bottoms  map[string]image.Point // where a field that follows begins
	placing  map[string]bool
	room     bool
}

// Set lays a form out. values are by the full names of fields; a field that repeats
// takes one for each place, for others several are its lines. A form that does not
// fit onto the paper gives a Job that fails to print.
func Set(form *forms.Form, values map[string][]string, paper Paper) (*Job, []Problem) {
	if paper.Area.Empty() {
		paper.Area = image.Rect(0, 0, paper.Width, paper.Height)
	}
	s := &setter{form: form, values: values, paper: paper, bottoms: map[string]image.Point{}, placing: map[string]bool{}, room: true}
	s.pages = s.countPages()
	s.place()
	s.unknown()
	s.part("", form.Fields, form.Frames, image.Point{})
	for _, name := range slices.Sorted(maps.Keys(form.SubForms)) {
		sub := form.SubForms[name]
		s.part(name+".", sub.Fields, sub.Frames, s.point(sub.Position.X, sub.Position.Y))
	}
	return s.job(), s.problems
}

func (s *setter) job() *Job {
	j := &Job{items: s.items, Pages: s.pages}
	for i := range j.items {
		s.turn(&j.items[i])
		j.Back = j.Back || j.items[i].back
		if s.room && j.items[i].kind != "" && (!j.items[i].at.In(s.paper.Area) || j.items[i].at.Overlaps(s.paper.Restricted)) {
			s.room = false
		}
	}
	if !s.room {
		j.items = []item{{page: -1}}
	}
	return j
}

// turn lays an item of a landscape form on its side.
func (s *setter) turn(i *item) {
	if s.form.Orientation == "landscape" {
		r, high := i.at, s.dots(s.form.Size.Height, false)
		i.at = image.Rect(high-r.Max.Y, r.Min.X, high-r.Min.Y, r.Max.X)
		if draw := i.draw; draw != nil {
			i.draw = func() *image.RGBA { return rotate(draw(), 1) }
		}
	}
	i.at = i.at.Add(s.origin)
}

// dots turns units of the form into dots.
func (s *setter) dots(n int, across bool) int {
	return s.form.Unit.Tenths(n*100, across, s.form.CPI, s.form.LPI) * s.paper.DPI / 25400
}

func (s *setter) point(x, y int) image.Point { return image.Pt(s.dots(x, true), s.dots(y, false)) }

// place finds the form's corner on the page.
func (s *setter) place() {
	size := s.point(s.form.Size.Width, s.form.Size.Height)
	if s.form.Orientation == "landscape" {
		size = image.Pt(size.Y, size.X)
	}
	corner, off := "topLeft", image.Point{}
	if a := s.form.Alignment; a != nil {
		corner, off = a.Relative, s.point(a.X, a.Y)
	}
	if s.paper.Relative != "" {
		corner = s.paper.Relative
	}
	if s.paper.Offset != nil {
		off = *s.paper.Offset
	}
	s.origin = off
	if strings.HasSuffix(corner, "Right") {
		s.origin.X = s.paper.Width - size.X - off.X
	}
	if strings.HasPrefix(corner, "bottom") {
		s.origin.Y = s.paper.Height - size.Y - off.Y
	}
}

func (s *setter) countPages() int {
	n := 1
	for _, f := range s.form.All() {
		if f.Position != nil {
			n = max(n, f.Position.Z+1)
		}
	}
	return n
}

func (s *setter) problem(field string, f Failure, fatal bool) {
	s.problems = append(s.problems, Problem{field, f, fatal})
}

// unknown finds values that belong to no field that takes them.
func (s *setter) unknown() {
	all := s.form.All()
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		switch f := all[name]; {
		case f == nil:
			s.problem(name, NotFound, true)
		case f.Class == forms.Static:
			s.problem(name, StaticOverwrite, true)
		case f.Access == forms.Read:
			s.problem(name, NotWrite, true)
		}
	}
}

// part sets the frames and fields of a form or subform, whose corner is at.
func (s *setter) part(prefix string, fields map[string]*forms.Field, frames map[string]*forms.Frame, at image.Point) {
	first := len(s.items)
	for _, name := range forms.InOrder(fields) {
		s.field(prefix, name, fields, at)
	}
	printed := slices.Clone(s.items[first:])
	s.items = s.items[:first]
	for _, name := range slices.Sorted(maps.Keys(frames)) {
		s.frame(prefix, frames[name], fields, at, printed)
	}
	s.items = append(s.items, printed...)
}

// field sets one field, after the one that it follows.
func (s *setter) field(prefix, name string, fields map[string]*forms.Field, at image.Point) {
	full := prefix + name
	if s.placing[full] {
		return
	}
	s.placing[full] = true
	f := fields[name]
	corner, page := at, 0
	if f.Follows != "" {
		s.field(prefix, f.Follows, fields, at)
		corner, page = s.bottoms[prefix+f.Follows], s.pageOf(f, fields)
	} else {
		corner, page = at.Add(s.point(f.Position.X, f.Position.Y)), f.Position.Z
	}
	s.bottoms[full] = corner
	if values := s.valuesOf(full, f); len(values) > 0 {
		s.repeat(full, f, corner, page, values)
	}
}

// pageOf is the page of the first in a chain of fields.
func (s *setter) pageOf(f *forms.Field, fields map[string]*forms.Field) int {
	for f.Follows != "" {
		f = fields[f.Follows]
	}
	return f.Position.Z
}

// valuesOf gives what a field prints, one for each of its places.
func (s *setter) valuesOf(full string, f *forms.Field) []string {
	given, ok := s.values[full]
	switch {
	case f.Class == forms.Static || !ok && (f.InitialValue != "" || len(f.InitialGraphic) > 0):
		return slices.Repeat([]string{f.InitialValue}, f.Repeats())
	case !ok && f.Class == forms.Required && f.Access != forms.Read:
		s.problem(full, Required, true)
	case ok && f.Index == nil:
		return []string{strings.Join(given, "\n")}
	case len(given) > f.Repeats():
		cut := f.Overflow == forms.Truncate || f.Overflow == forms.BestFit
		s.problem(full, Overflow, !cut)
		return given[:f.Repeats()]
	}
	return given
}

func (s *setter) repeat(full string, f *forms.Field, corner image.Point, page int, values []string) {
	size := s.point(f.Size.Width, f.Size.Height)
	step := image.Point{}
	if f.Index != nil {
		step = s.point(f.Index.X, f.Index.Y)
	}
	for n, value := range values {
		at := corner.Add(step.Mul(n))
		s.bottoms[full] = image.Pt(corner.X, at.Y+size.Y)
		if at.Y+size.Y > s.dots(s.form.Size.Height, false)+1 {
			s.problem(full, Overflow, true)
			return
		}
		s.one(full, f, image.Rectangle{at, at.Add(size)}, page, cased(value, f.Case))
	}
}

func cased(value, how string) string {
	switch how {
	case "upper":
		return strings.ToUpper(value)
	case "lower":
		return strings.ToLower(value)
	}
	return value
}

// one sets a field at one place, on every page on which it stands.
func (s *setter) one(full string, f *forms.Field, at image.Rectangle, page int, value string) {
	if value == "" && len(f.InitialGraphic) == 0 {
		return
	}
	i := item{field: full, page: page, back: f.Side == "back", at: at, text: value, kind: f.FieldType}
	switch f.FieldType {
	case forms.Barcode:
		s.barcode(full, f, &i)
	case forms.Graphic:
		s.graphic(full, f, &i)
	case forms.MICR:
		s.micr(full, f, &i)
	case forms.PageMark:
		i.draw = func() *image.RGBA { return solid(at.Size(), colorOf(f.Color)) }
	case forms.MSF: // leaves no ink
	default:
		s.text(full, f, &i)
	}
	for _, n := range s.pagesOf(f.Header, f.Footer, page) {
		i.page = n
		s.items = append(s.items, i)
	}
}

// pagesOf lists where a header or footer stands; without either, its own page.
func (s *setter) pagesOf(header, footer string, page int) (out []int) {
	if header == "" && footer == "" {
		return []int{page}
	}
	for _, list := range []string{header, footer} {
		on, _ := forms.Pages(list, s.pages) // checked by package forms
		for n, stands := range on {
			if stands && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

func solid(size image.Point, c color.Color) *image.RGBA {
	img := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(img, img.Rect, image.NewUniform(c), image.Point{}, draw.Src)
	return img
}

// rotate turns a picture by quarters of a turn, clockwise.
func rotate(img *image.RGBA, quarters int) *image.RGBA {
	for range quarters % 4 {
		w, h := img.Rect.Dx(), img.Rect.Dy()
		out := image.NewRGBA(image.Rect(0, 0, h, w))
		for y := range h {
			for x := range w {
				out.SetRGBA(h-1-y, x, img.RGBAAt(x, y))
			}
		}
		img = out
	}
	return img
}
