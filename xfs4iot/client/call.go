package client

import (
	"sync"

	"github.com/plomb-pos/plomb/xfs4iot"
)

// call is one command waiting for its completion.
type call struct {
	wake chan struct{} // one token: something came in

	mu      sync.Mutex // guards replies
	replies []*xfs4iot.Message
}

func newCall() *call { return &call{wake: make(chan struct{}, 1)} }

// put hands a reply over without waiting; false when too many lie there. That a
// command was accepted is no news.
func (k *call) put(m *xfs4iot.Message) bool {
	if m.Header.Type == xfs4iot.TypeAcknowledge && m.Header.Status == xfs4iot.StatusAccepted {
		return true
	}
	k.mu.Lock()
	k.replies = append(k.replies, m)
	fits := len(k.replies) <= eventBacklog
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
	return fits
}

// take gives what came in since the last time.
func (k *call) take() []*xfs4iot.Message {
	k.mu.Lock()
	defer k.mu.Unlock()
	replies := k.replies
	k.replies = nil
	return replies
}
