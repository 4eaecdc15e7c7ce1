package escpos

import (
	"image"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// typeface draws characters into cells of 12 x 24 dots with Go Mono, whose
// advance at 20 dots is exactly one cell.
type typeface struct {
	mu    sync.Mutex // guards all below: faces are not safe for concurrent use
	fonts [2]*sfnt.Font
	faces [2]font.Face
	cells map[glyphKey]*image.Alpha
}

type glyphKey struct {
	r    rune
	bold bool
}

// typeSize and baseline are in dots.
const (
	typeSize = 20
	baseline = 19
)

// typefaces is shared by all rolls: drawing each character once is enough.
var typefaces = sync.OnceValue(func() *typeface {
	t := &typeface{cells: map[glyphKey]*image.Alpha{}}
	for i, ttf := range [][]byte{gomono.TTF, gomonobold.TTF} {
		f, err := opentype.Parse(ttf)
		if err != nil {
			continue // the fonts are compiled in; without one, cells are drawn as boxes
		}
		t.fonts[i] = f
		t.faces[i], _ = opentype.NewFace(f, &opentype.FaceOptions{Size: typeSize, DPI: 72, Hinting: font.HintingFull})
	}
	return t
})

// maxGlyphs bounds the cache: more characters than any printer has.
const maxGlyphs = 70_000

// glyph returns the cell of a character; columns is 1 or 2.
func (t *typeface) glyph(r rune, bold bool, columns int) *image.Alpha {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := glyphKey{r, bold}
	if cell, ok := t.cells[key]; ok {
		return cell
	}
	cell := image.NewAlpha(image.Rect(0, 0, cellWidth*columns, cellHeight))
	if !t.draw(cell, key) {
		box(cell)
	}
	if len(t.cells) < maxGlyphs {
		t.cells[key] = cell
	}
	return cell
}

// draw reports false for a character that the font lacks.
func (t *typeface) draw(cell *image.Alpha, key glyphKey) bool {
	i := int(bit(key.bold))
	if t.faces[i] == nil {
		return false
	}
	var buffer sfnt.Buffer
	if index, err := t.fonts[i].GlyphIndex(&buffer, key.r); err != nil || index == 0 {
		return false
	}
	d := font.Drawer{Dst: cell, Src: image.Opaque, Face: t.faces[i], Dot: fixed.P(0, baseline)}
	d.DrawString(string(key.r))
	return true
}

// box stands for a character that the printer has and this font has not.
func box(cell *image.Alpha) {
	b := cell.Bounds()
	for y := 3; y < b.Max.Y-3; y++ {
		for x := 1; x < b.Max.X-1; x++ {
			if y == 3 || y == b.Max.Y-4 || x == 1 || x == b.Max.X-2 {
				cell.Pix[cell.PixOffset(x, y)] = 0xff
			}
		}
	}
}

// ink says that a dot of the cell is printed.
func ink(cell *image.Alpha, x, y int) bool {
	return cell.Pix[cell.PixOffset(x, y)] >= 0x80
}
