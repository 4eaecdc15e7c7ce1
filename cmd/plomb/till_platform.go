package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/software"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/image"
	"github.com/plomb-pos/plomb/update/manifest"
)

// platform is the update of the operating system below a till: an agent of its own,
// over the till's journal and screen.
type platform struct {
	device  *device.Device
	machine *image.RAUC
	agent   *update.Agent
	parts   *software.Parts
	tests   update.SelfTester
}

// openPlatform opens the folder of the machine's platforms where there is one. One that
// cannot be opened keeps neither the till from selling nor its applications from updates.
func (u *updates) openPlatform(ctx context.Context, root string, tests update.SelfTester, exit func()) {
	if _, err := os.Stat(filepath.Join(root, "boot", device.ConfigFile)); errors.Is(err, fs.ErrNotExist) {
		return
	}
	p, err := u.joinPlatform(ctx, root, exit)
	if err != nil {
		u.noPlatform = err.Error()
		u.log.Warn("the operating system is not updated from here", "err", err)
		return
	}
	p.tests, u.platform = tests, p
	u.parts.Follow(u.agent)
	p.parts.Follow(p.agent)
	u.node.SetUpdater(bothUpdaters{u.parts.Updater, p.parts.Updater, p.known})
}

var errNoMachine = fmt.Errorf("%w: it does not say how images reach the machine", device.ErrConfig)

func (u *updates) joinPlatform(ctx context.Context, root string, exit func()) (*platform, error) {
	d, err := openDevice(u.node, device.Options{Root: root}, manifest.Platform)
	if err != nil {
		return nil, err
	}
	m := d.Config.Machine
	if m == nil {
		return nil, errNoMachine
	}
	if err := d.Separate(u.device); err != nil {
		return nil, err
	}
	p := &platform{device: d, machine: &image.RAUC{Address: m.Bus}, parts: software.New(u.node, software.Config{Policy: d.Policy(), Backup: u.keeper, Metadata: metadataOf(d)})}
	p.agent, err = d.Agent(device.Till{
		Recorder: p.parts.Recorder, Gate: p.parts.Gate, Asker: p.parts.Asker, Authoriser: p.parts.Authoriser, Load: u.load, Journal: u.node.JournalFormat(),
		Backend: p.machine, Application: u.device.BootPolicy(), Other: u.agent.Unsettled,
		End: p.parts.End(ctx, func() {
			if err := restart(ctx, m.Restart); err != nil {
				u.log.Error("the machine does not start again", "err", err)
				exit()
			}
		}),
	})
	return p, err
}

// withdrawn tells what withdraws the platform in force.
func (p *platform) withdrawn() []till.Withdrawal {
	active, err := p.device.Active()
	if err != nil {
		return nil // plomb update status says so
	}
	out := withdrawnOf(p.device, active)
	for i := range out {
		out[i].Of = till.OfPlatform
	}
	return out
}

// known is what the screen shows of the operating system.
func (p *platform) known() *till.PlatformStatus {
	m, err := p.device.Known()
	if err != nil {
		return nil // plomb update status says so
	}
	out := &till.PlatformStatus{}
	for _, d := range m.Manifests {
		out.Manifests = append(out.Manifests, d.String())
	}
	if m.Running != nil {
		out.Identity, out.Counter = string(m.Running.Identity), m.Running.Counter
	}
	if now, ok := p.agent.Progress(); ok {
		out.Manifests = append(out.Manifests, now.Digest.String())
	}
	return out
}

// otherThan is why an update of the operating system holds one of the application back.
func (u *updates) otherThan() string {
	if u.platform == nil {
		return ""
	}
	return u.platform.agent.Unsettled()
}

// restart asks the machine to start again.
func restart(ctx context.Context, command []string) error {
	if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%q: %w: %.200s", command, err, out)
	}
	return nil
}

// settleEvery is the pause before a trial is looked at again that could not be settled.
const settleEvery = time.Minute

// run settles the trial of a platform that was started, and then keeps it up to date.
func (p *platform) run(ctx context.Context, failed func(error)) error {
	for {
		err := p.agent.Settle(ctx, p.tests)
		if err == nil {
			break
		}
		failed(err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(settleEvery):
		}
	}
	if err := p.agent.Run(ctx, failed); err != nil && ctx.Err() == nil {
		return fmt.Errorf("update of the operating system: %w", err)
	}
	return nil
}

// bothUpdaters show one update at a time: the application's, before that of the
// operating system.
type bothUpdaters struct {
	application, platform till.Updater

	known func() *till.PlatformStatus // of the operating system; nil: nothing
}

// Status implements till.Updater.
func (b bothUpdaters) Status() till.UpdateStatus {
	s, below := b.application.Status(), b.platform.Status()
	if s.Update == nil && below.Update != nil {
		u := *below.Update
		u.Of, s.Update = till.OfPlatform, &u
	}
	if s.Freshness.Warn == "" {
		s.Freshness.Warn = below.Freshness.Warn
	}
	s.Freshness.StopSelling = s.Freshness.StopSelling || below.Freshness.StopSelling
	if b.known != nil {
		s.Platform = b.known()
	}
	return s
}

// Check implements till.Updater.
func (b bothUpdaters) Check(ctx context.Context) (bool, error) {
	found, err := b.application.Check(ctx)
	more, below := b.platform.Check(ctx)
	return found || more, errors.Join(err, below)
}
