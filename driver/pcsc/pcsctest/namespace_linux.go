package pcsctest

import (
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// dialIn connects in another network namespace. The thread that enters it is not
// given back: it ends with the goroutine, which must be one of its own.
func dialIn(namespace, addr string) (net.Conn, error) {
	runtime.LockOSThread()
	ns, err := os.Open(namespace)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("enter network namespace: %w", err)
	}
	return dialTCP(addr)
}
