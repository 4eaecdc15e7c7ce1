package update

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// FreeBytes is how much room this account has on the file system of a folder.
func FreeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("ask for the room in %s: %w", dir, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}
