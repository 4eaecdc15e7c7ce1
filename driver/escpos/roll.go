package escpos

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// Roll is the paper in a printer, and what the printer remembers while it prints
// on it. It carries commands out and keeps the picture. It is not safe for
// concurrent use.
type Roll struct {
	profile Profile
	sheet   Sheet
	done    []Sheet
	line    []printed // waits for its line feed
	width   int       // dots taken by line
	used    int       // dots of paper in sheet and done
	state   rollState
}

// rollState is what ESC @ sets back.
type rollState struct {
	page      byte
	kanji     bool
	bold      bool
	invert    bool
	underline int
	wide      int
	tall      int
	align     int
	spacing   int
	module    int
	level     byte
	symbol    []byte
	bar       barcodeState
}

// printed is a character on the line that is being put together.
type printed struct {
	r         rune
	columns   int
	bold      bool
	invert    bool
	underline int
	wide      int
	tall      int
}

func (p printed) dots() int { return p.columns * cellWidth * p.wide }

// defaultSpacing is the distance of lines in dots after ESC 2: 3.75 mm.
const defaultSpacing = 30

// maxRoll is the length in dots, 12.5 m, of the paper that one Roll holds until
// [Roll.Take]. What is printed further is lost, so that endless printing does not
// fill the memory.
const maxRoll = 100_000

// cutterDistance is how far the cutter is from the head, in dots.
const cutterDistance = 96

// NewRoll puts a fresh roll of paper into a printer.
func NewRoll(p Profile) *Roll {
	return &Roll{profile: p, sheet: newSheet(p.Dots), state: freshState()}
}

func freshState() rollState {
	return rollState{wide: 1, tall: 1, spacing: defaultSpacing, module: 3, level: '0', bar: freshBarcode}
}

// Render prints data on a fresh roll and returns the sheets; the last one is uncut
// if data does not end with a cut. The error is the first problem met, as
// [Roll.Apply] and [Parse] report it; the sheets are there nevertheless.
func Render(data []byte, p Profile) ([]Sheet, error) {
	roll := NewRoll(p)
	steps, first := Parse(data)
	for _, s := range steps {
		if err := roll.Apply(s.Command); err != nil && first == nil {
			first = fmt.Errorf("byte %d: %w", s.Offset, err)
		}
	}
	return roll.Sheets(), first
}

// Sheets returns all paper that came out: the sheets that are cut off, and the one
// that hangs in the printer if there is anything on it.
func (r *Roll) Sheets() []Sheet {
	out := make([]Sheet, 0, len(r.done)+1)
	for _, s := range r.done {
		out = append(out, s.clone())
	}
	if !r.sheet.empty() {
		out = append(out, r.sheet.clone())
	}
	return out
}

// Take returns the sheets that are cut off and forgets them.
func (r *Roll) Take() []Sheet {
	out := r.done
	r.done, r.used = nil, r.sheet.Image.Rect.Dy()
	return out
}

// Tear tears the paper off where it is, and drops a line that was not fed yet.
func (r *Roll) Tear() {
	r.line, r.width = nil, 0
	if !r.sheet.empty() {
		r.finish(Torn)
	}
}

// Apply carries one command out. Commands about the machine (drawer, status) leave
// no trace on paper. An error says what could not be drawn; the roll stays usable.
func (r *Roll) Apply(c Command) error {
	switch c := c.(type) {
	case Text:
		r.text(c.Bytes)
	case LineFeed:
		r.feedLine()
	case Feed:
		r.feedLines(int(c.Lines))
	case FeedDots:
		r.flush()
		r.advance(int(c.Dots))
	case Cut:
		r.cut(c)
	case Raster:
		r.flush()
		r.raster(c)
	case QRPrint:
		return r.qr()
	case Barcode:
		return r.barcode(c)
	default:
		r.state.set(c)
	}
	return nil
}

// set changes what following characters and codes look like.
func (s *rollState) set(c Command) {
	switch c := c.(type) {
	case Init:
		*s = freshState()
	case CodePage:
		s.page = c.Number
	case Kanji:
		s.kanji = c.On
	case Bold:
		s.bold = c.On
	case Underline:
		s.underline = int(c.Dots)
	case Invert:
		s.invert = c.On
	case Size:
		s.wide, s.tall = int(c.Width), int(c.Height)
	case PrintMode:
		s.mode(c.Bits)
	case Align:
		s.align = int(c.Where)
	case LineSpacing:
		s.spacing = int(c.Dots)
	case DefaultSpacing:
		s.spacing = defaultSpacing
	default:
		s.setCode(c)
	}
}

func (s *rollState) mode(bits byte) {
	s.bold = bits&0x08 != 0
	s.tall, s.wide = 1+int(bits>>4&1), 1+int(bits>>5&1)
	s.underline = int(bits >> 7)
}

