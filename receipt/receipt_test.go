package receipt_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/receipt"
	"github.com/plomb-pos/plomb/receipt/paper"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/tax"
)

var update = flag.Bool("update", false, "write testdata")

var at = time.Date(2026, 11, 22, 9, 30, 15, 0, time.FixedZone("", 3600))

var issuer = receipt.Issuer{
	Name: "Kiosk am Eck", Address: []string{"Am Eck 1", "12345 Ecklingen"}, TaxNumber: "DE123456789", Till: "1",
	Language: "de", Header: []string{"* seit 1987 *"}, Footer: []string{"Vielen Dank!"},
}

func try[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func basket(mode sale.Mode, prices tax.Prices, c money.Currency, step money.Amount) *sale.Basket {
	return try(sale.New("b-1", mode, "anna", sale.Terms{Currency: c, Tax: tax.Policy{Prices: prices, Method: tax.PerReceipt}, CashStep: step}, at))
}

func fill(b *sale.Basket) *sale.Basket {
	coffee := sale.Item{SKU: "1", Name: "Kaffee, frisch gemahlen und sehr lang benannt", Price: 2_550_000, Class: tax.Standard, Letter: "A", Rate: 19_000}
	apples := sale.Item{SKU: "2", Name: "Äpfel 苹果", Unit: "kg", Price: 2_990_000, Class: tax.Reduced, Letter: "B", Rate: 7_000, Divisible: true}
	try(b.AddLine(coffee, 3*money.One, sale.Apart, at))
	try(b.AddLine(apples, 452_000, sale.Apart, at))
	return b
}

func complete(b *sale.Basket, payments ...sale.Payment) sale.Document {
	for _, p := range payments {
		try(b.Tender(p, at))
	}
	return try(b.Complete("anna", at))
}

func document(d sale.Document) receipt.Document {
	return receipt.Document{Issuer: issuer, Sale: d, Number: 17, Origin: "till-1/e1", Index: 123, At: at, Code: "PLOMB1:CODE"}
}

func discounted() *sale.Basket {
	b := fill(basket(sale.Sale, tax.Gross, "EUR", 0))
	try(b.DiscountLine(1, sale.Off{Percent: 10_000}, "Stammkunde", ""))
	if err := b.Override(2, 1_990_000, "Druckstellen", "boss"); err != nil {
		panic(err)
	}
	try(b.DiscountReceipt(sale.Off{Amount: 100}, "Gutschein", "boss"))
	return b
}

func samples() map[string]receipt.Document {
	simple := complete(fill(basket(sale.Sale, tax.Gross, "EUR", 0)), sale.Payment{Type: sale.Cash, Amount: 1000})
	ref := sale.Reference{Origin: "till-1/e1", Index: 100, Number: 12, At: at.Add(-time.Hour)}
	o := sale.Original{Reference: ref, Document: simple}
	back := try(sale.NewReturn("r", "anna", o, sale.Terms{Currency: "EUR"}, at))
	try(back.ReturnLine(o, 1, money.One, "kaputt", "boss", at))
	split := complete(discounted(), sale.Payment{Type: sale.Card, Amount: 300, Tip: 50, Text: "VISA 1234", Reference: "T-77"},
		sale.Payment{Type: sale.Cash, Foreign: &sale.Foreign{Currency: "CHF", Amount: 1000, Rate: money.Rate{Num: 9348, Den: 10_000}}})
	invoice := fill(basket(sale.Sale, tax.Net, "CHF", 5))
	if err := invoice.For(&sale.Customer{Name: "Muster AG", Address: "Zürich", TaxNumber: "CHE-1"}); err != nil {
		panic(err)
	}
	out := map[string]receipt.Document{
		"sale":     document(simple),
		"split":    document(split),
		"net":      document(complete(invoice, sale.Payment{Type: sale.Cash})),
		"return":   document(complete(back, sale.Payment{Type: sale.Cash})),
		"void":     document(try(sale.Void(o, "anna", "boss", "falsche Ware", at))),
		"training": document(complete(fill(basket(sale.Training, tax.Gross, "EUR", 0)), sale.Payment{Type: sale.Cash})),
	}
	copied := document(simple)
	copied.Copy, copied.Operator = 2, "Anna"
	out["copy"] = copied
	outage := document(simple)
	outage.Outage, outage.Unsure, outage.Code = true, true, ""
	outage.Lines, outage.LawCode = []string{"Sicherheitseinrichtung ausgefallen"}, "_R1-AT1_"
	out["outage"] = outage
	late := document(simple)
	late.Late = &receipt.Late{Number: "H-1", IssuedAt: at.Add(-2 * time.Hour), Reason: "Stromausfall"}
	out["late"] = late
	return out
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name + ".txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// Requirement: POS-02
func TestReceiptsLookAsTheyDid(t *testing.T) {
	for name, d := range samples() {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, columns := range []int{receipt.Wide, receipt.Narrow} {
				for _, language := range receipt.Languages() {
					if columns == receipt.Narrow && language != "de" && language != "zh" {
						continue
					}
					fmt.Fprintf(&b, "== %d %s\n%s", columns, language, paper.RenderText(receipt.Layout(d, columns, language), columns))
				}
			}
			golden(t, name, b.String())
		})
	}
}

