package host

import (
	"slices"
	"sync"
)

// queue is a service's line of commands, strictly first in first out over all its
// clients. Its lock is taken last: never call out while it is held.
type queue struct {
	max int

	mu       sync.Mutex // guards what follows
	items    []*Command
	reserved int  // places promised to commands being acknowledged
	running  bool // somebody is in run
}

func newQueue(max int) *queue { return &queue{max: max} }

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

// push takes the place that reserve promised. When it returns true the caller must
// see to it that run is called.
func (q *queue) push(c *Command) (run bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reserved--
	q.items = append(q.items, c)
	run = !q.running
	q.running = true
	return run
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
		q.running = false
		return nil
	}
	c := q.items[0]
	q.items = slices.Delete(q.items, 0, 1)
	return c
}

// run does one command after the other until none is left. When the service stops,
// the contexts of its commands have ended.
func (q *queue) run() {
	for c := q.pop(); c != nil; c = q.pop() {
		if c.start() {
			c.run()
		}
	}
}
