// Package press lays a form out and draws it: values into fields, fields onto pages.
//
// It works in two steps, so that a form with a wrong value leaves no ink: [Set] puts
// everything in its place and names what is wrong with each field; [Job.Print] then
// draws.
//
//	job, problems := press.Set(form, values, press.Paper{DPI: 120, Width: 990, Height: 1400})
//	if !press.Fatal(problems) {
//		err = job.Print(sheet)
//	}
//
// # How it lays out
//
// Letters come from the Go fonts: Go Mono in a grid of cpi by lpi, Go Regular where
// the style is proportional; a character that they lack is a box. A line that is too
// wide goes on in the next one where the field has room for more, at words with
// wordWrap. What still does not fit obeys the field's overflow: terminate and
// wordWrap are errors, truncate and bestFit (down to 5 dots) a warning, overwrite
// neither. A field that follows another stands below what that one printed.
// Barcodes are CODE128, CODE39, EAN13, EAN8, ITF, QR, DATAMATRIX, PDF417 or AZTEC,
// by the name of the field's font; without one CODE128.
//
// What was printed is also kept as text with its place ([Mark]): simulated readers
// read that and not the ink.
package press

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"slices"
)

// Page is one side of a leaf.
type Page struct {
	Image *image.RGBA
	Marks []Mark // in the order of printing
}

// Mark is what stands at a place of a page.
type Mark struct {
	Rect image.Rectangle
	Text string
	Kind string // a field type of package forms
}

// NewPage is a white page; width and height are in dots.
func NewPage(width, height int) *Page {
	p := &Page{Image: image.NewRGBA(image.Rect(0, 0, width, height))}
	draw.Draw(p.Image, p.Image.Rect, image.White, image.Point{}, draw.Src)
	return p
}

// PNG encodes the page.
func (p *Page) PNG() ([]byte, error) { return PNG(p.Image) }

// PNG encodes a picture, quickly rather than small: pages are looked at once.
func PNG(img image.Image) ([]byte, error) {
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := encoder.Encode(&out, img); err != nil {
		return nil, fmt.Errorf("encode page: %w", err)
	}
	return out.Bytes(), nil
}

// Text gives the marks that lie for the greater part in r, in reading order.
func (p *Page) Text(r image.Rectangle, kind string) []string {
	var found []Mark
	for _, m := range p.Marks {
		in := m.Rect.Intersect(r)
		if m.Kind == kind && 2*in.Dx()*in.Dy() > m.Rect.Dx()*m.Rect.Dy() {
			found = append(found, m)
		}
	}
	slices.SortStableFunc(found, func(a, b Mark) int {
		if a.Rect.Min.Y != b.Rect.Min.Y {
			return a.Rect.Min.Y - b.Rect.Min.Y
		}
		return a.Rect.Min.X - b.Rect.Min.X
	})
	out := make([]string, len(found))
	for i, m := range found {
		out[i] = m.Text
	}
	return out
}

// Sheet is what is printed on. Page gives one side of one leaf, from 0; nil when
// there is no such leaf.
type Sheet interface {
	Page(n int, back bool) *Page
}

// Paper is what a form is laid out for, in dots.
type Paper struct {
	DPI           int
	Width, Height int             // of a page
	Area          image.Rectangle // that may be printed on; empty: all of it
	Restricted    image.Rectangle // never printed on; empty: none
	Relative      string          // corner in place of the form's own; "": the form's
	Offset        *image.Point    // from that corner; nil: the form's own
}

// Failure is what is wrong with a field, in the words of Printer.FieldErrorEvent.
type Failure string

// The failures.
const (
	Required        Failure = "required"        // it has no value
	StaticOverwrite Failure = "staticOverwrite" // a value for a static field
	Overflow        Failure = "overflow"
	NotFound        Failure = "notFound"
	NotWrite        Failure = "notWrite" // it is only read
	Graphic         Failure = "graphic"  // a picture or a code that cannot be drawn
)

// Problem is one thing wrong with one field.
type Problem struct {
	Field   string
	Failure Failure
	Fatal   bool // nothing is printed; otherwise it is a warning
}

// Fatal says whether a problem forbids printing.
func Fatal(all []Problem) bool {
	return slices.ContainsFunc(all, func(p Problem) bool { return p.Fatal })
}

// ErrNoRoom says that the form does not fit onto the paper.
var ErrNoRoom = errors.New("the form does not fit onto the medium")

// Job is a form that is ready to print.
type Job struct {
	items []item
	Pages int  // how many leaves it needs
	Back  bool // whether something stands on their backs
}

// item is one thing to draw.
type item struct {
	field string // its full name; "" for frames
	page  int
	back  bool
	at    image.Rectangle
	text  string
	kind  string // "" for frames
	draw  func() *image.RGBA
}

// Print draws the job. Nothing is drawn when the sheet lacks a page.
func (j *Job) Print(on Sheet) error {
	for _, i := range j.items {
		if on.Page(i.page, i.back) == nil {
			return fmt.Errorf("page %d: %w", i.page+1, ErrNoRoom)
		}
	}
	for _, i := range j.items {
		page := on.Page(i.page, i.back)
		if i.draw != nil {
			draw.Draw(page.Image, i.at, i.draw(), image.Point{}, draw.Over)
		}
		if i.kind != "" {
			page.Marks = append(page.Marks, Mark{i.at, i.text, i.kind})
		}
	}
	return nil
}

// named are the colours that have names.
var named = map[string]color.RGBA{
	"black": {0, 0, 0, 255}, "white": {255, 255, 255, 255}, "gray": {128, 128, 128, 255}, "red": {200, 0, 0, 255},
	"blue": {0, 0, 200, 255}, "green": {0, 128, 0, 255}, "yellow": {240, 220, 0, 255},
}

func colorOf(name string) color.RGBA {
	if c, ok := named[name]; ok {
		return c
	}
	c := color.RGBA{A: 255}
	_, _ = fmt.Sscanf(name, "%d,%d,%d", &c.R, &c.G, &c.B) // checked by package forms
	return c
}
