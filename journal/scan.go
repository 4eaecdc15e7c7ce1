package journal

import (
	"bytes"
	"hash/crc32"

	"golang.org/x/mod/sumdb/tlog"
)

// scanner walks the groups of one segment, whole or not. It is how everything
// that reads a segment reads it: recovery, rebuilding of caches, verification.
//
//	s := newScanner(buf, number)
//	for g := s.next(); g != nil; g = s.next() { ... }
//	// s.pos is now the first byte after the last group; all behind it is zero
type scanner struct {
	buf     []byte
	segment uint32
	pos     uint32 // where the next group begins; after the last one: the tail
	budget  int    // bytes that may still be checksummed in vain, so that crafted bytes cost linear time
}

// newScanner scans the bytes of a segment: all of it, or from its start to a
// sector boundary behind which nothing is wanted.
func newScanner(buf []byte, segment uint32) *scanner {
	return &scanner{buf: buf, segment: segment, budget: 4*len(buf) + 1<<20}
}

// group is one group as found.
type group struct {
	Start, End uint32            // End: the sector boundary behind it
	Segment    *segmentInfo      // the segment's record, if the group begins a segment and it is whole
	Entries    []record          // the entry records that are whole, ascending by index
	Signatures []signatureRecord // those that are whole
	Commit     *commitRecord     // nil: damaged or not written

	// Whole says that every byte is as written.
	Whole bool
	// Torn says that the group is as a loss of power during its write leaves one,
	// and that nothing valid follows in its segment. It is a torn tail if nothing
	// valid follows in later segments either.
	Torn bool
	// Padded says that bytes between or behind the records are not zero; all
	// records are whole.
	Padded bool
	// Count is the number of entries that the group had, as far as its form still
	// tells it; -1: unknown.
	Count int
}

// next returns the next group, or nil when only zeros follow.
func (s *scanner) next() *group {
	if s.pos >= uint32(len(s.buf)) {
		return nil
	}
	g := s.whole(s.pos)
	if g == nil {
		last := lastNonZero(s.buf, int(s.pos))
		if last < 0 {
			return nil
		}
		g = s.salvage(s.pos, last)
	}
	s.pos = g.End
	return g
}

// whole reads the group at pos if every record of it is whole and in order.
func (s *scanner) whole(pos uint32) *group {
	g := &group{Start: pos}
	for off := pos; ; {
		r, err := recordAt(s.buf, s.segment, off)
		if err != nil || !g.add(&r) {
			return nil
		}
		off = s.after(&r)
		if g.Commit != nil {
			g.End = s.sectorEnd(off)
			return g.finish(s.buf, r.Offset, off)
		}
	}
}

// add takes in a whole record; false says that it cannot stand there.
func (g *group) add(r *record) bool {
	var err error
	switch r.Type {
	case recordSegment:
		if r.Offset != 0 {
			return false
		}
		g.Segment, err = parseSegmentInfo(r)
	case recordEntry:
		if n := len(g.Entries); n > 0 && r.Index <= g.Entries[n-1].Index {
			return false
		}
		_, err = parseSealedEntry(r)
		g.Entries = append(g.Entries, *r)
	case recordSignature:
		var sig signatureRecord
		sig, err = parseSignature(r)
		g.Signatures = append(g.Signatures, sig)
	case recordCommit:
		g.Commit, err = parseCommit(r)
	}
	return err == nil
}

// finish checks a group whose records were all read against its commit; nil if it does not agree.
func (g *group) finish(buf []byte, commit, end uint32) *group {
	c := g.Commit
	if c.Start != g.Start || (g.Start == 0) != (g.Segment != nil) || uint64(len(g.Entries)) != c.Size-c.Before {
		return nil
	}
	if g.Segment != nil && g.Segment.Size != c.Before {
		return nil
	}
	for i := range g.Entries {
		if g.Entries[i].Index != c.Before+uint64(i) {
			return nil
		}
	}
	g.Padded = crc32.Checksum(buf[g.Start:commit], castagnoli) != c.Checksum || !allZero(buf[end:g.End])
	g.Whole, g.Count = !g.Padded, len(g.Entries)
	return g
}

// salvage reads what is left of the group, or groups, from pos on.
func (s *scanner) salvage(pos uint32, last int) *group {
	g := &group{Start: pos, Count: -1}
	for off := pos; int(off)+recordHeader <= len(s.buf); {
		r, err := s.tryRecord(off)
		if err != nil {
			off = s.search(off + recordAlign)
			continue
		}
		if r.Type == recordCommit && s.commitOf(g, &r) {
			return g
		}
		if r.Type != recordCommit {
			g.keep(&r)
		}
		off = s.after(&r)
	}
	g.End = s.sectorEnd(uint32(last) + 1)
	g.Torn, g.Count = s.torn(pos, uint32(last))
	return g
}

// commitOf ends the salvage at a commit record: the group's own, or that of a later group.
func (s *scanner) commitOf(g *group, r *record) bool {
	c, err := parseCommit(r)
	if err != nil || c.Start < g.Start {
		return false
	}
	if c.Start > g.Start {
		g.End = c.Start
		g.dropFrom(c.Start)
		return true
	}
	g.Commit, g.End, g.Count = c, s.sectorEnd(s.after(r)), int(c.Size-c.Before)
	g.Torn = anyZeroSector(s.buf[g.Start:s.after(r)]) && !s.groupFollows(g.End)
	return true
}

// keep takes in a salvaged record where it fits; one that does not is left out.
func (g *group) keep(r *record) {
	entries, signatures := g.Entries, g.Signatures
	if !g.add(r) {
		g.Entries, g.Signatures = entries, signatures
	}
}

