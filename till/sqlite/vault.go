package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/redo"
)

// Vault keeps what the journal cannot give back. Its methods may be called
// concurrently; they run one after the other. When Apply or Stage returns nil the
// change survives loss of power; after an error it may or may not be there.
type Vault struct {
	d   *database
	log *redo.Log // nil where none could be made: then each change is a transaction
	// Missing counts changes that the log beside the file should have held when it
	// was opened, and did not: more than none means that it was damaged.
	Missing uint64
	begun   redo.Mark // of the database when the vault was opened

	taking sync.Mutex // held while the database takes changes over; comes before mu
	behind sync.WaitGroup

	mu      sync.Mutex
	memory  memory
	pending *pending // not in the database yet
	under   *pending // on its way there; nil: nothing
	settled []op     // take effect, but are not in the log yet
	patient int      // changes that pass before the database is tried again
}

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
	Value []byte `json:"value,omitzero"`
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
	Command string   `json:"command"`
	Size    uint64   `json:"size"` // the entry is at this index or above, or was never made
	Changes []Change `json:"changes"`
}

// CreateVault makes a vault in a file that must not exist; key is 32 bytes.
func CreateVault(ctx context.Context, path string, key []byte) (*Vault, error) {
	if _, err := os.Stat(path); err == nil {
		return nil, fmt.Errorf("create vault: %w", os.ErrExist)
	}
	return openVault(ctx, path, key, true)
}

// OpenVault opens a vault that must exist, with the log of changes beside it
// (path and "-redo"), and takes over what that holds. Errors: [ErrKey],
// [ErrNewer], os.ErrNotExist.
func OpenVault(ctx context.Context, path string, key []byte) (*Vault, error) {
	return openVault(ctx, path, key, false)
}

func openVault(ctx context.Context, path string, key []byte, mayCreate bool) (*Vault, error) {
	d, err := open(ctx, path, key, "vault", "FULL", mayCreate, hotVault...)
	if err != nil {
		return nil, err
	}
	v := &Vault{d: d, pending: newPending()}
	if err := v.recall(ctx, durable.OS{}, path+"-redo", key); err != nil {
		return nil, errors.Join(fmt.Errorf("open vault: %w", err), v.release())
	}
	return v, nil
}

// Close brings everything into the database and gives up the lock. After an error
// the log still has what the database has not.
func (v *Vault) Close() error {
	v.behind.Wait()
	err := v.take(context.Background())
	if v.log != nil && Full(err) {
		err = nil // the log has it
	}
	return errors.Join(err, v.release())
}

func (v *Vault) release() error {
	var err error
	if v.log != nil {
		err = v.log.Close()
	}
	return errors.Join(err, v.d.close())
}

// Apply makes all changes or none.
func (v *Vault) Apply(ctx context.Context, changes ...Change) error {
	if err := v.commit(ctx, op{Changes: changes}); err != nil {
		return fmt.Errorf("change vault: %w", err)
	}
	return nil
}

// Stage keeps changes that take effect with Settle once the entry of their
// command is durable. A crash in between leaves them staged; the node looks for
// the entry at its next start.
func (v *Vault) Stage(ctx context.Context, s Staged) error {
	if err := v.commit(ctx, op{Stage: &s}); err != nil {
		return fmt.Errorf("stage changes: %w", err)
	}
	return nil
}

// Settle applies what was staged for command, or with apply=false forgets it.
// A command without staged changes is no error. It takes effect at once and
// becomes durable with the next change: a crash before that leaves them staged,
// and the entry decides again.
func (v *Vault) Settle(ctx context.Context, command string, apply bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	o := op{Settle: command, Apply: apply}
	err := ctx.Err()
	if err == nil {
		err = v.memory.check(o)
	}
	if err != nil {
		return fmt.Errorf("settle staged changes: %w", err)
	}
	if _, ok := v.memory.stagedFor(command); ok {
		v.note(o)
		v.settled = append(v.settled, o)
	}
	return nil
}

// Staged lists what no Settle has ended, oldest first.
func (v *Vault) Staged(context.Context) ([]Staged, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.memory.staged), nil
}

