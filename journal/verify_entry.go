package journal

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

// opener opens the entries of one segment and holds them against their leaf
// hashes. It opens them where they stand: afterwards the segment's bytes are
// heads and bodies, which Check gets to see without a copy.
type opener struct {
	v       *verification
	segment uint32
	origin  []byte
	frames  map[sessionMonth]cipher.AEAD
	last    sessionMonth // what frame is of
	frame   cipher.AEAD
	nonce   [12]byte
	head    proof.Head
}

type sessionMonth struct {
	salt  [16]byte
	month uint32
}

func newOpener(v *verification, segment uint32) *opener {
	return &opener{v: v, segment: segment, origin: []byte(v.origin), frames: map[sessionMonth]cipher.AEAD{}}
}

// group opens a group's entries where there are keys, compares them with the
// leaf hashes, and gives the leaf hashes where the commit is lost.
func (o *opener) group(g *group, r *groupResult) error {
	if o.v.keys == nil {
		return nil
	}
	var found leafHashes
	for i := range g.Entries {
		leaf, ok, err := o.entry(r, &g.Entries[i])
		if err != nil {
			return err
		}
		if ok && r.leaves == nil {
			found = found.with(leaf)
		}
	}
	if r.leaves == nil && len(found) > 0 && uint64(found.count()) == r.size-r.before {
		r.leaves = found
	}
	return nil
}

// entry opens one entry; ok says that its leaf hash could be computed.
func (o *opener) entry(r *groupResult, rec *record) (leaf tlog.Hash, ok bool, err error) {
	e, err := parseSealedEntry(rec)
	if err != nil {
		return leaf, false, nil // the scanner has refused it
	}
	frame, err := o.cipher(sessionMonth{e.Salt, e.Month})
	if errors.Is(err, ErrErased) {
		r.erased++
		return leaf, false, nil
	}
	if err != nil {
		return leaf, false, err
	}
	p, err := o.open(frame, &e)
	if err != nil {
		r.sealed++
		r.find(o.segment, rec, WhatSealed, "the sealed bytes are not those that were sealed under the month's key")
		return leaf, false, nil
	}
	if o.v.opts.Check != nil {
		r.opened = append(r.opened, openedEntry{offset: rec.Offset, head: p.head, body: p.body})
	}
	return o.compare(r, rec, &p), true, nil
}

// open is sealedEntry.open in place; nobody reads the sealed bytes afterwards.
func (o *opener) open(frame cipher.AEAD, e *sealedEntry) (plainEntry, error) {
	o.nonce = nonce(e.Index)
	plain, err := frame.Open(e.Sealed[:0], o.nonce[:], e.Sealed, o.origin)
	if err != nil {
		return plainEntry{}, err
	}
	return cutPlain(plain)
}

// compare holds an opened entry against its place in the tree and returns its leaf hash.
func (o *opener) compare(r *groupResult, rec *record, p *plainEntry) tlog.Hash {
	leaf := proof.LeafHash(p.head)
	if i := rec.Index - r.before; i < uint64(r.leaves.count()) && leaf != r.leaves.at(int(i)) {
		r.find(o.segment, rec, WhatLeaf, "the entry's head is not the one in the tree")
	}
	if err := o.head.UnmarshalBinary(p.head); err != nil {
		r.find(o.segment, rec, WhatHead, err.Error())
		return leaf
	}
	h := &o.head
	if h.Index != rec.Index || h.Origin != o.v.origin {
		r.find(o.segment, rec, WhatHead, fmt.Sprintf("the head is that of entry %d of %s", h.Index, h.Origin))
	}
	if uint64(len(p.body)) != uint64(h.BodyLen) || proof.Commit(p.salt, p.body) != h.Body {
		r.find(o.segment, rec, WhatBody, "the body is not the one that the head commits to")
	}
	o.clock(r, rec, h.Time)
	return leaf
}

func (o *opener) clock(r *groupResult, rec *record, ms int64) {
	if !r.timed {
		r.timed, r.firstTime, r.lastTime = true, ms, ms
		return
	}
	if ms < r.lastTime {
		r.find(o.segment, rec, WhatTime, fmt.Sprintf("%d ms before the entry before", r.lastTime-ms))
	}
	r.lastTime = max(r.lastTime, ms)
}

// cipher is that of a session and month; mostly the same as for the entry before.
func (o *opener) cipher(id sessionMonth) (cipher.AEAD, error) {
	if o.frame != nil && o.last == id {
		return o.frame, nil
	}
	f, err := o.derive(id)
	if err != nil {
		return nil, err
	}
	o.last, o.frame = id, f
	return f, nil
}

func (o *opener) derive(id sessionMonth) (cipher.AEAD, error) {
	if f := o.frames[id]; f != nil {
		return f, nil
	}
	key, err := o.v.keys.month(o.v.ctx, id.month)
	if err != nil {
		return nil, err
	}
	f, err := newFrame(key, id.salt)
	if err == nil && len(o.frames) < 64 {
		o.frames[id] = f
	}
	return f, err
}

// monthCache asks for each month's key once.
type monthCache struct {
	reader MonthReader
	mu     sync.Mutex // guards months
	months map[uint32]monthKey
}

type monthKey struct {
	key [32]byte
	err error
}

func (c *monthCache) month(ctx context.Context, yyyymm uint32) ([32]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.months[yyyymm]
	if !ok {
		k.key, k.err = c.reader.Month(ctx, yyyymm)
		if k.err != nil {
			k.err = fmt.Errorf("key of %d: %w", yyyymm, k.err)
		}
		if len(c.months) < 4096 { // crafted entries name any month
			c.months[yyyymm] = k
		}
	}
	return k.key, k.err
}