// dropFrom leaves out what belongs to a later group.
func (g *group) dropFrom(offset uint32) {
	for n := len(g.Entries); n > 0 && g.Entries[n-1].Offset >= offset; n-- {
		g.Entries = g.Entries[:n-1]
	}
	for n := len(g.Signatures); n > 0 && g.Signatures[n-1].offset >= offset; n-- {
		g.Signatures = g.Signatures[:n-1]
	}
}

// groupFollows reports whether a commit with a group of its own stands behind pos.
func (s *scanner) groupFollows(pos uint32) bool {
	for off := pos; int(off)+recordHeader <= len(s.buf); {
		r, err := s.tryRecord(off)
		if err != nil {
			off = s.search(off + recordAlign)
			continue
		}
		if c, err := parseCommit(&r); r.Type == recordCommit && err == nil && c.Start >= pos {
			return true
		}
		off = s.after(&r)
	}
	return false
}

// tryRecord is recordAt within the budget for failures.
func (s *scanner) tryRecord(off uint32) (record, error) {
	r, err := headerAt(s.buf, s.segment, off)
	if err != nil {
		return record{}, err
	}
	if s.budget < 0 {
		return record{}, errChecksum
	}
	if !checksumOK(s.buf[off:r.end()]) {
		s.budget -= int(r.end() - off)
		return record{}, errChecksum
	}
	return r, nil
}

var magicBytes = []byte("plmb")

// search returns the next place at or after off where a record may begin.
func (s *scanner) search(off uint32) uint32 {
	for int(off) < len(s.buf) {
		i := bytes.Index(s.buf[off:], magicBytes)
		if i < 0 {
			break
		}
		off += uint32(i)
		if off%recordAlign == 0 {
			return off
		}
		off++
	}
	return uint32(len(s.buf))
}

// torn decides about a tail without a commit of its own. A write that power loss
// tore consists of sectors as written and sectors still zero, so the first
// record that is not whole touches a sector that is zero; or (a write cut short
// by an error) everything from some byte of it on is zero.
func (s *scanner) torn(pos, last uint32) (torn bool, count int) {
	for off := pos; ; {
		headerEnd := off + recordHeader
		if last < headerEnd || s.zeroIn(off, headerEnd) || allZero(s.buf[off:headerEnd]) {
			return true, -1 // no header was ever written here
		}
		r, err := headerAt(s.buf, s.segment, off)
		if err != nil {
			return false, countWithout(count, off, last)
		}
		if s.zeroIn(off, r.end()) || last+recordAlign < r.end() {
			return true, -1
		}
		if r.Type == recordCommit {
			return false, commitCount(&r, last)
		}
		if !checksumOK(s.buf[off:r.end()]) {
			return false, s.countBehind(s.after(&r), last)
		}
		if r.Type == recordEntry {
			count++
		}
		off = s.after(&r)
	}
}

// countBehind follows headers only, to a commit that is damaged too.
func (s *scanner) countBehind(off, last uint32) int {
	for {
		r, err := headerAt(s.buf, s.segment, off)
		if err != nil {
			return -1
		}
		if r.Type == recordCommit {
			return commitCount(&r, last)
		}
		off = s.after(&r)
	}
}

// commitCount believes a damaged commit's length if the group ends where it says.
func commitCount(r *record, last uint32) int {
	n := len(r.Payload) - commitPrefix
	if n < 0 || n%tlog.HashSize != 0 || !endsAt(r.end(), last) {
		return -1
	}
	return n / tlog.HashSize
}

// countWithout believes that a group whose records up to off are whole had n
// entries, if what follows is as long as the commit of n entries.
func countWithout(n int, off, last uint32) int {
	if !endsAt(off+recordHeader+commitPrefix+uint32(n)*tlog.HashSize, last) {
		return -1
	}
	return n
}

// endsAt reports whether a hash that ends before end can have last as its last
// byte that is not zero.
func endsAt(end, last uint32) bool { return last < end && end <= last+2*recordAlign }

func (s *scanner) zeroIn(from, to uint32) bool {
	start := from / sector * sector
	end := min(alignUp(int(to), sector), len(s.buf))
	return anyZeroSector(s.buf[start:end])
}

func (s *scanner) after(r *record) uint32 { return uint32(alignUp(int(r.end()), recordAlign)) }

func (s *scanner) sectorEnd(off uint32) uint32 {
	return uint32(min(alignUp(int(off), sector), alignUp(len(s.buf), sector)))
}

// anyZeroSector reports whether one of the sectors of b, which begins on a
// sector boundary, is all zero.
func anyZeroSector(b []byte) bool {
	for len(b) > 0 {
		n := min(sector, len(b))
		if allZero(b[:n]) {
			return true
		}
		b = b[n:]
	}
	return false
}

func allZero(b []byte) bool {
	for len(b) >= len(zeroBlock) {
		if !bytes.Equal(b[:len(zeroBlock)], zeroBlock[:]) {
			return false
		}
		b = b[len(zeroBlock):]
	}
	return bytes.Equal(b, zeroBlock[:len(b)])
}

var zeroBlock [sector]byte

// lastNonZero returns the offset of the last byte of buf at or after from that is not zero, or -1.
func lastNonZero(buf []byte, from int) int {
	end := len(buf)
	for end-from >= sector && allZero(buf[end-sector:end]) {
		end -= sector
	}
	for i := end - 1; i >= from; i-- {
		if buf[i] != 0 {
			return i
		}
	}
	return -1
}
