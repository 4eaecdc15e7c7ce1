package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/plomb-pos/plomb/internal/notify"
	"github.com/plomb-pos/plomb/update/slot"
)

// Environment of what is started.
const (
	envSlot   = "PLOMB_SLOT"  // a or b
	envTrial  = "PLOMB_TRIAL" // 1 during a trial: write only what the version before can read
	envTests  = "PLOMB_TESTS" // self-tests to pass before READY=1, separated by commas
	envNotify = "NOTIFY_SOCKET"
	envChild  = "PLOMB_BOOT_CHILD"
)

// alive is how often software has to send WATCHDOG=1 once it was ready; after twice
// that it is taken for hung.
const alive = 30 * time.Second

// child is a started process with its process group and notify socket.
type child struct {
	cmd    *exec.Cmd
	socket *net.UnixConn
	dir    string
	exited chan error
	above  notify.Socket // of whoever started the launcher
}

// start starts a release's program in a group of its own, with a socket of sd_notify(3).
func (l *launcher) start(plan slot.Plan, r *slot.Release) (*child, error) {
	program, err := l.program(plan.Slot, r.Manifest)
	if err != nil {
		return nil, err
	}
	c := &child{exited: make(chan error, 1), above: l.above}
	name, err := c.open()
	if err != nil {
		return nil, err
	}
	c.cmd = exec.Command(program, l.args...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.cmd.Env = environment(os.Environ(), map[string]string{
		envSlot: plan.Slot.String(), envTrial: map[bool]string{true: "1"}[plan.Trial], envTests: strings.Join(r.Manifest.Tests, ","),
		envNotify: name, "WATCHDOG_USEC": fmt.Sprint((2 * alive).Microseconds()), envChild: "", envDevice: l.mark(),
	})
	c.cmd.SysProcAttr = ownGroup()
	if err := c.run(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// open makes the socket: in a folder of its own, or, where the disk has no room for
// one, without a file.
func (c *child) open() (name string, err error) {
	if c.dir, err = os.MkdirTemp("", "plomb-boot-"); err == nil {
		name = filepath.Join(c.dir, "notify")
		if c.socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"}); err == nil {
			return name, nil
		}
		os.RemoveAll(c.dir)
	}
	name = "@plomb-boot-" + rand.Text()
	var ferr error
	if c.socket, ferr = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"}); ferr != nil {
		return "", fmt.Errorf("make a socket for what is started: %w", errors.Join(err, ferr))
	}
	return name, nil
}

// run starts the process and waits for its end on one thread, which stands for the
// launcher where the kernel ends a child with its parent.
func (c *child) run() error {
	began := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := await(func() (int, error) {
			if err := c.cmd.Start(); err != nil {
				return 0, err
			}
			return c.cmd.Process.Pid, nil
		})
		began <- err
		if err != nil {
			return
		}
		err = c.cmd.Wait()
		forget(c.cmd.Process.Pid)
		c.exited <- err
	}()
	return <-began
}

// environment replaces variables; empty ones are left out.
func environment(env []string, set map[string]string) []string {
	var out []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if _, ok := set[name]; !ok {
			out = append(out, e)
		}
	}
	for name, v := range set {
		if v != "" {
			out = append(out, name+"="+v)
		}
	}
	return out
}

func (c *child) close() {
	c.socket.Close()
	os.RemoveAll(c.dir)
}

// outcome is how a start went.
type outcome struct {
	stopped bool        // the launcher was told to stop
	early   bool        // it ended by itself before it was healthy
	code    int         // exit code
	reason  slot.Reason // why it is a failure, None when it ended by itself with 0 or 75
	text    string
}

