package slot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A sector: the record below, its checksum, zeros.
//
//	 0  magic "PLOMBSL1"
//	 8  generation          8 bytes, little endian as all numbers
//	16  active, trial, fallback, tries, starts, blocked, failures, why: 1 byte each
//	24  manifests           2 x 32
//	88  floors              2 x 8
//	104 highest             2 x 8
//	120 failed              32
//	152 CRC-32C of all before
const (
	magic      = "PLOMBSL1"
	recordSize = 152
	sectorSize = 4096
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errRecord = errors.New("not a slot table")

// encode is the one encoding of a table.
func (t Table) encode() []byte {
	out := make([]byte, 0, sectorSize)
	out = append(out, magic...)
	out = binary.LittleEndian.AppendUint64(out, t.Generation)
	out = append(out, byte(t.Active), bit(t.Trial), byte(t.Fallback), t.Tries, t.Starts, byte(t.Blocked), t.Failures, byte(t.Why))
	for _, m := range t.Manifests {
		out = append(out, m[:]...)
	}
	for _, n := range append(t.Floors[:], t.Highest[:]...) {
		out = binary.LittleEndian.AppendUint64(out, n)
	}
	out = append(out, t.Failed[:]...)
	out = binary.LittleEndian.AppendUint32(out, crc32.Checksum(out, castagnoli))
	return out[:sectorSize]
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// decode reads a sector; what it accepts encodes to the same bytes.
func decode(sector []byte) (t Table, err error) {
	if len(sector) != sectorSize || string(sector[:len(magic)]) != magic {
		return t, fmt.Errorf("%w: no magic", errRecord)
	}
	if crc32.Checksum(sector[:recordSize], castagnoli) != binary.LittleEndian.Uint32(sector[recordSize:]) {
		return t, fmt.Errorf("%w: wrong checksum", errRecord)
	}
	t.Generation = binary.LittleEndian.Uint64(sector[8:])
	t.Active, t.Trial, t.Fallback = Slot(sector[16]), sector[17] == 1, Fallback(sector[18])
	t.Tries, t.Starts, t.Blocked, t.Failures, t.Why = sector[19], sector[20], Reason(sector[21]), sector[22], Reason(sector[23])
	copy(t.Manifests[0][:], sector[24:])
	copy(t.Manifests[1][:], sector[56:])
	for i := range 2 {
		t.Floors[i] = binary.LittleEndian.Uint64(sector[88+8*i:])
		t.Highest[i] = binary.LittleEndian.Uint64(sector[104+8*i:])
	}
	copy(t.Failed[:], sector[120:])
	if t.Active > B || t.Fallback > Block || t.Blocked > TableLost || t.Why > TableLost || string(t.encode()) != string(sector) {
		return Table{}, fmt.Errorf("%w: a value that it cannot have", errRecord)
	}
	return t, nil
}
