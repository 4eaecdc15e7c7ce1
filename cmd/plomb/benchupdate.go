package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

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
}

func (b benchUpdate) Run(ctx context.Context, s streams) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	c := b.config(s)
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
