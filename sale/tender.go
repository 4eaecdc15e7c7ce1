package sale

import (
	"slices"
	"time"

	"github.com/plomb-pos/plomb/money"
)

// TenderType says how something was paid.
type TenderType string

// The types. What they are in a country's export is for the exporter.
const (
	Cash    TenderType = "cash"
	Card    TenderType = "card"
	Voucher TenderType = "voucher"
	Other   TenderType = "other"
)

// Valid reports whether t is one of the types.
func (t TenderType) Valid() bool {
	return t == Cash || t == Card || t == Voucher || t == Other
}

// Foreign is cash of another currency as it was handed over.
type Foreign struct {
	Currency money.Currency `json:"currency"`
	Amount   money.Amount   `json:"amount"` // in its own minor units
	Rate     money.Rate     `json:"rate"`   // major units of the basket's currency for one of Currency
}

// Payment is what somebody hands over, before the basket has taken it.
type Payment struct {
	Type      TenderType
	Amount    money.Amount // in the basket's currency, signed as the total; zero: all that is due by this type
	Tip       money.Amount // on top of Amount
	Foreign   *Foreign     // cash in another currency; Amount is then computed
	Reference string       // the terminal's or voucher's number
	Text      string       // what the receipt says beside the type, such as the card's last digits
}

// Tender is a payment that the basket has taken.
type Tender struct {
	No        int          `json:"no"` // from 1, never given twice in a basket
	Type      TenderType   `json:"type"`
	Amount    money.Amount `json:"amount"` // counts against the total; negative when paid out
	Tip       money.Amount `json:"tip,omitzero"`
	Foreign   *Foreign     `json:"foreign,omitzero"`
	Reference string       `json:"reference,omitzero"`
	Text      string       `json:"text,omitzero"`
	At        time.Time    `json:"at"`
}

// Settlement is how far a total is paid.
type Settlement struct {
	Paid     money.Amount `json:"paid"`     // sum of the tenders, without tips
	Tip      money.Amount `json:"tip"`      // apart from the total and the tenders
	Rounding money.Amount `json:"rounding"` // Paid − Change − total, once settled: what coins cannot pay
	Change   money.Amount `json:"change"`   // handed back in cash
	Due      money.Amount `json:"due"`      // still to pay, to the cent: by card and the like
	CashDue  money.Amount `json:"cashDue"`  // still to pay, in coins that exist
	Settled  bool         `json:"settled"`
}

// Tender takes a payment and returns its number. Only cash may exceed what is
// due, and only on a sale: the rest is change. Foreign cash is converted by its
// rate, rounded once as the basket's tax policy rounds. Codes: bad-tender,
// tender-not-accepted, tender-exceeds-due, already-paid, change-too-large,
// foreign-tender-refused, too-many-tenders, basket-empty, basket-not-open.
func (b *Basket) Tender(p Payment, now time.Time) (int, error) {
	if err := b.open(); err != nil {
		return 0, err
	}
	if b.Empty() {
		return 0, refuse(CodeEmpty, "nothing to pay for")
	}
	t, err := b.tender(p, moment(now))
	if err != nil {
		return 0, err
	}
	err = b.swap(func(n *Basket) error {
		n.Tenders = append(n.Tenders, t)
		n.Numbers.Tender = t.No
		return n.changeLimit()
	})
	return t.No, err
}

func (b *Basket) tender(p Payment, now time.Time) (Tender, error) {
	if !p.Type.Valid() || p.Tip < 0 || p.Tip > MaxAmount {
		return Tender{}, refuse(CodeBadTender, "tender type %.20q with tip %d", string(p.Type), p.Tip)
	}
	if len(b.Terms.Tenders) > 0 && !slices.Contains(b.Terms.Tenders, p.Type) {
		return Tender{}, refuse(CodeTenderNotAccepted, "this shop does not take %s", p.Type)
	}
	total, err := b.Totals()
	if err != nil {
		return Tender{}, err
	}
	if total.Settled {
		return Tender{}, refuse(CodeAlreadyPaid, "nothing is due")
	}
	if p.Amount, err = b.amount(p, total); err != nil {
		return Tender{}, err
	}
	if err := fits(p, total); err != nil {
		return Tender{}, err
	}
	return Tender{
		No: b.Numbers.Tender + 1, Type: p.Type, Amount: p.Amount, Tip: p.Tip,
		Foreign: p.Foreign, Reference: p.Reference, Text: p.Text, At: now,
	}, nil
}

