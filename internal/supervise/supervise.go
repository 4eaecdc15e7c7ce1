// Package supervise keeps a child process running: it starts it, hands it
// listeners, waits until it says that it is ready, starts it again with
// growing pauses when it ends by itself, and ends it in order.
//
// The child says that it is ready with one line on standard output, which
// Ready receives; what it prints afterwards goes to Log. It must end when its
// standard input ends: so no child outlives a parent that was killed
// ([UntilOrphaned] is the child's side).
package supervise

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Pauses before a new start: doubled from the first to the longest, and back
// to the first once a child has run for as long as the longest pause.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 10 * time.Second
	// stopWithin is how long a child may take to end after SIGTERM before it is killed.
	stopWithin = 10 * time.Second
)

// Child describes a process to keep running.
type Child struct {
	Name  string
	Path  string
	Args  []string
	Files []*os.File // inherited as descriptors 3, 4, …
	Log   io.Writer  // receives standard error, and standard output after the ready line
	// Ready is called with the ready line of each start, in order, from one goroutine.
	Ready func(line string)
	// Leave is the exit code with which the child asks for more than a new start: Run
	// then returns a [LeftError]. 0: there is none.
	Leave int
}

// LeftError says that a child ended with [Child.Leave].
type LeftError struct {
	Name string
	Code int
}

// Error names the part.
func (e *LeftError) Error() string { return fmt.Sprintf("%s asks to be replaced", e.Name) }

// Run keeps the child running until ctx ends, then ends it and returns nil. A
// child that ends before it was ever ready is not started again: Run returns how
// it ended, and what it said is in Log. Nor is one that ends with Leave.
func (c Child) Run(ctx context.Context, log *slog.Logger) error {
	pause := firstPause
	everReady := false
	c.Ready = noting(&everReady, c.Ready)
	for {
		started := time.Now()
		err := c.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if exit := (*exec.ExitError)(nil); c.Leave != 0 && errors.As(err, &exit) && exit.ExitCode() == c.Leave {
			return &LeftError{c.Name, c.Leave}
		}
		if !everReady {
			return fmt.Errorf("%s did not start: %w", c.Name, err)
		}
		if started.Add(longestPause).Before(time.Now()) {
			pause = firstPause
		}
		log.Warn("a part ended and is started again", "part", c.Name, "error", err, "pause", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// noting wraps a Ready function so that it notes that it was called.
func noting(called *bool, ready func(string)) func(string) {
	return func(line string) {
		*called = true
		if ready != nil {
			ready(line)
		}
	}
}

// once starts the child and waits until it ends.
func (c Child) once(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWithin
	cmd.SysProcAttr = apart()
	cmd.ExtraFiles = c.Files
	cmd.Stderr = c.Log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", c.Name, err)
	}
	stdin, err := cmd.StdinPipe() // held open for as long as this process lives
	if err != nil {
		return fmt.Errorf("start %s: %w", c.Name, err)
	}
	defer stdin.Close()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.Name, err)
	}
	c.follow(stdout)
	return cmd.Wait()
}

// follow reads standard output to its end.
func (c Child) follow(stdout io.Reader) {
	r := bufio.NewReader(stdout)
	line, err := r.ReadString('\n')
	if err == nil {
		c.Ready(line[:len(line)-1])
	}
	io.Copy(c.Log, r)
}

// UntilOrphaned returns a context that ends when standard input does, which is
// when the parent that started this process by [Child.Run] is gone.
func UntilOrphaned(ctx context.Context, stdin io.Reader) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		io.Copy(io.Discard, stdin)
		cancel()
	}()
	return ctx, cancel
}
