package till

import (
	"encoding/hex"
	"os"
	"strings"
	"sync"
	"time"
)

// started stands in for the boot where the system does not tell its own.
var started = time.Now()

// uptime is monotonic time since boot, time asleep included, as Linux tells it;
// elsewhere since the program started.
func uptime() time.Duration {
	now := time.Now()
	return sinceBoot.read(now.Round(0), now.Sub(started))
}

// bootClock counts on from its last look at the system's clock: a look is a call
// into the kernel, of which a command would make eight. What that look would tell
// beyond the program's own monotonic clock is sleep, and sleep sets the wall clock
// ahead of that one; so it looks again whenever the two have drifted apart.
type bootClock struct {
	system func() (time.Duration, bool)

	mu     sync.Mutex
	looked bool
	wall   time.Time // at the last look, as the next two
	run    time.Duration
	at     time.Duration
}

var sinceBoot = bootClock{system: bootTime}

// bootDrift is how far wall clock and monotonic clock may drift apart between
// two looks: less than anything here depends on.
const bootDrift = time.Millisecond

// read is the time since boot; wall and run are the wall clock and the time that
// the program has run, without its sleep.
func (c *bootClock) read(wall time.Time, run time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	passed := run - c.run
	if apart := wall.Sub(c.wall) - passed; c.looked && apart <= bootDrift && apart >= -bootDrift {
		return c.at + passed
	}
	at, ok := c.system()
	if !ok {
		at = run
	}
	c.looked, c.wall, c.run, c.at = true, wall, run, max(at, c.at)
	return c.at
}

// bootID is the kernel's random id of this boot; elsewhere one of this start.
func bootID() [16]byte {
	var id [16]byte
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	raw, hexErr := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(text)), "-", ""))
	if err != nil || hexErr != nil || len(raw) != len(id) {
		raw = randomBytes(len(id))
	}
	copy(id[:], raw)
	return id
}
