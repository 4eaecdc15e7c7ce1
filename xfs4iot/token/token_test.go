package token_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/token"
	"pgregory.net/rapid"
)

type vector struct {
	Name    string
	Key     string
	Token   string
	Nonce   string
	Amounts map[string]int64
}

// vectors were computed in Python (testdata/make.py), one of them with openssl too.
func vectors(t testing.TB) []vector {
	data, err := os.ReadFile("testdata/vectors.json")
	var list []vector
	if err == nil {
		err = json.Unmarshal(data, &list, json.MatchCaseInsensitiveNames(true))
	}
	if err != nil || len(list) == 0 {
		t.Fatal(err)
	}
	return list
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Requirement: XFS-14
func TestIndependentVectorsPass(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			parsed, err := token.Parse(v.Token)
			if err != nil {
				t.Fatal(err)
			}
			if err := parsed.Verify(unhex(t, v.Key)); err != nil {
				t.Error(err)
			}
			again, err := token.Build(unhex(t, v.Key), parsed.Nonce, parsed.Fields...)
			if err != nil || again != v.Token {
				t.Errorf("built again: %s, %v", again, err)
			}
			if v.Amounts == nil {
				return
			}
			got, err := parsed.Amounts("DISPENSE")
			if diff := cmp.Diff(v.Amounts, got); err != nil || diff != "" {
				t.Error(err, diff)
			}
		})
	}
}

func TestAStatementIsProvenAndRead(t *testing.T) {
	v := vectors(t)[4]
	key := unhex(t, v.Key)
	got, err := token.ParseStatement(v.Token, key, v.Nonce)
	want := token.Statement{DispenseID: vectors(t)[0].Token[len(vectors(t)[0].Token)-64:], Dispensed: map[string]int64{"EUR": 5000}, Presented: map[string]int64{"EUR": 5000}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
	if text, err := got.Token(key, v.Nonce); err != nil || text != v.Token {
		t.Errorf("made again: %s, %v", text, err)
	}
	if _, err := token.ParseStatement(v.Token, key, "1"); !errors.Is(err, token.ErrNonce) {
		t.Errorf("with another nonce: %v", err)
	}
	if _, err := token.ParseStatement(v.Token, key[:31], v.Nonce); !errors.Is(err, token.ErrMAC) {
		t.Errorf("with another key: %v", err)
	}
}

func TestStatementsOfRetractsAndSeveralCurrencies(t *testing.T) {
	for _, want := range []token.Statement{
		{Dispensed: map[string]int64{"EUR": 5000, "USD": 2000}, Presented: map[string]int64{"EUR": 5000}, Retracted: map[string]int64{"EUR": 1000}},
		{Dispensed: map[string]int64{"EUR": 5000}, Presented: map[string]int64{"EUR": 5000}, Uncounted: true},
		{},
	} {
		text, err := want.Token(hostKey, "AB")
		if err != nil {
			t.Fatal(err)
		}
		got, err := token.ParseStatement(text, hostKey, "AB")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", text, err, diff)
		}
	}
}

var hostKey = []byte("0123456789abcdef0123456789abcdef")

// count is a counter in memory.
type count struct {
	n    uint64
	fail error
}

func (c *count) Next() (uint64, error) {
	c.n++
	return c.n, c.fail
}

