package main

import (
	"encoding/hex"
	"maps"
	"slices"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/till"
	"github.com/plomb-pos/plomb/till/software"
	"github.com/plomb-pos/plomb/update/device"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/trust"
)

// openDevice opens a device with what the till's journal says that it had seen.
func openDevice(node *till.Node, o device.Options, scope manifest.Scope) (*device.Device, error) {
	if m := node.Metadata(string(scope)); m != nil {
		o.Seen = seenBy(&m.Metadata)
	}
	return device.Open(o)
}

// metadataOf are a device's for the till's journal.
func metadataOf(d *device.Device) *software.Metadata {
	return &software.Metadata{Older: d.Older, Seen: func() *fiscal.Metadata { return recordable(d.Facts().Line(), d.Seen()) }}
}

// recordable is what a device has seen, in the journal's words.
func recordable(scope manifest.Scope, s device.Seen) *fiscal.Metadata {
	m := &fiscal.Metadata{Scope: string(scope), Device: s.Device.String(), Policy: s.Policy, Campaign: s.Campaign}
	if s.Deployer != (manifest.Digest{}) {
		m.Deployer = s.Deployer.String()
	}
	for _, party := range slices.Sorted(maps.Keys(s.Parties)) {
		p := s.Parties[party]
		m.Parties = append(m.Parties, fiscal.PartyMetadata{
			Party: party, Anchor: p.Anchor.String(), Root: p.Root, Timestamp: p.Timestamp, Snapshot: p.Snapshot, Targets: p.Targets, Online: p.Online,
		})
	}
	return m
}

// seenBy is recordable backwards. What the journal holds was checked when it was
// recorded.
func seenBy(m *fiscal.Metadata) device.Seen {
	s := device.Seen{Device: digestOf(m.Device), Policy: m.Policy, Campaign: m.Campaign, Deployer: digestOf(m.Deployer), Parties: map[string]trust.Seen{}}
	for _, p := range m.Parties {
		s.Parties[p.Party] = trust.Seen{Anchor: digestOf(p.Anchor), Root: p.Root, Timestamp: p.Timestamp, Snapshot: p.Snapshot, Targets: p.Targets, Online: p.Online}
	}
	return s
}

// digestOf is zero where a text is no digest.
func digestOf(text string) (d manifest.Digest) {
	if raw, err := hex.DecodeString(text); err == nil {
		copy(d[:], raw)
	}
	return d
}
