package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/plomb-pos/plomb/internal/bench"
)

type benchUpdate struct {
	benchOptions
	Case   []string `default:"delta,sale" enum:"delta,sale" help:"What to measure: ${enum}."`
	Old    string   `type:"existingfile" and:"pair" help:"The old of two files for the delta, instead of building plomb."`
	New    string   `type:"existingfile" and:"pair" help:"The new one."`
	Name   string   `default:"two files" help:"What the two files are, for the report."`
	Small  bool     `help:"The difference of the two files is small: hold it against the best peer by bytes a frame."`
	Source string   `default:"." type:"existingdir" help:"Source of plomb, from which the go command builds what is compared."`

	Patience time.Duration `default:"15m" help:"How long one run of another program may take; it is left out then."`
}

// Help says what is needed.
func (benchUpdate) Help() string {
	return `delta builds plomb three times with the go command, as it is, with three libraries in
older versions, and with one sentence changed, and has the other tools that are installed
(Debian: zstd, bsdiff, xdelta3) compare the programs, too; those that are missing are
named. The go command needs plomb's modules, the older ones among them: from its cache, or
once from the network. With --old and --new nothing is built.

sale needs plomb-boot beside this program: a till under it sells while it fetches,
verifies, writes and starts a release. A round takes about a minute beside three times
--time.`
}

func (b benchUpdate) Run(ctx context.Context, s streams) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	c := b.config(s)
	c.Patience = b.Patience
	var results []bench.Result
	for _, one := range []struct {
		name    string
		measure func() ([]bench.Result, error)
	}{
		{"delta", func() ([]bench.Result, error) { return b.delta(ctx, c, exe) }},
		{"sale", func() ([]bench.Result, error) { return bench.UpdateSale(ctx, c, exe) }},
	} {
		if err != nil || !slices.Contains(b.Case, one.name) {
			continue
		}
		var more []bench.Result
		more, err = one.measure()
		results = append(results, more...)
	}
	return errors.Join(b.print(s.Out, results), err)
}

func (b benchUpdate) delta(ctx context.Context, c bench.Config, exe string) (results []bench.Result, err error) {
	if b.Old != "" {
		return bench.Delta(ctx, c, exe, bench.Pair{Case: b.Name, Old: b.Old, New: b.New, Small: b.Small})
	}
	dir, err := os.MkdirTemp(c.Dir, "builds")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	upgrade, small, err := bench.Builds(ctx, c, b.Source, dir)
	if err != nil {
		return nil, err
	}
	return bench.Delta(ctx, c, exe, upgrade, small)
}

// benchFrames is a process whose memory and time are measured.
type benchFrames struct {
	What string `arg:""`
	Old  string `arg:"" type:"path"`
	New  string `arg:"" type:"path"`
	Pack string `arg:"" type:"path"`
}

func (b benchFrames) Run(ctx context.Context, s streams) error {
	return bench.FramesJob{What: b.What, Old: b.Old, New: b.New, Pack: b.Pack}.Do(ctx, s.Out)
}
