package till

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// older are the epochs that this till has left behind. Their receipts can be
// given back for ever, so what their returns gave back has to be known: one
// reading of their heads finds that out, behind the till's work, and nothing is
// written anywhere. An entry of theirs that is damaged or erased is passed over.
//
// The list of epochs does not change while a till is open; the rest belongs to
// whoever holds turn.
type older struct {
	epochs []*olderEpoch // newest first
	turn   chan struct{} // holds one token; nil without older epochs
	read   int           // epochs read to their end
	given  map[sqlite.Place][]sqlite.Place
	done   chan struct{} // closed when all are read: then given and numbers stand still
}

// olderEpoch is one of them.
type olderEpoch struct {
	*journal.ReadOnly
	key     string // verifier key, from its first entry
	next    uint64 // first entry that was not read yet
	numbers []numbered
}

// numbered is where a document number stands; of every numberStep-th one is kept.
type numbered struct {
	number int64
	index  uint64
}

const numberStep = 256

// readTurn is how many entries of an older epoch are read before somebody else
// may have the turn.
const readTurn = 20_000

// findOlder opens the till's older epochs. One that cannot be opened is told, and
// is as if it were not there: its receipts are refused.
func (n *Node) findOlder(ctx context.Context) error {
	n.older = older{given: map[sqlite.Place][]sqlite.Place{}, turn: make(chan struct{}, 1), done: make(chan struct{})}
	numbers, err := olderNumbers(n.opts.Dir, n.dir)
	if err != nil {
		return err
	}
	for _, number := range numbers {
		e, err := n.openOlder(ctx, filepath.Join(n.opts.Dir, fmt.Sprintf("e%d", number)))
		if err != nil {
			n.opts.Log.Error("an older epoch cannot be read", "epoch", number, "err", err)
			continue
		}
		n.older.epochs = append(n.older.epochs, e)
	}
	if len(n.older.epochs) == 0 {
		close(n.older.done)
	}
	return nil
}

// olderNumbers lists the epochs beside the newest one, newest first.
func olderNumbers(dir, newest string) (out []int, err error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look for older epochs: %w", err)
	}
	for _, d := range names {
		if k, ok := epochNumber(d.Name()); ok && d.IsDir() && d.Name() != filepath.Base(newest) {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out, nil
}

func (n *Node) openOlder(ctx context.Context, dir string) (*olderEpoch, error) {
	j, err := journal.OpenReadOnly(dir, journal.ReadOptions{Keys: n.opts.Keys})
	if err != nil {
		return nil, err
	}
	if _, ok := epochOf(j.Origin(), n.Name()); !ok {
		return nil, fmt.Errorf("the journal of %s is none of %s", j.Origin(), n.Name())
	}
	e := &olderEpoch{ReadOnly: j}
	first, err := e.entry(ctx, 0)
	if err != nil {
		return nil, err
	}
	body, err := fiscal.Decode(first.Head.Kind, first.Body)
	if err != nil {
		return nil, err
	}
	switch b := body.(type) {
	case *fiscal.Commission:
		e.key = b.Key
	case *fiscal.Epoch:
		e.key = b.Key
	}
	return e, nil
}

// entry reads one entry.
func (e *olderEpoch) entry(ctx context.Context, index uint64) (journal.Entry, error) {
	for x, err := range e.Entries(ctx, index, index+1) {
		return x, err
	}
	return journal.Entry{}, fmt.Errorf("entry %d of %s: %w", index, e.Origin(), journal.ErrNotFound)
}

// epoch finds an older epoch by its origin; nil: there is none.
func (o *older) epoch(origin string) *olderEpoch {
	for _, e := range o.epochs {
		if e.Origin() == origin {
			return e
		}
	}
	return nil
}

// known reports whether all older epochs have been read.
func (o *older) known() bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

// needed refuses what needs the older epochs while they are still being read.
// Whoever holds the book does not wait for it.
func (o *older) needed() error {
	if !o.known() {
		return refuse(Unavailable, "searching")
	}
	return nil
}

// readOlder reads the older epochs to their end, behind.
func (n *Node) readOlder(ctx context.Context) error {
	for !n.older.known() {
		if err := n.older.readOn(ctx, readTurn); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			n.opts.Log.Error("older epochs cannot be read to their end now", "err", err)
			wait(ctx, projectionPatience)
		}
	}
	return nil
}

