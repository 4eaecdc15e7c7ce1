package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/releasetest"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/inventory"
	"github.com/plomb-pos/plomb/update/manifest"
)

// deviceFolder is a device of applications as it is made.
func deviceFolder(t *testing.T) string {
	t.Helper()
	root := filepath.ToSlash(filepath.Join(t.TempDir(), "device"))
	makeFolder(t, root, manifest.Application, nil)
	return root
}

func makeFolder(t *testing.T, root string, line manifest.Scope, m *device.Machine) {
	t.Helper()
	w := releasetest.New(t, time.Now)
	key, err := device.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	w.Entitle(w.Release(releasetest.Plan{Counter: 1, Program: []byte("a program"), Image: line == manifest.Platform}), key.Public())
	if _, err := device.Provision(t.Context(), device.New{
		Root: root, Policy: w.TrustPolicy(), Facts: boot.Facts{Model: releasetest.Model, Jurisdiction: releasetest.Jurisdiction, Scope: line}, Key: key,
		Config:     device.Config{Sources: []string{w.Repository()}, Deployer: &w.Parties.Deployer, Machine: m},
		Repository: w.Repository(),
	}); err != nil {
		t.Fatal(err)
	}
}

// Requirement: CU-20
func TestTheStatusOfADeviceListsWhatCannotBeUpdated(t *testing.T) {
	root := deviceFolder(t)
	var words, object bytes.Buffer
	for _, c := range []struct {
		json bool
		out  *bytes.Buffer
	}{{false, &words}, {true, &object}} {
		if err := (updateStatus{deviceFlags{Device: root, JSON: c.json}}).Run(t.Context(), streams{Out: c.out}); err != nil {
			t.Fatal(err)
		}
	}
	var answer struct{ Fixed []device.Fixed }
	if err := json.Unmarshal(object.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Fixed) != len(inventory.Fixed()) {
		t.Fatalf("%d parts in JSON, %d in the table", len(answer.Fixed), len(inventory.Fixed()))
	}
	for i, p := range inventory.Fixed() {
		if answer.Fixed[i] != (device.Fixed{Part: p.Name, By: p.By, Why: p.Why, Instead: p.Instead}) {
			t.Errorf("JSON says %+v of %s", answer.Fixed[i], p.Name)
		}
		for _, said := range []string{p.Name, "why: " + p.Why, "instead: " + p.Instead} {
			if !strings.Contains(words.String(), said) {
				t.Errorf("the words leave out %q", said)
			}
		}
	}
}
