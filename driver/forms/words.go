package forms

import (
	"encoding/base64"
	"maps"
	"slices"
)

// The words of the definition language, spelled as in JSON.
var (
	bases            = []string{Inch, MM, RowColumn}
	corners          = []string{"topLeft", "topRight", "bottomLeft", "bottomRight"}
	orientations     = []string{"portrait", "landscape"}
	sides            = []string{"front", "back"}
	fieldTypes       = []string{Text, MICR, OCR, MSF, Barcode, Graphic, PageMark}
	scalings         = []string{"bestFit", "asIs", "maintainAspect"}
	barcodeTexts     = []string{"none", "above", "below", "both"}
	coercivities     = []string{"auto", "low", "high"}
	classes          = []string{Optional, Static, Required}
	accesses         = []string{Read, Write, ReadWrite}
	overflows        = []string{Terminate, Truncate, BestFit, Overwrite, WordWrap}
	cases            = []string{"noChange", "upper", "lower"}
	horizontals      = []string{"left", "right", "center", "justify"}
	verticals        = []string{"bottom", "center", "top"}
	colors           = []string{"black", "white", "gray", "red", "blue", "green", "yellow"}
	frameTypes       = []string{"rectangle", "roundedCorner", "ellipse"}
	frameClasses     = []string{Static, Optional}
	frameOverflows   = []string{Terminate, Truncate, BestFit}
	frameStyles      = []string{"singleThin", "doubleThin", "singleThick", "doubleThick", "dotted"}
	fillStyles       = []string{"none", "solid", "bdiagonal", "cross", "diagcross", "fdiagonal", "horizontal", "vertical"}
	frameHorizontals = []string{"left", "right", "center"}
	frameVerticals   = []string{"bottom", "top"}
	mediaTypes       = []string{"generic", "passbook", "multipart"}
	sources          = []string{"any", "upper", "lower", "external", "aux", "aux2", "park"}
	folds            = []string{"horizontal", "vertical"}
	keyboards        = []string{"numeric", "hexadecimal", "alphanumeric"}
	terminalTypes    = []string{Text, "invisible", "password", Graphic}
	terminalStyles   = []string{"normal", "under", "inverted", "flashing"}
	terminalFlows    = []string{Terminate, Truncate, Overwrite}
)

// styles are the words of STYLE and what they set.
var styles = map[string]func(*Style){
	"normal": func(*Style) {},
	"bold":   func(s *Style) { s.Bold = true }, "italic": func(s *Style) { s.Italic = true },
	"under": func(s *Style) { s.Underline = "single" }, "doubleUnder": func(s *Style) { s.Underline = "double" },
	"double": func(s *Style) { s.Width = "double" }, "triple": func(s *Style) { s.Width = "triple" }, "quadruple": func(s *Style) { s.Width = "quadruple" },
	"strikeThrough": func(s *Style) { s.Strike = "single" }, "doubleStrike": func(s *Style) { s.Strike = "double" },
	"rotate90": func(s *Style) { s.Rotate = "ninety" }, "rotate270": func(s *Style) { s.Rotate = "twoSeventy" }, "upsideDown": func(s *Style) { s.Rotate = "upsideDown" },
	"proportional": func(s *Style) { s.CharacterSpacing = "proportional" }, "condensed": func(s *Style) { s.CharacterSpacing = "condensed" },
	"doubleHigh": func(s *Style) { s.LineSpacing = "double" }, "tripleHigh": func(s *Style) { s.LineSpacing = "triple" }, "quadrupleHigh": func(s *Style) { s.LineSpacing = "quadruple" },
	"superscript": func(s *Style) { s.Script = "superscript" }, "subscript": func(s *Style) { s.Script = "subscript" },
	"overscore":     func(s *Style) { s.Overscore = true },
	"letterQuality": func(s *Style) { s.Quality = "letter" }, "nearLetterQuality": func(s *Style) { s.Quality = "nearLetter" },
	"opaque": func(s *Style) { s.Opaque = true },
}

func styleNames() []string { return slices.Sorted(maps.Keys(styles)) }

// words gives the words that make a style.
func (s *Style) words() []string {
	out := []string{}
	for _, name := range styleNames() {
		var alone Style
		styles[name](&alone)
		if alone != (Style{}) && s.has(alone) {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return []string{"normal"}
	}
	return out
}

// has says that s has the one member that alone sets.
func (s *Style) has(alone Style) bool {
	same := func(a, b string) bool { return a != "" && a == b }
	return alone.Bold && s.Bold || alone.Italic && s.Italic || alone.Overscore && s.Overscore || alone.Opaque && s.Opaque ||
		same(alone.Underline, s.Underline) || same(alone.Width, s.Width) || same(alone.Strike, s.Strike) || same(alone.Rotate, s.Rotate) ||
		same(alone.CharacterSpacing, s.CharacterSpacing) || same(alone.LineSpacing, s.LineSpacing) || same(alone.Script, s.Script) || same(alone.Quality, s.Quality)
}

// plain drops the values that say nothing, so that equal styles are equal.
func (s *Style) plain() {
	for _, v := range []*string{&s.Underline, &s.Strike, &s.Rotate} {
		if *v == "none" {
			*v = ""
		}
	}
	for _, v := range []*string{&s.CharacterSpacing, &s.LineSpacing, &s.Script, &s.Quality} {
		if *v == "standard" {
			*v = ""
		}
	}
	if s.Width == "single" {
		s.Width = ""
	}
}

func (p *parser) base64() []byte {
	at := p.token
	data, err := base64.StdEncoding.DecodeString(p.str())
	if err != nil {
		p.wrong(at, "the graphic is not base64")
	}
	return data
}
