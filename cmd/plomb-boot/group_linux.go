package main

import "syscall"

// ownGroup puts what is started into a process group of its own, so that all of it
// can be ended, and ends it with the launcher: with the thread that started it, to be
// exact, which waits for it.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
