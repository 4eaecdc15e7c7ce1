package till

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// originalAnswer is a receipt and what can still be given back of it.
type originalAnswer struct {
	Original *OriginalState `json:"original"`
}

// beginReturn begins a return of a receipt, named by its code or number.
func beginReturn(c *call) error {
	in, err := args[struct {
		Receipt jsontext.Value `json:"receipt"`
	}](c)
	if err != nil {
		return err
	}
	if c.n.basket != nil && !c.n.basket.Empty() {
		return refuse(Refused, "basket-open")
	}
	if c.n.state.Training {
		return refuse(Refused, "training-on")
	}
	if err := c.newSale(); err != nil {
		return err
	}
	o, err := c.n.findOriginal(c.ctx, in.Receipt)
	if err != nil {
		return err
	}
	if o.Voided {
		return refuse(Refused, sale.CodeNotReturnable)
	}
	b, err := sale.NewReturn(c.newBasketID(), c.who.ID, *o, c.shop().Terms(), c.now)
	if err != nil {
		return err
	}
	c.result = originalAnswer{viewOriginal(o, b)}
	c.dropEmpty()
	c.after(func() { c.n.original = o })
	return c.keep(b)
}

func returnLine(c *call) error {
	in, err := args[struct {
		Line     int            `json:"line"`
		Quantity money.Quantity `json:"quantity"`
		Reason   string         `json:"reason,omitzero"`
	}](c)
	if err != nil {
		return err
	}
	b := c.edit()
	o, err := c.originalOf(b)
	if err != nil {
		return err
	}
	if o == nil {
		return refuse(Refused, sale.CodeNoOriginal)
	}
	if in.Reason == "" {
		in.Reason = "returned"
	}
	no, err := b.ReturnLine(*o, in.Line, in.Quantity, in.Reason, c.secondPerson(), c.now)
	if err != nil {
		return err
	}
	c.result = lineAnswer{no}
	c.after(func() { c.n.original = o })
	return c.keep(b)
}

// originalOf reads the receipt that a return is against, with all that has been
// given back of it by now; nil for any other basket.
func (c *call) originalOf(b *sale.Basket) (*sale.Original, error) {
	if b.Original == nil {
		return nil, nil
	}
	return c.n.originalAt(c.ctx, placeOf(b.Original))
}

// awaitOriginals lets the projection and, where there are any, the reading of
// older epochs come as far as a return may need them, outside the book.
func awaitOriginals(c *call, key sessionKey) error {
	if err := awaitSearch(c, key); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, projectionPatience)
	defer cancel()
	select {
	case <-c.n.older.done:
	case <-ctx.Done(): // whoever needs them is refused
	}
	return nil
}

// findOriginal finds a receipt by a number or by its code.
func (n *Node) findOriginal(ctx context.Context, v jsontext.Value) (*sale.Original, error) {
	at, err := n.placeOfReceipt(ctx, v)
	if err != nil {
		return nil, err
	}
	return n.originalAt(ctx, at)
}

func (n *Node) placeOfReceipt(ctx context.Context, v jsontext.Value) (sqlite.Place, error) {
	text := string(v)
	if v.Kind() == '"' {
		unquoted, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return sqlite.Place{}, because(Invalid, "malformed", err)
		}
		text = strings.TrimSpace(string(unquoted))
	}
	if strings.HasPrefix(text, receiptPrefix) {
		return n.placeOfCode(ctx, text)
	}
	number, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return sqlite.Place{}, because(Invalid, "not-a-number", err)
	}
	return n.placeOfNumber(ctx, number)
}

// placeOfCode checks a receipt's code: its signature by the key of its epoch, and
// its leaf in that epoch's journal.
func (n *Node) placeOfCode(ctx context.Context, code string) (at sqlite.Place, err error) {
	r, err := proof.ParseReceipt(code)
	if err != nil {
		return at, because(Invalid, "malformed", err)
	}
	claimed, err := proof.ParseHead(r.Head)
	if err != nil {
		return at, because(Invalid, "malformed", err)
	}
	if claimed.Origin != n.journal.Origin() && n.older.epoch(claimed.Origin) == nil {
		return at, refuse(Refused, "foreign-receipt")
	}
	keys, err := n.keys()
	if err != nil {
		return at, err
	}
	h, err := r.Verify(keys)
	if err != nil {
		return at, because(Refused, "forged-receipt", err)
	}
	at = sqlite.Place{Origin: h.Origin, Index: h.Index}
	e, err := n.entryAt(ctx, at)
	if err != nil {
		return at, entryRefusal(err)
	}
	if e.Leaf != proof.LeafHash(r.Head) {
		return at, refuse(Refused, "forged-receipt")
	}
	return at, nil
}

// keys are those that this till's receipts are signed with, in any of its epochs.
func (n *Node) keys() (note.Verifiers, error) {
	v, err := proof.ParseVerifier(n.key)
	if err != nil {
		return nil, because(Unavailable, "no-key", err)
	}
	list := []note.Verifier{v}
	for _, e := range n.older.epochs {
		if v, err := proof.ParseVerifier(e.key); err == nil { // otherwise nothing of it verifies
			list = append(list, v)
		}
	}
	return note.VerifierList(list...), nil
}

