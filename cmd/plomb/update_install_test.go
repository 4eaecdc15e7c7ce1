package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/sample"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
)

// plomb runs a command of the program and gives what it prints.
func (r *running) plomb(exe string, args ...string) []byte {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), exe, args...)
	var words bytes.Buffer
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("plomb %q: %v\n%s%s", args, err, out, words.String())
	}
	return out
}

func (r *running) status(exe, dir string) (s device.Status) {
	r.t.Helper()
	if err := json.Unmarshal(r.plomb(exe, "update", "status", "--device", filepath.Join(dir, "device"), "--json"), &s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// A till without a network: a release comes on a stick while the till stands still,
// through real processes, and the launcher keeps it.
//
// Requirement: DL-01
// Requirement: DL-09
func TestATillTakesAReleaseFromAStickWhileItStandsStill(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the programs and releases one")
	}
	exe, dir := sealedProgram(t), filepath.Join(t.TempDir(), "shop")
	r := up(t, exe, dir)
	r.setUp()
	if s := r.status(exe, dir); !s.Running || s.Slots[0].Counter != 1 || s.Warning != "" {
		t.Errorf("a new till: %+v", s)
	}
	if out := r.plomb(exe, "update", "check", "--device", filepath.Join(dir, "device")); string(out) != "nothing is new\n" {
		t.Errorf("asked what is released: %s", out)
	}
	if out := r.plomb(exe, "update", "now", "--device", filepath.Join(dir, "device")); string(out) != "nothing is new\n" {
		t.Errorf("a pass: %s", out)
	}
	r.plomb(exe, "update", "freshness", "--device", filepath.Join(dir, "device"))
	r.forgetsTime(exe, dir)
	r.stop()
	r.fromAStick(exe, dir)
}

// forgetsTime says that the clock is right, which needs the PIN of one who may.
func (r *running) forgetsTime(exe, dir string) {
	r.t.Helper()
	say := func(person, pin string) (string, error) {
		cmd := exec.CommandContext(r.t.Context(), exe, "update", "forget-time", "--device", filepath.Join(dir, "device"), "--person", person)
		cmd.Stdin = strings.NewReader(pin + "\n")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for name, who := range map[string][2]string{"a wrong PIN": {"1", "246811"}, "an operator": {"2", "135790"}, "no PIN": {"1", ""}} {
		if out, err := say(who[0], who[1]); err == nil || !strings.Contains(out, "does not put the clock right") {
			r.t.Errorf("with %s: %v: %s", name, err, out)
		}
	}
	if out, err := say("1", "246810"); err != nil {
		r.t.Errorf("with the PIN: %v: %s", err, out)
	}
}

// fromAStick releases once more and installs it while the till stands still.
func (r *running) fromAStick(exe, dir string) {
	r.t.Helper()
	stick, old := filepath.Join(r.t.TempDir(), "stick"), filepath.Join(r.t.TempDir(), "trust")
	if err := os.CopyFS(old, os.DirFS(filepath.Join(dir, "device", "trust"))); err != nil {
		r.t.Fatal(err)
	}
	third := r.bundle(exe, dir, stick)
	root := filepath.Join(dir, "device")
	if out := r.plomb(exe, "update", "install", "--dir", dir, "--from", stick, "--dry-run"); !bytes.Contains(out, []byte(third.Manifest.Identity)) {
		r.t.Errorf("a dry run says %s", out)
	}
	install := func(person, pin string) (string, error) {
		cmd := exec.CommandContext(r.t.Context(), exe, "update", "install", "--dir", dir, "--from", stick, "--backup", filepath.Join(dir, "backup"), "--person", person)
		cmd.Stdin = strings.NewReader(pin + "\n")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for name, who := range map[string][2]string{"a wrong PIN": {"1", "246811"}, "an operator": {"2", "135790"}, "nobody": {"9", "246810"}} {
		if out, err := install(who[0], who[1]); err == nil || strings.Contains(out, "is installed") {
			r.t.Errorf("with %s it was installed: %s", name, out)
		}
	}
	if out, err := install("1", "246810"); err != nil || !strings.Contains(out, "is installed") {
		r.t.Errorf("the installation: %v: %s", err, out)
	}
	again := up(r.t, exe, dir)
	for tick := time.NewTicker(200 * time.Millisecond); again.status(exe, dir).Table.Trial; <-tick.C {
	}
	if s := again.status(exe, dir); s.Table.Highest[0] != third.Manifest.Counter || s.Device != readKeyID(r.t, root) {
		r.t.Errorf("after the stick: %+v", s)
	}
	said := string(third.Manifest.Identity) + "  kept" // the till copies the launcher's lines every few seconds
	for tick := time.NewTicker(time.Second); !bytes.Contains(again.plomb(exe, "journal", "software", "--dir", dir), []byte(said)); <-tick.C {
		if again.t.Context().Err() != nil {
			break
		}
	}
	again.stop()
	r.olderPutBack(exe, dir, old)
}

// olderPutBack puts the folder of metadata back as it was before the last release and
// starts the till: its journal notices, says so, and says when the repository mended it.
//
// Requirement: CU-10
func (r *running) olderPutBack(exe, dir, old string) {
	r.t.Helper()
	trusted := filepath.Join(dir, "device", "trust")
	if err := errors.Join(os.RemoveAll(trusted), os.CopyFS(trusted, os.DirFS(old))); err != nil {
		r.t.Fatal(err)
	}
	again := up(r.t, exe, dir)
	defer again.stop()
	noticed := func() bool {
		history := again.plomb(exe, "journal", "software", "--dir", dir)
		return bytes.Contains(history, []byte("older than what this journal has seen")) && bytes.Contains(history, []byte("timestamp"))
	}
	for tick := time.NewTicker(time.Second); !noticed(); <-tick.C {
		if again.t.Context().Err() != nil {
			break
		}
	}
	for tick := time.NewTicker(time.Second); again.status(exe, dir).Older != ""; <-tick.C {
		again.plomb(exe, "update", "check", "--device", filepath.Join(dir, "device"))
	}
}

// bundle releases a third version, for the till alone, into a bundle on a stick.
func (r *running) bundle(exe, dir, stick string) *release.Release {
	r.t.Helper()
	w, err := sample.Open(filepath.Join(dir, "sample"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer w.Close()
	key, err := os.ReadFile(filepath.Join(dir, "sample", "device.pub"))
	if err != nil {
		r.t.Fatal(err)
	}
	third, err := w.Release(r.t.Context(), sample.Version{Program: exe}, sample.Watcher{})
	if err == nil {
		err = w.Deploy(third, decoded(r.t, key), sample.Watcher{})
	}
	if err == nil {
		err = os.Mkdir(stick, 0o755)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	repo, err := release.OpenRepository(w.Repository())
	if err != nil {
		r.t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(stick, "next.plomb"))
	if err == nil {
		err = errors.Join(repo.Bundle(f, third.Digest()), f.Close())
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return third
}

func decoded(t *testing.T, text []byte) []byte {
	t.Helper()
	out, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// readKeyID is the device's name, from its own folder.
func readKeyID(t *testing.T, root string) manifest.Digest {
	t.Helper()
	d, err := device.Open(device.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	return d.Key.ID()
}
