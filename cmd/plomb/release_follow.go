package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/sample"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/slot"
)

// glance is the pause between two looks at the till's disk.
const glance = 200 * time.Millisecond

// follow shows what the till does with a release, until it was kept or has failed its
// trial. It reads the device's files and asks nobody.
func (d *demo) follow(ctx context.Context, r *release.Release) (kept bool, err error) {
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		if err := errors.Join(d.showStages(r.Digest()), d.showLauncher()); err != nil {
			return false, err
		}
		t, err := d.device.Table()
		switch {
		case err != nil:
			return false, err
		case t.Manifests[t.Active] == r.Digest():
			d.show(sample.Step{Step: string(update.Kept), By: "till", What: string(r.Manifest.Identity) + " runs"})
			return true, d.showLauncher()
		case t.Failed == r.Digest() && !t.Trial:
			m, _, err := running(d.device)
			if err == nil {
				d.show(sample.Step{Step: string(update.FallenBack), By: "till", What: string(m.Identity) + " runs again: " + t.Why.String()})
			}
			return false, errors.Join(err, d.showLauncher())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, hint{fmt.Errorf("the till has not taken %s: %w", r.Manifest.Identity, ctx.Err()), "somebody has to agree at the till, with no sale open: a supervisor or the administrator"}
		}
	}
}

// agentState is what the agent keeps of a release on its way, as far as it is shown.
type agentState struct {
	Digest manifest.Digest         `json:"digest"`
	Said   map[update.Stage]string `json:"said"`
}

// order is that of the stages of an agent.
var order = []update.Stage{
	update.Announced, update.Downloaded, update.Transmission, update.Authenticity, update.Compatibility, update.Certification,
	update.Consented, update.Gated, update.Installed, update.Verified, update.Pointed,
}

// showStages shows the stages that were reached since the last look.
func (d *demo) showStages(about manifest.Digest) error {
	text, err := durable.ReadFile(d.device.FS, d.device.Path("download", "state.json"), manifest.MaxBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var s agentState
	if err != nil || json.Unmarshal(text, &s) != nil || s.Digest != about {
		return err
	}
	for _, stage := range order {
		said := s.Said[stage]
		if key := about.String() + string(stage); said != "" && d.stages[key] != said {
			d.stages[key] = said
			d.show(sample.Step{Step: string(stage), By: "till", What: outcomeOf(said)})
		}
	}
	return nil
}

// outcomeOf puts what an agent keeps of a stage into words: it is outcome, digest,
// person and detail, of which the last two may be empty.
func outcomeOf(said string) string {
	parts := strings.SplitN(said, " ", 4)
	if len(parts) < 4 {
		return said
	}
	words := parts[3]
	if parts[0] != string(update.Done) {
		words = strings.TrimPrefix(words, parts[0]+": ")
		words = parts[0] + ": " + words
	}
	if parts[2] != "" {
		words = strings.TrimSpace("by " + parts[2] + " " + words)
	}
	return words
}

// showLauncher shows the launcher's lines since the last look.
func (d *demo) showLauncher() error {
	lines, err := d.launcher()
	for _, l := range lines {
		d.show(sample.Step{Step: "launcher", By: "plomb-boot", What: l.Text})
	}
	return err
}

// launcher gives the launcher's lines since the last call.
func (d *demo) launcher() (fresh []slot.Line, err error) {
	_, lines, err := slot.OpenRing(slot.ReadOnly{FS: durable.OS{}}, d.device.Path("boot", "ring"))
	for _, l := range lines {
		if l.Sequence > d.lines {
			fresh, d.lines = append(fresh, l), l.Sequence
		}
	}
	return fresh, err
}
