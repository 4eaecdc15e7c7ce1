package bench

import (
	"fmt"
	"path/filepath"
	"sync"

	"github.com/plomb-pos/plomb/internal/durable"
)

const (
	rawSegment = 16 << 20
	rawGroup   = 256
)

// rawFile is the limit of the disk: a zero-filled file, one pwrite and one
// fdatasync for whatever queued while the last sync ran. No framing, no
// checksum, no tree, no sealing, no recovery.
type rawFile struct {
	f   durable.File
	off int64

	mu      sync.Mutex
	wake    *sync.Cond
	queue   [][]byte
	waiting []chan error
	closed  bool
	done    chan struct{}
}

func openRaw(dir string) (*rawFile, error) {
	f, err := durable.OS{}.Create(filepath.Join(dir, "raw"))
	if err != nil {
		return nil, fmt.Errorf("reference file: %w", err)
	}
	zeros := make([]byte, 1<<20)
	for off := int64(0); off < rawSegment; off += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros, off); err != nil {
			return nil, fmt.Errorf("reference file: %w", err)
		}
	}
	if err := f.Sync(); err != nil {
		return nil, fmt.Errorf("reference file: %w", err)
	}
	r := &rawFile{f: f, done: make(chan struct{})}
	r.wake = sync.NewCond(&r.mu)
	go r.run()
	return r, nil
}

func (r *rawFile) append(payload []byte) error {
	reply := make(chan error, 1)
	r.mu.Lock()
	r.queue = append(r.queue, payload)
	r.waiting = append(r.waiting, reply)
	r.mu.Unlock()
	r.wake.Signal()
	return <-reply
}

func (r *rawFile) run() {
	defer close(r.done)
	var buf []byte
	for {
		payloads, waiting, ok := r.take()
		if !ok {
			return
		}
		buf = buf[:0]
		for _, p := range payloads {
			buf = append(buf, p...)
		}
		err := r.write(buf)
		for _, w := range waiting {
			w <- err
		}
	}
}

// take waits for work; ok is false when the file was closed.
func (r *rawFile) take() (payloads [][]byte, waiting []chan error, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue) == 0 && !r.closed {
		r.wake.Wait()
	}
	n := min(len(r.queue), rawGroup)
	payloads, waiting = r.queue[:n:n], r.waiting[:n:n]
	r.queue, r.waiting = r.queue[n:], r.waiting[n:]
	return payloads, waiting, n > 0
}

func (r *rawFile) write(b []byte) error {
	if r.off+int64(len(b)) > rawSegment {
		r.off = 0
	}
	if _, err := r.f.WriteAt(b, r.off); err != nil {
		return err
	}
	r.off += int64(len(b))
	return r.f.Sync()
}

func (r *rawFile) close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.wake.Signal()
	<-r.done
	return r.f.Close()
}
