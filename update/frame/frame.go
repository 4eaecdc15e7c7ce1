// Package frame is how a component of a release travels: as a pack of frames, each
// of which is built, sealed, fetched, checked and applied by itself.
//
// A frame is 1 MiB of the new component (manifest.FrameBytes). In a pack it is the
// smallest of: nothing at all (it lies in the installed component already), zstd,
// zstd with a window of the installed component as dictionary, or the byte
// differences to the places of the installed component that it resembles. A table
// beside the pack says for each frame which, how long it is on the wire, and the
// hash of both forms. So a cut costs one frame, frames come in any order and from
// anyone, and memory is that of a frame and a window.
//
//	table, err := frame.Build(pack, old, new, frame.Options{})       // the maker
//	data, err := table.Open(i, wire, old)                            // the till
//
// # Promises
//
// Open returns exactly the bytes whose hash the table names, or an error; a table
// is believed only as far as the manifest names its hash. No input makes it panic
// or use more memory than MaxWindow plus a few frames. Build's result depends on its
// inputs alone.
//
// # What it does not do
//
// It fetches and stores nothing (package update). Sizes of frames are visible to
// whoever watches the transfer; package frame does not pad.
//
// Formats: docs/design/0004-update.md, sections 2 and 6, and the comments at Table
// and patch.
package frame

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/plomb-pos/plomb/update/manifest"
)

// Mode is how one frame is encoded.
type Mode uint8

// The modes. Their numbers are part of the format.
const (
	Copy  Mode = 0 // the window of the old component, nothing on the wire
	Plain Mode = 1 // as it is
	Zstd  Mode = 2
	Dict  Mode = 3 // zstd with the window as raw dictionary
	Patch Mode = 4 // byte differences to the whole old component; its window helps to pack them
)

// Limits of the format.
const (
	MaxWindow = 4 << 20 // bytes of the old component that one frame needs in memory
	MaxFrames = 1 << 20 // of one component
	maxWire   = manifest.FrameBytes + 64<<10
)

// Errors of applying.
var (
	ErrFormat  = errors.New("malformed pack")
	ErrContent = errors.New("a frame is not what its table says")
)

// Entry is one frame of a pack.
type Entry struct {
	Mode   Mode
	Window Window          // of the old component; none for Plain and Zstd
	Wire   uint32          // bytes on the wire, seal included
	Hash   manifest.Digest // SHA-256 of the bytes on the wire; zero where there are none
	Leaf   manifest.Digest // manifest.FrameHash of the frame
}

// Window is a part of the old component.
type Window struct {
	Offset uint64
	Length uint32
}

// Table describes a pack.
type Table struct {
	From    manifest.Digest // SHA-256 of the old component; zero: the pack is whole
	Length  uint64          // of the new component
	Entries []Entry
	offsets []int64 // of each frame in the pack
	spares  spares
}

// The encoded table: magic, From, Length, number of entries, then 81 bytes an
// entry: mode, window's offset and length, wire length, both hashes; numbers are
// little endian.
const (
	magic     = "PLOMBPK1"
	headBytes = 8 + 32 + 8 + 4
	lineBytes = 1 + 8 + 4 + 4 + 32 + 32
)

// Encode is the one encoding of a table.
func (t *Table) Encode() []byte {
	out := make([]byte, 0, headBytes+lineBytes*len(t.Entries))
	out = append(out, magic...)
	out = append(out, t.From[:]...)
	out = binary.LittleEndian.AppendUint64(out, t.Length)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(t.Entries)))
	for _, e := range t.Entries {
		out = append(out, byte(e.Mode))
		out = binary.LittleEndian.AppendUint64(out, e.Window.Offset)
		out = binary.LittleEndian.AppendUint32(out, e.Window.Length)
		out = binary.LittleEndian.AppendUint32(out, e.Wire)
		out = append(out, e.Hash[:]...)
		out = append(out, e.Leaf[:]...)
	}
	return out
}

