package machine_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/powercut/rig/drive"
	"github.com/plomb-pos/plomb/internal/powercut/rig/machine"
	"github.com/plomb-pos/plomb/internal/powercut/rig/maker"
	"github.com/plomb-pos/plomb/internal/powercut/rig/moment"
	"github.com/plomb-pos/plomb/internal/powercut/rig/witness"
)

var (
	rounds   = flag.Int("rounds", 0, "how often the power is cut; 0: make powercut-update does it")
	machines = flag.Uint64("machines", 2, "how many machines share the rounds, side by side (at most as many as -parallel says)")
	seed     = flag.Uint64("seed", rand.Uint64(), "of what is chosen at random")
	patience = flag.Duration("patience", 75*time.Second, "how long a round waits for the stage that it aims at; then the cut falls into another")
)

// long is how many rounds a machine is used for: with its journal grows what each start
// reads.
const long = 25

// kit is what all machines of a test run are made of.
type kit struct {
	kernel, initrd string
	till           []byte
	tillFile       string
}

func newKit(t *testing.T) *kit {
	t.Helper()
	if *rounds == 0 {
		t.Skip("run by make powercut-update")
	}
	cache, err := os.UserCacheDir()
	must(t, err)
	debian := filepath.Join(cache, "plomb-powercut", "kernel")
	kernels, err := filepath.Glob(filepath.Join(debian, "boot", "vmlinuz-*"))
	if err != nil || len(kernels) == 0 {
		t.Fatalf("no kernel: run tools/powercut/kernel.sh (%v)", err)
	}
	dir := t.TempDir()
	k := &kit{kernel: kernels[0], initrd: filepath.Join(dir, "initrd"), tillFile: filepath.Join(dir, "till")}
	for out, pkg := range map[string]string{"init": "../station", "plomb-boot": "../../../../cmd/plomb-boot", "till": "../till"} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, out), pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", pkg, err, text)
		}
	}
	k.till, err = os.ReadFile(k.tillFile)
	must(t, err)
	must(t, k.pack(dir, filepath.Join(debian, "lib", "modules", strings.TrimPrefix(filepath.Base(k.kernel), "vmlinuz-"), "kernel")))
	return k
}

// pack makes the initrd: the first process, the launcher and the kernel's modules, in
// the order in which they are loaded.
func (k *kit) pack(dir, modules string) error {
	names := "init\nplomb-boot\nmodules\n"
	if err := os.Mkdir(filepath.Join(dir, "modules"), 0o755); err != nil {
		return err
	}
	for i, m := range machine.Modules {
		data, err := os.ReadFile(filepath.Join(modules, m))
		if err != nil {
			return err
		}
		name := fmt.Sprintf("modules/%d-%s", i, filepath.Base(m))
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
		names += name + "\n"
	}
	cmd := exec.Command("sh", "-c", "cpio -o -H newc --quiet > initrd")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(names)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initrd: %w: %s", err, out)
	}
	return nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rig is one machine that updates itself.
type rig struct {
	*testing.T
	*machine.Machine
	maker    *maker.Maker
	judge    *witness.Judge
	plan     *moment.Plan
	mutant   string
	releases []*maker.Release
	updates  int
	lost     drive.Loss // of all cuts
	lossy    int        // cuts that lost something
	cpu      time.Duration
}

