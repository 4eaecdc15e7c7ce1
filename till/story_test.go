package till_test

import (
	"context"
	"strings"
	"testing"
	"time"

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
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	docs, err := shop.Devices.Printer.Await(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) == 0 || shop.Devices.Printer.Kicks() == 0 {
		t.Errorf("%d documents on paper, %d pulses for the drawer", len(docs), shop.Devices.Printer.Kicks())
	}
	var check till.CheckAnswer
	if status, body := shop.Client().Post("/api/check", map[string]string{"code": r.Code}); status != 200 || !strings.Contains(string(body), `"holds":true`) {
		t.Errorf("check: %d %s %+v", status, body, check)
	}
}

func kinds(t *testing.T, shop *tilltest.Shop) []string {
	t.Helper()
	inspector := shop.As(staff.Inspector)
	var list till.EntriesAnswer
	inspector.Ask("/api/journal?limit=200", &list)
	var out []string
	for i := len(list.Entries) - 1; i >= 0; i-- {
		out = append(out, list.Entries[i].Kind)
	}
	return out
}

