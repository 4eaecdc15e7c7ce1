package main

import (
	"context"
	"fmt"
	"os"

	"github.com/plomb-pos/plomb/internal/bench"
)

type benchInstall struct {
	benchOptions
	Size int64 `default:"256" help:"Of the image, in MiB."`
}

// Help says what is compared with what.
func (benchInstall) Help() string {
	return `An image that has been fetched is installed: by the update agent, by rauc install of
a bundle with the same image, and by the agent through RAUC. Every way begins with files
on the disk, does all its checks, syncs, and ends when the next start is decided.
RAUC runs on a bus and slots of its own and needs root; without it the peer is a copy.`
}

func (b benchInstall) Run(ctx context.Context, s streams) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	results, err := bench.Install(ctx, b.config(s), exe, b.Size<<20)
	if err != nil {
		return err
	}
	return b.print(s.Out, results)
}

// benchInstallOne is a process whose time and memory are measured.
type benchInstallOne struct {
	Dir   string `arg:"" type:"path"`
	Bus   string
	Fetch bool
}

func (b benchInstallOne) Run(ctx context.Context, s streams) error {
	return bench.InstallOne(ctx, b.Dir, b.Bus, b.Fetch, s.Out)
}
