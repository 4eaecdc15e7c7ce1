package catalog_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/catalog"
	"pgregory.net/rapid"
)

func TestOneNumberHasOneForm(t *testing.T) {
	for s, want := range map[string]catalog.GTIN{
		"4006381333931":  "4006381333931",
		"04006381333931": "4006381333931",
		"036000291452":   "0036000291452", // GTIN-12
		"0036000291452":  "0036000291452",
		"00036000291452": "0036000291452",
		"96385074":       "96385074", // GTIN-8
		"0000096385074":  "96385074",
		"00000096385074": "96385074",
		"10614141000415": "10614141000415",
		"00000017":       "00000017",
	} {
		got, err := catalog.ParseGTIN(s)
		if err != nil || got != want || !got.Valid() {
			t.Errorf("ParseGTIN(%s) = %s, %v, want %s", s, got, err, want)
		}
	}
}

func TestNumbersThatAreNoGTINAreRefused(t *testing.T) {
	for s, want := range map[string]error{
		"": catalog.ErrCode, "4006381333": catalog.ErrCode, "400638133393": catalog.ErrCheckDigit,
		"4006381333932": catalog.ErrCheckDigit, "4006381333391": catalog.ErrCheckDigit, // two digits swapped
		"400638133393١": catalog.ErrCode, "4006381 33931": catalog.ErrCode, "-006381333931": catalog.ErrCode,
		"00000000": catalog.ErrCode, "00000000000000": catalog.ErrCode, "123456789012345": catalog.ErrCode,
		"40063813339\x00\x00": catalog.ErrCode,
	} {
		if got, err := catalog.ParseGTIN(s); !errors.Is(err, want) {
			t.Errorf("ParseGTIN(%q) = %s, %v, want %v", s, got, err, want)
		}
	}
}

func TestEveryWrongDigitIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := number(rapid.SampledFrom([]int{8, 12, 13, 14}).Draw(t, "length")).Draw(t, "gtin")
		if _, err := catalog.ParseGTIN(g); err != nil {
			t.Fatal(err)
		}
		i := rapid.IntRange(0, len(g)-1).Draw(t, "place")
		d := byte('0' + (int(g[i]-'0')+rapid.IntRange(1, 9).Draw(t, "by"))%10)
		if _, err := catalog.ParseGTIN(g[:i] + string(d) + g[i+1:]); !errors.Is(err, catalog.ErrCheckDigit) {
			t.Fatalf("%s with %c at %d: error = %v, want ErrCheckDigit", g, d, i, err)
		}
	})
}

// number draws digits with a right check digit; the first is not 0.
func number(n int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		s := rapid.StringMatching(fmt.Sprintf("[1-9][0-9]{%d}", n-2)).Draw(t, "digits")
		return s + string(catalog.CheckDigit(s))
	})
}

func TestPaddingMakesNoDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := number(rapid.SampledFrom([]int{8, 12, 13, 14}).Draw(t, "length")).Draw(t, "gtin")
		short, err := catalog.ParseGTIN(s)
		if err != nil {
			t.Fatal(err)
		}
		if long, err := catalog.ParseGTIN(short.GTIN14()); err != nil || long != short || len(short.GTIN14()) != 14 {
			t.Fatalf("%s is %s, in 14 digits %s, %v", s, short, long, err)
		}
	})
}

func TestUPCEIsExpanded(t *testing.T) {
	for s, want := range map[string]catalog.GTIN{
		"01234505": "0012000003455", // last digit 0
		"04252614": "0042100005264", // 1
		"01234531": "0012300000451", // 3
		"01234543": "0012340000053", // 4
		"01234565": "0012345000065", // 5 to 9
	} {
		if got, err := catalog.ParseUPCE(s); err != nil || got != want {
			t.Errorf("ParseUPCE(%s) = %s, %v, want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"", "0123456", "21234565", "0123456x", "01234566"} {
		if got, err := catalog.ParseUPCE(s); err == nil {
			t.Errorf("ParseUPCE(%s) = %s, want an error", s, got)
		}
	}
}

func TestNumbersForOwnUse(t *testing.T) {
	for g, want := range map[catalog.GTIN]bool{
		"2000000000008": true, "2912345678908": true, "0212345678906": true, "0412345678904": true,
		"20001018": true, "00000017": true, "4006381333931": false, "96385074": false, "": false, "0036000291452": false,
	} {
		if got := g.Restricted(); got != want {
			t.Errorf("%s.Restricted() = %v, want %v", g, got, want)
		}
	}
}

// realProducts finds the sample of Open Food Facts that lies beside the
// checkout. It is too large, and under another licence, to be kept in it.
func realProducts(t *testing.T) [][]string {
	t.Helper()
	path := filepath.Join("..", "..", "shared", "data", "off-products-sample.csv")
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the real products are not there: %v", err)
		}
		t.Skipf("no real products: put off-products-sample.csv into ../shared/data beside the module (%v)", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 6000 {
		t.Fatalf("%s: %d rows, %v", path, len(rows), err)
	}
	return rows[1:]
}

func TestRealBarcodesAreAcceptedAndWrongOnesRefused(t *testing.T) {
	good, bad := 0, 0
	for _, row := range realProducts(t) {
		g, err := catalog.ParseGTIN(row[0])
		if ok := row[1] == "1"; ok != (err == nil) {
			t.Errorf("ParseGTIN(%s) = %s, %v, but the sample says %s", row[0], g, err, row[1])
		}
		if err == nil {
			good++
		} else {
			bad++
		}
	}
	t.Logf("%d real barcodes accepted, %d refused", good, bad)
}

func TestRealProductsBecomeACatalogueAndAreFound(t *testing.T) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	must(t, w.Write([]string{"sku", "gtin", "name", "price", "tax_class"}))
	for _, row := range realProducts(t) {
		must(t, w.Write([]string{"A" + row[0], row[0], row[2], "1.00", "reduced"}))
	}
	w.Flush()
	articles, problems, err := catalog.ReadCSV(strings.NewReader(b.String()), catalog.CSVOptions{})
	must(t, err)
	c, err := catalog.New(catalog.Set{Currency: "EUR", Articles: articles})
	must(t, err)
	for a := range c.Articles() {
		if m, err := c.Lookup(string(a.GTINs[0]), noon); err != nil || m.Article.SKU != a.SKU {
			t.Errorf("Lookup(%s) = %s, %v, want %s", a.GTINs[0], m.Article.SKU, err, a.SKU)
		}
		if strings.Contains(a.Name, "&quot;") || strings.Contains(a.Name, "&amp;") {
			t.Errorf("article %s is called %q", a.SKU, a.Name)
		}
	}
	if c.Len() < 5900 {
		t.Errorf("%d of 6000 products were read; first problems: %v", c.Len(), problems[:min(5, len(problems))])
	}
	t.Logf("%d articles, %d problems", c.Len(), len(problems))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzParseGTIN(f *testing.F) {
	for _, s := range []string{"4006381333931", "96385074", "036000291452", "10614141000415", "00000000", "400638133393١"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		g, err := catalog.ParseGTIN(s)
		if err != nil {
			return
		}
		if again, err := catalog.ParseGTIN(string(g)); err != nil || again != g {
			t.Fatalf("%q is %s, which is %s, %v", s, g, again, err)
		}
		if strings.TrimLeft(string(g), "0") != strings.TrimLeft(s, "0") {
			t.Fatalf("%q is %s: another number", s, g)
		}
	})
}
