package till

import (
	"context"
	"errors"
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
	return c.n.originalAt(c.ctx, b.Original.Index)
}

// findOriginal finds a receipt by a number or by its code.
func (n *Node) findOriginal(ctx context.Context, v jsontext.Value) (*sale.Original, error) {
	text := string(v)
	if v.Kind() == '"' {
		unquoted, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return nil, because(Invalid, "malformed", err)
		}
		text = strings.TrimSpace(string(unquoted))
	}
	if strings.HasPrefix(text, receiptPrefix) {
		index, err := n.indexOfCode(ctx, text)
		if err != nil {
			return nil, err
		}
		return n.originalAt(ctx, index)
	}
	number, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return nil, because(Invalid, "not-a-number", err)
	}
	index, err := n.indexOfNumber(ctx, number)
	if err != nil {
		return nil, err
	}
	return n.originalAt(ctx, index)
}

// indexOfCode checks a receipt's code: its signature by this till's key, and its
// leaf in this journal.
func (n *Node) indexOfCode(ctx context.Context, code string) (uint64, error) {
	r, err := proof.ParseReceipt(code)
	if err != nil {
		return 0, because(Invalid, "malformed", err)
	}
	claimed, err := proof.ParseHead(r.Head)
	if err != nil {
		return 0, because(Invalid, "malformed", err)
	}
	if claimed.Origin != n.journal.Origin() {
		return 0, refuse(Refused, "foreign-receipt")
	}
	keys, err := n.keys()
	if err != nil {
		return 0, err
	}
	h, err := r.Verify(keys)
	if err != nil {
		return 0, because(Refused, "forged-receipt", err)
	}
	e, err := n.journal.Entry(ctx, h.Index)
	if err != nil {
		return 0, entryRefusal(err)
	}
	if e.Leaf != proof.LeafHash(r.Head) {
		return 0, refuse(Refused, "forged-receipt")
	}
	return h.Index, nil
}

// keys are those that this till's receipts are signed with.
func (n *Node) keys() (note.Verifiers, error) {
	v, err := proof.ParseVerifier(n.key)
	if err != nil {
		return nil, because(Unavailable, "no-key", err)
	}
	return note.VerifierList(v), nil
}

// indexOfNumber finds a receipt by its number. What the projection does not know
// yet may exist.
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

// originalAt reads a receipt from the journal, with what all returns of it gave
// back: those of earlier days found by the projection and read from the journal,
// those of the open day known to the state.
func (n *Node) originalAt(ctx context.Context, index uint64) (*sale.Original, error) {
	r, at, err := n.receiptAt(ctx, index)
	if err != nil {
		return nil, err
	}
	if err := n.searchedTo(n.state.Day.First); err != nil {
		return nil, err
	}
	o := sale.Original{Reference: sale.Reference{Origin: n.journal.Origin(), Index: index, Number: r.Number, At: at}, Document: r.Document}
	by, err := n.projection.Referring(ctx, index, uint16(fiscal.KindReturn), uint16(fiscal.KindVoid))
	if err != nil {
		return nil, n.searchFailed(err)
	}
	for _, i := range by {
		back, _, err := n.receiptAt(ctx, i)
		if err != nil {
			return nil, err
		}
		if i >= n.state.Day.First {
			continue // the state knows
		}
		if back.Document.Mode == sale.Voiding {
			o.Voided = true
		}
		o.Returned, o.Last = sale.AddReturned(o.Returned, &back.Document), i
	}
	o = n.state.ReturnedOf(o)
	return &o, nil
}

// receiptAt reads the body of a fiscal document.
func (n *Node) receiptAt(ctx context.Context, index uint64) (*fiscal.Receipt, time.Time, error) {
	e, err := n.journal.Entry(ctx, index)
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
