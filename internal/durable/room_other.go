//go:build !linux

package durable

import "errors"

// Room is not asked for on this system.
func Room(string) (int64, error) { return 0, errors.ErrUnsupported }