func guard(t testing.TB, cleared func(string)) *token.Guard {
	g, err := token.NewGuard(token.Options{HostKey: hostKey, Counter: new(count), Cleared: cleared})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func order(t testing.TB, g *token.Guard, amounts ...token.Amount) string {
	nonce, err := g.Nonce()
	if err != nil {
		t.Fatal(err)
	}
	text, err := token.ForDispense(hostKey, nonce, amounts...)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func eur(n int64) map[string]int64 { return map[string]int64{"EUR": n} }

// The reference library let a token for 100.00 authorise 50.50, 49.99 and then 0.99
// again and again.
//
// Requirement: XFS-14
func TestATokenServesUntilItsAmountIsUsedUp(t *testing.T) {
	reason := ""
	g := guard(t, func(why string) { reason = why })
	text := order(t, g, token.Amount{Minor: 10000, Currency: "EUR"})
	for _, step := range []struct {
		amount, moved int64
		ok            bool
	}{{5050, 5050, true}, {4999, 0, false}, {4949, 4949, true}, {99, 0, false}, {1, 0, true}, {2, 0, false}, {1, 1, true}} {
		grant, err := g.Authorise(text, eur(step.amount))
		if (err == nil) != step.ok {
			t.Fatalf("%d: %v, authorised should be %v", step.amount, err, step.ok)
		}
		if err == nil {
			grant.Settle(eur(step.moved))
			grant.Settle(nil) // a second time says nothing
		}
	}
	if reason == "" {
		t.Error("nobody was told that the nonce ended")
	}
	if _, err := g.Authorise(text, eur(1)); !errors.Is(err, token.ErrNoNonce) {
		t.Errorf("after the amount is used up: %v", err)
	}
}

// Requirement: XFS-14
func TestReplayedChangedAndForeignTokensAreRefused(t *testing.T) {
	g := guard(t, nil)
	first := order(t, g, token.Amount{Minor: 5000, Currency: "EUR"})
	old := first
	text := order(t, g, token.Amount{Minor: 5000, Currency: "EUR"})
	parsed, err := token.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	other := func(key []byte, nonce string, fields ...token.Field) string {
		s, err := token.Build(key, nonce, fields...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, c := range map[string]struct {
		text    string
		amounts map[string]int64
		want    error
	}{
		"of an older nonce":          {old, eur(1), token.ErrNonce},
		"changed amount":             {strings.Replace(text, "50.00", "90.00", 1), eur(9000), token.ErrMAC},
		"wrong key":                  {other([]byte("another key, as long"), parsed.Nonce, parsed.Fields...), eur(1), token.ErrMAC},
		"more than its amount":       {text, eur(5001), token.ErrToken},
		"another currency":           {text, map[string]int64{"USD": 1}, token.ErrToken},
		"below zero":                 {text, eur(-1), token.ErrToken},
		"no amount":                  {other(hostKey, parsed.Nonce, token.Field{Key: "OTHER", Value: "1"}), eur(1), token.ErrFormat},
		"three decimals":             {other(hostKey, parsed.Nonce, token.Field{Key: "DISPENSE1", Value: "50.000EUR"}), eur(1), token.ErrFormat},
		"a currency twice":           {other(hostKey, parsed.Nonce, token.Field{Key: "DISPENSE1", Value: "50.00EUR"}, token.Field{Key: "DISPENSE2", Value: "50.00EUR"}), eur(1), token.ErrFormat},
		"a gap in the numbers":       {other(hostKey, parsed.Nonce, token.Field{Key: "DISPENSE2", Value: "50.00EUR"}), eur(1), token.ErrFormat},
		"lower-case HMAC":            {text[:len(text)-64] + strings.ToLower(text[len(text)-64:]), eur(1), token.ErrFormat},
		"another format":             {strings.Replace(text, "TOKENFORMAT=1", "TOKENFORMAT=9", 1), eur(1), token.ErrFormat},
		"another length":             {strings.Replace(text, "TOKENLENGTH=0", "TOKENLENGTH=9", 1), eur(1), token.ErrFormat},
		"a key without a value":      {strings.Replace(text, "DISPENSE1=50.00EUR", "DISPENSE1=", 1), eur(1), token.ErrNoValue},
		"nothing":                    {"", eur(1), token.ErrFormat},
		"longer than a token may be": {strings.Repeat("A", 1025), eur(1), token.ErrFormat},
	} {
		if _, err := g.Authorise(c.text, c.amounts); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := g.Authorise(text, eur(1000)); err != nil {
		t.Errorf("the true one: %v", err)
	}
	second := other(hostKey, parsed.Nonce, token.Field{Key: "DISPENSE1", Value: "70.00EUR"})
	if _, err := g.Authorise(second, eur(1)); !errors.Is(err, token.ErrToken) {
		t.Errorf("a second token under one nonce: %v", err)
	}
	g.Clear()
	if _, err := g.Authorise(text, eur(1)); !errors.Is(err, token.ErrNoNonce) {
		t.Errorf("after the nonce was cleared: %v", err)
	}
}

// Requirement: XFS-14
func TestANonceEndsWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		g, err := token.NewGuard(token.Options{HostKey: hostKey, Counter: new(count), Timeout: time.Minute, Cleared: func(string) { told++ }})
		if err != nil {
			t.Fatal(err)
		}
		text := order(t, g, token.Amount{Minor: 5000, Currency: "EUR"})
		time.Sleep(time.Minute - time.Second)
		grant, err := g.Authorise(text, eur(1000))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		grant.Settle(nil) // gives nothing back: the nonce has ended
		if _, err := g.Authorise(text, eur(1000)); !errors.Is(err, token.ErrNoNonce) || told != 1 {
			t.Errorf("%v, told %d times", err, told)
		}
	})
}

func TestNoncesNeverComeTwice(t *testing.T) {
	c, seen := new(count), map[string]bool{}
	for range 20 { // starts of a device
		g, err := token.NewGuard(token.Options{HostKey: hostKey, Counter: c})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			n, err := g.Nonce()
			if err != nil || seen[n] || len(n) != 32 {
				t.Fatalf("%s: %v", n, err)
			}
			seen[n] = true
		}
	}
	c.fail = errors.New("disk")
	g := guard(t, nil)
	if _, err := g.Nonce(); err != nil {
		t.Fatal(err)
	}
	broken, _ := token.NewGuard(token.Options{HostKey: hostKey, Counter: c})
	if n, err := broken.Nonce(); !errors.Is(err, c.fail) || n != "" {
		t.Errorf("a counter that fails: %q, %v", n, err)
	}
}

func TestATokenForAnActIsUsedOnce(t *testing.T) {
	told := ""
	g := guard(t, func(why string) { told = why })
	nonce, _ := g.Nonce()
	want := token.Field{Key: "PROTECTION", Value: "DISARM"}
	text, err := token.Build(hostKey, nonce, want)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Accept(text, token.Field{Key: "PROTECTION", Value: "ARM"}); !errors.Is(err, token.ErrToken) {
		t.Errorf("for another act: %v", err)
	}
	if err := g.Accept(text, want); err != nil || told == "" {
		t.Errorf("%v %q", err, told)
	}
	if err := g.Accept(text, want); !errors.Is(err, token.ErrNoNonce) {
		t.Errorf("again: %v", err)
	}
}

// Requirement: XFS-14
func TestNoTokenEverAuthorisesMoreThanItsAmount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, err := token.NewGuard(token.Options{HostKey: hostKey, Counter: new(count)})
		if err != nil {
			t.Fatal(err)
		}
		limit := map[string]int64{"EUR": rapid.Int64Range(1, 5000).Draw(t, "eur"), "JPY": rapid.Int64Range(1, 5000).Draw(t, "jpy")}
		nonce, _ := g.Nonce()
		text, err := token.ForDispense(hostKey, nonce, token.Amount{Minor: limit["EUR"], Currency: "EUR"}, token.Amount{Minor: limit["JPY"], Currency: "JPY"})
		if err != nil {
			t.Fatal(err)
		}
		moved := map[string]int64{}
		var open []*token.Grant
		asked := map[*token.Grant]map[string]int64{}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			if len(open) > 0 && rapid.Bool().Draw(t, "settle") {
				grant := open[0]
				open = open[1:]
				part := map[string]int64{}
				for currency, n := range asked[grant] {
					part[currency] = rapid.Int64Range(0, n).Draw(t, "moved")
					moved[currency] += part[currency]
				}
				grant.Settle(part)
				continue
			}
			want := map[string]int64{rapid.SampledFrom([]string{"EUR", "JPY"}).Draw(t, "currency"): rapid.Int64Range(0, 4000).Draw(t, "amount")}
			if grant, err := g.Authorise(text, want); err == nil {
				open, asked[grant] = append(open, grant), want
			}
		}
		for _, grant := range open { // all of it is moved in the end
			for currency, n := range asked[grant] {
				moved[currency] += n
			}
		}
		for currency, n := range moved {
			if n > limit[currency] {
				t.Fatalf("%d %s moved with a token for %d", n, currency, limit[currency])
			}
		}
	})
}

