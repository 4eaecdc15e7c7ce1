package sale_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/tax"
)

var now = time.Date(2026, 11, 22, 9, 30, 0, 123_456_789, time.FixedZone("CET", 3600))

var (
	coffee  = sale.Item{SKU: "coffee", Name: "Coffee", Group: "drinks", Price: 2_550_000, Class: tax.Standard, Letter: "A", Rate: 19_000}
	apples  = sale.Item{SKU: "apples", Name: "Apples", Unit: "kg", Price: 2_990_000, Class: tax.Reduced, Letter: "B", Rate: 7_000, Divisible: true}
	book    = sale.Item{SKU: "book", Name: "Book", Price: 9_990_000, Class: tax.Reduced, Letter: "B", Rate: 7_000, Fixed: true}
	deposit = sale.Item{SKU: "deposit", Name: "Deposit back", Price: -250_000, Class: tax.Standard, Letter: "A", Rate: 19_000}
)

func terms() sale.Terms {
	return sale.Terms{Currency: "EUR", Tax: tax.Policy{Prices: tax.Gross, Method: tax.PerReceipt}}
}

func basket(t testing.TB, mode sale.Mode, items ...sale.Item) *sale.Basket {
	t.Helper()
	return with(t, terms(), mode, items...)
}

func with(t testing.TB, terms sale.Terms, mode sale.Mode, items ...sale.Item) *sale.Basket {
	t.Helper()
	b, err := sale.New("b-1", mode, "anna", terms, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range items {
		if _, err := b.AddLine(i, money.One, sale.Apart, now); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func code(err error) string {
	var e *sale.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func totals(t testing.TB, b *sale.Basket) sale.Totals {
	t.Helper()
	x, err := b.Totals()
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// Requirement: POS-01
func TestSaleFromFirstLineToDocument(t *testing.T) {
	b := basket(t, sale.Sale, coffee, book)
	no, err := b.AddLine(apples, 452_000, sale.Apart, now)
	if err != nil || no != 3 {
		t.Fatalf("AddLine = %d, %v", no, err)
	}
	if _, err := b.DiscountLine(1, sale.Off{Percent: 10_000}, "regular", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := b.DiscountReceipt(sale.Off{Amount: 100}, "coupon", "boss"); err != nil {
		t.Fatal(err)
	}
	x := totals(t, b)
	// 255 − 26 (10 % of 2.55) + 999 + 135 − 100
	if x.Total != 1263 {
		t.Errorf("total = %d, want 1263", x.Total)
	}
	if x.Lines[1].Share != 0 {
		t.Errorf("the book with its fixed price carries %d of the discount", x.Lines[1].Share)
	}
	if _, err := b.Complete("anna", now); code(err) != sale.CodeNotPaid {
		t.Errorf("Complete before paying: %v", err)
	}
	if _, err := b.Tender(sale.Payment{Type: sale.Card, Amount: 1000, Tip: 50, Reference: "T-1"}, now); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Tender(sale.Payment{Type: sale.Cash, Amount: 500}, now); err != nil {
		t.Fatal(err)
	}
	d, err := b.Complete("anna", now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if d.Change != 237 || d.Tip != 50 || d.Total != 1263 || d.Net+d.TaxAmount != d.Total {
		t.Errorf("change %d, tip %d, total %d, net %d, tax %d", d.Change, d.Tip, d.Total, d.Net, d.TaxAmount)
	}
	if got := d.CompletedAt.Format(time.RFC3339Nano); got != "2026-11-22T09:31:00.123+01:00" {
		t.Errorf("completed at %s", got)
	}
	if b.Status != sale.Completed {
		t.Errorf("status = %s", b.Status)
	}
	if _, err := b.AddLine(coffee, money.One, sale.Apart, now); code(err) != sale.CodeNotOpen {
		t.Errorf("AddLine after completion: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	long := strings.Repeat("x", 201)
	for name, c := range map[string]struct {
		do   func(t *testing.T) error
		code string
	}{
		"quantity of zero": {func(t *testing.T) error {
			_, err := basket(t, sale.Sale).AddLine(coffee, 0, sale.Apart, now)
			return err
		}, sale.CodeBadQuantity},
		"negative quantity": {func(t *testing.T) error {
			_, err := basket(t, sale.Sale).AddLine(coffee, -1, sale.Apart, now)
			return err
		}, sale.CodeBadQuantity},
		"half a coffee": {func(t *testing.T) error {
			_, err := basket(t, sale.Sale).AddLine(coffee, 500_000, sale.Apart, now)
			return err
		}, sale.CodeIndivisible},
		"absurd quantity": {func(t *testing.T) error {
			return basket(t, sale.Sale, coffee).SetQuantity(1, sale.MaxQuantity+money.One)
		}, sale.CodeQuantityLimit},
		"absurd price":               {func(t *testing.T) error { return basket(t, sale.Sale, coffee).Override(1, sale.MaxPrice+1, "why", "") }, sale.CodePriceLimit},
		"price below zero":           {func(t *testing.T) error { return basket(t, sale.Sale, coffee).Override(1, -1, "why", "") }, sale.CodeBadPrice},
		"override without reason":    {func(t *testing.T) error { return basket(t, sale.Sale, coffee).Override(1, 1, " ", "") }, sale.CodeReasonMissing},
		"override of a fixed price":  {func(t *testing.T) error { return basket(t, sale.Sale, book).Override(1, 1, "why", "") }, sale.CodeFixedPrice},
		"long reason":                {func(t *testing.T) error { return basket(t, sale.Sale, coffee).Override(1, 1, long, "") }, sale.CodeTextLimit},
		"reason with an escape":      {func(t *testing.T) error { return basket(t, sale.Sale, coffee).Override(1, 1, "\x1bp", "") }, sale.CodeBadText},
		"removing what is not there": {func(t *testing.T) error { _, err := basket(t, sale.Sale, coffee).RemoveLine(2); return err }, sale.CodeUnknownLine},
		"discount of a book": {func(t *testing.T) error {
			_, err := basket(t, sale.Sale, book).DiscountLine(1, sale.Off{Percent: 1}, "w", "")
			return err
		}, sale.CodeFixedPrice},
		"discount beyond the line": {func(t *testing.T) error {
			_, err := basket(t, sale.Sale, coffee).DiscountLine(1, sale.Off{Amount: 256}, "w", "")
			return err
		}, sale.CodeDiscountExceeds},
		"discount beyond receipt": {func(t *testing.T) error {
			_, err := basket(t, sale.Sale, coffee, book).DiscountReceipt(sale.Off{Amount: 256}, "w", "")
			return err
		}, sale.CodeDiscountExceeds},
		"discount of 101 percent": {func(t *testing.T) error {
			_, err := basket(t, sale.Sale, coffee).DiscountLine(1, sale.Off{Percent: 101_000}, "w", "")
			return err
		}, sale.CodeBadDiscount},
		"discount of both": {func(t *testing.T) error {
			_, err := basket(t, sale.Sale, coffee).DiscountLine(1, sale.Off{Percent: 1, Amount: 1}, "w", "")
			return err
		}, sale.CodeBadDiscount},
		"discount of a deposit": {func(t *testing.T) error {
			_, err := basket(t, sale.Sale, deposit).DiscountLine(1, sale.Off{Percent: 1}, "w", "")
			return err
		}, sale.CodeFixedPrice},
		"card beyond the total": {func(t *testing.T) error {
			_, err := basket(t, sale.Sale, coffee).Tender(sale.Payment{Type: sale.Card, Amount: 256}, now)
			return err
		}, sale.CodeTenderExceeds},
		"negative cash": {func(t *testing.T) error {
			_, err := basket(t, sale.Sale, coffee).Tender(sale.Payment{Type: sale.Cash, Amount: -1}, now)
			return err
		}, sale.CodeBadTender},
		"tender of nothing": {func(t *testing.T) error {
			_, err := basket(t, sale.Sale).Tender(sale.Payment{Type: sale.Cash, Amount: 1}, now)
			return err
		}, sale.CodeEmpty},
		"unknown tender": {func(t *testing.T) error {
			_, err := basket(t, sale.Sale, coffee).Tender(sale.Payment{Type: "shells", Amount: 1}, now)
			return err
		}, sale.CodeBadTender},
		"barcode typed as cash": {func(t *testing.T) error {
			x := terms()
			x.MaxChange = 100_000
			_, err := with(t, x, sale.Sale, coffee).Tender(sale.Payment{Type: sale.Cash, Amount: 4_006_381_333}, now)
			return err
		}, sale.CodeChangeLimit},
		"line after a tender": {func(t *testing.T) error {
			b := basket(t, sale.Sale, coffee)
			if _, err := b.Tender(sale.Payment{Type: sale.Cash, Amount: 1}, now); err != nil {
				return err
			}
			_, err := b.AddLine(coffee, money.One, sale.Apart, now)
			return err
		}, sale.CodeTendered},
		"sale in a return": {func(t *testing.T) error {
			_, err := basket(t, sale.Return).AddLine(coffee, money.One, sale.Apart, now)
			return err
		}, sale.CodeWrongMode},
		"return in a sale": {func(t *testing.T) error {
			_, err := basket(t, sale.Sale).ReturnItem(coffee, money.One, "w", "boss", now)
			return err
		}, sale.CodeWrongMode},
		"return without receipt allowed by nobody": {func(t *testing.T) error {
			_, err := basket(t, sale.Return).ReturnItem(coffee, money.One, "w", "", now)
			return err
		}, sale.CodeApproverMissing},
		"empty completion":      {func(t *testing.T) error { _, err := basket(t, sale.Sale).Complete("anna", now); return err }, sale.CodeEmpty},
		"suspending nothing":    {func(t *testing.T) error { return basket(t, sale.Sale).Suspend("x") }, sale.CodeEmpty},
		"resuming what is open": {func(t *testing.T) error { return basket(t, sale.Sale, coffee).Resume() }, sale.CodeNotSuspended},
		"tender while suspended": {func(t *testing.T) error {
			b := basket(t, sale.Sale, coffee)
			if err := b.Suspend("x"); err != nil {
				return err
			}
			_, err := b.Tender(sale.Payment{Type: sale.Cash}, now)
			return err
		}, sale.CodeNotOpen},
	} {
		t.Run(name, func(t *testing.T) {
			if got := code(c.do(t)); got != c.code {
				t.Errorf("code = %q, want %q", got, c.code)
			}
		})
	}
}

func TestThousandLinesAreEnoughAndNoMore(t *testing.T) {
	b := basket(t, sale.Sale)
	for range sale.MaxLines {
		if _, err := b.AddLine(coffee, money.One, sale.Apart, now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.AddLine(coffee, money.One, sale.Apart, now); code(err) != sale.CodeTooManyLines {
		t.Errorf("line 1001: %v", err)
	}
	if _, err := b.AddLine(coffee, money.One, sale.Merged, now); err != nil {
		t.Errorf("merging into a full basket: %v", err)
	}
	if got := totals(t, b).Total; got != 1001*255 {
		t.Errorf("total = %d", got)
	}
}

func TestMergingTakesOnlyEqualPlainLines(t *testing.T) {
	b := basket(t, sale.Sale, coffee)
	if err := b.Override(1, 1_000_000, "dented", ""); err != nil {
		t.Fatal(err)
	}
	no, err := b.AddLine(coffee, money.One, sale.Merged, now)
	if err != nil || no != 2 {
		t.Fatalf("AddLine beside an override = %d, %v; want line 2", no, err)
	}
	no, err = b.AddLine(coffee, 2*money.One, sale.Merged, now)
	if err != nil || no != 2 || b.Lines[1].Quantity != 3*money.One {
		t.Fatalf("AddLine = %d, %v, quantity %v; want line 2 with 3", no, err, b.Lines[1].Quantity)
	}
	dearer := coffee
	dearer.Price++
	if no, _ := b.AddLine(dearer, money.One, sale.Merged, now); no != 3 {
		t.Errorf("another price was merged into line %d", no)
	}
}

func TestNumbersOfRemovedLinesAreNotGivenAgain(t *testing.T) {
	b := basket(t, sale.Sale, coffee, book)
	removed, err := b.RemoveLine(2)
	if err != nil {
		t.Fatal(err)
	}
	if removed.Line.SKU != "book" || removed.Totals.Gross != 999 {
		t.Errorf("removed = %+v", removed)
	}
	if no, _ := b.AddLine(apples, money.One, sale.Apart, now); no != 3 {
		t.Errorf("next line = %d, want 3", no)
	}
}

func TestCashRounding(t *testing.T) {
	x := terms()
	x.Currency, x.CashStep = "CHF", 5
	item := coffee
	for _, c := range []struct {
		price            money.UnitPrice
		pay              []sale.Payment
		rounding, change money.Amount
	}{
		{2_520_000, []sale.Payment{{Type: sale.Cash}}, -2, 0},
		{2_530_000, []sale.Payment{{Type: sale.Cash, Amount: 500}}, 2, 245},
		{2_530_000, []sale.Payment{{Type: sale.Card}}, 0, 0},
		{2_530_000, []sale.Payment{{Type: sale.Card, Amount: 100}, {Type: sale.Cash}}, 2, 0},
		{2_530_000, []sale.Payment{{Type: sale.Cash, Amount: 100}, {Type: sale.Card}}, 0, 0},
		{20_000, []sale.Payment{{Type: sale.Cash}}, -2, 0}, // two centimes: nothing to pay in coins
	} {
		item.Price = c.price
		b := with(t, x, sale.Sale, item)
		for _, p := range c.pay {
			if _, err := b.Tender(p, now); err != nil {
				t.Fatal(err)
			}
		}
		d, err := b.Complete("anna", now)
		if err != nil {
			t.Errorf("price %v paid %v: %v", c.price, c.pay, err)
			continue
		}
		if d.Rounding != c.rounding || d.Change != c.change {
			t.Errorf("price %v paid %v: rounding %d, change %d; want %d, %d", c.price, c.pay, d.Rounding, d.Change, c.rounding, c.change)
		}
		if d.Taxes[0].Gross != d.Total {
			t.Errorf("rounding touched the tax base: %+v", d.Taxes)
		}
	}
}

func TestForeignCashKeepsBothAmountsAndTheRate(t *testing.T) {
	b := basket(t, sale.Sale, book, book)
	rate := money.Rate{Num: 93_480, Den: 100_000} // EUR for 1 CHF
	if _, err := b.Tender(sale.Payment{Type: sale.Cash, Foreign: &sale.Foreign{Currency: "CHF", Amount: 5000, Rate: rate}}, now); err != nil {
		t.Fatal(err)
	}
	d, err := b.Complete("anna", now)
	if err != nil {
		t.Fatal(err)
	}
	want := &sale.Foreign{Currency: "CHF", Amount: 5000, Rate: rate}
	if d.Tenders[0].Amount != 4674 || d.Change != 4674-1998 || cmp.Diff(want, d.Tenders[0].Foreign) != "" {
		t.Errorf("tender %+v, change %d", d.Tenders[0], d.Change)
	}
}

func TestDepositsAlonePayOut(t *testing.T) {
	b := basket(t, sale.Sale, deposit, deposit)
	if _, err := b.Tender(sale.Payment{Type: sale.Cash}, now); err != nil {
		t.Fatal(err)
	}
	d, err := b.Complete("anna", now)
	if err != nil {
		t.Fatal(err)
	}
	if d.Total != -50 || d.Tenders[0].Amount != -50 {
		t.Errorf("total %d, tender %d", d.Total, d.Tenders[0].Amount)
	}
}

func TestSuspendedBasketComesBackAsItWas(t *testing.T) {
	b := basket(t, sale.Sale, coffee)
	before := totals(t, b)
	if err := b.Suspend("lady with dog"); err != nil {
		t.Fatal(err)
	}
	data, err := sale.Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := sale.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Resume(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, totals(t, again)); diff != "" {
		t.Errorf("totals (-before +after):\n%s", diff)
	}
	if _, err := again.Abort(); err != nil || again.Status != sale.Aborted {
		t.Errorf("Abort: %v, %s", err, again.Status)
	}
}

func TestFailedChangeLeavesTheBasketAlone(t *testing.T) {
	b := basket(t, sale.Sale, coffee, book)
	before, _ := sale.Encode(b)
	_ = b.Override(2, 1, "why", "")
	_, _ = b.AddLine(sale.Item{}, money.One, sale.Apart, now)
	_ = b.SetQuantity(1, sale.MaxQuantity*2)
	_, _ = b.Tender(sale.Payment{Type: sale.Voucher, Amount: 1e9}, now)
	_ = b.For(&sale.Customer{Name: "a\nb"})
	after, _ := sale.Encode(b)
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("basket changed:\n%s", diff)
	}
}
