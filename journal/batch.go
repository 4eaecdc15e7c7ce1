package journal

import (
	"crypto/cipher"
	"encoding/binary"
	"hash/crc32"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

// A group takes what queued while the last sync ran, but no more than this: so
// the first waiter's wait is bounded.
const (
	maxStagings = 256
	maxGroup    = 1 << 20
)

// batch is a group being built: in memory, at its place, entry by entry, while
// the group before it is synced. Guarded by Journal.mu until it is closed.
type batch struct {
	segment, start uint32
	buf            []byte // the group's bytes, beginning at start
	before         uint64
	stagings       int
	leaves         []byte      // leaf hashes, for the commit
	stored         []tlog.Hash // stored hashes of the tree, for the cache
	places         []uint64    // of the entries, for the cache
	receipts       []*receipt  // to be signed once the group is durable
	fate           *fate
	closed         bool
	root           tlog.Hash // once closed
	snapshot       uint64    // index+1 of the last snapshot up to here, once closed
	last           bool      // the last entry is a receipt: its checkpoint is the group's
}

// reset makes b an empty group at a place, keeping its memory.
func (b *batch) reset(segment, start uint32, before uint64) {
	*b = batch{
		segment: segment, start: start, before: before,
		buf: b.buf[:0], leaves: b.leaves[:0], stored: b.stored[:0], places: b.places[:0], receipts: b.receipts[:0],
		fate: &fate{done: make(chan struct{})},
	}
}

func (b *batch) count() int { return len(b.leaves) / tlog.HashSize }

func (b *batch) size() uint64 { return b.before + uint64(b.count()) }

// offset is where the next byte goes.
func (b *batch) offset() uint32 { return b.start + uint32(len(b.buf)) }

// addSegment writes the record that begins a segment.
func (b *batch) addSegment(info *segmentInfo) {
	start := len(b.buf)
	offset := b.offset()
	b.buf = info.append(openRecord(b.buf))
	b.buf = closeRecord(b.buf, start, recordSegment, 0, info.Size, b.segment, offset)
}

// addEntry seals p, whose head is complete, as the entry with the given index.
func (b *batch) addEntry(p *prepared, index uint64, frame cipher.AEAD, month uint32, salt [16]byte, origin, scratch []byte) []byte {
	start, offset := len(b.buf), b.offset()
	b.buf = binary.BigEndian.AppendUint32(openRecord(b.buf), month)
	b.buf = append(b.buf, salt[:]...)
	scratch = appendPlain(scratch[:0], p.head, p.salt, p.body)
	n := nonce(index)
	b.buf = frame.Seal(b.buf, n[:], scratch, origin)
	flags := uint8(0)
	if p.sign {
		flags = entrySign
	}
	b.buf = closeRecord(b.buf, start, recordEntry, flags, index, b.segment, offset)
	b.places = append(b.places, place(b.segment, offset))
	return scratch
}

// addLeaf takes the entry's leaf into the group and the tree.
func (b *batch) addLeaf(leaf tlog.Hash, tree *proof.Frontier) {
	b.leaves = append(b.leaves, leaf[:]...)
	b.stored = append(b.stored, tree.Append(leaf)...)
}

func (b *batch) addSignature(s *signatureRecord) {
	start, offset := len(b.buf), b.offset()
	b.buf = s.append(openRecord(b.buf))
	b.buf = closeRecord(b.buf, start, recordSignature, 0, s.Size, b.segment, offset)
}

// close ends the group with its commit.
func (b *batch) close(root tlog.Hash, salt [16]byte, due, snapshot uint64) {
	c := commitRecord{
		Before: b.before, Start: b.start, Checksum: crc32.Checksum(b.buf, castagnoli),
		Salt: salt, Due: due, Snapshot: snapshot, Root: root, Leaves: b.leaves,
	}
	start, offset := len(b.buf), b.offset()
	b.buf = c.append(openRecord(b.buf))
	b.buf = closeRecord(b.buf, start, recordCommit, 0, b.size(), b.segment, offset)
	b.root, b.closed = root, true
}

// commitSpace is the room of the commit of a group of n entries.
func commitSpace(n int) int { return recordSpace(commitPrefix + n*tlog.HashSize) }

// segmentSpace is the most room a segment's first record takes.
func segmentSpace(origin string) int {
	return recordSpace(1 + len(origin) + 1 + 62*tlog.HashSize + 8)
}

// room is what is left for entries and signatures, if n more entries come.
func (b *batch) room(segmentSize uint32, n int) int {
	return int(segmentSize) - int(b.offset()) - commitSpace(b.count()+n)
}
