package fiscal_test

import (
	"errors"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/tax"
)

// Requirement: FM-05
func TestEachTransactionHoldsWhatAFiscalMemoryHolds(t *testing.T) {
	x := newTill(t)
	index := x.sell(sale.Sale, 3*money.One, sale.Cash)
	h := x.heads[index]
	for tag, want := range map[uint8]int64{
		fiscal.TagDocument: 1, fiscal.TagGross: 3762, fiscal.TagTax: 318, fiscal.TagCurrency: 978, fiscal.TagCash: 3762,
		fiscal.TagSaleBefore: 0, fiscal.TagSaleAfter: 3762, fiscal.TagNetAfter: 3762, fiscal.TagLines: 2,
	} {
		if got, ok := h.Number(tag); !ok || got != want {
			t.Errorf("head: %s = %d, %v; want %d", fiscal.TagName(tag), got, ok, want)
		}
	}
	if h.Index != index || h.Time != x.now.UnixMilli() {
		t.Errorf("record number %d, time %d", h.Index, h.Time)
	}
	b, err := x.lookup("", index)
	if err != nil {
		t.Fatal(err)
	}
	want := []tax.Total{
		{Class: tax.Standard, Letter: "A", Rate: 19_000, Net: 643, Tax: 122, Gross: 765},
		{Class: tax.Reduced, Letter: "B", Rate: 7_000, Net: 2801, Tax: 196, Gross: 2997},
	}
	for i, x := range b.Document.Taxes {
		if x != want[i] {
			t.Errorf("tax type, rate and amounts %+v, want %+v", x, want[i])
		}
	}
}

// Requirement: POS-14
func TestDoubtAboutTheClockMarksEveryEntryUntilItEnds(t *testing.T) {
	x := newTill(t)
	sure := x.sell(sale.Sale, money.One, sale.Card)
	x.record(&fiscal.ClockChange{Before: x.now, After: x.now.Add(-time.Hour), Step: -3_600_000, Source: "hardware", Unsure: true})
	unsure := x.sell(sale.Sale, money.One, sale.Card)
	x.record(&fiscal.ClockChange{Before: x.now, After: x.now, Source: "ntp"})
	again := x.sell(sale.Sale, money.One, sale.Card)
	for index, want := range map[uint64]bool{sure: false, unsure: true, again: false} {
		if got := x.heads[index].Flags&proof.FlagClockUnsure != 0; got != want {
			t.Errorf("entry %d is marked %v, want %v", index, got, want)
		}
	}
	d, err := fiscal.ReceiptOf(x.heads[unsure], x.bodies[unsure])
	if err != nil || !d.Unsure {
		t.Errorf("the receipt does not say so: %v", err)
	}
	unmarked := x.heads[unsure].Clone()
	unmarked.Flags = 0
	check := fiscal.NewCheck(nil)
	for i, h := range x.heads {
		if uint64(i) == unsure {
			h = unmarked
		}
		for _, f := range check.Entry(h, x.bodies[i]) {
			if f.Index != unsure || f.Code != fiscal.CodeFlags {
				t.Errorf("finding %v", f)
			}
		}
	}
	if _, findings := check.Counts(); findings != 1 {
		t.Errorf("%d findings, want 1", findings)
	}
}

func TestVoidedReceiptsStayVoid(t *testing.T) {
	x := newTill(t)
	first := x.sell(sale.Sale, money.One, sale.Card)
	x.void(first)
	o := x.original(first)
	if !o.Voided {
		t.Fatal("the state does not know of the void")
	}
	code := func(err error) string {
		var e interface{ Code() string }
		if errors.As(err, &e) {
			return e.Code()
		}
		return ""
	}
	if _, err := sale.Void(o, "anna", "boss", "again", x.now); code(err) != sale.CodeNotVoidable {
		t.Errorf("second void: %v", err)
	}
	if _, err := sale.NewReturn("r", "anna", o, x.state.Shop.Terms(), x.now); code(err) != sale.CodeNotReturnable {
		t.Errorf("return of a void receipt: %v", err)
	}
	// a caller that has not asked the state
	o.Voided, o.Returned, o.Last = false, nil, 0
	d := must(sale.Void(o, "anna", "boss", "again", x.now))(t)
	if _, err := x.state.NewReceipt(d, &o, nil); code(err) != fiscal.CodeReturned {
		t.Errorf("second void, recorded: %v", err)
	}
}

func TestCopiesAreCountedAndLimited(t *testing.T) {
	x := newTill(t)
	s := x.state.Shop
	s.MaxCopies = 2
	x.record(&fiscal.ConfigChange{Actor: both, Shop: s})
	ref := x.original(x.sell(sale.Sale, money.One, sale.Card)).Reference
	for want := 1; want <= 2; want++ {
		n := x.state.NextCopy(ref, 0)
		if n != want {
			t.Errorf("NextCopy = %d, want %d", n, want)
		}
		x.record(&fiscal.Copy{Actor: anna, Receipt: ref, Copy: n})
	}
	if _, err := x.state.Draft(&fiscal.Copy{Actor: anna, Receipt: ref, Copy: 3}); err == nil {
		t.Error("a third copy where two are allowed")
	}
	x.z()
	if n := x.state.NextCopy(ref, 2); n != 3 {
		t.Errorf("NextCopy after the Z = %d, want 3", n)
	}
}

func TestShopsAreChecked(t *testing.T) {
	good := shop()
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*fiscal.Shop){
		"no name":            func(s *fiscal.Shop) { s.Name = "" },
		"no till":            func(s *fiscal.Shop) { s.Till = "" },
		"currency":           func(s *fiscal.Shop) { s.Currency = "XXQ" },
		"country":            func(s *fiscal.Shop) { s.Country = "Germany" },
		"no tax table":       func(s *fiscal.Shop) { s.TaxTable = nil },
		"tax rule twice":     func(s *fiscal.Shop) { s.TaxTable = append(s.TaxTable, s.TaxTable[0]) },
		"escape in a footer": func(s *fiscal.Shop) { s.Footer = []string{"\x1bp"} },
		"columns":            func(s *fiscal.Shop) { s.Columns = 40 },
		"discount of 200 %":  func(s *fiscal.Shop) { s.Discount = 200_000 },
		"tender":             func(s *fiscal.Shop) { s.Tenders = []sale.TenderType{"shells"} },
		"own currency as foreign": func(s *fiscal.Shop) {
			s.Exchange = []fiscal.Exchange{{Currency: "EUR", Rate: money.Rate{Num: 1, Den: 1}}}
		},
		"rate of zero": func(s *fiscal.Shop) { s.Exchange = []fiscal.Exchange{{Currency: "CHF"}} },
		"detail":       func(s *fiscal.Shop) { s.Detail = "everything" },
	} {
		t.Run(name, func(t *testing.T) {
			s := shop()
			spoil(&s)
			var e *fiscal.Error
			if err := s.Validate(); !errors.As(err, &e) || e.Code() != fiscal.CodeShop {
				t.Errorf("Validate() = %v, want code %s", err, fiscal.CodeShop)
			}
		})
	}
}
