package netns

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// Need ends the test unless networks can be built here.
func Need(t testing.TB) {
	t.Helper()
	why := lacking()
	switch {
	case why == "":
	case os.Getenv("CI") == "true":
		t.Fatalf("network namespaces are needed: %s", why)
	default:
		t.Skipf("no network namespaces: %s", why)
	}
}

// lacking says what is missing here, asked once.
var lacking = sync.OnceValue(missing)

func missing() string {
	if os.Geteuid() != 0 {
		return "not root"
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			return tool + " is not installed"
		}
	}
	name := fmt.Sprintf("plomb-%d-try", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		return string(out)
	}
	_ = exec.Command("ip", "netns", "delete", name).Run()
	return ""
}

// Host is one network namespace, with its loopback up.
type Host struct {
	t    testing.TB
	name string
}

var made atomic.Int64

// NewHost makes a host; label is part of its name. It calls Need.
func NewHost(t testing.TB, label string) *Host {
	t.Helper()
	Need(t)
	h := &Host{t: t, name: fmt.Sprintf("plomb-%d-%d-%s", os.Getpid(), made.Add(1), label)}
	h.root("netns", "add", h.name)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", h.name).Run() })
	h.Run("ip", "link", "set", "lo", "up")
	return h
}

// root runs ip outside the host.
func (h *Host) root(args ...string) {
	h.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		h.t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Command is a program that will run on the host. Killing its process kills the
// program itself.
func (h *Host) Command(program string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", h.name, program}, args...)...)
}

// Run runs a program on the host to its end.
func (h *Host) Run(program string, args ...string) {
	h.t.Helper()
	if out, err := h.Command(program, args...).CombinedOutput(); err != nil {
		h.t.Fatalf("%s: %s %s: %v\n%s", h.name, program, strings.Join(args, " "), err, out)
	}
}

// Try runs a program on the host and says how it ended.
func (h *Host) Try(program string, args ...string) error {
	return h.Command(program, args...).Run()
}

// DialContext dials from the host, in the form that net/http wants; the address is
// an IP address.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return inside(h, func() (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, network, address) })
}

// Listen listens on the host.
func (h *Host) Listen(network, address string) (net.Listener, error) {
	return inside(h, func() (net.Listener, error) { return net.Listen(network, address) })
}

// inside makes a socket in the host's namespace, to which it belongs from then on.
func inside[T any](h *Host, open func() (T, error)) (T, error) {
	type result struct {
		made T
		err  error
	}
	done := make(chan result, 1)
	go func() {
		// A thread that has been in another namespace is not given back: it ends with
		// its goroutine.
		runtime.LockOSThread()
		var r result
		if r.err = enter(h.name); r.err == nil {
			r.made, r.err = open()
		}
		done <- r
	}()
	r := <-done
	return r.made, r.err
}

func enter(name string) error {
	f, err := os.Open("/run/netns/" + name)
	if err != nil {
		return fmt.Errorf("enter network namespace: %w", err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %s: %w", name, err)
	}
	return nil
}

// Wire joins two hosts.
type Wire struct {
	a, b       *Host
	endA, endB string // names of the interfaces
}

// Connect joins two hosts; addresses are with their prefix, "10.77.0.1/24".
func Connect(t testing.TB, a *Host, addressA string, b *Host, addressB string) *Wire {
	t.Helper()
	n := made.Add(1)
	w := &Wire{a: a, b: b, endA: fmt.Sprintf("w%da", n), endB: fmt.Sprintf("w%db", n)}
	a.root("link", "add", w.endA, "netns", a.name, "type", "veth", "peer", "name", w.endB, "netns", b.name)
	a.Run("ip", "address", "add", addressA, "dev", w.endA)
	b.Run("ip", "address", "add", addressB, "dev", w.endB)
	w.Mend()
	return w
}

// Cut takes the link down at its second end; addresses and routes of the first stay.
func (w *Wire) Cut() { w.b.t.Helper(); w.b.Run("ip", "link", "set", w.endB, "down") }

// Mend brings the link up.
func (w *Wire) Mend() {
	w.a.t.Helper()
	w.a.Run("ip", "link", "set", w.endA, "up")
	w.b.Run("ip", "link", "set", w.endB, "up")
}

// EndB is the name of the interface at the second host.
func (w *Wire) EndB() string { return w.endB }

// Masquerade makes the host a router that hides whatever comes to it behind its own
// address on a wire of which it is the first or the second host; only answers come
// back in.
func (h *Host) Masquerade(out *Wire) {
	h.t.Helper()
	end := out.endA
	if out.b == h {
		end = out.endB
	}
	h.Run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
	h.Run("nft", fmt.Sprintf(`table ip plomb {
		chain out { type nat hook postrouting priority 100; oifname %q masquerade; }
		chain through { type filter hook forward priority 0; policy drop; ct state established,related accept; oifname %q accept; }
		chain lost { type filter hook forward priority -10; }
	}`, end, end))
}

// Lose makes a router drop what comes in from a wire, one way; Find ends it.
func (h *Host) Lose(from *Wire) {
	h.t.Helper()
	end := from.endA
	if from.b == h {
		end = from.endB
	}
	h.Run("nft", fmt.Sprintf("add rule ip plomb lost iifname %q drop", end))
}

// Find lets everything through again that Lose dropped.
func (h *Host) Find() { h.t.Helper(); h.Run("nft", "flush chain ip plomb lost") }
