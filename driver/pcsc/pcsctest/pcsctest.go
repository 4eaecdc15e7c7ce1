// Package pcsctest runs a real pcscd with a virtual reader for tests: Debian's
// packages pcscd and vsmartcard-vpcd.
//
// The virtual reader waits for its card on every address of the machine, so the
// daemon runs in a network namespace of its own, and in a mount namespace, where
// its fixed socket directory is a folder of the test's. Nothing of the machine's own
// pcscd, if there is one, is touched.
//
//	d := pcsctest.Start(t)
//	c, err := pcsc.Dial(ctx, d.Socket)
//	card := d.Insert(t, virtualcard.New(app))
//
// Where the packages are missing, tests skip; with CI=true they fail.
package pcsctest

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/driver/pcsc/virtualcard"
)

// Driver is where Debian has the virtual reader's driver.
const Driver = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"

// ReaderName is what pcscd calls the virtual reader's first slot.
const ReaderName = "Virtual PCD 00 00"

// Daemon is a running pcscd with one virtual reader.
type Daemon struct {
	Socket string // of pcscd
	config string
	run    string // its socket directory
	pid    int
	cmd    *exec.Cmd
	ended  chan struct{}
	log    *output
}

// Start starts the daemon and waits until it answers. It ends with the test.
func Start(t testing.TB) *Daemon {
	t.Helper()
	need(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "reader.conf")
	text := "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:0x8C7B\nLIBPATH " + Driver + "\nCHANNELID 0x8C7B\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := filepath.Join(dir, "run")
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	d := &Daemon{Socket: filepath.Join(run, "pcscd.comm"), config: config, run: run, log: &output{}}
	d.Restart(t)
	t.Cleanup(func() { d.Stop() })
	return d
}

// Restart starts a daemon that was stopped, on the same socket.
func (d *Daemon) Restart(t testing.TB) {
	t.Helper()
	d.start(t)
	d.await(t)
}

func need(t testing.TB) {
	t.Helper()
	_, err := exec.LookPath("pcscd")
	if err == nil {
		_, err = os.Stat(Driver)
	}
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatalf("pcscd and vsmartcard-vpcd are needed in CI: %v", err)
	case err != nil:
		t.Skipf("pcscd and vsmartcard-vpcd are not installed: %v", err)
	}
}

// script makes the daemon's directory ours and turns into the daemon.
const script = `ip link set lo up && mkdir -p /run/pcscd && mount --bind "$1" /run/pcscd && exec pcscd --foreground --config "$2"`

func (d *Daemon) start(t testing.TB) {
	t.Helper()
	args := []string{"--net", "--mount"}
	if os.Geteuid() != 0 {
		args = append(args, "--map-root-user")
	}
	d.cmd = exec.Command("unshare", append(args, "sh", "-c", script, "sh", d.run, d.config)...)
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.pid = d.cmd.Process.Pid // unshare and sh become pcscd
	ended, cmd := make(chan struct{}), d.cmd
	d.ended = ended
	go func() {
		defer close(ended)
		_ = cmd.Wait() // ended by its signal
	}()
}

// Stop ends the daemon, as when its package is updated, and waits for it.
func (d *Daemon) Stop() {
	_ = d.cmd.Process.Signal(os.Interrupt)
	select {
	case <-d.ended:
	case <-time.After(5 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.ended
	}
}

// await waits for the daemon's socket.
func (d *Daemon) await(t testing.TB) {
	t.Helper()
	for start := time.Now(); time.Since(start) < 10*time.Second; {
		if conn, err := net.Dial("unix", d.Socket); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-d.ended:
			t.Fatalf("pcscd ended: %s", d.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("pcscd does not answer: %s", d.log)
}

// Log is what the daemon has written.
func (d *Daemon) Log() string { return d.log.String() }

// Insert puts a card into the reader. It is pulled when the test ends.
func (d *Daemon) Insert(t testing.TB, card virtualcard.Card) *virtualcard.Inserted {
	t.Helper()
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(virtualcard.VPCDPort))
	conn, err := d.dial(addr)
	for start := time.Now(); err != nil && time.Since(start) < 5*time.Second; { // the reader opens its port late, and again after each card
		<-time.After(20 * time.Millisecond)
		conn, err = d.dial(addr)
	}
	if err != nil {
		t.Fatalf("insert card: %v; pcscd: %s", err, d.log)
	}
	in := virtualcard.InsertOver(conn, card)
	t.Cleanup(func() { _ = in.Pull() })
	return in
}

// dial connects within the daemon's network namespace.
func (d *Daemon) dial(addr string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	ch := make(chan result)
	go func() {
		conn, err := dialIn("/proc/"+strconv.Itoa(d.pid)+"/ns/net", addr)
		ch <- result{conn, err}
	}()
	r := <-ch
	return r.conn, r.err
}

func dialTCP(addr string) (net.Conn, error) {
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
}

// output keeps what the daemon writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