// ParseTable reads a table and checks that it makes sense by itself.
func ParseTable(data []byte) (*Table, error) {
	if len(data) < headBytes || string(data[:8]) != magic {
		return nil, fmt.Errorf("%w: no table", ErrFormat)
	}
	t := &Table{Length: binary.LittleEndian.Uint64(data[40:])}
	copy(t.From[:], data[8:])
	n := int64(binary.LittleEndian.Uint32(data[48:]))
	if n == 0 || n > MaxFrames || int64(len(data)) != headBytes+n*lineBytes || t.Length > MaxFrames*manifest.FrameBytes || n != manifest.Frames(int64(t.Length)) {
		return nil, fmt.Errorf("%w: %d entries in %d bytes for a component of %d", ErrFormat, n, len(data), t.Length)
	}
	t.Entries = make([]Entry, n)
	for i := range t.Entries {
		t.Entries[i] = parseEntry(data[headBytes+i*lineBytes:])
		if err := t.check(i); err != nil {
			return nil, fmt.Errorf("%w: frame %d: %w", ErrFormat, i, err)
		}
	}
	t.place()
	return t, nil
}

func parseEntry(data []byte) (e Entry) {
	e.Mode = Mode(data[0])
	e.Window.Offset = binary.LittleEndian.Uint64(data[1:])
	e.Window.Length = binary.LittleEndian.Uint32(data[9:])
	e.Wire = binary.LittleEndian.Uint32(data[13:])
	copy(e.Hash[:], data[17:])
	copy(e.Leaf[:], data[49:])
	return e
}

func (t *Table) check(i int) error {
	e := t.Entries[i]
	needsOld := e.Mode == Copy || e.Mode == Dict || e.Mode == Patch
	switch {
	case e.Mode > Patch:
		return fmt.Errorf("unknown mode %d", e.Mode)
	case needsOld && t.From == (manifest.Digest{}):
		return errors.New("needs an old component, and the pack is whole")
	case needsOld != (e.Window.Length > 0) || (!needsOld && e.Window.Offset != 0):
		return errors.New("a window where there is none, or none where there is one")
	case e.Window.Length > MaxWindow || e.Window.Offset > 1<<40:
		return fmt.Errorf("window of %d bytes at %d", e.Window.Length, e.Window.Offset)
	case e.Mode == Copy && int64(e.Window.Length) != t.Size(i):
		return errors.New("a copy of another length")
	case (e.Mode == Copy) != (e.Wire == 0) || e.Wire > maxWire:
		return fmt.Errorf("%d bytes on the wire", e.Wire)
	case e.Mode == Copy && e.Hash != (manifest.Digest{}):
		return errors.New("a hash of nothing")
	}
	return nil
}

// place computes where each frame lies in the pack.
func (t *Table) place() {
	t.offsets = make([]int64, len(t.Entries)+1)
	for i, e := range t.Entries {
		t.offsets[i+1] = t.offsets[i] + int64(e.Wire)
	}
}

// Size is how long frame i of the new component is.
func (t *Table) Size(i int) int64 {
	return min(manifest.FrameBytes, int64(t.Length)-int64(i)*manifest.FrameBytes)
}

// Range is where frame i lies in the pack.
func (t *Table) Range(i int) (offset, length int64) { return t.offsets[i], int64(t.Entries[i].Wire) }

// Bytes is the length of the pack.
func (t *Table) Bytes() int64 { return t.offsets[len(t.Entries)] }

// Root is the tree hash of the component that the pack makes; the manifest says
// what it has to be.
func (t *Table) Root() manifest.Digest {
	leaves := make([]manifest.Digest, len(t.Entries))
	for i, e := range t.Entries {
		leaves[i] = e.Leaf
	}
	return manifest.Root(leaves)
}

