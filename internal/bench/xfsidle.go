package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// IdleChild names the hidden command that serves a device for Idle, in a process of
// its own: IdleHost.
const IdleChild = "bench-xfs-host"

// idleClients is how many clients are connected and silent.
const idleClients = 1000

// Idle measures the resident memory of a process that serves one device to clients
// which are connected over mutual TLS, have sent one command each, and are silent.
// exe is this program; it must answer IdleChild with IdleHost.
func Idle(ctx context.Context, c Config, exe string) ([]Result, error) {
	dir, err := os.MkdirTemp(c.Dir, "idle")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	_, till, err := credentials(dir)
	if err != nil {
		return nil, err
	}
	h, err := startIdleHost(ctx, exe, filepath.Join(dir, "device"))
	if err != nil {
		return nil, err
	}
	results, err := h.fill(ctx, c, till)
	return results, errors.Join(err, h.stop())
}

// idleHost is the serving process; a line to it asks for its memory.
type idleHost struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	url string
}

func startIdleHost(ctx context.Context, exe, dir string) (*idleHost, error) {
	h := &idleHost{cmd: exec.CommandContext(ctx, exe, IdleChild, dir)}
	h.cmd.Stderr = os.Stderr
	var err error
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	h.out = bufio.NewReader(out)
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	if h.url, err = h.line(); err != nil {
		return nil, errors.Join(err, h.stop())
	}
	return h, nil
}

func (h *idleHost) line() (string, error) {
	s, err := h.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("device host: %w", err)
	}
	return strings.TrimSpace(s), nil
}

func (h *idleHost) stop() error { return errors.Join(h.in.Close(), h.cmd.Wait()) }

// resident asks the process for its memory, in MiB.
func (h *idleHost) resident() (float64, error) {
	if _, err := io.WriteString(h.in, "resident\n"); err != nil {
		return 0, err
	}
	text, err := h.line()
	if err != nil {
		return 0, err
	}
	kib, err := strconv.ParseFloat(text, 64)
	return kib / 1024, err
}

func (h *idleHost) fill(ctx context.Context, c Config, till *pki.Credentials) ([]Result, error) {
	empty, err := h.resident()
	if err != nil {
		return nil, err
	}
	var conns []*client.Conn
	defer func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}()
	for range idleClients {
		conn, err := client.Dial(ctx, h.url, client.Options{Credentials: till})
		if err != nil {
			return nil, err
		}
		conns = append(conns, conn)
		if _, err := client.Do(ctx, conn, common.Status, nil); err != nil {
			return nil, err
		}
	}
	full, err := h.resident()
	if err != nil {
		return nil, err
	}
	c.tell("xfs, %d idle clients: %.1f MiB, %.1f MiB before them", idleClients, full, empty)
	return []Result{{Bench: "xfs", Case: fmt.Sprintf("resident memory with %d idle clients, mutual TLS", idleClients), Value: full, Unit: "MiB",
		Ratio: full / empty, Against: "the same process without clients"}}, nil
}

// IdleHost serves a device with the credentials in dir, writes its URL to out, and
// then its peak resident memory, in KiB, for each line that comes in; it ends with in.
// Like every process that mostly waits it collects garbage early (GOGC=40).
func IdleHost(ctx context.Context, dir string, in io.Reader, out io.Writer) error {
	debug.SetGCPercent(40)
	name := func(file string) string { return filepath.Join(dir, file) }
	device, err := pki.Load(pki.Files{Certificate: name("cert.pem"), Key: name("key.pem"), Roots: name(pki.RootFile), Lists: name(pki.ListFile)}, pki.Policy{})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var ended sync.WaitGroup
	defer ended.Wait()
	defer stop()
	url, err := serveHost(ctx, device, &ended)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, url)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		kib, err := peakResident()
		if err != nil {
			return err
		}
		fmt.Fprintln(out, kib)
	}
	return nil
}
