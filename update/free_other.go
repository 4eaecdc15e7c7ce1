//go:build !linux

package update

import "errors"

// FreeBytes is how much room this account has on the file system of a folder; it is
// not known on this system.
func FreeBytes(string) (int64, error) { return 0, errors.ErrUnsupported }
