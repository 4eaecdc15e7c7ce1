package fiscal_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/receipt"
	"github.com/plomb-pos/plomb/sale"
)

// signed makes the code of an entry with a key of the till's origin.
func (x *till) signed(index uint64, seed byte) (code, verifier string) {
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed)), 32)))
	verifier, err := note.NewEd25519VerifierKey("till-1/e1", key.Public().(ed25519.PublicKey))
	if err != nil {
		x.t.Fatal(err)
	}
	v, err := note.NewVerifier(verifier)
	if err != nil {
		x.t.Fatal(err)
	}
	head, err := x.heads[index].AppendBinary(nil)
	if err != nil {
		x.t.Fatal(err)
	}
	leaf := proof.LeafHash(head)
	c := proof.Checkpoint{Origin: "till-1/e1", Size: index + 1, Root: tlog.Hash{1}, Leaf: &leaf}
	code, err = fiscal.Code(head, c, v.KeyHash(), ed25519.Sign(key, c.Text()))
	if err != nil {
		x.t.Fatal(err)
	}
	return code, verifier
}

// Requirement: POS-02
func TestCustomerReadsTheReceiptFromItsCode(t *testing.T) {
	x := newTill(t)
	first := x.sell(sale.Sale, 3*money.One, sale.Cash)
	back := x.giveBack(first, 1, money.One)
	code, key := x.signed(first, 'a')
	v, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	got, err := fiscal.Explain(code, note.VerifierList(v))
	if err != nil {
		t.Fatal(err)
	}
	want := fiscal.Explanation{
		Verified: true, Origin: "till-1/e1", Index: first, Kind: "receipt", Number: 1, At: time.UnixMilli(x.heads[first].Time).UTC(),
		Total: 3762, Tax: 318, Currency: "EUR", Lines: 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("explanation (-want +got):\n%s", diff)
	}
	t.Logf("code of %d characters", len(code))
	code, _ = x.signed(back, 'b')
	got, err = fiscal.Explain(code, note.VerifierList(v))
	if err != nil || got.Verified || got.Refers == nil || *got.Refers != first || got.Total != -255 {
		t.Errorf("return signed by an unknown key: %+v, %v", got, err)
	}
	if _, err := fiscal.Explain("PLOMB1:HELLO", nil); !errors.Is(err, proof.ErrFormat) {
		t.Errorf("nonsense: %v", err)
	}
	forged := []byte(code)
	forged[len(forged)-5] ^= 1
	if got, err := fiscal.Explain(string(forged), note.VerifierList(v)); err == nil && got.Verified {
		t.Errorf("forged code is verified: %+v", got)
	}
}

// Requirement: POS-02
func TestReceiptsAndReportsComeFromTheirEntriesAlone(t *testing.T) {
	x := everything(t)
	receipts, reports := 0, 0
	for i, h := range x.heads {
		one, err := fiscal.ReceiptOf(h, x.bodies[i])
		if err == nil {
			two, _ := fiscal.ReceiptOf(h, x.bodies[i])
			text := receipt.PlainText(one, 48, "en")
			if text != receipt.PlainText(two, 48, "en") || !strings.Contains(text, "Kiosk am Eck") {
				t.Errorf("entry %d is not printed the same twice", i)
			}
			if one.Sale.Mode == sale.Training != strings.Contains(text, "NOT A RECEIPT") {
				t.Errorf("entry %d: training mark:\n%s", i, text)
			}
			receipts++
		}
		if r, err := fiscal.ReportOf(h, x.bodies[i]); err == nil {
			if !strings.Contains(receipt.PlainReport(r, 48, "en"), "TURNOVER EUR") {
				t.Errorf("entry %d: report without turnover", i)
			}
			reports++
		}
	}
	if receipts != 9 || reports != 2 {
		t.Errorf("%d receipts, %d reports; want 9, 2", receipts, reports)
	}
}

