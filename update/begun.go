package update

import (
	"encoding/binary"
	"fmt"

	"github.com/plomb-pos/plomb/internal/durable"
)

// begun is the beginning of a frame whose source was cut off: the next one is asked for
// the rest, so that a link which never lasts a frame comes to its end too. It is no more
// than what somebody sent: the frame is verified when it is whole, and fetched anew,
// whole, when it is wrong.
type begun struct {
	frame int
	data  []byte
	kept  int // bytes of it that are on the disk
}

// begunOf is what there is of frame i; nil: nothing.
func (p *pack) begunOf(i int) []byte {
	if p.begun.frame != i || len(p.begun.data) == 0 {
		return nil
	}
	return p.begun.data
}

// begin keeps the beginning of frame i, or the longer one that is there; nil: the frame
// is whole, or was wrong.
func (p *pack) begin(i int, data []byte) {
	if data != nil && len(data) <= len(p.begunOf(i)) {
		return
	}
	p.begun = begun{frame: i, data: data}
}

// beginFile names which frame was begun and how much of it lies at its place in the
// pack's file: two numbers of 4 bytes, big-endian.
func (p *pack) beginFile() string { return p.file + ".begun" }

// keepBegun writes the beginning of a frame for a later start. f is the pack's file. What
// a power cut leaves of it is found wrong when the frame is whole.
func (p *pack) keepBegun(fsys durable.FS, f durable.File) error {
	if len(p.begun.data) == p.begun.kept {
		return nil
	}
	at, _ := p.table.Range(p.begun.frame)
	if _, err := f.WriteAt(p.begun.data, at); err != nil {
		return fmt.Errorf("%w: the beginning of frame %d: %w", errDisk, p.begun.frame, spaceOr(err))
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("%w: %w", errDisk, spaceOr(err))
	}
	where := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(p.begun.frame)), uint32(len(p.begun.data)))
	p.begun.kept = len(p.begun.data)
	return wrap("keep where a frame was cut", durable.Replace(fsys, p.beginFile(), where))
}

// findBegun takes up what keepBegun left. Whatever it finds there is a beginning that the
// frame's hash judges.
func (p *pack) findBegun(fsys durable.FS) {
	where, err := durable.ReadFile(fsys, p.beginFile(), 8)
	if err != nil || len(where) != 8 {
		return
	}
	i, n := binary.BigEndian.Uint32(where), binary.BigEndian.Uint32(where[4:])
	if int64(i) >= int64(len(p.have)) || p.have[i] || n >= p.table.Entries[i].Wire {
		return
	}
	f, err := fsys.Open(p.file)
	if err != nil {
		return
	}
	defer f.Close()
	at, _ := p.table.Range(int(i))
	data := make([]byte, n)
	if got, _ := f.ReadAt(data, at); got == len(data) {
		p.begin(int(i), data)
		p.begun.kept = len(p.begun.data)
	}
}
