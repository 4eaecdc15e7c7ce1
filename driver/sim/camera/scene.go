package camera

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"time"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// Size of a picture in dots.
const width, height = 320, 240

// The colours of a picture.
var (
	black  = color.RGBA{0x10, 0x10, 0x14, 0xFF}
	wall   = color.RGBA{0xB8, 0xC4, 0xC8, 0xFF}
	floor  = color.RGBA{0x7A, 0x70, 0x68, 0xFF}
	steel  = color.RGBA{0x55, 0x60, 0x6A, 0xFF}
	skin   = color.RGBA{0xD8, 0xA8, 0x88, 0xFF}
	coat   = color.RGBA{0x30, 0x50, 0x90, 0xFF}
	coat2  = color.RGBA{0x90, 0x40, 0x40, 0xFF}
	letter = color.RGBA{0xFF, 0xF0, 0x60, 0xFF}
)

var palette = color.Palette{black, wall, floor, steel, skin, coat, coat2, letter}

// canvas is a picture under way.
type canvas struct{ *image.Paletted }

// draw takes the picture: the scene, the time and the client's text.
func draw(o *one, now time.Time, text string) []byte {
	c := canvas{image.NewPaletted(image.Rect(0, 0, width, height), palette)}
	if !o.covered {
		c.place(o.name)
		c.people(o.scene)
	}
	c.write(6, 14, o.name)
	c.write(6, height-20, now.UTC().Format("2006-01-02 15:04:05 UTC"))
	c.write(6, height-6, text)
	var out bytes.Buffer
	_ = png.Encode(&out, c) // into memory: cannot fail
	return out.Bytes()
}

// place draws what a camera always sees: a room with the machine, the view from the
// machine, or the slot from above.
func (c canvas) place(name string) {
	c.box(0, 0, width, 150, wall)
	c.box(0, 150, width, height, floor)
	switch name {
	case "person":
		c.box(0, 200, width, height, steel)
	case "exitSlot":
		c.box(0, 0, width, height, steel)
		c.box(90, 100, 230, 116, black)
	default:
		c.box(30, 60, 90, 190, steel)
		c.box(42, 74, 78, 104, coat)
	}
}

func (c canvas) people(scene string) {
	switch scene {
	case "customer":
		c.person(170, coat, false)
	case "two people":
		c.person(140, coat, false)
		c.person(230, coat2, false)
	case "masked person":
		c.person(170, black, true)
	case "hand in the slot":
		c.box(140, 110, 180, height, coat)
		c.disc(160, 112, 18, skin)
	}
}

func (c canvas) person(x int, clothes color.Color, masked bool) {
	c.box(x-26, 112, x+26, 200, clothes)
	c.disc(x, 88, 24, skin)
	c.disc(x-8, 84, 3, black)
	c.disc(x+8, 84, 3, black)
	if masked {
		c.box(x-24, 88, x+24, 112, black)
	}
}

func (c canvas) box(x0, y0, x1, y1 int, fill color.Color) {
	index := uint8(palette.Index(fill))
	r := image.Rect(x0, y0, x1, y1).Intersect(c.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := c.Pix[y*c.Stride+r.Min.X : y*c.Stride+r.Max.X]
		for i := range row {
			row[i] = index
		}
	}
}

func (c canvas) disc(x, y, radius int, fill color.Color) {
	for dy := -radius; dy <= radius; dy++ {
		for dx := -radius; dx <= radius; dx++ {
			if dx*dx+dy*dy <= radius*radius {
				c.Set(x+dx, y+dy, fill)
			}
		}
	}
}

// write puts a line on a dark ground; characters that the face lacks become boxes.
func (c canvas) write(x, y int, text string) {
	if text == "" {
		return
	}
	c.box(x-2, y-11, x+7*len([]rune(text))+2, y+3, black)
	d := font.Drawer{Dst: c, Src: image.NewUniform(letter), Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	d.DrawString(text)
}
