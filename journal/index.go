package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal/proof"
)

const (
	cacheDir    = "cache"
	treeName    = "tree"
	offsetsName = "offsets"
	placeSize   = 8
)

// index answers where an entry stands and what the tree's inner hashes are. Both
// files are caches: nothing they say is believed unchecked, they are never
// synced, and they can be deleted at any time.
type index struct {
	j *Journal

	mu      sync.Mutex
	opened  bool
	tree    sidecar // stored hashes in the order of package tlog
	offsets sidecar // places, 8 bytes an entry; 0: damaged when last seen
	leaves  uint64  // how many leaves are in tree
	sure    uint64  // places from here on were written in this session

	missed missed // groups that came while mu was held
}

func newIndex(j *Journal) *index {
	dir := path.Join(j.dir, cacheDir)
	return &index{
		j:       j,
		tree:    sidecar{fs: j.opts.FS, dir: dir, name: path.Join(dir, treeName), unit: tlog.HashSize},
		offsets: sidecar{fs: j.opts.FS, dir: dir, name: path.Join(dir, offsetsName), unit: placeSize},
	}
}

// note takes in a group that is about to become visible. It never waits: while the
// index is busy the group waits beside it (package-wide limit missedMost), and what
// is too much for that is read from the segments when it is wanted.
func (ix *index) note(b *batch) {
	if b.count() == 0 {
		return
	}
	ix.missed.add(b)
	if ix.mu.TryLock() {
		defer ix.mu.Unlock()
		ix.takeMissed()
	}
}

// takeMissed takes in the groups that came while the index was busy, as far as they
// follow what it has. mu is held.
func (ix *index) takeMissed() {
	m := ix.missed.take()
	have := ix.leaves
	if !ix.opened || have < m.before || have >= m.size() || uint64(ix.offsets.count()) != have {
		return
	}
	known := tlog.StoredHashCount(int64(have)) - tlog.StoredHashCount(int64(m.before))
	for _, h := range m.stored[known:] {
		ix.tree.append(h[:])
	}
	for _, p := range m.places[have-m.before:] {
		ix.addPlace(p)
	}
	ix.leaves = m.size()
}

// missedMost bounds the entries that wait for the index: about 6 MiB.
const missedMost = 1 << 16

// missed is a run of groups without a gap. Its lock is held for copies only.
type missed struct {
	mu sync.Mutex
	missedGroups
}

type missedGroups struct {
	before uint64
	stored []tlog.Hash
	places []uint64
}

func (m *missedGroups) size() uint64 { return m.before + uint64(len(m.places)) }

// add puts a group behind the others, or begins anew with it.
func (m *missed) add(b *batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.size() != b.before || len(m.places) >= missedMost {
		m.missedGroups = missedGroups{before: b.before, stored: m.stored[:0], places: m.places[:0]}
	}
	m.stored = append(m.stored, b.stored...)
	m.places = append(m.places, b.places...)
}

// take empties it.
func (m *missed) take() missedGroups {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.missedGroups
	m.missedGroups = missedGroups{before: all.size()}
	return all
}

func (ix *index) addPlace(p uint64) {
	var b [placeSize]byte
	binary.BigEndian.PutUint64(b[:], p)
	ix.offsets.append(b[:])
}

// storedLeaf reads a leaf hash as the cache has it, unchecked. For recovery.
func (ix *index) storedLeaf(i uint64) (h tlog.Hash, ok bool) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if i >= proof.MaxSize || ix.tree.openExisting() != nil {
		return h, false
	}
	return h, ix.tree.read(tlog.StoredHashIndex(0, int64(i)), h[:]) == nil
}

// open opens or makes the files and takes as many entries from them as are complete.
func (ix *index) open() error {
	if ix.opened {
		return nil
	}
	if err := errors.Join(ix.tree.open(), ix.offsets.open()); err != nil {
		return fmt.Errorf("open cache: %w", err)
	}
	size := ix.j.Size()
	ix.leaves = min(size, leavesIn(ix.tree.count()))
	ix.tree.cut(tlog.StoredHashCount(int64(ix.leaves)))
	ix.offsets.cut(int64(size))
	ix.sure = uint64(ix.offsets.count())
	ix.opened = true
	return nil
}

