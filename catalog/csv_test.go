package catalog_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/tax"
)

func read(t *testing.T, text string, o catalog.CSVOptions) ([]catalog.Article, []catalog.Problem) {
	t.Helper()
	articles, problems, err := catalog.ReadCSV(strings.NewReader(text), o)
	must(t, err)
	return articles, problems
}

func TestEveryColumnIsRead(t *testing.T) {
	got, problems := read(t, "sku,gtin,in_store,name,name_de,name_pt-br,price,tax_class,unit,group,open_price,age_limit,no_discount,deposit,blocked\n"+
		`A-1,4006381333931|036000291452 96385074,2800101 2800102,"Tea ""best""",Tee,Chá,2.55,reduced,KG,Drinks,no,16,yes,P-1,1`+"\n", catalog.CSVOptions{})
	want := []catalog.Article{{SKU: "A-1", GTINs: []catalog.GTIN{"4006381333931", "0036000291452", "96385074"}, InStore: []string{"2800101", "2800102"},
		Name: `Tea "best"`, Names: map[string]string{"de": "Tee", "pt-br": "Chá"}, Class: tax.Reduced, Unit: catalog.Kilogram, Group: "Drinks",
		Price: 2_550_000, AgeLimit: 16, NoDiscount: true, Deposit: "P-1", Blocked: true}}
	if diff := cmp.Diff(want, got); diff != "" || len(problems) > 0 {
		t.Errorf("ReadCSV problems %v (-want +got):\n%s", problems, diff)
	}
}

func TestFilesAreReadAsOfficeProgramsWriteThem(t *testing.T) {
	want := []catalog.Article{{SKU: "A", Name: "Kaffee & Kuchen", Class: tax.Standard, Unit: catalog.Piece, Price: 2_550_000}}
	for name, c := range map[string]struct {
		text string
		o    catalog.CSVOptions
	}{
		"byte order mark":      {"\ufeffsku,name,price\nA,Kaffee & Kuchen,2.55\n", catalog.CSVOptions{}},
		"semicolon and comma":  {"sku;name;price\r\nA;Kaffee & Kuchen;2,55\r\n", catalog.CSVOptions{DecimalComma: true}},
		"tabs":                 {"sku\tname\tprice\nA\tKaffee & Kuchen\t2.55", catalog.CSVOptions{}},
		"separator named":      {"sku|name|price\nA|Kaffee & Kuchen|2.55", catalog.CSVOptions{Comma: '|'}},
		"quotes":               {`"sku","name","price"` + "\n" + `"A","Kaffee & Kuchen","2.55"`, catalog.CSVOptions{}},
		"entities":             {"sku,name,price\nA,Kaffee &amp; Kuchen,2.55", catalog.CSVOptions{}},
		"entities twice":       {"sku,name,price\nA,Kaffee &amp;amp; Kuchen,2.55", catalog.CSVOptions{}},
		"blanks":               {" SKU , Name ,PRICE\n A ,  Kaffee \u00a0&  Kuchen , 2.55 ", catalog.CSVOptions{}},
		"line break in a name": {"sku,name,price\nA,\"Kaffee &\nKuchen\",2.55", catalog.CSVOptions{}},
		"empty lines":          {"\n\nsku,name,price\n\nA,Kaffee & Kuchen,2.55\n\n", catalog.CSVOptions{}},
	} {
		c.o.Class = tax.Standard
		got, problems := read(t, c.text, c.o)
		if diff := cmp.Diff(want, got); diff != "" || len(problems) > 0 {
			t.Errorf("%s: problems %v (-want +got):\n%s", name, problems, diff)
		}
	}
}

func TestBadRowsAreReportedAndLeftOutWhole(t *testing.T) {
	text := strings.Join([]string{
		"sku,name,price,gtin,tax_class,unit,open_price,age_limit,colour,name",
		"OK-1,Fine,1.00,4006381333931,standard,,,,red,", // 2
		",No number,1.00,,standard,,,,,",                // 3
		"P-1,No price,,,standard,,,,,",                  // 4
		"P-2,Comma,\"1,00\",,standard,,,,,",             // 5
		"G-1,Wrong digit,1.00,4006381333932,standard,,,,,",
		"T-1,No class,1.00,,,,,,,",
		"U-1,Odd unit,1.00,,standard,stone,,,,",
		"Y-1,Perhaps,1.00,,standard,,perhaps,,,",
		"L-1,Old,1.00,,standard,,,old,,", // 10
		"S-1,Short",
		"OK-1,Twice,1.00,,standard,,,,,",
		"D-1,Same GTIN,1.00,04006381333931,standard,,,,,",
		"X-1,Bad \xff text,1.00,,standard,,,,,",
		"E-1,Esc \x1b[2J,1.00,,standard,,,,,", // 15
		"M-1,Many,abc,xyz,standard,stone,,999,,",
		"OK-2,Open,,,standard,,yes,,,",
	}, "\n")
	got, problems := read(t, text, catalog.CSVOptions{})
	var skus []catalog.SKU
	for _, a := range got {
		skus = append(skus, a.SKU)
	}
	if !slices.Equal(skus, []catalog.SKU{"OK-1", "OK-2"}) {
		t.Errorf("articles %v, want OK-1 and OK-2", skus)
	}
	var where []string
	for _, p := range problems {
		where = append(where, fmt.Sprint(p.Line, " ", p.Field))
		if p.What == "" || strings.ContainsRune(p.String(), 0x1b) {
			t.Errorf("problem %q", p)
		}
	}
	want := []string{"1 colour", "1 name", "3 sku", "4 price", "5 price", "6 gtin", "7 tax_class", "8 unit", "9 open_price", "10 age_limit", "11 ",
		"12 sku", "13 gtin", "14 name", "15 name", "16 price", "16 gtin", "16 age_limit"}
	if diff := cmp.Diff(want, where); diff != "" {
		t.Errorf("problems (-want +got):\n%s\n%v", diff, problems)
	}
	if _, err := catalog.New(catalog.Set{Currency: "EUR", Articles: got}); err != nil {
		t.Errorf("what was read is not a catalogue: %v", err)
	}
}

