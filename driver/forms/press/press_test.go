package press_test

import (
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/oned"
	"github.com/makiuchi-d/gozxing/qrcode"

	"github.com/plomb-pos/plomb/driver/forms"
	"github.com/plomb-pos/plomb/driver/forms/press"
)

// leaves is a sheet of any number of leaves.
type leaves map[string]*press.Page

func (l leaves) Page(n int, back bool) *press.Page { return l[fmt.Sprint(n, back)] }

const dpi = 120

func sheet(pages int) leaves {
	l := leaves{}
	for n := range pages {
		for _, back := range []bool{false, true} {
			l[fmt.Sprint(n, back)] = press.NewPage(472, 472) // 100 mm
		}
	}
	return l
}

func form(t testing.TB, body string) *forms.Form {
	t.Helper()
	d, err := forms.Parse("XFSFORM \"F\" BEGIN UNIT MM,1,1 SIZE 100,100\n" + body + "\nEND")
	if err != nil {
		t.Fatal(err)
	}
	return d.Forms["F"]
}

func set(t testing.TB, body string, values map[string][]string) (leaves, []press.Problem, error) {
	t.Helper()
	job, problems := press.Set(form(t, body), values, press.Paper{DPI: dpi, Width: 472, Height: 472})
	l := sheet(3)
	return l, problems, job.Print(l)
}

// field is a text field of 50 x 5 mm: 24 characters on one line.
func field(name, more string) string {
	return fmt.Sprintf("XFSFIELD %q BEGIN POSITION 10,10 SIZE 51,5 %s END\n", name, more)
}

