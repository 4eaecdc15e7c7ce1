package till_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/driver/sim"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/tilltest"
)

// Requirement: POS-01
// Requirement: POS-02
func TestACashSaleIsRecordedSignedPrintedAndChecked(t *testing.T) {
	shop := tilltest.New(t)
	anna := shop.As(staff.Operator)
	anna.Do("drawer.open", "amount", 10_000)
	anna.Do("basket.scan", "code", "2900000010079")
	a := anna.Do("basket.add", "sku", "DRY-01", "quantity", 2_000_000)
	if b := a.State.Basket; b == nil || len(b.Lines) != 2 || b.Total != 349+2*119 {
		t.Fatalf("basket = %+v", b)
	}
	r := anna.Pay("cash", 1000)
	if r.Number != 1 || r.Total != 587 || r.Change != 413 || !strings.HasPrefix(r.Code, "PLOMB1:") {
		t.Fatalf("receipt = %+v", r)
	}
	state := anna.Until(func(s till.State) bool { return s.LastReceipt != nil && s.LastReceipt.Printed == till.PrintedYes })
	if state.Basket != nil || state.Day.Receipts != 1 {
		t.Errorf("after the sale: basket %v, %d receipts", state.Basket, state.Day.Receipts)
	}
	await(t, shop, 1)
	if shop.Devices.Printer.Kicks() == 0 {
		t.Error("the drawer was not opened")
	}
	if status, body := shop.Client().Post("/api/check", map[string]string{"code": r.Code}); status != 200 || !strings.Contains(string(body), `"holds":true`) {
		t.Errorf("check: %d %s", status, body)
	}
	if status, body := shop.Client().Post("/api/check", map[string]string{"code": "PLOMB1:FOO"}); status != 200 || !strings.Contains(string(body), `"holds":false`) {
		t.Errorf("check of nonsense: %d %s", status, body)
	}
}

