package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/sample"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/slot"
)

type releaseDemo struct {
	Dir      string        `default:"plomb-data" type:"path" help:"Directory of the till, as plomb up has it; plomb up runs."`
	Program  string        `type:"existingfile" placeholder:"FILE" help:"Release this program, a fresh build perhaps, instead of the running one again."`
	Good     bool          `xor:"which" help:"Only a good version."`
	Bad      bool          `xor:"which" help:"Only a bad version."`
	Yes      bool          `help:"Do not ask before the bad version. The till asks its people all the same."`
	Patience time.Duration `default:"30m" help:"How long to wait for the till, and for people at it."`
	DryRun   bool          `help:"Say what would be released, and do nothing."`
	JSON     bool          `name:"json" help:"One line of JSON a step, instead of words."`
}

// Help tells the story.
func (releaseDemo) Help() string {
	return `Shows an update from the build to the till. In one terminal:

  plomb up

In another:

  plomb release demo

It takes the very program that the till runs, gives it the next version number, and goes
through every step: build, reports, registration, approval, encryption, log and witness,
repository, entitlement, campaign. The till fetches it and announces it; a supervisor or
the administrator agrees there, and the new version takes over. Then comes a version that
cannot start: the launcher tries it, falls back, and the journal says so.

Maker, authority and deployer are samples with keys that everybody knows
(sample/README in the till's directory); the steps, the formats and the checks are not.`
}

func (c releaseDemo) Run(ctx context.Context, s streams) error {
	if c.DryRun {
		return c.say(s)
	}
	d, err := c.open(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	if !c.Bad {
		if err := d.good(ctx); err != nil {
			return err
		}
	}
	if c.Good {
		return nil
	}
	if !c.Bad && !c.Yes && !d.asked(s, "Press Enter to release a version that cannot start, Ctrl-C to end here. ") {
		return nil
	}
	return d.bad(ctx)
}

// say is the dry run.
func (c releaseDemo) say(s streams) error {
	d, err := boot.Open(durable.OS{}, filepath.Join(c.Dir, deviceDir))
	if err != nil {
		return c.noDevice(err)
	}
	m, _, err := running(d)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "the till runs %s, counter %d\nwould build, register, approve, encrypt and publish the version after it, and entitle the till to it\n", m.Identity, m.Counter)
	return err
}

func (c releaseDemo) noDevice(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return hint{fmt.Errorf("%s has no device that can be updated", c.Dir), "start plomb up in another terminal, with plomb-boot beside it, and name its directory with --dir"}
	}
	return err
}

// demo is a demonstration under way.
type demo struct {
	releaseDemo
	streams
	device *boot.Device
	lines  uint64            // of the launcher's log that were shown
	stages map[string]string // of the till's agent that were shown
}

// open finds the till, and makes sure that it runs.
func (c releaseDemo) open(s streams) (*demo, error) {
	root := filepath.Join(c.Dir, deviceDir)
	device, err := boot.Open(durable.OS{}, root)
	if err != nil {
		return nil, c.noDevice(err)
	}
	lock, err := durable.OS{}.Lock(device.Path("boot", boot.LockFile))
	if err == nil { // nobody holds it
		return nil, errors.Join(hint{errors.New("the till does not run"), "start it in another terminal: plomb up --dir " + c.Dir}, lock.Close())
	}
	d := &demo{releaseDemo: c, streams: s, device: device, stages: map[string]string{}}
	t, err := device.Table()
	switch {
	case err != nil:
		return nil, err
	case t.Trial:
		return nil, errors.New("an update of this till is under way")
	}
	_, err = d.launcher()
	return d, err
}

// running is the release in the slot in force, and that slot.
func running(d *boot.Device) (*manifest.Manifest, slot.Table, error) {
	t, err := d.Table()
	if err != nil {
		return nil, t, err
	}
	text, err := durable.ReadFile(d.FS, d.SlotDir(t.Active)+"/"+slot.ManifestFile, manifest.MaxBytes)
	if err != nil {
		return nil, t, fmt.Errorf("read what runs: %w", err)
	}
	m, err := manifest.Parse(text)
	return m, t, err
}

