//go:build unix

package main

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// canLaunch says that this system lets the launcher take this process's place, so that
// Ctrl-C, exit code and process id are the launcher's.
const canLaunch = true

// become starts another program in this process.
func become(program string, args, env []string) error { return syscall.Exec(program, args, env) }

// inheritable is a copy of a listener's descriptor that the next program keeps.
func inheritable(l *net.TCPListener) (int, error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return 0, err
	}
	var fd int
	var dup error
	if err := raw.Control(func(old uintptr) { fd, dup = unix.Dup(int(old)) }); err != nil {
		return 0, err
	}
	return fd, dup // a new descriptor is not closed on exec
}
