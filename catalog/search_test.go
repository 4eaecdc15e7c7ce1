package catalog_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/tax"
	"pgregory.net/rapid"
)

func named(sku catalog.SKU, name string) catalog.Article {
	a := article(sku)
	a.Name = name
	return a
}

func TestAccentsCaseAndPunctuationMakeNoDifference(t *testing.T) {
	for s, want := range map[string]string{
		"Café Crème, 250 g": "cafe creme 250 g", "STRASSE": "strasse", "Straße": "strasse", "Żółć łąka": "zolc laka",
		"Smørrebrød": "smorrebrod", "Ærø": "aero", "ﬁn ＡＢＣ": "fin abc", "L'été": "lete", "½ l": "1 2 l", "İstanbul": "istanbul",
		"Đà Nẵng": "da nang", "绿茶 100 克": "绿茶 100 克", "  -- ": "", "Ω": "ω",
	} {
		if got := catalog.Fold(s); got != want {
			t.Errorf("Fold(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestTheBestMatchesComeFirst(t *testing.T) {
	c := shop(t, named("1", "Green tea"), named("2", "Tea, black"), named("3", "A steam iron"), named("4", "Tea cup"), named("5", "Coffee"), named("TEA-9", "Pot"))
	for query, want := range map[string][]catalog.SKU{
		"tea":       {"TEA-9", "2", "4", "1", "3"}, // beginnings (the number too), words, insides
		"TEA  gre":  {"1"},
		"ea":        {"3", "1", "TEA-9", "2", "4"},
		"tea cup":   {"4"},
		"cup tea":   {"4"},
		"tea pot":   {"TEA-9"},
		"milk":      nil,
		"":          nil,
		" ,.- ":     nil,
		"tea\x00\n": {"TEA-9", "2", "4", "1", "3"},
		"\xff":      nil,
	} {
		var got []catalog.SKU
		for _, a := range c.Search(query, 10) {
			got = append(got, a.SKU)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Search(%q) (-want +got):\n%s", query, diff)
		}
	}
}

func TestSearchIsBounded(t *testing.T) {
	var many []catalog.Article
	for i := range 500 {
		many = append(many, named(catalog.SKU(fmt.Sprint("S", i)), "Same name"))
	}
	c := shop(t, many...)
	for limit, want := range map[int]int{-1: 0, 0: 0, 1: 1, 7: 7, 200: 200, 1 << 30: catalog.MaxResults} {
		for _, q := range []string{"same", "name", "ame"} {
			if got := len(c.Search(q, limit)); got != want {
				t.Errorf("Search(%s, %d) finds %d, want %d", q, limit, got, want)
			}
		}
	}
	if got := c.Search(strings.Repeat("same ", 1<<18), 5); len(got) != 5 {
		t.Errorf("a query of a megabyte finds %d", len(got))
	}
}

func TestAnythingThatIsThereIsFoundByAnyPartOfIt(t *testing.T) {
	c := large(t, 300)
	all := slices.Collect(c.Articles())
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SampledFrom(all).Draw(t, "article")
		text := rapid.SampledFrom([]string{a.Name, a.Names["de"], a.Names["zh"], string(a.SKU), string(a.GTINs[0])}).Draw(t, "text")
		runes := []rune(text)
		from := rapid.IntRange(0, len(runes)-1).Draw(t, "from")
		part := string(runes[from:rapid.IntRange(from+1, len(runes)).Draw(t, "to")])
		folded := catalog.Fold(part)
		if folded == "" {
			return
		}
		for i, got := range c.Search(part, catalog.MaxResults) {
			if got.SKU == a.SKU {
				return
			}
			if i == catalog.MaxResults-1 {
				return // too many others
			}
		}
		t.Fatalf("Search(%q) does not find %s %q", part, a.SKU, text)
	})
}

func FuzzSearch(f *testing.F) {
	c := large(f, 50)
	for _, s := range []string{"tea", "Käse", "茶", "\xff", "a b c d e f g h i j", "\u0301", "ß", "'"} {
		f.Add(s, 10)
	}
	f.Fuzz(func(t *testing.T, q string, limit int) {
		got := c.Search(q, limit)
		if len(got) > max(limit, 0) || len(got) > catalog.MaxResults {
			t.Fatalf("Search(%q, %d) finds %d", q, limit, len(got))
		}
		if s := catalog.Fold(q); catalog.Fold(s) != s {
			t.Fatalf("Fold(%q) = %q, which folds to %q", q, s, catalog.Fold(s))
		}
	})
}

// large makes a catalogue of n articles with names of three or four words in
// three languages.
func large(t testing.TB, n int) *catalog.Catalog {
	t.Helper()
	words := [3][]string{
		strings.Fields("green black Earl dark sweet red tea coffee chocolate crème café cheese bread butter pickled smoked fresh iron wool lamp candle"),
		strings.Fields("grüner schwarzer süßer roter Tee Kaffee Schokolade Käse Brot Butter Gewürzgurken geräucherter frischer Eisen Wolle Lampe Kerze"),
		strings.Fields("绿 黑 红 甜 茶 咖啡 巧克力 奶酪 面包 黄油 酸黄瓜 熏 新鲜 铁 羊毛 灯 蜡烛"),
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(w []string) string { return w[rnd.IntN(len(w))] }
	set := catalog.Set{Currency: "EUR", Schemes: []catalog.Scheme{{Pattern: "28IIIIIWWWWWC", Decimals: 3}}}
	for i := range n {
		number := fmt.Sprintf("29%010d", i)
		a := catalog.Article{SKU: catalog.SKU(fmt.Sprintf("SKU-%05d", i)), GTINs: []catalog.GTIN{catalog.GTIN(number + string(catalog.CheckDigit(number)))},
			Name:  fmt.Sprintf("%s %s %s %d g", pick(words[0]), pick(words[0]), pick(words[0]), i),
			Names: map[string]string{"de": pick(words[1]) + " " + pick(words[1]), "zh": pick(words[2]) + pick(words[2])},
			Class: tax.Reduced, Unit: catalog.Piece, Price: money.UnitPrice(i * 10_000), InStore: []string{fmt.Sprintf("28%05d", i)}}
		set.Articles = append(set.Articles, a)
	}
	c, err := catalog.New(set)
	must(t, err)
	return c
}

func BenchmarkNew10000(b *testing.B) {
	set := large(b, 10_000).Set()
	for b.Loop() {
		if _, err := catalog.New(set); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookup10000(b *testing.B) {
	c := large(b, 10_000)
	weighed, err := catalog.Scheme{Pattern: "28IIIIIWWWWWC", Decimals: 3}.Encode("2804711", 452_000)
	must(b, err)
	a, _ := c.Article("SKU-04711")
	for name, code := range map[string]string{"sku": "SKU-04711", "gtin": string(a.GTINs[0]), "weight": weighed} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Lookup(code, noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSearch10000(b *testing.B) {
	c := large(b, 10_000)
	for _, q := range []string{"tea", "schok butter", "茶", "4711", "nothing like it"} {
		b.Run(q, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Search(q, 20)
			}
		})
	}
}
