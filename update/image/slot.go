package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/godbus/dbus/v5"

	"github.com/plomb-pos/plomb/update/manifest"
)

// Slot is what RAUC says of one of its slots (GetSlotStatus).
type Slot struct {
	Name      string // such as rootfs.1
	Bootname  string // what the boot loader calls it; empty: it is not started
	Device    string
	Type      string // raw, ext4, vfat, ...
	State     string // booted, active or inactive
	Boot      string // good or bad, by the boot loader
	Status    string // ok when an installation was finished
	Version   string // of the bundle that was installed
	SHA256    string // of the image, in hex
	Size      uint64 // of the image in bytes
	Installed uint32 // how often
}

// Slots lists RAUC's slots as it knows them now.
func (r *RAUC) Slots(ctx context.Context) (out []Slot, err error) {
	err = r.with(ctx, func(s *session) error {
		out, err = s.slots(ctx)
		return err
	})
	return out, err
}

func (s *session) slots(ctx context.Context) ([]Slot, error) {
	var list []struct {
		Name  string
		About map[string]dbus.Variant
	}
	if err := s.call(ctx, "GetSlotStatus").Store(&list); err != nil {
		return nil, fmt.Errorf("%w: ask for its slots: %w", ErrBackend, err)
	}
	out := make([]Slot, len(list))
	for i, x := range list {
		out[i] = slotOf(x.Name, x.About)
	}
	return out, nil
}

// slotOf takes what is there; members of another type count as not there.
func slotOf(name string, about map[string]dbus.Variant) Slot {
	x := Slot{Name: name}
	for key, into := range map[string]any{
		"bootname": &x.Bootname, "device": &x.Device, "type": &x.Type, "state": &x.State, "boot-status": &x.Boot,
		"status": &x.Status, "bundle.version": &x.Version, "sha256": &x.SHA256, "size": &x.Size, "installed.count": &x.Installed,
	} {
		if v, ok := about[key]; ok {
			_ = v.Store(into)
		}
	}
	return x
}

// Verify reads what RAUC wrote for a place: the bootable slot, and every other slot
// that does not run and came with the same bundle.
func (r *RAUC) Verify(ctx context.Context, place string) error {
	slots, err := r.Slots(ctx)
	if err != nil {
		return err
	}
	version, found := "", false
	for _, x := range slots {
		if x.Name == place {
			version, found = x.Version, x.Status == "ok"
		}
	}
	if !found {
		return fmt.Errorf("%w: %s holds no finished installation: %w", ErrBackend, place, manifest.ErrContent)
	}
	for _, x := range slots {
		if x.State != "booted" && x.State != "active" && x.Version == version {
			err = errors.Join(err, x.verify(ctx))
		}
	}
	return err
}

// verbatim are the types whose slots hold an image byte by byte.
var verbatim = map[string]bool{"raw": true, "vfat": true}

func (x Slot) verify(ctx context.Context) error {
	if x.Status != "ok" {
		return fmt.Errorf("%w: %s holds no finished installation: %w", ErrBackend, x.Name, manifest.ErrContent)
	}
	if !verbatim[x.Type] {
		return nil
	}
	f, err := os.Open(x.Device)
	if err != nil {
		return fmt.Errorf("read slot %s: %w", x.Name, err)
	}
	defer f.Close()
	forgetCache(f)
	sum := sha256.New()
	if _, err := io.CopyBuffer(sum, io.LimitReader(ender{ctx, f}, int64(x.Size)), make([]byte, 256<<10)); err != nil {
		return fmt.Errorf("read slot %s: %w", x.Name, err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != x.SHA256 {
		return fmt.Errorf("slot %s: %w", x.Name, manifest.ErrContent)
	}
	return nil
}

// ender reads until a context ends.
type ender struct {
	ctx context.Context
	r   io.Reader
}

func (e ender) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	return e.r.Read(p)
}

// sync makes what was written to the slot durable, whoever wrote it.
func (x Slot) sync() error {
	f, err := os.OpenFile(x.Device, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("sync slot %s: %w", x.Name, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync slot %s: %w", x.Name, err)
	}
	return nil
}
