package device

import (
	"context"
	"fmt"
	"time"

	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/inventory"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
	"github.com/plomb-pos/plomb/update/trust"
)

// Status is what a device knows of its software, without asking anybody.
type Status struct {
	Device    manifest.Digest    `json:"device"` // the device's name: SHA-256 of its key
	Facts     boot.Facts         `json:"facts"`
	Policy    uint64             `json:"policy"` // serial of the trust policy in force
	Table     slot.Table         `json:"table"`
	Slots     []SlotStatus       `json:"slots"`
	Sources   []string           `json:"sources"` // those that are there now
	Take      Take               `json:"take"`
	Campaign  *manifest.Campaign `json:"campaign,omitempty"` // in force, as far as it was seen
	Metadata  time.Time          `json:"metadata,omitzero"`  // what is known is good until then
	Right     time.Time          `json:"right,omitzero"`     // to run what runs ends then; zero: never
	Withdrawn []Withdrawal       `json:"withdrawn,omitempty"`
	Running   bool               `json:"running"`           // a till answered, not the disk alone
	Update    *Progress          `json:"update,omitempty"`  // on its way
	Warning   string             `json:"warning,omitempty"` // of age
	Stops     bool               `json:"stops,omitzero"`    // selling
	Seen      Seen               `json:"seen"`              // what was seen of metadata, policy and campaigns
	Older     string             `json:"older,omitempty"`   // what the disk has older than the journal says was seen
	Fixed     []Fixed            `json:"fixed"`             // what no update of the till replaces, the same on every device
}

// Fixed is a part whose software no release of the till replaces (requirement CU-20;
// package update/inventory).
type Fixed struct {
	Part    string       `json:"part"`
	By      inventory.By `json:"by"`      // what replaces it
	Why     string       `json:"why"`     // no release does
	Instead string       `json:"instead"` // what makes up for that
}

func fixed() (out []Fixed) {
	for _, p := range inventory.Fixed() {
		out = append(out, Fixed{p.Name, p.By, p.Why, p.Instead})
	}
	return out
}

// SlotStatus is what lies in a slot, as its manifest says; nothing is verified.
type SlotStatus struct {
	Slot     string            `json:"slot"`
	Active   bool              `json:"active"`
	Identity manifest.Identity `json:"identity,omitzero"`
	Counter  uint64            `json:"counter,omitzero"`
	Manifest manifest.Digest   `json:"manifest,omitzero"`
	Issued   time.Time         `json:"issued,omitzero"`
}

// Withdrawal is a statement against what runs, at this moment.
type Withdrawal struct {
	By       string       `json:"by"`
	Reason   string       `json:"reason"`
	Deadline time.Time    `json:"deadline"`
	Action   trust.Action `json:"action"`
	Due      bool         `json:"due"`
}

// Progress is an update on its way.
type Progress struct {
	Identity manifest.Identity `json:"identity"`
	Stage    update.Stage      `json:"stage"`
	Bytes    int64             `json:"bytes"`
	Total    int64             `json:"total"`
	Deadline time.Time         `json:"deadline,omitzero"`
	Urgent   bool              `json:"urgent,omitzero"`
}

// Status tells what is known, for the slot that runs.
func (d *Device) Status(s slot.Slot) (out Status, err error) {
	if out.Table, err = d.boot.Table(); err != nil {
		return out, fmt.Errorf("look at the device: %w", err)
	}
	f := &finder{d: d, slot: s}
	v := f.Valid()
	out.Device, out.Facts, out.Policy, out.Take = d.Key.ID(), d.boot.Facts, d.Serial(), d.Config.Take
	out.Seen, out.Older = d.Seen(), d.Older()
	out.Metadata, out.Right, out.Fixed = v.Metadata, v.Entitlement, fixed()
	for _, x := range []slot.Slot{slot.A, slot.B} {
		out.Slots = append(out.Slots, d.inSlot(x, out.Table))
	}
	for _, p := range d.sources.all() {
		out.Sources = append(out.Sources, p.String())
	}
	if d.Config.Deployer != nil {
		out.Campaign, _ = d.keptCampaign()
	}
	for _, w := range d.Withdrawn(s) {
		out.Withdrawn = append(out.Withdrawn, Withdrawal{w.Party, w.Reason, w.Deadline, w.Action, w.Due(d.Now())})
	}
	return out, nil
}

func (d *Device) inSlot(s slot.Slot, t slot.Table) SlotStatus {
	out := SlotStatus{Slot: s.String(), Active: t.Active == s}
	m, digest, err := d.Manifest(s)
	if err == nil {
		out.Identity, out.Counter, out.Manifest, out.Issued = m.Identity, m.Counter, digest, m.Issued
	}
	return out
}

// Found is what the repositories offer a device.
type Found struct {
	Identity manifest.Identity `json:"identity,omitzero"` // empty: nothing is to be installed
	Counter  uint64            `json:"counter,omitzero"`
	Manifest manifest.Digest   `json:"manifest,omitzero"`
	Legal    bool              `json:"legal,omitzero"`
	Issued   time.Time         `json:"issued,omitzero"`
	Urgent   bool              `json:"urgent,omitzero"`
	Deadline time.Time         `json:"deadline,omitzero"`
	Consent  []manifest.Text   `json:"consent,omitempty"`
	Refused  string            `json:"refused,omitempty"` // what else was found, and why it is not taken
}

// Check asks the repositories and installs nothing: what an agent would be offered. That
// nothing is offered is no error; why is in Refused.
func (d *Device) Check(ctx context.Context, s slot.Slot) (out Found, err error) {
	f := &finder{d: d, slot: s, asking: true}
	offer, err := f.Find(ctx)
	switch {
	case ctx.Err() != nil:
		return out, ctx.Err()
	case err != nil:
		out.Refused = err.Error()
		return out, nil
	case offer == nil:
		return out, nil
	}
	m, err := manifest.Parse(offer.Manifest)
	if err != nil {
		return out, err
	}
	return Found{
		Identity: m.Identity, Counter: m.Counter, Manifest: manifest.Sum(offer.Manifest), Legal: m.Legal, Issued: m.Issued,
		Urgent: offer.Urgent, Deadline: offer.Deadline, Consent: m.Consent,
	}, nil
}
