package journal

import (
	"context"
	"sync"
	"time"
)

const (
	// careInterval is how often the caretaker looks: signatures that no group has
	// taken along for so long get one of their own.
	careInterval = time.Second
	// anchorEvery is how many looks lie between two writes of the anchors.
	anchorEvery = 5
	// retryMost bounds the pause before a signer that is down is asked again.
	retryMost = 10
	// flushCache is worth a write of the caches while the journal grows.
	flushCache = 64 << 10
)

// caretaker does what must not burden an append: late signatures, anchors, caches.
type caretaker struct {
	j      *Journal
	cancel context.CancelFunc
	wg     sync.WaitGroup

	// Owned by its goroutine.
	looks    uint64
	size     uint64 // at the last look
	anchored uint64 // stored in the anchors
	pause    uint64 // looks between two retries
	retryAt  uint64
}

func startCaretaker(j *Journal) *caretaker {
	c := &caretaker{j: j, pause: 1, retryAt: 1}
	if j.opts.serial {
		return c
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.wg.Go(func() { c.run(ctx) })
	return c
}

func (c *caretaker) end() {
	if c.cancel != nil {
		c.cancel()
	}
	c.wg.Wait()
}

func (c *caretaker) run(ctx context.Context) {
	ticker := time.NewTicker(careInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.look(ctx)
		}
	}
}

func (c *caretaker) look(ctx context.Context) {
	c.looks++
	size := c.j.Size()
	still := size == c.size
	c.size = size
	if still {
		c.j.storeLate()
	}
	c.retry()
	if size != c.anchored && (still || c.looks%anchorEvery == 0) {
		c.j.storeAnchors(ctx, size)
		c.anchored = size
	}
	least := flushCache
	if still {
		least = 1
	}
	c.j.index.tend(ctx, least)
}

// storeLate gives signatures that no group took along a group of their own.
func (j *Journal) storeLate() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.signatures) > 0 {
		j.flush = true
		j.work.Signal()
	}
}

// retry asks a signer that was down again, with growing pauses.
func (c *caretaker) retry() {
	if !c.j.signers.owing() {
		c.pause = 1
		return
	}
	if c.looks < c.retryAt {
		return
	}
	c.pause = min(2*c.pause, retryMost)
	c.retryAt = c.looks + c.pause
	c.j.signers.retry()
}

func (s *signers) owing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.owed) > 0
}

// tend keeps the caches near the journal's end and out of memory. A cache that
// cannot be written costs time when it is asked for, nothing else.
func (ix *index) tend(ctx context.Context, least int) {
	ix.mu.Lock()
	err := ix.catchUp(ctx)
	ix.mu.Unlock()
	if err == nil {
		err = ix.flush(least)
	}
	if err != nil && ctx.Err() == nil {
		ix.j.opts.tell(Event{Kind: CacheFailed, Err: err})
	}
}
