package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// deviceDir is the launcher's device below the till's directory: two slots, the table
// that says which one starts, what was downloaded.
const deviceDir = "device"

// launcher finds plomb-boot beside this program; empty: the till runs without it.
func (c upCommand) launcher(words io.Writer) (string, error) {
	if c.Plain {
		return "", nil
	}
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	beside := filepath.Join(filepath.Dir(exe), "plomb-boot")
	_, err = os.Stat(beside)
	if err == nil && canLaunch {
		return beside, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("find plomb-boot: %w", err)
	}
	_, err = fmt.Fprintln(words, "plomb: no plomb-boot beside this program: it runs as it is, not from a verified slot, and updates are off")
	return "", err
}

// launch lets the launcher take this process's place: it verifies the slot in force and
// starts the same command from there. It returns only when that fails.
func (c upCommand) launch(ctx context.Context, launcher string, p *ports, words io.Writer) (err error) {
	if p.repository, err = c.openRepository(words); err != nil {
		return err
	}
	if err := c.ensureDevice(ctx, p.repository); err != nil {
		return err
	}
	if err := c.installRebuilt(ctx, words); err != nil {
		return err
	}
	fds, err := p.handOn()
	if err != nil {
		return err
	}
	args := []string{launcher, "run", "--root", filepath.Join(c.Dir, deviceDir), "--give-up", "--rescue", "fd:" + fds[0], "--"}
	args = append(append(args, os.Args[1:]...), "--handed="+strings.Join(fds, ","))
	return fmt.Errorf("start %s: %w", launcher, become(launcher, args, os.Environ()))
}
