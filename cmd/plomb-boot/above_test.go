package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// hold is a till that takes the lock of its journal, and leaves a process behind that
// holds it too; when it fails somebody else has it.
func hold(fails bool) int {
	f, err := os.OpenFile(os.Args[2]+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return 9
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		if f, err = os.Create(os.Args[2] + ".taken"); err != nil {
			return 9
		}
		f.Close()
		return 3
	}
	left := exec.Command("sleep", "600")
	left.ExtraFiles, left.SysProcAttr = []*os.File{f}, &syscall.SysProcAttr{Setsid: true}
	if left.Start() != nil {
		return 9
	}
	if fails {
		return 3
	}
	tell("READY=1")
	return 0
}

// What a version has left behind holds the journal's lock; it is free when the next
// one starts, in a trial as in a fall-back.
//
// Requirement: CU-12
// Requirement: CU-15
func TestTheJournalsLockIsFreeBeforeAnythingStarts(t *testing.T) {
	b := newBox(t, true, slot.Return)
	words, code := b.boot("a=hold,b=holds")
	if want := strings.Repeat("b trial=1; ", slot.Tries) + "a trial=; "; code != exitDone || b.starts() != want {
		t.Errorf("ended with %d, started %q, want %q: %s", code, b.starts(), want, words)
	}
	if _, err := os.Stat(b.seen + ".taken"); err == nil {
		t.Error("a version found the lock taken")
	}
}

// bare writes a release that is not legally relevant, and has nothing that could be
// started, into the slot that is not active, as a trial.
func (b *box) bare(counter uint64) {
	b.Helper()
	text := []byte("a picture")
	c, err := manifest.Measure(bytes.NewReader(text))
	if err != nil {
		b.Fatal(err)
	}
	m := &manifest.Manifest{
		Format: manifest.Format, Identity: "0PLMPIC01-20261122", Scope: manifest.Application, Counter: counter, Floor: 1, Issued: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC),
		Components:    []manifest.Component{{Name: "picture", Kind: manifest.Data, Path: "data/picture", Length: c.Length, SHA256: c.SHA256, Root: c.Root}},
		Compatibility: manifest.Compatibility{Platforms: []string{runtime.GOOS + "/" + runtime.GOARCH}},
	}
	b.Write(b.Idle(), m, map[string][]byte{"data/picture": text})
	b.Point(m, slot.Return)
}

// Requirement: CU-12
// Requirement: DL-17
func TestAReleaseWithoutAProgramGivesTheOldVersionBack(t *testing.T) {
	b := newBox(t, false, slot.Return)
	b.bare(2)
	words, code := b.boot("a=ready")
	if got := b.Table().Table(); code != exitDone || got.Active != slot.A || got.Trial || b.starts() != "a trial=; " {
		t.Errorf("ended with %d, started %q, table %+v: %s", code, b.starts(), got, words)
	}
}

// listens is a service manager: what it hears, a line each.
func (b *box) listens() (heard func(word string) bool) {
	b.Helper()
	dir, err := os.MkdirTemp("", "manager") // a socket's path is short
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unixgram"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	b.Setenv(envNotify, filepath.Join(dir, "s"))
	return func(word string) bool {
		_ = l.SetReadDeadline(time.Now().Add(10 * time.Second)) // bounds the wait
		for buf := make([]byte, maxNotice); ; {
			n, err := l.Read(buf)
			if err != nil {
				return false
			}
			if strings.HasPrefix(string(buf[:n]), word) {
				return true
			}
		}
	}
}

func TestWhoeverStartedTheLauncherHearsWhatTheReleaseSays(t *testing.T) {
	b := newBox(t, false, slot.Return)
	heard := b.listens()
	if words, code := b.boot("a=ready"); code != exitDone || !heard("READY=1") {
		t.Errorf("ended with %d, and READY=1 was not heard: %s", code, words)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() {
		ended <- run(ctx, []string{"run", "--root", b.Root, "--rescue", "127.0.0.1:0", "--", "a=orphans", b.seen}, io.Discard, io.Discard)
	}()
	if !heard("READY=1") {
		t.Error("a till that runs on is not ready")
	}
	stop()
	if code := <-ended; code != exitDone || !heard("STOPPING=1") {
		t.Errorf("ended with %d, and STOPPING=1 was not heard", code)
	}
}

func TestABlockedDeviceTellsWhoeverStartedTheLauncher(t *testing.T) {
	b := newBox(t, false, slot.Return)
	b.flip("a")
	heard := b.listens()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() {
		ended <- run(ctx, []string{"run", "--root", b.Root, "--rescue", "127.0.0.1:0", "--", "a=ready", b.seen}, io.Discard, io.Discard)
	}()
	for _, word := range []string{"STATUS=blocked", "READY=1", "WATCHDOG=1"} {
		if !heard(word) {
			t.Errorf("%s was not heard", word)
		}
	}
	stop()
	if code := <-ended; code != exitBlocked {
		t.Error(fmt.Errorf("ended with %d", code))
	}
}
