//go:build unix

package supervise

import "syscall"

// apart puts the child into a process group of its own: Ctrl-C at a terminal
// reaches the parent alone, which then ends its children in their order.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
