package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/raucrig"
	"github.com/plomb-pos/plomb/internal/sample"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/trust"
)

// rauced is a whole till on a machine with the real RAUC: plomb-boot, plomb up and all
// that it starts, RAUC's service on a bus of its own, and a boot loader that is a script.
// What starts the machine again tells the test, which then does what a power button does.
type rauced struct {
	*testing.T
	machine  *raucrig.Machine
	world    *sample.World // of the operating systems
	exe, dir string
	bell     string // a pipe that the restart command writes to
	first    *release.Release
	public   []byte
	*running // nil: switched off
}

// newRauced sets a shop up and switches it off.
func newRauced(t *testing.T) *rauced {
	t.Helper()
	why := raucrig.Unable()
	if why != "" && os.Getenv("CI") == "" {
		t.Skip(why)
	}
	dir := t.TempDir()
	x := &rauced{T: t, exe: sealedProgram(t), dir: filepath.Join(dir, "shop"), bell: filepath.Join(dir, "bell")}
	var err error
	if x.machine, err = raucrig.New(context.WithoutCancel(t.Context()), t.TempDir(), raucrig.Options{Size: 16 << 20}); err != nil {
		t.Fatal(why, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("RAUC said:\n%s", x.machine.Words())
		}
		x.must(x.machine.Close())
	})
	x.world, err = sample.CreatePlatform(filepath.Join(dir, "systems"), time.Now())
	x.must(err)
	t.Cleanup(func() { x.must(x.world.Close()) })
	x.must(syscall.Mkfifo(x.bell, 0o600))
	x.must(os.WriteFile(x.bell+".sh", []byte("#!/bin/sh\necho again >'"+x.bell+"'\n"), 0o700))
	x.on()
	x.setUp()
	x.off()
	return x
}

func (x *rauced) must(err error) {
	x.Helper()
	if err != nil {
		x.Fatal(err)
	}
}

func (x *rauced) on() { x.Helper(); x.running = up(x.T, x.exe, x.dir) }

func (x *rauced) off() {
	x.Helper()
	x.running.stop()
	x.running = nil
}

func (x *rauced) device() string { return filepath.Join(x.dir, "device") }

// command runs plomb and gives what it prints, and whether it ended well.
func (x *rauced) command(args ...string) (out string, ok bool) {
	x.Helper()
	var data, words bytes.Buffer
	cmd := exec.CommandContext(x.Context(), x.exe, args...)
	cmd.Stdout, cmd.Stderr = &data, &words
	err := cmd.Run()
	if err != nil {
		return data.String() + words.String(), false
	}
	return data.String(), true
}

// build makes a bundle of RAUC's with an operating system that nobody could start.
func (x *rauced) build(version string, seed uint64) string {
	x.Helper()
	data := make([]byte, 3<<20)
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range data[:1<<20] {
		data[i] = byte(rng.Uint32())
	}
	name := filepath.Join(x.TempDir(), "system")
	x.must(os.WriteFile(name, data, 0o600))
	out, err := x.machine.Build(x.Context(), raucrig.Bundle{Version: version, Image: name, Plain: true})
	x.must(err)
	return out
}

// release makes the next operating system, and gives it to the till once that has a
// platform.
func (x *rauced) release(version string, seed uint64, over *release.Release) *release.Release {
	x.Helper()
	v := sample.Version{Image: x.build(version, seed), Shipped: over == nil, Spoiled: version == "spoiled"}
	if over != nil {
		v.Over = over.Digest()
	}
	r, err := x.world.Release(x.Context(), v, sample.Watcher{})
	x.must(err)
	if over != nil {
		x.must(x.world.Deploy(r, x.public, sample.Watcher{}))
	}
	return r
}

