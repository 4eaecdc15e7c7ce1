package paper_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/receipt/paper"
)

func picture(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 4))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func everyBlock(t testing.TB) paper.Doc {
	return paper.Doc{
		paper.Styled("Kiosk am Eck", paper.Style{Bold: true, Tall: true}, paper.Center),
		paper.Text{},
		paper.Columns{Left: "2 x Käsekrainer mit Senf und Kren", Right: "12,80 A"},
		paper.Columns{Left: "SUMME", Right: "12,80", Style: paper.Style{Bold: true, Wide: true}},
		paper.Rule{}, paper.Rule{Double: true},
		paper.QR{Data: "https://example.test/r/1", EC: "Q", Module: 4},
		paper.Barcode{Kind: paper.EAN13, Data: "4006381333931"},
		paper.Barcode{Kind: paper.Code128, Data: "R-2026/17"},
		paper.Image{PNG: picture(t)},
		paper.Feed{Lines: 2}, paper.Cut{Partial: true}, paper.Drawer{Pin: 5, OnMS: 120},
	}
}

// Requirement: POS-02
func TestDocumentSurvivesItsJSONForm(t *testing.T) {
	doc := everyBlock(t)
	lines, err := doc.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := paper.Parse(lines)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(doc, again); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefusesWhatCannotBePrinted(t *testing.T) {
	for name, line := range map[string]string{
		"unknown block":         `{"blink":{}}`,
		"unknown member":        `{"feed":{"lines":1,"speed":3}}`,
		"duplicate member":      `{"feed":{"lines":1,"lines":2}}`,
		"two blocks":            `{"cut":{},"rule":{}}`,
		"no block":              `{}`,
		"an array":              `[]`,
		"null":                  `null`,
		"a null block":          `{"cut":null}`,
		"escape in text":        `{"text":{"runs":[{"text":"a\u001bp0"}]}}`,
		"line break in text":    `{"text":{"runs":[{"text":"a\nb"}]}}`,
		"wrong alignment":       `{"text":{"align":"middle"}}`,
		"C1 control in columns": `{"columns":{"left":"a\u009bb","right":"1"}}`,
		"EAN check digit":       `{"barcode":{"kind":"ean13","data":"4006381333932"}}`,
		"EAN length":            `{"barcode":{"kind":"ean8","data":"4006381333931"}}`,
		"EAN letters":           `{"barcode":{"kind":"ean8","data":"4006381x"}}`,
		"Code 128 umlaut":       `{"barcode":{"kind":"code128","data":"Ä"}}`,
		"unknown code":          `{"barcode":{"kind":"pdf417","data":"1"}}`,
		"empty QR":              `{"qr":{"data":""}}`,
		"QR level":              `{"qr":{"data":"a","ec":"Z"}}`,
		"QR too long":           `{"qr":{"data":"` + strings.Repeat("a", 1274) + `","ec":"H"}}`,
		"no picture":            `{"image":{"png":"aGVsbG8="}}`,
		"feed of nothing":       `{"feed":{"lines":0}}`,
		"feed of a roll":        `{"feed":{"lines":100000}}`,
		"drawer pin":            `{"drawer":{"pin":3}}`,
		"drawer pulse":          `{"drawer":{"onMs":5000}}`,
	} {
		if doc, err := paper.Parse([]byte(line)); err == nil {
			t.Errorf("%s: Parse(%s) = %v, want an error", name, line, doc)
		}
	}
}

func TestTooManyBlocksAreRefused(t *testing.T) {
	lines := bytes.Repeat([]byte("{\"cut\":{}}\n"), paper.MaxBlocks+1)
	if _, err := paper.Parse(lines); !errors.Is(err, paper.ErrTooLarge) {
		t.Errorf("Parse of %d blocks = %v, want ErrTooLarge", paper.MaxBlocks+1, err)
	}
}

func TestEncodeRefusesAnInvalidDocument(t *testing.T) {
	for _, doc := range []paper.Doc{{nil}, {paper.Line("a\x00")}, {paper.Line("\xff")}} {
		if _, err := doc.Encode(); !errors.Is(err, paper.ErrInvalid) {
			t.Errorf("Encode(%#v) = %v, want ErrInvalid", doc, err)
		}
	}
}

func TestLinesAreBrokenAtSpacesAndInsideLongWords(t *testing.T) {
	for _, c := range []struct {
		text    string
		columns int
		want    []string
	}{
		{"", 10, []string{""}},
		{"Brot", 10, []string{"Brot"}},
		{"Brot und Butter", 10, []string{"Brot und", "Butter"}},
		{"Brot und   Butter", 10, []string{"Brot und", "Butter"}},
		{"Donaudampfschiff", 10, []string{"Donaudampf", "schiff"}},
		{"收据打印", 5, []string{"收据", "打印"}},
		{"茶 Tee", 4, []string{"茶", "Tee"}},
		{"e\u0301te\u0301", 2, []string{"e\u0301t", "e\u0301"}},
		{"     ", 3, []string{""}},
	} {
		var got []string
		for _, l := range paper.Line(c.text).Lines(c.columns) {
			got = append(got, l.String())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q in %d columns: %s", c.text, c.columns, diff)
		}
	}
}

func TestWideTextTakesTwiceItsColumns(t *testing.T) {
	wide := paper.Styled("SUMME EUR", paper.Style{Wide: true}, paper.Left).Lines(12)
	if len(wide) != 2 || wide[0].String() != "SUMME" || wide[0].Width != 10 {
		t.Errorf("lines = %+v, want SUMME (10 columns) and EUR", wide)
	}
}

func TestPriceStandsAtTheEndOfTheLastLine(t *testing.T) {
	got := paper.RenderText(paper.Doc{
		paper.Columns{Left: "2 x Käsekrainer mit Senf", Right: "12,80 A"},
		paper.Columns{Left: "Tee", Right: "3,10 B"},
		paper.Columns{Left: "Bezeichnung", Right: "eine sehr lange Angabe"},
		paper.Columns{Right: "rechts"},
		paper.Columns{Left: "links"},
	}, 24)
	want := `2 x Käsekrainer
mit Senf         12,80 A
Tee               3,10 B
Bezeichnung
  eine sehr lange Angabe
                  rechts
links
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStylesOfALineAreKeptWhenItIsBroken(t *testing.T) {
	bold := paper.Style{Bold: true}
	text := paper.Text{Runs: []paper.Run{{Text: "eins "}, {Text: "zwei drei", Style: bold}}}
	var got [][]paper.Run
	for _, l := range text.Lines(9) {
		got = append(got, l.Runs)
	}
	want := [][]paper.Run{{{Text: "eins "}, {Text: "zwei", Style: bold}}, {{Text: "drei", Style: bold}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Properties: no line is wider than the paper (but for one character that is),
// and no visible character is lost or moved.
func TestBreakingKeepsWidthAndText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		alphabet := []rune("ab  cäł茶收")
		draw := func(name string) string {
			return rapid.StringOfN(rapid.SampledFrom(alphabet), 0, 60, -1).Draw(t, name)
		}
		style := paper.Style{Wide: rapid.Bool().Draw(t, "wide")}
		columns := rapid.IntRange(4, 48).Draw(t, "columns")
		left, right := draw("left"), draw("right")
		lines := paper.Columns{Left: left, Right: right, Style: style}.Lines(columns)
		check(t, lines, columns, left+right)
		check(t, paper.Styled(left, style, paper.Left).Lines(columns), columns, left)
	})
}

func check(t *rapid.T, lines []paper.PrintLine, columns int, text string) {
	var printed strings.Builder
	for _, l := range lines {
		if l.Width > columns {
			t.Fatalf("line %q is %d wide, paper %d", l, l.Width, columns)
		}
		printed.WriteString(l.String())
	}
	if got, want := strip(printed.String()), strip(text); got != want {
		t.Fatalf("printed %q, want %q", got, want)
	}
}

func strip(s string) string { return strings.ReplaceAll(s, " ", "") }

// Accepted bytes encode to a form that parses to the same document and encodes to
// itself.
func FuzzParse(f *testing.F) {
	lines, err := everyBlock(f).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(lines)
	f.Add([]byte(`{"columns":{"left":"   ","right":"x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := paper.Parse(data)
		if err != nil {
			return
		}
		once, err := doc.Encode()
		if errors.Is(err, paper.ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatalf("encode what was parsed: %v", err)
		}
		again, err := paper.Parse(once)
		if err != nil {
			t.Fatalf("parse what was encoded: %v", err)
		}
		twice, _ := again.Encode()
		if !bytes.Equal(once, twice) {
			t.Fatalf("encoded twice: %s and %s", once, twice)
		}
		paper.RenderText(doc, 7)
	})
}

func ExampleRenderText() {
	doc := paper.Doc{
		paper.Styled("Kiosk am Eck", paper.Style{Bold: true}, paper.Center),
		paper.Rule{},
		paper.Columns{Left: "2 x Kaffee", Right: "6,40"},
		paper.Rule{Double: true},
		paper.Columns{Left: "Summe EUR", Right: "6,40", Style: paper.Style{Bold: true}},
		paper.Cut{},
	}
	fmt.Print(paper.RenderText(doc, 20))
	// Output:
	//     Kiosk am Eck
	// --------------------
	// 2 x Kaffee      6,40
	// ====================
	// Summe EUR       6,40
	//        [cut]
}
