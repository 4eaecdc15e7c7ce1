package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/plomb-pos/plomb/internal/releasetest"
	"github.com/plomb-pos/plomb/update/slot"
)

// envRole makes this program something else than the tests: see TestMain.
const envRole = "PLOMB_BOOT_TEST"

// role is what this program is when a test started it as a process of its own.
func role(r string) int {
	switch r {
	case "contained": // process 1 of namespaces of its own
		for _, err := range []error{
			unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("proc", "/proc", "proc", 0, ""),
		} {
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 9
			}
		}
		os.Setenv(envRole, "launcher")
		main()
	case "launcher":
		main()
	case "stubborn": // ends when it is killed, not before
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT)
		select {}
	case "between": // the first of two forks
		return escape(os.Args[1], os.Args[2] == "marked")
	}
	return 9
}

// escape starts a process in a session of its own, orphaned at once, and notes its id.
func escape(file string, marked bool) int {
	cmd := exec.Command("/proc/self/exe")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = []string{envRole + "=stubborn"}
	if marked {
		cmd.Env = append(cmd.Env, envDevice+"="+os.Getenv(envDevice))
	}
	if cmd.Start() != nil {
		return 9
	}
	if os.WriteFile(file, fmt.Append(nil, cmd.Process.Pid), 0o600) != nil {
		return 9
	}
	return 0
}

// forkTwice leaves a process behind that is not in the group of the one that calls.
func forkTwice(file, how string) error {
	cmd := exec.Command("/proc/self/exe", file, how)
	cmd.Env = append(os.Environ(), envRole+"=between")
	cmd.Env = append(cmd.Env, envSlot+"=")
	return cmd.Run()
}

// behaveWithProcesses are the behaviours of a till that are about processes.
func behaveWithProcesses(how string) int {
	file := os.Args[2] + ".pid"
	switch how {
	case "escape": // leaves a process behind and fails
		if err := forkTwice(file, "bare"); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return 3
	case "leave": // leaves a process behind and runs on
		if err := forkTwice(file, "marked"); err != nil {
			return 9
		}
		tell("READY=1")
		fmt.Println("up", os.Getpid())
	case "orphans":
		return orphans()
	}
	select {}
}

// orphans is a till whose grandchildren end after their parents did; it waits until
// none of them is left, and then for signals.
func orphans() int {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGUSR1)
	for range 20 {
		if err := exec.Command("sh", "-c", "sh -c 'exit 0' & exit 0").Run(); err != nil {
			return 9
		}
	}
	for end := time.Now().Add(20 * time.Second); zombies() > 0; {
		if time.Now().After(end) {
			fmt.Println("zombies", zombies())
			return 9
		}
	}
	tell("READY=1")
	fmt.Println("up", os.Getpid())
	for s := range signals {
		fmt.Println("signal", s)
		if s == syscall.SIGTERM {
			return 0
		}
	}
	return 9
}

func zombies() (n int) {
	for _, p := range processes() {
		if p.dead {
			n++
		}
	}
	return n
}

// beside says whether what an earlier start left behind runs.
func beside(seen string) string {
	text, err := os.ReadFile(seen + ".pid")
	if err != nil {
		return ""
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil || !runs(pid) {
		return ""
	}
	return " beside an old process"
}

// runs says whether a process is there and has not ended.
func runs(pid int) bool {
	for _, p := range processes() {
		if p.pid == pid {
			return !p.dead
		}
	}
	return false
}

// launch starts the launcher as a process of its own.
func (b *box) launch(r, behaviour string, how *syscall.SysProcAttr) (*exec.Cmd, *bufio.Scanner) {
	b.Helper()
	cmd := exec.Command("/proc/self/exe", "run", "--root", b.Root, "--trial-time", "10s", "--rescue", "127.0.0.1:0", "--", behaviour, b.seen)
	cmd.Env = append(os.Environ(), envRole+"="+r)
	cmd.SysProcAttr = how
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, bufio.NewScanner(out)
}

// line reads a line of what the till prints, and its number.
func (b *box) line(s *bufio.Scanner, format string) (n int) {
	b.Helper()
	if !s.Scan() {
		b.Fatalf("it ended before it said %q: %v", format, s.Err())
	}
	if _, err := fmt.Sscanf(s.Text(), format, &n); err != nil {
		b.Fatalf("it said %q, want %q", s.Text(), format)
	}
	return n
}

// A process that forked twice, made a session of its own, dropped its environment and
// does not listen to signals is still a child of the launcher in the end.
//
// Requirement: CU-15
func TestAProcessThatEscapedFromItsVersionDoesNotRunBesideTheNext(t *testing.T) {
	b := newBox(t, true, slot.Return)
	cmd, _ := b.launch("launcher", "a=ready,b=escape", nil)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the launcher ended with %v", err)
	}
	if want := strings.Repeat("b trial=1; ", slot.Tries) + "a trial=; "; b.starts() != want {
		t.Errorf("started %q, want %q", b.starts(), want)
	}
	if log := b.log(); strings.Count(log, "of an earlier start") != slot.Tries {
		t.Errorf("log:\n%s", log)
	}
	if s := beside(b.seen); s != "" {
		t.Error("a process is left after the launcher has ended")
	}
}

