//go:build !linux

package till

import "time"

// bootTime is not told here.
func bootTime() (time.Duration, bool) { return 0, false }
