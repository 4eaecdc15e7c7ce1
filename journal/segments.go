package journal

import (
	"errors"
	"fmt"
	"path"
	"sync"

	"github.com/plomb-pos/plomb/internal/durable"
)

// segments holds the file being written and makes the next one beside the
// appends, so that no append waits for sixteen megabytes of zeros.
type segments struct {
	j *Journal

	// Owned by the writer goroutine.
	file   durable.File
	number uint32

	mu      sync.Mutex
	ready   uint32        // the segment that stands ready, 0: none
	running chan struct{} // closed when the preparation under way ends; nil: none
	refused error         // a sync failed: no segment is made any more in this session
	pause   int           // groups to let pass before another attempt
}

// retryAfter is how many groups pass after a failed attempt: a full disk is not
// filled again at every sale. A segment that is needed is tried for at once.
const retryAfter = 256

func newSegments(j *Journal) *segments { return &segments{j: j} }

// use returns segment n for writing, changing over to it if need be.
func (s *segments) use(n uint32) (durable.File, error) {
	if s.file != nil && s.number == n {
		return s.file, nil
	}
	if s.file != nil || n == 1 || s.number != n {
		if err := s.await(n); err != nil {
			return nil, err
		}
	}
	f, err := s.j.opts.FS.Open(path.Join(s.j.dir, segmentName(n)))
	if err != nil {
		return nil, fmt.Errorf("open segment %d: %w", n, err)
	}
	err = s.close()
	s.file, s.number = f, n
	return f, err
}

// adopt takes over the segment that recovery found to be the last.
func (s *segments) adopt(f durable.File, n uint32) { s.file, s.number = f, n }

func (s *segments) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// await waits until segment n stands ready, and makes it if nobody does.
func (s *segments) await(n uint32) error {
	s.wait()
	s.mu.Lock()
	ready := s.ready == n
	s.mu.Unlock()
	if ready {
		return nil
	}
	return s.prepare(n)
}

// wait waits for a preparation under way.
func (s *segments) wait() {
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	if running != nil {
		<-running
	}
}

// prepareNext makes the segment after the current one, unless it stands ready.
// Called by the writer goroutine.
func (s *segments) prepareNext() {
	s.mu.Lock()
	next := s.number + 1
	s.pause = max(0, s.pause-1)
	if s.pause > 0 || s.ready == next || s.running != nil || s.refused != nil {
		s.mu.Unlock()
		return
	}
	done := make(chan struct{})
	s.running = done
	s.mu.Unlock()
	if s.j.opts.serial {
		s.run(next, done)
		return
	}
	go s.run(next, done)
}

func (s *segments) run(n uint32, done chan struct{}) {
	err := s.prepare(n)
	s.mu.Lock()
	s.running = nil
	s.mu.Unlock()
	close(done)
	event := Event{Kind: SegmentPrepared, Segment: n, Size: s.j.Size()}
	if err != nil {
		event.Kind, event.Err = SegmentFailed, err
	}
	s.j.opts.tell(event)
}

// prepare makes segment n: nothing of it is in place before all of it is synced.
func (s *segments) prepare(n uint32) error {
	s.mu.Lock()
	err := s.refused
	s.mu.Unlock()
	if err != nil {
		return err
	}
	final, err := makeSegment(&s.j.opts, s.j.dir, n, s.j.segmentSize)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && final {
		s.refused = err
	}
	if err == nil {
		s.ready = n
	} else {
		s.pause = retryAfter
	}
	return err
}

// makeSegment zero-fills a new segment file, syncs it, renames it into place and
// syncs the directory. If final is true a sync or rename failed: what is on disk
// is unknown, and a second attempt's success would prove nothing.
//
// A crash before the rename leaves a temporary file, which is made anew; a crash
// after it leaves a segment of zeros, which recovery takes for what it is.
func makeSegment(opts *Options, dir string, n, size uint32) (final bool, err error) {
	name := path.Join(dir, segmentName(n))
	temp := name + durable.TempSuffix
	if final, err = writeZeroFile(opts, temp, size); err != nil {
		return final, fmt.Errorf("make segment %d: %w", n, err)
	}
	if err := opts.FS.Rename(temp, name); err != nil {
		return true, fmt.Errorf("make segment %d: %w", n, err)
	}
	if opts.skip == stepDirSync {
		return false, nil
	}
	if err := opts.FS.SyncDir(dir); err != nil {
		return true, fmt.Errorf("make segment %d: %w", n, err)
	}
	return false, nil
}

func writeZeroFile(opts *Options, name string, size uint32) (final bool, err error) {
	if err := durable.RemoveIfExists(opts.FS, name); err != nil {
		return false, err
	}
	f, err := opts.FS.Create(name)
	if err != nil {
		return false, err
	}
	// The first group's sync would make the zeros durable as well; this one is so
	// that no append pays for them.
	if err = writeZeros(f, 0, size); err == nil {
		err = f.Sync()
		final = err != nil
	}
	return final, errors.Join(err, f.Close())
}

var zeros [1 << 16]byte

// writeZeros fills [from, to) of f with zeros.
func writeZeros(f durable.File, from, to uint32) error {
	for from < to {
		n := min(to-from, uint32(len(zeros)))
		if _, err := f.WriteAt(zeros[:n], int64(from)); err != nil {
			return err
		}
		from += n
	}
	return nil
}