// leavesIn is the largest number of leaves whose stored hashes number at most n.
func leavesIn(n int64) uint64 {
	leaves := n / 2
	for tlog.StoredHashCount(leaves+1) <= n {
		leaves++
	}
	return uint64(leaves)
}

// catchUp reads from the segments what is durable and not yet in the caches.
func (ix *index) catchUp(ctx context.Context) error {
	if err := ix.open(); err != nil {
		return err
	}
	ix.j.mu.Lock()
	size, until := ix.j.size, ix.j.durableTail
	ix.j.mu.Unlock()
	ix.takeMissed()
	from := min(ix.leaves, uint64(ix.offsets.count()))
	if from >= size {
		return nil
	}
	rc := ix.j.recovering(ctx, &until)
	return ix.readSegments(rc, from)
}

// recovering gives other parts of the journal the means of recovery to read segments.
func (j *Journal) recovering(ctx context.Context, until *tail) *recovering {
	m := &manifest{Origin: j.origin, Segment: j.segmentSize}
	return &recovering{ctx: ctx, opts: &j.opts, dir: j.dir, m: m, reader: j.reader, report: new(Recovery), until: until}
}

func (ix *index) readSegments(rc *recovering, from uint64) error {
	l, err := rc.load(rc.until.segment, nil)
	if err != nil {
		return err
	}
	rc.base = l
	if l, err = rc.segmentOf(from); err != nil {
		return err
	}
	rp, err := rc.replayTo(l)
	if err != nil {
		return err
	}
	rp.leaf = ix.ownLeaf
	rp.visit = func(index uint64, leaf tlog.Hash, rec *record) {
		if err == nil {
			err = ix.visit(rp, index, leaf, rec)
		}
	}
	return errors.Join(rc.replayOn(rp, l), err)
}

// ownLeaf offers the cache's leaf hash for an entry that left none elsewhere.
func (ix *index) ownLeaf(i uint64) (h tlog.Hash, ok bool) {
	return h, i < ix.leaves && ix.tree.read(tlog.StoredHashIndex(0, int64(i)), h[:]) == nil
}

func (ix *index) visit(rp *replay, index uint64, leaf tlog.Hash, rec *record) error {
	if index == uint64(ix.offsets.count()) {
		p := uint64(0)
		if rec != nil {
			p = place(rp.segment, rec.Offset)
		}
		ix.addPlace(p)
	}
	if index != ix.leaves {
		return nil
	}
	stored, err := tlog.StoredHashesForRecordHash(int64(index), leaf, ix)
	if err != nil {
		return err
	}
	for i := range stored {
		ix.tree.append(stored[i][:])
	}
	ix.leaves++
	return nil
}

// ReadHashes implements tlog.HashReader; what it returns is unchecked.
func (ix *index) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if err := ix.tree.read(x, out[i][:]); err != nil {
			return nil, fmt.Errorf("stored hash %d: %w", x, err)
		}
	}
	return out, nil
}

// places fills in where the entries from first on stand.
func (ix *index) places(ctx context.Context, first uint64, dst []uint64) error {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if !ix.opened || uint64(ix.offsets.count()) < first+uint64(len(dst)) {
		if err := ix.catchUp(ctx); err != nil && uint64(ix.offsets.count()) < first+uint64(len(dst)) {
			return err
		}
	}
	var b [placeSize]byte
	for i := range dst {
		if err := ix.offsets.read(int64(first)+int64(i), b[:]); err != nil {
			return err
		}
		dst[i] = binary.BigEndian.Uint64(b[:])
	}
	return nil
}

// correct replaces the place of an entry that was repaired.
func (ix *index) correct(i, place uint64) error {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	var b [placeSize]byte
	binary.BigEndian.PutUint64(b[:], place)
	return ix.offsets.replace(int64(i), b[:])
}

