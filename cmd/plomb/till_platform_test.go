package main

import (
	"context"
	"errors"
	"testing"

	"github.com/plomb-pos/plomb/till"
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
	if s := (bothUpdaters{shown{status: offered("application")}, shown{status: old}}).Status(); s.Update.Identity != "application" || s.Freshness != old.Freshness {
		t.Errorf("with both: %+v", s)
	}
	away := errors.New("away")
	b := bothUpdaters{shown{err: away}, shown{status: old, found: true}}
	if s := b.Status(); s.Update.Identity != "platform" {
		t.Errorf("with that of the platform alone: %+v", s)
	}
	if found, err := b.Check(t.Context()); !found || !errors.Is(err, away) {
		t.Errorf("asked: %t, %v", found, err)
	}
}

func TestARestartThatFailsIsSaid(t *testing.T) {
	if err := restart(t.Context(), []string{"/nonexistent/reboot"}); err == nil {
		t.Error("a command that is not there")
	}
}
