package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/software"
	"github.com/plomb-pos/plomb/till/tilltest"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/manifest"
)

// shown is an updater that says always the same.
type shown struct {
	status till.UpdateStatus
	found  bool
	err    error
}

func (s shown) Status() till.UpdateStatus           { return s.status }
func (s shown) Check(context.Context) (bool, error) { return s.found, s.err }

// Requirement: CU-19
func TestTheScreenShowsTheUpdateOfTheApplicationBeforeThatOfThePlatform(t *testing.T) {
	offered := func(id string) till.UpdateStatus { return till.UpdateStatus{Update: &till.Offered{Identity: id}} }
	old := offered("platform")
	old.Freshness = till.Freshness{Warn: "old", StopSelling: true}
	if s := (bothUpdaters{shown{status: offered("application")}, shown{status: old}, nil}).Status(); s.Update.Identity != "application" || s.Freshness != old.Freshness {
		t.Errorf("with both: %+v", s)
	}
	away := errors.New("away")
	b := bothUpdaters{shown{err: away}, shown{status: old, found: true}, nil}
	if s := b.Status(); s.Update.Identity != "platform" {
		t.Errorf("with that of the platform alone: %+v", s)
	}
	if found, err := b.Check(t.Context()); !found || !errors.Is(err, away) {
		t.Errorf("asked: %t, %v", found, err)
	}
}

// A folder that says how images reach the machine gives an agent of its own; what is
// wrong with one leaves the till as it is.
//
// Requirement: CU-19
func TestATillOpensThePlatformBelowItsDevice(t *testing.T) {
	root := deviceFolder(t)
	d, err := device.Open(device.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		machine *device.Machine
		opens   bool
	}{"none": {}, "silent": {}, "whole": {&device.Machine{Restart: []string{"/bin/true"}}, true}} {
		var words bytes.Buffer
		u := &updates{node: tilltest.New(t, tilltest.WithoutDevices()).Node, device: d, log: slog.New(slog.NewTextHandler(&words, nil))}
		u.parts = software.New(u.node, software.Config{Policy: d.Policy()})
		if u.agent, err = d.Agent(u.till()); err != nil {
			t.Fatal(err)
		}
		if name != "none" {
			makeFolder(t, root+"/"+name, manifest.Platform, c.machine)
		}
		u.openPlatform(t.Context(), root+"/"+name, nil, func() {})
		if (u.platform != nil) != c.opens || (words.Len() > 0) != (name == "silent") {
			t.Errorf("%s: %+v, it said %q", name, u.platform, words.String())
		}
		if why := u.otherThan(); why != "" {
			t.Errorf("%s: the application waits for %q", name, why)
		}
	}
}

// till is what an agent of applications sees.
func (u *updates) till() device.Till {
	p := u.parts
	return device.Till{Recorder: p.Recorder, Gate: p.Gate, Asker: p.Asker, Authoriser: p.Authoriser, End: func() {}}
}

func TestARestartThatFailsIsSaid(t *testing.T) {
	if err := restart(t.Context(), []string{"/nonexistent/reboot"}); err == nil {
		t.Error("a command that is not there")
	}
}
