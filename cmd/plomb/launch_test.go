package main_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/boot"
)

// With plomb-boot beside it, plomb up runs from a slot that the launcher verified: the
// process that was started is the launcher, and killing it ends everything.
//
// Requirement: DL-08
// Requirement: CU-15
func TestUpRunsFromAVerifiedSlot(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the programs and starts them")
	}
	exe, dir := sealedProgram(t), filepath.Join(t.TempDir(), "shop")
	r := up(t, exe, dir)
	if name, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", r.tillProcess())); err != nil || name != filepath.Join(dir, "device", "slots", "a", "bin", "plomb") {
		t.Errorf("the till runs %q, %v", name, err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "sample", "README")); err != nil || !strings.HasPrefix(string(text), "sample: never use for a shop") {
		t.Errorf("the sample says %.60q, %v", text, err)
	}
	r.setUp()
	till := r.tillProcess()
	if err := r.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = r.cmd.Wait() // killed
	ended(t, till)

	again := up(t, exe, dir) // the journal's lock is free
	if again.Setup != "" {
		t.Error("a shop that is set up gives a set-up code again")
	}
	again.signIn()
	again.stop()
}

// readUntil reads words until they say something.
func readUntil(t *testing.T, words io.Reader, something string) string {
	t.Helper()
	var said strings.Builder
	for lines := bufio.NewScanner(words); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if strings.Contains(lines.Text(), something) {
			return said.String()
		}
	}
	t.Fatalf("it never said %q, but: %s", something, said.String())
	return ""
}

// ended waits until a process is gone.
func ended(t *testing.T, pid int) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if syscall.Kill(pid, 0) != nil {
			return
		}
		<-tick.C
	}
	t.Errorf("process %d still runs, 20 s after its launcher was killed", pid)
}

// A program that is not what its maker and authority signed does not run.
//
// Requirement: DL-08
func TestUpDoesNotRunASlotWithAnotherByte(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the programs and starts them")
	}
	exe, dir := sealedProgram(t), filepath.Join(t.TempDir(), "shop")
	up(t, exe, dir).stop()
	program := filepath.Join(dir, "device", "slots", "a", "bin", "plomb")
	f, err := os.OpenFile(program, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("x"), 4096); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "up", "--dir", dir, "--listen", "127.0.0.1:0")
	words, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := readUntil(t, words, "says why")
	if !strings.Contains(said, "blocked") {
		t.Errorf("it said %s", said)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 4 {
		t.Errorf("ended with %v, want 4: blocked", err)
	}
}

// Whoever builds plomb anew and starts it gets what was built: as the next release,
// on trial. The program that was released before does not come back by being started.
//
// Requirement: FM-11
func TestARebuiltProgramIsReleasedAndTried(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the programs and starts them")
	}
	exe, dir := sealedProgram(t), filepath.Join(t.TempDir(), "shop")
	up(t, exe, dir).stop()
	text, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	rebuilt := filepath.Join(filepath.Dir(exe), "rebuilt")
	if err := os.WriteFile(rebuilt, append(text, "another build"...), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, start := range []string{rebuilt, exe} {
		r := up(t, start, dir)
		name, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", r.tillProcess()))
		if want := filepath.Join(dir, "device", "slots", "b", "bin", "plomb"); err != nil || name != want {
			t.Errorf("%s runs %q, %v; want %q", start, name, err, want)
		}
		settled(t, dir)
		r.stop()
	}
}

// settled waits until no trial is under way.
func settled(t *testing.T, dir string) {
	t.Helper()
	d, err := boot.Open(durable.OS{}, filepath.Join(dir, "device"))
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if table, err := d.Table(); err == nil && !table.Trial {
			return
		}
		<-tick.C
	}
	t.Error("the trial is not over after 20 s")
}
