package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"text/tabwriter"

	"github.com/plomb-pos/plomb/xfs4iot/describe"
	"github.com/plomb-pos/plomb/xfs4iot/record"
)

type xfsRecord struct {
	xfsService
	Out    string `required:"" type:"path" placeholder:"FILE" help:"File for the recording; it must not exist."`
	Listen string `default:"127.0.0.1:5856" help:"Loopback address at which the application connects instead of at the service."`
}

// Help says how to stand between the two.
func (xfsRecord) Help() string {
	return `Stands between an application and a service and keeps every message of both, with
its time, until Ctrl-C. The application connects to the address that is printed.
Card data, keys, tokens and the like are masked before anything is written.

  plomb xfs record Scanner --out scanner.jsonl`
}

func (c xfsRecord) Run(ctx context.Context, s streams) (err error) {
	o, err := c.options()
	if err != nil {
		return err
	}
	find, stop := context.WithTimeout(ctx, c.Patience)
	defer stop()
	target, err := c.find(find, o)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return hint{err, "choose another address with --listen"}
	}
	u, err := url.Parse(target)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "ws://%s%s\n", ln.Addr(), u.Path)
	r := record.Relay{Target: target, Options: o, Writer: record.NewWriter(out, target), Log: slog.New(slog.NewTextHandler(s.Err, nil))}
	return r.Serve(ctx, ln)
}

type xfsReplay struct {
	xfsService
	File  string  `arg:"" type:"existingfile" help:"The recording."`
	Speed float64 `help:"Times faster than recorded; 0: as fast as the answers come."`
	JSON  bool    `name:"json" help:"Print one line of JSON a command."`
}

// Help warns.
func (xfsReplay) Help() string {
	return `Sends the commands of a recording to a service and compares how each ends with how
it ended then. Commands move devices: play recordings against simulators.
Commands whose values were masked are skipped.

Exit codes: 0 every command ended as recorded; 1 one did not, or was skipped.`
}

func (c xfsReplay) Run(ctx context.Context, s streams) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	frames, err := readRecording(c.File)
	if err != nil {
		return usage{err}
	}
	find, stop := context.WithTimeout(ctx, c.Patience)
	defer stop()
	target, err := c.find(find, o)
	if err != nil {
		return err
	}
	outcomes, err := record.Replay(ctx, target, frames, record.ReplayOptions{Client: o, Speed: c.Speed})
	return errors.Join(c.print(s, outcomes), err, differing(outcomes))
}

func readRecording(name string) ([]record.Frame, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	_, frames, err := record.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return frames, nil
}

func (c xfsReplay) print(s streams, outcomes []record.Outcome) error {
	if c.JSON {
		return encodeLines(s, outcomes)
	}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for _, o := range outcomes {
		verdict := "same"
		switch {
		case o.Skipped != "":
			verdict = "skipped: " + o.Skipped
		case !o.Same():
			verdict = "now " + o.Now
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", o.RequestID, o.Command, o.Recorded, verdict)
	}
	return w.Flush()
}

func differing(outcomes []record.Outcome) error {
	n := 0
	for _, o := range outcomes {
		if !o.Same() {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%d of %d commands did not end as recorded", n, len(outcomes))
	}
	return nil
}

type xfsDiff struct {
	Before string `arg:"" help:"A description (interfaces.json), or 'own' for the one this program is made of."`
	After  string `arg:"" optional:"" default:"own" help:"The other one; default own."`
	JSON   bool   `name:"json" help:"Print one line of JSON a difference."`
}

// Help says what is compared.
func (xfsDiff) Help() string {
	return `Lists what a release of the protocol added, took away and changed, from two
interface descriptions: commands, events, fields, types, enums, versions. A line
marked ! may break a program written for the older one.

  plomb xfs diff interfaces-2023-2.json

Exit codes: 0 nothing differs; 1 something does.`
}

func (c xfsDiff) Run(s streams) error {
	before, err := description(c.Before)
	if err != nil {
		return usage{err}
	}
	after, err := description(c.After)
	if err != nil {
		return usage{err}
	}
	all := describe.Compare(before, after)
	if c.JSON {
		err = encodeLines(s, all)
	} else {
		err = writeDifferences(s.Out, all)
	}
	if err == nil && len(all) > 0 {
		return fmt.Errorf("%d differences", len(all))
	}
	return err
}

func description(name string) (*describe.Description, error) {
	if name == "own" {
		return describe.Own(), nil
	}
	return describe.Read(name)
}

func writeDifferences(w io.Writer, all []describe.Difference) error {
	for _, d := range all {
		mark := " "
		if d.Breaking() {
			mark = "!"
		}
		if _, err := fmt.Fprintln(w, mark, d); err != nil {
			return err
		}
	}
	return nil
}
