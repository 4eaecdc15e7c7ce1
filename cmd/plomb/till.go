package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/supervise"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/seal"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/api"
	"github.com/plomb-pos/plomb/till/devices"
	"github.com/plomb-pos/plomb/till/web"
)

type tillCommand struct {
	Dir      string `required:"" type:"path" help:"Till's directory."`
	New      bool   `help:"Make a till, with a sample shop, if the directory does not exist or is empty."`
	Listen   string `default:"127.0.0.1:8480" help:"Address of the screen."`
	ListenFd int    `name:"listen-fd" hidden:"" help:"Inherited listener, instead of --listen."`
	Signer   string `type:"path" help:"Unix socket of the signer; without it the till's process holds the signing key itself."`
	Devices  string `help:"Address of the devices' XFS4IoT services (ws://host:port); without it the till sells and prints nothing."`
	Backup   string `type:"path" help:"Folder, best on another disk, where the journal is copied before software is installed; without it none is."`
	Child    bool   `hidden:"" help:"End when standard input ends."`
	acceptFlags
}

// tillReady is the line the till prints when it can sell.
type tillReady struct {
	Till  string `json:"till"`
	Setup string `json:"setup,omitempty"`
	// Accept is where devices dial in.
	Accept string `json:"accept,omitempty"`
}

// Help tells how devices are reached.
func (tillCommand) Help() string {
	return `Runs the till alone: its screen, its journal, its devices.

  plomb till --dir /srv/till1 --devices ws://127.0.0.1:5846

A till in a data centre, whose printer, scanner and dispenser stand in a shop
behind a router: the devices dial the till. Both sides have certificates.

  plomb pki init
  plomb till --new --dir /srv/till1 --identity plomb-pki/identities/till --accept-devices 0.0.0.0:5860
  plomb devices --identity plomb-pki/identities/devices --dial HOST:5860 --dial-name till   (in the shop)`
}

func (c tillCommand) Run(ctx context.Context, s streams) error {
	if c.Child {
		var cancel context.CancelFunc
		ctx, cancel = supervise.UntilOrphaned(ctx, s.In)
		defer cancel()
	}
	if c.New {
		if err := ensureTill(ctx, c.Dir); err != nil {
			return err
		}
	}
	log := slog.New(slog.NewTextHandler(s.Err, nil))
	link, address, t, err := c.link(c.Devices, log)
	if err != nil {
		return err
	}
	node, err := c.open(ctx, address, link, log)
	if err != nil {
		return err
	}
	l, err := c.listen()
	if err != nil {
		return errors.Join(err, node.Close(ctx))
	}
	ready := tillReady{Till: "http://" + l.Addr().String() + "/", Setup: node.SetupCode()}
	if t != nil {
		ready.Accept = t.listener.Addr().String()
	}
	if err := json.NewEncoder(s.Out).Encode(ready); err != nil {
		return errors.Join(err, node.Close(ctx))
	}
	ctx, replace := context.WithCancelCause(ctx)
	defer replace(nil)
	tests := health{till: strings.TrimSuffix(ready.Till, "/"), devices: address, client: &http.Client{Timeout: patience}}
	u := c.openUpdates(ctx, node, tests, func() { replace(errReplaced) }, log)
	err = serve(ctx, node, l, t, u, log)
	if context.Cause(ctx) == errReplaced {
		return replaced{errors.Join(errReplaced, err)}
	}
	return err
}

// open opens the till; its directory must hold one.
func (c tillCommand) open(ctx context.Context, address string, link devices.Link, log *slog.Logger) (*till.Node, error) {
	box, err := seal.Open(durable.OS{}, filepath.Join(c.Dir, sealDir))
	if err != nil {
		return nil, hint{err, "is this a till's directory? plomb up --dir NEW makes one"}
	}
	signer, err := c.signer(box)
	if err != nil {
		return nil, explain(c.Dir, err)
	}
	opts := tillOptions(c.Dir, box, signer)
	opts.Devices, opts.DevicesLink, opts.Log = address, link, log
	if opts.Program, opts.Release, err = runningSoftware(); err != nil {
		log.Warn("the journal cannot say all of the program that starts", "err", err)
	}
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
		Format:  writableFormat(dir),
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

// serve runs the node, its screen, its update and the tunnel to its devices, if there
// are any, until ctx ends or the node stops.
func serve(ctx context.Context, node *till.Node, l net.Listener, t *tunnel, u *updates, log *slog.Logger) error {
	group, ctx := errgroup.WithContext(ctx)
	if t != nil {
		t.run(ctx, group, node, log)
	}
	server := &http.Server{
		Handler:           api.Handler(node, web.Handler()),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	if u != nil {
		u.run(ctx, group)
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
