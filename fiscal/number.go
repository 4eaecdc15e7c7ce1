package fiscal

import (
	"slices"
	"strconv"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
)

// The tags of the numbers in heads. They are for ever, like the kinds. Amounts
// are minor units of the currency that TagCurrency names.
const (
	TagDocument     uint8 = 1  // document number: receipts, returns, voids, late entries
	TagZ            uint8 = 2  // Z number
	TagTraining     uint8 = 3  // training number
	TagCopy         uint8 = 4  // how many copies of the receipt there are now
	TagGross        uint8 = 5  // document's total
	TagTax          uint8 = 6  // tax in it
	TagRounding     uint8 = 7  // cash rounding
	TagCash         uint8 = 8  // cash taken less change, in the shop's currency's worth
	TagCard         uint8 = 9  // card taken
	TagVoucher      uint8 = 10 // vouchers taken
	TagOther        uint8 = 11 // other tenders taken
	TagTip          uint8 = 12
	TagSaleBefore   uint8 = 13 // grand total of sales before the entry
	TagReturnBefore uint8 = 14
	TagNetBefore    uint8 = 15
	TagSaleAfter    uint8 = 16 // grand total of sales after the entry
	TagReturnAfter  uint8 = 17
	TagNetAfter     uint8 = 18
	TagCurrency     uint8 = 19 // ISO 4217 numeric code
	TagReferenced   uint8 = 20 // index of the entry that this one is about, in this journal
	TagLines        uint8 = 21 // lines of the document
	TagAmount       uint8 = 22 // of a float, pay-in, pay-out
	TagDifference   uint8 = 23 // counted less expected
	TagSession      uint8 = 24 // number of the drawer session
	TagFirst        uint8 = 25 // first index of a range
	TagLast         uint8 = 26 // last index of a range
	TagCount        uint8 = 27 // how many
	TagOutage       uint8 = 28 // 1: issued while the signer was down
)

// TagName returns the name of a tag for views and exports, or its number.
func TagName(tag uint8) string {
	if int(tag) < len(tagNames) && tagNames[tag] != "" {
		return tagNames[tag]
	}
	return strconv.Itoa(int(tag))
}

var tagNames = [...]string{
	TagDocument: "document", TagZ: "z", TagTraining: "training", TagCopy: "copy", TagGross: "gross", TagTax: "tax",
	TagRounding: "rounding", TagCash: "cash", TagCard: "card", TagVoucher: "voucher", TagOther: "other", TagTip: "tip",
	TagSaleBefore: "sale-before", TagReturnBefore: "return-before", TagNetBefore: "net-before",
	TagSaleAfter: "sale-after", TagReturnAfter: "return-after", TagNetAfter: "net-after",
	TagCurrency: "currency", TagReferenced: "referenced", TagLines: "lines", TagAmount: "amount",
	TagDifference: "difference", TagSession: "session", TagFirst: "first", TagLast: "last", TagCount: "count", TagOutage: "outage",
}

// numbers collects the numbers of a head.
type numbers []proof.Number

func (n *numbers) add(tag uint8, v int64) { *n = append(*n, proof.Number{Tag: tag, Value: v}) }

// some adds a number unless it is zero.
func (n *numbers) some(tag uint8, v int64) {
	if v != 0 {
		n.add(tag, v)
	}
}

func (n *numbers) grand(before, after drawer.Grand) {
	n.add(TagSaleBefore, int64(before.Sale))
	n.add(TagReturnBefore, int64(before.Return))
	n.add(TagNetBefore, int64(before.Net))
	n.add(TagSaleAfter, int64(after.Sale))
	n.add(TagReturnAfter, int64(after.Return))
	n.add(TagNetAfter, int64(after.Net))
}

func (n *numbers) currency(c money.Currency) {
	if code, err := strconv.ParseInt(c.Numeric(), 10, 64); err == nil {
		n.add(TagCurrency, code)
	}
}

// tenders adds what was taken by each type, cash less change.
func (n *numbers) tenders(d *sale.Document) {
	for tag, t := range map[uint8]sale.TenderType{TagCash: sale.Cash, TagCard: sale.Card, TagVoucher: sale.Voucher, TagOther: sale.Other} {
		var sum money.Amount
		for _, x := range d.Tenders {
			if x.Type == t {
				sum += x.Amount
			}
		}
		if t == sale.Cash {
			sum -= d.Change
		}
		n.some(tag, int64(sum))
	}
}

// sorted returns the numbers in the order that a head wants.
func (n numbers) sorted() []proof.Number {
	slices.SortFunc(n, func(a, b proof.Number) int { return int(a.Tag) - int(b.Tag) })
	return n
}

// grandOf reads the totals after an entry from its head.
func grandOf(h *proof.Head) (drawer.Grand, bool) {
	s, okS := h.Number(TagSaleAfter)
	r, okR := h.Number(TagReturnAfter)
	n, okN := h.Number(TagNetAfter)
	return drawer.Grand{Sale: money.Amount(s), Return: money.Amount(r), Net: money.Amount(n)}, okS && okR && okN
}
