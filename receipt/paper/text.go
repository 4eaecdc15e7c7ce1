package paper

import (
	"bytes"
	"fmt"
	"image/png"
	"strings"
)

// RenderText returns the document as plain text for a screen, a terminal or a
// test: lines of at most columns, without styles, codes and pictures named in
// brackets. Spaces at line ends are left out. Every line ends with a line feed.
func RenderText(doc Doc, columns int) string {
	columns = max(columns, 1)
	var out strings.Builder
	for _, b := range doc {
		for _, line := range textLines(b, columns) {
			out.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
	return out.String()
}

func textLines(b Block, columns int) []string {
	switch b := b.(type) {
	case Text:
		return placed(b.Lines(columns), columns)
	case Columns:
		return placed(b.Lines(columns), columns)
	case Rule:
		return []string{strings.Repeat(b.Stroke(), columns)}
	case Feed:
		return make([]string, max(min(b.Lines, MaxFeed), 0))
	}
	return placed(Styled(describe(b), Style{}, Center).Lines(columns), columns)
}

// Stroke is the character that draws the rule in text: "-", or "=" for a double
// one.
func (r Rule) Stroke() string {
	if r.Double {
		return "="
	}
	return "-"
}

func describe(b Block) string {
	switch b := b.(type) {
	case QR:
		return "[QR " + b.Data + "]"
	case Barcode:
		return "[" + string(b.Kind) + " " + b.Data + "]"
	case Image:
		return describeImage(b)
	case Cut:
		return "[cut]"
	case Drawer:
		return "[drawer]"
	}
	return ""
}

func describeImage(m Image) string {
	c, err := png.DecodeConfig(bytes.NewReader(m.PNG))
	if err != nil {
		return "[image]"
	}
	return fmt.Sprintf("[image %dx%d]", c.Width, c.Height)
}

func placed(lines []PrintLine, columns int) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.Repeat(" ", indent(l, columns)) + l.String()
	}
	return out
}

func indent(l PrintLine, columns int) int {
	free := max(columns-l.Width, 0)
	switch l.Align {
	case Center:
		return free / 2
	case Right:
		return free
	}
	return 0
}
