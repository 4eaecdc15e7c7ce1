package receipt

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/receipt/paper"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/tax"
)

// Layout puts a receipt on paper of so many columns (Narrow or Wide; anything
// below 24 counts as Narrow), in a language ("" is the issuer's). The
// document should have come from an entry: nothing is checked here.
func Layout(d Document, columns int, language string) paper.Doc {
	p := newPage(d.Issuer, columns, language, d.Sale.Currency)
	p.banner(&d)
	p.head(d.Issuer)
	p.title(&d)
	p.rule()
	for i := range d.Sale.Lines {
		p.line(&d.Sale.Lines[i])
	}
	p.rule()
	p.total(&d.Sale)
	p.payment(&d.Sale)
	p.rule()
	p.taxes(d.Sale.Taxes)
	p.marks(&d)
	p.foot(&d)
	p.banner(&d)
	p.add(paper.Cut{})
	return clean(p.doc)
}

func newPage(i Issuer, columns int, language string, c money.Currency) *page {
	if columns < 24 {
		columns = Narrow
	}
	if language == "" {
		language = i.Language
	}
	return &page{words: speak(language), cur: c, columns: columns}
}

// banner is what must not be overlooked, at the top and at the bottom.
func (p *page) banner(d *Document) {
	strong := paper.Style{Bold: true, Invert: true}
	if d.Sale.Mode == sale.Training {
		p.center(" "+p.say(wTraining)+" - "+p.say(wTrainingNot)+" ", strong)
	}
	if d.Copy > 0 {
		p.center(" "+p.say(wCopy)+" "+strconv.Itoa(d.Copy)+" ", strong)
	}
}

func (p *page) head(i Issuer) {
	p.centered(i.Header)
	p.center(i.Name, paper.Style{Bold: true, Tall: true})
	p.centered(i.Address)
	if i.TaxNumber != "" {
		p.center(p.say(wTaxNumber)+" "+i.TaxNumber, paper.Style{})
	}
	p.add(paper.Text{})
}

func (p *page) title(d *Document) {
	p.strong(p.kind(d)+" "+p.say(wNumber)+" "+strconv.FormatInt(d.Number, 10), "")
	p.row(p.when(d.At), p.say(wTill)+" "+d.Issuer.Till)
	operator := d.Operator
	if operator == "" {
		operator = string(d.Sale.Operator)
	}
	p.row(p.say(wOperator), operator)
	p.reference(&d.Sale)
	p.customer(d.Sale.Customer)
	if d.Late != nil {
		p.row(p.say(wWrittenAt), p.when(d.Late.IssuedAt))
		p.row(p.say(wWrittenNumber), d.Late.Number)
		p.row(p.say(wReason), d.Late.Reason)
	}
}

func (p *page) kind(d *Document) string {
	switch {
	case d.Late != nil:
		return p.say(wLate)
	case d.Sale.Mode == sale.Return:
		return p.say(wReturn)
	case d.Sale.Mode == sale.Voiding:
		return p.say(wVoid)
	case d.Sale.Mode == sale.Training:
		return p.say(wTraining)
	}
	return p.say(wReceipt)
}

func (p *page) reference(d *sale.Document) {
	if d.Original != nil {
		p.row(p.say(wOriginal), p.say(wNumber)+" "+strconv.FormatInt(d.Original.Number, 10))
		p.row("", p.when(d.Original.At))
	}
	if d.Reason != "" {
		p.row(p.say(wReason), d.Reason)
	}
}

func (p *page) customer(c *sale.Customer) {
	if c == nil {
		return
	}
	p.row(p.say(wCustomer), c.Name)
	for _, x := range []string{c.Address, c.TaxNumber} {
		if x != "" {
			p.row("", x)
		}
	}
}

func (p *page) line(l *sale.DocumentLine) {
	p.row(l.Name, strings.TrimSpace(p.amount(l.Extended)+" "+l.Letter))
	if l.Quantity != money.One || l.Unit != "" || l.Overridden {
		p.detail(p.quantity(l), "")
	}
	if l.Overridden {
		p.detail(p.say(wListPrice)+" "+p.comma(l.ListPrice.Text(p.cur))+", "+l.PriceReason, "")
	}
	for _, r := range l.Discounts {
		p.detail(p.discount(r), p.amount(r.Effect))
	}
	if off := l.Discount; len(l.Discounts) == 0 && off != 0 {
		p.detail(p.say(wDiscount), p.amount(off))
	}
	if l.OriginalLine != 0 && l.Share != 0 {
		p.detail(p.say(wDiscount), p.amount(l.Share))
	}
	if l.Reason != "" {
		p.detail(l.Reason, "")
	}
}

