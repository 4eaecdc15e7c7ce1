package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// The record: docs/design/0001-journal.md, "Segments".
const (
	recordMagic   = 0x706c6d62 // "plmb"
	recordVersion = 1
	recordHeader  = 32
	recordAlign   = 8

	// sector is what a disk writes whole or not at all, and the boundary on which
	// every group begins.
	sector = 512
)

type recordType uint8

const (
	recordSegment   recordType = 1
	recordEntry     recordType = 2
	recordSignature recordType = 3
	recordCommit    recordType = 4
)

// entrySign marks an entry record whose receipt signature was asked for, so that
// recovery knows which signatures are due.
const entrySign = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Reasons why bytes are not a record.
var (
	errNoRecord  = errors.New("no record here")
	errTooShort  = errors.New("record runs past the end")
	errChecksum  = errors.New("record has a wrong checksum")
	errMisplaced = errors.New("record belongs elsewhere")
)

// record is one decoded record. Payload points into the scanned bytes.
type record struct {
	Type    recordType
	Flags   uint8
	Index   uint64
	Offset  uint32 // of the header in its segment
	Payload []byte
}

// end is the offset of the first byte after the payload.
func (r *record) end() uint32 { return r.Offset + recordHeader + uint32(len(r.Payload)) }

// place binds a record to where it stands.
func place(segment, offset uint32) uint64 { return uint64(segment)<<32 | uint64(offset) }

// openRecord appends space for a header; closeRecord fills it once the payload
// has been appended behind it.
func openRecord(dst []byte) []byte {
	var header [recordHeader]byte
	return append(dst, header[:]...)
}

// closeRecord completes the record that begins at dst[start] and pads dst to the
// next record. segment and offset say where dst[start] will stand.
func closeRecord(dst []byte, start int, typ recordType, flags uint8, index uint64, segment, offset uint32) []byte {
	b := dst[start:]
	binary.BigEndian.PutUint32(b[0:], recordMagic)
	b[4], b[5], b[6], b[7] = recordVersion, byte(typ), flags, 0
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-recordHeader))
	binary.BigEndian.PutUint32(b[12:], 0)
	binary.BigEndian.PutUint64(b[16:], index)
	binary.BigEndian.PutUint64(b[24:], place(segment, offset))
	binary.BigEndian.PutUint32(b[12:], crc32.Checksum(b, castagnoli))
	return appendPadding(dst, len(b), recordAlign)
}

func appendPadding(dst []byte, n, align int) []byte {
	for ; n%align != 0; n++ {
		dst = append(dst, 0)
	}
	return dst
}

// recordSpace is the room that a record with a payload of n bytes takes.
func recordSpace(n int) int { return alignUp(recordHeader+n, recordAlign) }

func alignUp(n, align int) int { return (n + align - 1) / align * align }

// parseHeader reads a header that stands at offset of a segment, and the length
// of the payload that it claims: plausible, not checked.
func parseHeader(b []byte, segment, offset uint32) (r record, length uint32, err error) {
	if len(b) < recordHeader {
		return record{}, 0, errTooShort
	}
	if binary.BigEndian.Uint32(b) != recordMagic {
		return record{}, 0, errNoRecord
	}
	if b[4] != recordVersion {
		return record{}, 0, fmt.Errorf("%w: version %d", errNoRecord, b[4])
	}
	r = record{Type: recordType(b[5]), Flags: b[6], Index: binary.BigEndian.Uint64(b[16:]), Offset: offset}
	if !r.wellFormed() || b[7] != 0 {
		return record{}, 0, errNoRecord
	}
	if binary.BigEndian.Uint64(b[24:]) != place(segment, offset) {
		return record{}, 0, errMisplaced
	}
	return r, binary.BigEndian.Uint32(b[8:]), nil
}

// headerAt reads the header at offset of a segment's bytes without trusting the
// payload.
func headerAt(buf []byte, segment, offset uint32) (record, error) {
	if int(offset) > len(buf) {
		return record{}, errTooShort
	}
	b := buf[offset:]
	r, n, err := parseHeader(b, segment, offset)
	if err != nil {
		return record{}, err
	}
	if uint64(n) > uint64(len(b)-recordHeader) {
		return record{}, errTooShort
	}
	r.Payload = b[recordHeader : recordHeader+n : recordHeader+n]
	return r, nil
}

// claimedSize is the size of the record whose header is b.
func claimedSize(b []byte, segment, offset, limit uint32) (uint32, error) {
	_, n, err := parseHeader(b, segment, offset)
	if err != nil {
		return 0, err
	}
	if uint64(offset)+recordHeader+uint64(n) > uint64(limit) {
		return 0, errTooShort
	}
	return recordHeader + n, nil
}

// detachedRecord reads and checks the record that b, which was read from offset, is.
func detachedRecord(b []byte, segment, offset uint32) (record, error) {
	r, n, err := parseHeader(b, segment, offset)
	if err != nil {
		return record{}, err
	}
	if uint64(n) != uint64(len(b)-recordHeader) {
		return record{}, errTooShort
	}
	if !checksumOK(b) {
		return record{}, errChecksum
	}
	r.Payload = b[recordHeader:]
	return r, nil
}

func (r *record) wellFormed() bool {
	switch r.Type {
	case recordEntry:
		return r.Flags&^entrySign == 0
	case recordSegment, recordSignature, recordCommit:
		return r.Flags == 0
	}
	return false
}

// recordAt reads and checks the record at offset of a segment's bytes.
func recordAt(buf []byte, segment, offset uint32) (record, error) {
	r, err := headerAt(buf, segment, offset)
	if err != nil {
		return record{}, err
	}
	if !checksumOK(buf[offset:r.end()]) {
		return record{}, errChecksum
	}
	return r, nil
}

// checksumOK checks a whole record without changing it: the checksum counts as zero.
func checksumOK(b []byte) bool {
	var zero [4]byte
	sum := crc32.Checksum(b[:12], castagnoli)
	sum = crc32.Update(sum, castagnoli, zero[:])
	sum = crc32.Update(sum, castagnoli, b[16:])
	return sum == binary.BigEndian.Uint32(b[12:])
}