// Requirement: CU-15
func TestWhatALauncherLeftThatWasKilledEndsBeforeTheNextStart(t *testing.T) {
	b := newBox(t, false, slot.Return)
	cmd, said := b.launch("launcher", "a=leave", nil)
	till := b.line(said, "up %d")
	if beside(b.seen) == "" {
		t.Fatal("nothing was left behind")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	b.until("the till ends with its launcher", func() bool { return !runs(till) })
	if err := os.Remove(b.seen); err != nil {
		t.Fatal(err)
	}
	if words, code := b.boot("a=ready"); code != exitDone || b.starts() != "a trial=; " {
		t.Errorf("ended with %d, started %q: %s", code, b.starts(), words)
	}
	if !strings.Contains(b.log(), "1 processes of an earlier start") {
		t.Errorf("log:\n%s", b.log())
	}
}

func (b *box) until(what string, f func() bool) {
	b.Helper()
	for end := time.After(20 * time.Second); !f(); {
		select {
		case <-end:
			b.Fatalf("did not happen: %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// contained is process 1 in namespaces of its own; without root with a user namespace.
func contained() *syscall.SysProcAttr {
	how := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		how.Cloneflags |= syscall.CLONE_NEWUSER
		how.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		how.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return how
}

func needNamespaces(t *testing.T) {
	t.Helper()
	cmd := exec.Command("true")
	cmd.SysProcAttr = contained()
	switch err := cmd.Run(); {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("process namespaces are needed: %v", err)
	default:
		t.Skipf("no process namespaces: %v", err)
	}
}

// Requirement: CU-15
func TestAsProcess1OfAContainerItCollectsOrphansAndHandsSignalsOn(t *testing.T) {
	needNamespaces(t)
	b := newBox(t, false, slot.Return)
	cmd, said := b.launch("contained", "a=orphans", contained())
	b.line(said, "up %d")
	for _, s := range []os.Signal{syscall.SIGUSR1, syscall.SIGTERM} {
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if !said.Scan() || said.Text() != "signal "+s.String() {
			t.Fatalf("after %v the till said %q", s, said.Text())
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("process 1 ended with %v", err)
	}
}

func TestAsProcess1ItEndsWithTheCodeOfTheLauncher(t *testing.T) {
	needNamespaces(t)
	b := newBox(t, false, slot.Return)
	b.flip("a")
	cmd, _ := b.launch("contained", "a=ready", contained())
	words, w := io.Pipe()
	_ = w.Close()
	_, _ = io.Copy(io.Discard, words)
	b.until("it is blocked", func() bool { return strings.Contains(b.log(), "blocked") })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitBlocked {
		t.Errorf("process 1 ended with %v, want %d", err, exitBlocked)
	}
}

// A till that comes to no end in 29 trials, as when a shop's main switch is played
// with, has used up none of its tries.
//
// Requirement: CU-12
func TestQuickPowerCyclesUseUpNoTries(t *testing.T) {
	b := newBox(t, true, slot.Return)
	for n := range slot.Starts - 1 {
		cmd, said := b.launch("launcher", "b=linger", nil)
		till := b.line(said, "up %d")
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		b.until("the till ends with its launcher", func() bool { return !runs(till) })
		if got := b.Table().Table(); !got.Trial || got.Tries != slot.Tries || int(got.Starts) != slot.Starts-1-n {
			t.Fatalf("after %d starts: %+v", n+1, got)
		}
	}
	if words, code := b.boot("b=ready"); code != exitDone || b.Table().Table().Active != slot.B {
		t.Errorf("ended with %d: %s", code, words)
	}
}

// A disk that is full of other things holds back no start: neither of the launcher's
// files needs room, and what is started can still say that it is ready.
//
// Requirement: CU-12
func TestOnADiskThatIsFullTheTillStarts(t *testing.T) {
	needNamespaces(t)
	b := newBox(t, true, slot.Return)
	dir := t.TempDir()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestInsideAFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), "PLOMB_BOOT_FULL="+b.Root+"\n"+dir+"\n"+b.seen)
	cmd.SysProcAttr = contained()
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestInsideAFullDisk")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestInsideAFullDisk is the inner half of the test above: in a mount namespace of its
// own it puts the device on a file system with no room left.
func TestInsideAFullDisk(t *testing.T) {
	parts := strings.Split(os.Getenv("PLOMB_BOOT_FULL"), "\n")
	if len(parts) != 3 {
		t.Skip("part of another test")
	}
	from, dir := parts[0], parts[1]
	b := &box{&releasetest.Slots{TB: t, Root: filepath.Join(dir, "device")}, parts[2]}
	for _, err := range []error{
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("proc", "/proc", "proc", 0, ""),
		unix.Mount("small", dir, "tmpfs", 0, "size=64m,nr_inodes=200"),
		os.CopyFS(b.Root, os.DirFS(from)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []string{"a", "b"} {
		if err := os.Chmod(filepath.Join(b.Root, "slots", s, "bin", "till"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TMPDIR", dir)
	if _, err := os.Create(filepath.Join(b.Root, "boot", "lock")); err != nil {
		t.Fatal(err)
	}
	b.fill(filepath.Join(dir, "other"))
	words, code := b.boot("a=crash,b=ready")
	if code != exitDone || b.Table().Table().Active != slot.B || !strings.Contains(b.log(), "kept: slot b") {
		t.Errorf("ended with %d: %s\n%s", code, words, b.log())
	}
}

// fill takes all room that there is.
func (b *box) fill(name string) {
	b.Helper()
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for n := 1 << 20; n > 0; {
		if _, err := f.Write(make([]byte, n)); err != nil {
			n /= 2
		}
	}
	for i := range 1000 { // and every name
		g, err := os.Create(fmt.Sprint(name, i))
		if err != nil {
			return
		}
		g.Close()
	}
}
