package update

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// Backend brings the image of a platform release onto the machine and decides, with
// the machine's own boot loader, which operating system starts: what the slot table
// and the launcher do for applications. Places are named by the back end. The agent
// calls it from one goroutine, and after a loss of power again from the beginning;
// every method may be repeated.
//
// An error that wraps ErrRejected says that the image is refused, ErrWaiting that the
// machine is busy, any other that it is tried again. At says which stage it concerns.
type Backend interface {
	// Machine asks the machine what it runs; nothing is remembered.
	Machine(ctx context.Context) (Machine, error)
	// Check says whether the back end would take an image, by its own signatures and
	// what it is for, before anything is written. image is a file of the operating system.
	Check(ctx context.Context, image string) error
	// Write writes an image to a place that does not run, and returns when it is
	// durable there. The machine goes on starting what it runs. told gets percent.
	Write(ctx context.Context, image string, told func(percent int)) (place string, err error)
	// Verify reads a place anew and compares it with what Write put there.
	Verify(ctx context.Context, place string) error
	// Activate makes a place the one that the machine tries at its next start.
	Activate(ctx context.Context, place string) error
	// Keep says that what runs is good; the boot loader counts its starts no more.
	Keep(ctx context.Context, place string) error
	// GiveUp marks a place bad, so that the next start is that of another one.
	GiveUp(ctx context.Context, place string) error
}

// Machine is what a back end says of the machine.
type Machine struct {
	Running string // place that runs
	Next    string // place that the next start tries first
}

// Floor holds version floors where no old disk brings them back (package
// update/counter with a TPM).
type Floor interface {
	// Floors are the lowest counters that may run, by slot.Scope.
	Floors() ([2]uint64, error)
	Admit(scope slot.Scope, to uint64) error
	Raise(scope slot.Scope, to uint64) error
}

// At says which stage an error belongs to, where that is another one than the stage
// that met it: the signature that a back end refuses is one of Authenticity.
func At(stage Stage, err error) error { return refusal{stage, err} }

// scope is the line of releases that the agent brings.
func (c *Config) scope() manifest.Scope {
	if c.Backend != nil {
		return manifest.Platform
	}
	return manifest.Application
}

// placed is the file boot/place: which place holds the images of which release,
// whole. It is there from the end of Backend.Write until the trial is over.
type placed struct {
	Manifest manifest.Digest `json:"manifest"`
	Place    string          `json:"place"`
}

const maxPlaced = 4096

func (a *Agent) placePath() string { return path.Join(a.Root, "boot", "place") }

// placed reads which place was written; none is the zero value.
func (a *Agent) placed() (p placed, err error) {
	data, err := durable.ReadFile(a.FS, a.placePath(), maxPlaced)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("read which place was written: %w", err)
	}
	if err := json.Unmarshal(data, &p, json.RejectUnknownMembers(true)); err != nil {
		return placed{}, nil // nothing counts as written; it is written again
	}
	return p, nil
}

func (a *Agent) keepPlaced(p placed) error {
	data, err := json.Marshal(p)
	if err != nil {
		return wrap("keep which place was written", err)
	}
	return wrap("keep which place was written", durable.Replace(a.FS, a.placePath(), data))
}

func (a *Agent) forgetPlaced() error {
	if err := durable.RemoveIfExists(a.FS, a.placePath()); err != nil {
		return err
	}
	return a.FS.SyncDir(path.Dir(a.placePath()))
}

// image is the one component that the back end takes.
func (j *job) image() (*manifest.Component, error) {
	var found []*manifest.Component
	for i := range j.manifest.Components {
		if c := &j.manifest.Components[i]; c.Kind == manifest.Image {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%w: a platform release has one image, this has %d", slot.ErrIncompatible, len(found))
	}
	return found[0], nil
}

// scoped says whether a release is one of the line that this agent brings
// (requirement CU-19).
func (j *job) scoped() error {
	if m := j.manifest; m.Scope != j.scope() {
		return fmt.Errorf("%w: %s is a release of the %s, this agent brings the %s", slot.ErrIncompatible, m.Identity, m.Scope, j.scope())
	}
	if j.Backend != nil {
		if _, err := j.image(); err != nil {
			return err
		}
	}
	if j.Floor == nil {
		return nil
	}
	return j.Floor.Admit(slot.ScopeOf(j.manifest.Scope), j.manifest.Lowest())
}

// handed reports whether the back end has the release, as far as the files say.
func (j *job) handed() (placed, bool) {
	p, err := j.placed()
	return p, err == nil && p.Manifest == j.digest
}

// hand gives the image to the back end, once it was verified again as it lies there.
func (j *job) hand(ctx context.Context) error {
	if err := j.verifySlot(); err != nil {
		return err
	}
	c, err := j.image()
	if err != nil {
		return err
	}
	file := path.Join(j.slotDir(j.table.Active.Other()), c.Path)
	if err := j.Backend.Check(ctx, file); err != nil {
		return fmt.Errorf("ask the back end about %s: %w", c.Name, err)
	}
	if err := j.forgetPlaced(); err != nil {
		return err
	}
	place, err := j.writeImage(ctx, c, file)
	if err != nil {
		return err
	}
	return j.keepPlaced(placed{Manifest: j.digest, Place: place})
}

// writeImage has the image written, and sees that nothing else was changed by that.
func (j *job) writeImage(ctx context.Context, c *manifest.Component, file string) (string, error) {
	before, err := j.Backend.Machine(ctx)
	if err != nil {
		return "", err
	}
	j.progress.expect(c.Length)
	place, err := j.Backend.Write(ctx, file, func(percent int) { j.progress.bytes.Store(c.Length / 100 * int64(percent)) })
	if err != nil {
		return "", fmt.Errorf("have %s written: %w", c.Name, err)
	}
	after, err := j.Backend.Machine(ctx)
	switch {
	case err != nil:
		return "", err
	case place == before.Running:
		return "", fmt.Errorf("the back end wrote to %s, which runs", place)
	case after.Next == place: // the pointer is a stage of its own
		return "", errors.Join(fmt.Errorf("the back end activated %s by itself; it must not (RAUC: activate-installed=false)", place), j.Backend.Activate(ctx, before.Running))
	}
	return place, nil
}

// verifyPlace has the back end read back what it wrote.
func (j *job) verifyPlace(ctx context.Context) (place string, err error) {
	p, ok := j.handed()
	if !ok {
		return "", errors.New("no place holds the image")
	}
	return p.Place, wrap("read back "+p.Place, j.Backend.Verify(ctx, p.Place))
}

// activate makes the place that holds the image the one that starts next.
func (j *job) activate(ctx context.Context) error {
	p, ok := j.handed()
	if !ok {
		return errors.New("no place holds the image")
	}
	return wrap("activate "+p.Place, j.Backend.Activate(ctx, p.Place))
}
