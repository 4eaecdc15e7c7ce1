package supervise_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/plomb-pos/plomb/internal/supervise"
)

// roles are further ones that the test binary plays as a child.
var roles = map[string]func(){}

// TestMain lets the test binary be the child, too.
func TestMain(m *testing.M) {
	switch role := os.Getenv("SUPERVISED"); role {
	case "":
		os.Exit(m.Run())
	case "crash":
		fmt.Println("ready once")
		os.Exit(3)
	case "leave":
		fmt.Println("ready to go")
		os.Exit(75)
	case "refuse":
		os.Exit(2)
	case "stay":
		fmt.Println("ready to stay")
		ctx, cancel := supervise.UntilOrphaned(context.Background(), os.Stdin)
		defer cancel()
		<-ctx.Done()
		fmt.Println("orphaned")
	default:
		roles[role]()
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func child(t *testing.T, role string, log io.Writer, ready func(string)) supervise.Child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SUPERVISED", role)
	return supervise.Child{Name: role, Path: exe, Log: log, Ready: ready}
}

func TestAChildThatEndsIsStartedAgain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	starts := 0
	c := child(t, "crash", io.Discard, func(line string) {
		if line != "ready once" {
			t.Errorf("ready line = %q, want %q", line, "ready once")
		}
		if starts++; starts == 3 {
			cancel()
		}
	})
	if err := c.Run(ctx, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if starts != 3 {
		t.Errorf("starts = %d, want 3", starts)
	}
}

func TestAChildEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var log lockedBuffer
	c := child(t, "stay", &log, func(string) { cancel() })
	if err := c.Run(ctx, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(log.String(), "orphaned") {
		t.Errorf("the child saw its input end before it was told to stop: %q", log.String())
	}
}

// Requirement: CU-15
func TestAChildThatAsksToBeReplacedIsNotStartedAgain(t *testing.T) {
	starts := 0
	c := child(t, "leave", io.Discard, func(string) { starts++ })
	c.Leave = 75
	var left *supervise.LeftError
	if err := c.Run(t.Context(), slog.New(slog.DiscardHandler)); !errors.As(err, &left) || left.Code != 75 || starts != 1 {
		t.Errorf("Run = %v after %d starts, want that it left after one", err, starts)
	}
}

func TestAChildThatWasNeverReadyIsNotStartedAgain(t *testing.T) {
	c := child(t, "refuse", io.Discard, func(line string) { t.Errorf("ready: %q", line) })
	if err := c.Run(t.Context(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "exit status 2") {
		t.Errorf("Run = %v, want how the child ended", err)
	}
}
