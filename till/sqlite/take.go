package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/redo"
)

// A change goes into the log, which costs one write and one sync, and into
// memory; the database takes over what has gathered, behind, in one transaction
// that also says how far the log is in it.
const (
	// takeAt is how full the log is when the database begins to take over.
	takeAt = redo.Size / 2
	// takePatience is how many changes pass after the database could not.
	takePatience = 64
)

var errNoLog = errors.New("no log of changes")

// commit makes an op durable: by the log, or where that does not take it by the
// database itself.
func (v *Vault) commit(ctx context.Context, o op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := v.append(o)
	if errors.Is(err, redo.ErrFull) || errors.Is(err, redo.ErrTooLarge) || errors.Is(err, redo.ErrFailed) || errors.Is(err, errNoLog) {
		return v.take(ctx, o)
	}
	return err
}

func (v *Vault) append(o op) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.memory.check(o); err != nil {
		return err
	}
	if v.log == nil {
		return errNoLog
	}
	record, err := json.Marshal(append(v.settled[:len(v.settled):len(v.settled)], o))
	if err != nil {
		return err
	}
	if _, err := v.log.Append(record); err != nil {
		return err
	}
	v.settled = nil
	v.note(o)
	v.takeBehind()
	return nil
}

// takeBehind lets the database take over when the log fills up. Called with mu
// held.
func (v *Vault) takeBehind() {
	if v.patient > 0 {
		v.patient--
		return
	}
	if v.under != nil || v.log.Used() < takeAt {
		return
	}
	v.patient = takePatience // until it has succeeded
	v.behind.Go(func() {
		if v.take(context.Background()) == nil {
			v.mu.Lock()
			v.patient = 0
			v.mu.Unlock()
		}
	})
}

// take brings what is pending into the database, and ops along with it that the
// log does not take. After an error nothing has changed, or the database has it.
func (v *Vault) take(ctx context.Context, ops ...op) error {
	v.taking.Lock()
	defer v.taking.Unlock()
	if len(ops) > 0 {
		return v.takeWith(ctx, ops)
	}
	rows, mark, ok := v.hand()
	if !ok {
		return nil
	}
	err := v.d.take(ctx, rows, mark)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.under, v.pending = nil, v.under.with(v.pending)
		return err
	}
	v.taken(v.under, mark)
	v.under = nil
	return nil
}

// hand gives what is pending away; others go on meanwhile.
func (v *Vault) hand() (rows []row, mark redo.Mark, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.pending.empty() {
		return nil, mark, false
	}
	v.under, v.pending = v.pending, newPending()
	return v.under.list(), v.mark(), true
}

// takeWith is take with ops, while nobody else changes anything: they are tried
// on a copy of what is pending.
func (v *Vault) takeWith(ctx context.Context, ops []op) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	trial := &Vault{memory: v.memory.clone(), pending: newPending().with(v.pending)}
	for _, o := range ops {
		if err := trial.memory.check(o); err != nil {
			return err
		}
		trial.note(o)
	}
	mark := v.mark()
	if err := v.d.take(ctx, trial.pending.list(), mark); err != nil {
		return err
	}
	v.memory, v.pending = trial.memory, newPending()
	v.taken(trial.pending, mark)
	return nil
}

// mark is how far the log has come; a record that failed counts as one that the
// database has, since it must not come back behind what is newer.
func (v *Vault) mark() redo.Mark {
	if v.log == nil {
		return v.begun
	}
	return v.log.Last()
}

// taken notes that the database has rows, and the log up to a mark.
func (v *Vault) taken(p *pending, mark redo.Mark) {
	for _, r := range p.rows {
		if a := r.change.Answer; a != nil {
			v.memory.answered(a.Command)
		}
	}
	if v.log != nil {
		v.log.Stored(mark.Number)
	}
}

// recall reads what the database has, takes over what the log holds beyond that,
// and begins a new session of the log. Where the disk is full the session before
// goes on, and where no log can be made the vault works without.
func (v *Vault) recall(ctx context.Context, fsys durable.FS, name string, key []byte) error {
	mark, err := v.remember(ctx)
	if err != nil {
		return err
	}
	log, records, err := redo.Open(fsys, name, key, mark)
	if err != nil && !Full(err) {
		return err
	}
	v.log, v.Missing = log, redo.Missing(records, mark)
	for _, r := range records {
		if err := v.replay(r); err != nil {
			return err
		}
	}
	v.begun = redo.Mark{Session: mark.Session + 1}
	err = v.d.take(ctx, v.pending.list(), v.begun)
	if log != nil && Full(err) {
		return v.learnAnswers(ctx) // the session goes on, in what room the log has
	}
	if err != nil {
		return err
	}
	v.pending = newPending()
	if log != nil {
		log.Begin(v.begun.Session)
	}
	return v.learnAnswers(ctx)
}

