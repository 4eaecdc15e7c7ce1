package host

import (
	"context"
	"slices"
	"sync"
)

// queue is a service's line of commands, strictly first in first out over all its
// clients. Its lock is taken last: never call out while it is held.
type queue struct {
	max  int
	wake chan struct{} // one token: something was pushed

	mu       sync.Mutex // guards what follows
	items    []*Command
	reserved int // places promised to commands being acknowledged
}

func newQueue(max int) *queue { return &queue{max: max, wake: make(chan struct{}, 1)} }

// reserve promises a place, so that a command is acknowledged before it can start
// and never accepted without a place.
func (q *queue) reserve() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items)+q.reserved >= q.max {
		return false
	}
	q.reserved++
	return true
}

// push takes the place that reserve promised.
func (q *queue) push(c *Command) {
	q.mu.Lock()
	q.reserved--
	q.items = append(q.items, c)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// drop frees the place of a command that ended while it waited.
func (q *queue) drop(c *Command) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.items, c); i >= 0 {
		q.items = slices.Delete(q.items, i, i+1)
	}
}

func (q *queue) pop() *Command {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return nil
	}
	c := q.items[0]
	q.items = slices.Delete(q.items, 0, 1)
	return c
}

// run does one command after the other until ctx ends.
func (q *queue) run(ctx context.Context) {
	for {
		for c := q.pop(); c != nil; c = q.pop() {
			if c.start() {
				c.run()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		}
	}
}