// watch follows a process to its end. ready is called once, when it says READY=1;
// limit is how long it may take to do so, 0 for ever. When watch returns, nothing of
// the process group is left.
func (c *child) watch(ctx context.Context, limit time.Duration, ready func() error) outcome {
	defer c.close()
	defer c.killGroup()
	defer c.relay()()
	w := watcher{clock: time.NewTimer(limit), ready: ready, above: c.above}
	defer w.clock.Stop()
	if limit == 0 {
		w.clock.Stop()
	}
	notes := c.listen()
	for {
		select {
		case err := <-c.exited:
			c.drain(notes, &w)
			return ended(err, w.isReady)
		case <-ctx.Done():
			_ = c.above.Stopping()
			c.stop()
			return outcome{stopped: true}
		case <-w.clock.C:
			c.stop()
			return outcome{code: 1, reason: slot.Silent, text: "no sign of life in time"}
		case n := <-notes:
			if bad := w.take(n); bad != nil {
				c.stop()
				return *bad
			}
		}
	}
}

// watcher is what is known of a process that runs.
type watcher struct {
	isReady bool
	clock   *time.Timer // runs out when the process is taken for silent
	ready   func() error
	above   notify.Socket
}

// take follows one notice; an outcome means that the process has to end.
func (w *watcher) take(n notice) *outcome {
	if n.unhealthy != "" {
		return &outcome{code: 1, reason: slot.SelfTest, text: n.unhealthy}
	}
	if n.ready && !w.isReady {
		w.isReady = true
		w.clock.Stop()
		if err := w.ready(); err != nil {
			return &outcome{code: 1, reason: slot.Crashed, text: err.Error()}
		}
		_ = w.above.Ready() // a service manager that does not listen stops no till
	}
	if w.isReady && n.watched {
		w.clock.Reset(2 * alive) // from the first WATCHDOG=1 on they have to go on
		_ = w.above.Alive()
	}
	return nil
}

// drain takes what an ended process said last.
func (c *child) drain(notes <-chan notice, w *watcher) {
	_ = c.socket.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // it only bounds the wait
	for n := range notes {
		if w.take(n) != nil {
			return
		}
	}
}

func ended(err error, ready bool) outcome {
	var exit *exec.ExitError
	switch {
	case err == nil && ready:
		return outcome{}
	case err == nil:
		return outcome{early: true, reason: slot.Crashed, text: "it ended before it was healthy"}
	case errors.As(err, &exit) && exit.ExitCode() == exitAgain && ready:
		return outcome{code: exitAgain}
	}
	o := outcome{early: !ready, code: 1, reason: slot.Crashed, text: err.Error()}
	if exit != nil && exit.Exited() {
		o.code = exit.ExitCode()
	}
	return o
}

// grace is how long a process may take to end when told to.
const grace = 20 * time.Second

// stop tells the process to end, and ends it if it does not.
func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-c.exited:
	case <-time.After(grace):
		c.killGroup()
		<-c.exited
	}
}

// notice is one datagram of sd_notify(3), as far as it counts here.
type notice struct {
	ready, watched bool
	unhealthy      string // X_UNHEALTHY=reason, ours
}

// maxNotice bounds a datagram.
const maxNotice = 4096

// listen reads notices until the socket is closed.
func (c *child) listen() <-chan notice {
	out := make(chan notice, 16)
	go func() {
		defer close(out)
		buf := make([]byte, maxNotice)
		for {
			n, err := c.socket.Read(buf)
			if err != nil {
				return
			}
			select {
			case out <- parseNotice(string(buf[:n])):
			case <-time.After(time.Second): // nobody watches any more
				return
			}
		}
	}()
	return out
}

func parseNotice(text string) (n notice) {
	for line := range strings.Lines(text) {
		switch name, value, _ := strings.Cut(strings.TrimRight(line, "\n"), "="); name {
		case "READY":
			n.ready = value == "1"
		case "WATCHDOG":
			n.watched = value == "1"
		case "X_UNHEALTHY":
			n.unhealthy = value
			if value == "" {
				n.unhealthy = "unhealthy"
			}
		}
	}
	return n
}
