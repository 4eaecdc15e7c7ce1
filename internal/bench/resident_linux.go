package bench

import (
	"fmt"
	"os"
	"syscall"
)

// maxResident is the largest resident set of an ended process, in KiB.
func maxResident(p *os.ProcessState) (float64, error) {
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, fmt.Errorf("no account of the process's memory")
	}
	return float64(usage.Maxrss), nil
}
