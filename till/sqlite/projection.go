package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// Projection finds entries for questions. It is a copy: the node reads what it
// answers from the journal itself. Its methods may be called concurrently; they
// run one after the other.
type Projection struct {
	path, origin string
	key          []byte

	mu sync.RWMutex // guards d against Renew
	d  *database
}

// Row is what the projection keeps of one entry.
type Row struct {
	Index  uint64
	Leaf   [32]byte
	At     time.Time
	Kind   uint16
	Person string
	Number uint64 // document number, 0: none
	Amount *int64 // minor units, nil: none
	Words  string // one line in the shop's language
	Text   string // what a search looks through
	// Receipt is set for sales, returns and voids.
	Receipt *ReceiptRow
	// Refers are the indexes of earlier entries that this one is about: the
	// receipt that is given back, voided, printed, copied.
	Refers []uint64
	// Elsewhere are entries of other journals that this one is about: receipts of
	// older epochs that are given back or copied.
	Elsewhere []Place
	// Z is set for a Z report.
	Z *ZRow
}

// Place names an entry of any journal.
type Place struct {
	Origin string
	Index  uint64
}

// ReceiptRow is a receipt's place in its series of numbers.
type ReceiptRow struct {
	Training bool
	Number   uint64
	Index    uint64
	At       time.Time
	Kind     uint16
	Person   string
	Total    int64
	Lines    int
}

// ZRow is a day's close.
type ZRow struct {
	Number uint64
	Index  uint64
	At     time.Time
	Total  int64
}

// Query selects entries or receipts, newest first.
type Query struct {
	Text   string   // words that must all occur, or a number
	Kinds  []uint16 // none: all
	Before uint64   // index or receipt number, exclusive; 0: from the newest
	Limit  int      // 1..200; outside: 50
}

// OpenProjection opens the projection of a journal, or makes an empty one when
// there is none, or none that can be used: under another key, of another schema
// or origin, damaged where it begins. It does not read through a long one: damage
// further in shows when it is used, and Renew is the answer. rebuilt says that it
// is empty.
func OpenProjection(ctx context.Context, path string, key []byte, origin string) (p *Projection, rebuilt bool, err error) {
	p, err = openProjection(ctx, path, key, origin)
	if err == nil {
		next, _, err := p.Cursor(ctx)
		return p, next == 0, err
	}
	if err := RemoveProjection(path); err != nil {
		return nil, false, err
	}
	p, err = openProjection(ctx, path, key, origin)
	return p, true, err
}

// PeekProjection reads which journal a projection is of and how far it came, and
// leaves it as it is.
func PeekProjection(ctx context.Context, path string, key []byte) (origin string, next uint64, err error) {
	d, err := open(ctx, path, key, "projection", "NORMAL", false)
	if err != nil {
		return "", 0, err
	}
	err = d.db.QueryRowContext(ctx, "SELECT origin, next FROM cursor").Scan(&origin, &next)
	if closed := d.close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", 0, fmt.Errorf("read projection cursor: %w", err)
	}
	return origin, next, nil
}

// RemoveProjection deletes a projection that is not open; it may be missing.
func RemoveProjection(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove projection: %w", err)
		}
	}
	return nil
}

func openProjection(ctx context.Context, path string, key []byte, origin string) (*Projection, error) {
	d, err := open(ctx, path, key, "projection", "NORMAL", true, hotProjection...)
	if err != nil {
		return nil, err
	}
	p := &Projection{path: path, origin: origin, key: key, d: d}
	if err := p.claim(ctx, origin); err != nil {
		d.close()
		return nil, err
	}
	return p, nil
}

func (p *Projection) claim(ctx context.Context, origin string) error {
	_, err := p.d.db.ExecContext(ctx, "INSERT OR IGNORE INTO cursor (one, origin, next, leaf) VALUES (1, ?, 0, zeroblob(32))", origin)
	if err != nil {
		return err
	}
	var have string
	if err := p.d.db.QueryRowContext(ctx, "SELECT origin FROM cursor").Scan(&have); err != nil {
		return err
	}
	if have != origin {
		return fmt.Errorf("projection of %s", have)
	}
	return nil
}

// Renew throws everything away and begins with an empty projection: for one that
// turns out to be damaged while it is open. Other calls wait.
func (p *Projection) Renew(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.d.close() // it is thrown away; a damaged file may not close cleanly
	if err := RemoveProjection(p.path); err != nil {
		return err
	}
	fresh, err := openProjection(ctx, p.path, p.key, p.origin)
	if err != nil {
		return err
	}
	p.d = fresh.d
	return nil
}

// Close gives up the lock.
func (p *Projection) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.d.close()
}

// Cursor is the first index that is not in the projection, and the leaf hash of
// the entry before it: when the journal's differs, the projection is another's.
func (p *Projection) Cursor(ctx context.Context) (next uint64, leaf [32]byte, err error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var b []byte
	if err := p.d.db.QueryRowContext(ctx, "SELECT next, leaf FROM cursor").Scan(&next, &b); err != nil {
		return 0, leaf, fmt.Errorf("read projection cursor: %w", err)
	}
	copy(leaf[:], b)
	return next, leaf, nil
}