func (v *Vault) replay(r redo.Record) error {
	var ops []op
	if err := json.Unmarshal(r.Data, &ops); err != nil {
		return fmt.Errorf("change %d of the log: %w", r.Number, err)
	}
	for _, o := range ops {
		v.note(o)
	}
	return nil
}

// remember reads what the checks of changes have to know.
func (v *Vault) remember(ctx context.Context) (mark redo.Mark, err error) {
	if err := v.d.db.QueryRowContext(ctx, "SELECT session, number FROM redo").Scan(&mark.Session, &mark.Number); err != nil {
		return mark, fmt.Errorf("read how far the log is taken over: %w", err)
	}
	err = v.d.db.QueryRowContext(ctx, "SELECT id FROM basket WHERE open = 1").Scan(&v.memory.open)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return mark, fmt.Errorf("find open basket: %w", err)
	}
	v.memory.staged, err = v.d.staged(ctx)
	return mark, err
}

func (d *database) staged(ctx context.Context) ([]Staged, error) {
	list, err := all(ctx, d.db, func(scan func(...any) error) (s Staged, err error) {
		var body []byte
		if err = scan(&s.Command, &s.Size, &body); err == nil {
			err = json.Unmarshal(body, &s.Changes)
		}
		return s, err
	}, "SELECT command, size, changes FROM staged ORDER BY size, rowid")
	if err != nil {
		return nil, fmt.Errorf("list staged changes: %w", err)
	}
	return list, nil
}

// take writes rows and the mark in one transaction.
func (d *database) take(ctx context.Context, rows []row, mark redo.Mark) error {
	return d.transact(ctx, func(tx *sql.Tx) error {
		for _, r := range rows {
			query, args, err := r.statement()
			if err != nil {
				return err
			}
			if _, err := d.exec(ctx, tx, query, args...); err != nil {
				return err
			}
		}
		_, err := d.exec(ctx, tx, putMark, int64(mark.Session), int64(mark.Number))
		return err
	})
}

// The queries by which the database takes over, and that of each new command.
const (
	putBasket = "INSERT INTO basket (id, open, label, lines, total, at, size, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)" +
		" ON CONFLICT (id) DO UPDATE SET open=excluded.open, label=excluded.label, lines=excluded.lines, total=excluded.total, at=excluded.at, size=excluded.size, body=excluded.body"
	dropBasket = "DELETE FROM basket WHERE id = ?"
	putSession = "INSERT OR REPLACE INTO session (token, person, at, locked) VALUES (?, ?, ?, ?)"
	putAnswer  = "INSERT OR REPLACE INTO answer (command, at, body) VALUES (?, ?, ?)"
	findAnswer = "SELECT body FROM answer WHERE command = ?"
	putStaged  = "INSERT OR REPLACE INTO staged (command, size, changes) VALUES (?, ?, ?)"
	dropStaged = "DELETE FROM staged WHERE command = ?"
	putMark    = "UPDATE redo SET session = ?, number = ?"
)

var hotVault = []string{putBasket, dropBasket, putSession, putAnswer, findAnswer, putStaged, dropStaged, putMark}

func (r row) statement() (query string, args []any, err error) {
	switch {
	case r.stage != nil:
		body, err := json.Marshal(r.stage.Changes)
		return putStaged, []any{r.stage.Command, int64(r.stage.Size), body}, err
	case r.unstage != "":
		return dropStaged, []any{r.unstage}, nil
	}
	query, args = r.change.statement()
	return query, args, nil
}

func (c Change) statement() (string, []any) {
	switch {
	case c.Person != nil:
		p := c.Person
		return "INSERT OR REPLACE INTO person (id, name, role, pin, active) VALUES (?, ?, ?, ?, ?)",
			[]any{p.ID, p.Name, p.Role, p.PIN, p.Active}
	case c.Basket != nil:
		b := c.Basket
		return putBasket, []any{b.ID, b.Open, b.Label, b.Lines, b.Total, b.At.UnixMilli(), int64(b.Size), b.Body}
	case c.DropBasket != "":
		return dropBasket, []any{c.DropBasket}
	case c.Session != nil:
		s := c.Session
		return putSession, []any{s.Token, s.Person, s.At.UnixMilli(), s.Locked}
	case c.DropSession != nil:
		return "DELETE FROM session WHERE token = ?", []any{c.DropSession}
	case c.Answer != nil:
		return putAnswer, []any{c.Answer.Command, c.Answer.At.UnixMilli(), c.Answer.Body}
	case c.Setting.Value == nil:
		return "DELETE FROM setting WHERE key = ?", []any{c.Setting.Key}
	}
	return "INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)", []any{c.Setting.Key, c.Setting.Value}
}
