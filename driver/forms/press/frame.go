package press

import (
	"image"
	"image/color"

	"github.com/plomb-pos/plomb/driver/forms"
)

// frame sets a frame at all its places. Those that frame a field stand around
// everything that the field printed.
func (s *setter) frame(prefix string, f *forms.Frame, fields map[string]*forms.Field, at image.Point, printed []item) {
	if f.Frames != "" {
		s.around(prefix+f.Frames, f, fields, at, printed)
		return
	}
	across, down := f.Repeats()
	size := s.point(f.Size.Width, f.Size.Height)
	corner, step := at.Add(s.point(f.Position.X, f.Position.Y)), image.Point{}
	if f.Repeat != nil {
		step = s.point(f.Repeat.OffsetX, f.Repeat.OffsetY)
	}
	for y := range down {
		for x := range across {
			c := corner.Add(image.Pt(x*step.X, y*step.Y))
			s.addFrame(f, image.Rectangle{c, c.Add(size)}, f.Position.Z)
		}
	}
}

// around frames a field: where it printed, or where it would have.
func (s *setter) around(full string, f *forms.Frame, fields map[string]*forms.Field, at image.Point, printed []item) {
	field, found := fields[f.Frames], false
	for _, i := range printed {
		if i.field == full {
			s.addFrame(f, i.at.Inset(-2), i.page)
			found = true
		}
	}
	if !found && f.Class == forms.Static && field.Position != nil {
		c := at.Add(s.point(field.Position.X, field.Position.Y))
		s.addFrame(f, image.Rectangle{c, c.Add(s.point(field.Size.Width, field.Size.Height))}, field.Position.Z)
	}
}

func (s *setter) addFrame(f *forms.Frame, at image.Rectangle, page int) {
	i := item{back: f.Side == "back", at: at}
	dpi := s.paper.DPI
	i.draw = func() *image.RGBA { return drawFrame(f, at.Size(), dpi) }
	for _, n := range s.pagesOf(f.Header, f.Footer, page) {
		i.page = n
		s.items = append(s.items, i)
	}
}

// drawFrame decides each dot of a frame: line, filling or nothing.
func drawFrame(f *forms.Frame, size image.Point, dpi int) *image.RGBA {
	out := image.NewRGBA(image.Rectangle{Max: size})
	line, fill := colorOf(f.Color), colorOf(f.FillColor)
	thick := max(dpi/100, 1)
	if f.Style == "singleThick" || f.Style == "doubleThick" {
		thick *= 3
	}
	double := f.Style == "doubleThin" || f.Style == "doubleThick"
	depth := func(x, y, in int) bool { return inShape(f.FieldType, size, x, y, in) }
	for y := range size.Y {
		for x := range size.X {
			switch {
			case !depth(x, y, 0):
			case !depth(x, y, thick) || double && depth(x, y, 2*thick) && !depth(x, y, 3*thick):
				if f.Style != "dotted" || (x+y)/(2*thick)%2 == 0 {
					out.SetRGBA(x, y, line)
				}
			case filled(f.FillStyle, x, y):
				out.SetRGBA(x, y, fillColor(f, fill, line))
			}
		}
	}
	return out
}

// fillColor is the colour of the filling; hatching in white would not be seen.
func fillColor(f *forms.Frame, fill, line color.RGBA) color.RGBA {
	if f.FillStyle != "solid" && f.FillColor == "white" {
		return line
	}
	return fill
}

// hatch is the distance of the lines of a filling, in dots.
const hatch = 6

func filled(style string, x, y int) bool {
	down, up := (x-y+hatch*10_000)%hatch == 0, (x+y)%hatch == 0
	switch style {
	case "solid":
		return true
	case "horizontal":
		return y%hatch == 0
	case "vertical":
		return x%hatch == 0
	case "cross":
		return x%hatch == 0 || y%hatch == 0
	case "fdiagonal":
		return down
	case "bdiagonal":
		return up
	case "diagcross":
		return down || up
	}
	return false
}

// inShape says whether a dot lies in the shape, in dots away from its edge.
func inShape(shape string, size image.Point, x, y, in int) bool {
	w, h := size.X-2*in, size.Y-2*in
	x, y = x-in, y-in
	if x < 0 || y < 0 || x >= w || y >= h {
		return false
	}
	switch shape {
	case "ellipse":
		dx, dy := 2*x+1-w, 2*y+1-h
		return dx*dx*h*h+dy*dy*w*w <= w*w*h*h
	case "roundedCorner":
		r := max(min(size.X, size.Y)/5-in, 0)
		cx, cy := min(max(x, r), w-1-r), min(max(y, r), h-1-r)
		return (x-cx)*(x-cx)+(y-cy)*(y-cy) <= r*r
	}
	return true
}