// Check compares the bytes of frame i, as they came, with the table.
func (t *Table) Check(i int, wire []byte) error {
	e := t.Entries[i]
	if int64(len(wire)) != int64(e.Wire) || (e.Wire > 0 && sha256.Sum256(wire) != e.Hash) {
		return fmt.Errorf("frame %d: %d bytes on the wire: %w", i, len(wire), ErrContent)
	}
	return nil
}

// Open gives frame i of the new component: wire is what came (checked here), opened
// if the pack is sealed; old is the installed component, nil for a whole pack.
func (t *Table) Open(i int, wire []byte, key *Key, old io.ReaderAt) ([]byte, error) {
	return t.open(nil, nil, i, wire, key, old)
}

// OpenInto is Open for who opens many frames: wire is written over, and the frame lies
// in wire, in dst where that has room, or in memory of its own.
func (t *Table) OpenInto(dst []byte, i int, wire []byte, key *Key, old io.ReaderAt) ([]byte, error) {
	return t.open(dst, wire[:0], i, wire, key, old)
}

// open opens the seal into scratch and unpacks into dst, where they have room.
func (t *Table) open(dst, scratch []byte, i int, wire []byte, key *Key, old io.ReaderAt) ([]byte, error) {
	if i < 0 || i >= len(t.Entries) {
		return nil, fmt.Errorf("%w: frame %d of %d", ErrFormat, i, len(t.Entries))
	}
	if err := t.Check(i, wire); err != nil {
		return nil, err
	}
	if key != nil && len(wire) > 0 {
		var err error
		if wire, err = key.open(scratch, i, wire); err != nil {
			return nil, fmt.Errorf("frame %d: %w", i, err)
		}
	}
	data, err := t.decodeInto(dst, i, wire, old)
	if err != nil {
		return nil, fmt.Errorf("frame %d: %w", i, err)
	}
	if int64(len(data)) != t.Size(i) || manifest.FrameHash(data) != t.Entries[i].Leaf {
		return nil, fmt.Errorf("frame %d: %w", i, ErrContent)
	}
	return data, nil
}

func (t *Table) decodeInto(dst []byte, i int, wire []byte, old io.ReaderAt) ([]byte, error) {
	if t.Entries[i].Leaf == manifest.ZeroFrame() && t.Size(i) == manifest.FrameBytes {
		return zeros(dst), nil // nothing else has that hash
	}
	return t.decode(dst, i, wire, old)
}

// zeros is a whole frame of them.
func zeros(dst []byte) []byte {
	if cap(dst) < manifest.FrameBytes {
		return make([]byte, manifest.FrameBytes)
	}
	clear(dst[:manifest.FrameBytes])
	return dst[:manifest.FrameBytes]
}

func (t *Table) decode(dst []byte, i int, wire []byte, old io.ReaderAt) ([]byte, error) {
	e := t.Entries[i]
	if e.Mode != Plain && e.Mode != Zstd && old == nil {
		return nil, errors.New("the installed component is needed")
	}
	switch e.Mode {
	case Plain:
		return wire, nil
	case Zstd:
		return t.spares.inflateInto(dst, wire, t.Size(i))
	case Copy:
		return readWindow(dst, old, e.Window)
	}
	read := func() ([]byte, error) { return readWindow(nil, old, e.Window) }
	if e.Mode == Patch {
		return t.spares.applyPatch(dst, wire, read, old, t.Size(i))
	}
	window, err := read()
	if err != nil {
		return nil, err
	}
	return t.spares.inflate(wire, window, t.Size(i))
}

// readWindow reads into dst where that has room.
func readWindow(dst []byte, old io.ReaderAt, w Window) ([]byte, error) {
	out := dst[:0]
	if uint64(cap(out)) < uint64(w.Length) {
		out = make([]byte, 0, w.Length)
	}
	out = out[:w.Length]
	if _, err := old.ReadAt(out, int64(w.Offset)); err != nil {
		return nil, fmt.Errorf("read the installed component: %w", err)
	}
	return out, nil
}
