//go:build !linux

package bench

import (
	"errors"
	"os"
)

// maxResident is not measured on this system.
func maxResident(*os.ProcessState) (float64, error) {
	return 0, errors.New("a process's memory is measured on Linux only")
}
