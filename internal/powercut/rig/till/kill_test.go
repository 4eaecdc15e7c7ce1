//go:build linux

package main_test

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/powercut/rig/maker"
	"github.com/plomb-pos/plomb/internal/powercut/rig/moment"
	"github.com/plomb-pos/plomb/internal/powercut/rig/witness"
)

var (
	rounds = flag.Int("rounds", 300, "how often processes are killed, at most")
	within = flag.Duration("within", 90*time.Second, "no further round begins after this")
	seed   = flag.Uint64("seed", rand.Uint64(), "of what is chosen at random")
)

// shop is a device of this machine that updates itself again and again, with real
// processes.
type shop struct {
	*testing.T
	boot, till                string // programs
	root, journal, repository string // folders
	maker                     *maker.Maker
	judge                     *witness.Judge
	plan                      *moment.Plan
	good                      *maker.Release // the last good one that was made
	made                      uint64
	updates, tills            int
}

func newShop(t *testing.T, seed uint64) *shop {
	t.Helper()
	dir := t.TempDir()
	s := &shop{T: t, boot: filepath.Join(dir, "plomb-boot"), till: filepath.Join(dir, "till"), plan: moment.NewPlan(seed, moment.Stages[1:]...), made: 1,
		root: filepath.Join(dir, "device"), journal: filepath.Join(dir, "journal"), repository: filepath.Join(dir, "repository")}
	for out, pkg := range map[string]string{s.boot: "../../../../cmd/plomb-boot", s.till: "."} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		s.run(cmd)
	}
	program, err := os.ReadFile(s.till)
	s.must(err)
	s.maker, err = maker.New(program)
	s.must(err)
	s.good, err = s.maker.Release(1, maker.Good, nil)
	s.must(err)
	s.judge = witness.NewJudge(s.good)
	s.must(s.maker.Device(s.root, s.good))
	s.must(os.Mkdir(s.repository, 0o755))
	s.run(exec.Command(s.till, "create", "--journal", s.journal))
	return s
}

func (s *shop) run(cmd *exec.Cmd) {
	s.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		s.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

func (s *shop) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// offer sees to it that there is something to update to, a bad version before a good
// one where that is aimed at.
func (s *shop) offer(aim moment.Stage) {
	s.Helper()
	bad := aim == moment.Failing || aim == moment.FallBack
	if !bad && s.made > s.judge.Kept().Counter+2 {
		return
	}
	how := []maker.Behaviour{maker.Good, maker.Good}
	if bad || s.plan.Chance(10) == 0 {
		how[0] = []maker.Behaviour{maker.Crash, maker.Unhealthy}[s.plan.Chance(2)]
	}
	for _, b := range how {
		s.made++
		r, err := s.maker.Release(s.made, b, s.good)
		s.must(err)
		s.must(s.maker.Publish(s.repository, r))
		s.judge.Released(r)
		if b == maker.Good {
			s.good = r
		}
	}
}

// look judges what is there now.
func (s *shop) look() {
	s.Helper()
	before := s.judge.Kept()
	sight, err := witness.Look(s.Context(), s.root, s.journal, s.judge.Seen())
	s.must(err)
	if err := s.judge.Saw(sight); err != nil {
		s.Fatalf("after a blow in stage %s: %v\n%+v", s.plan.Now(), err, sight.Table)
	}
	if s.judge.Kept() != before {
		s.updates++
	}
}

// round starts the device, strikes in some stage, waits until all is dead, and looks.
func (s *shop) round() {
	s.Helper()
	aim, _, _ := s.plan.Begin(time.Now())
	s.offer(aim)
	r, w, err := os.Pipe()
	s.must(err)
	defer r.Close()
	cmd := exec.Command(s.boot, "run", "--root", s.root, "--trial-time", "30s", "--rescue", "127.0.0.1:0", "--",
		"sell", "--root", s.root, "--journal", s.journal, "--repository", s.repository)
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	s.must(err)
	blow := &blow{launcher: cmd.Process, both: s.plan.Chance(3) > 0}
	limit := time.AfterFunc(20*time.Second, blow.last)
	defer limit.Stop()
	s.follow(bufio.NewReader(r), blow)
	_ = cmd.Wait() // killed
	if blow.excused {
		s.judge.Killed()
	}
	if blow.hit {
		s.tills++
	}
	s.plan.Struck()
	s.look()
}

// follow reads what is printed until everything that could print is dead.
func (s *shop) follow(out *bufio.Reader, b *blow) {
	for {
		line, err := out.ReadString('\n')
		if err != nil { // what has no end was not said
			return
		}
		line = strings.TrimSuffix(line, "\n")
		var index uint64
		var tag string
		if _, err := fmt.Sscanf(line, "ACK %d %s", &index, &tag); err == nil {
			s.judge.Acknowledged(index, tag)
		}
		b.line(line)
		if wait, ok := s.plan.Line(line, time.Now()); ok {
			time.AfterFunc(wait, b.strike)
		}
		if strings.HasPrefix(line, "PASS ") || strings.Contains(line, "may start") {
			s.Errorf("it said %q", line)
		}
	}
}

// blow is how a round ends: the launcher is killed and what it started dies with it;
// or first the till alone, and the launcher a little later.
type blow struct {
	launcher *os.Process
	both     bool

	mu      sync.Mutex
	till    int  // process
	trial   bool // it is on trial and was not ready yet
	hit     bool // the till was killed alone
	excused bool // and the launcher counts a failure for it
}

func (b *blow) line(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var id, trial string
	var pid int
	if n, _ := fmt.Sscanf(text, "UP %s %s %d", &id, &trial, &pid); n == 3 {
		b.till, b.trial = pid, trial == "trial=true"
	}
	if text == "READY" || text == "END" {
		b.trial = false
	}
	if text == "END" || strings.HasPrefix(text, "plomb-boot: ") && !strings.HasPrefix(text, "plomb-boot: kept") {
		b.till = 0
	}
}

func (b *blow) strike() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.both || b.till == 0 || syscall.Kill(b.till, syscall.SIGKILL) != nil {
		_ = b.launcher.Kill()
		return
	}
	b.hit, b.excused = true, b.trial
	time.AfterFunc(time.Duration(rand.IntN(400))*time.Millisecond, b.last)
}

func (b *blow) last() { _ = b.launcher.Kill() }

// Real processes of a real update are killed at random moments; after each blow what
// is to start next is the old version or the new one, whole, the history explains it,
// and nothing that was acknowledged is lost.
//
// Requirement: FM-09
// Requirement: CU-11
// Requirement: CU-12
// Requirement: DL-09
func TestProcessesThatAreKilledAnywhereLeaveOneVersionWholeAndAHistoryThatExplainsIt(t *testing.T) {
	n := *rounds
	if testing.Short() {
		n = 10
	}
	t.Logf("seed %d", *seed)
	s := newShop(t, *seed)
	begin := time.Now()
	for i := 0; i < n && time.Since(begin) < *within; i++ {
		s.round()
		if t.Failed() {
			return
		}
	}
	t.Logf("%v; in %d of them the till alone first; %d versions kept, %d made, %d entries", s.plan, s.tills, s.updates, s.made, s.judge.Seen())
	if missed := s.plan.Missed(); len(missed) > 0 && s.plan.Total() >= 300 {
		t.Errorf("never hit: %q", missed)
	}
}
