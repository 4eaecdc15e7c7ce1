package trust

import (
	"fmt"
	"sync"
	"time"
)

// drift is how far the device's clock may lie behind a time that was signed before
// it is in doubt: witnesses' clocks are no better than others.
const drift = 10 * time.Minute

// clockRole is the store's name for the last time seen.
const clockRole = "clock"

// clock is the time by which expiry is judged.
type clock struct {
	rtc   func() time.Time
	built time.Time
	store *Store

	mu   sync.Mutex // guards last
	last time.Time  // signed by somebody trusted; kept
}

func newClock(rtc func() time.Time, built time.Time, s *Store) *clock {
	if rtc == nil {
		rtc = time.Now
	}
	c := &clock{rtc: rtc, built: built, store: s}
	for _, r := range s.load(clockRole) {
		if at, err := time.Parse(time.RFC3339, string(r.data)); err == nil {
			c.last = latest(c.last, at)
		}
	}
	return c
}

// now is the latest of the device's clock, the last signed time and the build's.
func (c *clock) now() time.Time { return latest(c.rtc().UTC(), c.floor()) }

// check says whether the device's clock can be right.
func (c *clock) check() error {
	if now, floor := c.rtc(), c.floor(); now.Add(drift).Before(floor) {
		return fmt.Errorf("%w: it says %s, and it is after %s", ErrClock, now.UTC().Format(time.RFC3339), floor.Format(time.RFC3339))
	}
	return nil
}

func (c *clock) floor() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return latest(c.last, c.built)
}

func (c *clock) saw(at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	at = at.UTC().Truncate(time.Second)
	if !at.After(c.last) {
		return nil
	}
	c.last = at
	return c.store.put(clockRole, uint64(max(at.Unix(), 0)), []byte(at.Format(time.RFC3339)))
}

// forget goes back to what device and build say: whoever signed the last time was wrong.
func (c *clock) forget() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.store.drop(clockRole); err != nil {
		return err
	}
	c.last = time.Time{}
	return nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
