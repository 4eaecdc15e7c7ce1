package bench

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/catalog/sample"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
)

const (
	// receiptsADay of a made history; a Z report and a snapshot follow them.
	receiptsADay = 1000
	// pace is the longest time between two made sales, span the longest history.
	pace = time.Minute
	span = 250 * 24 * time.Hour
	// entriesASale: receipt, intent to print it, outcome, and that it was printed.
	entriesASale = 4
)

// FillTill makes a till in dir, an empty or missing directory, whose journal has
// the given number of entries, and closes it. It is set up with two people
// and holds what a till writes: signed receipts with their prints, a Z report
// and a snapshot after each thousand receipts. Entries are drafted from and
// folded into fiscal.State as a node does, but go to the journal many at a
// time, so that a million take minutes.
//
// The history ends shortly before now. A till that is made already has some
// entries: a smaller number makes no more.
func FillTill(ctx context.Context, dir string, entries int) error {
	return fillTill(ctx, dir, entries, receiptsADay)
}

// fillTill is FillTill with days of another length; 0: the day never ends.
func fillTill(ctx context.Context, dir string, entries, day int) error {
	step := min(pace, span/time.Duration(entries/entriesASale+1))
	begin := time.Now().Add(-time.Hour - step*time.Duration(entries/entriesASale+1)).Truncate(time.Millisecond)
	at := func() time.Time { return begin }
	if err := createTill(ctx, dir, at); err != nil {
		return fmt.Errorf("make history: %w", err)
	}
	h, err := openHistory(ctx, dir, begin)
	if err != nil {
		return fmt.Errorf("make history: %w", err)
	}
	err = h.write(ctx, uint64(entries), step, day)
	if err := errors.Join(err, h.journal.Close(ctx)); err != nil {
		return fmt.Errorf("make history: %w", err)
	}
	return nil
}

// history writes a till's journal without the till.
type history struct {
	journal *journal.Journal
	state   *fiscal.State
	items   []sale.Item
	zone    *time.Location
	now     time.Time
	command [16]byte
	drafts  []journal.Draft
	sales   int
	ticket  *journal.Ticket // of the last staging
	before  *journal.Ticket
}

func openHistory(ctx context.Context, dir string, now time.Time) (*history, error) {
	k, err := openKeys(dir)
	if err != nil {
		return nil, err
	}
	opts := journal.Options{Keys: k.box.JournalKeys(), Signer: k.signer, Anchors: k.anchors(dir)}
	j, _, err := journal.Open(ctx, filepath.Join(dir, "e1"), opts)
	if err != nil {
		return nil, err
	}
	h := &history{journal: j, state: new(fiscal.State), now: now}
	if err := h.prepare(ctx); err != nil {
		return nil, errors.Join(err, j.Close(ctx))
	}
	return h, nil
}

// prepare folds what is there and opens the drawer's session.
func (h *history) prepare(ctx context.Context) error {
	for e, err := range h.journal.Entries(ctx, 0, h.journal.Size()) {
		if err != nil {
			return err
		}
		if err := h.state.Apply(e.Head, e.Body); err != nil {
			return err
		}
	}
	var err error
	if h.zone, err = time.LoadLocation(cmp.Or(h.state.Shop.Zone, "UTC")); err != nil {
		return err
	}
	h.now = time.UnixMilli(max(h.now.UnixMilli(), h.state.Time)).In(h.zone)
	if h.items, err = plainItems(&h.state.Shop, h.now); err != nil {
		return err
	}
	return h.add(&fiscal.ShiftOpen{Actor: fiscal.Actor{By: Seller}, Session: h.state.Session.Number + 1, At: h.now})
}

