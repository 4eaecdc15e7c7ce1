package image

import (
	"os"

	"golang.org/x/sys/unix"
)

// forgetCache has what is read next come from the disk. Where that cannot be had the
// bytes are compared all the same.
func forgetCache(f *os.File) { _ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }
