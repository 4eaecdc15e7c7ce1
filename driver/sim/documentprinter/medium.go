package documentprinter

import (
	"fmt"
	"image"

	"github.com/plomb-pos/plomb/driver/forms"
	"github.com/plomb-pos/plomb/driver/forms/press"
)

// DPI is how finely the printer draws and scans.
const DPI = 120

// medium is what is printed on: a wad of sheets, or a passbook.
type medium struct {
	number  int // never used again
	version int // counts what was printed, so that pictures are fresh
	name    string
	book    bool
	foreign bool // a customer brought it
	width   int  // dots
	height  int
	leaves  []*leaf
	open    int // the page of a passbook, from 0
	closed  bool
	turned  bool // its back is up
}

// leaf has pages where something is printed.
type leaf struct{ front, back *press.Page }

func (m *medium) side(n int, back bool) *press.Page {
	l := m.leaves[n]
	page := &l.front
	if back != m.turned {
		page = &l.back
	}
	if *page == nil {
		*page = press.NewPage(m.width, m.height)
	}
	return *page
}

// Page is what can be printed on now: the open page of a passbook, or both sides of
// every sheet.
func (m *medium) Page(n int, back bool) *press.Page {
	switch {
	case m.book && (m.closed || n != 0 || back):
		return nil
	case m.book:
		return m.side(m.open, false)
	case n < 0 || n >= len(m.leaves):
		return nil
	}
	return m.side(n, back)
}

// tenths turns tenths of a millimetre into dots.
func tenths(n int) int { return n * DPI / 254 }

// measured is a medium's size in dots.
func measured(m *forms.Media) image.Point {
	return image.Pt(tenths(m.Unit.Tenths(m.Size.Width, true, 10, 6)), tenths(m.Unit.Tenths(m.Size.Height, false, 10, 6)))
}

func area(m *forms.Media, a *forms.Area) image.Rectangle {
	if a == nil {
		return image.Rectangle{}
	}
	x, y := tenths(m.Unit.Tenths(a.X, true, 10, 6)), tenths(m.Unit.Tenths(a.Y, false, 10, 6))
	return image.Rect(x, y, x+tenths(m.Unit.Tenths(a.Width, true, 10, 6)), y+tenths(m.Unit.Tenths(a.Height, false, 10, 6)))
}

// fresh makes a medium without anything on it.
func (p *Printer) fresh(name string, def *forms.Media, leaves int) *medium {
	p.numbers++
	size := measured(def)
	m := &medium{number: p.numbers, name: name, book: def.MediaType == "passbook", width: size.X, height: size.Y}
	if m.book {
		leaves = def.Page
	}
	for range leaves {
		m.leaves = append(m.leaves, new(leaf))
	}
	return m
}

// pictures names the pages of a medium that have something on them.
func (m *medium) pictures() []string {
	out := []string{}
	for n, l := range m.leaves {
		if l.front != nil {
			out = append(out, m.pictureName(n, "front"))
		}
		if l.back != nil {
			out = append(out, m.pictureName(n, "back"))
		}
	}
	return out
}

func (m *medium) pictureName(n int, side string) string {
	return fmt.Sprintf("%d-%d-%d-%s.png", m.number, m.version, n+1, side)
}

func (m *medium) picture(name string) *press.Page {
	for n, l := range m.leaves {
		switch name {
		case m.pictureName(n, "front"):
			return l.front
		case m.pictureName(n, "back"):
			return l.back
		}
	}
	return nil
}

// document is a medium that somebody took: its pictures are kept, not its pages.
type document struct {
	name  string
	names []string
	data  map[string][]byte
	text  []string
}

// maxTaken is how many documents are kept to be looked at.
const maxTaken = 6

// away turns a medium into a document.
func (m *medium) away() document {
	d := document{name: m.name, names: m.pictures(), data: map[string][]byte{}}
	for _, name := range d.names {
		if data, err := m.picture(name).PNG(); err == nil { // a picture in memory can be encoded
			d.data[name] = data
		}
	}
	d.text = m.text()
	return d
}

// text is all that stands on it, in the order of printing.
func (m *medium) text() []string {
	out := []string{}
	for _, l := range m.leaves {
		for _, page := range []*press.Page{l.front, l.back} {
			if page == nil {
				continue
			}
			for _, mark := range page.Marks {
				out = append(out, mark.Text)
			}
		}
	}
	return out
}
