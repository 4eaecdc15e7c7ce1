package sale_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/tax"
)

func drawTerms(t *rapid.T) sale.Terms {
	x := terms()
	x.Tax.Prices = rapid.SampledFrom([]tax.Prices{tax.Gross, tax.Net}).Draw(t, "prices")
	x.Tax.Method = rapid.SampledFrom([]tax.Method{tax.PerReceipt, tax.PerLine}).Draw(t, "method")
	x.CashStep = rapid.SampledFrom([]money.Amount{0, 5, 10, 100}).Draw(t, "step")
	return x
}

func drawItem(t *rapid.T) sale.Item {
	item := rapid.SampledFrom([]sale.Item{coffee, apples, book, deposit}).Draw(t, "item")
	if item.Price > 0 {
		item.Price = money.UnitPrice(rapid.Int64Range(0, 100_000_000).Draw(t, "price"))
	}
	return item
}

func drawQuantity(t *rapid.T, item sale.Item) money.Quantity {
	if item.Divisible {
		return money.Quantity(rapid.Int64Range(1, 20_000_000).Draw(t, "quantity"))
	}
	return money.Quantity(rapid.Int64Range(1, 20).Draw(t, "pieces")) * money.One
}

// model is what a basket should hold, kept the simplest way.
type model struct {
	lines   []modelLine
	tenders []int
	last    int
	next    int
	status  sale.Status
}

type modelLine struct {
	no  int
	sku string
	q   money.Quantity
}

// Requirement: POS-01
func TestAnySequenceOfOperationsEqualsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, err := sale.New("b", sale.Sale, "anna", drawTerms(t), now)
		if err != nil {
			t.Fatal(err)
		}
		m := &model{status: sale.Open}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				item := drawItem(t)
				q := drawQuantity(t, item)
				no, err := b.AddLine(item, q, sale.Apart, now)
				if ok := m.editable(); ok != (err == nil) {
					t.Fatalf("AddLine: %v, editable %v", err, ok)
				}
				if err == nil {
					m.last++
					m.lines = append(m.lines, modelLine{no, item.SKU, q})
					if no != m.last {
						t.Fatalf("line %d, want %d", no, m.last)
					}
				}
			},
			"quantity": func(t *rapid.T) {
				no := rapid.IntRange(0, m.last+1).Draw(t, "no")
				q := money.Quantity(rapid.Int64Range(1, 20).Draw(t, "pieces")) * money.One
				i := m.at(no)
				err := b.SetQuantity(no, q)
				if ok := m.editable() && i >= 0; ok != (err == nil) {
					t.Fatalf("SetQuantity(%d): %v", no, err)
				}
				if err == nil {
					m.lines[i].q = q
				}
			},
			"remove": func(t *rapid.T) {
				no := rapid.IntRange(0, m.last+1).Draw(t, "no")
				i := m.at(no)
				_, err := b.RemoveLine(no)
				if ok := m.editable() && i >= 0; ok != (err == nil) {
					t.Fatalf("RemoveLine(%d): %v", no, err)
				}
				if err == nil {
					m.lines = append(m.lines[:i:i], m.lines[i+1:]...)
				}
			},
			"discount": func(t *rapid.T) {
				off := sale.Off{Percent: rapid.Int32Range(1, 100_000).Draw(t, "percent")}
				if rapid.Bool().Draw(t, "amount") {
					off = sale.Off{Amount: money.Amount(rapid.Int64Range(1, 500).Draw(t, "off"))}
				}
				if rapid.Bool().Draw(t, "whole") {
					_, _ = b.DiscountReceipt(off, "why", "")
				} else {
					_, _ = b.DiscountLine(rapid.IntRange(0, m.last).Draw(t, "no"), off, "why", "")
				}
			},
			"override": func(t *rapid.T) {
				_ = b.Override(rapid.IntRange(0, m.last).Draw(t, "no"), money.UnitPrice(rapid.Int64Range(0, 9_000_000).Draw(t, "price")), "why", "boss")
			},
			"tender": func(t *rapid.T) {
				p := sale.Payment{Type: rapid.SampledFrom([]sale.TenderType{sale.Cash, sale.Card, sale.Voucher}).Draw(t, "type")}
				if rapid.Bool().Draw(t, "part") {
					p.Amount = money.Amount(rapid.Int64Range(-2000, 5000).Draw(t, "amount"))
				}
				no, err := b.Tender(p, now)
				if err == nil {
					m.next++
					m.tenders = append(m.tenders, no)
				}
				if err == nil && (m.status != sale.Open || len(m.lines) == 0 || no != m.next) {
					t.Fatalf("Tender = %d while %s with %d lines", no, m.status, len(m.lines))
				}
			},
			"untender": func(t *rapid.T) {
				if len(m.tenders) == 0 {
					return
				}
				i := rapid.IntRange(0, len(m.tenders)-1).Draw(t, "i")
				_, err := b.Untender(m.tenders[i])
				if ok := m.status == sale.Open; ok != (err == nil) {
					t.Fatalf("Untender: %v", err)
				}
				m.tenders = append(m.tenders[:i:i], m.tenders[i+1:]...)
			},
			"suspend": func(t *rapid.T) {
				err := b.Suspend("x")
				if ok := m.editable() && len(m.lines) > 0; ok != (err == nil) {
					t.Fatalf("Suspend: %v", err)
				}
				if err == nil {
					m.status = sale.Suspended
				}
			},
			"resume": func(t *rapid.T) {
				err := b.Resume()
				if ok := m.status == sale.Suspended; ok != (err == nil) {
					t.Fatalf("Resume: %v", err)
				}
				m.status = sale.Open
			},
			"": func(t *rapid.T) {
				m.compare(t, b)
				checkTotals(t, b)
				checkJSON(t, b)
			},
		})
	})
}

