package escpos_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/oned"
	"github.com/makiuchi-d/gozxing/qrcode"

	"github.com/plomb-pos/plomb/driver/escpos"
	"github.com/plomb-pos/plomb/receipt/paper"
)

const receiptURL = "https://example.test/r/2026-000017?h=3q2-7wAAAABcX1hRkuXB9g"

var bold = paper.Style{Bold: true}

func logo(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			if dx, dy := x-w/2, y-h/2; dx*dx/9+dy*dy > h*h/5 {
				img.SetGray(x, y, color.Gray{255})
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// receipt is a long receipt that uses every kind of block.
func receipt(t testing.TB) paper.Doc {
	doc := paper.Doc{
		paper.Image{PNG: logo(t, 240, 80)},
		paper.Styled("Kiosk am Eck", paper.Style{Bold: true, Wide: true, Tall: true}, paper.Center),
		paper.Styled("Praterstraße 1, 1020 Wien", paper.Style{}, paper.Center),
		paper.Text{},
		paper.Styled("RECHNUNG 2026-000017", paper.Style{Invert: true}, paper.Center),
		paper.Rule{},
	}
	for i := range 20 {
		doc = append(doc, paper.Columns{Left: fmt.Sprintf("%d x Käsekrainer mit süßem Senf, Kren und Gebäck", i+1), Right: fmt.Sprintf("%d,%02d A", 4*(i+1), i)})
	}
	return append(doc,
		paper.Rule{Double: true},
		paper.Columns{Left: "SUMME EUR", Right: "849,90", Style: paper.Style{Bold: true, Tall: true}},
		paper.Line("Zażółć gęślą jaźń – Příliš žluťoučký kůň"),
		paper.Line("Съешь ещё этих булок · 10 € · Ελλάδα"),
		paper.Text{Runs: []paper.Run{{Text: "normal, "}, {Text: "fett, ", Style: bold}, {Text: "unterstrichen", Style: paper.Style{Underline: true}}}},
		paper.QR{Data: receiptURL},
		paper.Barcode{Kind: paper.EAN13, Data: "4006381333931"},
		paper.Barcode{Kind: paper.Code128, Data: "R{2026}-17"},
		paper.Drawer{},
		paper.Cut{Partial: true},
	)
}

func render(t testing.TB, doc paper.Doc, p escpos.Profile) []escpos.Sheet {
	t.Helper()
	job, err := escpos.Encode(doc, p)
	if err != nil {
		t.Fatal(err)
	}
	sheets, err := escpos.Render(job.Bytes, p)
	if err != nil {
		t.Fatal(err)
	}
	return sheets
}

// keep writes pictures to a folder when a person wants to look at them.
func keep(t testing.TB, name string, s escpos.Sheet) []byte {
	t.Helper()
	data, err := s.PNG()
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("ESCPOS_KEEP"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".png"), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

func readCode(t testing.TB, data []byte, reader gozxing.Reader) string {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	bits, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	result, err := reader.Decode(bits, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	if err != nil {
		t.Fatal(err)
	}
	return result.GetText()
}

// zbar reads all codes of a picture with a second, independent reader. Without
// the program the test is skipped, but never in the continuous run.
func zbar(t testing.TB, data []byte) string {
	t.Helper()
	path, err := exec.LookPath("zbarimg")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("zbarimg is not installed")
		}
		t.Skip("zbarimg is not installed")
	}
	file := filepath.Join(t.TempDir(), "sheet.png")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "--quiet", file).Output()
	if err != nil {
		t.Fatalf("zbarimg: %v", err)
	}
	return string(out)
}

// Requirement: POS-02
func TestReceiptIsDrawnAndItsCodesAreRead(t *testing.T) {
	for _, p := range []escpos.Profile{escpos.Generic80(), escpos.Generic58()} {
		t.Run(p.Name, func(t *testing.T) {
			sheets := render(t, receipt(t), p)
			if len(sheets) != 1 {
				t.Fatalf("%d sheets, want 1", len(sheets))
			}
			data := keep(t, strings.ReplaceAll(p.Name, "/", ""), sheets[0])
			if got := readCode(t, data, qrcode.NewQRCodeReader()); got != receiptURL {
				t.Errorf("qr code says %q, want %q", got, receiptURL)
			}
			want := []string{"QR-Code:" + receiptURL, "EAN-13:4006381333931", "CODE-128:R{2026}-17"}
			got := zbar(t, data)
			for _, w := range want {
				if !strings.Contains(got, w+"\n") {
					t.Errorf("zbarimg read %q, lacks %q", got, w)
				}
			}
		})
	}
}

func TestBarcodesAreReadOneByOne(t *testing.T) {
	for _, c := range []struct {
		block  paper.Barcode
		reader gozxing.Reader
	}{
		{paper.Barcode{Kind: paper.EAN13, Data: "4006381333931"}, oned.NewEAN13Reader()},
		{paper.Barcode{Kind: paper.EAN8, Data: "96385074"}, oned.NewEAN8Reader()},
		{paper.Barcode{Kind: paper.Code128, Data: "{A}{{ 0815"}, oned.NewCode128Reader()},
	} {
		sheets := render(t, paper.Doc{c.block, paper.Cut{}}, escpos.Generic80())
		if got := readCode(t, keep(t, string(c.block.Kind), sheets[0]), c.reader); got != c.block.Data {
			t.Errorf("%s says %q, want %q", c.block.Kind, got, c.block.Data)
		}
	}
}

func TestQRWithoutTheCommandIsSentAsAPicture(t *testing.T) {
	p := escpos.Generic58()
	p.NativeQR = false
	sheets := render(t, paper.Doc{paper.QR{Data: receiptURL, EC: "H"}}, p)
	if got := readCode(t, keep(t, "qr-picture", sheets[0]), qrcode.NewQRCodeReader()); got != receiptURL {
		t.Errorf("qr code says %q, want %q", got, receiptURL)
	}
}

func TestLargestQRFitsOnTheNarrowestPaper(t *testing.T) {
	data := strings.Repeat("0123456789abcdef", 145)
	sheets := render(t, paper.Doc{paper.QR{Data: data, EC: "M"}}, escpos.Generic58())
	if got := readCode(t, keep(t, "qr-largest", sheets[0]), qrcode.NewQRCodeReader()); got != data {
		t.Errorf("qr code says %d bytes, want %d", len(got), len(data))
	}
}

func TestLettersOfManyLanguagesArrive(t *testing.T) {
	for _, text := range []string{
		"ÄÖÜ äöü ß € é è ê ç ñ", // German, French, Spanish
		"Zażółć gęślą jaźń ŁŻŚ",
		"Příliš žluťoučký kůň úpěl ďábelské ódy",
		"Árvíztűrő tükörfúrógép",
		"Съешь ещё этих мягких булок",
		"ΑΒΓ αβγ ώ ύ",
		"ğışçö İ",
		"ąčęėįšųūž",
	} {
		job, err := escpos.Encode(paper.Doc{paper.Line(text), paper.Cut{}}, escpos.Generic80())
		if err != nil {
			t.Fatal(err)
		}
		sheets, err := escpos.Render(job.Bytes, escpos.Generic80())
		if err != nil {
			t.Fatal(err)
		}
		if got := sheets[0].Text(); got != text+"\n" || job.Losses != nil {
			t.Errorf("%q came out as %q with losses %v", text, got, job.Losses)
		}
	}
}

func TestPicturesOfLettersDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, letter := range []string{"a", "ä", "á", "ą", "c", "č", "ć", "ç", "l", "ł", "s", "š", "ś", "z", "ž", "ż", "ź", "я", "ω"} {
		sheets := render(t, paper.Doc{paper.Line(letter)}, escpos.Generic80())
		pix := string(sheets[0].Image.Pix)
		if other, ok := seen[pix]; ok {
			t.Errorf("%s and %s look the same", letter, other)
		}
		seen[pix] = letter
		if strings.Count(pix, "\x01") < 10 {
			t.Errorf("%s is hardly there", letter)
		}
	}
}

