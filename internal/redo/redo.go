// Package redo makes small changes durable at the price of one write and one
// sync, until a slower store has taken them over.
//
// A [Log] is a file of fixed size, filled with zeros before it is used, so that a
// record costs no growth of the file. Records stand one behind the other, each on
// sectors of its own, and begin again at the front when the end is reached; what
// the store has not taken over is never written over ([ErrFull]). Each is sealed
// with AES-256-GCM together with its place, session and number: a record that
// loss of power tore, or that was copied elsewhere, does not open.
//
// # Promises
//
// When Append has returned nil the record survives loss of power: Open gives it
// back until the store says, by a [Mark] that it keeps in the same transaction,
// that it has it. Of a record whose Append failed or never returned, Open gives
// back all or nothing.
//
// A session begins with each start. Its number stands in the store as well, so
// that a record of an earlier session is never taken for one of this session,
// whatever was written where.
//
// # What it does not do
//
// It does not know what changes mean, and does not write to the store. One process
// has the file open; who keeps others out is the store.
//
// The file, version 1: records on 512-byte boundaries, big-endian: magic "plrd",
// version (1), three zeros, length of what is sealed (4), offset of the record (4),
// session (8), number (8), then nonce (12), cipher text and tag (16) with these 32
// bytes as additional data. The key is HKDF-SHA256(key, info "plomb redo v1").
//
//	log, records, err := redo.Open(fsys, name, key, mark) // mark: from the store
//	// the store takes the records over, with the mark {mark.Session + 1, 0}
//	log.Begin(mark.Session + 1)
//	number, err := log.Append(change) // durable
//	log.Stored(number)                // once the store has it, with its mark
package redo

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/plomb-pos/plomb/internal/durable"
)

var (
	// ErrFull says that there is no room until the store has taken over more.
	ErrFull = errors.New("the log is full")
	// ErrTooLarge says that a record is longer than [MaxRecord].
	ErrTooLarge = errors.New("too large for the log")
	// ErrFailed says that a write or sync failed: the log takes nothing more, since
	// what is on the disk is unknown until it is opened again.
	ErrFailed = errors.New("the log failed")
)

const (
	// Size is that of the file in bytes.
	Size = 1 << 19
	// MaxRecord is the longest change in bytes.
	MaxRecord = Size / 4

	magic    = 0x706c7264 // "plrd"
	version  = 1
	header   = 32
	sector   = 512
	overhead = header + 12 + 16
)

// Mark says how far a store has come: it has taken over all records of a session
// up to a number, and all of earlier sessions. The zero Mark is that of a new store.
type Mark struct{ Session, Number uint64 }

// Record is a change as it was appended.
type Record struct {
	Number uint64
	Data   []byte
}

// Log is an open log. Its methods may be called concurrently.
type Log struct {
	file durable.File
	seal cipher.AEAD

	mu      sync.Mutex
	session uint64
	number  uint64 // of the last record that was tried
	next    uint32 // where the next one begins
	kept    []span // records that the store does not have, oldest first
	buf     []byte
	err     error
}

// span is the place of a record.
type span struct {
	number        uint64
	offset, limit uint32
}

// Open opens the log with a 32-byte key, or makes it where there is none, and
// returns the records that the store of the given mark does not have, in their
// order. Where one of them is missing between others that are there, the file was
// damaged; the others are returned nevertheless. The session of the mark goes on
// with Append, or another one begins with Begin.
func Open(fsys durable.FS, name string, key []byte, mark Mark) (*Log, []Record, error) {
	f, err := openFile(fsys, name)
	if err != nil {
		return nil, nil, fmt.Errorf("open log of changes: %w", err)
	}
	l, records, err := read(f, key, mark)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open log of changes: %w", err), f.Close())
	}
	return l, records, nil
}

func read(f durable.File, key []byte, mark Mark) (*Log, []Record, error) {
	own, err := hkdf.Key(sha256.New, key, nil, "plomb redo v1", 32)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return nil, nil, err
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, nil, err
	}
	l := &Log{file: f, seal: seal}
	records, err := l.scan(mark)
	return l, records, err
}

// Begin begins a session: the store has all records of earlier ones, and its mark
// names this session.
func (l *Log) Begin(session uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.session, l.number, l.kept, l.next = session, 0, nil, 0
}

// Append makes a change durable and returns its number, which is returned even
// with an error once something of it may be on the disk; it is 0 otherwise.
// Errors: [ErrFull], [ErrTooLarge], [ErrFailed]. data is not kept.
func (l *Log) Append(data []byte) (number uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	if len(data) > MaxRecord {
		return 0, fmt.Errorf("change of %d bytes: %w", len(data), ErrTooLarge)
	}
	place, err := l.place(len(data))
	if err != nil {
		return 0, err
	}
	l.number, l.next, l.kept = place.number, place.limit, append(l.kept, place)
	if err := l.write(place, data); err != nil {
		l.err = fmt.Errorf("%w: %w", ErrFailed, err)
		return place.number, l.err
	}
	return place.number, nil
}

// place finds room for a record: behind the last one, or at the front.
func (l *Log) place(length int) (span, error) {
	limit, offset, space := uint32(Size), l.next, space(length)
	if len(l.kept) > 0 && l.kept[0].offset >= l.next { // the front is in use up to here
		limit = l.kept[0].offset
	} else if offset+space > limit {
		offset = 0
		if len(l.kept) > 0 {
			limit = l.kept[0].offset
		}
	}
	if offset+space > limit {
		return span{}, ErrFull
	}
	return span{number: l.number + 1, offset: offset, limit: offset + space}, nil
}

// space is the room that a record of so many bytes takes.
func space(length int) uint32 { return uint32(length+overhead+sector-1) / sector * sector }

func (l *Log) write(s span, data []byte) error {
	l.buf = l.frame(l.buf[:0], s, data)
	if _, err := l.file.WriteAt(l.buf, int64(s.offset)); err != nil {
		return err
	}
	return l.file.Sync()
}

// frame appends the record's bytes, with zeros up to its limit.
func (l *Log) frame(dst []byte, s span, data []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, magic)
	dst = append(dst, version, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(data)+overhead-header))
	dst = binary.BigEndian.AppendUint32(dst, s.offset)
	dst = binary.BigEndian.AppendUint64(dst, l.session)
	dst = binary.BigEndian.AppendUint64(dst, s.number)
	dst = l.seal.Seal(dst, nil, data, dst[:header:header])
	return append(dst, zeros[:int(s.limit-s.offset)-len(dst)]...)
}

var zeros [sector]byte

// Stored gives the room of all records up to a number free: the store has them,
// and a mark that says so, durably.
func (l *Log) Stored(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.kept) > 0 && l.kept[0].number <= number {
		l.kept = l.kept[1:]
	}
}

// Used is how much of the file holds what the store does not have, in bytes.
func (l *Log) Used() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	used := 0
	for _, s := range l.kept {
		used += int(s.limit - s.offset)
	}
	return used
}

// Last is the mark of a store that has everything that was appended.
func (l *Log) Last() Mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Mark{l.session, l.number}
}

// Close closes the file and writes nothing.
func (l *Log) Close() error { return l.file.Close() }
