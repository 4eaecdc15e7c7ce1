package till

import (
	"sync"
	"time"
)

const (
	// clockBound is how far wall clock and uptime may drift apart between two
	// looks before it counts as a step (NTP slews at most 0.5 ms a second).
	clockBound = 2 * time.Second
	// clockDrift is the share of the time between two looks that is allowed on top.
	clockDrift = 1000 // one thousandth
	// clockSettles is how long entries stay marked after a step: time enough for a
	// second step, by which a time service or a person puts the first one right.
	clockSettles = 15 * time.Minute
)

// step is a jump of the wall clock against the uptime.
type step struct {
	Expected, Got time.Time
	By            time.Duration // positive: forward
}

// clock watches the wall clock with the uptime beside it. The time it tells to
// entries never goes back; whether it can be believed is another question, and
// the answer stands in each entry (POS-14).
type clock struct {
	now    func() time.Time
	uptime func() time.Duration
	never  time.Time // whatever is before has lost its clock

	mu       sync.Mutex
	lastWall time.Time
	lastUp   time.Duration
	floor    time.Time     // time of the newest entry
	doubtTo  time.Duration // uptime until which entries are marked after a step
}

func newClock(now func() time.Time, uptime func() time.Duration, never, newest time.Time) *clock {
	c := &clock{now: now, uptime: uptime, never: never, floor: newest}
	c.lastWall, c.lastUp = now().Round(0), uptime()
	return c
}

func (c *clock) doubtful(t time.Time) bool { return t.Before(c.never) || t.Before(c.floor) }

// reading is one look at the clocks.
type reading struct {
	now    time.Time     // what the wall clock shows
	wall   time.Time     // never before the newest entry
	uptime time.Duration // monotonic
	unsure bool
	step   *step // a jump since the look before
}

// look reads both clocks and compares; a step is told once.
func (c *clock) look() reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.read()
	c.lastWall, c.lastUp = r.now, r.uptime
	if r.step != nil {
		c.doubtTo = r.uptime + clockSettles
	}
	return r
}

// peek is look without taking note: the step is still there for the next look.
func (c *clock) peek() reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

func (c *clock) read() reading {
	wall, up := c.now().Round(0), c.uptime()
	r := reading{now: wall, wall: wall, uptime: up, step: c.stepped(wall, up)}
	r.unsure = c.doubtful(wall) || up < c.doubtTo || r.step != nil
	if wall.Before(c.floor) {
		r.wall = c.floor
	}
	return r
}

func (c *clock) stepped(wall time.Time, up time.Duration) *step {
	passed := up - c.lastUp
	want := c.lastWall.Add(passed)
	by := wall.Sub(want)
	if bound := clockBound + passed/clockDrift; by <= bound && by >= -bound {
		return nil
	}
	return &step{Expected: want, Got: wall, By: by}
}

// wrote tells the clock of an entry's time.
func (c *clock) wrote(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.floor) {
		c.floor = t
	}
}
