package fiscal_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/receipt"
	"github.com/plomb-pos/plomb/sale"
)

func TestATillEndsOnlyWithItsDayClosedAndSellsNothingAfterIt(t *testing.T) {
	x := newTill(t)
	x.sell(sale.Sale, 1_000_000, sale.Card)
	end := func(reason, keeper string) (*fiscal.Decommission, error) {
		return x.state.NewDecommission(both, reason, keeper)
	}
	refused := func(code, reason, keeper string) {
		t.Helper()
		_, err := end(reason, keeper)
		if got := codeOf(err); got != code {
			t.Errorf("code %q, want %s (%v)", got, code, err)
		}
	}
	refused(fiscal.CodeSessionOpen, "moved", "the owner")
	x.count(13_000)
	x.record(must(x.state.NewShiftClose(anna))(t))
	refused(fiscal.CodeDayOpen, "moved", "the owner")
	x.z()
	refused(fiscal.CodeReason, "", "the owner")
	refused(fiscal.CodeReason, "moved", "")
	b := must(end("moved", "the owner"))(t)
	wrong := *b
	wrong.Grand.Sale++
	x.refuse(&wrong, fiscal.CodeGrand)
	x.record(b)
	for _, after := range []fiscal.Body{&fiscal.ShiftOpen{Actor: anna, Session: 2, At: x.now}, &fiscal.TrainingMode{Actor: both, On: true}, b} {
		x.refuse(after, fiscal.CodeDecommissioned)
	}
	if _, err := x.state.NewXReport(anna, x.now); codeOf(err) != fiscal.CodeDecommissioned {
		t.Errorf("an X report after the end: %v", err)
	}
	x.record(&fiscal.Export{Actor: both, Format: "journal", First: 0, Last: 3}) // its records are still read
}

func TestAProFormaBillCountsInNoTotalAndSaysThatItIsNoReceipt(t *testing.T) {
	x := newTill(t)
	before, number := x.state.Grand, x.state.Next
	x.bill()
	if x.state.Grand != before || x.state.Next != number || x.state.Day.Figures.Sales.Count != 0 {
		t.Errorf("totals %+v, numbers %+v", x.state.Grand, x.state.Next)
	}
	if got := x.state.Day.Figures.ProForma; got.Count != 1 || got.Amount != 510 {
		t.Errorf("figures %+v", got)
	}
	i := len(x.heads) - 1
	bill := must(fiscal.BillOf(x.heads[i], x.bodies[i]))(t)
	for _, language := range receipt.Languages() {
		text := receipt.PlainBill(bill, receipt.Narrow, language)
		lines := strings.Split(strings.TrimSpace(text), "\n")
		if language == "en" && (!strings.Contains(lines[0], "NOT A RECEIPT") || !strings.Contains(lines[len(lines)-1], "NOT A RECEIPT")) {
			t.Errorf("it does not say at the top and at the bottom what it is:\n%s", text)
		}
		if !strings.Contains(text, "5.10") && !strings.Contains(text, "5,10") {
			t.Errorf("%s: the total is missing:\n%s", language, text)
		}
	}
	body := must(fiscal.Decode(fiscal.KindProForma, x.bodies[i]))(t).(*fiscal.ProForma)
	body.Total--
	x.refuse(body, fiscal.CodeFigures)
	if _, err := fiscal.BillOf(&proof.Head{Kind: fiscal.KindNoSale}, []byte(`{"reason":"x"}`)); codeOf(err) != fiscal.CodeWrongKind {
		t.Errorf("a bill of another kind: %v", err)
	}
	if diff := cmp.Diff(bill.Total, body.Total+1); diff != "" {
		t.Error(diff)
	}
}

// codeOf is the code of a refusal, "" for none.
func codeOf(err error) string {
	var coded interface{ Code() string }
	if errors.As(err, &coded) {
		return coded.Code()
	}
	return ""
}