// provision makes the line of platforms with the command that people take.
func (x *rauced) provision() {
	x.Helper()
	x.first = x.release("1", 1, nil)
	unpacked, err := x.world.Unpack(x.first)
	x.must(err)
	defer os.RemoveAll(unpacked)
	config, public := filepath.Join(x.TempDir(), "update.json"), filepath.Join(x.TempDir(), "os.pub")
	x.must(os.WriteFile(config, []byte(`{"format":"plomb-device/1","made":"2026-11-22T08:00:00Z","take":"released",
		"policy":{"every":"2s","spacing":"1s","consent":true,"low":1000000000,"normal":1000000000}}`), 0o600))
	flags := []string{"update", "provision", "platform", "--device", x.device(), "--policy", filepath.Join(x.world.Dir, "trust-policy.json"),
		"--repository", x.world.Repository(), "--unpacked", unpacked, "--source", x.world.Repository(), "--parties", filepath.Join(x.world.Dir, "parties.json"),
		"--take", "campaign", "--restart", x.bell + ".sh", "--bus", x.machine.Address(), "--config", config, "--public", public}
	if out, ok := x.command(append(flags, "--dry-run")...); !ok || !strings.Contains(out, "would make") {
		x.Fatalf("a rehearsal: %s", out)
	}
	if s := x.status(); s.Platform != nil {
		x.Errorf("a rehearsal made it: %+v", s.Platform)
	}
	out, ok := x.command(append(flags, "--json")...)
	var made struct {
		Line, Identity string
		Made           bool
		Machine        struct{ Running string }
	}
	if err := json.Unmarshal([]byte(out), &made); !ok || err != nil || !made.Made || made.Line != "platform" || made.Machine.Running != "rootfs.0" || !strings.HasPrefix(made.Identity, "0PLMSYS01") {
		x.Fatalf("it says %s, %v", out, err)
	}
	if out, ok := x.command(flags...); ok || !strings.Contains(out, "is never replaced") {
		x.Errorf("once more: %s", out)
	}
	text, err := os.ReadFile(public)
	x.must(err)
	x.public = decoded(x.T, text)
}

// lines is what plomb update status says, as far as it is looked at here.
type lines struct {
	line
	Platform *struct {
		line
		Error   string
		Machine struct {
			Running, Next, Error string
			Slots                []struct{ Name, State, Boot, Version string }
		}
	}
}

type line struct {
	Running   bool
	Table     struct{ Highest [2]uint64 }
	Slots     []struct{ Identity string }
	Last      *struct{ Outcome, Identity, Why string }
	Withdrawn []struct{ By, Reason, Action string }
	Metadata  time.Time
	Policy    uint64
}

func (x *rauced) status() (s lines) {
	x.Helper()
	out, ok := x.command("update", "status", "--device", x.device(), "--json")
	if err := json.Unmarshal([]byte(out), &s); !ok || err != nil {
		x.Fatalf("plomb update status: %v: %s", err, out)
	}
	return s
}

// rung waits until the till has had the machine started again.
func (x *rauced) rung() {
	x.Helper()
	heard := make(chan error, 1)
	go func() {
		f, err := os.Open(x.bell) // waits for the other end
		if err == nil {
			_, err = bufio.NewReader(f).ReadString('\n')
			f.Close()
		}
		heard <- err
	}()
	select {
	case err := <-heard:
		x.must(err)
	case <-time.After(2 * time.Minute):
		x.Fatal("nobody starts the machine again")
	}
}

// restart is a start of the machine: everything ends, the boot loader chooses.
func (x *rauced) restart() {
	x.Helper()
	x.rung()
	x.off()
	x.must(x.machine.Boot(context.WithoutCancel(x.Context())))
}

