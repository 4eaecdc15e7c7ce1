// Package journal is a till's tamper-evident record: its one commit point and
// its only truth.
//
// An entry is a head (package proof), which is a leaf of an RFC 6962 tree, and a
// body of any kind, which the journal never looks into. Entries stand in segment
// files in groups; a group is written once and synced once, and all that was
// staged while the last sync ran is in it. The formats are decided in
// docs/design/0001-journal.md.
//
//	j, recovery, err := journal.Open(ctx, dir, journal.Options{Keys: keys, Signer: signer})
//	ticket, err := j.Append(ctx, journal.Draft{Kind: kind, Time: now, Body: body, Sign: true})
//	signed, err := ticket.Signed(ctx)
//	err = j.Close(ctx)
//
// # Promises
//
// When Append, or Ticket.Wait, has returned nil, the entries survive loss of
// power. Entries staged together are all there or none. Indexes have no gaps and
// times never go back. A size is given to the signer only when the bytes under
// it are synced, so that no size is ever signed with two roots, whatever
// is lost and however often recovery is cut short.
//
// What Open finds torn by a loss of power was never acknowledged and is removed.
// What it finds damaged is named by index, and every other entry is kept; Repair
// puts the very same bytes back. Where an anchor knows more than the journal
// holds, Open refuses with a RollbackError.
//
// A failed write or sync stops the journal: nothing is retried, every waiter
// gets ErrStopped, the process opens again and recovery decides.
//
// At rest head and body are sealed with AES-256-GCM under a key of the head's
// month; leaf hashes, sizes, roots and signatures stand in clear. Destroying a
// month's key erases its contents and nothing else.
//
// # What it does not do
//
// It does not make entries, check them against each other, hold keys, or copy
// itself elsewhere. It does not find the restore of a whole older disk unless an
// anchor stands on another. It has one writer for life: Open takes a lock.
//
// Create makes a journal that must not exist; Open never makes anything.
package journal

import (
	"bufio"
	"context"
	"crypto/cipher"
	"fmt"
	"io"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

// Journal is an open journal. All methods may be called concurrently.
//
// Lock order: index.mu, then mu, then signers.mu. None is held during a call
// of Keys, Signer, Anchor or FS, but index.mu during reads of the caches.
type Journal struct {
	opts        Options
	dir         string
	origin      string
	originBytes []byte
	segmentSize uint32
	capacity    int      // room for entries and commit in a fresh segment
	salt        [16]byte // of this session
	salts       io.Reader
	lock        io.Closer
	reader      *reader
	index       *index
	signers     *signers
	segments    *segments
	caretaker   *caretaker

	mu   sync.Mutex
	work *sync.Cond // the queue, flush, closing or err changed
	room *sync.Cond // the queue got shorter
	// What has been staged, guarded by mu.
	tree        *proof.Frontier
	lastTime    int64
	snapshot    uint64 // index+1 of the last snapshot entry
	frames      map[uint32]cipher.AEAD
	scratch     []byte
	queue       []*batch
	queued      int
	spares      []*batch
	tailSegment uint32 // where the group after the last closed one begins
	tailOffset  uint32
	due         []*receipt  // receipts whose signature is in no group yet, ascending
	signatures  []signature // made, in no group yet
	flush       bool        // write the signatures even without entries
	closing     bool
	writing     bool
	err         error
	// What is durable, guarded by mu.
	size         uint64
	root         tlog.Hash
	durableTail  tail
	lastSnapshot uint64
	latest       Signed
	changed      chan struct{}

	done       chan struct{} // closed when err is set
	writerDone chan struct{}
	closeOnce  sync.Once
	closeErr   error
}

// tail is the place behind the last durable group.
type tail struct {
	segment, offset uint32
}

// Origin is the journal's name, its key's name, and what each head repeats.
func (j *Journal) Origin() string { return j.origin }

// Format is the version of the format of the journal's directory, from its file JOURNAL;
// Open refuses one that this program does not know. A release of software says which it
// reads and writes.
func (j *Journal) Format() int { return formatVersion }

// Size is the number of durable entries.
func (j *Journal) Size() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.size
}

// Head is the unsigned checkpoint of all that is durable, for anchors and comparisons.
func (j *Journal) Head() proof.Checkpoint {
	j.mu.Lock()
	defer j.mu.Unlock()
	return proof.Checkpoint{Origin: j.origin, Size: j.size, Root: j.root}
}

// Checkpoint is the signed checkpoint with the largest size; ok is false while
// there is none. Its signature may be in memory only: it is durable with a later
// group, and made again if it is lost.
func (j *Journal) Checkpoint() (s Signed, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.latest, j.latest.Sig != nil
}

// Snapshot is the index of the last durable snapshot entry; ok is false if there is none.
func (j *Journal) Snapshot() (index uint64, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lastSnapshot == 0 {
		return 0, false
	}
	return j.lastSnapshot - 1, true
}

// Changed returns a channel that is closed when Size has become larger than size,
// or the journal has stopped.
func (j *Journal) Changed(size uint64) <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.size > size || j.err != nil {
		return closedChannel
	}
	if j.changed == nil {
		j.changed = make(chan struct{})
	}
	return j.changed
}

var closedChannel = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Done is closed when the journal takes nothing more; Err says why.
func (j *Journal) Done() <-chan struct{} { return j.done }

// Err is nil while the journal takes entries; afterwards it wraps ErrStopped.
// Reading stays possible until Close.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// newJournal makes a journal at rest; start sets it going.
func newJournal(dir string, m *manifest, opts Options, lock io.Closer) (*Journal, error) {
	j := &Journal{
		opts: opts, dir: dir, origin: m.Origin, originBytes: []byte(m.Origin), segmentSize: m.Segment, lock: lock,
		capacity: int(m.Segment) - segmentSpace(m.Origin),
		frames:   make(map[uint32]cipher.AEAD), tree: new(proof.Frontier),
		done: make(chan struct{}), writerDone: make(chan struct{}),
	}
	j.work, j.room = sync.NewCond(&j.mu), sync.NewCond(&j.mu)
	if _, err := io.ReadFull(opts.Rand, j.salt[:]); err != nil {
		return nil, fmt.Errorf("draw session salt: %w", err)
	}
	j.salts = &saltSource{r: bufio.NewReaderSize(opts.Rand, 1024)}
	j.reader = newReader(opts, dir, m)
	j.segments = newSegments(j)
	j.signers = newSigners(j)
	j.index = newIndex(j)
	return j, nil
}

// saltSource draws many salts at once. A salt is used once and never given out twice.
type saltSource struct {
	mu sync.Mutex
	r  *bufio.Reader
}

func (s *saltSource) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return io.ReadFull(s.r, p)
}

// Close writes what was staged, asks for the signatures that are due, stores
// those at hand, tells the anchors, and releases the lock. If ctx ends first,
// signatures may be left to the next Open. Entries that were acknowledged are
// safe whatever Close returns.
func (j *Journal) Close(ctx context.Context) error {
	j.closeOnce.Do(func() { j.closeErr = j.close(ctx) })
	return j.closeErr
}
