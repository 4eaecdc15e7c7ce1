package replay_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/internal/replay"
	"github.com/plomb-pos/plomb/money"
)

const header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"

func read(t interface{ Fatal(...any) }, lines ...string) *replay.Plan {
	p, err := replay.Read(strings.NewReader(header + strings.Join(lines, "\n") + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// words tells a plan in one line a document, and one for each line left.
func words(p *replay.Plan) (out []string) {
	for _, d := range p.Days {
		for _, s := range d.Steps {
			text := s.Invoice + " sale"
			if s.Of != nil {
				text = fmt.Sprintf("%s/%d return of %s", s.Invoice, s.Part, s.Of.Invoice)
			}
			for _, i := range s.Items {
				text += fmt.Sprintf(" %d×%s@%d", i.Quantity, i.SKU, i.Price)
			}
			out = append(out, fmt.Sprintf("%s %s = %d", d.Date, text, s.Amount()))
		}
		for _, l := range d.Left {
			out = append(out, fmt.Sprintf("%s left %s %d×%s: %s", d.Date, l.Line.Invoice, l.Line.Quantity, l.Line.Code, l.Reason))
		}
	}
	return out
}

func TestWhatIsBookedAndWhatIsNot(t *testing.T) {
	p := read(t,
		`1,A,RED MUG,5,2010-12-01 09:00:00,2.00,77.0,United Kingdom`,
		`1,E,BLUE MUG,1,2010-12-01 09:00:00,3.50,77.0,United Kingdom`,
		`1,A,RED MUG,1,2010-12-01 09:00:00,2.00,77.0,United Kingdom`,
		`1,POST,POSTAGE,1,2010-12-01 09:00:00,18.00,77.0,United Kingdom`,
		`2,A,RED MUG,4,2010-12-01 10:00:00,2.00,77.0,United Kingdom`,
		`3,A,RED MUG,9,2010-12-01 10:30:00,2.00,,United Kingdom`, // no customer: nobody can bring it back
		`4,A,,3,2010-12-01 10:40:00,0.00,,United Kingdom`,
		`4,A,RED MUG,3,2010-12-01 10:40:00,0.00,,United Kingdom`,
		`4,A,RED MUG,-3,2010-12-01 10:40:00,0.00,,United Kingdom`,
		`5,AMAZONFEE,AMAZON FEE,1,2010-12-01 11:00:00,13541.33,,United Kingdom`,
		`C6,A,RED MUG,-7,2010-12-01 12:00:00,2.00,77.0,United Kingdom`, // 4 of invoice 2, 3 of invoice 1
		`C6,E,BLUE MUG,-1,2010-12-01 12:00:00,3.50,77.0,United Kingdom`,
		`C7,A,RED MUG,-4,2010-12-02 09:00:00,2.00,77.0,United Kingdom`, // 3 are left
		`C7,A,RED MUG,-3,2010-12-02 09:00:00,2.00,77.0,United Kingdom`,
		`C7,A,RED MUG,-1,2010-12-02 09:00:00,2.05,77.0,United Kingdom`,
		`C7,A,RED MUG,-1,2010-12-02 09:00:00,2.00,,United Kingdom`,
		`C7,D,Discount,-1,2010-12-02 09:00:00,27.50,77.0,United Kingdom`,
		`C7,BANK CHARGES,Bank Charges,-1,2010-12-02 09:00:00,1.00,77.0,United Kingdom`,
		`C7,A,RED MUG,1,2010-12-02 09:00:00,2.00,77.0,United Kingdom`,
	)
	want := []string{
		"2010-12-01 1 sale 5×A@200 1×E@350 1×A@200 1×POST@1800 = 3350",
		"2010-12-01 2 sale 4×A@200 = 800",
		"2010-12-01 3 sale 9×A@200 = 1800",
		"2010-12-01 C6/0 return of 2 4×A@200 = -800",
		"2010-12-01 C6/1 return of 1 3×A@200 1×E@350 = -950",
		"2010-12-01 left 4 3×A: " + string(replay.NoName),
		"2010-12-01 left 4 3×A: " + string(replay.NoPrice),
		"2010-12-01 left 4 -3×A: " + string(replay.Negative),
		"2010-12-01 left 5 1×AMAZONFEE: " + string(replay.OwnCost),
		"2010-12-02 C7/0 return of 1 3×A@200 = -600",
		"2010-12-02 left C7 -4×A: " + string(replay.NotEnough),
		"2010-12-02 left C7 -1×A: " + string(replay.NoOriginal),
		"2010-12-02 left C7 -1×A: " + string(replay.NoCustomer),
		"2010-12-02 left C7 -1×D: " + string(replay.CreditOnly),
		"2010-12-02 left C7 -1×BANK CHARGES: " + string(replay.OwnCost),
		"2010-12-02 left C7 1×A: " + string(replay.Positive),
	}
	if diff := cmp.Diff(want, words(p)); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	articles := []replay.Article{{SKU: "A", Name: "RED MUG"}, {SKU: "E", Name: "BLUE MUG"}, {SKU: "POST", Name: "POSTAGE", Service: true}}
	if diff := cmp.Diff(articles, p.Articles); diff != "" {
		t.Errorf("articles (-want +got):\n%s", diff)
	}
}

func TestAnInvoiceOfMoreLinesThanAReceiptHoldsIsNotCutSilently(t *testing.T) {
	var lines []string
	for i := range 1002 {
		lines = append(lines, fmt.Sprintf(`1,S%d,THING,1,2010-12-01 09:00:00,1.00,,United Kingdom`, i))
	}
	p := read(t, lines...)
	if d := p.Days[0]; d.Steps[0].Lines != 1000 || len(d.Left) != 2 || d.Left[0].Reason != replay.TooManyRows {
		t.Errorf("%d lines booked, left %v", d.Steps[0].Lines, d.Left)
	}
}

func TestEveryLineIsBookedOnceOrLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lines []string
		for i := range rapid.IntRange(1, 60).Draw(t, "lines") {
			invoice := rapid.SampledFrom([]string{"1", "2", "3", "C4", "C5"}).Draw(t, "invoice")
			lines = append(lines, fmt.Sprintf("%s,%s,%s,%d,2010-12-%02d 09:%02d:00,%d.%02d,%s,United Kingdom", invoice,
				rapid.SampledFrom([]string{"A", "B", "D", "POST", "BANK CHARGES"}).Draw(t, "code"),
				rapid.SampledFrom([]string{"", "THING", "THING"}).Draw(t, "name"), rapid.IntRange(-6, 9).Draw(t, "quantity"),
				1+i/20, i%60, rapid.IntRange(0, 1).Draw(t, "pounds"), rapid.SampledFrom([]int{0, 50}).Draw(t, "pence"),
				rapid.SampledFrom([]string{"", "7.0", "8.0"}).Draw(t, "customer")))
		}
		p := read(t, lines...)
		balanced(t, p)
		neverTooMuchBack(t, p)
	})
}

