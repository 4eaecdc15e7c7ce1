package escpos

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"strings"

	"github.com/boombuler/barcode/code128"
	"github.com/boombuler/barcode/ean"
	"rsc.io/qr"
)

// barcodeState is what GS h, GS w and GS H set.
type barcodeState struct {
	height, width int
	text          byte
}

var freshBarcode = barcodeState{height: 162, width: 3}

// errNoData says that a code is to be printed and no data was stored.
var errNoData = errors.New("print a code without data")

// qr draws the stored symbol. The letters of the level happen to be in the order of
// the numbers 48 to 51.
func (r *Roll) qr() error {
	r.flush()
	if len(r.state.symbol) == 0 {
		return errNoData
	}
	symbol, err := qr.Encode(string(r.state.symbol), qr.Level(r.state.level-'0'))
	if err != nil {
		return fmt.Errorf("draw qr code: %w", err)
	}
	r.modules(qrImage{symbol, 1}, r.state.module, r.state.module)
	r.note("[QR " + string(r.state.symbol) + "]")
	return nil
}

// qrImage is a QR code without its quiet zone, each module scale pixels wide.
type qrImage struct {
	code  *qr.Code
	scale int
}

func (i qrImage) ColorModel() color.Model { return color.GrayModel }
func (i qrImage) Bounds() image.Rectangle {
	return image.Rect(0, 0, i.code.Size*i.scale, i.code.Size*i.scale)
}
func (i qrImage) At(x, y int) color.Color {
	if i.code.Black(x/i.scale, y/i.scale) {
		return color.Black
	}
	return color.White
}

// modules draws a code, each module as wide and tall as given.
func (r *Roll) modules(symbol image.Image, wide, tall int) {
	b := symbol.Bounds()
	left, top := r.indent(b.Dx()*wide), r.advance(b.Dy()*tall)
	for y := range b.Dy() {
		for x := range b.Dx() {
			if dark(symbol, b.Min.X+x, b.Min.Y+y) {
				r.fill(left+x*wide, top+y*tall, wide, tall)
			}
		}
	}
}

func (r *Roll) fill(left, top, wide, tall int) {
	for y := range tall {
		for x := range wide {
			r.sheet.black(left+x, top+y)
		}
	}
}

func (r *Roll) barcode(c Barcode) error {
	r.flush()
	name, text, symbol, err := barcodeSymbol(c)
	if err != nil {
		return fmt.Errorf("draw barcode: %w", err)
	}
	if symbol.Bounds().Dx()*r.state.bar.width > r.profile.Dots {
		return fmt.Errorf("barcode %s: %w", text, ErrDoesNotFit)
	}
	where := r.state.bar.text
	r.readable(text, where&1 != 0)
	r.modules(symbol, r.state.bar.width, r.state.bar.height)
	r.readable(text, where&2 != 0)
	r.note("[" + name + " " + text + "]")
	return nil
}

func barcodeSymbol(c Barcode) (name, text string, symbol image.Image, err error) {
	text = string(c.Data)
	switch c.Kind {
	case 67, 68:
		symbol, err = ean.Encode(text)
		return map[byte]string{67: "ean13", 68: "ean8"}[c.Kind], text, symbol, err
	case 73:
		text = code128Text(text)
		symbol, err = code128.Encode(text)
		return "code128", text, symbol, err
	}
	return "", "", nil, fmt.Errorf("kind %d is not known", c.Kind)
}

// code128Text undoes the escapes of GS k: "{B" selects code set B, "{{" is "{".
func code128Text(data string) string {
	return strings.ReplaceAll(strings.TrimPrefix(data, "{B"), "{{", "{")
}

// readable prints the text of a barcode in normal characters, as the code is
// aligned.
func (r *Roll) readable(text string, shown bool) {
	if !shown {
		return
	}
	left, top := r.indent(len(text)*cellWidth), r.advance(cellHeight+2)
	for _, c := range text {
		r.draw(printed{r: c, columns: 1, wide: 1, tall: 1}, left, top)
		left += cellWidth
	}
}
