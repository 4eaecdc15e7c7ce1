package durable

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Room is how many bytes this account may still write to the file system of a
// folder.
func Room(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("ask for the room in %s: %w", dir, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}
