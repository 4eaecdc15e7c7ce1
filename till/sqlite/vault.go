package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-json-experiment/json"
)

// Vault keeps what the journal cannot give back. Its methods may be called
// concurrently; they run one after the other. When a method that changes
// something returns nil the change survives loss of power; after an error it may
// or may not be there.
type Vault struct{ d *database }

// Person is someone who may sign in.
type Person struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Role   string `json:"role"`
	PIN    string `json:"pin"` // argon2id hash in PHC form, never a PIN
	Active bool   `json:"active"`
}

// Basket is the open basket or a suspended one, as the node left it.
type Basket struct {
	ID    string    `json:"id"`
	Open  bool      `json:"open"`
	Label string    `json:"label"`
	Lines int       `json:"lines"`
	Total int64     `json:"total"` // minor units
	At    time.Time `json:"at"`    // to the millisecond
	Size  uint64    `json:"size"`  // journal size when it was written
	Body  []byte    `json:"body"`
}

// Session is a signed-in screen. The vault holds a hash of its secret only.
type Session struct {
	Token  []byte    `json:"token"` // SHA-256 of the cookie's value
	Person string    `json:"person"`
	At     time.Time `json:"at"` // last use, to the millisecond
	Locked bool      `json:"locked"`
}

// Answer is what a command that made no entry was answered.
type Answer struct {
	Command string    `json:"command"`
	At      time.Time `json:"at"`
	Body    []byte    `json:"body"`
}

// Setting is a named value; a nil Value deletes it.
type Setting struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

// Change is one alteration of the vault; exactly one field is set.
type Change struct {
	Person      *Person  `json:"person,omitzero"`
	Basket      *Basket  `json:"basket,omitzero"`
	DropBasket  string   `json:"dropBasket,omitzero"`
	Session     *Session `json:"session,omitzero"`
	DropSession []byte   `json:"dropSession,omitzero"`
	Answer      *Answer  `json:"answer,omitzero"`
	Setting     *Setting `json:"setting,omitzero"`
}

// Staged are changes that wait for the entry of their command.
type Staged struct {
	Command string
	Size    uint64 // the entry is at this index or above, or was never made
	Changes []Change
}

// CreateVault makes a vault in a file that must not exist; key is 32 bytes.
func CreateVault(ctx context.Context, path string, key []byte) (*Vault, error) {
	if _, err := os.Stat(path); err == nil {
		return nil, fmt.Errorf("create vault: %w", os.ErrExist)
	}
	d, err := open(ctx, path, key, "vault", "FULL", true, hotVault...)
	if err != nil {
		return nil, err
	}
	return &Vault{d}, nil
}

// OpenVault opens a vault that must exist. Errors: [ErrKey], [ErrNewer], os.ErrNotExist.
func OpenVault(ctx context.Context, path string, key []byte) (*Vault, error) {
	d, err := open(ctx, path, key, "vault", "FULL", false, hotVault...)
	if err != nil {
		return nil, err
	}
	return &Vault{d}, nil
}

// Close writes the log back into the file and gives up the lock.
func (v *Vault) Close() error { return v.d.close() }

// Apply makes all changes or none.
func (v *Vault) Apply(ctx context.Context, changes ...Change) error {
	err := v.d.transact(ctx, func(tx *sql.Tx) error { return v.d.applyAll(ctx, tx, changes) })
	if err != nil {
		return fmt.Errorf("change vault: %w", err)
	}
	return nil
}

// Stage keeps changes that take effect with Settle once the entry of their
// command is durable. A crash in between leaves them staged; the node looks for
// the entry at its next start.
func (v *Vault) Stage(ctx context.Context, s Staged) error {
	body, err := json.Marshal(s.Changes)
	if err != nil {
		return fmt.Errorf("stage changes: %w", err)
	}
	_, err = v.d.hot[insertStaged].ExecContext(ctx, s.Command, int64(s.Size), body)
	if err != nil {
		return fmt.Errorf("stage changes: %w", err)
	}
	return nil
}

// Settle applies what was staged for command, or with apply=false forgets it.
// A command without staged changes is no error.
func (v *Vault) Settle(ctx context.Context, command string, apply bool) error {
	err := v.d.transact(ctx, func(tx *sql.Tx) error { return v.d.settle(ctx, tx, command, apply) })
	if err != nil {
		return fmt.Errorf("settle staged changes: %w", err)
	}
	return nil
}

func (d *database) settle(ctx context.Context, tx *sql.Tx, command string, apply bool) error {
	var body []byte
	err := tx.StmtContext(ctx, d.hot[takeStaged]).QueryRowContext(ctx, command).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil || !apply {
		return err
	}
	var changes []Change
	if err := json.Unmarshal(body, &changes); err != nil {
		return err
	}
	return d.applyAll(ctx, tx, changes)
}