func (m *model) editable() bool { return m.status == sale.Open && len(m.tenders) == 0 }

func (m *model) at(no int) int {
	for i, l := range m.lines {
		if l.no == no {
			return i
		}
	}
	return -1
}

func (m *model) compare(t *rapid.T, b *sale.Basket) {
	if len(b.Lines) != len(m.lines) || len(b.Tenders) != len(m.tenders) || b.Status != m.status {
		t.Fatalf("basket has %d lines, %d tenders, is %s; model %d, %d, %s", len(b.Lines), len(b.Tenders), b.Status, len(m.lines), len(m.tenders), m.status)
	}
	for i, l := range b.Lines {
		if l.No != m.lines[i].no || l.SKU != m.lines[i].sku || l.Quantity != m.lines[i].q {
			t.Fatalf("line %d is %d %s %v, want %+v", i, l.No, l.SKU, l.Quantity, m.lines[i])
		}
	}
}

// checkTotals verifies that totals are sums, whatever the basket.
func checkTotals(t *rapid.T, b *sale.Basket) {
	x, err := b.Totals()
	if err != nil {
		t.Fatal(err)
	}
	var net, taxes, gross, perRate, share, off money.Amount
	for _, l := range x.Lines {
		net, taxes, gross, share = net+l.Net, taxes+l.Tax, gross+l.Gross, share+l.Share
		base := l.Gross
		if b.Terms.Tax.Prices == tax.Net {
			base = l.Net
		}
		if l.Net+l.Tax != l.Gross || l.Extended+l.Discount+l.Share != base {
			t.Fatalf("line does not add up: %+v", l)
		}
	}
	for _, r := range x.Taxes {
		perRate += r.Gross
	}
	for _, d := range x.Discounts {
		off += d
	}
	if net != x.Net || taxes != x.Tax || gross != x.Total || perRate != gross || share != off && b.Mode != sale.Return {
		t.Fatalf("totals are not sums: %+v", x)
	}
	if x.Settled && x.Paid-x.Change != x.Total+x.Rounding {
		t.Fatalf("paid %d less change %d is not %d plus %d", x.Paid, x.Change, x.Total, x.Rounding)
	}
	if step := b.Terms.CashStep; x.Rounding > step || x.Rounding < -step || x.Change*money.Amount(x.Total.Sign()) < 0 {
		t.Fatalf("rounding %d with step %d, change %d", x.Rounding, step, x.Change)
	}
	if x.Settled && len(b.Lines) > 0 && b.Status == sale.Open {
		c := b.Clone()
		if _, err := c.Complete("anna", now); err != nil {
			t.Fatalf("settled and not complete: %v", err)
		}
	}
}

