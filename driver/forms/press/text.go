package press

import (
	"image"
	"image/color"
	"image/draw"
	"slices"
	"strings"
	"sync"

	xdraw "golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gobolditalic"
	"golang.org/x/image/font/gofont/goitalic"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/gofont/gomonobolditalic"
	"golang.org/x/image/font/gofont/gomonoitalic"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/plomb-pos/plomb/driver/forms"
)

// cut is one of the eight fonts: bit 0 bold, bit 1 italic, bit 2 proportional.
type cut int

var fontData = [8][]byte{gomono.TTF, gomonobold.TTF, gomonoitalic.TTF, gomonobolditalic.TTF,
	goregular.TTF, gobold.TTF, goitalic.TTF, gobolditalic.TTF}

type faceKey struct {
	cut  cut
	size int
}

// faces are shared by all; a face is not safe for concurrent use, so mu is held
// while one draws.
var faces struct {
	mu    sync.Mutex
	known map[faceKey]font.Face
}

// maxFaces bounds the cache of faces.
const maxFaces = 128

// face is called with faces.mu held; nil if the font cannot be read, which does not
// happen with those that are compiled in.
func face(key faceKey) font.Face {
	if f := faces.known[key]; f != nil {
		return f
	}
	parsed, err := opentype.Parse(fontData[key.cut])
	if err != nil {
		return nil
	}
	f, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: float64(key.size), DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return nil
	}
	if len(faces.known) >= maxFaces || faces.known == nil {
		faces.known = map[faceKey]font.Face{}
	}
	faces.known[key] = f
	return f
}

// setting is how the text of one field is set.
type setting struct {
	style   forms.Style
	key     faceKey
	cell    int // width of a character; 0: proportional
	line    int // from one line to the next
	stretch int // 1 to 4 times as wide
}

var multiples = map[string]int{"double": 2, "triple": 3, "quadruple": 4}

func multiple(word string) int { return max(multiples[word], 1) }

func bit(b bool, n int) cut {
	if b {
		return 1 << n
	}
	return 0
}

// setting works out sizes in dots.
func (s *setter) setting(f *forms.Field) setting {
	out := setting{stretch: 1}
	if f.Style != nil {
		out.style = *f.Style
	}
	cpi, lpi, points := s.form.CPI, s.form.LPI, s.form.PointSize
	if f.Font != nil {
		cpi, lpi = or(f.Font.CPI, cpi), or(f.Font.LPI, lpi)
		if points = f.Font.PointSize; points == 0 && f.Font.CPI == 0 {
			points = s.form.PointSize
		}
	}
	out.cell, out.line = s.paper.DPI/cpi, s.paper.DPI/lpi
	size := out.cell * 5 / 3 // Go Mono's advance is 0.6 of its size
	if points > 0 {
		size = points * s.paper.DPI / 72
		out.cell, out.line = size*3/5, size*6/5
	}
	return out.finish(size)
}

func or(a, b int) int {
	if a == 0 {
		return b
	}
	return a
}

// finish applies the style to the sizes.
func (t setting) finish(size int) setting {
	proportional := t.style.CharacterSpacing == "proportional"
	if t.style.CharacterSpacing == "condensed" {
		size, t.cell = size*3/4, t.cell*3/4
	}
	if t.style.Script == "superscript" || t.style.Script == "subscript" {
		size, t.cell = size*3/5, t.cell*3/5
	}
	t.line = max(t.line*multiple(t.style.LineSpacing), 1)
	t.stretch = multiple(t.style.Width)
	t.key = faceKey{bit(t.style.Bold, 0) | bit(t.style.Italic, 1) | bit(proportional, 2), max(min(size, t.line), 4)}
	t.cell = max(t.cell, 1)
	if proportional {
		t.cell = 0
	}
	return t
}

// smaller is the setting with letters of nine tenths.
func (t setting) smaller() setting {
	t.key.size = t.key.size * 9 / 10
	t.cell = t.cell * 9 / 10
	t.line = max(t.line*9/10, 1)
	return t
}

