package virtualcard

import (
	"net"

	"golang.org/x/sys/unix"
)

// acknowledgeAtOnce turns delayed acknowledgements off until the next read; Linux
// turns them on again by itself. What fails here costs time only.
func acknowledgeAtOnce(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
	}
}
