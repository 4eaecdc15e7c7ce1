//go:build !linux

package bench

import "errors"

// peakResident is not measured on this system.
func peakResident() (string, error) {
	return "", errors.New("a process's memory is measured on Linux only")
}
