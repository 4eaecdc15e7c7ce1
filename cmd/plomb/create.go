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

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/till"
)

// Parts of a till's directory that are not the till's own.
const (
	sealDir   = "seal"
	anchorDir = "anchor"
	// making ends the name of a directory that is still being made; one that is left was never in use.
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
// so that a crash leaves either no till or a whole one.
func createTill(ctx context.Context, dir string) error {
	temp := dir + making
	if err := os.RemoveAll(temp); err != nil {
		return fmt.Errorf("remove what an earlier start left: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("create till: %w", err)
	}
	if err := fillTill(ctx, temp); err != nil {
		return fmt.Errorf("create till in %s: %w", dir, err)
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("create till: %w", err)
	}
	disk := durable.OS{}
	if err := disk.Rename(temp, dir); err != nil {
		return fmt.Errorf("create till: %w", err)
	}
	return disk.SyncDir(filepath.Dir(dir))
}

func fillTill(ctx context.Context, dir string) error {
	disk := durable.OS{}
	for _, d := range []string{dir, filepath.Join(dir, anchorDir)} {
		if err := disk.Mkdir(d); err != nil {
			return err
		}
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
