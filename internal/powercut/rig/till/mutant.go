//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/powercut/rig/maker"
	"github.com/plomb-pos/plomb/internal/powercut/rig/witness"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// Record keeps an event; a mutant sets the pointer when the slot is not written yet. It
// does not say so, since whoever aims at the installation would take that for its end.
func (t *till) Record(ctx context.Context, e update.Event) error {
	if err := t.history.Record(ctx, e); err != nil {
		return err
	}
	if t.mutant != earlyPointer || e.Stage != update.Installed || e.Outcome != update.Begun {
		return nil
	}
	pointer := update.Event{Stage: update.Pointed, Outcome: update.Begun, Identity: e.Identity, Counter: e.Counter, Digest: e.Digest}
	if err := t.history.append(ctx, witness.Event, pointer); err != nil {
		return err
	}
	return t.point(e)
}

// point names the release of an event as the trial.
func (t *till) point(e update.Event) error {
	text, err := os.ReadFile(filepath.Join(maker.ReleaseDir(t.repository, e.Counter), slot.ManifestFile))
	if err != nil {
		return err
	}
	m, err := manifest.Parse(text)
	if err != nil {
		return err
	}
	f, _, err := slot.Open(durable.OS{}, filepath.Join(t.root, "boot", boot.TableFile))
	if err != nil {
		return err
	}
	next, err := f.Table().Propose(m, e.Digest, slot.Return)
	if err != nil {
		return fmt.Errorf("point to %s: %w", e.Identity, err)
	}
	return f.Write(next)
}

// disk is what the agent writes through.
func (t *till) disk() durable.FS {
	if t.mutant == unsyncedSlot {
		return lax{FS: durable.OS{}, below: filepath.ToSlash(filepath.Join(t.root, "slots")), sync: forget}
	}
	return durable.OS{}
}

// ledger is what the journal writes through.
func (t *till) ledger() durable.FS {
	if t.mutant == unflushedEntry {
		return lax{FS: durable.OS{}, below: filepath.ToSlash(t.dir), sync: handOver, names: true}
	}
	return durable.OS{}
}

// lax is a disk that syncs what lies below a folder in a way of its own.
type lax struct {
	durable.FS
	below string
	sync  func(durable.File) error
	names bool // names are synced as they should be
}

func (l lax) wrap(name string, f durable.File, err error) (durable.File, error) {
	if err == nil && strings.HasPrefix(name, l.below) {
		return laxFile{File: f, sync: l.sync}, nil
	}
	return f, err
}

// Create makes a file.
func (l lax) Create(name string) (durable.File, error) {
	f, err := l.FS.Create(name)
	return l.wrap(name, f, err)
}

// Open opens a file.
func (l lax) Open(name string) (durable.File, error) {
	f, err := l.FS.Open(name)
	return l.wrap(name, f, err)
}

// SyncDir syncs names, those below if names says so.
func (l lax) SyncDir(name string) error {
	if !l.names && strings.HasPrefix(name, l.below) {
		return nil
	}
	return l.FS.SyncDir(name)
}

type laxFile struct {
	durable.File
	sync func(durable.File) error
}

// Sync makes nothing durable.
func (f laxFile) Sync() error { return f.sync(f.File) }

// forget leaves everything in memory.
func forget(durable.File) error { return nil }

// handOver waits until the disk has all data of a file, and does not have it flush them.
func handOver(f durable.File) error {
	file, ok := f.(interface{ Fd() uintptr })
	if !ok {
		return fmt.Errorf("a %T has no descriptor", f)
	}
	return unix.SyncFileRange(int(file.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
}
