package catalog_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/catalog"
	"pgregory.net/rapid"
)

// The worked examples of the GS1 General Specifications, 7.9.3 and 7.9.4.
func TestPriceCheckDigits(t *testing.T) {
	for price, want := range map[string]byte{"2875": '9', "14685": '6', "0000": '0', "00000": '0', "123": '0', "12x4": '0'} {
		if got := catalog.PriceDigit(price); got != want {
			t.Errorf("PriceDigit(%s) = %c, want %c", price, got, want)
		}
	}
}

// The same by arithmetic instead of tables, for every price there is.
func TestPriceCheckDigitsFollowTheirDefinition(t *testing.T) {
	minus := func(d, factor int) int { return (d*factor%10 - d*factor/10 + 10) % 10 }
	plus := func(d, factor int) int { return (d*factor%10 + d*factor/10) % 10 }
	for n := range 100_000 {
		a, b, c, d, e := n/10_000, n/1000%10, n/100%10, n/10%10, n%10
		if a == 0 {
			want := 3 * (minus(b, 2) + minus(c, 2) + 3*d + minus(e, 5)) % 10
			if got := catalog.PriceDigit(fmt.Sprintf("%04d", n)); int(got-'0') != want {
				t.Fatalf("PriceDigit(%04d) = %c, want %d", n, got, want)
			}
		}
		sum := plus(a, 5) + minus(b, 2) + minus(c, 5) + plus(d, 5) + minus(e, 2)
		got := catalog.PriceDigit(fmt.Sprintf("%05d", n))
		if (sum+minus(int(got-'0'), 5))%10 != 0 {
			t.Fatalf("PriceDigit(%05d) = %c does not make the sum %d a multiple of ten", n, got, sum)
		}
	}
}

func TestEveryWrongDigitOfAPriceIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		price := rapid.StringMatching("[0-9]{4,5}").Draw(t, "price")
		i := rapid.IntRange(0, len(price)-1).Draw(t, "place")
		d := byte('0' + (int(price[i]-'0')+rapid.IntRange(1, 9).Draw(t, "by"))%10)
		if wrong := price[:i] + string(d) + price[i+1:]; catalog.PriceDigit(wrong) == catalog.PriceDigit(price) {
			t.Fatalf("%s and %s have the same check digit", price, wrong)
		}
	})
}

func TestSchemesThatCannotWorkAreRefused(t *testing.T) {
	for _, s := range []catalog.Scheme{
		{}, {Pattern: "28IIIIIWWWWW"}, {Pattern: "28IIIIIWWWWWCC"}, {Pattern: "IIIIIIIWWWWWC"}, {Pattern: "28IIIIIWWWWWW"},
		{Pattern: "28xxxxxWWWWWC"}, {Pattern: "28IIIIIxxxxxC"}, {Pattern: "28IIIIPPWWWWC"}, {Pattern: "28IIIIVVPPPPC"},
		{Pattern: "28IIIIVWWWWWC"}, {Pattern: "28IIIVPPPPPPC"}, {Pattern: "28IIIIIWWWWWC", Decimals: 7}, {Pattern: "28IIIIIWWWWWC", Decimals: -1},
		{Pattern: "28IIIIINNNNNC", Decimals: 2}, {Pattern: "28IIIIIWWWCWC"}, {Pattern: "28IIIIIwWWWWC"}, {Pattern: strings.Repeat("2", 1<<16)},
		{Pattern: "28\xff\xffIIIWWWWWC"},
	} {
		if err := s.Validate(); !errors.Is(err, catalog.ErrScheme) {
			t.Errorf("%.20q with %d decimals: error = %v, want ErrScheme", s.Pattern, s.Decimals, err)
		}
	}
}

func TestSchemesCarryWhatWasPutIn(t *testing.T) {
	schemes := map[string]catalog.Scheme{
		"2212345": {Pattern: "22IIIIIWWWWWC", Decimals: 3},
		"234567":  {Pattern: "23IIIIVPPPPPC", Decimals: 2},
		"24123":   {Pattern: "24IIIxVPPPPxC", Decimals: 2},
		"25123":   {Pattern: "25IIINNNNNNNC"},
		"029":     {Pattern: "02IPPPPPPPPPC", Decimals: 6},
	}
	set := catalog.Set{Currency: "EUR"}
	for code, s := range schemes {
		set.Schemes = append(set.Schemes, s)
		a := article(catalog.SKU("A" + code))
		a.InStore = []string{code}
		set.Articles = append(set.Articles, a)
	}
	c, err := catalog.New(set)
	must(t, err)
	rapid.Check(t, func(t *rapid.T) {
		item := rapid.SampledFrom([]string{"2212345", "234567", "24123", "25123", "029"}).Draw(t, "item")
		s := schemes[item]
		value := rapid.Int64Range(0, 9999).Draw(t, "value") * pow10(6-s.Decimals)
		code, err := s.Encode(item, value)
		if err != nil {
			t.Fatal(err)
		}
		m, err := c.Lookup(code, noon)
		got := int64(m.Quantity)
		if strings.Contains(s.Pattern, "P") {
			got = int64(m.Price)
		}
		if err != nil || m.By != catalog.ByEmbedded || string(m.Article.SKU) != "A"+item || got != value {
			t.Fatalf("%s under %s = %+v, %v, want %d of %s", code, s.Pattern, m, err, value, item)
		}
	})
}

func pow10(n int) int64 {
	p := int64(1)
	for range n {
		p *= 10
	}
	return p
}

func TestWhatDoesNotFitInACodeIsNotEncoded(t *testing.T) {
	s := catalog.Scheme{Pattern: "28IIIIIWWWWWC", Decimals: 3}
	for item, value := range map[string]int64{"2812345": 100_000_000, "2712345": 1000, "281234": 1000, "28123456": 1000, "2800001": 1, "2800002": -1000} {
		if code, err := s.Encode(item, value); !errors.Is(err, catalog.ErrCode) {
			t.Errorf("Encode(%s, %d) = %s, %v, want ErrCode", item, value, code, err)
		}
	}
	if _, err := (catalog.Scheme{}).Encode("", 0); !errors.Is(err, catalog.ErrScheme) {
		t.Errorf("Encode without pattern: error = %v, want ErrScheme", err)
	}
}