func checkJSON(t *rapid.T, b *sale.Basket) {
	data, err := sale.Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := sale.Decode(data)
	if err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	twice, _ := sale.Encode(again)
	if !bytes.Equal(data, twice) {
		t.Fatalf("JSON changes:\n%s\n%s", data, twice)
	}
}

// sold makes a finished sale of drawn lines and discounts.
func sold(t *rapid.T) sale.Document {
	b, err := sale.New("b", sale.Sale, "anna", drawTerms(t), now)
	if err != nil {
		t.Fatal(err)
	}
	for range rapid.IntRange(1, 6).Draw(t, "lines") {
		item := drawItem(t)
		no, err := b.AddLine(item, drawQuantity(t, item), sale.Apart, now)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "discounted") {
			_, _ = b.DiscountLine(no, sale.Off{Percent: rapid.Int32Range(1, 100_000).Draw(t, "percent")}, "why", "")
		}
	}
	_, _ = b.DiscountReceipt(sale.Off{Amount: money.Amount(rapid.Int64Range(1, 999).Draw(t, "coupon"))}, "coupon", "")
	if x, _ := b.Totals(); !x.Settled {
		if _, err := b.Tender(sale.Payment{Type: sale.Cash}, now); err != nil {
			t.Fatal(err)
		}
	}
	d, err := b.Complete("anna", now)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var ref = sale.Reference{Origin: "till/e1", Index: 7, Number: 3, At: now}

// Requirement: POS-01
func TestAllReturnsOfAReceiptGiveBackExactlyWhatItTook(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := sale.Original{Reference: ref, Document: sold(t)}
		left := make(map[int]money.Quantity)
		for _, l := range o.Document.Lines {
			left[l.No] = l.Quantity
		}
		net, taxes, total := o.Document.Net, o.Document.TaxAmount, o.Document.Total
		perRate := make(map[string]money.Amount)
		for _, x := range o.Document.Taxes {
			perRate[x.Letter] += x.Tax
		}
		for len(left) > 0 {
			d := giveSomeBack(t, o, left)
			o.Returned = sale.AddReturned(o.Returned, &d)
			net, taxes, total = net+d.Net, taxes+d.TaxAmount, total+d.Total
			for _, x := range d.Taxes {
				perRate[x.Letter] += x.Tax
			}
		}
		if net != 0 || taxes != 0 || total != 0 {
			t.Fatalf("after all returns net %d, tax %d, total %d are left", net, taxes, total)
		}
		for letter, x := range perRate {
			if x != 0 {
				t.Fatalf("tax %s: %d are left", letter, x)
			}
		}
		b, err := sale.NewReturn("r", "anna", o, o2terms(o.Document), now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.ReturnLine(o, o.Document.Lines[0].No, 1, "again", "boss", now); err == nil {
			t.Fatal("more was given back than was sold")
		}
	})
}

func o2terms(d sale.Document) sale.Terms { return sale.Terms{Currency: d.Currency, Tax: d.Tax} }

// giveSomeBack returns a part of some lines, and all of what is left in the end.
func giveSomeBack(t *rapid.T, o sale.Original, left map[int]money.Quantity) sale.Document {
	b, err := sale.NewReturn("r", "anna", o, o2terms(o.Document), now)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range o.Document.Lines {
		rest, ok := left[l.No]
		if !ok || len(b.Lines) > 0 && rapid.Bool().Draw(t, "skip") {
			continue
		}
		q := rest
		if rapid.Bool().Draw(t, "part") {
			q = money.Quantity(rapid.Int64Range(1, int64(rest)).Draw(t, "back"))
		}
		if !l.Divisible {
			q = max(money.One, q/money.One*money.One)
		}
		if _, err := b.ReturnLine(o, l.No, rest+money.One, "w", "boss", now); code(err) != sale.CodeReturnQuantity {
			t.Fatalf("returning more than is left: %v", err)
		}
		if _, err := b.ReturnLine(o, l.No, q, "w", "boss", now); err != nil {
			t.Fatal(err)
		}
		if left[l.No] -= q; left[l.No] == 0 {
			delete(left, l.No)
		}
	}
	if x, _ := b.Totals(); !x.Settled {
		if _, err := b.Tender(sale.Payment{Type: sale.Card}, now); err != nil {
			t.Fatal(err)
		}
	}
	checkTotals(t, b)
	checkJSON(t, b)
	d, err := b.Complete("anna", now)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestVoidIsTheMirrorOfItsSale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := sale.Original{Reference: ref, Document: sold(t)}
		d, err := sale.Void(o, "anna", "boss", "wrong", now)
		if err != nil {
			t.Fatal(err)
		}
		s := o.Document
		if d.Total != -s.Total || d.Net != -s.Net || d.Rounding != -s.Rounding || d.Change != -s.Change || d.Tip != -s.Tip {
			t.Fatalf("void %+v of %+v", d, s)
		}
		if _, err := sale.Void(sale.Original{Reference: ref, Document: d}, "anna", "boss", "w", now); code(err) != sale.CodeNotVoidable {
			t.Fatalf("void of a void: %v", err)
		}
		o.Returned = []sale.Returned{{Line: 1, Quantity: 1}}
		if _, err := sale.Void(o, "anna", "boss", "w", now); code(err) != sale.CodeAlreadyReturned {
			t.Fatalf("void after a return: %v", err)
		}
	})
}