// The operating system under a whole till is replaced by its next version, which is
// kept after its self-tests, and comes back from one on which nothing comes up: real
// processes, the real RAUC, every step in the till's own journal.
//
// Requirement: CU-19, CU-12
// Requirement: DL-07, DL-09, DL-10
func TestTheOperatingSystemUnderAWholeTillIsReplacedThroughRAUCAndComesBackFromABadOne(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the programs, starts a till five times")
	}
	x := newRauced(t)
	x.provision()
	if p := x.status().Platform; p == nil || p.Running || p.Machine.Running != "rootfs.0" || p.Table.Highest != [2]uint64{0, 1} || p.Slots[0].Identity == "" {
		t.Fatalf("before the first start: %+v", p)
	}
	x.on()
	second := x.release("2", 2, x.first)
	x.installs(second)
	x.comesBack(x.release("3", 3, second))
	x.givesItBack(second)
	x.takesItBack(second)
	x.takesFromAStick(second)
	x.off()
	verified(t, x.exe, x.dir)
}

// installs has a good one installed, after a sale that holds it back.
func (x *rauced) installs(r *release.Release) {
	x.Helper()
	x.signIn()
	x.do("drawer.open", map[string]any{"amount": 10000})
	x.scanAnything(1)
	x.agree()
	if s := x.until(func(s software) bool { return s.Update != nil && s.Update.Waiting == "sale" }); s.Update.Identity != string(r.Manifest.Identity) || s.Update.Of != "platform" || s.Platform == nil || !strings.HasPrefix(s.Platform.Identity, "0PLMSYS01") {
		x.Errorf("held back is %+v over %+v", s.Update, s.Platform)
	}
	x.signIn()
	x.do("basket.tender", map[string]any{"type": "cash", "complete": true})
	x.restart()
	if x.machine.Booted() != "B" || x.machine.Good("B") {
		x.Fatalf("the machine runs %s", x.machine.Booted())
	}
	x.on()
	x.ends(r, "kept")
	if p := x.status().Platform; !x.machine.Good("B") || p == nil || !p.Running || p.Machine.Running != "rootfs.1" || p.Machine.Next != "rootfs.1" || p.Table.Highest[1] != 2 || p.Last == nil || p.Last.Outcome != "kept" {
		x.Errorf("after the good one: %+v", p)
	}
	if out, ok := x.command("update", "status", "--device", x.device()); !ok || !strings.Contains(out, "runs rootfs.1, starts rootfs.1 next") {
		x.Errorf("in words: %s", out)
	}
	if s := x.status(); s.Table.Highest != [2]uint64{1, 0} {
		x.Errorf("the till's own counters are %v", s.Table.Highest)
	}
}

// comesBack has one installed on which no program ever comes up.
func (x *rauced) comesBack(r *release.Release) {
	x.Helper()
	x.agree()
	x.restart()
	if x.machine.Booted() != "A" {
		x.Fatalf("the machine runs %s", x.machine.Booted())
	}
	for range raucrig.Tries {
		x.must(x.machine.Boot(context.WithoutCancel(x.Context())))
	}
	if x.machine.Booted() != "B" {
		x.Fatalf("the machine runs %s", x.machine.Booted())
	}
	x.on()
	x.ends(r, "fallen-back")
	if p := x.status().Platform; p == nil || p.Machine.Next != "rootfs.1" || p.Table.Highest[1] != 2 || p.Last == nil || p.Last.Outcome != "fallen back" || p.Last.Identity != string(r.Manifest.Identity) {
		x.Errorf("after the bad one: %+v", p)
	}
	x.signIn()
	x.sell(1)
}

// ends waits until the till says what became of an update, and holds the journal
// against it.
func (x *rauced) ends(r *release.Release, outcome string) {
	x.Helper()
	x.post("/api/sign-in", map[string]any{"person": "1", "pin": "246810"})
	id := string(r.Manifest.Identity)
	s := x.until(func(s software) bool {
		return s.Last != nil && s.Last.Identity == id && s.Last.Outcome == outcome && s.Last.Of == "platform"
	})
	if s.Last.From != "" || !strings.HasPrefix(s.Identity, "0PLMDEM01") {
		x.Errorf("the screen takes it for the till's own: %+v", s)
	}
	out, ok := x.command("journal", "software", "--dir", x.dir)
	if !ok {
		x.Fatalf("plomb journal software: %s", out)
	}
	stages := []string{"announced", "downloaded", "transmission", "authenticity", "compatibility", "certification", "consent", "gate", "installed", "verified", "pointer", outcome}
	if outcome == "kept" {
		stages = append(stages, "trial")
	}
	for _, stage := range stages {
		if !strings.Contains(out, id+"  "+stage) {
			x.Errorf("the journal does not say %s of %s:\n%s", stage, id, out)
		}
	}
}

