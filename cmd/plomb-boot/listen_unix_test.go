//go:build unix

package main

import (
	"fmt"
	"net"
	"syscall"
	"testing"
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