func balanced(t *rapid.T, p *replay.Plan) {
	lines := 0
	for _, d := range p.Days {
		sum, n := money.Amount(0), len(d.Left)
		for _, s := range d.Steps {
			sum, n = sum+s.Amount(), n+s.Lines
		}
		for _, l := range d.Left {
			sum += l.Line.Amount()
		}
		if sum != d.Sum || n != d.Lines {
			t.Fatalf("%s: %d pence in %d lines are booked or left, the file has %d in %d", d.Date, sum, n, d.Sum, d.Lines)
		}
		lines += d.Lines
	}
	if lines != p.Lines {
		t.Fatalf("days have %d lines, the file %d", lines, p.Lines)
	}
}

func neverTooMuchBack(t *rapid.T, p *replay.Plan) {
	type goods struct {
		of    *replay.Step
		sku   catalog.SKU
		price money.Amount
	}
	left := map[goods]int64{}
	for _, d := range p.Days {
		for _, s := range d.Steps {
			for _, i := range s.Items {
				if s.Of == nil {
					left[goods{s, i.SKU, i.Price}] += i.Quantity
				} else if left[goods{s.Of, i.SKU, i.Price}] -= i.Quantity; left[goods{s.Of, i.SKU, i.Price}] < 0 || s.At.Before(s.Of.At) {
					t.Fatalf("%s gives back more of %s than %s sold, or before it did", s.Invoice, i.SKU, s.Of.Invoice)
				}
			}
		}
	}
}

func TestAnotherFileIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty":            "",
		"other columns":    "sku,name\n1,2\n",
		"no lines":         header,
		"half a penny":     header + "1,A,MUG,1,2010-12-01 09:00:00,2.005,,UK\n",
		"half a mug":       header + "1,A,MUG,0.5,2010-12-01 09:00:00,2.00,,UK\n",
		"negative price":   header + "1,A,MUG,1,2010-12-01 09:00:00,-2.00,,UK\n",
		"no day":           header + "1,A,MUG,1,2010-13-01 09:00:00,2.00,,UK\n",
		"column too few":   header + "1,A,MUG,1,2010-12-01 09:00:00,2.00,\n",
		"no stock code":    header + "1,,MUG,1,2010-12-01 09:00:00,2.00,,UK\n",
		"absurd quantity":  header + "1,A,MUG,99999999999,2010-12-01 09:00:00,2.00,,UK\n",
		"quote left open":  header + "1,A,\"MUG,1,2010-12-01 09:00:00,2.00,,UK\n",
		"stock code: ¢":    header + "1,¢,MUG,1,2010-12-01 09:00:00,2.00,,UK\n",
		"price beyond all": header + "1,A,MUG,1,2010-12-01 09:00:00,99999999999999.00,,UK\n",
	} {
		if _, err := replay.Read(strings.NewReader(text)); !errors.Is(err, replay.ErrFile) {
			t.Errorf("%s: %v, want ErrFile", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(header + "1,A,MUG,5,2010-12-01 09:00:00,2.00,7.0,UK\nC2,A,MUG,-2,2010-12-01 09:00:00,2.00,7.0,UK\n")
	f.Add(header + "1,A,,0,2010-12-01 09:00:00,0.00,,UK\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := replay.Read(strings.NewReader(text))
		if err != nil {
			return
		}
		lines := 0
		for _, d := range p.Days {
			for _, s := range d.Steps {
				lines += s.Lines
			}
			lines += len(d.Left)
		}
		if lines != p.Lines {
			t.Errorf("%d lines are booked or left, the file has %d", lines, p.Lines)
		}
	})
}
