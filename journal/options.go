package journal

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal/proof"
)

// Options say with what a journal is opened. Keys must be given; the zero value
// of every other field is usable.
type Options struct {
	// FS is what the journal writes through; nil: the operating system's.
	FS durable.FS
	// Keys are the month keys that seal entries at rest.
	Keys Keys
	// Signer signs checkpoints. It may be called from several goroutines at once,
	// and only with sizes that are durable. Nil: nothing is signed, nor are the
	// receipts staged meanwhile signed later; a signer that is down is no nil one.
	Signer proof.Signer
	// Anchors remember, outside the directory, how far the journal has come.
	Anchors []Anchor
	// Rand gives salts; nil: crypto/rand.
	Rand io.Reader
	// SegmentSize is used by Create alone: bytes, a multiple of 512 from 8 KiB to
	// 1 GiB; 0: DefaultSegmentSize.
	SegmentSize int64
	// Events is told what happens beside the appends. It is called from the
	// journal's own goroutines, one call at a time for one cause, and must not
	// block or call back; nil: nobody is told.
	Events func(Event)

	// serial does in the appending goroutine what is otherwise done beside it, and
	// leaves the timers out: for tests that must be repeatable.
	serial bool
	// skip leaves out the named step: for tests that must find its absence.
	skip step
}

func (o Options) withDefaults() (Options, error) {
	if o.Keys == nil {
		return o, fmt.Errorf("journal options: no Keys")
	}
	if o.FS == nil {
		o.FS = durable.OS{}
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = DefaultSegmentSize
	}
	if o.SegmentSize < 0 || o.SegmentSize > maxSegment {
		return o, fmt.Errorf("journal options: segment size %d", o.SegmentSize)
	}
	return o, nil
}

func (o *Options) tell(e Event) {
	if o.Events != nil {
		o.Events(e)
	}
}

// Keys hold the month keys: 32 bytes per calendar month of UTC, named yyyymm.
// When a month's key is destroyed its entries' contents are gone; the tree and
// all proofs stay. Both methods may be called concurrently.
type Keys interface {
	// Month returns the key for reading; ErrErased when it has been destroyed.
	Month(ctx context.Context, yyyymm uint32) (key [32]byte, err error)
	// Current returns the key for writing and makes it durable before it returns:
	// an entry sealed with a key that a loss of power takes away is lost.
	Current(ctx context.Context, yyyymm uint32) (key [32]byte, err error)
}

// EventKind says what happened.
type EventKind uint8

// Kinds of events.
const (
	SignerDown      EventKind = 1 + iota // a signature failed (Err); told once until SignerUp
	SignerUp                             // signatures succeed again
	SegmentPrepared                      // the next segment stands ready
	SegmentFailed                        // the next segment could not be made (Err): disk full? The current one goes on
	AnchorFailed                         // an anchor could not be written (Err)
	CacheRebuilt                         // cache/tree or cache/offsets was missing or wrong (Err) and was built again
	CacheFailed                          // a cache could not be written or read (Err); it is tried again
	Stopped                              // a write or sync failed (Err): the journal takes nothing more
)

// Event is something an operator should know.
type Event struct {
	Kind    EventKind
	Size    uint64 // of the tree, durable
	Segment uint32 // where it concerns one
	Name    string // of the anchor, where it concerns one
	Err     error
}

// step names a step that a test leaves out.
type step uint8

const (
	stepNone        step = iota
	stepGroupSync        // sync of a group
	stepDirSync          // sync of the directory after a segment's rename
	stepZeroTail         // zeros behind the last group on recovery
	stepTailSync         // sync of what recovery wrote, before signing
	stepRewriteLast      // last group written again on recovery
	stepSignEarly        // not a left-out step: sign before the sync
	stepCreateSync       // sync of the first group by Create
	stepAdoptSync        // sync of the directory on Open
)
