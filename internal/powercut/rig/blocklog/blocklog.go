// Package blocklog reads what QEMU's block driver blklogwrites noted of a virtual disk,
// and builds the disk as it could have been had the power gone at a moment: all writes
// up to the last flush that had ended, and a random part of those after it, which a
// disk's own memory may have lost.
//
//	log, err := blocklog.Read(file)
//	err = log.Build(image, log.Len(), keep)
//
// The format is that of the kernel's dm-log-writes. A log whose writer was killed is
// read as far as it goes.
//
// The device in front of the log must not offer writes that are durable by themselves
// (FUA): QEMU's virtio-blk does not, its nvme does and forgets them.
package blocklog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// Sector is the unit of a disk, in bytes.
const Sector = 512

// maxSectors bounds one entry.
const maxSectors = 1 << 24

// Flags of an entry.
const (
	flagFlush   = 1
	flagDiscard = 4
)

// Log is a log of writes.
type Log struct {
	r      io.ReaderAt
	writes []write
}

// write is one write of the guest; its data are in the log at offset.
type write struct {
	sector, count uint64
	flags         uint64
	offset        int64
}

// Read lists the entries of a log.
func Read(r io.ReaderAt) (*Log, error) {
	super := make([]byte, 28)
	if _, err := r.ReadAt(super, 0); err != nil {
		return nil, err
	}
	size := int64(binary.LittleEndian.Uint32(super[24:]))
	if size == 0 { // killed before it wrote its head
		size = Sector
	}
	if size < Sector || size > 4096 {
		return nil, fmt.Errorf("sector size %d", size)
	}
	l := &Log{r: r}
	for at := size; ; {
		w, err := l.entry(at, size)
		if errors.Is(err, io.EOF) || err == nil && w == (write{offset: at + size}) {
			return l, nil
		}
		if err != nil {
			return nil, err
		}
		l.writes = append(l.writes, w)
		at += size
		if w.flags&flagDiscard == 0 {
			at += int64(w.count) * Sector
		}
	}
}

// entry reads the head at a place; all zero where none was written.
func (l *Log) entry(at, size int64) (w write, err error) {
	var head [32]byte
	if _, err := l.r.ReadAt(head[:], at); err != nil {
		return w, err
	}
	if binary.LittleEndian.Uint64(head[8:]) > maxSectors {
		return w, fmt.Errorf("an entry of %d sectors", binary.LittleEndian.Uint64(head[8:]))
	}
	return write{
		sector: binary.LittleEndian.Uint64(head[0:]) * uint64(size) / Sector,
		count:  binary.LittleEndian.Uint64(head[8:]) * uint64(size) / Sector,
		flags:  binary.LittleEndian.Uint64(head[16:]), offset: at + size,
	}, nil
}

// Len is how many entries there are: writes, flushes and discards.
func (l *Log) Len() int { return len(l.writes) }

// Flush says whether an entry is a flush: what was written before it is durable.
func (l *Log) Flush(i int) bool { return l.writes[i].flags&flagFlush != 0 }

// Unflushed is how many of the first n entries no flush has made durable.
func (l *Log) Unflushed(n int) int {
	for i := n - 1; i >= 0; i-- {
		if l.Flush(i) {
			return n - 1 - i
		}
	}
	return n
}

// Build applies the first n entries to an image of the disk as it was before them:
// those that keep says yes to, which is told whether a flush came after.
func (l *Log) Build(image string, n int, keep func(flushed bool) bool) error {
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	flushed := n - l.Unflushed(n)
	for i := range n {
		if keep(i < flushed) {
			err = errors.Join(err, l.apply(f, l.writes[i]))
		}
	}
	return errors.Join(err, f.Close())
}

func (l *Log) apply(f *os.File, w write) error {
	if w.flags&flagDiscard != 0 || w.count == 0 {
		return nil
	}
	data := make([]byte, w.count*Sector)
	if _, err := l.r.ReadAt(data, w.offset); err != nil {
		return err
	}
	_, err := f.WriteAt(data, int64(w.sector)*Sector)
	return err
}

// Copy copies an image and leaves its holes.
func Copy(from, to string) error {
	if out, err := exec.Command("cp", "--sparse=always", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy disk: %w: %s", err, out)
	}
	return nil
}
