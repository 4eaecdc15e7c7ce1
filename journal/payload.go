package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

var errPayload = errors.New("malformed payload")

// segmentInfo is the payload of a segment's first record.
type segmentInfo struct {
	Origin   string
	Size     uint64 // of the tree at the segment's start; stands in the record's index
	Frontier []tlog.Hash
	Snapshot uint64 // index+1 of the last snapshot entry, 0: none
}

func (s *segmentInfo) append(dst []byte) []byte {
	dst = append(dst, byte(len(s.Origin)))
	dst = append(dst, s.Origin...)
	dst = append(dst, byte(len(s.Frontier)))
	for i := range s.Frontier {
		dst = append(dst, s.Frontier[i][:]...)
	}
	return binary.BigEndian.AppendUint64(dst, s.Snapshot)
}

func parseSegmentInfo(r *record) (*segmentInfo, error) {
	b := r.Payload
	if len(b) < 1 || len(b) < 1+int(b[0])+1 {
		return nil, fmt.Errorf("segment record: %w", errPayload)
	}
	s := &segmentInfo{Origin: string(b[1 : 1+b[0]]), Size: r.Index}
	b = b[1+b[0]:]
	n := int(b[0])
	b = b[1:]
	if !proof.ValidOrigin(s.Origin) || s.Size > proof.MaxSize || n != bits.OnesCount64(s.Size) || len(b) != n*tlog.HashSize+8 {
		return nil, fmt.Errorf("segment record: %w", errPayload)
	}
	s.Frontier = hashes(b[:n*tlog.HashSize])
	s.Snapshot = binary.BigEndian.Uint64(b[n*tlog.HashSize:])
	return s, nil
}

func hashes(b []byte) []tlog.Hash {
	out := make([]tlog.Hash, len(b)/tlog.HashSize)
	for i := range out {
		copy(out[i][:], b[i*tlog.HashSize:])
	}
	return out
}

// sealedEntry is the payload of an entry record: with the month's key and the
// session salt it carries, it is readable without any other record.
type sealedEntry struct {
	Index  uint64
	Month  uint32 // yyyymm of the head's time, UTC: names the key
	Salt   [16]byte
	Sealed []byte
}

const sealedPrefix = 4 + 16

func parseSealedEntry(r *record) (sealedEntry, error) {
	if len(r.Payload) < sealedPrefix+sealOverhead {
		return sealedEntry{}, fmt.Errorf("entry record: %w", errPayload)
	}
	e := sealedEntry{Index: r.Index, Month: binary.BigEndian.Uint32(r.Payload), Sealed: r.Payload[sealedPrefix:]}
	copy(e.Salt[:], r.Payload[4:])
	return e, nil
}

// signatureRecord is the payload of a signature record.
type signatureRecord struct {
	Size    uint64 // tree size signed; stands in the record's index
	KeyHash uint32
	Leaf    bool // signed with the leaf extension line: a receipt's signature
	Root    tlog.Hash
	Sig     []byte

	offset uint32 // where the record stands; not stored
}

const (
	signaturePrefix = 4 + 1 + 32 + 2
	// maxSignature keeps any signature record small beside a segment; the largest
	// in sight (ML-DSA-44) has 2420 bytes.
	maxSignature = 4096
)

func (s *signatureRecord) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, s.KeyHash)
	dst = append(dst, boolByte(s.Leaf))
	dst = append(dst, s.Root[:]...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s.Sig)))
	return append(dst, s.Sig...)
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func parseSignature(r *record) (signatureRecord, error) {
	b := r.Payload
	if len(b) < signaturePrefix || b[4] > 1 || r.Index == 0 {
		return signatureRecord{}, fmt.Errorf("signature record: %w", errPayload)
	}
	s := signatureRecord{Size: r.Index, KeyHash: binary.BigEndian.Uint32(b), Leaf: b[4] == 1, offset: r.Offset}
	copy(s.Root[:], b[5:])
	if n := int(binary.BigEndian.Uint16(b[37:])); n != len(b)-signaturePrefix || n > maxSignature {
		return signatureRecord{}, fmt.Errorf("signature record: %w", errPayload)
	}
	s.Sig = b[signaturePrefix:]
	return s, nil
}

// commitRecord is the payload of the record that ends a group.
type commitRecord struct {
	Before   uint64 // tree size before the group
	Size     uint64 // after it; stands in the record's index
	Start    uint32 // offset of the group's first byte
	Checksum uint32 // CRC-32C of the group's bytes before this record
	Salt     [16]byte
	Due      uint64 // smallest size whose receipt signature was due before this group and is not in it, 0: none
	Snapshot uint64 // index+1 of the last snapshot entry, 0: none
	Root     tlog.Hash
	Leaves   []byte // leaf hashes of the group's entries, 32 bytes each
}

const commitPrefix = 8 + 4 + 4 + 16 + 8 + 8 + 32

func (c *commitRecord) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, c.Before)
	dst = binary.BigEndian.AppendUint32(dst, c.Start)
	dst = binary.BigEndian.AppendUint32(dst, c.Checksum)
	dst = append(dst, c.Salt[:]...)
	dst = binary.BigEndian.AppendUint64(dst, c.Due)
	dst = binary.BigEndian.AppendUint64(dst, c.Snapshot)
	dst = append(dst, c.Root[:]...)
	return append(dst, c.Leaves...)
}

func parseCommit(r *record) (*commitRecord, error) {
	b := r.Payload
	if len(b) < commitPrefix || (len(b)-commitPrefix)%tlog.HashSize != 0 {
		return nil, fmt.Errorf("commit record: %w", errPayload)
	}
	c := &commitRecord{
		Size:     r.Index,
		Before:   binary.BigEndian.Uint64(b),
		Start:    binary.BigEndian.Uint32(b[8:]),
		Checksum: binary.BigEndian.Uint32(b[12:]),
		Due:      binary.BigEndian.Uint64(b[32:]),
		Snapshot: binary.BigEndian.Uint64(b[40:]),
		Leaves:   b[commitPrefix:],
	}
	copy(c.Salt[:], b[16:])
	copy(c.Root[:], b[48:])
	if !c.plausible(r.Offset) {
		return nil, fmt.Errorf("commit record: %w", errPayload)
	}
	return c, nil
}

func (c *commitRecord) plausible(offset uint32) bool {
	count := uint64(len(c.Leaves) / tlog.HashSize)
	return c.Size <= proof.MaxSize && c.Before <= c.Size && c.Size-c.Before == count &&
		c.Start <= offset && c.Start%sector == 0
}

// leaf returns the leaf hash of the group's i-th entry.
func (c *commitRecord) leaf(i int) (h tlog.Hash) {
	copy(h[:], c.Leaves[i*tlog.HashSize:])
	return h
}
