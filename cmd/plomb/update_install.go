package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/devices"
	"github.com/plomb-pos/plomb/till/software"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/image"
	"github.com/plomb-pos/plomb/update/manifest"
)

type updateInstall struct {
	Dir      string `required:"" type:"existingdir" help:"Till's directory; the till must not run."`
	Device   string `type:"existingdir" help:"The device's folder (device/ in the till's directory)."`
	From     string `required:"" type:"path" help:"Repository or stick: a folder with a repository, or with bundles (*.plomb)."`
	Backup   string `type:"path" help:"Folder where the journal is copied before."`
	Platform bool   `help:"Install the operating system, not the till: the machine's RAUC serves, and tries it when the machine starts again."`

	Person string `help:"Id of who agrees to the installation: supervisor or administrator. The PIN is asked for; the id goes into the journal."`
	DryRun bool   `help:"Say what would be installed, and do nothing."`
	JSON   bool   `name:"json" help:"One JSON object on standard output."`
}

// Help says that nothing is left out.
func (updateInstall) Help() string {
	return `For a till without a network: takes the newest release from a stick through exactly the
checks that an update from a server passes, records each stage in the till's journal, and
names it as the version that plomb-boot tries at the next start. Who agrees may do so at
the screen too, and proves it with the PIN (a line of standard input in a script).

  plomb update install --dir /srv/till1 --from /media/stick --dry-run
  plomb update install --dir /srv/till1 --from /media/stick --backup /media/copies --person sup1

With --platform it is the operating system below the till that is taken from the stick and
handed to RAUC. Start the machine again afterwards: the till then tests it, and keeps it or
gives it back.`
}

func (c updateInstall) Run(ctx context.Context, s streams) error {
	from, err := filepath.Abs(c.From)
	if err != nil {
		return usageError{err}
	}
	if c.Device == "" {
		c.Device = underTill(c.Dir)
	}
	lock, err := durable.OS{}.Lock(filepath.Join(c.Device, "boot", boot.LockFile))
	if err != nil {
		return hint{fmt.Errorf("the till runs: %w", err), "stop it first; a till that runs finds a stick by itself where its configuration names the folder"}
	}
	defer lock.Close()
	if c.DryRun {
		out, err := deviceFlags{Device: c.Device}.checkDisk(ctx, from)
		if err != nil {
			return err
		}
		if c.JSON {
			return writeLine(s.Out, out)
		}
		return out.print(s.Out)
	}
	if c.Person == "" || c.Backup == "" {
		return usageError{errors.New("an installation needs --person, who agrees, and --backup, where the journal is copied before")}
	}
	return c.install(ctx, s, from)
}

// install opens till and device, and makes one pass.
func (c updateInstall) install(ctx context.Context, s streams, from string) (err error) {
	log := slog.New(slog.NewTextHandler(s.Err, nil))
	t := tillCommand{Dir: c.Dir, Backup: c.Backup}
	node, err := t.open(ctx, "", devices.Link{}, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close(ctx)) }()
	if err := c.vouched(ctx, s, node); err != nil {
		return err
	}
	p, err := c.pass(ctx, t, node, from)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeLine(s.Out, p)
	}
	if p.Restart {
		_, err = fmt.Fprintf(s.Out, "%s is installed; %s\n", p.Identity, c.then())
		return err
	}
	return p.print(s.Out)
}

// then is what tries what was installed.
func (c updateInstall) then() string {
	if c.Platform {
		return "the machine tries it when it starts again"
	}
	return "plomb-boot tries it at the next start"
}

// vouched asks for the PIN of the person who agrees, who has to be one that may.
func (c updateInstall) vouched(ctx context.Context, s streams, node *till.Node) error {
	by, err := newPrompt(s).approval(c.Person)
	if err != nil {
		return err
	}
	return vouchDesk(ctx, node, by, "does not install it")
}

func (c updateInstall) pass(ctx context.Context, t tillCommand, node *till.Node, from string) (p passed, err error) {
	keeper, err := t.backups(node)
	if err != nil {
		return p, err
	}
	agent, err := c.agent(ctx, node, keeper, from)
	if err != nil {
		return p, err
	}
	return passOf(ctx, agent), nil
}

// agent is that of the till, or that of the platform below it.
func (c updateInstall) agent(ctx context.Context, node *till.Node, keeper software.Backup, from string) (*update.Agent, error) {
	d, err := openDevice(node, device.Options{Root: c.Device, From: []string{from}}, manifest.Application)
	if err != nil {
		return nil, explainDevice(err)
	}
	active, err := d.Active()
	if err != nil {
		return nil, err
	}
	parts := software.New(node, software.Config{Policy: d.Policy(), Backup: keeper, FS: durable.OS{}, Ring: d.Ring(), Metadata: metadataOf(d)})
	if err := parts.Look(ctx); err != nil {
		return nil, err
	}
	seen := c.seen(node, parts)
	seen.Slot = active
	agent, err := d.Agent(seen)
	if err != nil || !c.Platform {
		return agent, err
	}
	p, err := c.openPlatform(node, d, from)
	if err != nil {
		return nil, err
	}
	seen = c.seen(node, software.New(node, software.Config{Policy: p.Policy(), Backup: keeper, Metadata: metadataOf(p)}))
	seen.Application, seen.Other, seen.Backend = d.BootPolicy(), agent.Unsettled, &image.RAUC{Address: p.Config.Machine.Bus}
	return p.Agent(seen)
}

// seen is what an agent sees of the till that stands still.
func (c updateInstall) seen(node *till.Node, parts *software.Parts) device.Till {
	return device.Till{
		Recorder: parts.Recorder, Gate: parts.Gate, Asker: present(c.Person), Authoriser: present(c.Person), End: func() {}, Journal: node.JournalFormat(),
	}
}

// openPlatform opens the line of platforms below a device.
func (c updateInstall) openPlatform(node *till.Node, below *device.Device, from string) (*device.Device, error) {
	at, there := device.PlatformFolder(c.Device)
	if !there {
		return nil, hint{fmt.Errorf("%s has no line of operating systems", c.Device), "plomb update provision platform makes one"}
	}
	d, err := openDevice(node, device.Options{Root: at, From: []string{from}}, manifest.Platform)
	if err != nil {
		return nil, err
	}
	if d.Config.Machine == nil {
		return nil, errNoMachine
	}
	return d, d.Separate(below)
}

// present is the person who started an installation by hand and so agrees to it.
type present string

// Consent implements update.Asker.
func (p present) Consent(context.Context, update.Request) (update.Answer, error) {
	return update.Answer{Agreed: true, Person: string(p)}, nil
}

// Spend implements update.Asker: nothing is spent on a stick.
func (p present) Spend(context.Context, update.Request) (update.Answer, error) {
	return update.Answer{Agreed: true, Person: string(p)}, nil
}

// Authorise implements update.Authoriser.
func (p present) Authorise(context.Context, update.Request) (string, error) { return string(p), nil }