// amount returns what a payment counts, in the basket's currency.
func (b *Basket) amount(p Payment, t Totals) (money.Amount, error) {
	switch {
	case p.Foreign != nil:
		return b.exchange(p, t)
	case p.Amount != 0:
		return p.Amount, limit(p.Amount, "tender")
	case p.Type == Cash:
		return t.CashDue, nil
	}
	return t.Due, nil
}

func (b *Basket) exchange(p Payment, t Totals) (money.Amount, error) {
	f := p.Foreign
	if p.Type != Cash || p.Amount != 0 || f.Amount <= 0 || f.Amount > MaxAmount || t.Total < 0 || f.Currency == b.Terms.Currency {
		return 0, refuse(CodeForeign, "foreign money is taken as cash on a sale only, in another currency and more than none")
	}
	a, err := money.Convert(f.Amount, f.Currency, b.Terms.Currency, f.Rate, b.Terms.Tax.Rounding)
	if err != nil {
		return 0, because(CodeForeign, "exchange", err)
	}
	if a == 0 {
		return 0, refuse(CodeForeign, "the foreign money is worth nothing here")
	}
	return a, limit(a, "tender")
}

// fits says whether an amount may be taken against what is due.
func fits(p Payment, t Totals) error {
	sign := money.Amount(t.Total.Sign())
	amount := p.Amount * sign
	due := t.Due * sign
	if p.Type == Cash {
		due = t.CashDue * sign
	}
	switch {
	case amount < 0 || amount == 0 && due != 0:
		return refuse(CodeBadTender, "tender of %d against a total of %d", p.Amount, t.Total)
	case amount > due && (p.Type != Cash || sign < 0):
		return refuse(CodeTenderExceeds, "tender of %d, due is %d", p.Amount, due*sign)
	case p.Tip > 0 && sign < 0:
		return refuse(CodeBadTender, "no tip on money paid out")
	}
	return nil
}

func (b *Basket) changeLimit() error {
	if b.Terms.MaxChange == 0 {
		return nil
	}
	t, err := b.Totals()
	if err != nil {
		return err
	}
	if t.Change > b.Terms.MaxChange {
		return refuse(CodeChangeLimit, "change of %d is more than %d; was a number mistyped?", t.Change, b.Terms.MaxChange)
	}
	return nil
}

// Untender takes a tender back and returns it. The caller reverses it first
// where money has moved, as at a payment terminal. Codes: unknown-tender,
// basket-not-open.
func (b *Basket) Untender(no int) (Tender, error) {
	if err := b.open(); err != nil {
		return Tender{}, err
	}
	i := slices.IndexFunc(b.Tenders, func(t Tender) bool { return t.No == no })
	if i < 0 {
		return Tender{}, refuse(CodeUnknownTender, "basket %s has no tender %d", b.ID, no)
	}
	taken := b.Tenders[i]
	return taken, b.swap(func(n *Basket) error {
		n.Tenders = slices.Delete(n.Tenders, i, i+1)
		return nil
	})
}

// pay computes how far total is paid.
func (b *Basket) pay(total money.Amount) (Settlement, error) {
	var s Settlement
	var cash money.Amount
	for _, t := range b.Tenders {
		s.Paid, s.Tip = s.Paid+t.Amount, s.Tip+t.Tip
		if t.Type == Cash {
			cash += t.Amount
		}
	}
	rule := money.CashRule{Step: b.Terms.CashStep, Rounding: b.Terms.CashRounding}
	rounded, _ := money.RoundCash(total-s.Paid+cash, rule)
	s.Due, s.CashDue = total-s.Paid, rounded-cash
	sign := money.Amount(total.Sign())
	byCash := b.hasCash() && cash*sign >= rounded*sign
	if s.Settled = s.Due == 0 || byCash; s.Settled {
		s.Change = change(s, total, cash, rule)
		s.Rounding = s.Paid - s.Change - total
		s.Due, s.CashDue = 0, 0
	}
	return s, nil
}

// change is what is handed back on a sale: what was paid above the rounded
// total, itself rounded to coins (foreign money can leave odd cents), and never
// more than the cash that came in.
func change(s Settlement, total, cash money.Amount, rule money.CashRule) money.Amount {
	if s.Due == 0 || total < 0 {
		return 0
	}
	c, _ := money.RoundCash(max(0, -s.CashDue), rule)
	if c > cash {
		c -= rule.Step
	}
	return c
}

func (b *Basket) hasCash() bool {
	return slices.ContainsFunc(b.Tenders, func(t Tender) bool { return t.Type == Cash })
}
