//go:build linux

// Command till is the rigs' till: it sells without pause into a real journal, updates
// itself with the real agent from a repository folder, and speaks with the real
// launcher. Behind its bytes stands which version it is (package maker).
//
//	till create --journal DIR
//	till sell --root DEVICE --journal DIR --repository DIR [--mutant NAME]
//
// It says on standard output what it does: "UP release trial=... process" when it runs, "READY", "ACK
// index tag" for each entry that is durable, "STAGE stage/outcome release" for each
// stage of an update, "END" before it asks to be started again.
//
// A mutant breaks one rule on purpose, so that a rig can show that it would notice:
// see the constants.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/notify"
	"github.com/plomb-pos/plomb/internal/powercut/rig/disk"
	"github.com/plomb-pos/plomb/internal/powercut/rig/maker"
	"github.com/plomb-pos/plomb/internal/powercut/rig/witness"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/manifest"
)

// The mutants.
const (
	unsyncedSlot   = "unsynced-slot"   // the slot is written and never synced
	earlyPointer   = "early-pointer"   // the table names the slot before it is written
	unsyncedEntry  = "unsynced-entry"  // an entry is acknowledged before it is durable
	unflushedEntry = "unflushed-entry" // an entry is written to the disk, which is not told to flush it
)

// between two entries of sales, at least: often enough that every stage has some.
const between = 40 * time.Millisecond

// A sale is open during one of so many entries: an update waits for a moment without one.
const open = 8

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "till:", err)
	}
	os.Exit(code)
}

func run(args []string) (int, error) {
	f := flag.NewFlagSet("till", flag.ContinueOnError)
	var t till
	f.StringVar(&t.root, "root", "", "folder of the device")
	f.StringVar(&t.dir, "journal", "", "folder of the journal")
	f.StringVar(&t.repository, "repository", "", "folder with releases")
	f.StringVar(&t.mutant, "mutant", "", "rule to break")
	if len(args) == 0 {
		return 2, errors.New("create or sell")
	}
	if err := f.Parse(args[1:]); err != nil {
		return 2, err
	}
	if args[0] == "create" {
		return exit(create(t.dir))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return t.run(ctx)
}

func exit(err error) (int, error) {
	if err != nil {
		return 1, err
	}
	return 0, nil
}

func create(dir string) error {
	ctx := context.Background()
	j, err := journal.Create(ctx, dir, disk.Origin, []journal.Draft{{Kind: witness.First, Time: time.Now()}}, journal.Options{Keys: witness.Keys{}, SegmentSize: disk.SegmentSize})
	if err != nil {
		return err
	}
	return j.Close(ctx)
}

// till is one start of the program.
type till struct {
	root, dir, repository, mutant string

	me      witness.Started
	how     maker.Behaviour
	history *history
	selling atomic.Bool
	end     atomic.Bool
}

// run sells until ctx ends or an update wants a new start.
func (t *till) run(ctx context.Context) (int, error) {
	if err := t.recognise(); err != nil {
		return 1, err
	}
	if t.how == maker.Crash {
		return 3, errors.New("this version crashes")
	}
	j, _, err := journal.Open(ctx, t.dir, journal.Options{FS: t.ledger(), Keys: witness.Keys{}})
	if err != nil {
		return 1, err
	}
	t.history = &history{journal: j, out: os.Stdout, lazy: t.mutant == unsyncedEntry}
	err = t.sell(ctx)
	err = errors.Join(err, j.Close(context.WithoutCancel(ctx)))
	switch {
	case err == nil && t.end.Load():
		t.history.say("END")
		return update.ExitAgain, nil
	case errors.Is(err, context.Canceled):
		err = nil
	}
	return exit(err)
}

// recognise finds out which version this is: from its own bytes, and from its slot.
func (t *till) recognise() (err error) {
	t.me = witness.Started{Slot: os.Getenv("PLOMB_SLOT"), Trial: os.Getenv("PLOMB_TRIAL") == "1"}
	if t.me.Counter, t.how, err = maker.Running("/proc/self/exe"); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(t.root, "slots", t.me.Slot, "manifest.json"))
	if err != nil {
		return err
	}
	m, err := manifest.Parse(text)
	if err == nil {
		t.me.Identity = m.Identity
	}
	return err
}

func (t *till) sell(ctx context.Context) error {
	if err := t.copyLines(ctx); err != nil {
		return err
	}
	if err := t.history.append(ctx, witness.Start, t.me); err != nil {
		return err
	}
	t.history.say("UP %s trial=%t %d", t.me.Identity, t.me.Trial, os.Getpid())
	socket, err := notify.FromEnvironment()
	if err != nil {
		return err
	}
	if err := update.Finish(ctx, t, update.Tests(os.Getenv("PLOMB_TESTS")), socket); err != nil {
		return err
	}
	t.history.say("READY")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sold := make(chan error, 1)
	go func() { sold <- t.sales(ctx) }()
	go func() { _ = socket.Heartbeat(ctx, func() bool { return true }) }() // the launcher notices
	err = t.update(ctx)
	cancel()
	return errors.Join(err, <-sold)
}

// SelfTest reads the end of the journal.
func (t *till) SelfTest(ctx context.Context, name string) error {
	if t.how == maker.Unhealthy {
		return errors.New("this version is not healthy")
	}
	size := t.history.journal.Size()
	for _, err := range t.history.journal.Entries(ctx, size-min(size, 50), size) {
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// sales sells. Where entries take long it sells less often, so that the update goes on.
func (t *till) sales(ctx context.Context) error {
	for n := 0; ctx.Err() == nil; n++ {
		begin := time.Now()
		t.selling.Store(n%open == 0)
		err := t.history.append(ctx, witness.Sale, n)
		t.selling.Store(false)
		if err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(max(between, 3*time.Since(begin))):
		}
	}
	return nil
}

func (t *till) copyLines(ctx context.Context) error {
	return update.CopyLines(ctx, durable.OS{}, filepath.Join(t.root, "boot", boot.RingFile), t.history)
}
