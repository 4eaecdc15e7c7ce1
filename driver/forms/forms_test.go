package forms_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/driver/forms"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

const statement = `
// A statement of account on two pages.
XFSFORM "STATEMENT"
BEGIN
  UNIT MM,2,2
  SIZE 300,400
  ALIGNMENT TOPLEFT,10,10
  ORIENTATION PORTRAIT
  VERSION 2,1,"22.11.2026","plomb"
  LANGUAGE 1033
  CPI 12
  USERPROMPT "Please insert \"paper\""
  XFSFIELD "HEAD" BEGIN POSITION 10,10 SIZE 200,12 HEADER ALL CLASS STATIC STYLE BOLD | DOUBLE INITIALVALUE "Statement" END
  XFSFIELD "AMOUNT"
  BEGIN
    POSITION 10,40,1
    SIZE 80,10
    INDEX 5,0,12
    CLASS REQUIRED
    HORIZONTAL RIGHT
    OVERFLOW WORDWRAP
    COLOR 255,0,0
    FONT "Go Mono"
    POINTSIZE 9
  END
  XFSFIELD "SUM" BEGIN FOLLOWS "AMOUNT" SIZE 80,10 FONT "CODE128" TYPE BARCODE BARCODE BELOW END
  XFSFRAME "BOX" BEGIN FRAMES "SUM" TYPE ROUNDED_CORNER STYLE DOUBLE_THIN FILLSTYLE CROSS FILLCOLOR GRAY END
  XFSSUBFORM "FOOT"
  BEGIN
    POSITION 0,350
    SIZE 300,50
    XFSFIELD "DATE" BEGIN POSITION 0,0 SIZE 50,10 END
  END
END
XFSMEDIA "PASSBOOK"
BEGIN
  TYPE PASSBOOK
  SOURCE EXTERNAL
  UNIT MM,1,1
  SIZE 150,100
  PRINTAREA 5,5,140,90
  FOLD HORIZONTAL
  PAGE 8
  LINES 20
END`

func TestTheDefinitionLanguageIsRead(t *testing.T) {
	d, err := forms.Parse(statement)
	if err != nil {
		t.Fatal(err)
	}
	f := d.Forms["STATEMENT"]
	if f.CPI != 12 || f.LPI != 6 || f.Version.Version != "2.1" || f.UserPrompt != `Please insert "paper"` {
		t.Errorf("form = %+v", f)
	}
	amount := &forms.Field{Order: 1, Position: &forms.Position{X: 10, Y: 40, Z: 1}, Size: &forms.Size{Width: 80, Height: 10}, Side: "front",
		Index: &forms.Index{RepeatCount: 5, Y: 12}, FieldType: "text", Scaling: "bestFit", Barcode: "none", Coercivity: "auto", Class: "required",
		Access: "write", Overflow: "wordWrap", Case: "noChange", Horizontal: "right", Vertical: "bottom", Color: "255,0,0", Font: &forms.Font{Name: "Go Mono", PointSize: 9}}
	if diff := cmp.Diff(amount, f.Fields["AMOUNT"]); diff != "" {
		t.Error(diff)
	}
	if s := f.Fields["HEAD"].Style; !s.Bold || s.Width != "double" {
		t.Errorf("style = %+v", s)
	}
	if m := d.Media["PASSBOOK"]; m.Page != 8 || m.PrintArea.Width != 140 || m.Source != "external" {
		t.Errorf("media = %+v", m)
	}
	if f.All()["FOOT.DATE"] == nil {
		t.Error("the field of the subform is not found by its full name")
	}
}

func TestErrorsNameLineAndColumn(t *testing.T) {
	form := func(body string) string { return "XFSFORM \"F\"\nBEGIN\nUNIT MM,1,1\nSIZE 50,50\n" + body + "\nEND" }
	for text, want := range map[string]string{
		"XFSFORM F":                      `line 1, column 9: "F" instead of a string`,
		"XFSFORM \"F\"\nBEGIN\nUNIT":     "line 3, column 5: the end instead of one of INCH, MM, ROWCOLUMN",
		form("SIZE 1,1"):                 "line 5, column 1: SIZE comes twice",
		form("COLOUR RED"):               `line 5, column 1: "COLOUR" instead of a keyword`,
		form(`TITLE "abc`):               "line 5, column 11: a string ends on its line",
		form(`TITLE "a\q"`):              `line 5, column 10: after \ come ", \, n or t`,
		form(`SKEW 99999999999`):         "line 5, column 6: 99999999999 is too large",
		form(`CPI ~`):                    `line 5, column 5: '~' cannot stand here`,
		form("XFSFIELD \"A\" BEGIN END"): "F: A: a field has a size of at least one unit that fits into its form",
		form(`XFSFIELD "A" BEGIN SIZE 5,5 POSITION 48,0 END`):                                             "F: A: the field does not lie inside of its form",
		form(`XFSFIELD "A" BEGIN SIZE 5,5 FOLLOWS "B" END XFSFIELD "B" BEGIN SIZE 5,5 FOLLOWS "A" END`):   "F: A: fields follow each other in a circle",
		form(`XFSFIELD "A" BEGIN SIZE 5,5 POSITION 0,0 COLOR 1,2,300 END`):                                "F: A: a colour is a name or R,G,B of 0 to 255",
		form(`XFSFIELD "A" BEGIN SIZE 5,5 POSITION 0,0 CLASS STATIC END`):                                 "F: A: a static field has an initial value",
		form(`XFSFIELD "A" BEGIN SIZE 5,5 POSITION 0,0 END XFSFIELD "A" BEGIN SIZE 5,5 POSITION 0,0 END`): `line 5, column 87: "A" is defined twice`,
		form(`XFSFRAME "A" BEGIN SIZE 50,50 POSITION 0,0 REPEATONX 500,0 END`):                            "F: more than",
		"XFSMEDIA \"M\" BEGIN UNIT MM,1,1 SIZE 10,10 PRINTAREA 5,5,10,10 END":                             "M: printArea: an area lies inside of its medium",
	} {
		_, err := forms.Parse(text)
		if want == "F: more than" {
			want = "F: the fields and frames cover it more than a hundred times"
		}
		if err == nil || err.Error() != want && !(strings.Contains(want, "circle") && strings.HasSuffix(err.Error(), "fields follow each other in a circle")) {
			t.Errorf("Parse(%q) = %v, want %s", text, err, want)
		}
	}
	var syntax *forms.SyntaxError
	if _, err := forms.Parse("XFSFORM"); !errors.As(err, &syntax) {
		t.Errorf("%v is no *SyntaxError", err)
	}
}

