package journal

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"path"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal/proof"
)

// Entry is an entry as stored.
type Entry struct {
	Head      *proof.Head
	HeadBytes []byte // the leaf that is hashed
	Salt      [16]byte
	Body      []byte
	Leaf      tlog.Hash
	Sign      bool // it is a receipt: its signature was asked for
}

// Index is the entry's place in the journal.
func (e *Entry) Index() uint64 { return e.Head.Index }

// reader opens sealed entries: it keeps the frame keys of the months and
// sessions it has seen.
type reader struct {
	fs     durable.FS
	dir    string
	origin string
	size   uint32 // of a segment
	keys   Keys

	mu     sync.Mutex
	frames map[frameID]cipher.AEAD
}

type frameID struct {
	month uint32
	salt  [16]byte
}

// maxFrames bounds the frame keys kept; ten years of a till opened daily need more, and derive them again.
const maxFrames = 1024

func newReader(opts Options, dir string, m *manifest) *reader {
	return &reader{
		fs: opts.FS, dir: dir, origin: m.Origin, size: m.Segment, keys: opts.Keys,
		frames: make(map[frameID]cipher.AEAD),
	}
}

func (r *reader) frame(ctx context.Context, id frameID) (cipher.AEAD, error) {
	r.mu.Lock()
	f := r.frames[id]
	r.mu.Unlock()
	if f != nil {
		return f, nil
	}
	key, err := r.keys.Month(ctx, id.month)
	if err != nil {
		return nil, fmt.Errorf("key of month %d: %w", id.month, err)
	}
	if f, err = newFrame(key, id.salt); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.frames) >= maxFrames {
		clear(r.frames)
	}
	r.frames[id] = f
	return f, nil
}

// forget drops the frame keys kept, so that a destroyed month key is asked for again.
func (r *reader) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.frames)
}

// open decrypts and checks one entry record: its seal, its head's index and
// origin, its body's commitment.
func (r *reader) open(ctx context.Context, rec *record) (Entry, error) {
	sealed, err := parseSealedEntry(rec)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	frame, err := r.frame(ctx, frameID{sealed.Month, sealed.Salt})
	if err != nil {
		return Entry{}, err
	}
	plain, err := sealed.open(nil, frame, r.origin)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	e, err := plain.entry(sealed.Index, r.origin)
	if err != nil {
		return Entry{}, err
	}
	e.Sign = rec.Flags&entrySign != 0
	return e, nil
}

// entry checks what was sealed as entry index.
func (p *plainEntry) entry(index uint64, origin string) (Entry, error) {
	head, err := proof.ParseHead(p.head)
	if err != nil {
		return Entry{}, fmt.Errorf("entry %d: %w: %w", index, ErrDamaged, err)
	}
	if head.Index != index || head.Origin != origin {
		return Entry{}, fmt.Errorf("entry %d: head is of %d in %s: %w", index, head.Index, head.Origin, ErrDamaged)
	}
	if uint32(len(p.body)) != head.BodyLen || proof.Commit(p.salt, p.body) != head.Body {
		return Entry{}, fmt.Errorf("entry %d: body is not the one its head commits to: %w", index, ErrDamaged)
	}
	return Entry{Head: head, HeadBytes: p.head, Salt: p.salt, Body: p.body, Leaf: proof.LeafHash(p.head)}, nil
}

// segmentFile opens segment n for reading.
func (r *reader) segmentFile(n uint32) (durable.File, error) {
	return r.fs.Open(path.Join(r.dir, segmentName(n)))
}

// window reads a file forward through one buffer: most records of a run of
// entries come out of memory.
type window struct {
	file  durable.File
	limit uint32 // size of the segment
	ahead uint32 // bytes to read at once
	start uint32
	buf   []byte
}

// What is read at once: a run of entries, or one entry of usual size.
const (
	readRun = 128 << 10
	readOne = 4 << 10
)

// bytes returns n bytes at offset, or fewer where the file ends. The slice is
// valid until the next call.
func (w *window) bytes(offset, n uint32) ([]byte, error) {
	if offset < w.start || uint64(offset)+uint64(n) > uint64(w.start)+uint64(len(w.buf)) {
		if err := w.fill(offset, max(n, w.ahead)); err != nil {
			return nil, err
		}
	}
	from := offset - w.start
	return w.buf[from:min(from+n, uint32(len(w.buf)))], nil
}

func (w *window) fill(offset, n uint32) error {
	n = min(n, w.limit-min(offset, w.limit))
	if uint32(cap(w.buf)) < n {
		w.buf = make([]byte, n)
	}
	got, err := w.file.ReadAt(w.buf[:n], int64(offset))
	w.start, w.buf = offset, w.buf[:got]
	if got < int(n) && err != nil && !isEOF(err) {
		return err
	}
	return nil
}

// record reads the record at place (segment of the file, offset), checked.
func (w *window) record(segment, offset uint32) (record, error) {
	head, err := w.bytes(offset, recordHeader)
	if err != nil {
		return record{}, err
	}
	n, err := claimedSize(head, segment, offset, w.limit)
	if err != nil {
		return record{}, err
	}
	b, err := w.bytes(offset, n)
	if err != nil {
		return record{}, err
	}
	return detachedRecord(b, segment, offset)
}

// errors that say the bytes are wrong, not that they could not be read
func isDamage(err error) bool {
	return errors.Is(err, errNoRecord) || errors.Is(err, errTooShort) || errors.Is(err, errChecksum) ||
		errors.Is(err, errMisplaced) || errors.Is(err, errPayload) || errors.Is(err, ErrDamaged)
}
