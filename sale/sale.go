// Package sale is what happens between "good morning" and the receipt: a
// [Basket] takes lines, discounts and tenders and becomes a [Document].
//
// # States
//
//	            AddLine … Discount          Tender            Complete
//	(New) ──▶ open ⟲ ─────────────────▶ tendered ⟲ ─────────────▶ completed
//	           │ ▲                         │ Untender (last one): back to open
//	   Suspend │ │ Resume                  │
//	           ▼ │                         │
//	        suspended ──── Abort ──▶ aborted ◀── Abort (open)
//
// Lines and discounts change only while nothing is tendered; "tendered" is an
// open basket with tenders. Suspending and aborting want the tenders taken back
// first, so that no money is forgotten. Completed and aborted are final.
//
// A basket is one of three modes. A sale and a training sale take articles. A
// return takes lines of one original receipt ([Basket.ReturnLine]), whose
// amounts are copied in proportion with the remainder on the last part, or
// articles without a receipt ([Basket.ReturnItem]). A finished sale as a whole
// is undone by [Void]. All amounts of returns and voids are negative, money paid
// out included.
//
// # Promises
//
//   - A method that returns an error has changed nothing.
//   - Totals are computed here and nowhere else ([Basket.Totals]), from the
//     basket alone: the same basket gives the same totals for ever.
//   - Lines add up to taxes, taxes to the total, and tenders less change to the
//     total plus cash rounding; tips stand apart from all of these.
//   - All returns of a receipt together give back exactly what it took, and
//     never more, in quantity and in money.
//   - Everything is bounded: lines, quantities, prices, amounts, texts.
//
// Not here: who may do what (package staff), numbers and recording (package
// fiscal), looking up articles (package catalog), the clock.
//
//	b, err := sale.New(id, sale.Sale, "anna", terms, now)
//	no, err := b.AddLine(item, money.One, sale.Apart)
//	err = b.Tender(sale.Payment{Type: sale.Cash, Amount: 500})
//	doc, err := b.Complete("anna", now)
package sale

import (
	"time"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/tax"
)

// Limits of a basket. They are far above any honest sale (the largest invoice
// in our real sample has 675 lines) and keep totals within 64 bits and a
// document within one journal entry.
const (
	MaxLines     = 1000
	MaxDiscounts = 20 // of a line, and of a receipt
	MaxTenders   = 50
	MaxQuantity  = 1_000_000 * money.One         // a million pieces
	MaxPrice     = money.UnitPrice(10_000_000e6) // ten million major units
	MaxAmount    = money.Amount(1e12)            // minor units, of any line, tender or document
	MaxName      = 200                           // characters
	MaxReason    = 200                           // characters
)

// ID identifies a basket, from its first line to its document: a UUID in its
// text form.
type ID string

// Mode says what a basket or document is for.
type Mode string

// The modes. Void is a mode of documents only.
const (
	Sale     Mode = "sale"
	Return   Mode = "return"
	Training Mode = "training"
	Voiding  Mode = "void"
)

// Status is the state of a basket; see the package comment.
type Status string

// The states that are stored. A tendered basket is an open one with tenders.
const (
	Open      Status = "open"
	Suspended Status = "suspended"
	Completed Status = "completed"
	Aborted   Status = "aborted"
)

// Terms are the shop's rules that a basket is computed by. They are fixed when
// it begins, so that a change of settings never changes a sale under way.
type Terms struct {
	Currency     money.Currency `json:"currency"`
	Tax          tax.Policy     `json:"tax"`
	CashStep     money.Amount   `json:"cashStep,omitzero"`  // smallest amount payable in cash; 0: no cash rounding
	CashRounding money.Rounding `json:"cashRounding"`       // between two steps
	Tenders      []TenderType   `json:"tenders,omitempty"`  // accepted ones; empty: all
	MaxChange    money.Amount   `json:"maxChange,omitzero"` // a larger change is refused as a slip; 0: any
}