// checked runs a computation over stored hashes whose result f checks itself. If
// it fails, the cache is built again from the segments, and f runs once more.
func (ix *index) checked(ctx context.Context, f func(tlog.HashReader) error) error {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	err := ix.catchUp(ctx)
	if err == nil {
		err = f(ix)
	}
	if err == nil {
		return nil
	}
	if again := ix.rebuild(ctx); again != nil {
		return fmt.Errorf("rebuild cache: %w", again)
	}
	ix.j.opts.tell(Event{Kind: CacheRebuilt, Err: err})
	return f(ix)
}

func (ix *index) rebuild(ctx context.Context) error {
	if err := ix.open(); err != nil {
		return err
	}
	ix.tree.cut(0)
	ix.offsets.cut(0)
	ix.leaves, ix.sure = 0, 0
	return ix.catchUp(ctx)
}

// placeAgain is called when an entry is not where the cache says. It returns the
// place once more if that was found in this session, so that the entry must be
// damaged; else all places are read from the segments anew.
func (ix *index) placeAgain(ctx context.Context, index uint64, cause error) (uint64, error) {
	ix.mu.Lock()
	stale := index < ix.sure
	if stale {
		ix.offsets.cut(0)
		ix.sure = 0
	}
	ix.mu.Unlock()
	if stale {
		ix.j.opts.tell(Event{Kind: CacheRebuilt, Err: cause})
	}
	var p [1]uint64
	err := ix.places(ctx, index, p[:])
	return p[0], err
}

// flush writes what is in memory only, if it is worth a write.
func (ix *index) flush(least int) error {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if len(ix.tree.mem) < least {
		return nil
	}
	return errors.Join(ix.tree.flush(), ix.offsets.flush())
}

func (ix *index) close() error {
	err := ix.flush(1)
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.opened = false
	if err = errors.Join(err, ix.tree.close(), ix.offsets.close()); err != nil {
		return fmt.Errorf("close cache: %w", err)
	}
	return nil
}

// sidecar is a file of records of one size, the last of them in memory.
type sidecar struct {
	fs      durable.FS
	dir     string
	name    string
	unit    int
	file    durable.File
	flushed int64  // records in the file that count
	mem     []byte // the records after them
}

func (s *sidecar) count() int64 { return s.flushed + int64(len(s.mem)/s.unit) }

func (s *sidecar) append(record []byte) { s.mem = append(s.mem, record...) }

func (s *sidecar) openExisting() (err error) {
	if s.file != nil {
		return nil
	}
	if s.file, err = s.fs.Open(s.name); err != nil {
		s.file = nil
		return err
	}
	size, err := s.file.Size()
	s.flushed = size / int64(s.unit)
	return err
}

func (s *sidecar) open() error {
	err := s.openExisting()
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.fs.Mkdir(s.dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	s.flushed = 0
	s.file, err = s.fs.Create(s.name)
	return err
}

// cut forgets the records from n on.
func (s *sidecar) cut(n int64) {
	if n >= s.flushed {
		s.mem = s.mem[:min(int64(len(s.mem)), (n-s.flushed)*int64(s.unit))]
		return
	}
	s.flushed, s.mem = n, s.mem[:0]
}

func (s *sidecar) read(i int64, dst []byte) error {
	if i >= s.count() {
		return errNoRecord
	}
	if i >= s.flushed {
		copy(dst, s.mem[(i-s.flushed)*int64(s.unit):])
		return nil
	}
	n, err := s.file.ReadAt(dst, i*int64(s.unit))
	if n < len(dst) {
		return fmt.Errorf("read %s: %w", s.name, err)
	}
	return nil
}

func (s *sidecar) replace(i int64, record []byte) error {
	if i >= s.count() {
		return nil
	}
	if i >= s.flushed {
		copy(s.mem[(i-s.flushed)*int64(s.unit):], record)
		return nil
	}
	_, err := s.file.WriteAt(record, i*int64(s.unit))
	return err
}

func (s *sidecar) flush() error {
	if len(s.mem) == 0 {
		return nil
	}
	if _, err := s.file.WriteAt(s.mem, s.flushed*int64(s.unit)); err != nil {
		return err
	}
	s.flushed, s.mem = s.count(), s.mem[:0]
	return nil
}

func (s *sidecar) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}
