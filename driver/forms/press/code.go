package press

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image"
	"image/color"
	_ "image/gif"  // decoders of graphic fields
	_ "image/jpeg" // the same
	_ "image/png"  // the same
	"strings"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/aztec"
	"github.com/boombuler/barcode/code128"
	"github.com/boombuler/barcode/code39"
	"github.com/boombuler/barcode/datamatrix"
	"github.com/boombuler/barcode/ean"
	"github.com/boombuler/barcode/pdf417"
	"github.com/boombuler/barcode/qr"
	"github.com/boombuler/barcode/twooffive"
	_ "golang.org/x/image/bmp" // decoder of graphic fields
	xdraw "golang.org/x/image/draw"

	"github.com/plomb-pos/plomb/driver/forms"
	"github.com/plomb-pos/plomb/driver/forms/micr"
)

// symbologies are the barcodes by the names of fonts.
var symbologies = map[string]func(string) (barcode.Barcode, error){
	"":           func(s string) (barcode.Barcode, error) { return code128.Encode(s) },
	"CODE128":    func(s string) (barcode.Barcode, error) { return code128.Encode(s) },
	"CODE39":     func(s string) (barcode.Barcode, error) { return code39.Encode(s, false, true) },
	"EAN13":      encodeEAN(13),
	"EAN8":       encodeEAN(8),
	"ITF":        func(s string) (barcode.Barcode, error) { return twooffive.Encode(s, true) },
	"QR":         func(s string) (barcode.Barcode, error) { return qr.Encode(s, qr.M, qr.Unicode) },
	"DATAMATRIX": datamatrix.Encode,
	"PDF417":     func(s string) (barcode.Barcode, error) { return pdf417.Encode(s, 2) },
	"AZTEC":      func(s string) (barcode.Barcode, error) { return aztec.Encode([]byte(s), 33, 0) },
}

var errLength = errors.New("wrong number of digits")

func encodeEAN(digits int) func(string) (barcode.Barcode, error) {
	return func(s string) (barcode.Barcode, error) {
		if len(s) != digits && len(s) != digits-1 {
			return nil, errLength
		}
		code, err := ean.Encode(s)
		return code, err
	}
}

// maxCode bounds what goes into a barcode, in bytes.
const maxCode = 1000

// barcode sets a field of a code, each module a whole number of dots wide.
func (s *setter) barcode(full string, f *forms.Field, i *item) {
	name := ""
	if f.Font != nil {
		name = strings.NewReplacer(" ", "", "-", "").Replace(strings.ToUpper(f.Font.Name))
	}
	encode := symbologies[name]
	if encode == nil || len(i.text) > maxCode {
		s.problem(full, Graphic, true)
		return
	}
	code, err := encode(i.text)
	if err != nil {
		s.problem(full, Graphic, true)
		return
	}
	size := i.at.Size()
	above, below := f.Barcode == "above" || f.Barcode == "both", f.Barcode == "below" || f.Barcode == "both"
	label := s.setting(&forms.Field{Font: f.Font}).broken(i.text, size.X, 1, false)
	bars := image.Rectangle{Max: size}
	if above {
		bars.Min.Y = label.line
	}
	if below {
		bars.Max.Y -= label.line
	}
	if bars.Dx() < code.Bounds().Dx() || bars.Dy() < code.Bounds().Dy() {
		s.problem(full, Overflow, true)
		return
	}
	ink := colorOf(f.Color)
	i.draw = func() *image.RGBA {
		out := image.NewRGBA(image.Rectangle{Max: size})
		drawCode(out, bars, code, ink)
		for y, shown := range map[int]bool{0: above, bars.Max.Y: below} {
			if shown {
				label.drawLine(out, y, i.text, "center", true, ink)
			}
		}
		return out
	}
}

// drawCode draws the modules in the middle of a place; a code of one row fills its
// height.
func drawCode(on *image.RGBA, at image.Rectangle, code image.Image, ink color.RGBA) {
	b := code.Bounds()
	wide := at.Dx() / b.Dx()
	tall := wide
	if b.Dy() == 1 {
		tall = at.Dy()
	} else if b.Dy()*tall > at.Dy() {
		tall = at.Dy() / b.Dy()
		wide = min(wide, tall)
	}
	corner := at.Min.Add(image.Pt((at.Dx()-b.Dx()*wide)/2, (at.Dy()-b.Dy()*tall)/2))
	for y := range b.Dy() * tall {
		for x := range b.Dx() * wide {
			if r, _, _, _ := code.At(b.Min.X+x/wide, b.Min.Y+y/tall).RGBA(); r < 0x8000 {
				on.SetRGBA(corner.X+x, corner.Y+y, ink)
			}
		}
	}
}

// maxPicture bounds a graphic: edge in pixels.
const maxPicture = 4096

// graphic sets a field of a picture: base64 of PNG, JPEG, GIF or BMP.
func (s *setter) graphic(full string, f *forms.Field, i *item) {
	data := f.InitialGraphic
	if i.text != "" {
		var err error
		if data, err = base64.StdEncoding.DecodeString(i.text); err != nil {
			s.problem(full, Graphic, true)
			return
		}
	}
	i.text = "" // the mark is the picture
	picture, err := decode(data)
	if err != nil {
		s.problem(full, Graphic, true)
		return
	}
	to := scaled(picture.Bounds().Size(), i.at.Size(), f.Scaling)
	if f.Scaling == "asIs" && (to.X > i.at.Dx() || to.Y > i.at.Dy()) {
		fatal := f.Overflow == forms.Terminate || f.Overflow == forms.WordWrap
		s.problem(full, Overflow, fatal)
	}
	size := i.at.Size()
	i.draw = func() *image.RGBA {
		out := image.NewRGBA(image.Rectangle{Max: size})
		xdraw.ApproxBiLinear.Scale(out, image.Rectangle{Max: to}, picture, picture.Bounds(), xdraw.Over, nil)
		return out
	}
}

var errPicture = errors.New("the picture is too large")

func decode(data []byte) (image.Image, error) {
	c, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxPicture || c.Height > maxPicture {
		return nil, errPicture
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	return img, err
}

// scaled is the size at which a picture is drawn.
func scaled(from, to image.Point, how string) image.Point {
	switch how {
	case "asIs":
		return from
	case "maintainAspect":
		if from.X*to.Y > to.X*from.Y {
			return image.Pt(to.X, max(from.Y*to.X/from.X, 1))
		}
		return image.Pt(max(from.X*to.Y/from.Y, 1), to.Y)
	}
	return to
}

// micr sets a code line.
func (s *setter) micr(full string, f *forms.Field, i *item) {
	if micr.Check(i.text) != nil {
		s.problem(full, Graphic, true)
		return
	}
	size := i.at.Size()
	dot := min(size.Y/micr.Height, size.X/(micr.Width*len([]rune(i.text))))
	if dot < 1 {
		s.problem(full, Overflow, true)
		return
	}
	i.draw = func() *image.RGBA {
		out := image.NewRGBA(image.Rectangle{Max: size})
		micr.Draw(out, 0, size.Y-dot*micr.Height, dot, i.text)
		return out
	}
}
