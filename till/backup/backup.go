// Package backup keeps a copy of a till's journal in another folder, best on another
// disk, and reads it back whole before it says that it is one.
//
//	f := backup.Folder{Till: "/srv/till", Name: "till-1f2e3d4c", To: "/media/backup", Keys: keys, Journal: node}
//	c, err := f.Copy(ctx)
//
// A copy lies in TO/NAME as the journal does in the till's folder: e1, e2, … with their
// segments, sealed as they are there. plomb journal verify and plomb journal repair read
// it as it is.
//
// # Promises
//
// When Copy returns nil, everything that was durable in the journal when it was called
// is in the copy, synced; every byte has been compared with the journal's own after it
// was written, and the newest epoch has been verified against the journal's head. A
// file is written beside its name and put in place whole; what is in the copy already is
// compared, not written again. A copy is never shortened, and one of another till, or of
// a journal that has lost entries since, is left alone and told.
//
// # What it does not do
//
// It copies no keys (folder seal) and no vault (people, baskets, articles): a copy is
// good beside the till's own keys, or a copy of them kept elsewhere. A disk that answers
// from its cache what it never wrote is believed. Copies are as old as the last call.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
)

// Errors to decide on.
var (
	// ErrOther says that what lies in the folder is no copy of this journal: of another
	// till, or of one that had entries which the journal has not.
	ErrOther = errors.New("the backup folder holds the copy of another journal")
	// ErrNotSame says that what was read back is not what was written.
	ErrNotSame = errors.New("the copy is not what was written")
)

// Folder is where copies of one till's journal are kept. Its methods may be called
// concurrently.
type Folder struct {
	FS      durable.FS // nil: the operating system's
	Till    string     // the till's folder
	Name    string     // the till's name
	To      string     // folder for copies; it must exist
	Keys    journal.MonthReader
	Journal Source // the newest epoch's

	mu sync.Mutex // one copy at a time
}

// Source is the journal that is being written; a journal.Journal is one.
type Source interface {
	Head() proof.Checkpoint
	Root(ctx context.Context, size uint64) (tlog.Hash, error)
}

// Copied is a copy that was read back whole.
type Copied struct {
	proof.Checkpoint        // what it holds at least: origin, entries, root
	Where            string // folder
	Bytes            int64  // written; 0: it was there already
}

// Copy brings the copy up to date and reads it back. It takes as long as reading the
// journal twice and the copy twice; sales go on meanwhile.
func (f *Folder) Copy(ctx context.Context) (Copied, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out, err := f.copy(ctx)
	if err != nil {
		return Copied{}, fmt.Errorf("back the journal up in %s: %w", f.To, err)
	}
	return out, nil
}

func (f *Folder) copy(ctx context.Context) (Copied, error) {
	out := Copied{Checkpoint: f.Journal.Head(), Where: path.Join(f.To, f.Name)}
	epochs, err := f.epochs()
	if err != nil {
		return out, err
	}
	if err := f.makeDir(f.To, out.Where); err != nil {
		return out, err
	}
	for i, e := range epochs {
		c := epochCopy{FS: f.fs(), from: path.Join(f.Till, e), to: path.Join(out.Where, e)}
		if err := f.makeDir(out.Where, c.to); err != nil {
			return out, err
		}
		if err := f.epoch(ctx, &c, i == len(epochs)-1, out.Checkpoint); err != nil {
			return out, fmt.Errorf("%s: %w", e, err)
		}
		out.Bytes += c.written
	}
	return out, nil
}

// tries is how often the newest epoch is copied: a group that is being written while it
// is read is half there, and whole the next time.
const tries = 5

// epoch copies one. Those before the newest do not change any more: they have been
// compared byte by byte.
func (f *Folder) epoch(ctx context.Context, c *epochCopy, newest bool, head proof.Checkpoint) (err error) {
	if err := c.belongs(); err != nil {
		return err
	}
	if !newest {
		return c.files(ctx)
	}
	mark := journal.FileAnchor(c.FS, path.Join(c.to, markFile))
	if err := f.continues(ctx, mark, head); err != nil {
		return err
	}
	for range tries {
		if err = c.files(ctx); err != nil {
			return err
		}
		if err = f.verify(ctx, c, head); err == nil {
			return mark.Store(ctx, head)
		}
		if ctx.Err() != nil {
			return err
		}
	}
	return err
}

// markFile beside a copy's segments says what was last read back whole.
const markFile = "verified"

// continues refuses a journal that does not go on from what was copied last: it was put
// back, or another history was written, and the copy is evidence. A mark that is damaged
// is as good as none.
func (f *Folder) continues(ctx context.Context, mark journal.Anchor, head proof.Checkpoint) error {
	before, err := mark.Load(ctx)
	switch {
	case errors.Is(err, journal.ErrDamaged) || err == nil && before.Size == 0:
		return nil
	case err != nil:
		return err
	case before.Origin != head.Origin || before.Size > head.Size:
		return fmt.Errorf("%w: it holds %d entries of %s, the journal %d of %s", ErrOther, before.Size, before.Origin, head.Size, head.Origin)
	}
	root, err := f.Journal.Root(ctx, before.Size)
	if err != nil {
		return fmt.Errorf("compare with the copy: %w", err)
	}
	if root != before.Root {
		return fmt.Errorf("%w: its first %d entries are others", ErrOther, before.Size)
	}
	return nil
}

// verify reads the copy as an inspector would, against the head that the journal itself
// had before. Damage that the journal has too is no fault of the copy.
func (f *Folder) verify(ctx context.Context, c *epochCopy, head proof.Checkpoint) error {
	opts := journal.VerifyOptions{FS: f.fs(), Keys: f.Keys, Checkpoints: []proof.Checkpoint{head}, Workers: 1}
	r, err := journal.Verify(ctx, c.to, opts)
	if err != nil {
		return fmt.Errorf("read the copy back: %w", err)
	}
	if r.Consistent() {
		return nil
	}
	opts.Checkpoints = nil // against itself
	own, err := journal.Verify(ctx, c.from, opts)
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	if sameFindings(r, own) {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNotSame, r.Findings[0])
}

func sameFindings(a, b *journal.Report) bool {
	if len(a.Findings) != len(b.Findings) || a.More != b.More {
		return false
	}
	for i := range a.Findings {
		if a.Findings[i].What != b.Findings[i].What || a.Findings[i].Index != b.Findings[i].Index {
			return false
		}
	}
	return true
}

func (f *Folder) fs() durable.FS {
	if f.FS == nil {
		return durable.OS{}
	}
	return f.FS
}

// makeDir makes a folder and its name durable, unless it is there.
func (f *Folder) makeDir(parent, dir string) error {
	err := f.fs().Mkdir(dir)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.fs().SyncDir(parent)
}