// People read the text on a screen and in a mail: no marks of a printer in it.
func TestTextForPeopleHasNoPrintersMarks(t *testing.T) {
	texts := []string{receipt.PlainReport(report(), receipt.Wide, "en")}
	for _, d := range samples() {
		texts = append(texts, receipt.PlainText(d, receipt.Narrow, "de"))
	}
	for _, text := range texts {
		if strings.Contains(text, "[") || strings.HasSuffix(text, "\n\n") {
			t.Errorf("marks in\n%s", text)
		}
	}
}

func report() receipt.Report {
	d := samples()
	var f drawer.Figures
	var after drawer.Grand
	for _, name := range []string{"sale", "split", "return", "void", "training"} {
		x := d[name].Sale
		if err := f.Document(&x); err != nil {
			panic(err)
		}
		after = try(after.After(&x))
	}
	f.Copies, f.Removed = drawer.Tally{Count: 1, Amount: 900}, drawer.Tally{Count: 2, Amount: 510}
	f.NoSales, f.Lookups, f.Refused, f.Counts, f.Difference = 1, 3, 1, 1, -5
	f.Floats = drawer.Tally{Count: 1, Amount: 10_000}
	return receipt.Report{
		Issuer: issuer, Z: true, Currency: "EUR", Origin: "till-1/e1", Index: 150, Operator: "boss",
		Report: drawer.Report{
			Number: 4, Figures: f, After: after, Expected: []drawer.Holding{{Currency: "EUR", Amount: 10_234}},
			Span: drawer.Span{From: at.Add(-8 * time.Hour), To: at, First: 100, Last: 149, FirstNumber: 12, NextNumber: 16},
		},
	}
}

// Requirement: POS-02
func TestReportsLookAsTheyDid(t *testing.T) {
	for name, change := range map[string]func(*receipt.Report){
		"z-report": func(*receipt.Report) {},
		"x-report": func(r *receipt.Report) { r.Z, r.Copy = false, 1 },
		"z-lost":   func(r *receipt.Report) { r.AtLeast = true },
		"period":   func(r *receipt.Report) { r.Z, r.Period = false, true },
		"z-empty": func(r *receipt.Report) {
			r.Report.Figures, r.Report.Expected, r.Report.After = drawer.Figures{}, nil, drawer.Grand{}
			r.Report.Span.NextNumber = r.Report.Span.FirstNumber
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := report()
			change(&r)
			var b strings.Builder
			for _, language := range receipt.Languages() {
				fmt.Fprintf(&b, "== 48 %s\n%s", language, paper.RenderText(receipt.LayoutReport(r, receipt.Wide, language), receipt.Wide))
			}
			fmt.Fprintf(&b, "== 32 de\n%s", paper.RenderText(receipt.LayoutReport(r, receipt.Narrow, "de"), receipt.Narrow))
			golden(t, name, b.String())
		})
	}
}

func TestEveryLayoutCanBePrinted(t *testing.T) {
	for name, d := range samples() {
		for _, columns := range []int{0, 32, 48, 200} {
			if err := receipt.Layout(d, columns, "pl").Validate(); err != nil {
				t.Errorf("%s in %d columns: %v", name, columns, err)
			}
		}
	}
	r := report()
	if err := receipt.LayoutReport(r, 32, "zh").Validate(); err != nil {
		t.Error(err)
	}
}

func TestTextsCannotCarryPrinterCommands(t *testing.T) {
	d := samples()["sale"]
	d.Issuer.Name, d.Sale.Lines[0].Name = "\x1b@\x1dV0", "a\u2028\x1bp\xff"
	doc := receipt.Layout(d, 48, "en")
	if err := doc.Validate(); err != nil {
		t.Errorf("Validate: %v", err)
	}
	if strings.ContainsAny(paper.RenderText(doc, 48), "\x1b\x1d") {
		t.Error("an escape reached the paper")
	}
}

func TestMarksStandAtTopAndBottom(t *testing.T) {
	for name, mark := range map[string]string{"training": "TRAINING - NOT A RECEIPT", "copy": "COPY 2"} {
		text := receipt.PlainText(samples()[name], 32, "en")
		if got := strings.Count(text, mark); got != 2 {
			t.Errorf("%s: %q stands %d times, want 2:\n%s", name, mark, got, text)
		}
	}
	if text := receipt.PlainText(samples()["outage"], 32, "en"); !strings.Contains(text, "SIGNER OUTAGE") {
		t.Errorf("no outage mark:\n%s", text)
	}
}

func TestNothingIsWiderThanThePaper(t *testing.T) {
	for name, d := range samples() {
		for line := range strings.Lines(receipt.PlainText(d, 32, "zh")) {
			if w := paper.Width(strings.TrimRight(line, "\n")); w > 32 {
				t.Errorf("%s: line of %d columns: %q", name, w, line)
			}
		}
	}
}

func TestUnknownLanguageIsEnglish(t *testing.T) {
	d := samples()["sale"]
	if receipt.PlainText(d, 48, "tlh") != receipt.PlainText(d, 48, "en") || receipt.PlainText(d, 48, "de-AT") != receipt.PlainText(d, 48, "") {
		t.Error("languages are not chosen as documented")
	}
}
