package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/sample"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/slot"
)

// installRebuilt makes a release out of this program where the till has never had it:
// somebody built plomb anew and starts what was built. It is put into the slot that does
// not run, as a service person does by hand, and has to pass its trial like any other.
func (c upCommand) installRebuilt(ctx context.Context, words io.Writer) (err error) {
	known, err := c.knowsThisProgram()
	if err != nil || known {
		return err
	}
	d, err := boot.Open(durable.OS{}, filepath.Join(c.Dir, deviceDir))
	if err != nil {
		return err
	}
	lock, err := d.FS.Lock(d.Path("boot", boot.LockFile))
	if err != nil {
		return nil // a launcher runs; ours will say so
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	t, err := d.Table()
	if err != nil || t.Trial || t.Blocked != slot.None {
		return nil // the launcher decides, and says why
	}
	w, err := sample.Open(filepath.Join(c.Dir, sampleDir))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	r, err := w.Release(ctx, sample.Version{Program: exe, Over: t.Manifests[t.Active], Shipped: true, Reads: fiscal.Formats()}, sample.Watcher{})
	if err != nil {
		return err
	}
	fmt.Fprintf(words, "plomb: this program is another build than the till's: the sample maker released it as %s, and it is tried now\n", r.Manifest.Identity)
	return installByHand(w, r, d)
}

// knowsThisProgram reports whether the sample maker has released this program.
func (c upCommand) knowsThisProgram() (bool, error) {
	sum, err := programHash()
	if err != nil {
		return false, err
	}
	return sample.Released(filepath.Join(c.Dir, sampleDir), manifest.Digest(sum))
}

// installByHand writes a release into the slot that does not run, verifies it there, and
// proposes it. The launcher does not run.
func installByHand(w *sample.World, r *release.Release, d *boot.Device) (err error) {
	from, err := w.Unpack(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(from)) }()
	file, _, err := slot.Open(d.FS, d.Path("boot", boot.TableFile))
	if err != nil {
		return err
	}
	t := file.Table()
	to := d.SlotDir(t.Active.Other())
	if err := errors.Join(os.RemoveAll(to), copySlot(to, from)); err != nil {
		return fmt.Errorf("write slot %s: %w", t.Active.Other(), err)
	}
	floors, err := d.Floors(t)
	if err != nil {
		return err
	}
	if _, err := d.Check(floors).Verify(d.FS, to, r.Digest()); err != nil {
		return err
	}
	next, err := t.Propose(r.Manifest, r.Digest(), slot.Return)
	if err != nil {
		return err
	}
	if err := d.Say(fmt.Sprintf("installed by hand: slot %s %s", t.Active.Other(), r.Manifest.Identity)); err != nil {
		return err
	}
	return file.Write(next)
}

// copySlot copies a folder laid out as a slot; all of it is on the disk when it returns
// nil.
func copySlot(to, from string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	return filepath.WalkDir(to, func(name string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}