func TestProblemsOfFieldsAreNamed(t *testing.T) {
	long := strings.Repeat("long ", 10)
	for _, c := range []struct {
		name, body string
		values     map[string][]string
		want       []press.Problem
	}{
		{"nothing wrong", field("A", ""), map[string][]string{"A": {"short"}}, nil},
		{"required", field("A", "CLASS REQUIRED"), nil, []press.Problem{{"A", press.Required, true}}},
		{"static", field("A", `CLASS STATIC INITIALVALUE "x"`), map[string][]string{"A": {"y"}}, []press.Problem{{"A", press.StaticOverwrite, true}}},
		{"unknown", field("A", ""), map[string][]string{"B": {"y"}}, []press.Problem{{"B", press.NotFound, true}}},
		{"read only", field("A", "ACCESS READ"), map[string][]string{"A": {"y"}}, []press.Problem{{"A", press.NotWrite, true}}},
		{"terminate", field("A", ""), map[string][]string{"A": {long}}, []press.Problem{{"A", press.Overflow, true}}},
		{"truncate", field("A", "OVERFLOW TRUNCATE"), map[string][]string{"A": {long}}, []press.Problem{{"A", press.Overflow, false}}},
		{"smaller letters", field("A", "OVERFLOW BESTFIT"), map[string][]string{"A": {long}}, nil},
		{"no letters small enough", field("A", "OVERFLOW BESTFIT"), map[string][]string{"A": {strings.Repeat(long, 20)}}, []press.Problem{{"A", press.Overflow, false}}},
		{"overwrite", field("A", "OVERFLOW OVERWRITE"), map[string][]string{"A": {"longer than its field"}}, nil},
		{"too many values", field("A", "INDEX 2,0,5"), map[string][]string{"A": {"1", "2", "3"}}, []press.Problem{{"A", press.Overflow, true}}},
		{"no picture", field("A", "TYPE GRAPHIC"), map[string][]string{"A": {"x"}}, []press.Problem{{"A", press.Graphic, true}}},
		{"no barcode", field("A", `TYPE BARCODE FONT "EAN13"`), map[string][]string{"A": {"123"}}, []press.Problem{{"A", press.Graphic, true}}},
		{"barcode too wide", field("A", "TYPE BARCODE"), map[string][]string{"A": {long}}, []press.Problem{{"A", press.Overflow, true}}},
		{"no code line", field("A", "TYPE MICR"), map[string][]string{"A": {"abc"}}, []press.Problem{{"A", press.Graphic, true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, problems, _ := set(t, c.body, c.values)
			if diff := cmp.Diff(c.want, problems); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTextIsPrintedWhereItsFieldStands(t *testing.T) {
	l, problems, err := set(t, `
XFSFIELD "LEFT" BEGIN POSITION 0,0 SIZE 40,5 CASE UPPER END
XFSFIELD "LIST" BEGIN POSITION 10,30 SIZE 40,5 INDEX 4,0,6 END
XFSFIELD "SUM" BEGIN FOLLOWS "LIST" SIZE 40,5 END
XFSFIELD "BACK" BEGIN POSITION 0,0 SIZE 40,5 SIDE BACK END
XFSFIELD "NEXT" BEGIN POSITION 0,0,1 SIZE 40,5 END
XFSFIELD "HEAD" BEGIN POSITION 50,0 SIZE 40,5 HEADER 1-2 CLASS STATIC INITIALVALUE "head" END`,
		map[string][]string{"LEFT": {"left"}, "LIST": {"a", "b"}, "SUM": {"sum"}, "BACK": {"back"}, "NEXT": {"next"}})
	if err != nil || problems != nil {
		t.Fatal(problems, err)
	}
	all := image.Rect(0, 0, 472, 472)
	if got := l.Page(0, false).Text(all, "text"); !slices.Equal(got, []string{"LEFT", "head", "a", "b", "sum"}) {
		t.Errorf("front: %q", got)
	}
	if got := append(l.Page(0, true).Text(all, "text"), l.Page(1, false).Text(all, "text")...); !slices.Equal(got, []string{"back", "next", "head"}) {
		t.Errorf("back and next page: %q", got)
	}
	sum := l.Page(0, false).Marks[slices.IndexFunc(l.Page(0, false).Marks, func(m press.Mark) bool { return m.Text == "sum" })]
	if want := 41 * dpi * 10 / 254; sum.Rect.Min.Y < want-2 || sum.Rect.Min.Y > want { // below the second line: 30+6+5 mm
		t.Errorf("the field that follows stands at %d, want %d", sum.Rect.Min.Y, want)
	}
	if dark(l.Page(0, false).Image, image.Rect(0, 0, 188, 24)) == 0 {
		t.Error("there is no ink in the first field")
	}
}

// dark counts the dark dots of a place.
func dark(img *image.RGBA, r image.Rectangle) int {
	n := 0
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y < 128 {
				n++
			}
		}
	}
	return n
}

func TestWordsAreWrappedAtSpaces(t *testing.T) {
	l, problems, err := set(t, `XFSFIELD "A" BEGIN POSITION 0,0 SIZE 26,30 OVERFLOW WORDWRAP HORIZONTAL JUSTIFY VERTICAL TOP END`,
		map[string][]string{"A": {"one two three four five six"}})
	if err != nil || problems != nil {
		t.Fatal(problems, err)
	}
	page := l.Page(0, false).Image
	for line := range 3 { // 10 characters a line, 20 dots each
		if dark(page, image.Rect(0, line*20, 120, line*20+20)) == 0 {
			t.Errorf("line %d is empty", line+1)
		}
	}
	if n := dark(page, image.Rect(0, 60, 140, 140)); n != 0 {
		t.Errorf("%d dots below the third line", n)
	}
}

func TestWhatDoesNotFitOntoThePaperIsNotPrinted(t *testing.T) {
	small := leaves{"0 false": press.NewPage(100, 100)}
	job, _ := press.Set(form(t, field("A", "")), map[string][]string{"A": {"x"}}, press.Paper{DPI: dpi, Width: 100, Height: 100})
	if err := job.Print(small); err == nil {
		t.Error("printed beside the paper")
	}
	job, _ = press.Set(form(t, field("A", "")+`XFSFIELD "B" BEGIN POSITION 0,0,2 SIZE 10,5 END`), map[string][]string{"A": {"x"}, "B": {"y"}}, press.Paper{DPI: dpi, Width: 472, Height: 472})
	one := sheet(1)
	if err := job.Print(one); err == nil || len(one.Page(0, false).Marks) != 0 {
		t.Errorf("a form of three pages on one: %v, %d marks", err, len(one.Page(0, false).Marks))
	}
	restricted := press.Paper{DPI: dpi, Width: 472, Height: 472, Restricted: image.Rect(0, 0, 472, 100)}
	job, _ = press.Set(form(t, field("A", "")), map[string][]string{"A": {"x"}}, restricted)
	if err := job.Print(sheet(1)); err == nil {
		t.Error("printed where nothing may be printed")
	}
}

func TestCodesCanBeRead(t *testing.T) {
	l, problems, err := set(t, `
XFSFIELD "BAR" BEGIN POSITION 10,10 SIZE 80,25 TYPE BARCODE BARCODE BELOW FONT "EAN13" END
XFSFIELD "QR" BEGIN POSITION 30,45 SIZE 40,40 TYPE BARCODE FONT "QR" END`,
		map[string][]string{"BAR": {"4006381333931"}, "QR": {"https://example.test/1"}})
	if err != nil || problems != nil {
		t.Fatal(problems, err)
	}
	read := func(r gozxing.Reader, at image.Rectangle) string {
		bitmap, err := gozxing.NewBinaryBitmapFromImage(l.Page(0, false).Image.SubImage(at))
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Decode(bitmap, nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.GetText()
	}
	if got := read(oned.NewEAN13Reader(), image.Rect(0, 0, 472, 160)); got != "4006381333931" {
		t.Errorf("barcode reads %s", got)
	}
	if got := read(qrcode.NewQRCodeReader(), image.Rect(0, 200, 472, 472)); got != "https://example.test/1" {
		t.Errorf("QR code reads %s", got)
	}
}

func TestFramesPicturesAndTurnedText(t *testing.T) {
	picture := image.NewGray(image.Rect(0, 0, 8, 8)) // black
	data, err := press.PNG(picture)
	if err != nil {
		t.Fatal(err)
	}
	l, problems, err := set(t, `
XFSFIELD "LOGO" BEGIN POSITION 5,5 SIZE 10,10 TYPE GRAPHIC SCALING MAINTAINASPECT END
XFSFIELD "UP" BEGIN POSITION 5,30 SIZE 5,40 STYLE ROTATE90 | BOLD | UNDER VERTICAL TOP END
XFSFIELD "WIDE" BEGIN POSITION 20,30 SIZE 70,8 STYLE DOUBLE | STRIKETHROUGH | OVERSCORE COLOR RED END
XFSFIELD "SMALL" BEGIN POSITION 20,42 SIZE 70,8 STYLE PROPORTIONAL | ITALIC | SUPERSCRIPT | OPAQUE HORIZONTAL CENTER END
XFSFIELD "LINE" BEGIN POSITION 5,85 SIZE 90,8 TYPE MICR END
XFSFRAME "BOX" BEGIN FRAMES "WIDE" STYLE DOUBLE_THIN END
XFSFRAME "GRID" BEGIN POSITION 20,55 SIZE 20,10 REPEATONX 3,24 TYPE ROUNDED_CORNER FILLSTYLE DIAGCROSS STYLE SINGLE_THICK COLOR BLUE END
XFSFRAME "EGG" BEGIN POSITION 20,70 SIZE 60,10 TYPE ELLIPSE FILLSTYLE SOLID FILLCOLOR YELLOW STYLE DOTTED END`,
		map[string][]string{"LOGO": {base64.StdEncoding.EncodeToString(data)}, "UP": {"upwards"}, "WIDE": {"Double width"}, "SMALL": {"proportional, raised"},
			"LINE": {"⑆123456789⑆ 0012345⑈ 0042"}})
	if err != nil || problems != nil {
		t.Fatal(problems, err)
	}
	page := l.Page(0, false)
	if n := dark(page.Image, image.Rect(24, 24, 70, 70)); n < 2000 {
		t.Errorf("the picture has %d dark dots", n)
	}
	if dark(page.Image, image.Rect(24, 142, 47, 330)) == 0 {
		t.Error("the turned text is missing")
	}
	if path := os.Getenv("PLOMB_TEST_PICTURE"); path != "" {
		out, err := page.PNG()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, out, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALandscapeFormIsTurned(t *testing.T) {
	l, _, err := set(t, "ORIENTATION LANDSCAPE\n"+field("A", ""), map[string][]string{"A": {"across"}})
	if err != nil {
		t.Fatal(err)
	}
	if m := l.Page(0, false).Marks[0]; m.Rect.Dx() >= m.Rect.Dy() {
		t.Errorf("the text lies in %v", m.Rect)
	}
}

func FuzzSet(f *testing.F) {
	f.Add(field("A", "OVERFLOW BESTFIT STYLE DOUBLE | PROPORTIONAL"), "some text")
	f.Add(field("A", `TYPE BARCODE BARCODE BOTH FONT "QR"`), "some text")
	f.Add(`XFSFRAME "A" BEGIN POSITION 0,0 SIZE 3,3 TYPE ROUNDED_CORNER FILLSTYLE CROSS END`, "")
	f.Fuzz(func(t *testing.T, body, value string) {
		d, err := forms.Parse("XFSFORM \"F\" BEGIN UNIT MM,10,10 SIZE 100,100\n" + body + "\nEND")
		if err != nil || d.Forms["F"] == nil {
			return
		}
		values := map[string][]string{}
		for name := range d.Forms["F"].All() {
			values[name] = []string{value}
		}
		job, problems := press.Set(d.Forms["F"], values, press.Paper{DPI: 60, Width: 24, Height: 24})
		if !press.Fatal(problems) {
			_ = job.Print(leaves{"0 false": press.NewPage(24, 24), "0 true": press.NewPage(24, 24)})
		}
	})
}

func ExampleSet() {
	d, _ := forms.Parse(`XFSFORM "F" BEGIN UNIT MM,1,1 SIZE 80,40 XFSFIELD "A" BEGIN POSITION 5,5 SIZE 10,5 END END`)
	_, problems := press.Set(d.Forms["F"], map[string][]string{"A": {"far too long"}}, press.Paper{DPI: 120, Width: 400, Height: 200})
	fmt.Println(problems)
	// Output: [{A overflow true}]
}
