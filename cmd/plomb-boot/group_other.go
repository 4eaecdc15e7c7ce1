//go:build !unix

package main

import (
	"os"
	"syscall"
)

// ownGroup does nothing here: there are no process groups.
func ownGroup() *syscall.SysProcAttr { return nil }

// killGroup ends the process alone.
func (c *child) killGroup() { _ = c.cmd.Process.Kill() } // it may have ended

// ending are the signals that end the launcher.
var ending = []os.Signal{os.Interrupt, syscall.SIGTERM}

// relay does nothing here.
func (c *child) relay() (stop func()) { return func() {} }

// reap is not needed: there is no process 1.
func reap([]string) int { return exitFailed }
