//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/powercut/rig/maker"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/counter"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// update makes passes until one has set the pointer.
func (t *till) update(ctx context.Context) error {
	agent, err := t.agent()
	if err != nil {
		return err
	}
	for ctx.Err() == nil && !t.end.Load() {
		if err := t.copyLines(ctx); err != nil {
			return err
		}
		if _, err := agent.Update(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, update.ErrClock) {
			t.history.say("PASS %v", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

func (t *till) agent() (*update.Agent, error) {
	d, err := boot.Open(durable.OS{}, t.root)
	if err != nil {
		return nil, err
	}
	folder, err := update.OpenFolder(t.repository)
	if err != nil {
		return nil, err
	}
	cfg := update.Config{
		FS: t.disk(), Root: t.root, Slot: t.slot(), Check: d.Check(counter.Floors{}),
		Trust: t, Sources: func() []update.Source { return []update.Source{folder} }, Recorder: t, Gate: t, Asker: t, Authoriser: t,
		Policy: update.Policy{Spacing: 1, Rate: update.Rate{Normal: 2 << 20}}, Built: maker.Issued,
		Free: func() (int64, error) { return update.FreeBytes(t.root) }, End: func() { t.end.Store(true) },
	}
	return update.New(cfg)
}

func (t *till) slot() slot.Slot {
	if t.me.Slot == slot.B.String() {
		return slot.B
	}
	return slot.A
}

// Find offers the lowest counter above the one that was kept and the one that failed.
func (t *till) Find(context.Context) (*update.Offer, error) {
	f, _, err := slot.Open(slot.ReadOnly{FS: durable.OS{}}, filepath.Join(t.root, "boot", boot.TableFile))
	if err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(t.repository, "releases", "*", slot.ManifestFile)) // sorted
	if err != nil {
		return nil, err
	}
	lowest := f.Table().Highest[slot.Application]
	var offers []*update.Offer
	for _, name := range names {
		o, counter, err := offer(filepath.Dir(name))
		switch {
		case err != nil:
			return nil, err
		case manifest.Sum(o.Manifest) == f.Table().Failed:
			lowest, offers = max(lowest, counter), nil
		case counter > lowest:
			offers = append(offers, o)
		}
	}
	if len(offers) == 0 {
		return nil, nil
	}
	return offers[0], nil
}

// offer reads the papers of a release.
func offer(dir string) (o *update.Offer, counter uint64, err error) {
	o = new(update.Offer)
	if o.Manifest, err = os.ReadFile(filepath.Join(dir, slot.ManifestFile)); err != nil {
		return nil, 0, err
	}
	if o.Note, err = os.ReadFile(filepath.Join(dir, slot.NoteFile)); err != nil {
		return nil, 0, err
	}
	m, err := manifest.Parse(o.Manifest)
	if err != nil {
		return nil, 0, err
	}
	return o, m.Counter, nil
}

// Approved is always given: trust has rigs of its own.
func (t *till) Approved(*manifest.Manifest, manifest.Digest, time.Time) (string, error) {
	return "rig", nil
}

// Valid never runs out.
func (t *till) Valid() update.Validity { return update.Validity{} }

// Hold tells of an open sale.
func (t *till) Hold(context.Context) (update.Hold, error) {
	return update.Hold{OpenSale: t.selling.Load()}, nil
}

// Consent is not asked for by the rig's policy.
func (t *till) Consent(context.Context, update.Request) (update.Answer, error) {
	return update.Answer{Agreed: true}, nil
}

// Spend agrees.
func (t *till) Spend(context.Context, update.Request) (update.Answer, error) {
	return update.Answer{Agreed: true}, nil
}

// Authorise agrees.
func (t *till) Authorise(context.Context, update.Request) (string, error) { return "rig", nil }
