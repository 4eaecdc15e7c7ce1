package escpos

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"strings"
	"unicode/utf8"

	"github.com/boombuler/barcode/code128"
	"golang.org/x/image/draw"
	"rsc.io/qr"

	"github.com/plomb-pos/plomb/receipt/paper"
)

// Job is a document as bytes for one printer.
type Job struct {
	Bytes []byte
	// Losses are the characters that could not be printed as they are, in the order
	// of the document.
	Losses []Loss
}

// ErrDoesNotFit says that a code or picture is wider than the paper.
var ErrDoesNotFit = errors.New("does not fit on the paper")

// Encode turns doc into bytes for a printer. They begin with ESC @, so that
// nothing of an earlier job shines through. Characters that the printer lacks are
// replaced and reported; a code that does not fit is an error, because a code that
// cannot be read is worse than none.
func Encode(doc paper.Doc, p Profile) (Job, error) {
	if err := doc.Validate(); err != nil {
		return Job{}, err
	}
	e := &encoder{profile: p}
	e.reset()
	for i, b := range doc {
		if err := e.block(b); err != nil {
			return Job{}, fmt.Errorf("block %d: %w", i+1, err)
		}
	}
	return Job{Bytes: e.out, Losses: e.losses}, nil
}

type encoder struct {
	profile Profile
	out     []byte
	losses  []Loss
	style   paper.Style
	page    byte
	align   byte
}

func (e *encoder) add(commands ...Command) {
	for _, c := range commands {
		e.out = c.AppendTo(e.out)
	}
}

func (e *encoder) reset() {
	e.add(Init{}, Kanji{})
	if len(e.profile.Pages) > 0 {
		e.page = e.profile.Pages[0]
	}
	e.add(CodePage{e.page})
}

func (e *encoder) block(b paper.Block) error {
	switch b := b.(type) {
	case paper.Text:
		e.lines(paper.Text{Runs: e.printable(b.Runs), Align: b.Align}.Lines(e.profile.Columns))
	case paper.Columns:
		b.Left, b.Right = e.text(b.Left), e.text(b.Right)
		e.lines(b.Lines(e.profile.Columns))
	case paper.Rule:
		e.lines(paper.Line(strings.Repeat(b.Stroke(), e.profile.Columns)).Lines(e.profile.Columns))
	case paper.QR:
		return e.qr(b)
	case paper.Barcode:
		return e.barcode(b)
	case paper.Image:
		return e.image(b)
	case paper.Feed:
		e.plain()
		e.add(Feed{byte(b.Lines)})
	case paper.Cut:
		e.cut(b)
	case paper.Drawer:
		e.add(drawerPulse(b))
	}
	return nil
}

func (e *encoder) printable(runs []paper.Run) []paper.Run {
	out := make([]paper.Run, len(runs))
	for i, r := range runs {
		out[i] = paper.Run{Text: e.text(r.Text), Style: r.Style}
	}
	return out
}

func (e *encoder) text(s string) string {
	s, losses := e.profile.printable(s)
	e.losses = append(e.losses, losses...)
	return s
}

func (e *encoder) lines(lines []paper.PrintLine) {
	for _, l := range lines {
		e.place(map[paper.Align]byte{paper.Left: 0, paper.Center: 1, paper.Right: 2}[l.Align])
		for _, r := range l.Runs {
			e.switchTo(r.Style)
			e.characters(r.Text)
		}
		e.add(LineFeed{})
	}
}

// plain goes back to the normal style, so that feeds and codes are not affected.
func (e *encoder) plain() { e.switchTo(paper.Style{}) }

func (e *encoder) place(where byte) {
	if where != e.align {
		e.add(Align{where})
		e.align = where
	}
}

func (e *encoder) switchTo(s paper.Style) {
	now := e.style
	if s.Bold != now.Bold {
		e.add(Bold{s.Bold})
	}
	if s.Underline != now.Underline {
		e.add(Underline{bit(s.Underline)})
	}
	if s.Invert != now.Invert {
		e.add(Invert{s.Invert})
	}
	if s.Wide != now.Wide || s.Tall != now.Tall {
		e.add(Size{Width: 1 + bit(s.Wide), Height: 1 + bit(s.Tall)})
	}
	e.style = s
}

// characters changes the code page only where the present one lacks a character.
func (e *encoder) characters(text string) {
	for _, r := range text {
		if r < utf8.RuneSelf {
			e.out = append(e.out, byte(r))
			continue
		}
		if page, ok := e.profile.pageFor(r, e.page); ok {
			e.inPage(r, page)
			continue
		}
		e.add(Kanji{On: true}, Text{e.profile.hanzi(r)}, Kanji{})
	}
}

func (e *encoder) inPage(r rune, page byte) {
	if page != e.page {
		e.add(CodePage{page})
		e.page = page
	}
	b, _ := encodeIn(page, r)
	e.out = append(e.out, b)
}

func (e *encoder) cut(c paper.Cut) {
	e.plain()
	if e.profile.NoCutter {
		e.add(Feed{4})
		return
	}
	e.add(Cut{Partial: c.Partial, Feed: true})
}

// defaultPulse is in milliseconds: long enough for every common solenoid.
const defaultPulse = 100

