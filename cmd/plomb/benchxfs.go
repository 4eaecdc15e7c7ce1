package main

import (
	"context"
	"fmt"
	"os"

	"github.com/plomb-pos/plomb/internal/bench"
)

type benchXFS struct {
	benchOptions
}

func (b benchXFS) Run(ctx context.Context, s streams) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	results, err := bench.XFS(ctx, b.config(s), exe)
	if err != nil {
		return err
	}
	return b.print(s.Out, results)
}

// benchXFSHost is a process whose memory is measured.
type benchXFSHost struct {
	Dir string `arg:"" type:"path"`
}

func (b benchXFSHost) Run(ctx context.Context, s streams) error {
	return bench.IdleHost(ctx, b.Dir, s.In, s.Out)
}