func (s *rollState) setCode(c Command) {
	switch c := c.(type) {
	case QRModule:
		s.module = int(c.Dots)
	case QRLevel:
		s.level = c.Level
	case QRStore:
		s.symbol = c.Data
	case BarcodeHeight:
		s.bar.height = int(c.Dots)
	case BarcodeWidth:
		s.bar.width = int(c.Dots)
	case BarcodeText:
		s.bar.text = c.Where
	}
}

// text puts characters on the line; what does not fit goes to the next one, as
// printers do.
func (r *Roll) text(data []byte) {
	for len(data) > 0 {
		c, columns, n := r.state.character(data)
		data = data[n:]
		p := printed{c, columns, r.state.bold, r.state.invert, r.state.underline, r.state.wide, r.state.tall}
		if r.width+p.dots() > r.profile.Dots {
			r.feedLine()
		}
		r.line = append(r.line, p)
		r.width += p.dots()
	}
}

// character decodes the first character in the present code page.
func (s *rollState) character(data []byte) (c rune, columns, n int) {
	if data[0] < 0x80 {
		return rune(data[0]), 1, 1
	}
	if s.kanji {
		return chinese(data)
	}
	page, ok := PageByNumber(s.page)
	if !ok {
		return utf8.RuneError, 1, 1
	}
	return page.DecodeByte(data[0]), 1, 1
}

func chinese(data []byte) (c rune, columns, n int) {
	n = 2
	if len(data) >= 4 && data[1] >= '0' && data[1] <= '9' {
		n = 4
	}
	n = min(n, len(data))
	s, err := simplifiedchinese.GB18030.NewDecoder().Bytes(data[:n])
	if err != nil {
		return utf8.RuneError, 2, n
	}
	c, _ = utf8.DecodeRune(s)
	return c, 2, n
}

func (r *Roll) feedLine() {
	if len(r.line) == 0 {
		r.note("")
		r.advance(r.state.spacing)
		return
	}
	r.flush()
}

func (r *Roll) feedLines(n int) {
	r.flush()
	for range n {
		r.feedLine()
	}
}

// flush prints the line that waits, if there is one.
func (r *Roll) flush() {
	if len(r.line) == 0 {
		return
	}
	height := 0
	var text strings.Builder
	for _, p := range r.line {
		height = max(height, cellHeight*p.tall)
		text.WriteRune(p.r)
	}
	top := r.advance(max(r.state.spacing, height))
	x := r.indent(r.width)
	for _, p := range r.line {
		r.draw(p, x, top+height-cellHeight*p.tall) // characters stand on one base line
		x += p.dots()
	}
	r.note(strings.TrimRight(text.String(), " "))
	r.line, r.width = nil, 0
}

func (r *Roll) note(line string) {
	if r.used < maxRoll {
		r.sheet.Lines = append(r.sheet.Lines, line)
	}
}

func (r *Roll) indent(width int) int {
	return max(r.profile.Dots-width, 0) * r.state.align / 2
}

// advance moves the paper, as far as there is any, and returns the row where it
// stood.
func (r *Roll) advance(dots int) (top int) {
	dots = min(dots, maxRoll-r.used)
	r.used += dots
	top = r.sheet.Image.Rect.Dy()
	r.sheet.grow(dots)
	return top
}

func (r *Roll) draw(p printed, left, top int) {
	cell := typefaces().glyph(p.r, p.bold, p.columns)
	for y := range cellHeight * p.tall {
		for x := range p.dots() {
			on := ink(cell, x/p.wide, y/p.tall) || p.underlined(y)
			if on != p.invert {
				r.sheet.black(left+x, top+y)
			}
		}
	}
}

func (p printed) underlined(y int) bool {
	return y >= cellHeight*p.tall-p.underline
}

func (r *Roll) cut(c Cut) {
	r.flush()
	if c.Feed {
		r.advance(cutterDistance + int(c.Dots))
	}
	kind := FullCut
	if c.Partial {
		kind = PartialCut
	}
	r.finish(kind)
}

func (r *Roll) finish(kind CutKind) {
	r.sheet.Cut = kind
	r.done = append(r.done, r.sheet)
	r.sheet = newSheet(r.profile.Dots)
}

// raster prints a picture; Mode doubles its dots.
func (r *Roll) raster(c Raster) {
	wide, tall := 1+int(c.Mode&1), 1+int(c.Mode>>1)
	width, height := c.WidthBytes*8*wide, c.Height*tall
	top, left := r.advance(height), r.indent(width)
	for y := range height {
		row := c.Bits[y/tall*c.WidthBytes:]
		for x := range width {
			if row[x/wide/8]&(0x80>>(x/wide%8)) != 0 {
				r.sheet.black(left+x, top+y)
			}
		}
	}
}
