package sample_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/sample"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/trust"
)

// program builds a small program that says what it is.
func program(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.go": "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"a till\") }\n",
		"go.mod":  "module example.org/till\n\ngo 1.26\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-trimpath", "-o", "till", ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "till")
}

func create(t *testing.T) *sample.World {
	t.Helper()
	w, err := sample.Create(filepath.Join(t.TempDir(), "sample"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// makeRelease releases a version and gives the steps that were told.
func makeRelease(t *testing.T, w *sample.World, v sample.Version) (*release.Release, []string) {
	t.Helper()
	var steps []string
	r, err := w.Release(t.Context(), v, sample.Watcher{Step: func(s sample.Step) { steps = append(steps, s.By+" "+s.Step) }})
	if err != nil {
		t.Fatal(err)
	}
	return r, steps
}

// decide asks a device of the world whether it would install a release.
func decide(t *testing.T, w *sample.World, id manifest.Digest) trust.Decision {
	t.Helper()
	text, err := w.TrustPolicy()
	if err != nil {
		t.Fatal(err)
	}
	policy, err := trust.ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	anchors, err := w.Anchors()
	if err != nil {
		t.Fatal(err)
	}
	device, err := trust.Open(trust.Config{Policy: policy, Anchors: anchors, FS: durable.OS{}, Dir: filepath.ToSlash(t.TempDir()),
		Sources: []trust.Source{&trust.Folder{Name: "repository", FS: os.DirFS(w.Repository())}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := device.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return device.Decide(t.Context(), id, trust.Device{Model: sample.Model, Jurisdiction: sample.Jurisdiction})
}

func runs(t *testing.T, w *sample.World, counter string) (string, error) {
	t.Helper()
	name := filepath.Join(w.Dir, "releases", counter, "components", "plomb")
	if err := os.Chmod(name, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), name).Output()
	return string(out), err
}

// Requirement: FM-10
// Requirement: FM-11
func TestAProgramIsReleasedByItsPartiesAndItsDevicesTakeIt(t *testing.T) {
	w, exe := create(t), program(t)
	first, steps := makeRelease(t, w, sample.Version{Program: exe, Shipped: true})
	want := []string{"sample-maker built", "sample-maker attached", "sample-maker registered", "sample-authority confirmed", "sample-maker encrypted", "sample-maker published"}
	if d := cmp.Diff(want, steps); d != "" {
		t.Errorf("steps (-want +got):\n%s", d)
	}
	if p := first.Manifest.Components[0].Packs; len(p) > 0 {
		t.Errorf("a release that comes with the till has packs: %v", p)
	}
	text, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	for sum, want := range map[manifest.Digest]bool{manifest.Sum(text): true, manifest.Sum(text[1:]): false} {
		if got, err := sample.Released(w.Dir, sum); got != want || err != nil {
			t.Errorf("Released = %t, %v, want %t", got, err, want)
		}
	}
	next, _ := makeRelease(t, w, sample.Version{Program: exe, Over: first.Digest()})
	if got := next.Manifest; got.Counter != 2 || got.Floor != 1 || got.Identity.Version() != "02" || !got.Legal {
		t.Errorf("the next release is %+v", got)
	}
	if d := decide(t, w, next.Digest()); !d.Allowed() {
		t.Errorf("a device refuses it: %v", d.Err())
	}
	if out, err := runs(t, w, "0002"); out != "a till" || err != nil {
		t.Errorf("the program of the next release said %q, %v", out, err)
	}
}

// Requirement: CU-12
func TestASpoiledVersionIsReleasedLikeAnyOtherAndDoesNotStart(t *testing.T) {
	w, exe := create(t), program(t)
	first, _ := makeRelease(t, w, sample.Version{Program: exe, Shipped: true})
	bad, _ := makeRelease(t, w, sample.Version{Program: exe, Over: first.Digest(), Spoiled: true})
	if d := decide(t, w, bad.Digest()); !d.Allowed() {
		t.Errorf("a device refuses it before it was tried: %v", d.Err())
	}
	if out, err := runs(t, w, "0002"); err == nil {
		t.Errorf("it ran, and said %q", out)
	}
	if err := w.Withdraw(bad.Digest(), first.Digest(), "it does not start", sample.Watcher{}); err != nil {
		t.Fatal(err)
	}
	if d := decide(t, w, bad.Digest()); d.Allowed() || len(d.Withdrawn) != 1 {
		t.Errorf("a withdrawn release is allowed: %v", d.Withdrawn)
	}
}

func TestReleasesThatNobodyComesToAnyMoreTakeNoRoom(t *testing.T) {
	w, exe := create(t), program(t)
	first, _ := makeRelease(t, w, sample.Version{Program: exe, Shipped: true})
	for range 6 { // bad ones, while the first runs
		makeRelease(t, w, sample.Version{Program: exe, Over: first.Digest(), Spoiled: true})
	}
	last, _ := makeRelease(t, w, sample.Version{Program: exe, Over: first.Digest()})
	whole, err := filepath.Glob(filepath.Join(w.Dir, "releases", "*", "components"))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range whole {
		whole[i] = filepath.Base(filepath.Dir(name))
	}
	if diff := cmp.Diff([]string{"0001", "0006", "0007", "0008"}, whole); diff != "" {
		t.Errorf("releases with their files (-want +got):\n%s", diff)
	}
	packs, err := filepath.Glob(filepath.Join(w.Repository(), "packs", "*"))
	if err != nil || len(packs) == 0 || len(packs) > 3*len(last.Manifest.Components)*2 {
		t.Errorf("%d packs, %v", len(packs), err)
	}
	for _, c := range last.Manifest.Components {
		for _, p := range c.Packs {
			if _, err := os.Stat(filepath.Join(w.Repository(), "packs", p.SHA256.String())); err != nil {
				t.Error(err)
			}
		}
	}
	if d := decide(t, w, last.Digest()); !d.Allowed() || last.Manifest.Counter != 8 {
		t.Errorf("a device refuses %s: %v", last.Manifest.Identity, d.Err())
	}
	if d := decide(t, w, first.Digest()); d.Manifest == nil {
		t.Errorf("the papers of the first are gone: %v", d.Err())
	}
}

func TestAWorldIsOpenedByOneAtATime(t *testing.T) {
	w := create(t)
	if other, err := sample.Open(w.Dir); err == nil {
		t.Errorf("opened twice: %v", other.Close())
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(w.Dir, "build-1")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	again, err := sample.Open(w.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("what a killed command left is still there: %v", err)
	}
}

// Requirement: CU-06
func TestMetadataThatHaveGrownOldAreSignedAnew(t *testing.T) {
	w := create(t)
	makeRelease(t, w, sample.Version{Program: program(t), Shipped: true})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(w.Repository(), "maker", "sample-maker", "metadata", "timestamp.json")
	read := func() string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before := read()
	if err := sample.Renew(w.Dir, time.Now()); err != nil || read() != before {
		t.Errorf("fresh ones were signed anew, or %v", err)
	}
	if err := sample.Renew(w.Dir, time.Now().Add(3*24*time.Hour)); err != nil || read() == before {
		t.Errorf("old ones were not signed anew: %v", err)
	}
}

func TestAWorldSaysThatItIsASample(t *testing.T) {
	w := create(t)
	for _, name := range []string{"README", "passphrase"} {
		text, err := os.ReadFile(filepath.Join(w.Dir, name))
		if err != nil || !strings.HasPrefix(string(text), sample.Passphrase) {
			t.Errorf("%s begins with %.40q, %v", name, text, err)
		}
	}
	names := []string{w.Maker.Card.Name, w.Authority.Card.Name, w.Deployer.Card.Name}
	if slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(n, "sample-") }) {
		t.Errorf("parties %q", names)
	}
}

// Requirement: CU-19
func TestOperatingSystemsAreReleasedByPartiesWithOtherKeys(t *testing.T) {
	w, err := sample.CreatePlatform(filepath.Join(t.TempDir(), "platform"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, []byte("an operating system"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, _ := makeRelease(t, w, sample.Version{Image: image, Shipped: true})
	next, _ := makeRelease(t, w, sample.Version{Image: image, Over: first.Digest()})
	if m := next.Manifest; m.Scope != manifest.Platform || m.Counter != 2 || m.Components[0].Kind != manifest.Image || !strings.HasPrefix(string(m.Identity), "0PLMSYS02") {
		t.Errorf("the next release is %+v", m)
	}
	if d := decide(t, w, next.Digest()); !d.Allowed() {
		t.Errorf("a device refuses it: %v", d.Err())
	}
	_, ours, err := w.Parties.BootPolicy()
	if err != nil {
		t.Fatal(err)
	}
	_, theirs, err := create(t).Parties.BootPolicy()
	if err != nil {
		t.Fatal(err)
	}
	if err := manifest.Disjoint(ours, theirs); err != nil {
		t.Error(err)
	}
	if err := sample.Renew(w.Dir+"-away", time.Now()); err == nil {
		t.Error("metadata that are not there were renewed")
	}
}