func TestADefinitionGoesThroughTheJSONOfTheCommandsUnchanged(t *testing.T) {
	d, err := forms.Parse(statement)
	if err != nil {
		t.Fatal(err)
	}
	query, err := d.Forms["STATEMENT"].Query()
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(query)
	if err != nil {
		t.Fatal(err)
	}
	var set printer.SetFormCommandForm
	if err := json.Unmarshal(data, &set); err != nil {
		t.Fatal(err)
	}
	again, err := forms.FromSetForm("STATEMENT", &set)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.Forms["STATEMENT"], again); diff != "" {
		t.Error(diff)
	}
}

const login = `XFSFORM "LOGIN" BEGIN SIZE 20,4
XFSFIELD "NAME" BEGIN POSITION 0,0 SIZE 10,1 ACCESS READWRITE KEYS ALPHANUMERIC STYLE UNDER | INVERTED END
XFSFIELD "PIN" BEGIN POSITION 0,1 SIZE 4,1 ACCESS READ TYPE PASSWORD KEYS NUMERIC CLASS REQUIRED END
END`

func TestTheFormsOfATerminalAreRead(t *testing.T) {
	all, err := forms.ParseTerminal(login)
	if err != nil {
		t.Fatal(err)
	}
	pin := all["LOGIN"].Fields["PIN"]
	if pin.FieldType != "password" || pin.Keys != "numeric" || pin.Class != "required" || !all["LOGIN"].Fields["NAME"].Style.Inverted {
		t.Errorf("form = %+v", pin)
	}
	query, err := all["LOGIN"].Query()
	if err != nil {
		t.Fatal(err)
	}
	data, _ := json.Marshal(query)
	var set textterminal.SetFormCommandForm
	if err := json.Unmarshal(data, &set); err != nil {
		t.Fatal(err)
	}
	again, err := forms.FromTerminalSetForm("LOGIN", &set)
	if diff := cmp.Diff(all["LOGIN"], again); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(statement)
	f.Add(`XFSFORM "F" BEGIN UNIT ROWCOLUMN SIZE 10,10 VERSION 1,0 XFSFIELD "A" BEGIN POSITION 0,0 SIZE 1,1 STYLE NORMAL END END`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := forms.Parse(text)
		if err != nil {
			return
		}
		again, err := forms.Parse(d.Text())
		if err != nil {
			t.Fatalf("%v in:\n%s", err, d.Text())
		}
		if again.Text() != d.Text() {
			t.Errorf("%s\nbecomes\n%s", d.Text(), again.Text())
		}
		for name, form := range d.Forms {
			if _, err := form.Query(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, m := range d.Media {
			if _, err := m.Query(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func FuzzParseTerminal(f *testing.F) {
	f.Add(login)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := forms.ParseTerminal(text)
		if err != nil {
			return
		}
		again, err := forms.ParseTerminal(forms.TerminalText(all))
		if err != nil {
			t.Fatalf("%v in:\n%s", err, forms.TerminalText(all))
		}
		if diff := cmp.Diff(forms.TerminalText(all), forms.TerminalText(again)); diff != "" {
			t.Error(diff)
		}
	})
}

func ExampleParse() {
	d, err := forms.Parse(`XFSFORM "F" BEGIN UNIT MM,1,1 SIZE 80,40 XFSFIELD "A" BEGIN POSITION 5,5 SIZE 40,5 END END`)
	fmt.Println(d.Forms["F"].Fields["A"].Size.Width, err)
	_, err = forms.Parse("XFSFORM \"F\" BEGIN\nUNIT MILES")
	fmt.Println(err)
	// Output:
	// 40 <nil>
	// line 2, column 6: "MILES" instead of one of INCH, MM, ROWCOLUMN
}
