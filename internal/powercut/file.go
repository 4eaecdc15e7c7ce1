package powercut

import (
	"bytes"
	"io/fs"
	"sync/atomic"
	"syscall"
)

// file is an open file.
type file struct {
	disk   *Disk
	node   *node
	name   string
	closed atomic.Bool
}

func (f *file) do(op Op, act func() error) error {
	if f.closed.Load() {
		return &fs.PathError{Op: op.Kind, Path: f.name, Err: fs.ErrClosed}
	}
	op.Name, op.file = f.name, f.node
	return f.disk.do(op, act)
}

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(b []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrInvalid}
	}
	var end error // io.EOF must reach the caller bare
	err = f.do(Op{Kind: "read", Off: off, Len: int64(len(b))}, func() error {
		n, end = f.node.cache.readAt(b, off)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, end
}

// WriteAt implements io.WriterAt.
func (f *file) WriteAt(b []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: fs.ErrInvalid}
	}
	err = f.do(Op{Kind: "write", Off: off, Len: int64(len(b))}, func() error {
		n = f.disk.fitting(f.node, len(b), off)
		f.node.write(b[:n], off)
		if n < len(b) {
			return syscall.ENOSPC
		}
		return nil
	})
	return n, err
}

// fitting is how many of n bytes at off there is space for.
func (d *Disk) fitting(f *node, n int, off int64) int {
	grow := off + int64(n) - max(off, f.cache.size)
	if d.space < 0 || grow <= 0 {
		return n
	}
	if grow > d.space {
		n -= int(grow - d.space)
		grow = d.space
	}
	d.space -= grow
	return n
}

func (n *node) write(b []byte, off int64) {
	if len(b) == 0 {
		return
	}
	end := off + int64(len(b))
	n.cache.write(b, off)
	n.cache.size = max(n.cache.size, end)
	c := change{first: off / SectorSize, end: end}
	c.count = (end+SectorSize-1)/SectorSize - c.first
	c.data = make([]byte, c.count*SectorSize)
	n.cache.read(c.data, c.first*SectorSize)
	if allZero(c.data) {
		c.data = nil
	}
	n.pending = append(n.pending, c)
}

func allZero(b []byte) bool {
	for len(b) >= pageSize {
		if !bytes.Equal(b[:pageSize], zeroPage[:]) {
			return false
		}
		b = b[pageSize:]
	}
	return bytes.Equal(b, zeroPage[:len(b)])
}

// Sync implements durable.File.
func (f *file) Sync() error {
	return f.do(Op{Kind: "sync"}, func() error {
		f.node.sync()
		return nil
	})
}

func (n *node) sync() {
	for _, c := range n.pending {
		c.all(&n.disk)
	}
	n.pending = nil
}

// Truncate implements durable.File.
func (f *file) Truncate(size int64) error {
	if size < 0 {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: fs.ErrInvalid}
	}
	return f.do(Op{Kind: "truncate", Len: size}, func() error {
		f.node.cache.truncate(size)
		f.node.pending = append(f.node.pending, change{resize: true, end: size})
		return nil
	})
}

// Size implements durable.File.
func (f *file) Size() (size int64, err error) {
	err = f.do(Op{Kind: "size"}, func() error {
		size = f.node.cache.size
		return nil
	})
	return size, err
}

// Close implements io.Closer. It syncs nothing.
func (f *file) Close() error {
	if f.closed.Swap(true) {
		return &fs.PathError{Op: "close", Path: f.name, Err: fs.ErrClosed}
	}
	return nil
}
