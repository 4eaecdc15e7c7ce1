package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/counter"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// device is a till's disk as the launcher sees it.
type device struct {
	*boot.Device
	damaged error // why the files that never change cannot be read: nothing verifies; nil: they can
}

func openDevice(fsys durable.FS, root string) (*device, error) {
	d, err := boot.Open(fsys, root)
	switch {
	case err == nil:
		return &device{Device: d}, nil
	case begun(fsys, root) == nil:
		return nil, fmt.Errorf("%w (plomb-boot init makes a device)", err)
	}
	return nil, err
}

// begun is the device whose table is there, without its policy and without what it is,
// so that nothing of it verifies; nil where there is no device.
func begun(fsys durable.FS, root string) *device {
	d := &device{Device: &boot.Device{FS: fsys, Root: filepath.ToSlash(root), Floor: counter.Table{}}}
	if names, err := fsys.ReadDir(d.Path("boot")); err != nil || !slices.Contains(names, boot.TableFile) {
		return nil
	}
	return d
}

// damage says what to do about files of a device that never change and are damaged.
func (d *device) damage() error {
	return fmt.Errorf("%w: %w; put %s or %s back as it was: plomb-boot cannot make them, or whoever damaged them would choose whose software starts",
		errSettings, d.damaged, d.Path("boot", boot.PolicyFile), d.Path("boot", boot.FactsFile))
}

func initCommand(_ context.Context, args []string, _, words io.Writer) error {
	f, root := flags("init", words)
	policy := f.String("policy", "", "boot policy: whose signatures count")
	what := f.String("device", "", `what this device is: {"hardware","model","jurisdiction"}`)
	release := f.String("release", "", "folder of the first release: manifest.json, manifest.note and its files")
	tpm := f.String("tpm", "", "TPM 2.0 that holds the version floor: /dev/tpmrm0, or the Unix socket of a simulator")
	if err := parse(f, args, root, policy, what, release); err != nil {
		return err
	}
	return commission(*root, *policy, *what, *release, *tpm)
}

// commission makes a device. What is there is never replaced: init of a device that
// was begun and cut short is refused, remove its folder then.
func commission(root, policy, what, release, tpm string) (err error) {
	n := boot.New{TPM: tpm}
	if n.Policy, err = os.ReadFile(policy); err != nil {
		return err
	}
	if n.Facts, err = os.ReadFile(what); err != nil {
		return err
	}
	if n.First, err = boot.FromFolder(release); err != nil {
		return err
	}
	_, _, err = boot.Make(durable.OS{}, root, n)
	return err
}

// repairCommand makes the table again from what the slots hold.
func repairCommand(_ context.Context, args []string, out, words io.Writer) error {
	f, root := flags("repair", words)
	if err := parse(f, args, root); err != nil {
		return err
	}
	d, err := openDamaged(*root)
	switch {
	case d == nil:
		return err
	case err != nil:
		return d.damage()
	}
	lock, err := d.FS.Lock(d.Path("boot", "lock"))
	if err != nil {
		return fmt.Errorf("the launcher runs on %s; stop it first: %w", *root, err)
	}
	defer lock.Close()
	name := d.Path("boot", "table")
	if _, _, err := slot.Open(d.FS, name); !errors.Is(err, slot.ErrLost) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is a table that can be read: %w", errors.Join(errUsage, err))
	}
	t, err := d.fromSlots()
	if err != nil {
		return err
	}
	if err := durable.RemoveIfExists(d.FS, name); err != nil {
		return err
	}
	if err := d.MakeTable(t); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "slot %s is active; the floors begin again at %v\n", t.Active, t.Floors)
	return err
}

// fromSlots is the table that fits the slots: the higher counter is active. The
// floors of the lost table are not known: they are those that the releases name, and
// those of the TPM where there is one.
func (d *device) fromSlots() (slot.Table, error) {
	var t slot.Table
	floors, err := d.Floor.Floors()
	if err != nil {
		return t, err
	}
	best := uint64(0)
	for _, s := range []slot.Slot{slot.A, slot.B} {
		r, err := d.Check(floors).Verify(d.FS, d.SlotDir(s), manifest.Digest{})
		if err != nil {
			continue
		}
		t.Manifests[s] = r.Digest
		if r.Manifest.Counter > best {
			t.Active, best = s, r.Manifest.Counter
		}
		t = t.Raised(r.Manifest)
	}
	if best == 0 {
		return t, fmt.Errorf("neither slot verifies: %w", errBlocked)
	}
	return t, nil
}
