package sale_test

import (
	"testing"
	"time"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/tax"
)

var germany = tax.Table{
	{Class: tax.Standard, Letter: "A", Rate: 19_000, From: "2020-01-01"},
	{Class: tax.Standard, Letter: "A", Rate: 20_000, From: "2027-01-01"},
	{Class: tax.Reduced, Letter: "B", Rate: 7_000, From: "2020-01-01"},
}

func articles(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := catalog.New(catalog.Set{
		Currency: "EUR",
		Articles: []catalog.Article{
			{SKU: "1", Name: "Coffee", Names: map[string]string{"de": "Kaffee"}, GTINs: []catalog.GTIN{"4006381333931"}, Class: tax.Standard, Unit: catalog.Piece, Group: "drinks", Price: 2_550_000},
			{SKU: "2", Name: "Cheese", InStore: []string{"2800123"}, Class: tax.Reduced, Unit: catalog.Kilogram, Price: 19_900_000},
			{SKU: "3", Name: "Flowers", Class: tax.Reduced, Unit: catalog.Piece, OpenPrice: true, NoDiscount: true},
		},
		Schemes: []catalog.Scheme{{Pattern: "28IIIIIWWWWWC", Decimals: 3}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Requirement: POS-01
func TestScannedArticlesBecomeLines(t *testing.T) {
	c := articles(t)
	weighed, err := catalog.Scheme{Pattern: "28IIIIIWWWWWC", Decimals: 3}.Encode("2800123", 452_000)
	if err != nil {
		t.Fatal(err)
	}
	b := basket(t, sale.Sale)
	typed := money.UnitPrice(12_500_000)
	for _, code := range []string{"4006381333931", weighed, "3"} {
		m, err := c.Lookup(code, now)
		if err != nil {
			t.Fatal(err)
		}
		item, err := sale.ItemOf(m, germany, "de", &typed, now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.AddLine(item, m.Quantity, sale.Merged, now); err != nil {
			t.Fatal(err)
		}
	}
	x := totals(t, b)
	if b.Lines[0].Name != "Kaffee" || b.Lines[1].Quantity != 452_000 || b.Lines[1].Unit != "kg" || x.Total != 255+899+1250 {
		t.Errorf("lines %+v, total %d", b.Lines, x.Total)
	}
	if _, err := b.DiscountLine(3, sale.Off{Percent: 1000}, "w", ""); code(err) != sale.CodeFixedPrice {
		t.Errorf("discount on what takes none: %v", err)
	}
}

func TestTaxIsThatOfTheDay(t *testing.T) {
	m, err := articles(t).Lookup("1", now)
	if err != nil {
		t.Fatal(err)
	}
	for day, rate := range map[string]tax.Rate{"2026-12-31": 19_000, "2027-01-01": 20_000} {
		at, _ := time.Parse(time.DateOnly, day)
		item, err := sale.ItemOf(m, germany, "en", nil, at)
		if err != nil || item.Rate != rate {
			t.Errorf("%s: %v, %v; want %v", day, item.Rate, err, rate)
		}
	}
	if _, err := sale.ItemOf(m, germany, "en", nil, time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)); code(err) != sale.CodeBadTax {
		t.Errorf("before the first rule: %v", err)
	}
	open, err := articles(t).Lookup("3", now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sale.ItemOf(open, germany, "en", nil, now); code(err) != sale.CodeBadPrice {
		t.Errorf("open price without a price: %v", err)
	}
}

func TestDocumentsThatWereTamperedWithDoNotAddUp(t *testing.T) {
	b := basket(t, sale.Sale, coffee, apples)
	if _, err := b.DiscountReceipt(sale.Off{Percent: 10_000}, "w", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Tender(sale.Payment{Type: sale.Cash, Amount: 1000, Tip: 10}, now); err != nil {
		t.Fatal(err)
	}
	d, err := b.Complete("anna", now)
	if err != nil {
		t.Fatal(err)
	}
	for name, forge := range map[string]func(*sale.Document){
		"total":             func(d *sale.Document) { d.Total-- },
		"net":               func(d *sale.Document) { d.Net-- },
		"a line's gross":    func(d *sale.Document) { d.Lines[0].Gross-- },
		"a line's price":    func(d *sale.Document) { d.Lines[0].Extended-- },
		"tax of a rate":     func(d *sale.Document) { d.Taxes[0].Tax-- },
		"rates swapped":     func(d *sale.Document) { d.Taxes[0].Rate, d.Taxes[1].Rate = d.Taxes[1].Rate, d.Taxes[0].Rate },
		"discount":          func(d *sale.Document) { d.Discounts[0].Effect-- },
		"change":            func(d *sale.Document) { d.Change++ },
		"tender":            func(d *sale.Document) { d.Tenders[0].Amount-- },
		"tip":               func(d *sale.Document) { d.Tip++ },
		"quantity":          func(d *sale.Document) { d.Lines[0].Quantity *= -1 },
		"mode":              func(d *sale.Document) { d.Mode = sale.Voiding },
		"line twice":        func(d *sale.Document) { d.Lines[1].No = 1 },
		"no lines":          func(d *sale.Document) { d.Lines = nil },
		"change as card":    func(d *sale.Document) { d.Tenders[0].Type = sale.Card },
		"tax hidden in net": hideTax,
	} {
		t.Run(name, func(t *testing.T) {
			x := d
			x.Lines, x.Taxes = append([]sale.DocumentLine(nil), d.Lines...), append([]tax.Total(nil), d.Taxes...)
			x.Discounts, x.Tenders = append([]sale.Reduction(nil), d.Discounts...), append([]sale.Tender(nil), d.Tenders...)
			forge(&x)
			if got := code(x.Check()); got != sale.CodeDocument {
				t.Errorf("code = %q, want %q", got, sale.CodeDocument)
			}
		})
	}
	if err := d.Check(); err != nil {
		t.Errorf("the honest document: %v", err)
	}
}

// hideTax moves tax into net wherever it stands, so that all sums still hold.
func hideTax(d *sale.Document) {
	d.Lines[0].Net, d.Lines[0].Tax = d.Lines[0].Net+10, d.Lines[0].Tax-10
	d.Taxes[0].Net, d.Taxes[0].Tax = d.Taxes[0].Net+10, d.Taxes[0].Tax-10
	d.Net, d.TaxAmount = d.Net+10, d.TaxAmount-10
}

// Found by the model: five øre against a total of one, where coins begin at ten.
func TestChangeIsNeverMoreThanTheCash(t *testing.T) {
	x := terms()
	x.CashStep = 10
	item := coffee
	item.Price = 10_000
	b := with(t, x, sale.Sale, item)
	if _, err := b.Tender(sale.Payment{Type: sale.Cash, Amount: 5}, now); err != nil {
		t.Fatal(err)
	}
	d, err := b.Complete("anna", now)
	if err != nil || d.Change != 0 || d.Rounding != 4 {
		t.Errorf("change %d, rounding %d, %v", d.Change, d.Rounding, err)
	}
}