// The 16.79 that came back as 16.78 (odoo#9249), in thirds.
func TestThirdsComeBackWhole(t *testing.T) {
	item := coffee
	item.Price = 5_596_667
	b := basket(t, sale.Sale)
	if _, err := b.AddLine(item, 3*money.One, sale.Apart, now); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Tender(sale.Payment{Type: sale.Card}, now); err != nil {
		t.Fatal(err)
	}
	d, err := b.Complete("anna", now)
	if err != nil {
		t.Fatal(err)
	}
	o := sale.Original{Reference: ref, Document: d}
	var got []money.Amount
	for range 3 {
		r, err := sale.NewReturn("r", "anna", o, terms(), now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.ReturnLine(o, 1, money.One, "w", "", now); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Tender(sale.Payment{Type: sale.Card}, now); err != nil {
			t.Fatal(err)
		}
		back, err := r.Complete("anna", now)
		if err != nil {
			t.Fatal(err)
		}
		o.Returned = sale.AddReturned(o.Returned, &back)
		got = append(got, back.Total)
	}
	if d.Total != 1679 || got[0]+got[1]+got[2] != -1679 {
		t.Errorf("sold for %d, came back as %v", d.Total, got)
	}
}

func TestReturnCapsMoney(t *testing.T) {
	b := basket(t, sale.Sale, coffee)
	if err := b.SetQuantity(1, 2*money.One); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Tender(sale.Payment{Type: sale.Cash}, now); err != nil {
		t.Fatal(err)
	}
	d, err := b.Complete("anna", now)
	if err != nil {
		t.Fatal(err)
	}
	// a record that says one piece was given back for more than both cost
	o := sale.Original{Reference: ref, Document: d, Returned: []sale.Returned{{Line: 1, Quantity: money.One, Amounts: sale.Amounts{Extended: 600, Net: 504, Tax: 96, Gross: 600}}}}
	r, err := sale.NewReturn("r", "anna", o, terms(), now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReturnLine(o, 1, money.One, "w", "", now); code(err) != sale.CodeReturnMoney {
		t.Errorf("code = %q, want %q", code(err), sale.CodeReturnMoney)
	}
}

func FuzzDecode(f *testing.F) {
	for _, mode := range []sale.Mode{sale.Sale, sale.Training} {
		b := basket(f, mode, coffee, apples, book)
		_, _ = b.DiscountReceipt(sale.Off{Percent: 5000}, "w", "boss")
		_, _ = b.Tender(sale.Payment{Type: sale.Cash, Amount: 5000}, now)
		data, err := sale.Encode(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"id":"x","id":"y"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := sale.Decode(data)
		if err != nil {
			return
		}
		one, err := sale.Encode(b)
		if err != nil {
			t.Fatal(err)
		}
		again, err := sale.Decode(one)
		if err != nil {
			t.Fatalf("%v in %s", err, one)
		}
		two, _ := sale.Encode(again)
		if !bytes.Equal(one, two) {
			t.Fatalf("encodes differently:\n%s\n%s", one, two)
		}
		if _, err := b.Totals(); err != nil {
			t.Fatal(err)
		}
	})
}