func await(t *testing.T, shop *tilltest.Shop, n int) []sim.Document {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	docs, err := shop.Devices.Printer.Await(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// kinds lists the kinds of all entries, oldest first, as an inspector sees them.
func kinds(t *testing.T, shop *tilltest.Shop) []string {
	t.Helper()
	inspector := shop.As(staff.Inspector)
	state := inspector.State()
	inspector.Until(func(s till.State) bool { return s.Journal.Searched >= state.Journal.Size })
	var out []string
	for before := uint64(0); ; {
		var list till.EntriesAnswer
		path := "/api/journal?limit=100"
		if before > 0 {
			path += "&before=" + number(before)
		}
		inspector.Ask(path, &list)
		for _, e := range list.Entries {
			out, before = append(out, e.Kind), e.Index
		}
		if !list.More {
			slices.Reverse(out)
			return out
		}
	}
}

func number(n uint64) string {
	digits := []byte{}
	for ; n > 0; n /= 10 {
		digits = append(digits, byte('0'+n%10))
	}
	slices.Reverse(digits)
	return string(digits)
}

// contains reports the kinds that are missing.
func wantKinds(t *testing.T, shop *tilltest.Shop, want ...string) {
	t.Helper()
	have := kinds(t, shop)
	for _, k := range want {
		if !slices.Contains(have, k) {
			t.Errorf("no entry of kind %s among %v", k, have)
		}
	}
}

// Requirement: FM-03
func TestLinesAreChangedDiscountedAndRemoved(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna := shop.As(staff.Operator)
	anna.Do("basket.add", "sku", "BRD-01")
	anna.Do("basket.add", "sku", "DRY-01")
	anna.Do("basket.quantity", "line", 1, "quantity", 3_000_000)
	anna.Do("basket.quantity", "line", 1, "quantity", 2_000_000)
	if a := anna.Do("basket.remove", "line", 2, "reason", "wrong one"); len(a.State.Basket.Lines) != 1 {
		t.Errorf("lines = %+v", a.State.Basket.Lines)
	}
	if a := anna.Do("basket.discount", "line", 1, "percent", 5000, "reason", "dented"); a.State.Basket.Total != 698-35 {
		t.Errorf("total = %d", a.State.Basket.Total)
	}
	f := anna.Refuse("needs-approval", "basket.discount", "percent", 50_000, "reason", "friend")
	if f.Kind != "approval" || !slices.Contains(f.Roles, "supervisor") || f.Status != 403 {
		t.Errorf("refusal = %+v", f)
	}
	anna.Approved(staff.Supervisor, "basket.discount", "percent", 50_000, "reason", "damaged")
	anna.Refuse("needs-approval", "basket.price", "line", 1, "price", 1_000_000, "reason", "x")
	if a := anna.Approved(staff.Supervisor, "basket.price", "line", 1, "price", 1_000_000, "reason", "old price"); a.State.Basket.Lines[0].UnitPrice != 1_000_000 {
		t.Errorf("line = %+v", a.State.Basket.Lines[0])
	}
	anna.Refuse("unknown-article", "basket.scan", "code", "4006381333931")
	anna.Refuse("price-needed", "basket.add", "sku", openPriced(t, anna))
	anna.Do("basket.abort", "reason", "customer left")
	wantKinds(t, shop, "line-removed", "aborted", "refused", "step-up")
}

func openPriced(t *testing.T, c *tilltest.Client) string {
	var list till.ArticlesAnswer
	c.Ask("/api/articles?limit=200", &list)
	for _, a := range list.Articles {
		if a.Open {
			return string(a.SKU)
		}
	}
	t.Fatal("no article with an open price")
	return ""
}

func TestABasketWaitsWhileAnotherIsServed(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna := shop.As(staff.Operator)
	anna.Do("drawer.open")
	anna.Do("basket.add", "sku", "BRD-01")
	a := anna.Do("basket.suspend", "label", "the lady in red")
	if a.State.Basket != nil || len(a.State.Suspended) != 1 || a.State.Suspended[0].Label != "the lady in red" {
		t.Fatalf("state = %+v %+v", a.State.Basket, a.State.Suspended)
	}
	anna.Sell("DRY-01")
	shop.Kill()
	anna = shop.As(staff.Operator)
	waiting := anna.State().Suspended
	if len(waiting) != 1 {
		t.Fatalf("after the kill %d baskets wait", len(waiting))
	}
	if a := anna.Do("basket.resume", "id", waiting[0].ID); len(a.State.Basket.Lines) != 1 || len(a.State.Suspended) != 0 {
		t.Errorf("resumed = %+v", a.State)
	}
	if r := anna.Pay("card", 0); r.Number != 2 || r.Total != 349 {
		t.Errorf("receipt = %+v", r)
	}
	wantKinds(t, shop, "suspended", "resumed")
}

func TestTheOpenBasketAndTheSessionSurviveAKill(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna := shop.As(staff.Operator)
	anna.Do("drawer.open")
	anna.Do("basket.add", "sku", "BRD-01")
	anna.Do("basket.tender", "type", "cash", "amount", 100)
	before := anna.State()
	shop.Kill()
	after := anna.State() // the cookie still holds
	if d := cmp.Diff(before.Basket, after.Basket); d != "" {
		t.Errorf("the basket changed:\n%s", d)
	}
	if after.Session == nil || after.Session.Person.ID != "2" {
		t.Fatalf("session = %+v", after.Session)
	}
	if r := anna.Pay("cash", 0); r.Total != 349 {
		t.Errorf("receipt = %+v", r)
	}
	shop.Kill()
	if s := shop.As(staff.Operator).State(); s.Basket != nil || s.Day.Receipts != 1 {
		t.Errorf("a finished sale came back: %+v", s.Basket)
	}
}

// Requirement: POS-02
func TestGoodsAreReturnedByCodeOrNumberAndNeverMoreThanWasBought(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	boss := shop.As(staff.Supervisor)
	boss.Do("drawer.open", "amount", 10_000)
	boss.Do("basket.add", "sku", "BRD-01", "quantity", 3_000_000)
	sold := boss.Pay("cash", 0)

	a := boss.Do("return.begin", "receipt", sold.Code)
	if a.State.Basket.Mode != "return" || a.State.Basket.Original.Lines[0].Returnable != 3_000_000 {
		t.Fatalf("basket = %+v", a.State.Basket)
	}
	a = boss.Do("return.line", "line", 1, "quantity", 2_000_000)
	if a.State.Basket.Original.Lines[0].Returnable != 1_000_000 || a.State.Basket.Total != -698 {
		t.Errorf("basket = %+v", a.State.Basket)
	}
	if r := boss.Pay("cash", 698); r.Total != -698 || r.Number != 2 {
		t.Errorf("return = %+v", r)
	}
	boss.Approved(staff.Supervisor, "report.z") // the day ends; what was returned must not be forgotten
	shop.Restart()
	boss = shop.As(staff.Supervisor)
	boss.Do("return.begin", "receipt", "1")
	boss.Refuse("return-exceeds-quantity", "return.line", "line", 1, "quantity", 2_000_000)
	boss.Do("return.line", "line", 1, "quantity", 1_000_000)
	if r := boss.Pay("cash", 0); r.Total != -349 {
		t.Errorf("rest = %+v", r)
	}
	var x till.ReceiptAnswer
	boss.Ask("/api/receipts/1", &x)
	if x.Original == nil || x.Original.Lines[0].Returnable != 0 || !strings.Contains(x.SVG, "<svg") {
		t.Errorf("receipt 1 = %+v", x.Original)
	}
	boss.Do("return.begin", "receipt", 1)
	boss.Refuse("return-exceeds-quantity", "return.line", "line", 1, "quantity", 1_000_000)
	boss.Do("basket.abort")
	boss.Refuse("forged-receipt", "return.begin", "receipt", tampered(sold.Code))
	boss.Refuse("unknown-receipt", "return.begin", "receipt", "999")
}

// tampered changes one character inside a code's signature.
func tampered(code string) string {
	b := []byte(code)
	i := len(b) - 20
	if b[i] = 'A'; code[i] == 'A' {
		b[i] = 'B'
	}
	return string(b)
}

func TestASaleOfTheDayIsVoidedOnce(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna, boss := shop.As(staff.Operator), shop.As(staff.Supervisor)
	anna.Do("drawer.open", "amount", 5000)
	anna.Sell("BRD-01")
	anna.Refuse("needs-approval", "receipt.void", "number", 1, "reason", "mistake")
	boss.Refuse("needs-proof", "receipt.void", "number", 1, "reason", "mistake")
	var out struct {
		Receipt till.LastReceipt `json:"receipt"`
	}
	anna.Approved(staff.Supervisor, "receipt.void", "number", 1, "reason", "mistake").Into(t, &out)
	if out.Receipt.Total != -349 || out.Receipt.Number != 2 {
		t.Errorf("void = %+v", out.Receipt)
	}
	a := boss.Send(map[string]any{"id": tilltest.NewID(time.Now()), "do": "receipt.void", "args": tilltest.Args("number", 1, "reason", "again"),
		"approval": map[string]any{"person": "3", "pin": tilltest.PIN}})
	if a.Error == nil {
		t.Error("a receipt was voided twice")
	}
	var x till.ReceiptAnswer
	boss.Ask("/api/receipts/1", &x)
	if !x.Voided || x.Original != nil {
		t.Errorf("receipt 1: voided %v, original %+v", x.Voided, x.Original)
	}
}

func TestTheDrawerIsCountedBlindAndClosed(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	anna, boss := shop.As(staff.Operator), shop.As(staff.Supervisor)
	anna.Do("drawer.open", "amount", 10_000)
	anna.Sell("BRD-01")
	boss.Do("drawer.payin", "amount", 500, "reason", "change from the bank")
	anna.Refuse("needs-approval", "drawer.payout", "amount", 300, "reason", "stamps")
	anna.Approved(staff.Supervisor, "drawer.payout", "amount", 300, "reason", "stamps")
	anna.Approved(staff.Supervisor, "drawer.nosale", "reason", "change")
	anna.Refuse("drawer-not-counted", "drawer.close")
	var found struct {
		Expected   int64 `json:"expected"`
		Counted    int64 `json:"counted"`
		Difference int64 `json:"difference"`
	}
	anna.Do("drawer.count", "counts", []map[string]any{{"value": 5000, "pieces": 2}, {"value": 100, "pieces": 5}}).Into(t, &found)
	if found.Expected != 10_549 || found.Counted != 10_500 || found.Difference != -49 {
		t.Errorf("count = %+v", found)
	}
	if a := anna.Do("drawer.close"); a.State.Drawer.Session != "closed" {
		t.Errorf("drawer = %+v", a.State.Drawer)
	}
	wantKinds(t, shop, "shift-open", "float-in", "pay-in", "pay-out", "no-sale", "count", "shift-close")
}

// Requirement: POS-02
func TestTheDayIsReportedAndClosed(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	boss := shop.As(staff.Supervisor)
	boss.Do("drawer.open")
	boss.Sell("BRD-01")
	var x, z till.ReportAnswer
	boss.Do("report.x").Into(t, &x)
	if x.Number != 1 || !strings.Contains(x.Text, "3.49") || len(x.Figures) == 0 {
		t.Errorf("X = %+v", x)
	}
	a := boss.Approved(staff.Supervisor, "report.z")
	a.Into(t, &z)
	if z.Number != 1 || a.State.Day.ZNumber != 2 || a.State.Day.Receipts != 0 {
		t.Errorf("Z = %+v, day %+v", z, a.State.Day)
	}
	boss.Sell("BRD-01")
	var again till.ReportAnswer
	shop.Restart()
	boss = shop.As(staff.Supervisor)
	boss.Until(func(s till.State) bool { return s.Journal.Searched == s.Journal.Size })
	boss.Ask("/api/reports/z/1", &again)
	if d := cmp.Diff(z, again); d != "" {
		t.Errorf("the report of the day reads differently later:\n%s", d)
	}
	wantKinds(t, shop, "x-report", "z-report", "snapshot")
}

func TestTrainingNeverCounts(t *testing.T) {
	shop := tilltest.New(t, tilltest.WithoutDevices())
	boss := shop.As(staff.Supervisor)
	boss.Do("drawer.open")
	boss.Do("training.start")
	if r := boss.Sell("BRD-01"); r.Number != 1 {
		t.Errorf("training receipt = %+v", r)
	}
	boss.Refuse("training-on", "training.start")
	a := boss.Do("training.stop")
	if a.State.Training || a.State.Day.Receipts != 0 {
		t.Errorf("state = %+v", a.State.Day)
	}
	if r := boss.Sell("DRY-01"); r.Number != 1 {
		t.Errorf("first real receipt = %+v", r)
	}
	var x till.ReportAnswer
	boss.Do("report.x").Into(t, &x)
	if x.Figures[0].Amount != 119 {
		t.Errorf("sales = %+v", x.Figures[0])
	}
}
