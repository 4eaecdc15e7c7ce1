package main_test

import (
	"bufio"
	"bytes"
	crand "crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// sealedTill is the real program started by the real launcher.
type sealedTill struct {
	*testing.T
	root, data string
	boot       string // plomb-boot
	program    []byte // plomb
	signer     note.Signer
}

func newSealedTill(t *testing.T) *sealedTill {
	t.Helper()
	dir := t.TempDir()
	s := &sealedTill{T: t, root: filepath.Join(dir, "device"), data: filepath.Join(dir, "till"), boot: filepath.Join(dir, "plomb-boot")}
	if out, err := exec.Command("go", "build", "-o", s.boot, "../plomb-boot").CombinedOutput(); err != nil {
		t.Fatalf("build plomb-boot: %v\n%s", err, out)
	}
	var err error
	if s.program, err = os.ReadFile(program(t)); err != nil {
		t.Fatal(err)
	}
	skey, vkey, err := note.GenerateKey(crand.Reader, "maker")
	if err != nil {
		t.Fatal(err)
	}
	if s.signer, err = note.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	policy, facts, first := filepath.Join(dir, "policy"), filepath.Join(dir, "facts"), filepath.Join(dir, "release")
	s.write(policy, []byte(`{"format":"plomb-boot-policy/1","serial":1,"legal":"maker-only","maker":{"name":"maker","threshold":1,"keys":["`+vkey+`"]}}`))
	s.write(facts, []byte(`{"model":"TIL","jurisdiction":"DE"}`))
	s.release(first, 1, "journal", "devices")
	if out, err := exec.Command(s.boot, "init", "--root", s.root, "--policy", policy, "--device", facts, "--release", first).CombinedOutput(); err != nil {
		t.Fatalf("init: %v\n%s", err, out)
	}
	return s
}

func (s *sealedTill) write(name string, data []byte) {
	s.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		s.Fatal(err)
	}
}

// release signs the program as a version of its own.
func (s *sealedTill) release(dir string, counter uint64, tests ...string) *manifest.Manifest {
	s.Helper()
	exe := fmt.Appendf(bytes.Clone(s.program), "version %d", counter)
	c, err := manifest.Measure(bytes.NewReader(exe))
	if err != nil {
		s.Fatal(err)
	}
	m := &manifest.Manifest{
		Format: manifest.Format, Identity: manifest.Identity(fmt.Sprintf("0PLMTIL%02d-20261122", counter)), Scope: manifest.Application,
		Counter: counter, Floor: max(counter-1, 1), Legal: true, Issued: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), Jurisdictions: []string{"DE"}, Certificate: "DE-26-M-0001",
		Components:    []manifest.Component{{Name: "plomb", Kind: manifest.Program, Legal: true, Path: "bin/plomb", Mode: 0o755, Length: c.Length, SHA256: c.SHA256, Root: c.Root}},
		Compatibility: manifest.Compatibility{Platforms: []string{runtime.GOOS + "/" + runtime.GOARCH}},
		Tests:         tests,
	}
	encoded, err := m.Encode()
	if err != nil {
		s.Fatal(err)
	}
	signed, err := manifest.Sign(encoded, s.signer)
	if err != nil {
		s.Fatal(err)
	}
	s.write(filepath.Join(dir, slot.ManifestFile), encoded)
	s.write(filepath.Join(dir, slot.NoteFile), signed)
	s.write(filepath.Join(dir, "bin", "plomb"), exe)
	return m
}

func (s *sealedTill) table() *slot.File {
	s.Helper()
	f, _, err := slot.Open(durable.OS{}, filepath.Join(s.root, "boot", "table"))
	if err != nil {
		s.Fatal(err)
	}
	return f
}

// propose puts a release into the other slot and names it as a trial.
func (s *sealedTill) propose(counter uint64, tests ...string) {
	s.Helper()
	f := s.table()
	dir := filepath.Join(s.root, "slots", f.Table().Active.Other().String())
	if err := os.RemoveAll(dir); err != nil {
		s.Fatal(err)
	}
	m := s.release(dir, counter, tests...)
	encoded, err := m.Encode()
	if err != nil {
		s.Fatal(err)
	}
	next, err := f.Table().Propose(m, manifest.Sum(encoded), slot.Return)
	if err != nil {
		s.Fatal(err)
	}
	if err := f.Write(next); err != nil {
		s.Fatal(err)
	}
}

// run starts the launcher with the till until the table is settled, then ends both
// in order.
func (s *sealedTill) run() {
	s.Helper()
	cmd := exec.Command(s.boot, "run", "--root", s.root, "--rescue", "127.0.0.1:0", "--", "up", "--json", "--dir", s.data, "--listen", "127.0.0.1:0")
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
	before := s.table().Table()
	for range 1500 {
		t := s.table().Table()
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
	s.propose(2, "journal", "devices")
	s.run()
	if got := s.table().Table(); got.Trial || got.Active != slot.B || got.Highest[slot.Application] != 2 {
		t.Errorf("after a good version: %+v", got)
	}
	s.propose(3, "journal", "fiscal-memory")
	s.run()
	if got := s.table().Table(); got.Trial || got.Active != slot.B || got.Failures != 1 || got.Why != slot.SelfTest {
		t.Errorf("after a version that is not healthy: %+v", got)
	}
	verify := exec.Command(filepath.Join(s.root, "slots", "b", "bin", "plomb"), "journal", "verify", "--dir", s.data)
	out, err := verify.CombinedOutput()
	if code := verify.ProcessState.ExitCode(); code != 3 || !strings.Contains(string(out), "consistent") { // nobody vouches for the origin without a policy
		t.Errorf("journal verify ended with %d, %v: %s", code, err, out)
	}
}
