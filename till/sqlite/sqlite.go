// Package sqlite keeps a till's two databases beside its journal, both in SQLite
// and both enciphered at rest.
//
// The [Vault] holds what the journal cannot give back: people with the hashes of
// their PINs, the open basket and the suspended ones, sessions, answers to
// commands that made no entry, the catalogue in force and the shop's settings.
// It is never the truth about a sale. Every change is durable when the call that
// makes it returns: in a log beside the database (package redo), which the
// database takes over behind (synchronous=FULL, read back at each open).
//
// The [Projection] holds what the journal gives back at any time: where each
// receipt is, what has been returned from it, and words to search for. Its
// cursor moves in the same transaction as its rows. It may be deleted whenever
// one likes; a file that is damaged, of another schema or of another journal is
// thrown away at open and made anew, empty.
//
// # Enciphering
//
// Pages, write-ahead log and rollback files go through AES-256-XTS
// (IEEE 1619, NIST SP 800-38E) with a key that HKDF-SHA256 makes of the 32 bytes
// that the seal hands out. That hides contents; it does not find tampering: what
// must not be forged is in the journal. The encrypting layer has no shared
// memory, so write-ahead logging needs locking_mode=EXCLUSIVE: one process and
// one connection, which is what a till wants anyway.
//
// A changed schema is a new numbered file in migrations/, never an edited one.
// A vault with a newer schema than the program knows is refused with [ErrNewer].
package sqlite

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	_ "github.com/ncruces/go-sqlite3/vfs/xts" // registers the encrypting layer as "xts"
)

var (
	// ErrNewer says that a database was written by a newer program; nothing was changed.
	ErrNewer = errors.New("database has a newer schema than this program knows")
	// ErrKey says that the file is no database under the given key: the wrong key, or damage.
	ErrKey = errors.New("not a database under this key")
)

// Damaged reports whether an error says that a database file is not as it was
// written: not a full disk, not an ended context.
func Damaged(err error) bool {
	return errors.Is(err, sqlite3.CORRUPT) || errors.Is(err, sqlite3.NOTADB) || errors.Is(err, sqlite3.CONSTRAINT) || errors.Is(err, errCursor)
}

// Full reports whether an error says that there is no room left on the disk.
func Full(err error) bool {
	return errors.Is(err, sqlite3.FULL) || errors.Is(err, syscall.ENOSPC)
}

// errCursor says that entries do not follow what a projection has.
var errCursor = errors.New("entries do not follow the cursor")

//go:embed migrations
var migrations embed.FS

// database is one file, opened once, with one connection.
type database struct {
	db   *sql.DB
	path string
	hot  map[string]*sql.Stmt // by their text; only read after open
}

// open opens an existing file or, with mayCreate, makes one, and brings its
// schema up to date. sync is FULL or NORMAL and is read back. The hot queries are
// those that are worth being compiled once.
func open(ctx context.Context, path string, key []byte, schema, sync string, mayCreate bool, hot ...string) (*database, error) {
	if !mayCreate {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("open database: %w", err)
		}
	}
	db, err := connect(path, key, sync)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", filepath.Base(path), err)
	}
	d := &database{db: db, path: path}
	err = d.prepare(ctx, schema, sync)
	if err == nil {
		err = d.compile(ctx, hot)
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("open database %s: %w", filepath.Base(path), err)
	}
	return d, nil
}

func connect(path string, key []byte, sync string) (*sql.DB, error) {
	wide, err := hkdf.Key(sha256.New, key, nil, "plomb database v1", 64)
	if err != nil {
		return nil, fmt.Errorf("derive database key: %w", err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dsn := (&url.URL{Scheme: "file", Path: abs, RawQuery: "vfs=xts&_txlock=immediate"}).String()
	db, err := driver.Open(dsn, func(c *sqlite3.Conn) error {
		return c.Exec("PRAGMA hexkey='" + hex.EncodeToString(wide) + "';" +
			"PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;" +
			"PRAGMA synchronous=" + sync + "; PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=ON;" +
			"PRAGMA secure_delete=ON; PRAGMA trusted_schema=OFF")
	})
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	db.SetConnMaxLifetime(0)
	return db, nil
}

// prepare reads the settings back, since a driver's default is not a promise,
// and migrates.
func (d *database) prepare(ctx context.Context, schema, sync string) error {
	if err := d.readBack(ctx, sync); err != nil {
		if errors.Is(err, sqlite3.NOTADB) {
			return fmt.Errorf("%w: %w", ErrKey, err)
		}
		return err
	}
	return d.migrate(ctx, schema)
}

func (d *database) readBack(ctx context.Context, sync string) error {
	var mode, locking string
	var level int
	if err := d.db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if err := d.db.QueryRowContext(ctx, "PRAGMA locking_mode").Scan(&locking); err != nil {
		return err
	}
	if err := d.db.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level); err != nil {
		return err
	}
	want := map[string]int{"NORMAL": 1, "FULL": 2}[sync]
	if mode != "wal" || locking != "exclusive" || level != want {
		return fmt.Errorf("settings are journal_mode=%s locking_mode=%s synchronous=%d, want wal, exclusive, %d", mode, locking, level, want)
	}
	return nil
}

// migrate runs the numbered files above user_version, each in one transaction
// with the new number, so that a crash leaves either the old schema or the new.
func (d *database) migrate(ctx context.Context, schema string) error {
	files, err := fs.Glob(migrations, "migrations/"+schema+"/*.sql") // in lexical order
	if err != nil {
		return err
	}
	var have int
	if err := d.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return err
	}
	if have > len(files) {
		return fmt.Errorf("%w: %d, known %d", ErrNewer, have, len(files))
	}
	for n := have; n < len(files); n++ {
		if err := d.step(ctx, files[n], n+1); err != nil {
			return fmt.Errorf("migrate %s: %w", files[n], err)
		}
	}
	return nil
}

func (d *database) step(ctx context.Context, file string, version int) error {
	text, err := migrations.ReadFile(file)
	if err != nil {
		return err
	}
	return d.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, string(text)+fmt.Sprintf(";PRAGMA user_version=%d", version))
		return err
	})
}

// transact runs f in one transaction; an error of f undoes all of it.
func (d *database) transact(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// compile compiles queries that exec then finds by their text. There
// is one connection, which a transaction holds, so it cannot be done in one.
func (d *database) compile(ctx context.Context, queries []string) error {
	d.hot = make(map[string]*sql.Stmt, len(queries))
	for _, q := range queries {
		s, err := d.db.PrepareContext(ctx, q)
		if err != nil {
			return err
		}
		d.hot[q] = s
	}
	return nil
}

func (d *database) exec(ctx context.Context, tx *sql.Tx, query string, args ...any) (sql.Result, error) {
	if s := d.hot[query]; s != nil {
		return tx.StmtContext(ctx, s).ExecContext(ctx, args...)
	}
	return tx.ExecContext(ctx, query, args...)
}

func (d *database) close() error { return d.db.Close() }

// all runs a query and scans each row with scan.
func all[T any](ctx context.Context, db *sql.DB, scan func(func(...any) error) (T, error), query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}