// People lists everyone, in the order of their ids.
func (v *Vault) People(ctx context.Context) ([]Person, error) {
	v.taking.Lock()
	defer v.taking.Unlock()
	list, err := all(ctx, v.d.db, func(scan func(...any) error) (p Person, err error) {
		err = scan(&p.ID, &p.Name, &p.Role, &p.PIN, &p.Active)
		return p, err
	}, "SELECT id, name, role, pin, active FROM person")
	if err != nil {
		return nil, fmt.Errorf("list people: %w", err)
	}
	list = over(v, list, func(p *Person) Change { return Change{Person: p} }, func(c Change) *Person { return c.Person })
	slices.SortFunc(list, func(a, b Person) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// Baskets lists the open basket and the suspended ones, oldest first.
func (v *Vault) Baskets(ctx context.Context) ([]Basket, error) {
	v.taking.Lock()
	defer v.taking.Unlock()
	list, err := all(ctx, v.d.db, func(scan func(...any) error) (b Basket, err error) {
		var at int64
		err = scan(&b.ID, &b.Open, &b.Label, &b.Lines, &b.Total, &at, &b.Size, &b.Body)
		b.At = time.UnixMilli(at).UTC()
		return b, err
	}, "SELECT id, open, label, lines, total, at, size, body FROM basket")
	if err != nil {
		return nil, fmt.Errorf("list baskets: %w", err)
	}
	list = over(v, list, func(b *Basket) Change { return Change{Basket: b} }, func(c Change) *Basket { return c.Basket })
	for i := range list {
		list[i].At = time.UnixMilli(list[i].At.UnixMilli()).UTC()
	}
	slices.SortFunc(list, func(a, b Basket) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

// Sessions lists the signed-in screens.
func (v *Vault) Sessions(ctx context.Context) ([]Session, error) {
	v.taking.Lock()
	defer v.taking.Unlock()
	list, err := all(ctx, v.d.db, func(scan func(...any) error) (s Session, err error) {
		var at int64
		err = scan(&s.Token, &s.Person, &at, &s.Locked)
		s.At = time.UnixMilli(at).UTC()
		return s, err
	}, "SELECT token, person, at, locked FROM session")
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	list = over(v, list, func(s *Session) Change { return Change{Session: s} }, func(c Change) *Session { return c.Session })
	for i := range list {
		list[i].At = time.UnixMilli(list[i].At.UnixMilli()).UTC()
	}
	return list, nil
}

// over puts what the database does not have yet over a list that it gave. Called
// while nothing is taken over.
func over[T any](v *Vault, list []T, change func(*T) Change, value func(Change) *T) []T {
	v.mu.Lock()
	defer v.mu.Unlock()
	kind, _ := rowOf(change(new(T)))
	for _, key := range v.pending.order {
		if !strings.HasPrefix(key, kind) {
			continue
		}
		list = slices.DeleteFunc(list, func(x T) bool { own, _ := rowOf(change(&x)); return own == key })
		if x := value(v.pending.rows[key].change); x != nil {
			list = append(list, *x)
		}
	}
	return list
}

// Setting finds a value; nil when there is none.
func (v *Vault) Setting(ctx context.Context, key string) ([]byte, error) {
	v.taking.Lock()
	defer v.taking.Unlock()
	v.mu.Lock()
	r, waits := v.pending.rows["setting "+key]
	v.mu.Unlock()
	if waits {
		return r.change.Setting.Value, nil
	}
	var value []byte
	err := v.d.db.QueryRowContext(ctx, "SELECT value FROM setting WHERE key = ?", key).Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("find setting %s: %w", key, err)
	}
	return value, nil
}

// Answer finds what a command was answered; ok is false when it is not known.
func (v *Vault) Answer(ctx context.Context, command string) (body []byte, ok bool, err error) {
	v.mu.Lock()
	a := v.waiting(command)
	ask := v.memory.mayKnow(command)
	v.mu.Unlock()
	if a != nil {
		return a.Body, true, nil
	}
	if !ask {
		return nil, false, nil
	}
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
	v.taking.Lock()
	defer v.taking.Unlock()
	if _, err := v.d.db.ExecContext(ctx, "DELETE FROM answer WHERE at < ?", before.UnixMilli()); err != nil {
		return fmt.Errorf("forget answers: %w", err)
	}
	return v.learnAnswers(ctx)
}
