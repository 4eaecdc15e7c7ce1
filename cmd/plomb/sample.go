package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/sample"
	"github.com/plomb-pos/plomb/update/boot"
)

// sampleDir is the sample maker, authority and deployer below the till's directory.
const sampleDir = "sample"

// ensureDevice makes the launcher's device, where there is none: this very program is
// its first release, made by the sample maker and confirmed by the sample authority.
func (c upCommand) ensureDevice(ctx context.Context) (root string, err error) {
	root = filepath.Join(c.Dir, deviceDir)
	if there(root) {
		return root, nil
	}
	w, err := openSample(filepath.Join(c.Dir, sampleDir))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if there(root) { // another start was faster
		return root, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	r, err := w.Release(ctx, sample.Version{Program: exe, Shipped: true}, sample.Watcher{})
	if err != nil {
		return "", err
	}
	image, err := w.Image(r)
	if err != nil {
		return "", err
	}
	return root, makeDevice(w, root, image)
}

func there(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil
}

// openSample opens the sample world and makes it where there is none.
func openSample(dir string) (*sample.World, error) {
	w, err := sample.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return sample.Create(dir, time.Now())
	}
	return w, err
}

// makeDevice makes a device beside its place and renames it as the last step.
func makeDevice(w *sample.World, root string, first boot.Release) error {
	policy, err := w.TrustPolicy()
	if err != nil {
		return err
	}
	making := root + making
	if err := os.RemoveAll(making); err != nil {
		return err
	}
	facts := fmt.Appendf(nil, `{"model":%q,"jurisdiction":%q}`, sample.Model, sample.Jurisdiction)
	if _, _, err := boot.Make(durable.OS{}, making, boot.New{Policy: policy, Facts: facts, First: first}); err != nil {
		return err
	}
	disk := durable.OS{}
	return errors.Join(disk.Rename(making, root), disk.SyncDir(filepath.Dir(root)))
}