// plainItems are articles that need neither weighing nor a price nor a deposit.
func plainItems(shop *fiscal.Shop, at time.Time) ([]sale.Item, error) {
	c, err := sample.Catalog()
	if err != nil {
		return nil, err
	}
	var items []sale.Item
	for a := range c.Articles() {
		if a.Unit != catalog.Piece || a.OpenPrice || a.AgeLimit > 0 || a.Deposit != "" || a.Price <= 0 {
			continue
		}
		m, err := c.Lookup(string(a.SKU), at)
		if err != nil {
			return nil, err
		}
		item, err := sale.ItemOf(m, shop.TaxTable, shop.Language, nil, at)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	if len(items) < 10 {
		return nil, fmt.Errorf("the sample shop has %d plain articles", len(items))
	}
	return items, nil
}

// write makes sales until the journal has size entries.
func (h *history) write(ctx context.Context, size uint64, step time.Duration, day int) error {
	for h.state.Size < size {
		h.now = h.now.Add(step)
		h.sales++
		if err := h.sell(size); err != nil {
			return fmt.Errorf("sale %d: %w", h.sales, err)
		}
		if day > 0 && h.sales%day == 0 {
			if err := h.close(size); err != nil {
				return fmt.Errorf("close of the day after sale %d: %w", h.sales, err)
			}
		}
		if err := h.stage(ctx, 256); err != nil {
			return err
		}
	}
	if err := h.stage(ctx, 1); err != nil {
		return err
	}
	return h.ticket.Wait(ctx)
}

// sell records one sale and its print, as far as there is room below size.
func (h *history) sell(size uint64) error {
	d, err := h.document()
	if err != nil {
		return err
	}
	r, err := h.state.NewReceipt(d, nil, nil)
	if err != nil {
		return err
	}
	at := h.state.Size
	h.command = uuidAt(h.now, at)
	defer func() { h.command = [16]byte{} }()
	const printer = "ReceiptPrinter"
	bodies := []fiscal.Body{r, &fiscal.Intent{Actor: fiscal.Actor{By: Seller}, Action: "print", Device: printer, Entry: &at, Key: string(d.Basket)}}
	if err := h.addUpTo(size, bodies...); err != nil {
		return err
	}
	h.command = [16]byte{}
	return h.addUpTo(size, &fiscal.Outcome{Intent: at + 1, Result: fiscal.Done}, &fiscal.Printed{Entry: at})
}

// document is a sale of two articles, paid in cash or by card in turn.
func (h *history) document() (d sale.Document, err error) {
	id := uuidAt(h.now, uint64(h.sales)|1<<60)
	b, err := sale.New(sale.ID(uuidText(id)), sale.Sale, Seller, h.state.Shop.Terms(), h.now)
	if err != nil {
		return d, err
	}
	for i := range 2 {
		if _, err := b.AddLine(h.items[(h.sales*7+i*3)%len(h.items)], money.Quantity(1_000_000), sale.Merged, h.now); err != nil {
			return d, err
		}
	}
	by := []sale.TenderType{sale.Cash, sale.Card}[h.sales%2]
	if _, err := b.Tender(sale.Payment{Type: by}, h.now); err != nil {
		return d, err
	}
	return b.Complete(Seller, h.now)
}

// close ends the day, with the snapshot that follows a Z report.
func (h *history) close(size uint64) error {
	z, err := h.state.NewZReport(fiscal.Actor{By: Seller}, h.now)
	if err != nil {
		return err
	}
	if err := h.addUpTo(size, z); err != nil {
		return err
	}
	s, err := h.state.NewSnapshot()
	if err != nil {
		return err
	}
	return h.addUpTo(size, s)
}

// addUpTo adds bodies while the journal has less than size entries.
func (h *history) addUpTo(size uint64, bodies ...fiscal.Body) error {
	for _, b := range bodies {
		if h.state.Size >= size {
			return nil
		}
		if err := h.add(b); err != nil {
			return err
		}
	}
	return nil
}

// add drafts a body and folds it.
func (h *history) add(b fiscal.Body) error {
	d, err := h.state.Draft(b)
	if err != nil {
		return err
	}
	head := &proof.Head{
		Flags: d.Flags, Kind: d.Kind, Index: h.state.Size, Time: h.now.UnixMilli(), Command: h.command,
		BodyLen: uint32(len(d.Body)), Origin: h.journal.Origin(), Numbers: d.Numbers,
	}
	if err := h.state.Apply(head, d.Body); err != nil {
		return err
	}
	h.drafts = append(h.drafts, journal.Draft{
		Kind: d.Kind, Flags: d.Flags, Time: h.now, Command: h.command, Numbers: d.Numbers, Body: d.Body, Sign: d.Sign,
	})
	return nil
}

// stage hands the drafts to the journal once there are least of them. It waits
// for the staging before the last one, so that signing keeps up.
func (h *history) stage(ctx context.Context, least int) error {
	if len(h.drafts) < least {
		return nil
	}
	t, err := h.journal.Stage(h.drafts...)
	if err != nil {
		return err
	}
	h.drafts = slices.Delete(h.drafts, 0, len(h.drafts))
	if h.before != nil {
		if err := h.before.Wait(ctx); err != nil {
			return err
		}
	}
	h.before, h.ticket = h.ticket, t
	return nil
}

// uuidAt makes a UUIDv7 (RFC 9562, 5.7) of a time and a number.
func uuidAt(t time.Time, n uint64) (id [16]byte) {
	binary.BigEndian.PutUint64(id[:8], uint64(t.UnixMilli())<<16)
	binary.BigEndian.PutUint64(id[8:], n)
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id
}

func uuidText(id [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
