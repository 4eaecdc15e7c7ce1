//go:build !unix

package supervise

import "syscall"

// apart does nothing here: the child hears what the terminal says.
func apart() *syscall.SysProcAttr { return nil }