// Apply adds entries that follow the cursor, in order, and moves it: all or none.
func (p *Projection) Apply(ctx context.Context, rows []Row) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if len(rows) == 0 {
		return nil
	}
	err := p.d.transact(ctx, func(tx *sql.Tx) error {
		for i := range rows {
			if err := p.d.insert(ctx, tx, &rows[i]); err != nil {
				return fmt.Errorf("entry %d: %w", rows[i].Index, err)
			}
		}
		return p.d.move(ctx, tx, rows)
	})
	if err != nil {
		return fmt.Errorf("extend projection: %w", err)
	}
	return nil
}

func (d *database) move(ctx context.Context, tx *sql.Tx, rows []Row) error {
	last := rows[len(rows)-1]
	res, err := d.exec(ctx, tx, moveCursor, int64(last.Index+1), last.Leaf[:], int64(rows[0].Index))
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n != 1 {
		return fmt.Errorf("entry %d: %w", rows[0].Index, errCursor)
	}
	return nil
}

// The queries that extend a projection.
const (
	putEntry   = "INSERT INTO entry (idx, at, kind, person, number, amount, words, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
	putReceipt = "INSERT OR REPLACE INTO receipt (series, number, idx, at, kind, person, total, lines, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
	putRefer   = "INSERT OR IGNORE INTO refer (original, by, kind) VALUES (?, ?, ?)"
	moveCursor = "UPDATE cursor SET next = ?, leaf = ? WHERE next = ?"
)

var hotProjection = []string{putEntry, putReceipt, putRefer, moveCursor}

func (d *database) insert(ctx context.Context, tx *sql.Tx, r *Row) error {
	_, err := d.exec(ctx, tx, putEntry,
		int64(r.Index), r.At.UnixMilli(), r.Kind, r.Person, int64(r.Number), r.Amount, r.Words, strings.ToLower(r.Text))
	if err != nil {
		return err
	}
	if err := d.insertReceipt(ctx, tx, r); err != nil {
		return err
	}
	for _, original := range r.Refers {
		_, err := d.exec(ctx, tx, putRefer, int64(original), int64(r.Index), r.Kind)
		if err != nil {
			return err
		}
	}
	for _, p := range r.Elsewhere {
		if _, err := d.exec(ctx, tx, "INSERT OR IGNORE INTO elsewhere (origin, original, by, kind) VALUES (?, ?, ?, ?)", p.Origin, int64(p.Index), int64(r.Index), r.Kind); err != nil {
			return err
		}
	}
	if r.Z == nil {
		return nil
	}
	_, err = d.exec(ctx, tx, "INSERT OR REPLACE INTO z (number, idx, at, total) VALUES (?, ?, ?, ?)", int64(r.Z.Number), int64(r.Index), r.At.UnixMilli(), r.Z.Total)
	return err
}

func (d *database) insertReceipt(ctx context.Context, tx *sql.Tx, r *Row) error {
	if r.Receipt == nil {
		return nil
	}
	_, err := d.exec(ctx, tx, putReceipt,
		r.Receipt.Training, int64(r.Receipt.Number), int64(r.Index), r.At.UnixMilli(), r.Kind, r.Person, r.Receipt.Total, r.Receipt.Lines, strings.ToLower(r.Text))
	return err
}

// Entries finds entries.
func (p *Projection) Entries(ctx context.Context, q Query) ([]Row, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	where, args := q.where("idx")
	list, err := all(ctx, p.d.db, func(scan func(...any) error) (r Row, err error) {
		var at int64
		err = scan(&r.Index, &at, &r.Kind, &r.Person, &r.Number, &r.Amount, &r.Words)
		r.At = time.UnixMilli(at).UTC()
		return r, err
	}, "SELECT idx, at, kind, person, number, amount, words FROM entry"+where+" ORDER BY idx DESC LIMIT ?", append(args, q.limit())...)
	if err != nil {
		return nil, fmt.Errorf("find entries: %w", err)
	}
	return list, nil
}

// Receipts finds receipts of the real or the training series.
func (p *Projection) Receipts(ctx context.Context, training bool, q Query) ([]ReceiptRow, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	where, args := q.where("number")
	list, err := all(ctx, p.d.db, scanReceipt,
		"SELECT "+receiptColumns+" FROM (SELECT * FROM receipt WHERE series = ?)"+where+" ORDER BY number DESC LIMIT ?",
		append(append([]any{training}, args...), q.limit())...)
	if err != nil {
		return nil, fmt.Errorf("find receipts: %w", err)
	}
	return list, nil
}

const receiptColumns = "series, number, idx, at, kind, person, total, lines"

func scanReceipt(scan func(...any) error) (r ReceiptRow, err error) {
	var at int64
	err = scan(&r.Training, &r.Number, &r.Index, &at, &r.Kind, &r.Person, &r.Total, &r.Lines)
	r.At = time.UnixMilli(at).UTC()
	return r, err
}

