package till

import (
	"sync"
)

// Stream tells watchers that something has changed. It is coalesced: a watcher
// that is slow sees the newest state, not each one, and holds nobody up. Short
// messages are kept in a small buffer; a watcher that does not read them is
// dropped, and its channel closed.
type Stream struct {
	mu       sync.Mutex
	watchers map[*Watcher]struct{}
	version  uint64
}

// Watcher is one reader of a stream.
type Watcher struct {
	// Changed receives after a change; at most one change is pending.
	Changed chan struct{}
	// Notices receives passing messages. It is closed when the watcher was too
	// slow or has left.
	Notices chan Notice
	stream  *Stream
}

// pendingNotices is how many messages a watcher may be behind.
const pendingNotices = 16

// Watch begins watching; the first change is pending at once.
func (s *Stream) Watch() *Watcher {
	w := &Watcher{Changed: make(chan struct{}, 1), Notices: make(chan Notice, pendingNotices), stream: s}
	w.Changed <- struct{}{}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchers == nil {
		s.watchers = map[*Watcher]struct{}{}
	}
	s.watchers[w] = struct{}{}
	return w
}

// Leave ends watching; it may be called twice.
func (w *Watcher) Leave() {
	w.stream.mu.Lock()
	defer w.stream.mu.Unlock()
	w.stream.drop(w)
}

func (s *Stream) drop(w *Watcher) {
	if _, ok := s.watchers[w]; ok {
		delete(s.watchers, w)
		close(w.Notices)
	}
}

// changed wakes every watcher.
func (s *Stream) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	for w := range s.watchers {
		select {
		case w.Changed <- struct{}{}:
		default: // one is pending already
		}
	}
}

// tell sends a message to every watcher.
func (s *Stream) tell(n Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watchers {
		select {
		case w.Notices <- n:
		default:
			s.drop(w)
		}
	}
}

func (s *Stream) at() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// watched is how many are watching.
func (s *Stream) watched() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.watchers)
}
