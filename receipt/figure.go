package receipt

import (
	"strings"
	"time"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/receipt/paper"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/tax"
)

// page collects blocks in one language and currency.
type page struct {
	doc     paper.Doc
	words   vocabulary
	cur     money.Currency
	columns int
}

func (p *page) add(b ...paper.Block) { p.doc = append(p.doc, b...) }

// row is a line with two ends; the left one is indented by two where it is a
// detail of the line above.
func (p *page) row(left, right string) { p.add(paper.Columns{Left: left, Right: right}) }
func (p *page) detail(left, right string) {
	p.add(paper.Columns{Left: "  " + left, Right: right})
}
func (p *page) strong(left, right string) {
	p.add(paper.Columns{Left: left, Right: right, Style: paper.Style{Bold: true}})
}
func (p *page) center(text string, s paper.Style) {
	p.add(paper.Styled(text, s, paper.Center))
}
func (p *page) centered(lines []string) {
	for _, l := range lines {
		p.center(l, paper.Style{})
	}
}
func (p *page) rule()             { p.add(paper.Rule{}) }
func (p *page) say(w word) string { return p.words.say(w) }

// comma puts the decimal sign of the language into a plain decimal.
func (p *page) comma(s string) string {
	if l := languages[p.words]; l == "de" || l == "pl" {
		return strings.Replace(s, ".", ",", 1)
	}
	return s
}

func (p *page) amount(a money.Amount) string { return p.comma(a.Text(p.cur)) }

func (p *page) in(a money.Amount, c money.Currency) string {
	return p.comma(a.Text(c)) + " " + string(c)
}

func (p *page) percent(r tax.Rate) string { return p.comma(r.String()) + " %" }

// when writes date and time as the language does, in the time's own offset.
func (p *page) when(t time.Time) string {
	if l := languages[p.words]; l == "de" || l == "pl" {
		return t.Format("02.01.2006 15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}

func (p *page) tender(t sale.TenderType) string {
	switch t {
	case sale.Cash:
		return p.say(wCash)
	case sale.Card:
		return p.say(wCard)
	case sale.Voucher:
		return p.say(wVoucher)
	}
	return p.say(wOther)
}

// Columns of the first cell in the table of rates and in that of grand totals.
const (
	rateNames  = 8
	grandNames = 11
)

// cells writes a table row: the first cell left, the others right, each in an
// equal share of the columns. A cell that does not fit pushes the row over two
// lines rather than losing a digit.
func (p *page) cells(names int, first string, others ...string) {
	width := (p.columns - names) / len(others)
	var b strings.Builder
	b.WriteString(pad(first, names, false))
	fits := paper.Width(first) <= names
	for _, c := range others {
		fits = fits && paper.Width(c) < width
		b.WriteString(pad(c, width, true))
	}
	if fits {
		p.add(paper.Line(b.String()))
		return
	}
	p.row(first, others[0])
	for _, c := range others[1:] {
		p.row("", c)
	}
}

func pad(s string, width int, right bool) string {
	blanks := strings.Repeat(" ", max(0, width-paper.Width(s)))
	if right {
		return blanks + s
	}
	return s + blanks
}

// taxes is the table of rates.
func (p *page) taxes(totals []tax.Total) {
	if len(totals) == 0 {
		return
	}
	p.cells(rateNames, "%", p.say(wNet), p.say(wTax), p.say(wGross))
	for _, t := range totals {
		p.cells(rateNames, strings.TrimSpace(t.Letter+" "+p.percent(t.Rate)), p.amount(t.Net), p.amount(t.Tax), p.amount(t.Gross))
	}
}
