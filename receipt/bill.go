package receipt

import (
	"strconv"
	"time"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/receipt/paper"
	"github.com/plomb-pos/plomb/tax"
)

// Bill is what a pro forma bill says: what is to be paid, before it is. It is no
// receipt, and says so at the top and at the bottom; neither mark can be left
// out. It has no number and no code.
type Bill struct {
	Issuer   Issuer
	Currency money.Currency
	Training bool
	At       time.Time // with the offset of the shop's zone
	Operator string    // id or, passed in, name
	Lines    []BillLine
	Taxes    []tax.Total
	Total    money.Amount
	Origin   string // of the journal
	Index    uint64 // of the entry
}

// BillLine is a line of it; Gross is after all discounts.
type BillLine struct {
	Name     string
	Quantity money.Quantity
	Unit     string
	Price    money.UnitPrice
	Gross    money.Amount
	Letter   string
}

// LayoutBill puts a pro forma bill on paper; see Layout for columns and language.
func LayoutBill(b Bill, columns int, language string) paper.Doc {
	p := newPage(b.Issuer, columns, language, b.Currency)
	p.billMark(&b)
	p.head(b.Issuer)
	p.strong(p.say(wProForma), "")
	p.row(p.when(b.At), p.say(wTill)+" "+b.Issuer.Till)
	p.row(p.say(wOperator), b.Operator)
	p.rule()
	for _, l := range b.Lines {
		p.billLine(l)
	}
	p.rule()
	p.add(paper.Columns{Left: p.say(wToPay) + " " + string(b.Currency), Right: p.amount(b.Total), Style: paper.Style{Bold: true, Tall: true}})
	p.taxes(b.Taxes)
	p.center(b.Origin+" #"+strconv.FormatUint(b.Index, 10), paper.Style{})
	p.billMark(&b)
	p.add(paper.Cut{})
	return clean(p.doc)
}

func (p *page) billMark(b *Bill) {
	strong := paper.Style{Bold: true, Invert: true}
	if b.Training {
		p.center(" "+p.say(wTraining)+" ", strong)
	}
	p.center(" "+p.say(wProForma)+" - "+p.say(wTrainingNot)+" ", strong)
}

func (p *page) billLine(l BillLine) {
	right := p.amount(l.Gross)
	if l.Letter != "" {
		right += " " + l.Letter
	}
	p.row(l.Name, right)
	if l.Quantity == money.One && l.Unit == "" {
		return
	}
	q := p.comma(l.Quantity.String())
	if l.Unit != "" {
		q += " " + l.Unit
	}
	p.detail(q+" x "+p.comma(l.Price.Text(p.cur)), "")
}

// PlainBill is LayoutBill as plain text.
func PlainBill(b Bill, columns int, language string) string {
	return paper.RenderText(readable(LayoutBill(b, columns, language)), columns)
}
