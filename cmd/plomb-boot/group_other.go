//go:build !unix

package main

import "syscall"

// ownGroup does nothing here: there are no process groups.
func ownGroup() *syscall.SysProcAttr { return nil }

// killGroup ends the process alone.
func (c *child) killGroup() { _ = c.cmd.Process.Kill() } // it may have ended

// reap is not needed: there is no process 1.
func reap([]string) int { return exitFailed }
