// Package notify tells the process that started this one how it is: the protocol of
// sd_notify(3), as plomb-boot and systemd understand it.
//
//	n, err := notify.FromEnvironment()
//	err = n.Ready()
//	err = n.Heartbeat(ctx, alive)
//
// Without NOTIFY_SOCKET nobody listens, and every call succeeds. It promises only
// that a datagram was handed over. It passes no file descriptors and knows no
// barrier.
package notify

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// Every is how often Heartbeat tells that the process is alive. The launcher takes
// it for hung after a minute without.
const Every = 15 * time.Second

// Socket is where to tell; the zero value tells nobody.
type Socket struct{ name string }

// FromEnvironment takes the socket that NOTIFY_SOCKET names, a path or, with a
// leading '@', an abstract name.
func FromEnvironment() (Socket, error) { return New(os.Getenv("NOTIFY_SOCKET")) }

// New takes a socket's name; empty: nobody listens.
func New(name string) (Socket, error) {
	if name != "" && name[0] != '/' && name[0] != '@' {
		return Socket{}, fmt.Errorf("notify socket %q: neither a path nor an abstract name", name)
	}
	return Socket{name}, nil
}

// Ready tells that the process is up and has passed its self-tests.
func (s Socket) Ready() error { return s.send("READY=1") }

// Alive tells that the process is not hung.
func (s Socket) Alive() error { return s.send("WATCHDOG=1") }

// Stopping tells that the process has begun to end.
func (s Socket) Stopping() error { return s.send("STOPPING=1") }

// Status tells a person in one line what goes on.
func (s Socket) Status(text string) error { return s.send("STATUS=" + line(text)) }

// Unhealthy tells why the process must not be kept. X_UNHEALTHY is plomb-boot's own.
func (s Socket) Unhealthy(reason string) error { return s.send("X_UNHEALTHY=" + line(reason)) }

// Heartbeat tells at once and then every Every, while alive says so, until ctx ends.
// A process that is not alive says nothing and is taken for hung.
func (s Socket) Heartbeat(ctx context.Context, alive func() bool) error {
	t := time.NewTicker(Every)
	defer t.Stop()
	for {
		if alive() {
			if err := s.Alive(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}

// maxLine keeps a datagram below the launcher's limit, in bytes.
const maxLine = 2000

// line makes text one line of valid UTF-8.
func line(text string) string {
	text = strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text), "?")
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "")
	}
	return text
}

func (s Socket) send(text string) error {
	if s.name == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(text + "\n")); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}