// smallest is the size in dots below which bestFit gives up.
const smallest = 5

// width of a line in dots, as it is printed.
func (t setting) width(line string) int {
	if t.cell > 0 {
		return len([]rune(line)) * t.cell * t.stretch
	}
	faces.mu.Lock()
	defer faces.mu.Unlock()
	if f := face(t.key); f != nil {
		return font.MeasureString(f, line).Ceil() * t.stretch
	}
	return 0
}

// block is text broken into lines.
type block struct {
	setting
	lines []string
	fits  bool
}

// broken breaks a value for a place of w by h dots.
func (t setting) broken(value string, w, h int, wrap bool) block {
	room := max(h/t.line, 1)
	out := block{setting: t, fits: true}
	for _, line := range strings.Split(value, "\n") {
		switch {
		case t.width(line) <= w:
			out.lines = append(out.lines, line)
		case wrap:
			out.lines = append(out.lines, t.words(line, w)...)
		case room > 1:
			out.lines = append(out.lines, t.pieces(line, w)...)
		default:
			out.lines = append(out.lines, line)
		}
	}
	out.fits = len(out.lines) <= room && !slices.ContainsFunc(out.lines, func(l string) bool { return t.width(l) > w })
	return out
}

// pieces cuts a line wherever it is full.
func (t setting) pieces(line string, w int) (out []string) {
	for rest := []rune(line); len(rest) > 0; {
		n := t.most(rest, w)
		out = append(out, string(rest[:n]))
		rest = rest[n:]
	}
	return out
}

// most is how many characters fit, at least one.
func (t setting) most(line []rune, w int) int {
	if t.cell > 0 {
		return min(max(w/(t.cell*t.stretch), 1), len(line))
	}
	n := 1
	for n < len(line) && t.width(string(line[:n+1])) <= w {
		n++
	}
	return n
}

// words breaks a line at spaces; a word that is too long is cut.
func (t setting) words(line string, w int) (out []string) {
	now := ""
	for _, word := range strings.Fields(line) {
		if next := strings.TrimPrefix(now+" "+word, " "); t.width(next) <= w {
			now = next
			continue
		}
		if now != "" {
			out = append(out, now)
		}
		parts := t.pieces(word, w)
		out = append(out, parts[:len(parts)-1]...)
		now = parts[len(parts)-1]
	}
	return append(out, now)
}

// text sets a field of text.
func (s *setter) text(full string, f *forms.Field, i *item) {
	t := s.setting(f)
	w, h := i.at.Dx(), i.at.Dy()
	turns := map[string]int{"ninety": 1, "upsideDown": 2, "twoSeventy": 3}[t.style.Rotate]
	if turns%2 == 1 {
		w, h = h, w
	}
	b := s.fit(full, f, t, i.text, w, h)
	ink := colorOf(f.Color)
	if turns == 0 {
		for _, line := range b.lines { // overwrite goes beyond the field
			w = max(w, b.width(line))
		}
		h = max(h, len(b.lines)*b.line)
		i.at.Max = i.at.Min.Add(image.Pt(w, h))
	}
	i.draw = func() *image.RGBA { return rotate(b.image(w, h, f, ink), turns) }
}

// fit breaks a value and obeys the field's overflow.
func (s *setter) fit(full string, f *forms.Field, t setting, value string, w, h int) block {
	b := t.broken(value, w, h, f.Overflow == forms.WordWrap)
	for f.Overflow == forms.BestFit && !b.fits && b.key.size > smallest {
		b = b.smaller().broken(value, w, h, false)
	}
	if b.fits || f.Overflow == forms.Overwrite {
		return b
	}
	s.problem(full, Overflow, f.Overflow == forms.Terminate || f.Overflow == forms.WordWrap)
	b.lines = b.lines[:min(len(b.lines), max(h/b.line, 1))]
	for n, line := range b.lines {
		if b.width(line) > w {
			b.lines[n] = string([]rune(line)[:b.most([]rune(line), w)])
		}
	}
	return b
}

