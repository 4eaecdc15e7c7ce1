package powercut

import "io/fs"

// ReadFile returns what programs see of a file, past hooks, faults and log.
func (d *Disk) ReadFile(name string) ([]byte, error) {
	var data []byte
	err := d.edit("readfile", name, func(n *node) {
		data = make([]byte, n.cache.size)
		n.cache.read(data, 0)
	})
	return data, err
}

// WriteFile puts data durably in place of what an existing or new file holds:
// an attacker's edit, or a test's preparation. The directory must exist.
func (d *Disk) WriteFile(name string, data []byte) error {
	if err := d.ensure(name); err != nil {
		return &fs.PathError{Op: "writefile", Path: name, Err: err}
	}
	return d.edit("writefile", name, func(n *node) {
		n.cache = newContent()
		n.cache.write(data, 0)
		n.cache.size = int64(len(data))
		n.disk, n.pending = n.cache.clone(), nil
	})
}

// ensure makes an empty file whose name is durable, if there is none.
func (d *Disk) ensure(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, base, err := d.parent(name)
	if err != nil || dir.names[base] != nil {
		return err
	}
	n := newFile()
	dir.names[base], dir.synced[base] = n, n
	return nil
}

// Flip inverts the bits of mask in the byte at off, in the cache and on the
// disk, as failing media do. Writes that are not synced yet may cover it.
func (d *Disk) Flip(name string, off int64, mask byte) error {
	return d.edit("flip", name, func(n *node) {
		n.cache.flip(off, mask)
		n.disk.flip(off, mask)
	})
}

func (c *content) flip(off int64, mask byte) {
	if off < 0 || off >= c.size {
		return
	}
	var b [1]byte
	c.read(b[:], off)
	b[0] ^= mask
	c.write(b[:], off)
}

// TruncateFile cuts a file to size bytes, durably.
func (d *Disk) TruncateFile(name string, size int64) error {
	return d.edit("truncatefile", name, func(n *node) {
		n.cache.truncate(size)
		n.disk, n.pending = n.cache.clone(), nil
	})
}

func (d *Disk) edit(what, name string, f func(*node)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.file(name)
	if err != nil {
		return &fs.PathError{Op: what, Path: name, Err: err}
	}
	f(n)
	return nil
}
