package bench

import (
	"fmt"
	"os"
	"regexp"
)

var highWater = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// peakResident is the largest resident set of this process so far, in KiB.
func peakResident() (string, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", fmt.Errorf("read own memory: %w", err)
	}
	m := highWater.FindSubmatch(status)
	if m == nil {
		return "", fmt.Errorf("read own memory: /proc/self/status has no VmHWM")
	}
	return string(m[1]), nil
}
