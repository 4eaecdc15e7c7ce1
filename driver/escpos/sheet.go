package escpos

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
)

// Sheet is a piece of paper: what came out between two cuts.
type Sheet struct {
	Image *image.Paletted // white and black, as wide as the printable dots
	// Lines are the characters of each printed line, without what aligned them. Codes
	// and pictures appear as in "[QR data]".
	Lines []string
	// Cut says how the sheet ended.
	Cut CutKind
}

// CutKind is how a sheet was separated.
type CutKind string

// The ways in which a sheet ends; Uncut is paper that still hangs in the printer.
const (
	Uncut      CutKind = ""
	FullCut    CutKind = "full"
	PartialCut CutKind = "partial"
	Torn       CutKind = "torn"
)

// Text is the sheet's lines, each ended by a line feed.
func (s Sheet) Text() string {
	if len(s.Lines) == 0 {
		return ""
	}
	return strings.Join(s.Lines, "\n") + "\n"
}

// PNG encodes the picture, with a margin as paper has it.
func (s Sheet) PNG() ([]byte, error) {
	var out bytes.Buffer
	if err := png.Encode(&out, s.withMargin()); err != nil {
		return nil, fmt.Errorf("encode sheet: %w", err)
	}
	return out.Bytes(), nil
}

// margin is the unprintable edge in dots: 4 mm at 203 dpi.
const margin = 32

func (s Sheet) withMargin() image.Image {
	b := s.Image.Bounds()
	out := image.NewPaletted(image.Rect(0, 0, b.Dx()+2*margin, b.Dy()+2*margin), s.Image.Palette)
	for y := range b.Dy() {
		copy(out.Pix[out.PixOffset(margin, y+margin):], s.Image.Pix[s.Image.PixOffset(0, y):][:b.Dx()])
	}
	return out
}

func (s Sheet) empty() bool { return s.Image.Bounds().Dy() == 0 }

func newSheet(dots int) Sheet {
	return Sheet{Image: image.NewPaletted(image.Rect(0, 0, dots, 0), color.Palette{color.White, color.Black})}
}

// grow adds rows of white paper.
func (s *Sheet) grow(rows int) {
	s.Image.Pix = append(s.Image.Pix, make([]byte, rows*s.Image.Stride)...)
	s.Image.Rect.Max.Y += rows
}

// black prints one dot; dots beside the paper are lost.
func (s *Sheet) black(x, y int) {
	if (image.Point{x, y}).In(s.Image.Rect) {
		s.Image.Pix[y*s.Image.Stride+x] = 1
	}
}

func (s Sheet) clone() Sheet {
	img := *s.Image
	img.Pix = bytes.Clone(s.Image.Pix)
	return Sheet{Image: &img, Lines: append([]string(nil), s.Lines...), Cut: s.Cut}
}
