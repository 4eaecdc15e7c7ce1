package software_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/sample"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/software"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// program builds a small program that says what it is.
func program(t *testing.T, says string) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nfunc main() { println(\""+says+"\") }\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.org/till\n\ngo 1.26\n"), 0o600))
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-trimpath", "-o", "till", ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "till")
}

// world is a device that runs version 1, and a campaign for version 2.
type world struct {
	root   string
	digest manifest.Digest // of version 2
}

func released(t *testing.T) *world {
	t.Helper()
	w, err := sample.Create(filepath.Join(t.TempDir(), "sample"), time.Now())
	must(t, err)
	defer w.Close()
	one, err := w.Release(t.Context(), sample.Version{Program: program(t, "one"), Shipped: true}, sample.Watcher{})
	must(t, err)
	n := device.New{Root: filepath.Join(t.TempDir(), "device"), Facts: boot.Facts{Model: sample.Model, Jurisdiction: sample.Jurisdiction}, Repository: w.Repository()}
	n.Config = device.Config{
		Sources: []string{w.Repository()}, Deployer: &w.Parties.Deployer, Take: device.Campaign,
		Policy: device.Policy{Spacing: device.Duration(time.Nanosecond), Consent: true},
	}
	n.Key, err = device.NewKey()
	must(t, err)
	n.Policy, err = w.TrustPolicy()
	must(t, err)
	n.Unpacked, err = w.Unpack(one)
	must(t, err)
	_, err = device.Provision(t.Context(), n)
	must(t, err)
	runs, err := os.ReadFile(filepath.Join(n.Root, "slots", "a", slot.ManifestFile))
	must(t, err)
	two, err := w.Release(t.Context(), sample.Version{Program: program(t, "two"), Over: manifest.Sum(runs)}, sample.Watcher{})
	must(t, err)
	must(t, w.Deploy(two, n.Key.Public(), sample.Watcher{}))
	encoded, err := two.Manifest.Encode()
	must(t, err)
	return &world{n.Root, manifest.Sum(encoded)}
}

var errPower = errors.New("the power is gone")

// cutter is a recorder after whose n-th entry, or just before it, the power goes.
type cutter struct {
	*software.Recorder
	left   int
	before bool
}

func (c *cutter) Record(ctx context.Context, e update.Event) error {
	if c.left--; c.left < 0 || c.left == 0 && c.before {
		return errPower
	}
	if err := c.Recorder.Record(ctx, e); err != nil || c.left > 0 {
		return err
	}
	return errPower
}

// still is an agent that makes passes only when the test does.
type still struct{ *update.Agent }

func (still) Update(context.Context) (update.Result, error) {
	return update.Result{}, update.ErrBusy
}

// pass starts the till and its agent anew and lets them go on until the power goes.
func (w *world) pass(t *testing.T, s *shop, cuts int, before bool) (update.Result, error) {
	t.Helper()
	d, err := device.Open(device.Options{Root: w.root})
	must(t, err)
	s.Kill()
	s.Parts = software.New(s.Node, software.Config{Policy: d.Policy(), FS: durable.OS{}, Ring: d.Ring(), Backup: s.folder()})
	must(t, s.Look(t.Context()))
	a, err := d.Agent(device.Till{
		Slot: slot.A, Recorder: &cutter{s.Recorder, cuts, before}, Gate: s.Gate, Asker: s.Asker, Authoriser: s.Authoriser, End: func() {},
	})
	must(t, err)
	s.Attach(still{a})
	return a.Update(t.Context())
}

// Requirement: DL-09
// Requirement: DL-18
// Requirement: DL-02
func TestARealUpdateThatLosesPowerAtEachEntryIsWholeInTheJournal(t *testing.T) {
	for name, before := range map[string]bool{"after each entry": false, "before each entry": true} {
		t.Run(name, func(t *testing.T) {
			w, s := released(t), open(t, software.Config{})
			var r update.Result
			var err error
			for range 60 {
				if r, err = w.pass(t, s, 3, before); r.Restart {
					break
				}
				if err != nil && !errors.Is(err, errPower) {
					t.Fatal(err)
				}
				if _, agreed := s.Node.Decision(w.digest.String(), "install"); !agreed && slices.Contains(s.steps(), "consent waiting") {
					boss := s.As(staff.Supervisor)
					boss.Until(func(s till.State) bool { return s.Software.Update != nil })
					boss.Approved(staff.Supervisor, "software-agree", "digest", w.digest.String(), "for", "install")
				}
			}
			if !r.Restart {
				t.Fatalf("it came as far as %+v, %v: %q", r, err, s.steps())
			}
			want := []string{
				"launcher done", // of the device's making
				"announced done", "downloaded done", "transmission done", "authenticity done", "compatibility done", "certification done",
				"consent waiting", "consent done", "gate done", "installed begun", "installed done", "verified done", "pointer begun", "pointer done",
			}
			// What lies in the slot already is said when it is found there after a start.
			var got []string
			for _, step := range s.steps() {
				if !slices.Contains(got, step) {
					got = append(got, step)
				} else if step != "installed done" {
					t.Errorf("%s twice: %q", step, s.steps())
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			s.Close()
			s.verify()
		})
	}
}
