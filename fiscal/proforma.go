package fiscal

import (
	"slices"
	"time"

	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/receipt"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/tax"
)

// ProForma is a bill that was printed of an open basket: what is to be paid, for
// a guest or a company's approval. It is no fiscal document: it has no number,
// counts in no total, and says so on paper. What was billed stands here, so that
// a basket that shrank afterwards is seen.
type ProForma struct {
	Actor
	Basket sale.ID      `json:"basket"`
	Mode   sale.Mode    `json:"mode"`
	At     time.Time    `json:"at"` // with the offset of the shop's zone
	Issuer Issuer       `json:"issuer"`
	Lines  []BillLine   `json:"lines"`
	Taxes  []tax.Total  `json:"taxes,omitempty"`
	Total  money.Amount `json:"total"`
}

// BillLine is a line of a pro forma bill. Gross is after all discounts.
type BillLine struct {
	SKU      string          `json:"sku,omitzero"`
	Name     string          `json:"name"`
	Quantity money.Quantity  `json:"quantity"`
	Unit     string          `json:"unit,omitzero"`
	Price    money.UnitPrice `json:"price"`
	Gross    money.Amount    `json:"gross"`
	Letter   string          `json:"letter,omitzero"`
}

// NewProForma makes the body for an open basket. at is now, in the shop's zone.
func (s *State) NewProForma(a Actor, b *sale.Basket, at time.Time) (*ProForma, error) {
	t, err := b.Totals()
	if err != nil {
		return nil, err
	}
	p := &ProForma{Actor: a, Basket: b.ID, Mode: b.Mode, At: s.notBefore(at), Issuer: s.Shop.issuer(), Taxes: t.Taxes, Total: t.Total}
	for i := range b.Lines {
		l := &b.Lines[i]
		p.Lines = append(p.Lines, BillLine{SKU: l.SKU, Name: l.Name, Quantity: l.Quantity, Unit: l.Unit, Price: l.Price, Gross: t.Lines[i].Gross, Letter: l.Letter})
	}
	return p, p.check(s)
}

// Kind is pro-forma.
func (*ProForma) Kind() proof.Kind     { return KindProForma }
func (b *ProForma) flags() proof.Flags { return trainingFlag(b.Mode) }
func (b *ProForma) numbers(*State) numbers {
	n := numbers{{Tag: TagGross, Value: int64(b.Total)}}
	n.currency(b.Issuer.Currency)
	n.add(TagLines, int64(len(b.Lines)))
	return n
}

func (b *ProForma) check(s *State) error {
	if err := s.selling(); err != nil {
		return err
	}
	if b.Mode != sale.Sale && b.Mode != sale.Training || (b.Mode == sale.Training) != s.Training {
		return refuse(CodeMode, "a pro forma bill of a %s while training is %v", b.Mode, s.Training)
	}
	if b.Issuer.Currency != s.Shop.Currency {
		return refuse(CodeShop, "a bill in %s, the shop sells in %s", b.Issuer.Currency, s.Shop.Currency)
	}
	if len(b.Lines) == 0 {
		return refuse(CodeFigures, "a pro forma bill of nothing")
	}
	var sum money.Amount
	for _, l := range b.Lines {
		var err error
		if sum, err = sum.Add(l.Gross); err != nil {
			return because(CodeFigures, "pro forma bill", err)
		}
	}
	if sum != b.Total {
		return refuse(CodeFigures, "the lines add up to %d, the bill says %d", sum, b.Total)
	}
	return nil
}

func (b *ProForma) apply(s *State, _ *proof.Head) error {
	return s.tally(b.Mode, &s.Day.Figures.ProForma, b.Total)
}

// BillOf makes what a pro forma bill says from its entry alone.
func BillOf(h *proof.Head, body []byte) (receipt.Bill, error) {
	d, err := Decode(h.Kind, body)
	if err != nil {
		return receipt.Bill{}, err
	}
	b, ok := d.(*ProForma)
	if !ok {
		return receipt.Bill{}, refuse(CodeWrongKind, "entry %d is a %s, no pro forma bill", h.Index, KindName(h.Kind))
	}
	out := receipt.Bill{
		Issuer: b.Issuer.printed(), Currency: b.Issuer.Currency, Training: b.Mode == sale.Training, At: b.At, Operator: string(b.By),
		Taxes: slices.Clone(b.Taxes), Total: b.Total, Origin: h.Origin, Index: h.Index,
	}
	for _, l := range b.Lines {
		out.Lines = append(out.Lines, receipt.BillLine{Name: l.Name, Quantity: l.Quantity, Unit: l.Unit, Price: l.Price, Gross: l.Gross, Letter: l.Letter})
	}
	return out, nil
}
