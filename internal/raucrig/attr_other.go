//go:build !linux

package raucrig

import "syscall"

// together does nothing: RAUC runs on Linux.
func together(bool) *syscall.SysProcAttr { return nil }