func drawerPulse(d paper.Drawer) Pulse {
	on := d.OnMS
	if on == 0 {
		on = defaultPulse
	}
	p := Pulse{On: byte(min((on+1)/2, 255)), Off: 255}
	if d.Pin == 5 {
		p.Pin = 1
	}
	return p
}

var qrLevels = map[string]qr.Level{"": qr.M, "L": qr.L, "M": qr.M, "Q": qr.Q, "H": qr.H}

func (e *encoder) qr(q paper.QR) error {
	symbol, err := qr.Encode(q.Data, qrLevels[q.EC])
	if err != nil {
		return fmt.Errorf("qr code: %w", err)
	}
	module := e.module(symbol.Size, q.Module)
	if module < 1 {
		return fmt.Errorf("qr code of %d modules: %w", symbol.Size, ErrDoesNotFit)
	}
	e.plain()
	e.place(1)
	quiet := FeedDots{byte(4 * module)}
	e.add(quiet)
	defer e.add(quiet)
	if !e.profile.NativeQR {
		e.raster(qrImage{symbol, module})
		return nil
	}
	level := byte(48 + qrLevels[q.EC])
	e.add(QRModel{50}, QRModule{byte(module)}, QRLevel{level}, QRStore{[]byte(q.Data)}, QRPrint{})
	return nil
}

// largestModule is the side of a module in dots beyond which codes waste paper.
const largestModule = 6

// module is the wanted side of a module, or the largest one that fits with the
// quiet zone of four modules on both sides (ISO/IEC 18004, 6.3.8).
func (e *encoder) module(side, wanted int) int {
	fits := e.profile.Dots / (side + 8)
	if wanted == 0 {
		wanted = largestModule
	}
	return min(wanted, fits, paper.MaxModule)
}

// Barcodes, in dots: the height, the widest module, and the distance to what
// stands above and below.
const (
	barcodeHeight = 80
	barcodeModule = 3
	barcodeGap    = 16
)

func (e *encoder) barcode(b paper.Barcode) error {
	kind, data, modules, err := barcodeData(b)
	if err != nil {
		return err
	}
	width := min(barcodeModule, e.profile.Dots/(modules+20)) // 20: the quiet zones
	if width < 1 {
		return fmt.Errorf("barcode %s: %w", b.Data, ErrDoesNotFit)
	}
	e.plain()
	e.place(1)
	e.add(BarcodeHeight{barcodeHeight}, BarcodeWidth{byte(width)}, BarcodeText{2}, FeedDots{barcodeGap}, Barcode{kind, data}, FeedDots{barcodeGap})
	return nil
}

// barcodeData returns the number of the kind, its data as GS k takes it and its
// width in modules. Code 128 is sent in code set B, where "{" is doubled.
func barcodeData(b paper.Barcode) (kind byte, data []byte, modules int, err error) {
	switch b.Kind {
	case paper.EAN13:
		return 67, []byte(b.Data), 95, nil
	case paper.EAN8:
		return 68, []byte(b.Data), 67, nil
	}
	if _, err := code128.Encode(b.Data); err != nil {
		return 0, nil, 0, fmt.Errorf("barcode %q: %w", b.Data, err)
	}
	return 73, []byte("{B" + strings.ReplaceAll(b.Data, "{", "{{")), 11*(len(b.Data)+2) + 13, nil
}

func (e *encoder) image(m paper.Image) error {
	img, err := png.Decode(bytes.NewReader(m.PNG))
	if err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	e.plain()
	e.place(1)
	e.raster(e.fitted(img))
	return nil
}

// fitted scales a picture down to the paper and lays it on white.
func (e *encoder) fitted(img image.Image) image.Image {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if w > e.profile.Dots {
		w, h = e.profile.Dots, max(h*e.profile.Dots/w, 1)
	}
	out := image.NewGray(image.Rect(0, 0, w, h))
	draw.Draw(out, out.Bounds(), image.White, image.Point{}, draw.Src)
	draw.ApproxBiLinear.Scale(out, out.Bounds(), img, b, draw.Over, nil)
	return out
}

// bandHeight is how many rows go into one raster command: printers with small
// buffers stop in the middle of larger ones.
const bandHeight = 256

func (e *encoder) raster(img image.Image) {
	b := img.Bounds()
	for top := b.Min.Y; top < b.Max.Y; top += bandHeight {
		band := image.Rect(b.Min.X, top, b.Max.X, min(top+bandHeight, b.Max.Y))
		e.add(rasterBand(img, band))
	}
}

func rasterBand(img image.Image, band image.Rectangle) Raster {
	r := Raster{WidthBytes: (band.Dx() + 7) / 8, Height: band.Dy()}
	r.Bits = make([]byte, r.WidthBytes*r.Height)
	for y := range band.Dy() {
		for x := range band.Dx() {
			if dark(img, band.Min.X+x, band.Min.Y+y) {
				r.Bits[y*r.WidthBytes+x/8] |= 0x80 >> (x % 8)
			}
		}
	}
	return r
}

// dark says that a dot is printed: it is darker than the middle.
func dark(img image.Image, x, y int) bool {
	r, g, b, a := img.At(x, y).RGBA()
	luma := (299*r + 587*g + 114*b) / 1000
	return luma+(0xffff-a) < 0x8000
}
