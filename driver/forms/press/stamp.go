package press

import (
	"image"
	"image/draw"

	"github.com/plomb-pos/plomb/driver/forms"
)

// Stamp prints a word in red in a frame into the middle of a page.
func Stamp(p *Page, word string) {
	t := setting{stretch: 1, key: faceKey{1, 36}, cell: 22, line: 44}
	size := image.Pt(t.width(word)+20, 56)
	at := image.Rectangle{Max: size}.Add(p.Image.Rect.Max.Sub(size).Div(2))
	frame := &forms.Frame{FieldType: "roundedCorner", Style: "singleThick", Color: "red", FillColor: "white", FillStyle: "none"}
	draw.Draw(p.Image, at, drawFrame(frame, size, 120), image.Point{}, draw.Over)
	text := image.NewRGBA(image.Rectangle{Max: size})
	block{setting: t}.drawText(text, 10, 4, word, named["red"])
	draw.Draw(p.Image, at, text, image.Point{}, draw.Over)
	p.Marks = append(p.Marks, Mark{at, word, "stamp"})
}
