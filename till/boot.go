package till

import (
	"encoding/hex"
	"os"
	"strings"
	"time"
)

// started stands in for the boot where the system does not tell its own.
var started = time.Now()

// uptime is monotonic time since boot, time asleep included, as Linux tells it;
// elsewhere since the program started.
func uptime() time.Duration {
	if d, ok := bootTime(); ok {
		return d
	}
	return time.Since(started)
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