func newRig(t *testing.T, k *kit, seed uint64, mutant string, only ...moment.Stage) *rig {
	t.Helper()
	r := &rig{T: t, plan: moment.NewPlan(seed, only...), mutant: mutant}
	var err error
	r.maker, err = maker.New(k.till)
	must(t, err)
	first, err := r.maker.Release(1, maker.Good, nil)
	must(t, err)
	r.releases, r.judge = []*maker.Release{first}, witness.NewJudge(first)
	content := t.TempDir()
	must(t, r.maker.Device(filepath.Join(content, "device"), first))
	if out, err := exec.Command(k.tillFile, "create", "--journal", filepath.Join(content, "journal")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r.Machine, err = machine.New(k.kernel, k.initrd, t.TempDir(), content)
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	return r
}

// offer puts the releases into the machine that it has not kept yet: three at least, and
// where a failing trial is aimed at a bad one that has not failed yet. None is taken back:
// the machine may be further than it was when it was seen last.
func (r *rig) offer(aim moment.Stage) {
	r.Helper()
	ahead := slices.IndexFunc(r.releases, func(x *maker.Release) bool { return x.Counter > r.judge.Kept().Counter })
	if ahead < 0 {
		ahead = len(r.releases)
	}
	if (aim == moment.Failing || aim == moment.FallBack) && !slices.ContainsFunc(r.releases[ahead:], r.willFail) {
		r.release([]maker.Behaviour{maker.Crash, maker.Unhealthy}[r.plan.Chance(2)])
	}
	for len(r.releases) < ahead+3 {
		r.release(maker.Good)
	}
	dir := r.TempDir()
	for _, x := range r.releases[ahead:] {
		must(r.T, r.maker.Publish(dir, x))
	}
	must(r.T, r.Insert(dir))
	must(r.T, os.RemoveAll(dir))
}

func (r *rig) willFail(x *maker.Release) bool {
	return x.Behaviour != maker.Good && x.Digest != r.judge.Failed()
}

// release makes the next version, as a difference to the last good one.
func (r *rig) release(b maker.Behaviour) {
	r.Helper()
	before := r.releases[0]
	for _, x := range r.releases {
		if x.Behaviour == maker.Good {
			before = x
		}
	}
	next, err := r.maker.Release(r.releases[len(r.releases)-1].Counter+1, b, before)
	must(r.T, err)
	r.releases = append(r.releases, next)
	r.judge.Released(next)
}

// most is how long a machine may take to come up.
const most = 4 * time.Minute

// round switches the machine on, judges what it finds on its disk, and cuts the power
// in some stage.
func (r *rig) round() error {
	r.Helper()
	aim, wait, now := r.plan.Begin(time.Now())
	r.offer(aim)
	run, err := r.Start(fmt.Sprintf("rig.from=%d rig.mutant=%s", r.judge.Seen(), r.mutant), "")
	must(r.T, err)
	cut := r.blow(run)
	defer time.AfterFunc(*patience, cut).Stop()
	if now {
		time.AfterFunc(wait, cut)
	}
	verdict := r.follow(run, cut)
	cut() // it may have ended
	r.off(run)
	stage := r.plan.Struck()
	if verdict != nil {
		return fmt.Errorf("%w (then in stage %s)", verdict, stage)
	}
	r.Logf("cut in stage %s, %s aimed at; %s; %s is kept", stage, aim, tell(run.Power.Loss()), r.judge.Kept().Identity)
	return nil
}

// blow is how the power of a round is cut: at once, or in the midst of the next flush.
func (r *rig) blow(run *machine.Run) (cut func()) {
	rng := rand.New(rand.NewPCG(r.plan.Rand().Uint64(), 2))
	if r.plan.Chance(2) == 0 {
		return func() { run.Power.Cut(rng) }
	}
	return func() { run.Power.CutInFlush(time.Second, rng) }
}

// off waits until a machine is off and counts what that took.
func (r *rig) off(run *machine.Run) {
	r.Helper()
	if words := run.Wait(); words != "" {
		r.Logf("qemu: %s", words)
	}
	r.cpu += run.CPU()
	loss := run.Power.Loss()
	r.lost.Cached, r.lost.Lost, r.lost.Torn = r.lost.Cached+loss.Cached, r.lost.Lost+loss.Lost, r.lost.Torn+loss.Torn
	r.lossy += min(loss.Lost+loss.Torn, 1)
}

func tell(l drive.Loss) string {
	return fmt.Sprintf("of %d writes that were not flushed %d lost, %d torn", l.Cached, l.Lost, l.Torn)
}

// follow reads the console until the power is cut.
func (r *rig) follow(run *machine.Run, cut func()) error {
	for {
		line, err := run.Line()
		if err != nil {
			return nil
		}
		if err := r.line(line); err != nil {
			return err
		}
		if wait, ok := r.plan.Line(line, time.Now()); ok {
			time.AfterFunc(wait, cut)
		}
	}
}

// line takes what a line of the console says.
func (r *rig) line(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	switch {
	case word == "LOOK":
		var s witness.Sight
		if err := json.Unmarshal([]byte(rest), &s); err != nil {
			return fmt.Errorf("what the machine sees: %w", err)
		}
		before := r.judge.Kept()
		defer func() {
			if r.judge.Kept() != before {
				r.updates++
			}
		}()
		return r.judge.Saw(&s)
	case word == "ACK":
		var index uint64
		var tag string
		if _, err := fmt.Sscanf(rest, "%d %s", &index, &tag); err != nil {
			return err
		}
		r.judge.Acknowledged(index, tag)
	case word == "PASS", word == "STATION", word == "till:" && !strings.Contains(line, "this version"), strings.Contains(line, "Kernel panic"), strings.Contains(line, "may start"):
		return fmt.Errorf("the machine said %q", line)
	}
	return nil
}

// last switches the machine on once more and judges what is there.
func (r *rig) last() error {
	r.offer(moment.Selling)
	run, err := r.Start(fmt.Sprintf("rig.from=%d", r.judge.Seen()), "")
	must(r.T, err)
	cut := r.blow(run)
	defer run.Wait()
	defer cut()
	defer time.AfterFunc(most, cut).Stop()
	for {
		line, err := run.Line()
		if err != nil {
			return fmt.Errorf("it did not come up: %w", err)
		}
		if err := r.line(line); err != nil || line == "READY" {
			return err
		}
	}
}

// Requirement: FM-09
// Requirement: CU-11
// Requirement: CU-12
// Requirement: DL-08
// Requirement: DL-09
func TestAMachineWhosePowerIsCutDuringUpdatesStartsOneVersionWholeAndSaysWhy(t *testing.T) {
	k := newKit(t)
	t.Logf("seed %d, %d rounds on %d machines", *seed, *rounds, *machines)
	var mu sync.Mutex
	total := moment.NewPlan(0)
	t.Run("machines", func(t *testing.T) {
		for i := range *machines {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				for left := (*rounds + int(i)) / int(*machines); left > 0; left -= long {
					r := newRig(t, k, *seed+i+uint64(left)<<32, "")
					r.cuts(min(left, long))
					mu.Lock()
					total.Add(r.plan)
					mu.Unlock()
				}
			})
		}
	})
	t.Logf("%v", total)
	if missed := total.Missed(); len(missed) > 0 && *rounds >= 100 {
		t.Errorf("never hit: %q", missed)
	}
}

