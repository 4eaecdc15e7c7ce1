package press

import (
	"image"
	"strings"

	"github.com/plomb-pos/plomb/driver/forms"
)

// Where gives the places of a field on the paper, by its full name, for those who
// read what stands there. A field that follows another has no place of its own, nor
// has one that the form lacks.
func Where(form *forms.Form, name string, paper Paper) (page int, back bool, places []image.Rectangle) {
	s := &setter{form: form, paper: paper}
	s.place()
	f, at := form.All()[name], image.Point{}
	if f == nil || f.Position == nil {
		return 0, false, nil
	}
	if sub, _, ok := strings.Cut(name, "."); ok && form.Fields[name] == nil {
		at = s.point(form.SubForms[sub].Position.X, form.SubForms[sub].Position.Y)
	}
	size, step := s.point(f.Size.Width, f.Size.Height), image.Point{}
	if f.Index != nil {
		step = s.point(f.Index.X, f.Index.Y)
	}
	for n := range f.Repeats() {
		corner := at.Add(s.point(f.Position.X, f.Position.Y)).Add(step.Mul(n))
		i := item{at: image.Rectangle{corner, corner.Add(size)}}
		s.turn(&i)
		places = append(places, i.at)
	}
	return f.Position.Z, f.Side == "back", places
}
