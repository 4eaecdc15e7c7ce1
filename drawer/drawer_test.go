package drawer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/tax"
)

var now = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func code(err error) string {
	if c, ok := err.(interface{ Code() string }); ok {
		return c.Code()
	}
	return fmt.Sprint(err)
}

func drawDocument(t *rapid.T) sale.Document {
	mode := rapid.SampledFrom([]sale.Mode{sale.Sale, sale.Sale, sale.Return, sale.Training}).Draw(t, "mode")
	operator := rapid.SampledFrom([]staff.ID{"anna", "ben", "cleo"}).Draw(t, "operator")
	b, err := sale.New("b", mode, operator, sale.Terms{Currency: "CHF", CashStep: 5, Tax: tax.Policy{Method: tax.PerLine}}, now)
	if err != nil {
		t.Fatal(err)
	}
	for range rapid.IntRange(1, 3).Draw(t, "lines") {
		item := sale.Item{
			SKU: "x", Name: "x", Group: rapid.SampledFrom([]string{"", "food", "toys"}).Draw(t, "group"),
			Price: money.UnitPrice(rapid.Int64Range(0, 99_000_000).Draw(t, "price")), Class: tax.Standard, Letter: "A", Rate: 8_100,
		}
		if mode == sale.Return {
			_, err = b.ReturnItem(item, money.One, "w", "boss", now)
		} else {
			_, err = b.AddLine(item, money.One, sale.Apart, now)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if x, _ := b.Totals(); !x.Settled {
		p := sale.Payment{Type: rapid.SampledFrom([]sale.TenderType{sale.Cash, sale.Card}).Draw(t, "type")}
		if p.Type == sale.Cash && mode == sale.Sale && rapid.Bool().Draw(t, "foreign") {
			p.Foreign = &sale.Foreign{Currency: "EUR", Amount: 100_000, Rate: money.Rate{Num: 93, Den: 100}}
		}
		if _, err := b.Tender(p, now); err != nil {
			t.Fatal(err)
		}
	}
	d, err := b.Complete(operator, now)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Requirement: POS-02
func TestFiguresAreTheSumsOfTheirDocuments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var whole, first, second drawer.Figures
		var grand drawer.Grand
		var sales, returns, cash money.Amount
		for i := range rapid.IntRange(1, 12).Draw(t, "documents") {
			d := drawDocument(t)
			part := &first
			if i%2 == 1 {
				part = &second
			}
			for _, f := range []*drawer.Figures{&whole, part} {
				if err := f.Document(&d); err != nil {
					t.Fatal(err)
				}
			}
			var err error
			before := grand
			if grand, err = grand.After(&d); err != nil {
				t.Fatal(err)
			}
			if grand.Sale < before.Sale || grand.Return < before.Return || grand.Sale-grand.Return != grand.Net {
				t.Fatalf("grand totals %+v after %+v", grand, before)
			}
			switch d.Mode {
			case sale.Sale:
				sales += d.Total
			case sale.Return:
				returns += d.Total
			}
			if d.Mode != sale.Training {
				for _, x := range d.Tenders {
					if x.Type == sale.Cash {
						cash += x.Amount
					}
				}
				cash -= d.Change
			}
		}
		if whole.Sales.Amount != sales || whole.Returns.Amount != returns || grand.Net != sales+returns {
			t.Fatalf("sales %d, returns %d, net %d; want %d, %d", whole.Sales.Amount, whole.Returns.Amount, grand.Net, sales, returns)
		}
		checkRows(t, &whole, cash)
		sum := first.Clone()
		if err := sum.Add(&second); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(whole, *sum); diff != "" {
			t.Fatalf("two halves are not the whole:\n%s", diff)
		}
	})
}

// checkRows verifies that each list of rows adds up to the turnover.
func checkRows(t *rapid.T, f *drawer.Figures, cash money.Amount) {
	var taxes, groups, operators, inCash money.Amount
	for _, x := range f.Taxes {
		taxes += x.Gross
	}
	for _, x := range f.Groups {
		groups += x.Amount
	}
	for _, x := range f.Operators {
		operators += x.Sales.Amount + x.Returns.Amount + x.Voids.Amount
	}
	for _, x := range f.Tenders {
		if x.Type == sale.Cash {
			inCash += x.Amount
		}
	}
	if turnover := f.Turnover(); taxes != turnover || groups != turnover || operators != turnover || inCash != cash {
		t.Fatalf("turnover %d: taxes %d, groups %d, operators %d; cash %d, want %d", turnover, taxes, groups, operators, inCash, cash)
	}
}

func TestDrawerHoldsWhatWentIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s drawer.Session
		if err := s.Begin("anna", "CHF", now); err != nil {
			t.Fatal(err)
		}
		if err := s.Put(1_000_000); err != nil {
			t.Fatal(err)
		}
		chf, eur := money.Amount(1_000_000), money.Amount(0)
		for range rapid.IntRange(0, 10).Draw(t, "documents") {
			d := drawDocument(t)
			if _, err := s.Document(&d); err != nil {
				t.Fatal(err)
			}
			if d.Mode == sale.Training {
				continue
			}
			for _, x := range d.Tenders {
				switch {
				case x.Foreign != nil:
					eur += x.Foreign.Amount
				case x.Type == sale.Cash:
					chf += x.Amount
				}
			}
			chf -= d.Change
		}
		count := drawer.Count{Amount: chf + 7}
		if eur != 0 {
			count.Foreign = []drawer.Holding{{Currency: "EUR", Amount: eur - 5}}
		}
		f, err := s.Declare(count, "anna", now)
		if err != nil {
			t.Fatal(err)
		}
		if f.Expected != chf || f.Difference != 7 {
			t.Fatalf("finding %+v, want %d expected", f, chf)
		}
		if eur != 0 && (len(f.Foreign) != 1 || f.Foreign[0].Amount != -5) {
			t.Fatalf("foreign differences %+v", f.Foreign)
		}
	})
}

func TestCountingIsBlindAndClosingWantsIt(t *testing.T) {
	var s drawer.Session
	if _, err := s.Declare(drawer.Count{}, "anna", now); code(err) != drawer.CodeClosed {
		t.Errorf("counting a closed drawer: %v", err)
	}
	if err := s.Begin("anna", "EUR", now); err != nil {
		t.Fatal(err)
	}
	if err := s.Begin("ben", "EUR", now); code(err) != drawer.CodeOpen {
		t.Errorf("opening twice: %v", err)
	}
	if _, err := s.End(); code(err) != drawer.CodeNotCounted {
		t.Errorf("closing uncounted: %v", err)
	}
	if err := s.Put(500); err != nil {
		t.Fatal(err)
	}
	pieces := drawer.Count{Pieces: []drawer.Pieces{{Value: 200, Pieces: 2}, {Value: 50, Pieces: 1}}, Amount: 450}
	if _, err := s.Declare(pieces, "anna", now); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.End(); code(err) != drawer.CodeNotCounted {
		t.Errorf("closing after cash moved since the count: %v", err)
	}
	if _, err := s.Declare(pieces, "anna", now); err != nil {
		t.Fatal(err)
	}
	f, err := s.End()
	if err != nil || f.Difference != -51 {
		t.Fatalf("End = %+v, %v", f, err)
	}
	if err := s.Begin("ben", "EUR", now); err != nil || s.Number != 2 {
		t.Fatalf("next session %d, %v", s.Number, err)
	}
	if g, _ := s.Declare(drawer.Count{Amount: 450}, "ben", now); g.Difference != 0 {
		t.Errorf("the next session expects %d, 450 were counted", g.Expected)
	}
}

func TestCashBelowZeroIsMeantOrRefused(t *testing.T) {
	var s drawer.Session
	if err := s.Begin("anna", "EUR", now); err != nil {
		t.Fatal(err)
	}
	if err := s.Take(1, false); code(err) != drawer.CodeNegative {
		t.Errorf("Take from nothing: %v", err)
	}
	if err := s.Take(1, true); err != nil || !s.BelowZero() {
		t.Errorf("Take that is meant: %v, below %v", err, s.BelowZero())
	}
	for _, a := range []money.Amount{0, -1, drawer.MaxAmount + 1} {
		if err := s.Put(a); code(err) != drawer.CodeBadAmount {
			t.Errorf("Put(%d): %v", a, err)
		}
	}
}

