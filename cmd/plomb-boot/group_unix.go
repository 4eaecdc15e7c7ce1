//go:build unix

package main

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// gone is how long the end of what was killed is waited for. Only the dead that nobody
// collects (a container whose process 1 does not) and what the kernel holds take that
// long.
const gone = time.Second

// killGroup ends whatever is left of the group and waits until it is gone: no old
// part runs beside a new one (requirement CU-15).
func (c *child) killGroup() {
	group := -c.cmd.Process.Pid
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	for end := time.Now().Add(gone); time.Now().Before(end); <-pause.C {
		if err := syscall.Kill(group, syscall.SIGKILL); err != nil { // there is none left
			return
		}
	}
}

// reap is process 1 of a container: it runs the launcher as its child, hands on
// signals, and collects orphans.
func reap(args []string) int {
	cmd := exec.Command("/proc/self/exe", args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), envChild+"=1")
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, append(ending, handedOn...)...)
	if err := cmd.Start(); err != nil {
		os.Stderr.WriteString("plomb-boot: " + err.Error() + "\n")
		return exitFailed
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // it may have ended
		}
	}()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid == cmd.Process.Pid {
			return exitCode(status)
		}
	}
}

// exitCode is a process's end as a shell gives it.
func exitCode(s syscall.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}

// ending are the signals that end the launcher, and first what it started; handedOn
// go to what it started and mean nothing to the launcher.
var (
	ending   = []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}
	handedOn = []os.Signal{syscall.SIGUSR1, syscall.SIGUSR2}
)

// relay hands signals on until it is told to stop.
func (c *child) relay() (stop func()) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, handedOn...)
	go func() {
		for s := range signals {
			_ = c.cmd.Process.Signal(s) // it may have ended
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}