// good releases a version that the till keeps.
func (d *demo) good(ctx context.Context) error {
	r, err := d.release(ctx, false)
	if err != nil {
		return err
	}
	kept, err := d.follow(ctx, r)
	if err == nil && !kept {
		err = fmt.Errorf("the till did not keep %s", r.Manifest.Identity)
	}
	return err
}

// bad releases a version that cannot start, and withdraws it when the till has found
// that out.
func (d *demo) bad(ctx context.Context) error {
	r, err := d.release(ctx, true)
	if err != nil {
		return err
	}
	kept, err := d.follow(ctx, r)
	if err == nil && kept {
		err = fmt.Errorf("the till kept %s, which cannot start", r.Manifest.Identity)
	}
	if err != nil {
		return err
	}
	t, err := d.device.Table()
	if err != nil {
		return err
	}
	w, err := sample.Open(filepath.Join(d.Dir, sampleDir))
	if err != nil {
		return err
	}
	return errors.Join(w.Withdraw(r.Digest(), t.Manifests[t.Active], "it does not start", d.watcher()), w.Close())
}

// release makes the next version out of the program that runs, and gives it to the
// till.
func (d *demo) release(ctx context.Context, spoiled bool) (*release.Release, error) {
	m, t, err := running(d.device)
	if err != nil {
		return nil, err
	}
	v := sample.Version{Program: d.Program, Over: t.Manifests[t.Active], Spoiled: spoiled, Reads: m.Compatibility.Reads}
	if v.Program == "" {
		if v.Program, err = programIn(d.device.SlotDir(t.Active), m); err != nil {
			return nil, err
		}
	}
	public, err := d.publicKey()
	if err != nil {
		return nil, err
	}
	w, err := sample.Open(filepath.Join(d.Dir, sampleDir))
	if err != nil {
		return nil, err
	}
	r, err := w.Release(ctx, v, d.watcher())
	if err == nil {
		err = w.Deploy(r, public, d.watcher())
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	d.show(sample.Step{Step: "waiting", By: "till", What: "it finds the release within seconds; then a supervisor or the administrator agrees there, with no sale open"})
	return r, nil
}

// programIn is the file of a release's program.
func programIn(dir string, m *manifest.Manifest) (string, error) {
	for _, c := range m.Components {
		if c.Kind == manifest.Program {
			return filepath.Join(dir, filepath.FromSlash(c.Path)), nil
		}
	}
	return "", fmt.Errorf("release %s has no program", m.Identity)
}

func (d *demo) publicKey() ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(d.Dir, sampleDir, devicePublic))
	if err != nil {
		return nil, fmt.Errorf("read the till's public key: %w", err)
	}
	return base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
}

// watcher shows steps as they are taken, and the build's progress at a terminal.
func (d *demo) watcher() sample.Watcher {
	bar := newBar(d.Err, "build")
	return sample.Watcher{
		Step: func(s sample.Step) {
			_ = bar.Clear() // a terminal that is gone is no reason to stop
			d.show(s)
		},
		Progress: func(what string, done, total int) {
			bar.Describe("build " + what)
			bar.ChangeMax(total)
			_ = bar.Set(done)
		},
	}
}

// show prints one step.
func (d *demo) show(s sample.Step) {
	if d.JSON {
		_ = writeLine(d.Out, s) // the reader is gone; the release goes on
		return
	}
	fmt.Fprintf(d.Out, "%-18s %-14s %s\n", s.By, s.Step, s.What)
}

// asked waits for Enter; false: nobody can press it, or ended the input.
func (d *demo) asked(s streams, question string) bool {
	if !isTerminal(s.In) {
		return false
	}
	fmt.Fprint(s.Err, "\n"+question)
	_, err := bufio.NewReader(s.In).ReadString('\n')
	return err == nil
}
