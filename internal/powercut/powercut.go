// Package powercut is a disk in memory that loses power. It implements
// durable.FS and is for tests only.
//
// A [Disk] knows two states: what programs see (the cache) and what has been
// synced. [Disk.Cut] returns the disk as it could be if power were lost now:
// everything synced is there; everything else is kept or lost, each 512-byte
// sector, each file size and each directory entry for itself, by the chances
// of a [Keep] and a random source. The same source and the same operations
// give the same disk. The original goes on unharmed, so one run can be cut at
// every operation:
//
//	disk := powercut.New()
//	disk.Before(func(op powercut.Op) {
//		after := disk.Cut(rng, powercut.KeepSome)
//		// open the store on after; nothing acknowledged may be missing
//	})
//
// # Model
//
//   - A sector is written whole or not at all. A sector written several times
//     since the last sync may have any of those contents.
//   - A file's size and its sectors are independent: a size can be kept
//     without the bytes (they read as zero), bytes without the size.
//   - Truncate is atomic. Rename is atomic, across directories too: it is
//     durable when both are synced.
//   - File.Sync makes no name durable, FS.SyncDir no bytes.
//   - Names not synced are kept or lost in any combination, even if a later
//     one is kept.
//   - Locks end with the power.
//
// Besides that a disk can fail: [Disk.FailAt], [Disk.FailWhen],
// [Disk.LimitSpace], [Disk.GateSync]; and be damaged: [Disk.Flip],
// [Disk.WriteFile], [Disk.TruncateFile].
//
// It does not model: sectors that tear within 512 bytes, firmware that lies
// about flushes, or reads that return other data than was written (Flip does
// that by hand).
package powercut

import (
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/plomb-pos/plomb/internal/durable"
)

// SectorSize is what the disk writes whole or not at all, in bytes.
const SectorSize = 512

// Disk is a file system in memory. All methods may be called concurrently,
// from a function given to Before too.
type Disk struct {
	mu       sync.Mutex // guards everything below and all nodes
	root     *node
	renames  []entry // directory changes not yet durable, in order
	locks    map[*node]bool
	log      []Op
	before   func(Op)
	faults   []fault
	space    int64 // bytes left for files to grow; negative: no limit
	gateSync bool
}

var _ durable.FS = (*Disk)(nil)

// New returns an empty disk with a root directory.
func New() *Disk {
	return &Disk{root: newDir(), locks: map[*node]bool{}, space: -1}
}

