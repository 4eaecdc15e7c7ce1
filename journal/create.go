package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
)

const lockName = "LOCK"

// Create makes the journal of an epoch in dir, with first as its first entries
// (the commissioning, or what the epoch follows), and opens it. dir's parent must
// exist; dir itself may be there only as the remains of a Create that was cut
// short. ErrExists says that there is a journal.
//
// When Create returns, journal and first entries survive loss of power. After
// an error, or a crash, either Open opens the journal or Create can be called again.
func Create(ctx context.Context, dir, origin string, first []Draft, opts Options) (*Journal, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		return nil, fmt.Errorf("create journal %s: no first entry", dir)
	}
	m := &manifest{Origin: origin, Created: first[0].Time.UTC().Truncate(time.Millisecond), Segment: uint32(opts.SegmentSize)}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("create journal %s: %w", dir, err)
	}
	lock, err := claim(opts.FS, dir)
	if err != nil {
		return nil, fmt.Errorf("create journal %s: %w", dir, err)
	}
	if err := create(ctx, dir, m, first, opts, lock); err != nil {
		lock.Close()
		return nil, fmt.Errorf("create journal %s: %w", dir, err)
	}
	j, _, err := open(ctx, dir, opts, lock)
	return j, err
}

// claim takes the directory and its lock for Create.
func claim(fsys durable.FS, dir string) (io.Closer, error) {
	if err := fsys.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	lock, err := fsys.Lock(path.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	if _, err = readManifest(fsys, dir); err == nil {
		err = ErrExists
	}
	if errors.Is(err, ErrNoJournal) {
		return lock, nil
	}
	lock.Close()
	return nil, err
}

// create writes what a journal needs, JOURNAL last: before it is in place there
// is no journal, nothing was acknowledged or signed, and Create begins anew.
func create(ctx context.Context, dir string, m *manifest, first []Draft, opts Options, lock io.Closer) error {
	if err := refuseKnown(ctx, m.Origin, opts.Anchors); err != nil {
		return err
	}
	if err := clearRemains(opts.FS, dir); err != nil {
		return err
	}
	j, err := newJournal(dir, m, opts, lock)
	if err != nil {
		return err
	}
	if _, err := makeSegment(&opts, dir, 1, m.Segment); err != nil {
		return err
	}
	if err := j.writeFirst(first); err != nil {
		return err
	}
	if err := opts.FS.SyncDir(path.Dir(dir)); err != nil {
		return err
	}
	return durable.Replace(opts.FS, path.Join(dir, manifestName), m.text())
}

// refuseKnown refuses an origin whose history an anchor has seen already: never a
// second history under one origin.
func refuseKnown(ctx context.Context, origin string, anchors []Anchor) error {
	seen, err := loadAnchors(ctx, anchors)
	if err != nil {
		return err
	}
	for _, a := range seen {
		c := a.Checkpoint
		if c.Size > 0 && (c.Origin == origin || laterEpoch(c.Origin, origin)) {
			return &RollbackError{Anchor: a.Name, Seen: c}
		}
	}
	return nil
}

// clearRemains removes what a Create that was cut short left.
func clearRemains(fsys durable.FS, dir string) error {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, segmentSuffix) || strings.HasSuffix(name, durable.TempSuffix) {
			if err := fsys.Remove(path.Join(dir, name)); err != nil {
				return err
			}
		} else if name != lockName {
			return fmt.Errorf("%s is in the way", name)
		}
	}
	return nil
}

