package fiscal_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/tax"
)

// till is a journal in memory: entries and the state that they add up to.
type till struct {
	t      testing.TB
	state  fiscal.State
	heads  []*proof.Head
	bodies [][]byte
	now    time.Time
	docs   map[uint64]sale.Document
}

var start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func shop() fiscal.Shop {
	return fiscal.Shop{
		Name: "Kiosk am Eck", Address: []string{"Am Eck 1", "12345 Ecklingen"}, TaxNumber: "DE123456789", Country: "DE", Currency: "EUR",
		Language: "en", Languages: []string{"en", "de", "pl", "zh"}, Zone: "Europe/Berlin", Till: "1",
		TaxTable: tax.Table{
			{Class: tax.Standard, Letter: "A", Rate: 19_000, From: "2020-01-01"},
			{Class: tax.Reduced, Letter: "B", Rate: 7_000, From: "2020-01-01"},
		},
		Tax: tax.Policy{Prices: tax.Gross, Method: tax.PerReceipt}, Footer: []string{"Thank you"},
	}
}

func newTill(t testing.TB) *till {
	x := &till{t: t, now: start, docs: make(map[uint64]sale.Document)}
	x.record(&fiscal.Commission{Actor: fiscal.Actor{By: "root"}, Shop: shop(), Software: "1.0.0", Key: "till/e1+0+key"})
	x.record(&fiscal.ShiftOpen{Actor: fiscal.Actor{By: "anna"}, Session: 1, At: x.now})
	x.record(&fiscal.FloatIn{Actor: fiscal.Actor{By: "anna"}, Movement: fiscal.Movement{Amount: 10_000, Reason: "float"}})
	return x
}

// record drafts a body, gives it the next head, and applies it.
func (x *till) record(b fiscal.Body) uint64 {
	x.t.Helper()
	d, err := x.state.Draft(b)
	if err != nil {
		x.t.Fatalf("Draft(%s): %v", fiscal.KindName(b.Kind()), err)
	}
	x.now = x.now.Add(time.Second)
	h := &proof.Head{
		Flags: d.Flags, Kind: d.Kind, Index: x.state.Size, Time: x.now.UnixMilli(), Origin: "till-1/e1", Numbers: d.Numbers,
		BodyLen: uint32(len(d.Body)),
	}
	if _, err := h.AppendBinary(nil); err != nil {
		x.t.Fatalf("head of %s: %v", fiscal.KindName(b.Kind()), err)
	}
	if err := x.state.Apply(h, d.Body); err != nil {
		x.t.Fatalf("Apply(%s): %v", fiscal.KindName(b.Kind()), err)
	}
	x.heads, x.bodies = append(x.heads, h), append(x.bodies, d.Body)
	if r, ok := b.(*fiscal.Receipt); ok {
		x.docs[h.Index] = r.Document
	}
	return h.Index
}

var coffee = sale.Item{SKU: "coffee", Name: "Coffee", Group: "drinks", Price: 2_550_000, Class: tax.Standard, Letter: "A", Rate: 19_000}
var book = sale.Item{SKU: "book", Name: "Book", Group: "books", Price: 9_990_000, Class: tax.Reduced, Letter: "B", Rate: 7_000, Fixed: true}

func (x *till) basket(mode sale.Mode) *sale.Basket {
	x.t.Helper()
	b, err := sale.New("b-1", mode, "anna", x.state.Shop.Terms(), x.now)
	if err != nil {
		x.t.Fatal(err)
	}
	return b
}

func (x *till) sell(mode sale.Mode, q money.Quantity, pay sale.TenderType) uint64 {
	x.t.Helper()
	b := x.basket(mode)
	for _, item := range []sale.Item{coffee, book} {
		if _, err := b.AddLine(item, q, sale.Apart, x.now); err != nil {
			x.t.Fatal(err)
		}
	}
	return x.complete(b, pay, nil)
}

func (x *till) complete(b *sale.Basket, pay sale.TenderType, o *sale.Original) uint64 {
	x.t.Helper()
	if _, err := b.Tender(sale.Payment{Type: pay}, x.now); err != nil {
		x.t.Fatal(err)
	}
	doc, err := b.Complete("anna", x.now)
	if err != nil {
		x.t.Fatal(err)
	}
	return x.document(doc, o)
}

func (x *till) document(doc sale.Document, o *sale.Original) uint64 {
	x.t.Helper()
	r, err := x.state.NewReceipt(doc, o, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	return x.record(r)
}

func (x *till) original(index uint64) sale.Original {
	number, _ := x.heads[index].Number(fiscal.TagDocument)
	o := sale.Original{
		Reference: sale.Reference{Origin: "till-1/e1", Index: index, Number: number, At: time.UnixMilli(x.heads[index].Time).UTC()},
		Document:  x.docs[index],
	}
	return x.state.ReturnedOf(o)
}

func (x *till) giveBack(index uint64, line int, q money.Quantity) uint64 {
	x.t.Helper()
	o := x.original(index)
	b, err := sale.NewReturn("r-1", "anna", o, x.state.Shop.Terms(), x.now)
	if err != nil {
		x.t.Fatal(err)
	}
	if _, err := b.ReturnLine(o, line, q, "broken", "boss", x.now); err != nil {
		x.t.Fatal(err)
	}
	return x.complete(b, sale.Cash, &o)
}

// Requirement: POS-01
// Requirement: POS-02
func TestDayOfATillFromCommissionToZ(t *testing.T) {
	x := newTill(t)
	first := x.sell(sale.Sale, 3*money.One, sale.Cash)
	x.sell(sale.Sale, money.One, sale.Card)
	x.giveBack(first, 1, money.One)
	x.giveBack(first, 1, 2*money.One)
	o := x.original(first + 1)
	doc, err := sale.Void(o, "anna", "boss", "wrong goods", x.now)
	if err != nil {
		t.Fatal(err)
	}
	x.document(doc, &o)
	count, err := x.state.NewCount(fiscal.Actor{By: "anna"}, drawer.Count{Amount: 12_997}, x.now)
	if err != nil {
		t.Fatal(err)
	}
	x.record(count)
	if got := count.Finding.Difference; got != 0 {
		t.Errorf("difference = %d, want 0 (float 10000, 3 books 2997)", got)
	}
	z, err := x.state.NewZReport(fiscal.Actor{By: "boss"}, x.now)
	if err != nil {
		t.Fatal(err)
	}
	x.record(z)
	want := drawer.Grand{Sale: 3762 + 1254, Return: 765 + 1254, Net: 2997}
	if diff := cmp.Diff(want, x.state.Grand); diff != "" {
		t.Errorf("grand totals (-want +got):\n%s", diff)
	}
	if x.state.Next != (fiscal.Next{Document: 6, Z: 2, Training: 1}) {
		t.Errorf("next numbers = %+v", x.state.Next)
	}
}
