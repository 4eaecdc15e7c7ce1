package terminal

import (
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/receipt/paper"
)

// Attributes of a character; they add up.
const (
	Underlined = 1 << iota
	Inverted
	Flashing
)

// cell is one place of the screen; the right half of a wide character is empty.
type cell struct {
	text string
	attr int
}

// screen is rows and columns of characters. Text that goes beyond the last column
// goes on in the next line; beyond the last line everything moves up.
type screen struct {
	columns, rows int
	cells         [][]cell
	x, y          int // where text goes on; y is rows after the last line
}

func newScreen(columns, rows int) *screen {
	s := &screen{columns: columns, rows: rows}
	s.clear()
	return s
}

func (s *screen) clear() {
	s.cells = make([][]cell, s.rows)
	for y := range s.cells {
		s.cells[y] = s.blank()
	}
	s.x, s.y = 0, 0
}

func (s *screen) blank() []cell { return slices.Repeat([]cell{{text: " "}}, s.columns) }

// wipe clears a rectangle; what lies outside of the screen is nothing.
func (s *screen) wipe(x, y, width, height int) {
	for row := y; row < min(y+height, s.rows); row++ {
		for column := x; column < min(x+width, s.columns); column++ {
			s.cells[row][column] = cell{text: " "}
		}
	}
}

// put writes from the present position on.
func (s *screen) put(text string, attr int) {
	for _, r := range text {
		if r == '\n' {
			s.newLine()
			continue
		}
		s.putRune(string(r), paper.Width(string(r)), attr)
	}
}

// maxMarks bounds the combining marks on one character, in bytes.
const maxMarks = 64

func (s *screen) putRune(text string, width, attr int) {
	if width == 0 {
		if s.x > 0 && s.y < s.rows && len(s.cells[s.y][s.x-1].text) < maxMarks {
			s.cells[s.y][s.x-1].text += text
		}
		return
	}
	if s.x+width > s.columns {
		s.newLine()
	}
	if s.y == s.rows {
		s.cells = append(s.cells[1:], s.blank())
		s.y--
	}
	s.cells[s.y][s.x] = cell{text, attr}
	for n := 1; n < width && s.x+n < s.columns; n++ {
		s.cells[s.y][s.x+n] = cell{"", attr}
	}
	s.x = min(s.x+width, s.columns)
}

func (s *screen) newLine() { s.x, s.y = 0, min(s.y+1, s.rows) }

// lines are the characters, one string a line, spaces at the ends left out.
func (s *screen) lines() []string {
	out := make([]string, s.rows)
	for y, row := range s.cells {
		var line strings.Builder
		for _, c := range row {
			line.WriteString(c.text)
		}
		out[y] = strings.TrimRight(line.String(), " ")
	}
	return out
}

// looks are the attributes, one digit 0 to 7 a character.
func (s *screen) looks() []string {
	out := make([]string, s.rows)
	for y, row := range s.cells {
		for _, c := range row {
			if c.text != "" {
				out[y] += string(rune('0' + c.attr))
			}
		}
	}
	return out
}