// Requirement: XFS-14
func TestAnyChangedByteIsRefused(t *testing.T) {
	g := guard(t, nil)
	text := order(t, g, token.Amount{Minor: 5000, Currency: "EUR"}, token.Amount{Minor: 10, Currency: "USD"})
	for i := range len(text) {
		for b := range 256 {
			if byte(b) == text[i] {
				continue
			}
			changed := text[:i] + string([]byte{byte(b)}) + text[i+1:]
			if _, err := g.Authorise(changed, eur(1)); err == nil {
				t.Fatalf("byte %d as %q: authorised", i, byte(b))
			}
		}
		if _, err := g.Authorise(text[:i], eur(1)); err == nil {
			t.Fatalf("cut at %d: authorised", i)
		}
	}
}

func TestAmountsAreExact(t *testing.T) {
	for text, want := range map[string]token.Amount{
		"123.45EUR": {Minor: 12345, Currency: "EUR"}, "50.5EUR": {Minor: 5050, Currency: "EUR"}, "50EUR": {Minor: 5000, Currency: "EUR"},
		"1000JPY": {Minor: 1000, Currency: "JPY"}, "0.001KWD": {Minor: 1, Currency: "KWD"}, "0.01EUR": {Minor: 1, Currency: "EUR"},
	} {
		if got, err := token.ParseAmount(text); err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "EUR", "5eur", "5.EUR", ".5EUR", "-5EUR", "+5EUR", "5,00EUR", "5.001EUR", "1.0JPY", "05EUR", "1e2EUR", "99999999999999999EUR", "5 EUR", "0x5EUR"} {
		if got, err := token.ParseAmount(text); !errors.Is(err, token.ErrAmount) {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	if s := (token.Amount{Minor: 5, Currency: "EUR"}).String(); s != "0.05EUR" {
		t.Error(s)
	}
}

func TestEachRefusalHasItsCompletionCode(t *testing.T) {
	for err, want := range map[error]xfs4iot.CompletionCode{
		token.ErrFormat: "invalidTokenFormat", token.ErrNoValue: "invalidTokenKeyNoValue", token.ErrNoNonce: "noCommandNonce",
		token.ErrNonce: "invalidTokenNonce", token.ErrMAC: "invalidTokenHMAC", token.ErrToken: "invalidToken",
	} {
		if got := token.Code(fmt.Errorf("x: %w", err)); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.Token)
	}
	f.Add("NONCE=1,TOKENFORMAT=1,TOKENLENGTH=0000,A==,HMACSHA256=")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := token.Parse(text)
		if err != nil {
			if !errors.Is(err, token.ErrFormat) && !errors.Is(err, token.ErrNoValue) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if parsed.String() != text {
			t.Errorf("%q comes back as %q", text, parsed.String())
		}
		_, _ = parsed.Amounts("DISPENSE")
		_, _ = token.ParseStatement(text, hostKey, parsed.Nonce)
		again, err := token.Build(hostKey, parsed.Nonce, parsed.Fields...)
		if err != nil || again[:len(again)-64] != text[:len(text)-64] {
			t.Errorf("%q is built as %q, %v", text, again, err)
		}
	})
}

func Example() {
	key := []byte("a key of thirty-two bytes, shared")
	g, err := token.NewGuard(token.Options{HostKey: key, Counter: new(count)})
	if err != nil {
		fmt.Println(err)
		return
	}
	nonce, _ := g.Nonce()                                                                // the device gives it out
	text, _ := token.ForDispense(key, nonce, token.Amount{Minor: 5000, Currency: "EUR"}) // the host answers with a token
	grant, err := g.Authorise(text, map[string]int64{"EUR": 3000})                       // the device checks it
	fmt.Println(err)
	grant.Settle(map[string]int64{"EUR": 3000})
	_, err = g.Authorise(text, map[string]int64{"EUR": 3000})
	fmt.Println(err)
	// Output:
	// <nil>
	// 30.00EUR is asked, 20.00EUR is left: token does not authorise this
}
