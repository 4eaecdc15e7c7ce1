package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/plomb-pos/plomb/internal/supervise"
	"github.com/plomb-pos/plomb/update"
)

type upCommand struct {
	Dir    string `default:"plomb-data" type:"path" help:"Till's directory; made, with a sample shop, if it does not exist or is empty."`
	Listen string `default:"127.0.0.1:8480" help:"Address of the till's screen; port 0 takes a free one."`
	JSON   bool   `name:"json" help:"Print one line of JSON when ready, instead of words."`
	printerFlags
	Dispenser bool  `help:"Also a simulated cash dispenser, for change in euro notes and coins."`
	Plain     bool  `help:"Run this program as it is: not from a verified slot, and without updates."`
	Handed    []int `hidden:"" help:"Descriptors of open listeners: screen, services, page, repository; -1: none."`
}

// Help teaches what up does.
func (upCommand) Help() string {
	return `Starts, on this machine: simulated devices (receipt printer with cash drawer,
barcode scanner, customer display) behind the XFS4IoT protocol, the signer and
the till, each as a part of its own, and prints the addresses. Ctrl-C ends all.

  plomb up                          a sample shop in ./plomb-data
  plomb up --dir /srv/till1         another place
  plomb up --listen 127.0.0.1:0     any free port
  plomb up --printer tcp:10.0.0.7:9100   a real receipt printer instead of the simulated one

Killing the till process while it runs is safe: it is started again and the
open sale is still there. So is pulling the plug.

With plomb-boot beside this program the till runs from a slot that the launcher
has verified, and updates itself: plomb release demo, in another terminal, shows
an update from the build to the till.`
}

// addresses is what up prints with --json.
type addresses struct {
	Till    string `json:"till"`
	Devices string `json:"devices"`
	Control string `json:"control"`
	Dir     string `json:"dir"`
	Setup   string `json:"setup,omitempty"` // one-time code of the first run
}

func (c upCommand) Run(ctx context.Context, s streams) error {
	if os.Getenv(envSlot) != "" {
		return c.runLaunched(ctx, s)
	}
	if err := ensureTill(ctx, c.Dir); err != nil {
		return err
	}
	p, err := c.openPorts()
	if err != nil {
		return err
	}
	defer p.close()
	launcher, err := c.launcher(s.Err)
	if err != nil {
		return err
	}
	if launcher != "" {
		return c.launch(ctx, launcher, p, s.Err)
	}
	return c.run(ctx, s, p)
}