// image draws the block into a place of w by h dots.
func (b block) image(w, h int, f *forms.Field, ink color.RGBA) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	if b.style.Opaque {
		draw.Draw(out, out.Rect, image.White, image.Point{}, draw.Src)
	}
	y := map[string]int{"bottom": h - len(b.lines)*b.line, "center": (h - len(b.lines)*b.line) / 2}[f.Vertical]
	for n, line := range b.lines {
		last := n == len(b.lines)-1
		b.drawLine(out, max(y, 0)+n*b.line, line, f.Horizontal, last, ink)
	}
	return out
}

func (b block) drawLine(out *image.RGBA, y int, line, horizontal string, last bool, ink color.RGBA) {
	w, x := b.width(line), 0
	switch horizontal {
	case "right":
		x = out.Rect.Dx() - w
	case "center":
		x = (out.Rect.Dx() - w) / 2
	case "justify":
		if words := strings.Fields(line); !last && len(words) > 1 {
			b.justify(out, y, words, ink)
			return
		}
	}
	b.drawText(out, max(x, 0), y, line, ink)
	b.rules(out, max(x, 0), y, w, ink)
}

// justify spreads words over the whole width.
func (b block) justify(out *image.RGBA, y int, words []string, ink color.RGBA) {
	used := 0
	for _, word := range words {
		used += b.width(word)
	}
	free, x := out.Rect.Dx()-used, 0
	for n, word := range words {
		b.drawText(out, x, y, word, ink)
		x += b.width(word) + free*(n+1)/(len(words)-1) - free*n/(len(words)-1)
	}
	b.rules(out, 0, y, out.Rect.Dx(), ink)
}

func (b block) drawText(out *image.RGBA, x, y int, text string, ink color.RGBA) {
	small := image.NewRGBA(image.Rect(0, 0, max(b.width(text)/b.stretch, 1)+b.key.size, b.line+b.key.size))
	b.glyphs(small, text, ink)
	at := image.Rect(x, y, x+small.Rect.Dx()*b.stretch, y+small.Rect.Dy())
	xdraw.NearestNeighbor.Scale(out, at, small, small.Rect, xdraw.Over, nil)
}

// glyphs draws at the left edge, the baseline four fifths down the line.
func (b block) glyphs(on *image.RGBA, text string, ink color.RGBA) {
	faces.mu.Lock()
	defer faces.mu.Unlock()
	f := face(b.key)
	if f == nil {
		return
	}
	d := font.Drawer{Dst: on, Src: image.NewUniform(ink), Face: f, Dot: fixed.P(0, b.baseline())}
	if b.cell == 0 {
		d.DrawString(text)
		return
	}
	for n, r := range []rune(text) {
		d.Dot = fixed.P(n*b.cell, b.baseline())
		d.DrawString(string(r))
	}
}

func (b block) baseline() int {
	base := b.line - max(b.line/5, 1)
	if b.style.Script == "superscript" {
		base -= b.line / 3
	}
	return base
}

// rules draws the lines under, over and through a text.
func (b block) rules(out *image.RGBA, x, y, w int, ink color.RGBA) {
	thick := max(b.key.size/12, 1)
	rule := func(at int, count int) {
		for n := range count {
			top := y + at + n*2*thick
			draw.Draw(out, image.Rect(x, top, x+w, top+thick), image.NewUniform(ink), image.Point{}, draw.Src)
		}
	}
	counts := map[string]int{"single": 1, "double": 2}
	rule(b.baseline()+thick, counts[b.style.Underline])
	rule(b.baseline()-b.key.size/3, counts[b.style.Strike])
	if b.style.Overscore {
		rule(max(b.baseline()-b.key.size*4/5, 0), 1)
	}
}