// entryAt reads an entry of this epoch or of an older one.
func (n *Node) entryAt(ctx context.Context, at sqlite.Place) (journal.Entry, error) {
	if at.Origin == n.journal.Origin() {
		return n.journal.Entry(ctx, at.Index)
	}
	if e := n.older.epoch(at.Origin); e != nil {
		return e.entry(ctx, at.Index)
	}
	return journal.Entry{}, fmt.Errorf("entry %d of %s: %w", at.Index, at.Origin, journal.ErrNotFound)
}

// placeOfNumber finds a receipt by its number: in this epoch, or in the newest
// older one that has it.
func (n *Node) placeOfNumber(ctx context.Context, number uint64) (sqlite.Place, error) {
	index, err := n.indexOfNumber(ctx, number)
	if r, ok := errors.AsType[*Refusal](err); !ok || r.Code != "unknown-receipt" {
		return sqlite.Place{Origin: n.journal.Origin(), Index: index}, err
	}
	at, ok, olderErr := n.older.number(ctx, int64(number))
	if olderErr != nil {
		return at, olderErr
	}
	if !ok {
		return at, err
	}
	return at, nil
}

// indexOfNumber finds a receipt of this epoch by its number. What the projection
// does not know yet may exist.
func (n *Node) indexOfNumber(ctx context.Context, number uint64) (uint64, error) {
	row, ok, err := n.projection.Receipt(ctx, false, number)
	if err != nil {
		return 0, n.searchFailed(err)
	}
	if ok {
		return row.Index, nil
	}
	if number < uint64(n.state.Next.Document) {
		if err := n.searchedTo(n.state.Size); err != nil {
			return 0, err
		}
	}
	return 0, refuse(NotFound, "unknown-receipt")
}

// originalAt reads a receipt from its journal, with what all returns of it gave
// back: those of older epochs, those of earlier days of this one, found by the
// projection and read from the journal, and those of the open day, which the
// state knows.
func (n *Node) originalAt(ctx context.Context, at sqlite.Place) (*sale.Original, error) {
	r, when, err := n.receiptIn(ctx, at)
	if err != nil {
		return nil, err
	}
	by, err := n.givenBack(ctx, at)
	if err != nil {
		return nil, err
	}
	o := sale.Original{Reference: sale.Reference{Origin: at.Origin, Index: at.Index, Number: r.Number, At: when}, Document: r.Document}
	for _, i := range by {
		back, _, err := n.receiptIn(ctx, i)
		if err != nil {
			return nil, err
		}
		o.Voided = o.Voided || back.Document.Mode == sale.Voiding
		o.Returned, o.Last, o.LastOrigin = sale.AddReturned(o.Returned, &back.Document), i.Index, i.Origin
	}
	if o.LastOrigin == n.journal.Origin() {
		o.LastOrigin = ""
	}
	o = n.state.ReturnedOf(o)
	return &o, nil
}

// givenBack lists the returns and voids of a receipt before the open day, in the
// order in which they were made.
func (n *Node) givenBack(ctx context.Context, at sqlite.Place) (out []sqlite.Place, err error) {
	if err := n.searchedTo(n.state.Day.First); err != nil {
		return nil, err
	}
	kinds := []uint16{uint16(fiscal.KindReturn), uint16(fiscal.KindVoid)}
	var here []uint64
	if at.Origin == n.journal.Origin() {
		here, err = n.projection.Referring(ctx, at.Index, kinds...)
	} else {
		if err := n.older.needed(); err != nil {
			return nil, err
		}
		out = slices.Clone(n.older.given[at])
		here, err = n.projection.ReferringElsewhere(ctx, at, kinds...)
	}
	if err != nil {
		return nil, n.searchFailed(err)
	}
	for _, i := range here {
		if i < n.state.Day.First { // of the others the state knows
			out = append(out, sqlite.Place{Origin: n.journal.Origin(), Index: i})
		}
	}
	return out, nil
}

// receiptAt reads the body of a fiscal document of this epoch.
func (n *Node) receiptAt(ctx context.Context, index uint64) (*fiscal.Receipt, time.Time, error) {
	return n.receiptIn(ctx, sqlite.Place{Origin: n.journal.Origin(), Index: index})
}

// receiptIn reads the body of a fiscal document of any of the till's epochs.
func (n *Node) receiptIn(ctx context.Context, at sqlite.Place) (*fiscal.Receipt, time.Time, error) {
	e, err := n.entryAt(ctx, at)
	if err != nil {
		return nil, time.Time{}, entryRefusal(err)
	}
	b, err := fiscal.Decode(e.Head.Kind, e.Body)
	if err != nil {
		return nil, time.Time{}, because(Internal, "damaged-entry", err)
	}
	r, ok := b.(*fiscal.Receipt)
	if !ok {
		return nil, time.Time{}, refuse(NotFound, "unknown-receipt")
	}
	return r, r.Document.CompletedAt, nil
}

// entryRefusal says why an entry cannot be read.
func entryRefusal(err error) error {
	switch {
	case errors.Is(err, journal.ErrNotFound):
		return because(NotFound, "no-entry", err)
	case errors.Is(err, journal.ErrErased):
		return because(NotFound, "erased-entry", err)
	case errors.Is(err, journal.ErrDamaged):
		return because(Internal, "damaged-entry", err)
	}
	return err
}