func TestChineseIsPrintedWhereThePrinterHasIt(t *testing.T) {
	doc := paper.Doc{paper.Columns{Left: "绿茶 Tee für dich", Right: "3,20"}}
	job, err := escpos.Encode(doc, escpos.Chinese80())
	if err != nil || job.Losses != nil {
		t.Fatalf("encode: %v, losses %v", err, job.Losses)
	}
	sheets, err := escpos.Render(job.Bytes, escpos.Chinese80())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := sheets[0].Text(), paper.RenderText(doc, 48); got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

func TestWhatCannotBePrintedIsReplacedAndReported(t *testing.T) {
	p := escpos.Generic80()
	p.Pages = []byte{0}
	job, err := escpos.Encode(paper.Doc{paper.Line("ž 茶 5€ …")}, p)
	if err != nil {
		t.Fatal(err)
	}
	want := []escpos.Loss{{'ž', "z"}, {'茶', "?"}, {'€', "EUR"}, {'…', "..."}}
	if diff := cmp.Diff(want, job.Losses); diff != "" {
		t.Error(diff)
	}
	if job.Losses[1].Readable() || !job.Losses[2].Readable() {
		t.Error("Readable does not tell ? from EUR")
	}
	sheets, _ := escpos.Render(job.Bytes, p)
	if got := sheets[0].Text(); got != "z ? 5EUR ...\n" {
		t.Errorf("printed %q", got)
	}
}

// The paper shows the same lines as the plain text rendering.
func TestPaperAndScreenBreakLinesAlike(t *testing.T) {
	for _, p := range []escpos.Profile{escpos.Generic80(), escpos.Generic58()} {
		sheets := render(t, receipt(t)[1:28], p)
		var want []string
		for line := range strings.Lines(paper.RenderText(receipt(t)[1:28], p.Columns)) {
			want = append(want, strings.TrimSpace(line))
		}
		if diff := cmp.Diff(want, sheets[0].Lines); diff != "" {
			t.Errorf("%s: %s", p.Name, diff)
		}
	}
}

func TestABarcodeThatDoesNotFitIsRefused(t *testing.T) {
	doc := paper.Doc{paper.Barcode{Kind: paper.Code128, Data: strings.Repeat("x", 60)}}
	if _, err := escpos.Encode(doc, escpos.Generic58()); !errors.Is(err, escpos.ErrDoesNotFit) {
		t.Errorf("Encode = %v, want ErrDoesNotFit", err)
	}
}
