package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"golang.org/x/mod/sumdb/tlog"
)

// Repair puts a damaged entry back, as another copy holds it: head, salt and
// body. They are taken only if the journal's own leaf hash and the head's
// commitment agree; what is written is then, byte for byte, what stood there
// before. When Repair returns nil it survives loss of power. An entry that is
// whole is left alone.
//
// ErrNotHeld: what was offered is not what the journal held. ErrDamaged: the
// group's own commit is damaged too, so that it cannot be told what stood there.
// After an error of the file system the repair may be in memory only: verify again after a restart.
func (j *Journal) Repair(ctx context.Context, index uint64, head []byte, salt [16]byte, body []byte) error {
	if index >= j.Size() {
		return fmt.Errorf("repair entry %d: %w", index, ErrNotFound)
	}
	if _, err := j.Entry(ctx, index); err == nil || !errors.Is(err, ErrDamaged) {
		return err
	}
	offered := plainEntry{head: head, salt: salt, body: body}
	e, err := offered.entry(index, j.origin)
	if err != nil {
		return fmt.Errorf("repair entry %d: %w: %w", index, ErrNotHeld, err)
	}
	p, err := j.repair(ctx, &e)
	if err != nil {
		return fmt.Errorf("repair entry %d: %w", index, err)
	}
	return j.index.correct(index, p)
}

func (j *Journal) repair(ctx context.Context, e *Entry) (at uint64, err error) {
	j.mu.Lock()
	until := j.durableTail
	j.mu.Unlock()
	rc := j.recovering(ctx, &until)
	if rc.base, err = rc.load(until.segment, nil); err != nil {
		return 0, err
	}
	l, err := rc.segmentOf(e.Index())
	if err != nil {
		return 0, err
	}
	g, err := l.groupOf(e)
	if err != nil {
		return 0, err
	}
	key, err := j.opts.Keys.Month(ctx, monthOf(e.Head.Time))
	if err != nil {
		return 0, err
	}
	rec, offset, err := l.restore(g, e, key, j.originBytes)
	if err != nil {
		return 0, err
	}
	return place(l.number, offset), j.writeBack(l.number, offset, rec)
}

// groupOf finds the damaged entry's group and compares its leaf hash.
func (l *loaded) groupOf(e *Entry) (*group, error) {
	for _, g := range l.groups {
		if c := g.Commit; c != nil && c.Before <= e.Index() && e.Index() < c.Size {
			if c.leaf(int(e.Index()-c.Before)) != e.Leaf {
				return nil, ErrNotHeld
			}
			return g, nil
		}
	}
	return nil, fmt.Errorf("its group's commit is lost: %w", ErrDamaged)
}

// restore finds where the entry's record stood and what it was. Records stand
// close together, so it begins where the one before it ends or ends where the
// one after it begins; which, and whether a receipt was asked for, the commit's
// checksum of the whole group decides if this is its only damage.
func (l *loaded) restore(g *group, e *Entry, key [32]byte, origin []byte) (rec []byte, offset uint32, err error) {
	var fits [][]byte
	var offsets []uint32
	for _, at := range l.candidates(g, e) {
		for _, flags := range l.flagsAt(at) {
			rec, err := sealAgain(e, key, g.Commit.Salt, origin, flags, l.number, at)
			if err != nil {
				return nil, 0, err
			}
			if l.completes(g, rec, at) {
				return rec, at, nil
			}
			fits, offsets = append(fits, rec), append(offsets, at)
		}
	}
	if len(fits) == 0 || !l.othersDamaged(g) {
		return nil, 0, fmt.Errorf("what is left of its group does not say where it stood: %w", ErrDamaged)
	}
	return fits[0], offsets[0], nil
}

// flagsAt lists the flags the record may have had, the likeliest first.
func (l *loaded) flagsAt(at uint32) []uint8 {
	if l.buf[at+6] == entrySign {
		return []uint8{entrySign, 0}
	}
	return []uint8{0, entrySign}
}

func sealAgain(e *Entry, key [32]byte, salt [16]byte, origin []byte, flags uint8, segment, at uint32) ([]byte, error) {
	frame, err := newFrame(key, salt)
	if err != nil {
		return nil, err
	}
	rec := binary.BigEndian.AppendUint32(openRecord(nil), monthOf(e.Head.Time))
	rec = append(rec, salt[:]...)
	n := nonce(e.Index())
	rec = frame.Seal(rec, n[:], appendPlain(nil, e.HeadBytes, e.Salt, e.Body), origin)
	return closeRecord(rec, 0, recordEntry, flags, e.Index(), segment, at), nil
}

// candidates are the places where the record may have stood, in the order of trust.
func (l *loaded) candidates(g *group, e *Entry) []uint32 {
	space := uint32(recordSpace(sealedPrefix + sealOverhead + len(e.HeadBytes) + len(e.Body)))
	var out []uint32
	add := func(at uint32) {
		if at >= g.Start && at%recordAlign == 0 && uint64(at)+uint64(space) <= uint64(len(l.buf)) {
			out = append(out, at)
		}
	}
	before, after := g.neighbours(e.Index())
	if before != nil {
		add(uint32(alignUp(int(before.end()), recordAlign)))
	} else if e.Index() == g.Commit.Before {
		add(l.firstEntry(g))
	}
	if after != nil && after.Offset >= space {
		add(after.Offset - space)
	}
	return out
}

// firstEntry is where a group's first entry stands: behind the segment's record, if there is one.
func (l *loaded) firstEntry(g *group) uint32 {
	if g.Start > 0 {
		return g.Start
	}
	r, err := headerAt(l.buf, l.number, 0)
	if err != nil {
		return 1 // no place
	}
	return uint32(alignUp(int(r.end()), recordAlign))
}

// neighbours are the whole entry records next to an index.
func (g *group) neighbours(index uint64) (before, after *record) {
	for i := range g.Entries {
		switch r := &g.Entries[i]; r.Index {
		case index - 1:
			before = r
		case index + 1:
			after = r
		}
	}
	return before, after
}

// completes reports whether the group is as its commit says once rec stands at offset.
func (l *loaded) completes(g *group, rec []byte, offset uint32) bool {
	commit, ok := l.commitOffset(g)
	if !ok || offset+uint32(len(rec)) > commit {
		return false
	}
	sum := crc32.Checksum(l.buf[g.Start:offset], castagnoli)
	sum = crc32.Update(sum, castagnoli, rec)
	return crc32.Update(sum, castagnoli, l.buf[offset+uint32(len(rec)):commit]) == g.Commit.Checksum
}

// commitOffset finds the group's commit again.
func (l *loaded) commitOffset(g *group) (uint32, bool) {
	n := int(g.Commit.Size - g.Commit.Before)
	for off := g.Start; int(off)+recordHeader <= len(l.buf) && off < g.End; off += recordAlign {
		r, err := headerAt(l.buf, l.number, off)
		if err == nil && r.Type == recordCommit && len(r.Payload) == commitPrefix+n*tlog.HashSize && checksumOK(l.buf[off:r.end()]) {
			return off, true
		}
	}
	return 0, false
}

// othersDamaged reports whether other entries of the group are damaged too, so
// that its checksum cannot agree yet.
func (l *loaded) othersDamaged(g *group) bool {
	return uint64(len(g.Entries))+1 < g.Commit.Size-g.Commit.Before
}

// writeBack writes a record where it stood, and syncs it. The bytes around it are
// not touched.
func (j *Journal) writeBack(segment, offset uint32, rec []byte) error {
	f, err := j.reader.segmentFile(segment)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(rec, int64(offset)); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
