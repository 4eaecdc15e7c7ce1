package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/supervise"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/till"
)

type signerCommand struct {
	Dir    string `required:"" type:"path" help:"Till's directory; its keys are in seal/ below it."`
	Origin string `help:"Origin to sign for, as till-1f2e3d4c/e1; default: the till's latest epoch."`
	Socket string `required:"" type:"path" help:"Unix socket to answer on, in a directory that only the till's user can enter."`
	Child  bool   `hidden:"" help:"End when standard input ends."`
}

// Help teaches what the signer is for.
func (signerCommand) Help() string {
	return `The signer holds the signing key of one origin and signs checkpoints of that
origin, never one size with two roots. plomb up starts it by itself; start it
by hand, as a user of its own, where the till shall not be able to read the key.`
}

func (c signerCommand) Run(ctx context.Context, s streams) error {
	box, err := seal.Open(durable.OS{}, filepath.Join(c.Dir, sealDir))
	if err != nil {
		return err
	}
	origin := c.Origin
	if origin == "" {
		if origin, err = till.CurrentOrigin(c.Dir); err != nil {
			return explain(c.Dir, err)
		}
	}
	signer, err := box.Signer(origin)
	if err != nil {
		return explain(c.Dir, err)
	}
	l, err := listenUnix(c.Socket)
	if err != nil {
		return err
	}
	ctx, cancel := c.context(ctx, s.In)
	defer cancel()
	fmt.Fprintln(s.Out, "ready")
	return seal.Serve(ctx, l, origin, signer)
}

func (c signerCommand) context(ctx context.Context, stdin io.Reader) (context.Context, context.CancelFunc) {
	if c.Child {
		return supervise.UntilOrphaned(ctx, stdin)
	}
	return context.WithCancel(ctx)
}

// listenUnix listens on a socket that only this user can open, in place of one that a killed process left.
func listenUnix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return l, nil
}