func TestALeftOutRowDoesNotTakeItsNumbers(t *testing.T) {
	got, problems := read(t, "sku,name,price,gtin,tax_class\nA,a,1,4006381333931,standard\nA,b,1,96385074,standard\nB,b,1,96385074,standard\n", catalog.CSVOptions{})
	if len(got) != 2 || got[1].SKU != "B" || len(problems) != 1 {
		t.Errorf("articles %v, problems %v", got, problems)
	}
}

func TestFilesThatAreNoTableAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "only a mark": "\ufeff", "no sku": "name,price\nA,1\n", "no name": "sku,price\nA,1\n",
		"binary": "\x00\x01\x02\xff", "too many columns": "sku,name" + strings.Repeat(",x", 500), "web page": "<!doctype html><p>Not found",
	} {
		if articles, _, err := catalog.ReadCSV(strings.NewReader(text), catalog.CSVOptions{}); !errors.Is(err, catalog.ErrCSV) {
			t.Errorf("%s: %v, %v, want ErrCSV", name, articles, err)
		}
	}
	if _, _, err := catalog.ReadCSV(strings.NewReader("sku,name"), catalog.CSVOptions{Comma: '"'}); err == nil {
		t.Error("a quote as separator is accepted")
	}
}

func TestAFileThatBreaksOffIsAnError(t *testing.T) {
	broken := errors.New("stick pulled out")
	text := "sku,name,price,tax_class\n" + strings.Repeat("A,b,1,standard\n", 1000)
	r := io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken))
	if articles, _, err := catalog.ReadCSV(r, catalog.CSVOptions{}); !errors.Is(err, broken) || articles != nil {
		t.Errorf("%d articles, %v, want the reader's error and nothing", len(articles), err)
	}
	if _, _, err := catalog.ReadCSV(endless{}, catalog.CSVOptions{}); !errors.Is(err, catalog.ErrCSV) {
		t.Errorf("an endless file: %v, want ErrCSV", err)
	}
}

// endless is a table without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	const row = "sku,name,price,group\n"
	n := 0
	for n+len(row) <= len(p) {
		n += copy(p[n:], row)
	}
	return max(n, copy(p, row)), nil
}

func TestManyProblemsAreCutOffNotKept(t *testing.T) {
	_, problems := read(t, "sku,name,price\n"+strings.Repeat("A\n", 5000), catalog.CSVOptions{})
	if len(problems) != 1001 || !strings.Contains(problems[1000].What, "not listed") {
		t.Errorf("%d problems are kept, want 1000 and one that says there are more", len(problems))
	}
}

func TestPricesAreReadStrictly(t *testing.T) {
	for s, want := range map[string]money.UnitPrice{"2,55": 2_550_000, "-0,25": -250_000, "0": 0, "0,001499": 1_499} {
		got, problems := read(t, "sku;name;price\nA;a;"+s, catalog.CSVOptions{DecimalComma: true, Class: tax.Standard})
		if len(problems) > 0 || got[0].Price != want {
			t.Errorf("price %s: %v, %v, want %v", s, got, problems, want)
		}
	}
	for _, s := range []string{"1.234,50", "1.5", "1,2,3", "2,55 €", "abc", "1e3", "9999999999999999", "0,0000001"} {
		got, problems := read(t, "sku;name;price\nA;a;"+s, catalog.CSVOptions{DecimalComma: true, Class: tax.Standard})
		if len(problems) != 1 || problems[0].Field != "price" || len(got) > 0 {
			t.Errorf("price %s: %v, %v, want one problem", s, got, problems)
		}
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add("sku,name,price,tax_class\nA,b,1,standard\n", false)
	f.Add("\ufeffsku;name;price;gtin\r\nA;\"b\"\"c\";2,55;4006381333931\r\n", true)
	f.Add("sku\tname\n\"", false)
	f.Add("sku,name,name_de,in_store\nA,&amp;#0;,&#x1b;,12\n", false)
	f.Fuzz(func(t *testing.T, text string, comma bool) {
		articles, problems, err := catalog.ReadCSV(strings.NewReader(text), catalog.CSVOptions{DecimalComma: comma, Class: tax.Standard})
		if err != nil && (articles != nil || problems != nil) {
			t.Fatalf("%q: %v with %v", text, err, articles)
		}
		for i := range articles {
			articles[i].Deposit = "" // may be in a row that was left out
		}
		if c, err := catalog.New(catalog.Set{Currency: "EUR", Articles: articles}); err != nil {
			t.Fatalf("%q is read as %+v: %v", text, articles, err)
		} else if c.Len() != len(articles) {
			t.Fatalf("%q: %d of %d articles", text, c.Len(), len(articles))
		}
		for _, p := range problems {
			if strings.ContainsAny(p.String(), "\x1b\x00") {
				t.Fatalf("%q: problem %q holds control characters", text, p)
			}
		}
	})
}