func TestCountsThatCannotBe(t *testing.T) {
	var s drawer.Session
	if err := s.Begin("anna", "EUR", now); err != nil {
		t.Fatal(err)
	}
	for _, c := range []drawer.Count{
		{Amount: -1},
		{Amount: 3, Pieces: []drawer.Pieces{{Value: 2, Pieces: 1}}},
		{Pieces: []drawer.Pieces{{Value: 0, Pieces: 1}}},
		{Pieces: []drawer.Pieces{{Value: drawer.MaxAmount, Pieces: 1_000_000}}},
		{Foreign: []drawer.Holding{{Currency: "EUR", Amount: 1}}},
		{Foreign: []drawer.Holding{{Currency: "CHF", Amount: 1}, {Currency: "CHF", Amount: 1}}},
		{Foreign: []drawer.Holding{{Currency: "???", Amount: 1}}},
	} {
		if _, err := s.Declare(c, "anna", now); code(err) != drawer.CodeBadCount {
			t.Errorf("Declare(%+v): %v", c, err)
		}
	}
}

func TestRowsAreBounded(t *testing.T) {
	var f drawer.Figures
	for i := range 3 * drawer.MaxRows {
		d := sale.Document{Mode: sale.Sale, Currency: "EUR", Operator: "anna", Total: 1, Lines: []sale.DocumentLine{{Item: sale.Item{Group: fmt.Sprintf("g%05d", i)}, Gross: 1}}}
		if err := f.Document(&d); err != nil {
			t.Fatal(err)
		}
	}
	var sum money.Amount
	for _, g := range f.Groups {
		sum += g.Amount
	}
	if len(f.Groups) != drawer.MaxRows+1 || sum != 3*drawer.MaxRows {
		t.Errorf("%d rows of %d", len(f.Groups), sum)
	}
}

// Requirement: POS-02
func TestMonthIsTheSumOfItsDays(t *testing.T) {
	day := func(n int64, before money.Amount, sales money.Amount) drawer.Report {
		g := func(a money.Amount) drawer.Grand { return drawer.Grand{Sale: a, Net: a} }
		return drawer.Report{
			Number: n, Before: g(before), After: g(before + sales),
			Figures: drawer.Figures{Currency: "EUR", Sales: drawer.Tally{Count: 1, Amount: sales}, Taxes: []tax.Total{{Class: tax.Standard, Letter: "A", Net: sales, Gross: sales}}},
			Span:    drawer.Span{From: now, To: now.Add(time.Hour), FirstNumber: n, NextNumber: n + 1},
		}
	}
	days := []drawer.Report{day(1, 0, 100), day(2, 100, 50), day(3, 150, 25)}
	month, err := drawer.Sum(days)
	if err != nil {
		t.Fatal(err)
	}
	if err := month.Check(); err != nil {
		t.Error(err)
	}
	if month.Figures.Sales != (drawer.Tally{Count: 3, Amount: 175}) || month.After.Net != 175 || month.Number != 3 || month.Span.NextNumber != 4 {
		t.Errorf("month = %+v", month)
	}
	for name, bad := range map[string][]drawer.Report{
		"none": nil, "a day missing": {days[0], days[2]}, "twice the same": {days[0], days[0]}, "totals that jump": {days[0], day(2, 101, 1)},
	} {
		if _, err := drawer.Sum(bad); code(err) != drawer.CodeBadReports {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := day(1, 0, 100)
	broken.Figures.Sales.Amount--
	if err := broken.Check(); code(err) != drawer.CodeBadReports {
		t.Errorf("report that does not add up: %v", err)
	}
}

func TestCurrenciesAreNotMixed(t *testing.T) {
	f := drawer.Figures{Currency: "EUR"}
	d := sale.Document{Mode: sale.Sale, Currency: "CHF"}
	if err := f.Document(&d); code(err) != drawer.CodeBadDocument {
		t.Errorf("Document in CHF: %v", err)
	}
	if err := f.Add(&drawer.Figures{Currency: "CHF"}); code(err) != drawer.CodeBadDocument {
		t.Errorf("Add in CHF: %v", err)
	}
	f.Sales.Amount = 1<<63 - 1
	d.Currency, d.Total = "EUR", 1
	if err := f.Document(&d); code(err) != drawer.CodeOverflow || f.Sales.Count != 0 {
		t.Errorf("overflow: %v, count %d", err, f.Sales.Count)
	}
}
