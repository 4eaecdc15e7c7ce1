package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plomb-pos/plomb/internal/notify"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/common"
)

// envTests names the self-tests of the release, as plomb-boot sets it.
const envTests = "PLOMB_TESTS"

// health tests the parts that run, for the launcher that has to decide whether this
// version is kept.
type health struct {
	till    string // its address, http://…
	devices string // of the publisher
	client  *http.Client
}

// patience bounds one question to a part.
const patience = 10 * time.Second

// reportHealth runs the release's self-tests, tells whoever started this program
// that it is up, and goes on telling while the till answers. Without a launcher
// nobody is told and nothing is tested.
func reportHealth(ctx context.Context, group *errgroup.Group, ready, devices string) error {
	socket, err := notify.FromEnvironment()
	if err != nil || os.Getenv("NOTIFY_SOCKET") == "" {
		return err
	}
	var t tillReady
	if err := json.Unmarshal([]byte(ready), &t); err != nil {
		return err
	}
	h := health{till: strings.TrimSuffix(t.Till, "/"), devices: devices, client: &http.Client{Timeout: patience}}
	if err := update.Finish(ctx, h, update.Tests(os.Getenv(envTests)), socket); err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	group.Go(func() error {
		err := socket.Heartbeat(ctx, func() bool { _, err := h.ask(ctx); return err == nil })
		if ctx.Err() != nil { // the till ends
			return nil
		}
		return err
	})
	return nil
}

// SelfTest runs one test by its name: "journal" (it is open
// and was verified as a whole) and "devices" (each service answers).
func (h health) SelfTest(ctx context.Context, name string) error {
	switch name {
	case "journal":
		return h.askJournal(ctx)
	case "devices":
		return h.askDevices(ctx)
	}
	return fmt.Errorf("this version knows no self-test %q", name)
}

// askJournal waits until the till has verified its journal; the launcher's time for
// a trial bounds the wait.
func (h health) askJournal(ctx context.Context) error {
	pause := time.NewTicker(200 * time.Millisecond)
	defer pause.Stop()
	for {
		got, err := h.ask(ctx)
		switch {
		case err != nil:
			return err
		case !got.OK || got.Journal == "damaged":
			return fmt.Errorf("the till says of its journal: %s", got.Journal)
		case got.Journal == "whole":
			return nil
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ask asks the till how it is.
func (h health) ask(ctx context.Context) (got till.Health, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.till+"/api/health", nil)
	if err != nil {
		return got, err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return got, fmt.Errorf("ask the till: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return got, fmt.Errorf("ask the till: %s", resp.Status)
	}
	return got, json.NewDecoder(resp.Body).Decode(&got)
}

// askDevices asks each service for its state; one that is offline answers too.
func (h health) askDevices(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	p, err := client.Services(ctx, h.devices, client.Options{})
	if err != nil {
		return err
	}
	for _, at := range p.Services {
		if err := askService(ctx, at); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	return nil
}

func askService(ctx context.Context, at string) error {
	conn, err := client.Dial(ctx, at, client.Options{})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = client.Do(ctx, conn, common.Status, nil)
	return err
}