// writeFirst writes the first group.
func (j *Journal) writeFirst(first []Draft) error {
	j.tailSegment, j.tailOffset = 1, 0
	if _, err := j.Stage(first...); err != nil {
		return err
	}
	b := j.queue[0]
	j.closeBatch(b)
	f, err := j.reader.segmentFile(1)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(b.buf, 0); err == nil && j.opts.skip != stepCreateSync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Open opens the journal in dir for reading and appending, after recovery. It
// never makes a journal: ErrNoJournal says that there is none.
//
// Other errors to decide on: ErrLocked; ErrVersion; a RollbackError; ErrDamaged,
// if the end of the journal is damaged so that it cannot go on; those of Keys and
// of the file system. Nothing has been changed then.
//
// Open reads the last segment, and those with signatures due; it takes some
// hundredths of a second. The signatures that are due are asked for as in normal
// running, after everything under them has been synced.
func Open(ctx context.Context, dir string, opts Options) (*Journal, *Recovery, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, nil, err
	}
	if _, err := readManifest(opts.FS, dir); err != nil {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	lock, err := opts.FS.Lock(path.Join(dir, lockName))
	if err != nil {
		return nil, nil, fmt.Errorf("open journal %s: %w", dir, err)
	}
	return open(ctx, dir, opts, lock)
}

// open takes over lock.
func open(ctx context.Context, dir string, opts Options, lock io.Closer) (*Journal, *Recovery, error) {
	j, report, err := recoverJournal(ctx, dir, opts, lock)
	if err != nil {
		lock.Close()
		return nil, nil, fmt.Errorf("open journal %s: %w", dir, err)
	}
	return j, report, nil
}

func recoverJournal(ctx context.Context, dir string, opts Options, lock io.Closer) (*Journal, *Recovery, error) {
	m, err := readManifest(opts.FS, dir)
	if err != nil {
		return nil, nil, err
	}
	j, err := newJournal(dir, m, opts, lock)
	if err != nil {
		return nil, nil, err
	}
	rc := &recovering{ctx: ctx, opts: &j.opts, dir: dir, m: m, reader: j.reader, report: new(Recovery), leaf: j.index.storedLeaf}
	p, err := rc.find()
	if err != nil {
		j.index.close()
		return nil, nil, err
	}
	f, err := rc.settle()
	if err != nil {
		j.index.close()
		return nil, nil, err
	}
	j.segments.adopt(f, rc.base.number)
	j.start(p)
	return j, rc.report, nil
}

// find is the part of recovery that only reads.
func (rc *recovering) find() (p *proved, err error) {
	if rc.numbers, err = listSegments(rc.opts.FS, rc.dir); err != nil {
		return nil, err
	}
	if rc.report.Anchors, err = loadAnchors(rc.ctx, rc.opts.Anchors); err != nil {
		return nil, err
	}
	if err := rc.findBase(); err != nil {
		return nil, err
	}
	rp, err := rc.replayBase()
	if err != nil {
		return nil, err
	}
	rc.report.Size, rc.report.Root, rc.report.Holes = rp.tree.Size(), rp.tree.Root(), rp.holes
	if err := rc.checkAnchors(rp.tree.Size()); err != nil {
		return nil, err
	}
	return rc.prove(rp)
}

func (rc *recovering) prove(rp *replay) (*proved, error) {
	last, err := rc.lastTime()
	if err != nil {
		return nil, err
	}
	due, latest, err := rc.collectDue(rc.firstDue())
	if err != nil {
		return nil, err
	}
	if rc.opts.Signer == nil {
		due = nil
	}
	for _, r := range due {
		rc.report.Due = append(rc.report.Due, r.checkpoint.Size)
	}
	size := rp.tree.Size()
	signed := latest.Checkpoint.Size == size || (len(due) > 0 && due[len(due)-1].checkpoint.Size == size)
	return &proved{
		tree: rp.tree, lastTime: last, snapshot: rp.snapshot, tail: tail{rc.base.number, rc.base.end()},
		due: due, latest: latest, signed: signed,
	}, nil
}

// close is Close, once.
func (j *Journal) close(ctx context.Context) error {
	err := j.drain(ctx)
	j.caretaker.end()
	j.signers.end()
	j.mu.Lock()
	if j.err == nil {
		j.err = fmt.Errorf("%w: closed", ErrStopped)
		close(j.done)
	}
	size := j.size
	j.work.Broadcast()
	j.room.Broadcast()
	j.mu.Unlock()
	<-j.writerDone
	j.segments.wait()
	j.failQueue()
	j.storeAnchors(ctx, size)
	if err := j.index.close(); err != nil { // it is made again
		j.opts.tell(Event{Kind: CacheFailed, Size: size, Err: err})
	}
	return errors.Join(err, j.segments.close(), j.lock.Close())
}

// drain writes what was staged, and then the signatures made for it.
func (j *Journal) drain(ctx context.Context) error {
	j.mu.Lock()
	j.closing = true
	j.mu.Unlock()
	if err := j.rest(ctx); err != nil {
		return err
	}
	if err := j.signers.idle(ctx); err != nil {
		return err
	}
	j.mu.Lock()
	j.flush = true
	j.work.Broadcast()
	j.mu.Unlock()
	return j.rest(ctx)
}

// rest waits until nothing is queued or being written.
func (j *Journal) rest(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.room.Broadcast()
	})
	defer stop()
	j.mu.Lock()
	defer j.mu.Unlock()
	for ctx.Err() == nil && j.err == nil && (len(j.queue) > 0 || j.writing || (j.flush && len(j.signatures) > 0)) {
		j.room.Wait()
	}
	if j.err != nil {
		return j.err
	}
	return ctx.Err()
}

// failQueue tells those whose group was not written any more.
func (j *Journal) failQueue() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, b := range j.queue {
		b.fate.err = j.err
		close(b.fate.done)
	}
	j.queue = nil
}

// storeAnchors tells every anchor how far the journal is.
func (j *Journal) storeAnchors(ctx context.Context, size uint64) {
	head := j.Head()
	if head.Size != size {
		return
	}
	for _, a := range j.opts.Anchors {
		if err := a.Store(ctx, head); err != nil {
			j.opts.tell(Event{Kind: AnchorFailed, Name: a.Name(), Size: head.Size, Err: err})
		}
	}
}