// Create implements durable.FS.
func (d *Disk) Create(name string) (durable.File, error) {
	var f durable.File
	err := d.do(Op{Kind: "create", Name: name}, func() error {
		n, err := d.link(name, newFile())
		f = &file{disk: d, node: n, name: name}
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Open implements durable.FS.
func (d *Disk) Open(name string) (durable.File, error) {
	var f durable.File
	err := d.do(Op{Kind: "open", Name: name}, func() error {
		n, err := d.file(name)
		f = &file{disk: d, node: n, name: name}
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Mkdir implements durable.FS.
func (d *Disk) Mkdir(name string) error {
	return d.do(Op{Kind: "mkdir", Name: name}, func() error {
		_, err := d.link(name, newDir())
		return err
	})
}

// Remove implements durable.FS. Open files stay readable.
func (d *Disk) Remove(name string) error {
	return d.do(Op{Kind: "remove", Name: name}, func() error {
		dir, base, err := d.parent(name)
		if err != nil {
			return err
		}
		n := dir.names[base]
		if n == nil {
			return fs.ErrNotExist
		}
		if n.isDir() && len(n.names) > 0 {
			return errNotEmpty
		}
		d.change(entry{from: dir, fromName: base, target: n})
		return nil
	})
}

// Rename implements durable.FS.
func (d *Disk) Rename(oldname, newname string) error {
	return d.do(Op{Kind: "rename", Name: oldname, NewName: newname}, func() error {
		from, oldBase, err := d.parent(oldname)
		if err != nil {
			return err
		}
		to, newBase, err := d.parent(newname)
		if err != nil {
			return err
		}
		n, there := from.names[oldBase], to.names[newBase]
		if n == nil {
			return fs.ErrNotExist
		}
		if there != nil && (there.isDir() || n.isDir()) {
			return fs.ErrExist // as os.Rename: nothing replaces a directory
		}
		if there == n {
			return nil
		}
		d.change(entry{from: from, fromName: oldBase, to: to, toName: newBase, target: n})
		return nil
	})
}

// ReadDir implements durable.FS.
func (d *Disk) ReadDir(name string) (names []string, err error) {
	err = d.do(Op{Kind: "readdir", Name: name}, func() error {
		n, err := d.dir(name)
		if err == nil {
			names = n.sortedNames()
		}
		return err
	})
	return names, err
}

// SyncDir implements durable.FS.
func (d *Disk) SyncDir(name string) error {
	return d.do(Op{Kind: "syncdir", Name: name}, func() error {
		n, err := d.dir(name)
		if err != nil {
			return err
		}
		d.syncNames(n)
		return nil
	})
}

// Lock implements durable.FS. Like durable.OS it makes the file if it is missing.
func (d *Disk) Lock(name string) (io.Closer, error) {
	var l *lock
	err := d.do(Op{Kind: "lock", Name: name}, func() error {
		n, err := d.file(name)
		if err == fs.ErrNotExist {
			n, err = d.link(name, newFile())
		}
		if err != nil {
			return err
		}
		if d.locks[n] {
			return durable.ErrLocked
		}
		d.locks[n] = true
		l = &lock{disk: d, node: n, name: name}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

type lock struct {
	disk *Disk
	node *node
	name string
	once sync.Once
}

func (l *lock) Close() error {
	err := fs.ErrClosed
	l.once.Do(func() {
		err = l.disk.do(Op{Kind: "unlock", Name: l.name}, func() error {
			delete(l.disk.locks, l.node)
			return nil
		})
	})
	return err
}

// clean turns a name into slash-separated elements from the root.
func clean(name string) []string {
	name = strings.Trim(path.Clean("/"+name), "/")
	if name == "" {
		return nil
	}
	return strings.Split(name, "/")
}

func (d *Disk) lookup(elems []string) (*node, error) {
	n := d.root
	for _, e := range elems {
		if !n.isDir() {
			return nil, errNotDir
		}
		if n = n.names[e]; n == nil {
			return nil, fs.ErrNotExist
		}
	}
	return n, nil
}

func (d *Disk) dir(name string) (*node, error) {
	n, err := d.lookup(clean(name))
	if err == nil && !n.isDir() {
		err = errNotDir
	}
	return n, err
}

func (d *Disk) file(name string) (*node, error) {
	n, err := d.lookup(clean(name))
	if err == nil && n.isDir() {
		err = errIsDir
	}
	return n, err
}

// parent finds the directory that holds or would hold name.
func (d *Disk) parent(name string) (dir *node, base string, err error) {
	elems := clean(name)
	if len(elems) == 0 {
		return nil, "", fs.ErrInvalid
	}
	last := len(elems) - 1
	dir, err = d.lookup(elems[:last])
	if err == nil && !dir.isDir() {
		err = errNotDir
	}
	return dir, elems[last], err
}

func (d *Disk) link(name string, n *node) (*node, error) {
	dir, base, err := d.parent(name)
	if err != nil {
		return nil, err
	}
	if dir.names[base] != nil {
		return nil, fs.ErrExist
	}
	d.change(entry{to: dir, toName: base, target: n})
	return n, nil
}

// change makes a directory change visible and remembers it as not durable.
func (d *Disk) change(e entry) {
	e.apply(visibleNames)
	e.fromOpen, e.toOpen = e.from != nil, e.to != nil
	if e.from == e.to {
		e.toOpen = false
	}
	d.renames = append(d.renames, e)
}

// syncNames makes durable what only waited for dir.
func (d *Disk) syncNames(dir *node) {
	left := d.renames[:0]
	for _, e := range d.renames {
		e.fromOpen = e.fromOpen && e.from != dir
		e.toOpen = e.toOpen && e.to != dir
		if e.fromOpen || e.toOpen {
			left = append(left, e)
			continue
		}
		e.apply(durableNames)
	}
	d.renames = left
}
