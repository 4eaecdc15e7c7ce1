package notify_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/internal/notify"
)

// listen makes a socket and gives what is told to it.
func listen(t *testing.T, name string) (string, func() string) {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return name, func() string {
		buf := make([]byte, 8192)
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
}

func TestEachWordArrivesAsOneDatagram(t *testing.T) {
	name, read := listen(t, filepath.Join(t.TempDir(), "s"))
	s, err := notify.New(name)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tell := range []func() error{
		s.Ready, s.Alive, s.Stopping,
		func() error { return s.Status("two\nlines") },
		func() error { return s.Unhealthy("the printer\x00\nREADY=1\xff") },
	} {
		if err := tell(); err != nil {
			t.Fatal(err)
		}
		got = append(got, read())
	}
	want := []string{"READY=1\n", "WATCHDOG=1\n", "STOPPING=1\n", "STATUS=two lines\n", "X_UNHEALTHY=the printer  READY=1\ufffd\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := s.Unhealthy(strings.Repeat("ü", 4000)); err != nil {
		t.Fatal(err)
	}
	if n := len(read()); n > 2100 {
		t.Errorf("a long reason makes a datagram of %d bytes", n)
	}
}

func TestWithoutASocketNobodyIsTold(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	s, err := notify.FromEnvironment()
	if err != nil || s.Ready() != nil {
		t.Errorf("%v, %v", err, s.Ready())
	}
	if _, err := notify.New("relative"); err == nil {
		t.Error("a relative name was taken")
	}
	gone, err := notify.New(filepath.Join(t.TempDir(), "gone"))
	if err != nil || gone.Ready() == nil {
		t.Error("a socket that is not there took a word")
	}
}

func TestAHungProcessSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*notify.Every+time.Second)
		defer cancel()
		asked := 0
		err := notify.Socket{}.Heartbeat(ctx, func() bool { asked++; return asked < 3 })
		if err != context.DeadlineExceeded || asked != 5 {
			t.Errorf("asked %d times, %v; want 5 times in four periods", asked, err)
		}
	})
}
