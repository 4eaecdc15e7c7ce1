// Package receipt says what a receipt or report looks like: the document
// ([Document], [Report]) is what it says, [Layout] and [LayoutReport] put it on
// paper, [PlainText] in plain text.
//
// A document holds what its journal entry says and nothing else, so it can be
// made again at any time and looks the same; package fiscal makes it from an
// entry's head and body. What is not in the entry is passed in and marked as
// such: the code of the signature, which exists only after the entry, the name
// of the operator, which the journal does not keep, and which copy this is.
//
// Copies say COPY and their number, training receipts say so at the top and at
// the bottom, receipts issued while the signer was down say that too; none of
// these marks can be left out.
//
// Words are in English, German, Polish and Chinese ([Languages]); they are those
// of docs/glossary.md. Paper has 32 columns (58 mm) or 48 (80 mm).
//
//	doc := receipt.Layout(d, 48, "de")
//	text := receipt.PlainText(d, 32, "pl")
package receipt

import (
	"slices"
	"time"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/receipt/paper"
	"github.com/plomb-pos/plomb/sale"
)

// The columns of the two usual papers.
const (
	Narrow = 32 // 58 mm
	Wide   = 48 // 80 mm
)

// Issuer is who issued a document, as it was then.
type Issuer struct {
	Name      string
	Address   []string // lines
	TaxNumber string
	Till      string
	Language  string
	Header    []string // lines
	Footer    []string // lines
}

// Document is what a receipt says.
type Document struct {
	Issuer   Issuer
	Sale     sale.Document
	Number   int64     // document number; training number on a training receipt
	Origin   string    // of the journal
	Index    uint64    // of the entry
	At       time.Time // when it was recorded, with the offset of the shop's zone
	Unsure   bool      // the clock was in doubt
	Outage   bool      // issued while the signer was down
	Late     *Late     // written by hand before
	Lines    []string  // what a country's law wants printed
	LawCode  string    // text of a country's own machine-readable code; empty: none
	Copy     int       // passed in: 0 is the original
	Operator string    // passed in: name; empty: the id in Sale is shown
	Code     string    // passed in: text of the receipt code; empty: not signed yet
}

// Late is what a receipt written by hand said.
type Late struct {
	Number   string
	IssuedAt time.Time
	Reason   string
}

// Report is what an X or Z report says.
type Report struct {
	Issuer   Issuer
	Z        bool           // else X, or Period
	Period   bool           // a sum of Z reports: a month, a year (drawer.Sum)
	Currency money.Currency // of all amounts
	Report   drawer.Report
	Origin   string
	Index    uint64
	Operator string // id or, passed in, name
	AtLeast  bool   // entries were lost: figures are lower bounds
	Copy     int    // passed in: 0 is the original
}

// PlainText is the layout as plain text of so many columns, for a screen, a
// search or an e-mail: without the code, which is a picture there, and without
// what only a printer does.
func PlainText(d Document, columns int, language string) string {
	return paper.RenderText(readable(Layout(d, columns, language)), columns)
}

// readable leaves out what is not text.
func readable(d paper.Doc) paper.Doc {
	out := slices.DeleteFunc(slices.Clone(d), func(b paper.Block) bool {
		switch b.(type) {
		case paper.QR, paper.Barcode, paper.Image, paper.Cut, paper.Drawer:
			return true
		}
		return false
	})
	for n := len(out); n > 0; n = len(out) { // room for the cutter
		if _, ok := out[n-1].(paper.Feed); !ok {
			break
		}
		out = out[:n-1]
	}
	return out
}
