package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/supervise"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/api"
	"github.com/plomb-pos/plomb/till/web"
)

type tillCommand struct {
	Dir      string `required:"" type:"path" help:"Till's directory."`
	Listen   string `default:"127.0.0.1:8480" help:"Address of the screen."`
	ListenFd int    `name:"listen-fd" hidden:"" help:"Inherited listener, instead of --listen."`
	Signer   string `type:"path" help:"Unix socket of the signer; without it the till's process holds the signing key itself."`
	Devices  string `help:"Address of the devices' XFS4IoT services (ws://host:port); without it the till sells and prints nothing."`
	Child    bool   `hidden:"" help:"End when standard input ends."`
}

// tillReady is the line the till prints when it can sell.
type tillReady struct {
	Till  string `json:"till"`
	Setup string `json:"setup,omitempty"`
}

func (c tillCommand) Run(ctx context.Context, s streams) error {
	if c.Child {
		var cancel context.CancelFunc
		ctx, cancel = supervise.UntilOrphaned(ctx, s.In)
		defer cancel()
	}
	node, err := c.open(ctx, s.Err)
	if err != nil {
		return err
	}
	l, err := c.listen()
	if err != nil {
		return errors.Join(err, node.Close(ctx))
	}
	ready := tillReady{Till: "http://" + l.Addr().String() + "/", Setup: node.SetupCode()}
	if err := json.NewEncoder(s.Out).Encode(ready); err != nil {
		return errors.Join(err, node.Close(ctx))
	}
	return serve(ctx, node, l)
}

// open opens the till; its directory must hold one.
func (c tillCommand) open(ctx context.Context, log io.Writer) (*till.Node, error) {
	box, err := seal.Open(durable.OS{}, filepath.Join(c.Dir, sealDir))
	if err != nil {
		return nil, hint{err, "is this a till's directory? plomb up --dir NEW makes one"}
	}
	signer, err := c.signer(box)
	if err != nil {
		return nil, explain(c.Dir, err)
	}
	opts := tillOptions(c.Dir, box, signer)
	opts.Devices = c.Devices
	opts.Log = slog.New(slog.NewTextHandler(log, nil))
	node, err := till.Open(ctx, opts)
	return node, explain(c.Dir, err)
}

func (c tillCommand) signer(box *seal.Box) (proof.Signer, error) {
	if c.Signer != "" {
		return seal.Dial(c.Signer)
	}
	origin, err := till.CurrentOrigin(c.Dir)
	if err != nil {
		return nil, err
	}
	signer, err := box.Signer(origin)
	if err != nil {
		return nil, err
	}
	return seal.NewGuard(signer), nil
}

// tillOptions are what every opener of a till gives it.
func tillOptions(dir string, box *seal.Box, signer proof.Signer) till.Options {
	return till.Options{
		Dir: dir, Keys: box.JournalKeys(), Signer: signer,
		DatabaseKey: func(name string) ([]byte, error) {
			key, err := box.DatabaseKey(name)
			return key[:], err
		},
		Anchors: []journal.Anchor{journal.FileAnchor(durable.OS{}, filepath.Join(dir, anchorDir, "head"))},
	}
}

func (c tillCommand) listen() (net.Listener, error) {
	if c.ListenFd == 0 {
		return net.Listen("tcp", c.Listen)
	}
	f := os.NewFile(uintptr(c.ListenFd), "listener")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("take the inherited listener: %w", err)
	}
	return l, nil
}

// serve runs the node and its screen until ctx ends or the node stops.
func serve(ctx context.Context, node *till.Node, l net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	server := &http.Server{
		Handler:           api.Handler(node, web.Handler()),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	group.Go(func() error { return node.Run(ctx) })
	group.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return server.Shutdown(stop)
	})
	return group.Wait()
}