// cuts cuts the power n times.
func (r *rig) cuts(n int) {
	r.Helper()
	begin := time.Now()
	for i := range n {
		if err := r.round(); err != nil {
			r.Fatalf("found in round %d: %v", i, err)
		}
	}
	if err := r.last(); err != nil {
		r.Fatalf("at last: %v", err)
	}
	r.Logf("%v; %d versions kept, %d made, %d entries; %s, in %d cuts; %.1f s a round, of which QEMU computed %.1f", r.plan, r.updates, len(r.releases), r.judge.Seen(), tell(r.lost), r.lossy, time.Since(begin).Seconds()/float64(n+1), r.cpu.Seconds()/float64(n))
}

// mutants are tills that break a rule, and where that shows. faithful: also on a disk that
// keeps what was not flushed.
var mutants = []struct {
	name     string
	stages   []moment.Stage
	faithful bool
}{
	{"unsynced-slot", []moment.Stage{moment.Restart, moment.Trial}, true},
	{"early-pointer", []moment.Stage{moment.Install}, true},
	{"unsynced-entry", []moment.Stage{moment.Selling, moment.Download}, true},
	{"unflushed-entry", []moment.Stage{moment.Selling, moment.Download}, false},
}

// A rig that cannot fail shows nothing: tills that break a rule are found out.
func TestTheRigFindsTillsThatBreakARule(t *testing.T) {
	k := newKit(t)
	for _, m := range mutants {
		r := newRig(t, k, *seed, m.name, m.stages...)
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			r.T = t
			for i := range 20 {
				if err := r.round(); err != nil {
					t.Logf("found in round %d: %v", i, err)
					return
				}
			}
			t.Errorf("not found in 20 rounds: %v", r.plan)
		})
	}
}

// What a till leaves in the cache of its disk shows only where that is lost: the rig
// would be blind for a flush that is left out if its disk kept all that it was handed.
func TestAFlushThatIsLeftOutShowsOnlyOnADiskThatLosesItsCache(t *testing.T) {
	k := newKit(t)
	if *rounds < 60 {
		t.Skip("run with 60 rounds or more")
	}
	for _, m := range mutants {
		if m.faithful {
			continue
		}
		r := newRig(t, k, *seed, m.name, m.stages...)
		r.Disk.Faithful = true
		t.Run(m.name, func(t *testing.T) {
			r.T = t
			for i := range 6 {
				if err := r.round(); err != nil {
					t.Errorf("found in round %d on a disk that loses nothing: %v", i, err)
				}
			}
		})
	}
}

// Requirement: CU-12
func TestAMachineWhoseClockStandsAt1970SellsAndInstallsNothing(t *testing.T) {
	r := newRig(t, newKit(t), *seed, "")
	r.offer(moment.Selling)
	run, err := r.Start("rig.from=0", "1970-01-01T00:00:00")
	must(t, err)
	cut := r.blow(run)
	defer run.Wait()
	defer cut()
	defer time.AfterFunc(most, cut).Stop()
	sold := 0
	for sold < 100 {
		line, err := run.Line()
		if err != nil {
			t.Fatalf("after %d entries: %v", sold, err)
		}
		must(t, r.line(line))
		if strings.HasPrefix(line, "ACK") {
			sold++
		}
		if stage, ok := strings.CutPrefix(line, "STAGE "); ok && !strings.HasPrefix(stage, "announced/waiting") {
			t.Fatalf("with a clock at 1970: %s", line)
		}
	}
}
