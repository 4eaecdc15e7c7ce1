package paper

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// PrintLine is one line as it is printed: text that fits into the columns it was
// broken for.
type PrintLine struct {
	Runs  []Run
	Align Align
	Width int // columns taken
}

// String is the text of the line without its styles.
func (l PrintLine) String() string {
	var b strings.Builder
	for _, r := range l.Runs {
		b.WriteString(r.Text)
	}
	return b.String()
}

// Width is the number of columns that text takes in the normal font.
func Width(text string) int {
	n := 0
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// cell is one character with the marks that stand on it.
type cell struct {
	text  string
	style Style
	width int
	wide  bool // East Asian: a line may break before and after it
}

func (c cell) space() bool { return c.text == " " }

func cells(runs []Run) []cell {
	var out []cell
	for _, run := range runs {
		for _, r := range run.Text {
			w := runeWidth(r)
			if w == 0 && len(out) > 0 {
				out[len(out)-1].text += string(r)
				continue
			}
			out = append(out, newCell(r, w, run.Style))
		}
	}
	return out
}

func newCell(r rune, w int, style Style) cell {
	c := cell{text: string(r), style: style, width: w, wide: w == 2}
	if style.Wide {
		c.width *= 2
	}
	return c
}

// Lines breaks the paragraph into lines of at most columns: at spaces, between
// East Asian characters, and inside a word only when the word alone is too long.
// A character wider than the paper stands on a line of its own. columns below 1
// counts as 1.
func (t Text) Lines(columns int) []PrintLine {
	rows := breakCells(cells(t.Runs), max(columns, 1))
	lines := make([]PrintLine, len(rows))
	for i, row := range rows {
		lines[i] = printLine(row, t.Align)
	}
	return lines
}

// Lines lays the two ends out on at most columns; see [Columns].
func (c Columns) Lines(columns int) []PrintLine {
	columns = max(columns, 1)
	left, right := c.cells(c.Left), c.cells(c.Right)
	room := columns - rowWidth(right) - 1
	switch {
	case len(right) == 0:
		return Text{Runs: c.run(c.Left)}.Lines(columns)
	case len(left) == 0:
		return Text{Runs: c.run(c.Right), Align: Right}.Lines(columns)
	case room < max(columns/3, 4) && rowWidth(left) > room: // 4: the widest character there is
		return append(Text{Runs: c.run(c.Left)}.Lines(columns), Text{Runs: c.run(c.Right), Align: Right}.Lines(columns)...)
	}
	return c.sideBySide(breakCells(left, room), right, columns)
}

func (c Columns) sideBySide(left [][]cell, right []cell, columns int) []PrintLine {
	var lines []PrintLine
	for _, row := range left[:len(left)-1] {
		lines = append(lines, printLine(row, Left))
	}
	last := left[len(left)-1]
	return append(lines, printLine(c.joined(last, right, columns), Left))
}

// joined fills the gap between the two ends with spaces. Spaces of double width
// may leave one column over; it is filled with a normal one.
func (c Columns) joined(left, right []cell, columns int) []cell {
	gap := columns - rowWidth(left) - rowWidth(right)
	style := c.Style
	style.Underline, style.Invert = false, false
	space := newCell(' ', 1, style)
	out := append([]cell{}, left...)
	for ; gap >= space.width; gap -= space.width {
		out = append(out, space)
	}
	if gap == 1 {
		out = append(out, newCell(' ', 1, Style{}))
	}
	return append(out, right...)
}

func (c Columns) run(text string) []Run { return []Run{{Text: text, Style: c.Style}} }

func (c Columns) cells(text string) []cell { return cells(c.run(text)) }

// breakCells returns at least one row.
func breakCells(rest []cell, columns int) [][]cell {
	var rows [][]cell
	for {
		n := fit(rest, columns)
		if n == len(rest) {
			return append(rows, rest)
		}
		n = breakAt(rest, n)
		rows = append(rows, trimEnd(rest[:n]))
		rest = trimStart(rest[n:])
		if len(rest) == 0 {
			return rows
		}
	}
}

// fit is the number of cells that stand on one line, at least one of them.
func fit(row []cell, columns int) int {
	w := 0
	for i, c := range row {
		if w += c.width; w > columns {
			return max(i, 1)
		}
	}
	return len(row)
}

// breakAt moves a break at n back to the last place where a line may end.
func breakAt(row []cell, n int) int {
	for i := n; i > 0; i-- {
		if row[i].space() || row[i-1].space() || row[i].wide || row[i-1].wide {
			return i
		}
	}
	return n
}

func trimEnd(row []cell) []cell {
	for len(row) > 0 && row[len(row)-1].space() {
		row = row[:len(row)-1]
	}
	return row
}

func trimStart(row []cell) []cell {
	for len(row) > 0 && row[0].space() {
		row = row[1:]
	}
	return row
}

func rowWidth(row []cell) int {
	w := 0
	for _, c := range row {
		w += c.width
	}
	return w
}

func printLine(row []cell, align Align) PrintLine {
	line := PrintLine{Align: align, Width: rowWidth(row)}
	for _, c := range row {
		if n := len(line.Runs); n > 0 && line.Runs[n-1].Style == c.style {
			line.Runs[n-1].Text += c.text
			continue
		}
		line.Runs = append(line.Runs, Run{Text: c.text, Style: c.style})
	}
	return line
}
