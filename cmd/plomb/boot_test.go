package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/releasetest"
	"github.com/plomb-pos/plomb/update/slot"
)

// sealedTill is the real program started by the real launcher.
type sealedTill struct {
	*releasetest.Slots
	data string
	boot string // plomb-boot
}

func newSealedTill(t *testing.T) *sealedTill {
	t.Helper()
	plomb, err := os.ReadFile(program(t))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &sealedTill{releasetest.NewSlots(t, "bin/plomb", plomb), filepath.Join(dir, "till"), filepath.Join(dir, "plomb-boot")}
	if out, err := exec.Command("go", "build", "-o", s.boot, "../plomb-boot").CombinedOutput(); err != nil {
		t.Fatalf("build plomb-boot: %v\n%s", err, out)
	}
	first := filepath.Join(dir, "release")
	s.Tests = []string{"journal", "devices"}
	s.Release(first, 1)
	if out, err := exec.Command(s.boot, "init", "--root", s.Root, "--policy", s.Policy, "--device", s.Facts, "--release", first).CombinedOutput(); err != nil {
		t.Fatalf("init: %v\n%s", err, out)
	}
	return s
}

// run starts the launcher with the till until the table is settled, then ends both
// in order.
func (s *sealedTill) run() {
	s.Helper()
	cmd := exec.Command(s.boot, "run", "--root", s.Root, "--rescue", "127.0.0.1:0", "--", "up", "--json", "--dir", s.data, "--listen", "127.0.0.1:0")
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	late := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() { // a till that says it is ready, once for every start
		var ready struct{ Till string }
		if err := json.Unmarshal(lines.Bytes(), &ready); err != nil || ready.Till == "" {
			s.Errorf("the till said %q: %v", lines.Text(), err)
		}
		if s.settled() {
			break
		}
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		s.Fatalf("plomb-boot: %v\n%s", err, log.String())
	}
}

// settled waits until the till that is ready was kept or given up.
func (s *sealedTill) settled() bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	before := s.Table().Table()
	for range 1500 {
		t := s.Table().Table()
		if !t.Trial {
			return true
		}
		if t.Tries != before.Tries {
			return false // this start failed; the next one speaks up
		}
		<-tick.C
	}
	return true
}

// The real program under its launcher: the first version sells, the second passes
// its self-tests and is kept, the third asks for a test that nobody can pass and
// gives way to the second. The journal stays one.
//
// Requirement: CU-12
// Requirement: DL-08
func TestPlombUnderItsLauncherIsKeptAndFallsBack(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the programs and starts them")
	}
	s := newSealedTill(t)
	s.run()
	s.Propose(2, slot.Return)
	s.run()
	if got := s.Table().Table(); got.Trial || got.Active != slot.B || got.Highest[slot.Application] != 2 {
		t.Errorf("after a good version: %+v", got)
	}
	s.Tests = []string{"journal", "fiscal-memory"}
	s.Propose(3, slot.Return)
	s.run()
	if got := s.Table().Table(); got.Trial || got.Active != slot.B || got.Failures != 1 || got.Why != slot.SelfTest {
		t.Errorf("after a version that is not healthy: %+v", got)
	}
	verify := exec.Command(filepath.Join(s.Root, "slots", "b", "bin", "plomb"), "journal", "verify", "--dir", s.data)
	out, err := verify.CombinedOutput()
	if code := verify.ProcessState.ExitCode(); code != 3 || !strings.Contains(string(out), "consistent") { // nobody vouches for the origin without a policy
		t.Errorf("journal verify ended with %d, %v: %s", code, err, out)
	}
}