// givesItBack has one installed on which a self-test fails: the till gives it up and has
// the machine started again.
func (x *rauced) givesItBack(over *release.Release) {
	x.Helper()
	r := x.release("spoiled", 4, over)
	x.agree()
	x.restart()
	if x.machine.Booted() != "A" {
		x.Fatalf("the machine runs %s", x.machine.Booted())
	}
	x.on()
	x.restart()
	if x.machine.Booted() != "B" {
		x.Fatalf("the machine runs %s", x.machine.Booted())
	}
	x.on()
	x.ends(r, "fallen-back")
	if out, _ := x.command("journal", "software", "--dir", x.dir); !strings.Contains(out, "knows no self-test") {
		x.Errorf("the journal does not say why:\n%s", out)
	}
}

// takesFromAStick installs the next one while the till stands still; what runs then is
// not withdrawn, and sells.
func (x *rauced) takesFromAStick(over *release.Release) {
	x.Helper()
	x.off()
	r := x.release("5", 5, over)
	stick := x.TempDir()
	repo, err := release.OpenRepository(x.world.Repository())
	x.must(err)
	f, err := os.Create(filepath.Join(stick, "system.plomb"))
	x.must(err)
	x.must(errors.Join(repo.Bundle(f, r.Digest()), f.Close()))
	install := exec.CommandContext(x.Context(), x.exe, "update", "install", "--platform", "--dir", x.dir, "--from", stick, "--backup", filepath.Join(x.dir, "backup"), "--person", "1")
	install.Stdin = strings.NewReader("246810\n")
	if out, err := install.CombinedOutput(); err != nil || !strings.Contains(string(out), "the machine tries it when it starts again") {
		x.Fatalf("from a stick: %v: %s", err, out)
	}
	x.must(x.machine.Boot(context.WithoutCancel(x.Context())))
	x.on()
	x.ends(r, "kept")
	x.until(func(s software) bool { return s.Stopped == "" && len(s.Withdrawn) == 0 })
	x.signIn()
	x.sell(1)
}

// takesItBack withdraws what runs: the till says so, and sells no more.
func (x *rauced) takesItBack(r *release.Release) {
	x.Helper()
	repo, err := release.OpenRepository(x.world.Repository())
	x.must(err)
	now := time.Now()
	x.must(x.world.Authority.Withdraw(r.Digest(), "it forgets the time", now, trust.Block, now))
	x.must(x.world.Authority.Push(repo))
	x.until(func(s software) bool {
		return s.Stopped == "software-blocked" && len(s.Withdrawn) == 1 && s.Withdrawn[0].Of == "platform"
	})
	s := x.status()
	if len(s.Withdrawn) > 0 || s.Platform == nil || len(s.Platform.Withdrawn) != 1 || s.Platform.Withdrawn[0].Action != "block" {
		x.Errorf("after the withdrawal: %+v", s)
	}
	x.off()
	x.on() // a start is no way out, and what stops selling is an entry before anything else
	x.post("/api/sign-in", map[string]any{"person": "1", "pin": "246810"})
	x.until(func(s software) bool { return s.Stopped == "software-blocked" })
	said := "platform: sample-platform-authority: block: it forgets the time"
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for range 240 {
		if out, ok := x.command("journal", "software", "--dir", x.dir); ok && strings.Contains(out, said) {
			return
		}
		<-tick.C
	}
	x.Error("the journal does not tell of the withdrawal")
}