// runLaunched is up in a slot, started by plomb-boot. It ends when the launcher does.
func (c upCommand) runLaunched(ctx context.Context, s streams) error {
	ctx, cancel, err := supervise.UntilParentEnds(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	if err := ensureTill(ctx, c.Dir); err != nil {
		return err
	}
	p, err := c.takePorts()
	if err != nil {
		return err
	}
	defer p.close()
	return c.run(ctx, s, p)
}

// run runs the parts behind open ports.
func (c upCommand) run(ctx context.Context, s streams, p *ports) error {
	run, err := os.MkdirTemp("", "plomb")
	if err != nil {
		return fmt.Errorf("make a directory for the signer's socket: %w", err)
	}
	defer os.RemoveAll(run)
	err = c.runParts(ctx, s, p, run)
	if left := (*supervise.LeftError)(nil); errors.As(err, &left) {
		return leaving{left}
	}
	return err
}

// leaving is the wish of a part to be replaced, handed on to the launcher.
type leaving struct{ *supervise.LeftError }

// ExitCode is the part's.
func (l leaving) ExitCode() int { return l.Code }

// runParts starts devices, signer and till in this order, and ends them in the
// opposite one: the till asks for its last signatures and puts its last paper
// out while it ends.
func (c upCommand) runParts(ctx context.Context, s streams, p *ports, run string) error {
	rest, stopRest := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRest()
	group, rest := errgroup.WithContext(rest)
	ctx, stopTill := context.WithCancel(ctx)
	defer stopTill()
	context.AfterFunc(rest, stopTill) // signer or devices failed
	log := slog.New(slog.NewTextHandler(s.Err, nil))

	if p.repository != nil {
		if err := c.serveRepository(rest, group, p.repository, log); err != nil {
			return err
		}
	}
	devices, err := counter{listeners: [2]net.Listener{p.services, p.page}, printer: c.printerFlags, dispenser: c.Dispenser, log: log}.start(rest, group)
	if err != nil {
		return err
	}
	socket := filepath.Join(run, "signer.sock")
	signer, signerReady, err := c.child(s.Err, "signer", "--dir", c.Dir, "--socket", socket)
	if err != nil {
		return err
	}
	group.Go(func() error { return signer.Run(rest, log) })
	if _, err := first(ctx, signerReady); err != nil {
		stopRest()
		return group.Wait()
	}
	till, tillReady, err := c.child(s.Err, "till", "--dir", c.Dir, "--listen-fd", "3", "--signer", socket, "--devices", devices.service, "--backup", filepath.Join(c.Dir, backupDir))
	if err != nil {
		return err
	}
	file, err := p.screen.File()
	if err != nil {
		return fmt.Errorf("hand the listener to the till: %w", err)
	}
	defer file.Close()
	till.Files, till.Leave = []*os.File{file}, update.ExitAgain
	group.Go(func() error {
		defer stopRest()
		return till.Run(ctx, log)
	})
	if line, err := first(ctx, tillReady); err == nil {
		err = c.announce(s, line, devices)
		if err == nil {
			err = reportHealth(ctx, group, line, devices.service)
		}
		if err != nil {
			stopTill()
			return errors.Join(err, group.Wait())
		}
	}
	return group.Wait()
}

// child describes a part of plomb as a process of its own; the channel gets its first ready line.
func (c upCommand) child(log io.Writer, name string, args ...string) (supervise.Child, chan string, error) {
	exe, err := os.Executable()
	if err != nil {
		return supervise.Child{}, nil, fmt.Errorf("find this program: %w", err)
	}
	ready := make(chan string, 1)
	return supervise.Child{
		Name: name, Path: exe, Args: append([]string{name, "--child"}, args...), Log: log,
		Ready: func(line string) {
			select {
			case ready <- line:
			default: // a later start: nobody waits
			}
		},
	}, ready, nil
}

func first(ctx context.Context, ready chan string) (string, error) {
	select {
	case line := <-ready:
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// backupDir is where a till that is tried out copies its journal before an update; a
// real one has a folder on another disk.
const backupDir = "backup"

// dirFlag is what a command has to be told to find a till; nothing where it is the one
// that it takes by itself.
func dirFlag(dir string) string {
	if usual, err := filepath.Abs("plomb-data"); err == nil && usual == dir {
		return ""
	}
	return " --dir " + dir
}

// announce prints the addresses and, before the shop is set up, the one-time code.
func (c upCommand) announce(s streams, ready string, d runningDevices) error {
	var t tillReady
	if err := json.Unmarshal([]byte(ready), &t); err != nil {
		return fmt.Errorf("the till said %q when it was ready: %w", ready, err)
	}
	a := addresses{Till: t.Till, Devices: d.service, Control: d.control, Dir: c.Dir, Setup: t.Setup}
	if c.JSON {
		return json.NewEncoder(s.Out).Encode(a)
	}
	fmt.Fprintf(s.Out, "\n  till       %s\n  devices    %s   (paper, scanner, display: look and touch)\n  XFS4IoT    %s\n  directory  %s\n", a.Till, a.Control, a.Devices, a.Dir)
	if os.Getenv(envSlot) != "" && there(filepath.Join(c.Dir, sampleDir)) {
		fmt.Fprintf(s.Out, "  update     plomb release demo%s   (in another terminal: the next version of this till, and a bad one)\n", dirFlag(a.Dir))
	}
	if a.Setup != "" {
		fmt.Fprintf(s.Out, "\n  first run: open the till and enter the code  %s\n", a.Setup)
	}
	_, err := fmt.Fprint(s.Out, "\n  Ctrl-C ends\n\n")
	return err
}
