package supervise

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// UntilParentEnds returns a context that ends when the process that started this one
// does, however it ends. It is for a child whose standard input is not its parent's
// pipe; where that is so, [UntilOrphaned] is enough.
func UntilParentEnds(ctx context.Context) (context.Context, context.CancelFunc, error) {
	parent := os.Getppid()
	fd, err := unix.PidfdOpen(parent, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, nil, fmt.Errorf("watch the process that started this one: %w", err)
	}
	file := os.NewFile(uintptr(fd), "parent")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, nil, fmt.Errorf("watch the process that started this one: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	if os.Getppid() != parent { // it ended before it could be watched
		cancel()
	}
	context.AfterFunc(ctx, func() { file.Close() })
	go func() {
		asked := false // a pidfd can be read from, as poll(2) has it, when its process has ended
		_ = raw.Read(func(uintptr) bool { defer func() { asked = true }(); return asked })
		cancel()
	}()
	return ctx, cancel, nil
}
