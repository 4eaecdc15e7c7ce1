package powercut

import (
	"maps"
	"slices"
	"syscall"
)

// Errors with the operating system's own text.
const (
	errNotEmpty = syscall.ENOTEMPTY
	errNotDir   = syscall.ENOTDIR
	errIsDir    = syscall.EISDIR
)

// node is a file or a directory; names point to it.
type node struct {
	// of a directory
	names  map[string]*node // as programs see it
	synced map[string]*node // as it is on the disk

	// of a file
	cache   content
	disk    content
	pending []change // since the last sync, in order
}

func newDir() *node {
	return &node{names: map[string]*node{}, synced: map[string]*node{}}
}

func newFile() *node {
	return &node{cache: newContent(), disk: newContent()}
}

func (n *node) isDir() bool { return n.names != nil }

func (n *node) sortedNames() []string {
	return slices.Sorted(maps.Keys(n.names))
}

func visibleNames(dir *node) map[string]*node { return dir.names }
func durableNames(dir *node) map[string]*node { return dir.synced }

// entry is a change of directories: a new name (from is nil), a removed one
// (to is nil), or a rename. It goes by the node, not by the state of the
// names, so that any subset of changes can be applied in order.
type entry struct {
	from, to         *node
	fromName, toName string
	target           *node
	fromOpen, toOpen bool // the directory has not been synced since
}

// apply changes the view of the directories that names selects.
func (e entry) apply(names func(*node) map[string]*node) {
	if e.to != nil {
		names(e.to)[e.toName] = e.target
	}
	if e.from != nil && names(e.from)[e.fromName] == e.target {
		delete(names(e.from), e.fromName)
	}
}

// change is a write or a truncation of a file that has not been synced.
type change struct {
	first  int64  // number of the first sector
	count  int64  // sectors
	data   []byte // count sectors as they were after the write; nil: zeros
	end    int64  // offset after the last byte written
	resize bool   // truncation to end; no data
}

// all applies the change as a sync does.
func (c change) all(to *content) {
	if c.resize {
		to.truncate(c.end)
		return
	}
	for i := range c.count {
		to.write(c.sector(i), (c.first+i)*SectorSize)
	}
	to.size = max(to.size, c.end)
}

func (c change) sector(i int64) []byte {
	if c.data == nil {
		return zeroSector[:]
	}
	return c.data[i*SectorSize : (i+1)*SectorSize]
}

var zeroSector [SectorSize]byte