// country signs like a device with a serial chain; it can be down.
type country struct {
	signed []int64
	err    error
}

func (c *country) Sign(_ context.Context, r *fiscal.Receipt) (fiscal.CountrySignature, error) {
	if c.err != nil {
		return fiscal.CountrySignature{}, c.err
	}
	c.signed = append(c.signed, r.Number)
	return fiscal.CountrySignature{Scheme: "test", Number: int64(len(c.signed)), Lines: []string{"TSE 1"}, Code: "TEST"}, nil
}

func TestCountrysSignatureIsPartOfTheEntry(t *testing.T) {
	x := newTill(t)
	b := x.basket(sale.Sale)
	if _, err := b.AddLine(coffee, money.One, sale.Apart, x.now); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Tender(sale.Payment{Type: sale.Card}, x.now); err != nil {
		t.Fatal(err)
	}
	r := must(x.state.NewReceipt(must(b.Complete("anna", x.now))(t), nil, nil))(t)
	signer := &country{err: errors.New("device gone")}
	if err := fiscal.SignFor(context.Background(), signer, r); err == nil {
		t.Error("a sale went on without the country's signature")
	}
	signer.err = nil
	if err := fiscal.SignFor(context.Background(), signer, r); err != nil {
		t.Fatal(err)
	}
	i := x.record(r)
	d := must(fiscal.ReceiptOf(x.heads[i], x.bodies[i]))(t)
	if d.LawCode != "TEST" || !strings.Contains(receipt.PlainText(d, 48, "en"), "TSE 1") {
		t.Errorf("the signature is not on the receipt: %+v", d.Lines)
	}
	if err := fiscal.SignFor(context.Background(), nil, r); err != nil {
		t.Errorf("no country, no signature: %v", err)
	}
}

func TestNewEpochGoesOnFromTheOldOne(t *testing.T) {
	old := everything(t)
	var s fiscal.State
	e := &fiscal.Epoch{
		Actor: both, Origin: "till-1/e1", Reason: "disk lost", Next: old.state.Next, Grand: old.state.Grand, AtLeast: true,
		Shop: shop(), Software: "1.0.0", Key: "k",
	}
	d, err := s.Draft(e)
	if err != nil {
		t.Fatal(err)
	}
	h := &proof.Head{Kind: d.Kind, Time: 1, Origin: "till-1/e2", Numbers: d.Numbers}
	if err := s.Apply(h, d.Body); err != nil {
		t.Fatal(err)
	}
	if s.Next != old.state.Next || s.Grand != old.state.Grand || !s.AtLeast || s.Origin != "till-1/e2" {
		t.Errorf("state of the new epoch: %+v", s)
	}
	z := must(s.NewZReport(both, time.UnixMilli(2)))(t)
	if !z.AtLeast {
		t.Error("the Z does not say that totals are lower bounds")
	}
	e.Grand.Net++
	if _, err := new(fiscal.State).Draft(e); err == nil {
		t.Error("grand totals that do not add up were taken over")
	}
}

func FuzzRestore(f *testing.F) {
	x := everything(f)
	f.Add([]byte(snapshot(f, &x.state)))
	f.Add([]byte(snapshot(f, &newTill(f).state)))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := fiscal.Restore(data)
		if err != nil {
			return
		}
		if got := snapshot(t, s); got != string(data) {
			t.Fatalf("%s became %s", data, got)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	x := newTill(b)
	for range 2000 {
		x.sell(sale.Sale, 2*money.One, sale.Cash)
	}
	b.ResetTimer()
	for b.Loop() {
		c := fiscal.NewCheck(nil)
		for i, h := range x.heads {
			if f := c.Entry(h, x.bodies[i]); len(f) > 0 {
				b.Fatal(f)
			}
		}
	}
	b.ReportMetric(float64(len(x.heads)*b.N)/b.Elapsed().Seconds(), "entries/s")
}
