package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/till"
)

// Parts of a till's directory that are not the till's own.
const (
	sealDir   = "seal"
	anchorDir = "anchor"
	// making stands in the name of a directory that is still being made; one that is left was never in use.
	making = ".making"
)

// ensureTill makes a till in dir if dir does not exist or is empty. A directory
// with anything in it is only ever opened: a missing file never makes a new journal.
func ensureTill(ctx context.Context, dir string) error {
	names, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look into %s: %w", dir, err)
	}
	if len(names) > 0 {
		return nil
	}
	return createTill(ctx, dir)
}

// createTill makes a till beside dir and renames it into place as the last step,
// so that a crash leaves either no till or a whole one. Each start makes one of its
// own: of two at the same time one is faster, and the other opens what that made.
func createTill(ctx context.Context, dir string) error {
	parent, base := filepath.Split(filepath.Clean(dir))
	if parent == "" {
		parent = "."
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("create till: %w", err)
	}
	if err := sweep(parent, base+making, time.Now()); err != nil {
		return fmt.Errorf("remove what an earlier start left: %w", err)
	}
	temp, err := os.MkdirTemp(parent, base+making)
	if err != nil {
		return fmt.Errorf("create till: %w", err)
	}
	if err := fillTill(ctx, temp); err != nil {
		return errors.Join(fmt.Errorf("create till in %s: %w", dir, err), os.RemoveAll(temp))
	}
	if err := place(temp, dir); err != nil {
		return errors.Join(fmt.Errorf("create till: %w", err), os.RemoveAll(temp))
	}
	return durable.OS{}.SyncDir(parent)
}

// place renames a whole till into place; another one that is there already stays,
// and ours goes.
func place(temp, dir string) error {
	err := os.Remove(dir) // an empty one
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = durable.OS{}.Rename(temp, dir)
	}
	if names, found := os.ReadDir(dir); err != nil && found == nil && len(names) > 0 {
		return os.RemoveAll(temp)
	}
	return err
}

// abandoned is how old what an earlier start left has to be: one that is at work
// takes seconds.
const abandoned = time.Hour

func sweep(parent, prefix string, now time.Time) error {
	names, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, d := range names {
		info, err := d.Info()
		if err != nil || !d.IsDir() || !strings.HasPrefix(d.Name(), prefix) || now.Sub(info.ModTime()) < abandoned {
			continue
		}
		if err := os.RemoveAll(filepath.Join(parent, d.Name())); err != nil {
			return err
		}
	}
	return nil
}

func fillTill(ctx context.Context, dir string) error {
	disk := durable.OS{}
	if err := disk.Mkdir(filepath.Join(dir, anchorDir)); err != nil {
		return err
	}
	box, err := seal.Create(disk, filepath.Join(dir, sealDir))
	if err != nil {
		return err
	}
	name := tillName()
	signer, err := box.CreateSigner(till.Origin(name, 1))
	if err != nil {
		return err
	}
	opts := tillOptions(dir, box, signer)
	opts.Name = name
	if err := till.Create(ctx, opts); err != nil {
		return err
	}
	return disk.SyncDir(dir)
}

// tillName is a new till's name; random, so that no two tills share an origin.
func tillName() string {
	var b [4]byte
	rand.Read(b[:])
	return "till-" + hex.EncodeToString(b[:])
}
