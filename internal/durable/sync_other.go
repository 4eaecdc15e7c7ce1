//go:build !linux

package durable

import "os"

// datasync uses the full sync of os.File (F_FULLFSYNC on macOS).
func datasync(f *os.File) error { return f.Sync() }
