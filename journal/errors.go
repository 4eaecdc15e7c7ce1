package journal

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal/proof"
)

// Errors that callers decide on.
var (
	// ErrLocked says that another process, or another opener in this one, has the journal open.
	ErrLocked = durable.ErrLocked
	// ErrNoJournal says that the directory holds no journal. Open never makes one.
	ErrNoJournal = errors.New("no journal here")
	// ErrExists says that Create found a journal.
	ErrExists = errors.New("there is a journal already")
	// ErrVersion says that the journal was written by a version this program does not know.
	ErrVersion = errors.New("unknown version of the journal's format")
	// ErrStopped says that a write or sync failed, or that the journal was closed.
	// What was not yet acknowledged may be there or not; the process opens again and recovery decides.
	ErrStopped = errors.New("the journal has stopped")
	// ErrTooLarge says that a draft, or drafts staged together, do not fit: head,
	// body or segment. Nothing was staged.
	ErrTooLarge = errors.New("too large for the journal")
	// ErrNotFound says that no entry has this index yet.
	ErrNotFound = errors.New("no such entry")
	// ErrDamaged says that stored bytes are not as they were written.
	ErrDamaged = errors.New("damaged")
	// ErrErased says that the entry's month key has been destroyed: head, leaf hash
	// and proofs may still exist elsewhere, the content does not. Keys return it.
	ErrErased = errors.New("erased with its month's key")
	// ErrUnsigned says that the signer gave no signature (yet). The entry is
	// durable; the signature is asked for again and stored later.
	ErrUnsigned = errors.New("not signed yet")
	// ErrNotHeld says that what was offered for a repair is not what the journal held.
	ErrNotHeld = errors.New("not what the journal held")
)

// RollbackError says that an anchor knows more than the journal holds, or
// something else: its tail was lost, an old copy was restored, or it was
// rewritten. Going on needs a new epoch.
type RollbackError struct {
	Anchor string           // its name
	Seen   proof.Checkpoint // what the anchor remembers
	Size   uint64           // what the journal holds
	Root   tlog.Hash        // the journal's root at the smaller of the two sizes, where it could be computed
}

func (e *RollbackError) Error() string {
	if e.Seen.Size > e.Size {
		return fmt.Sprintf("the journal holds %d entries, anchor %s has seen %d: its tail was lost or an old copy restored", e.Size, e.Anchor, e.Seen.Size)
	}
	return fmt.Sprintf("the journal's first %d entries are not those that anchor %s has seen: it was rewritten", e.Seen.Size, e.Anchor)
}

// HoleError names entries that cannot be read. It wraps ErrDamaged.
type HoleError struct {
	From, To uint64 // indexes, To exclusive
	Segment  uint32 // number of the segment file, 0: unknown
	Reason   string
}

func (e *HoleError) Error() string {
	return fmt.Sprintf("entries %d to %d (segment %d): %s", e.From, e.To-1, e.Segment, e.Reason)
}

// Unwrap makes errors.Is(err, ErrDamaged) hold.
func (e *HoleError) Unwrap() error { return ErrDamaged }
