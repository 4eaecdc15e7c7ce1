//go:build unix && !linux

package main

import "syscall"

// ownGroup puts what is started into a process group of its own, so that all of it
// can be ended.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
