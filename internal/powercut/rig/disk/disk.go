// Package disk says how the rig's virtual disk is laid out, so that the guest
// that writes it and the replay that reads it agree.
//
// The first FileSystem bytes hold ext4. Behind them one sector holds the
// guest's promise: the journal size it has been told is durable, written with
// O_DIRECT after each append has returned. Since both go to one disk, any
// moment of the disk says by itself what had been promised at that moment.
package disk

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

const (
	Size       = 96 << 20 // of the whole disk, bytes
	FileSystem = 80 << 20 // of ext4, from the start
	Promise    = 88 << 20 // offset of the promise
	Sector     = 512
	// SegmentSize of the guest's journal: small, so that segments change often.
	SegmentSize = 256 << 10
	Origin      = "rig/e1"
)

// Key seals the rig's journal. The guest has no secrets.
var Key = [32]byte{'r', 'i', 'g'}

// ErrNoPromise says that the sector holds no promise: nothing was acknowledged yet.
var ErrNoPromise = errors.New("no promise on this disk")

// EncodePromise fills a sector.
func EncodePromise(sector []byte, size uint64) {
	clear(sector)
	binary.BigEndian.PutUint64(sector, size)
	binary.BigEndian.PutUint32(sector[8:], crc32.ChecksumIEEE(sector[:8]))
}

// DecodePromise reads a sector; ErrNoPromise if it was never written.
func DecodePromise(sector []byte) (uint64, error) {
	if binary.BigEndian.Uint32(sector[8:]) != crc32.ChecksumIEEE(sector[:8]) {
		return 0, ErrNoPromise
	}
	return binary.BigEndian.Uint64(sector), nil
}