// Staged lists what no Settle has ended, oldest first.
func (v *Vault) Staged(ctx context.Context) ([]Staged, error) {
	list, err := all(ctx, v.d.db, func(scan func(...any) error) (s Staged, err error) {
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

// People lists everyone, in the order of their ids.
func (v *Vault) People(ctx context.Context) ([]Person, error) {
	list, err := all(ctx, v.d.db, func(scan func(...any) error) (p Person, err error) {
		err = scan(&p.ID, &p.Name, &p.Role, &p.PIN, &p.Active)
		return p, err
	}, "SELECT id, name, role, pin, active FROM person ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("list people: %w", err)
	}
	return list, nil
}

// Baskets lists the open basket and the suspended ones, oldest first.
func (v *Vault) Baskets(ctx context.Context) ([]Basket, error) {
	list, err := all(ctx, v.d.db, func(scan func(...any) error) (b Basket, err error) {
		var at int64
		err = scan(&b.ID, &b.Open, &b.Label, &b.Lines, &b.Total, &at, &b.Size, &b.Body)
		b.At = time.UnixMilli(at).UTC()
		return b, err
	}, "SELECT id, open, label, lines, total, at, size, body FROM basket ORDER BY at, id")
	if err != nil {
		return nil, fmt.Errorf("list baskets: %w", err)
	}
	return list, nil
}

// Sessions lists the signed-in screens.
func (v *Vault) Sessions(ctx context.Context) ([]Session, error) {
	list, err := all(ctx, v.d.db, func(scan func(...any) error) (s Session, err error) {
		var at int64
		err = scan(&s.Token, &s.Person, &at, &s.Locked)
		s.At = time.UnixMilli(at).UTC()
		return s, err
	}, "SELECT token, person, at, locked FROM session")
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}

// Answer finds what a command was answered; ok is false when it is not known.
func (v *Vault) Answer(ctx context.Context, command string) (body []byte, ok bool, err error) {
	err = v.d.hot[findAnswer].QueryRowContext(ctx, command).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("find answer: %w", err)
	}
	return body, true, nil
}

// ForgetAnswers drops the answers given before a time: ids that old are refused.
func (v *Vault) ForgetAnswers(ctx context.Context, before time.Time) error {
	if _, err := v.d.db.ExecContext(ctx, "DELETE FROM answer WHERE at < ?", before.UnixMilli()); err != nil {
		return fmt.Errorf("forget answers: %w", err)
	}
	return nil
}

// Setting finds a value; nil when there is none.
func (v *Vault) Setting(ctx context.Context, key string) ([]byte, error) {
	var value []byte
	err := v.d.db.QueryRowContext(ctx, "SELECT value FROM setting WHERE key = ?", key).Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("find setting %s: %w", key, err)
	}
	return value, nil
}

func (d *database) applyAll(ctx context.Context, tx *sql.Tx, changes []Change) error {
	for _, c := range changes {
		if err := d.apply(ctx, tx, c); err != nil {
			return err
		}
	}
	return nil
}

func (d *database) apply(ctx context.Context, tx *sql.Tx, c Change) error {
	query, args := statement(c)
	if query == "" {
		return errors.New("empty change")
	}
	_, err := d.exec(ctx, tx, query, args...)
	return err
}

// The queries of the hot paths.
const (
	putBasket = "INSERT INTO basket (id, open, label, lines, total, at, size, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)" +
		" ON CONFLICT (id) DO UPDATE SET open=excluded.open, label=excluded.label, lines=excluded.lines, total=excluded.total, at=excluded.at, size=excluded.size, body=excluded.body"
	dropBasket   = "DELETE FROM basket WHERE id = ?"
	putSession   = "INSERT OR REPLACE INTO session (token, person, at, locked) VALUES (?, ?, ?, ?)"
	putAnswer    = "INSERT OR REPLACE INTO answer (command, at, body) VALUES (?, ?, ?)"
	findAnswer   = "SELECT body FROM answer WHERE command = ?"
	insertStaged = "INSERT INTO staged (command, size, changes) VALUES (?, ?, ?)"
	takeStaged   = "DELETE FROM staged WHERE command = ? RETURNING changes"
)

var hotVault = []string{putBasket, dropBasket, putSession, putAnswer, findAnswer, insertStaged, takeStaged}

func statement(c Change) (string, []any) {
	switch {
	case c.Person != nil:
		p := c.Person
		return "INSERT OR REPLACE INTO person (id, name, role, pin, active) VALUES (?, ?, ?, ?, ?)",
			[]any{p.ID, p.Name, p.Role, p.PIN, p.Active}
	case c.Basket != nil:
		b := c.Basket
		return putBasket,
			[]any{b.ID, b.Open, b.Label, b.Lines, b.Total, b.At.UnixMilli(), int64(b.Size), b.Body}
	case c.DropBasket != "":
		return dropBasket, []any{c.DropBasket}
	case c.Session != nil:
		s := c.Session
		return putSession,
			[]any{s.Token, s.Person, s.At.UnixMilli(), s.Locked}
	case c.DropSession != nil:
		return "DELETE FROM session WHERE token = ?", []any{c.DropSession}
	case c.Answer != nil:
		return putAnswer,
			[]any{c.Answer.Command, c.Answer.At.UnixMilli(), c.Answer.Body}
	case c.Setting != nil && c.Setting.Value == nil:
		return "DELETE FROM setting WHERE key = ?", []any{c.Setting.Key}
	case c.Setting != nil:
		return "INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)", []any{c.Setting.Key, c.Setting.Value}
	}
	return "", nil
}
