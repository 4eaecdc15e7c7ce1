package replay

import (
	"context"
	"sync"
	"time"
)

// clock is the till's clock during a replay. It stands still while something is
// booked, and goes on to the time of what comes next; it never goes back.
type clock struct {
	speed float64
	base  time.Time // of the uptime: the same for every run of a plan

	mu      sync.Mutex
	now     time.Time
	started time.Time // real time of the first wait
	from    time.Time // what the clock showed then
}

func newClock(start time.Time, speed float64) *clock {
	return &clock{speed: speed, base: start.Add(-24 * time.Hour), now: start.Add(-opening)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Uptime goes with Now, so that the till sees no step between the two.
func (c *clock) Uptime() time.Duration { return c.Now().Sub(c.base) }

// reach goes on to t, at once or after the time that this takes at the clock's speed.
func (c *clock) reach(ctx context.Context, t time.Time) error {
	if err := c.wait(ctx, t); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.now) {
		c.now = t
	}
	return ctx.Err()
}

func (c *clock) wait(ctx context.Context, t time.Time) error {
	if c.speed <= 0 {
		return nil
	}
	if c.started.IsZero() {
		c.started, c.from = time.Now(), c.now
	}
	due := c.started.Add(time.Duration(float64(t.Sub(c.from)) / c.speed))
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