// Customer is who an invoice is made out to. It is personal data: it goes into
// the body of the entry only.
type Customer struct {
	Name      string `json:"name"`
	Address   string `json:"address,omitzero"`
	TaxNumber string `json:"taxNumber,omitzero"`
}

// Reference names a receipt in a journal.
type Reference struct {
	Origin string    `json:"origin"` // the journal's origin, epoch included
	Index  uint64    `json:"index"`  // of the entry
	Number int64     `json:"number"` // document number
	At     time.Time `json:"at"`
}

// Item is an article as it enters a line: what the catalogue says today, and
// the tax rule in force. It is copied; later changes of the catalogue do not
// touch the line.
type Item struct {
	SKU       string          `json:"sku"`            // the shop's own number
	GTIN      string          `json:"gtin,omitzero"`  // as scanned or listed, 8 to 14 digits
	Name      string          `json:"name"`           // as it is printed
	Group     string          `json:"group,omitzero"` // article group for reports
	Unit      string          `json:"unit,omitzero"`  // "kg", "m"; empty: pieces
	Price     money.UnitPrice `json:"price"`          // negative for a deposit paid back
	Class     tax.Class       `json:"class"`
	Letter    string          `json:"letter,omitzero"`
	Rate      tax.Rate        `json:"rate"`
	Divisible bool            `json:"divisible,omitzero"` // fractions can be sold
	Fixed     bool            `json:"fixed,omitzero"`     // no discount and no other price: books, tobacco
}

// Line is one line of a basket. Its amounts are in Totals.
type Line struct {
	No int `json:"no"` // from 1, never given twice in a basket
	Item
	Quantity      money.Quantity  `json:"quantity"`            // negative on returns
	ListPrice     money.UnitPrice `json:"listPrice,omitzero"`  // Item's price before an override
	Overridden    bool            `json:"overridden,omitzero"` // Price is not the catalogue's
	PriceReason   string          `json:"priceReason,omitzero"`
	PriceApprover staff.ID        `json:"priceApprover,omitzero"`
	Discounts     []Discount      `json:"discounts,omitempty"`
	Source        *Source         `json:"source,omitzero"`   // on a return against a receipt: the line given back
	Reason        string          `json:"reason,omitzero"`   // of a return
	Approver      staff.ID        `json:"approver,omitzero"` // of a return
	AddedAt       time.Time       `json:"addedAt,omitzero"`
}

// Discount takes something off a line or a receipt: Percent or Amount, never
// both.
type Discount struct {
	No       int          `json:"no"`               // from 1, never given twice in a basket
	Percent  int32        `json:"percent,omitzero"` // thousandths of a percent, 1 to 100_000
	Amount   money.Amount `json:"amount,omitzero"`  // minor units, positive
	Reason   string       `json:"reason"`
	Approver staff.ID     `json:"approver,omitzero"` // who allowed it, if not the operator
}

// Basket is a sale, return or training sale under way. Everything that matters
// is in its fields, so it can be stored between any two commands ([Encode],
// [Decode]); change it by its methods only. It is not safe for concurrent use.
type Basket struct {
	ID        ID         `json:"id"`
	Mode      Mode       `json:"mode"`
	Status    Status     `json:"status"`
	StartedAt time.Time  `json:"startedAt"`
	Operator  staff.ID   `json:"operator"` // who began it
	Terms     Terms      `json:"terms"`
	Original  *Reference `json:"original,omitzero"` // of a return
	Customer  *Customer  `json:"customer,omitzero"`
	Label     string     `json:"label,omitzero"` // while suspended: how to find it again
	Lines     []Line     `json:"lines,omitempty"`
	Discounts []Discount `json:"discounts,omitempty"` // of the whole receipt
	Tenders   []Tender   `json:"tenders,omitempty"`
	Numbers   Numbers    `json:"numbers"`
}

// Numbers are the last numbers that a basket gave out.
type Numbers struct {
	Line     int `json:"line"`
	Discount int `json:"discount"`
	Tender   int `json:"tender"`
}
