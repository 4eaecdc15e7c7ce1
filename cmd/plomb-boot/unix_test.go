//go:build unix

package main

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/plomb-pos/plomb/update/slot"
)

func TestTheRescuePageTakesAnInheritedListener(t *testing.T) {
	outer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close()
	file, err := outer.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(file.Fd())) // listen closes it
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	inner, err := listen(fmt.Sprintf("fd:%d", fd))
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	if got, want := inner.Addr().String(), outer.Addr().String(); got != want {
		t.Errorf("listens at %s, want %s", got, want)
	}
	if _, err := listen("fd:x"); err == nil {
		t.Error("took a listener that is none")
	}
}

// A program that the system does not start, as on a disk that is mounted so, is told;
// the launcher does not end as if all were well.
func TestAProgramThatCannotBeStartedIsAFailure(t *testing.T) {
	b := newBox(t, false, slot.Return)
	b.Program = []byte("no program")
	b.Propose(2, slot.Return)
	table := b.Table()
	if err := table.Write(table.Table().Kept(b.Release(filepath.Join(b.Root, "slots", "b"), 2))); err != nil {
		t.Fatal(err)
	}
	if code := run(t.Context(), []string{"run", "--root", b.Root, "--give-up", "--", "b=ready", b.seen}, io.Discard, io.Discard); code != exitFailed || b.starts() != "" {
		t.Errorf("ended with %d, started %q", code, b.starts())
	}
}
