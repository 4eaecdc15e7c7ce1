package powercut

import (
	"bytes"
	"io"
)

const pageSize = 8 * SectorSize

type page [pageSize]byte

var zeroPage page

// content is bytes in pages that copies share until one of them writes. A nil
// page is zero. Bytes beyond size may be set; readers do not see them.
type content struct {
	owner *owner
	pages []ownedPage
	size  int64
}

type ownedPage struct {
	data  *page
	owner *owner
}

// owner says whose page it is to write on; it has a size so that each has an address of its own.
type owner struct{ _ byte }

func newContent() content { return content{owner: new(owner)} }

// clone shares all pages; from now on both sides copy before they write.
func (c *content) clone() content {
	c.owner = new(owner)
	return content{owner: new(owner), pages: append([]ownedPage(nil), c.pages...), size: c.size}
}

// write puts b at off without changing the size.
func (c *content) write(b []byte, off int64) {
	for len(b) > 0 {
		i, at := int(off/pageSize), int(off%pageSize)
		n := min(len(b), pageSize-at)
		c.writePage(i, at, b[:n])
		b, off = b[n:], off+int64(n)
	}
}

func (c *content) writePage(i, at int, b []byte) {
	if zero := bytes.Equal(b, zeroPage[:len(b)]); zero && (i >= len(c.pages) || c.pages[i].data == nil) {
		return
	} else if zero && len(b) == pageSize {
		c.pages[i] = ownedPage{}
		return
	}
	for i >= len(c.pages) {
		c.pages = append(c.pages, ownedPage{})
	}
	copy(c.own(i)[at:], b)
}

// own makes page i one that c may write on.
func (c *content) own(i int) *page {
	p := &c.pages[i]
	if p.data == nil {
		*p = ownedPage{new(page), c.owner}
	} else if p.owner != c.owner {
		dup := *p.data
		*p = ownedPage{&dup, c.owner}
	}
	return p.data
}

// read fills b from off as far as pages go, zeros elsewhere; size is not looked at.
func (c *content) read(b []byte, off int64) {
	for len(b) > 0 {
		i, at := int(off/pageSize), int(off%pageSize)
		n := min(len(b), pageSize-at)
		src := &zeroPage
		if i < len(c.pages) && c.pages[i].data != nil {
			src = c.pages[i].data
		}
		copy(b[:n], src[at:])
		b, off = b[n:], off+int64(n)
	}
}

// readAt is io.ReaderAt.
func (c *content) readAt(b []byte, off int64) (int, error) {
	if off >= c.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), c.size-off))
	c.read(b[:n], off)
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// truncate sets the size and forgets all bytes beyond it.
func (c *content) truncate(size int64) {
	keep := int((size + pageSize - 1) / pageSize)
	if keep < len(c.pages) {
		c.pages = c.pages[:keep:keep]
	}
	if at := int(size % pageSize); at != 0 && keep <= len(c.pages) && c.pages[keep-1].data != nil {
		clear(c.own(keep - 1)[at:])
	}
	c.size = size
}
