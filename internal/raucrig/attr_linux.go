package raucrig

import "syscall"

// together has a process end with this one; apart gives it mounts of its own.
func together(apart bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if apart {
		a.Unshareflags = syscall.CLONE_NEWNS
	}
	return a
}
