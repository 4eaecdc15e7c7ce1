package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/backup"
	"github.com/plomb-pos/plomb/till/software"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
	"github.com/plomb-pos/plomb/update/trust"
)

// updates is the update of the till that runs: its device, its agent, and the till's
// own parts of it.
type updates struct {
	node   *till.Node
	device *device.Device
	agent  *update.Agent
	parts  *software.Parts
	slot   slot.Slot
	keeper software.Backup // nil: nothing keeps the journal elsewhere
	log    *slog.Logger

	platform   *platform // nil: the machine's operating system is not updated from here
	noPlatform string    // why, where there is a line of its own
}

// errReplaced ends the till so that the launcher starts the version that it is to try.
var errReplaced = errors.New("the software is to be replaced: the launcher starts the next version")

// replaced is errReplaced with its exit code, which plomb up hands on to plomb-boot.
type replaced struct{ error }

// ExitCode is that by which the launcher reads its table again.
func (replaced) ExitCode() int { return update.ExitAgain }

// launchedFrom is the device and the slot in which this program lies; ok is false where
// plomb-boot did not start it.
func launchedFrom() (root string, s slot.Slot, ok bool, err error) {
	name := os.Getenv(envSlot)
	if name == "" {
		return "", slot.A, false, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return "", slot.A, false, fmt.Errorf("find this program: %w", err)
	}
	if root, err = deviceRoot(exe, name); err != nil {
		return "", slot.A, false, err
	}
	if name == slot.B.String() {
		s = slot.B
	}
	return root, s, true, nil
}

// openUpdates joins the till with its device; nil where plomb-boot did not start this
// program, or where the device has no configuration for updates. A device that cannot be
// opened does not keep the till from selling: it says so in the log, and the screen that
// nothing is managed here.
func (c tillCommand) openUpdates(ctx context.Context, node *till.Node, tests update.SelfTester, exit func(), log *slog.Logger) *updates {
	root, s, ok, err := launchedFrom()
	if err == nil && ok {
		var u *updates
		if u, err = c.joinDevice(ctx, node, root, s, exit, log); err == nil {
			u.openPlatform(ctx, filepath.Join(root, device.PlatformDir), tests, exit)
			if u.platform == nil {
				u.parts.Attach(u.agent)
			}
			return u
		}
	}
	if err != nil {
		log.Warn("this till does not update itself", "err", err)
	}
	return nil
}

func (c tillCommand) joinDevice(ctx context.Context, node *till.Node, root string, s slot.Slot, exit func(), log *slog.Logger) (*updates, error) {
	d, err := openDevice(node, device.Options{Root: root}, manifest.Application)
	if err != nil {
		return nil, err
	}
	u := &updates{node: node, device: d, slot: s, log: log}
	if u.keeper, err = c.backups(node); err != nil {
		return nil, err
	}
	u.parts = software.New(node, software.Config{
		Policy: d.Policy(), Backup: u.keeper, Withdrawn: u.withdrawn, FS: durable.OS{}, Ring: d.Ring(), Trial: os.Getenv(envTrial) == "1", Metadata: metadataOf(d),
	})
	u.agent, err = d.Agent(device.Till{
		Slot: s, Recorder: u.parts.Recorder, Gate: u.parts.Gate, Asker: u.parts.Asker, Authoriser: u.parts.Authoriser,
		End: u.parts.End(ctx, exit), Load: u.load, Journal: node.JournalFormat(),
		Other: u.otherThan,
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// backups keeps the journal in the folder of --backup; nil where there is none: then no
// update is installed.
func (c tillCommand) backups(node *till.Node) (software.Backup, error) {
	if c.Backup == "" {
		return nil, nil
	}
	box, err := seal.Open(durable.OS{}, filepath.Join(c.Dir, sealDir))
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(c.Backup, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the folder for copies of the journal: %w", err)
	}
	return &backup.Folder{Till: c.Dir, Name: node.Name(), To: c.Backup, Keys: box.JournalKeys(), Journal: node}, nil
}

// withdrawn tells what withdraws the release that runs, and the operating system below
// it: both stop selling where a maker or an authority says so.
func (u *updates) withdrawn() []till.Withdrawal {
	out := withdrawnOf(u.device, u.slot)
	if u.platform != nil {
		out = append(out, u.platform.withdrawn()...)
	}
	return out
}

func withdrawnOf(d *device.Device, s slot.Slot) (out []till.Withdrawal) {
	now := d.Now()
	for _, w := range d.Withdrawn(s) {
		out = append(out, till.Withdrawal{
			By: w.Party, Reason: w.Reason, Deadline: w.Deadline, Action: string(w.Action), Blocks: w.Action == trust.Block && w.Due(now),
		})
	}
	return out
}

// load says how much the till has to do: downloads leave it room.
func (u *updates) load() update.Load {
	switch w := u.node.Work(); {
	case w.Sale:
		return update.Sale
	case w.Day:
		return update.InUse
	}
	return update.Quiet
}

// run keeps the till's software up to date until ctx ends. What goes wrong is in the log
// and, where it says something about the software, in the journal; it never ends the
// till.
func (u *updates) run(ctx context.Context, group *errgroup.Group) {
	var mu sync.Mutex
	said := ""
	failed := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if text := err.Error(); text != said { // the network may be away for days
			said = text
			u.log.Warn("software update", "err", err)
		}
	}
	group.Go(func() error {
		if err := u.parts.Look(ctx); err != nil && ctx.Err() == nil {
			u.log.Warn("the launcher's log", "err", err)
		}
		if older := u.device.Older(); older != "" {
			u.log.Warn("what is known of releases is older than what the journal has seen", "older", older)
		}
		group.Go(func() error {
			return u.parts.Run(ctx, func(err error) { u.log.Warn("the launcher's log", "err", err) })
		})
		if err := u.agent.Run(ctx, failed); err != nil && ctx.Err() == nil {
			return fmt.Errorf("software update: %w", err)
		}
		return nil
	})
	if u.platform != nil {
		group.Go(func() error { return u.platform.run(ctx, failed) })
		group.Go(func() error { return u.platform.parts.Run(ctx, failed) })
	}
	group.Go(func() error {
		if err := u.device.Relay(ctx); err != nil {
			u.log.Warn("the shop's other tills", "err", err)
		}
		return nil
	})
	group.Go(func() error {
		if err := u.serveDesk(ctx); err != nil {
			u.log.Warn("plomb update cannot ask this till", "err", err)
		}
		return nil
	})
}

// deskSocket is where plomb update asks a till that runs, in the device's folder: only
// the account that the till runs under reaches it.
const deskSocket = "update.sock"

func deskAddress(root string) string { return filepath.Join(root, deskSocket) }