// Receipt finds one receipt by its number.
func (p *Projection) Receipt(ctx context.Context, training bool, number uint64) (r ReceiptRow, ok bool, err error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if number > 1<<63-1 {
		return r, false, nil
	}
	row := p.d.db.QueryRowContext(ctx, "SELECT "+receiptColumns+" FROM receipt WHERE series = ? AND number = ?", training, int64(number))
	r, err = scanReceipt(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("find receipt: %w", err)
	}
	return r, true, nil
}

// Referring lists the entries of some kinds (none: all) that are about the
// entry at an index, oldest first.
func (p *Projection) Referring(ctx context.Context, original uint64, kinds ...uint16) ([]uint64, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if original > 1<<63-1 {
		return nil, nil
	}
	where, args := Query{Kinds: kinds}.where("by")
	if where == "" {
		where = " WHERE true"
	}
	list, err := all(ctx, p.d.db, func(scan func(...any) error) (by uint64, err error) {
		err = scan(&by)
		return by, err
	}, "SELECT by FROM refer"+where+" AND original = ? ORDER BY by", append(args, int64(original))...)
	if err != nil {
		return nil, fmt.Errorf("find references: %w", err)
	}
	return list, nil
}

// ReferringElsewhere lists the entries of some kinds (none: all) that are about an
// entry of another journal, oldest first.
func (p *Projection) ReferringElsewhere(ctx context.Context, at Place, kinds ...uint16) ([]uint64, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if at.Index > 1<<63-1 {
		return nil, nil
	}
	where, args := Query{Kinds: kinds}.where("by")
	if where == "" {
		where = " WHERE true"
	}
	list, err := all(ctx, p.d.db, func(scan func(...any) error) (by uint64, err error) {
		err = scan(&by)
		return by, err
	}, "SELECT by FROM elsewhere"+where+" AND origin = ? AND original = ? ORDER BY by", append(args, at.Origin, int64(at.Index))...)
	if err != nil {
		return nil, fmt.Errorf("find references: %w", err)
	}
	return list, nil
}

// Zs lists day closes, newest first.
func (p *Projection) Zs(ctx context.Context, q Query) ([]ZRow, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	where, args := Query{Before: q.Before}.where("number")
	list, err := all(ctx, p.d.db, scanZ, "SELECT number, idx, at, total FROM z"+where+" ORDER BY number DESC LIMIT ?", append(args, q.limit())...)
	if err != nil {
		return nil, fmt.Errorf("find reports: %w", err)
	}
	return list, nil
}

// Z finds one day's close.
func (p *Projection) Z(ctx context.Context, number uint64) (z ZRow, ok bool, err error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if number > 1<<63-1 {
		return z, false, nil
	}
	z, err = scanZ(p.d.db.QueryRowContext(ctx, "SELECT number, idx, at, total FROM z WHERE number = ?", int64(number)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return z, false, nil
	}
	if err != nil {
		return z, false, fmt.Errorf("find report: %w", err)
	}
	return z, true, nil
}

// ZsWithin finds the entries of the day closes from one moment until before another,
// oldest first, most of them at the most.
func (p *Projection) ZsWithin(ctx context.Context, from, until time.Time, most int) ([]uint64, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	list, err := all(ctx, p.d.db, func(scan func(...any) error) (index uint64, err error) {
		err = scan(&index)
		return index, err
	}, "SELECT idx FROM z WHERE at >= ? AND at < ? ORDER BY number LIMIT ?", from.UnixMilli(), until.UnixMilli(), most)
	if err != nil {
		return nil, fmt.Errorf("find reports: %w", err)
	}
	return list, nil
}

func scanZ(scan func(...any) error) (z ZRow, err error) {
	var at int64
	err = scan(&z.Number, &z.Index, &at, &z.Total)
	z.At = time.UnixMilli(at).UTC()
	return z, err
}

func (q Query) limit() int {
	if q.Limit < 1 || q.Limit > 200 {
		return 50
	}
	return q.Limit
}

// where builds the condition; place is the column that Before counts in.
func (q Query) where(place string) (string, []any) {
	var conds []string
	var args []any
	if q.Before > 0 && q.Before <= 1<<63-1 {
		conds, args = append(conds, place+" < ?"), append(args, int64(q.Before))
	}
	if len(q.Kinds) > 0 {
		conds = append(conds, "kind IN (?"+strings.Repeat(", ?", len(q.Kinds)-1)+")")
		for _, k := range q.Kinds {
			args = append(args, k)
		}
	}
	for _, word := range strings.Fields(strings.ToLower(q.Text)) {
		conds, args = append(conds, "(CAST(number AS TEXT) = ? OR instr(text, ?) > 0)"), append(args, word, word)
	}
	if conds == nil {
		return "", nil
	}
	return " WHERE " + strings.Join(conds, " AND "), args
}