// readOn reads up to so many entries further.
func (o *older) readOn(ctx context.Context, entries int) error {
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if o.known() {
		return nil
	}
	// The oldest first, so that returns come in the order in which they were made.
	e := o.epochs[len(o.epochs)-1-o.read]
	end, err := e.readOn(ctx, entries, o.note)
	if err != nil || !end {
		return err
	}
	if o.read++; o.read == len(o.epochs) {
		close(o.done)
	}
	return nil
}

// readOn hands on the next entries that can be read; end: there are no more.
func (e *olderEpoch) readOn(ctx context.Context, entries int, note func(*olderEpoch, journal.Entry)) (end bool, err error) {
	to := e.next + uint64(entries)
	for x, err := range e.Entries(ctx, e.next, to) {
		if err != nil && !errors.Is(err, journal.ErrDamaged) && !errors.Is(err, journal.ErrErased) {
			return false, err
		}
		if err == nil {
			note(e, x)
		}
		e.next++
	}
	return e.next < to, ctx.Err()
}

// note keeps what an entry says about returns and numbers.
func (o *older) note(e *olderEpoch, x journal.Entry) {
	h := x.Head
	if number, ok := h.Number(fiscal.TagDocument); ok && document(h.Kind) && (len(e.numbers) == 0 || number >= e.numbers[len(e.numbers)-1].number+numberStep) {
		e.numbers = append(e.numbers, numbered{number, h.Index})
	}
	if h.Kind != fiscal.KindReturn && h.Kind != fiscal.KindVoid {
		return
	}
	b, err := fiscal.Decode(h.Kind, x.Body)
	if err != nil {
		return
	}
	if at, ok := referredBy(b); ok {
		o.given[at] = append(o.given[at], sqlite.Place{Origin: h.Origin, Index: h.Index})
	}
}

func document(k proof.Kind) bool {
	return k == fiscal.KindReceipt || k == fiscal.KindReturn || k == fiscal.KindVoid || k == fiscal.KindLate
}

// referredBy is the receipt that a return or void is about.
func referredBy(b fiscal.Body) (sqlite.Place, bool) {
	r, ok := b.(*fiscal.Receipt)
	if !ok || r.Document.Original == nil {
		return sqlite.Place{}, false
	}
	return placeOf(r.Document.Original), true
}

func placeOf(r *sale.Reference) sqlite.Place { return sqlite.Place{Origin: r.Origin, Index: r.Index} }

// number finds the newest older document with a number.
func (o *older) number(ctx context.Context, number int64) (at sqlite.Place, ok bool, err error) {
	if err := o.needed(); err != nil {
		return at, false, err
	}
	for _, e := range o.epochs {
		index, ok, err := e.number(ctx, number)
		if ok || err != nil {
			return sqlite.Place{Origin: e.Origin(), Index: index}, ok, err
		}
	}
	return at, false, nil
}

// number finds a document of the epoch, from the last kept number before it on.
func (e *olderEpoch) number(ctx context.Context, number int64) (index uint64, ok bool, err error) {
	i, exact := slices.BinarySearchFunc(e.numbers, number, func(x numbered, n int64) int { return int(x.number - n) })
	if !exact {
		i--
	}
	if i < 0 {
		return 0, false, nil
	}
	for x, err := range e.Entries(ctx, e.numbers[i].index, e.next) {
		if err != nil {
			if errors.Is(err, journal.ErrDamaged) || errors.Is(err, journal.ErrErased) {
				continue
			}
			return 0, false, err
		}
		got, ok := x.Head.Number(fiscal.TagDocument)
		if ok && document(x.Head.Kind) && got >= number {
			return x.Head.Index, got == number, nil
		}
	}
	return 0, false, nil
}