func (p *page) quantity(l *sale.DocumentLine) string {
	q := p.comma(l.Quantity.String())
	if l.Unit != "" {
		q += " " + l.Unit
	}
	return q + " x " + p.comma(l.Price.Text(p.cur))
}

func (p *page) discount(r sale.Reduction) string {
	s := p.say(wDiscount)
	if r.Percent != 0 {
		s += " " + p.percent(tax.Rate(r.Percent))
	}
	return s + " " + r.Reason
}

// total is the sum, with the receipt's discounts above it. A void and a return
// carry them in their lines.
func (p *page) total(d *sale.Document) {
	if len(d.Discounts) > 0 && d.Mode != sale.Voiding {
		p.row(p.say(wSubtotal), p.amount(subtotal(d)))
		for _, r := range d.Discounts {
			p.row(p.discount(r), p.amount(r.Effect))
		}
	}
	if d.Tax.Prices == tax.Net {
		p.row(p.say(wNet), p.amount(d.Net))
		p.row(p.say(wTax), p.amount(d.TaxAmount))
	}
	p.add(paper.Columns{Left: p.say(wTotal) + " " + string(d.Currency), Right: p.amount(d.Total), Style: paper.Style{Bold: true, Tall: true}})
}

func subtotal(d *sale.Document) money.Amount {
	var sum money.Amount
	for i := range d.Lines {
		sum += d.Lines[i].Extended + d.Lines[i].Discount
	}
	return sum
}

func (p *page) payment(d *sale.Document) {
	if d.Rounding != 0 {
		p.row(p.say(wRounding), p.amount(d.Rounding))
	}
	for i := range d.Tenders {
		p.tendered(&d.Tenders[i], d.Mode)
	}
	if d.Change != 0 {
		p.row(p.say(wChange), p.amount(d.Change))
	}
	if d.Tip != 0 {
		p.row(p.say(wTip), p.amount(d.Tip))
	}
}

func (p *page) tendered(t *sale.Tender, m sale.Mode) {
	name := p.tender(t.Type)
	if t.Text != "" {
		name += " " + t.Text
	}
	if m == sale.Return || m == sale.Voiding {
		name += " " + p.say(wPaidOut)
	}
	p.row(name, p.amount(t.Amount))
	if t.Foreign != nil {
		p.detail(p.in(t.Foreign.Amount, t.Foreign.Currency), "x "+p.ratio(t.Foreign.Rate))
	}
	if t.Reference != "" {
		p.detail(t.Reference, "")
	}
}

// ratio writes the exact rate that was applied: as a decimal where it is one,
// else as a fraction.
func (p *page) ratio(r money.Rate) string {
	decimals := 0
	for den := r.Den; den > 1; den /= 10 {
		if den%10 != 0 {
			return fmt.Sprintf("%d/%d", r.Num, r.Den)
		}
		decimals++
	}
	digits := fmt.Sprintf("%0*d", decimals+1, r.Num)
	whole, part := digits[:len(digits)-decimals], strings.TrimRight(digits[len(digits)-decimals:], "0")
	if part == "" {
		return whole
	}
	return p.comma(whole + "." + part)
}

// marks are what law and honesty want said.
func (p *page) marks(d *Document) {
	if d.Outage {
		p.center(p.say(wOutage), paper.Style{Bold: true})
	}
	if d.Unsure {
		p.center(p.say(wClock), paper.Style{Bold: true})
	}
	p.centered(d.Lines)
}

func (p *page) foot(d *Document) {
	p.centered(d.Issuer.Footer)
	if d.LawCode != "" {
		p.add(paper.QR{Data: d.LawCode})
	}
	if d.Code == "" {
		p.center(p.say(wNotSigned), paper.Style{})
	} else {
		p.center(p.say(wCheck), paper.Style{})
		p.add(paper.QR{Data: d.Code})
	}
	p.center(d.Origin+" #"+strconv.FormatUint(d.Index, 10), paper.Style{})
}

// clean makes a page printable whatever texts came with the entry: control
// characters become blanks, texts beyond the printer's limit are cut.
func clean(doc paper.Doc) paper.Doc {
	for i, b := range doc {
		switch x := b.(type) {
		case paper.Columns:
			x.Left, x.Right = printable(x.Left), printable(x.Right)
			doc[i] = x
		case paper.Text:
			for j := range x.Runs {
				x.Runs[j].Text = printable(x.Runs[j].Text)
			}
			doc[i] = x
		}
	}
	return doc
}

func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if runes := []rune(s); len(runes) > 1000 {
		s = string(runes[:1000])
	}
	return s
}
