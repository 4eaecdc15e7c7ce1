package main

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is a log computed anew from its entries (c2sp.org/tlog-tiles).
type tree struct {
	entries []string
	hashes  []tlog.Hash
}

// maxEntries bounds a log that is read whole.
const maxEntries = 1 << 22

// tileWidth is how many entries a full tile has.
const tileWidth = 256

// readTree reads size entries from the tiles.
func (r *repository) readTree(size uint64) (*tree, error) {
	if size > maxEntries {
		return nil, fmt.Errorf("a log of %d entries", size)
	}
	t := new(tree)
	for n := uint64(0); uint64(len(t.entries)) < size; n++ {
		width := min(size-uint64(len(t.entries)), tileWidth)
		name := "log/" + tilePath(n, width)
		data, err := r.read(name)
		if err != nil {
			return nil, err
		}
		for range width {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				return nil, fmt.Errorf("%s is cut off", name)
			}
			k := 2 + int(binary.BigEndian.Uint16(data))
			if err := t.add(data[2:k]); err != nil {
				return nil, err
			}
			data = data[k:]
		}
	}
	return t, nil
}

func (t *tree) add(entry []byte) error {
	more, err := tlog.StoredHashes(int64(len(t.entries)), entry, t)
	if err != nil {
		return err
	}
	t.entries, t.hashes = append(t.entries, string(entry)), append(t.hashes, more...)
	return nil
}

// ReadHashes implements tlog.HashReader.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(t.hashes)) {
			return nil, fmt.Errorf("hash %d is not in the log", x)
		}
		out[i] = t.hashes[x]
	}
	return out, nil
}

// root is the root of the first size entries.
func (t *tree) root(size uint64) (tlog.Hash, error) {
	if size > uint64(len(t.entries)) {
		return tlog.Hash{}, fmt.Errorf("the log has %d entries, not %d", len(t.entries), size)
	}
	return tlog.TreeHash(int64(size), t)
}

// tilePath is the path of a tile of entries: groups of three digits, x before all but
// the last, and .p/W where it is not full.
func tilePath(n, width uint64) string {
	name := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		name = fmt.Sprintf("x%03d/%s", n%1000, name)
	}
	if width < tileWidth {
		name += fmt.Sprintf(".p/%d", width)
	}
	return "tile/entries/" + name
}
