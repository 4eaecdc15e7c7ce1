// Package boot is a device's fixed part on disk, as everything reads it that has to
// agree on it: the launcher, the update agent, attestation, an inspector.
//
//	ROOT/boot/policy.json  whose signatures count: a trust policy, or a boot policy alone
//	ROOT/boot/device.json  what this device is (Facts)
//	ROOT/boot/tpm          the TPM that holds the version floor, where there is one
//	ROOT/boot/table        slot table   } package update/slot
//	ROOT/boot/ring         launcher's log }
//	ROOT/slots/{a,b}       two versions of the software
//
//	d, err := boot.Open(durable.OS{}, "/srv/device")
//	floors, err := d.Floors(table)
//	release, err := d.Check(floors).Verify(d.FS, d.SlotDir(slot.A), digest)
//
// Make makes a new device; nothing else in plomb lays out these files.
//
// # Policy
//
// A trust policy (plomb-trust-policy/1, package update/trust) holds the boot policy
// and the policy of the release log; then no release starts without its proof of
// being logged. It is one file so that one atomic change replaces both. A boot policy
// alone (plomb-boot-policy/1) asks for no log. This package reads of a trust policy
// what a start needs; who writes the file has parsed all of it.
//
// # What it does not do
//
// It knows no TUF, no network and no keys of the device, so that the launcher stays
// small: that is package update/device.
//
// docs/design/0004-update.md, section 5.
package boot

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/update/counter"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/releaselog"
	"github.com/plomb-pos/plomb/update/slot"
)

// Names in the folder boot.
const (
	PolicyFile = "policy.json"
	FactsFile  = "device.json"
	TableFile  = "table"
	RingFile   = "ring"
	LockFile   = "lock" // held by the launcher while it runs
)

// maxFacts bounds FactsFile, in bytes.
const maxFacts = 16 << 10

// ErrFloor says that the version floor is not known, so that nothing may start.
var ErrFloor = errors.New("the version floor cannot be read")

// Facts are what a device is, written once when it is made.
type Facts struct {
	Hardware     manifest.Identity `json:"hardware,omitzero"` // registered identity (requirement FM-19)
	Model        string            `json:"model,omitzero"`    // three characters
	Jurisdiction string            `json:"jurisdiction"`      // country code
	Scope        manifest.Scope    `json:"scope,omitzero"`    // line of releases that lies here; empty: applications
}

// Line is the line of releases that lies in the device's folder.
func (f Facts) Line() manifest.Scope {
	if f.Scope == "" {
		return manifest.Application
	}
	return f.Scope
}

// ParseFacts reads FactsFile.
func ParseFacts(text []byte) (f Facts, err error) {
	if err := json.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("read what this device is: %w", err)
	}
	if f.Scope != "" && f.Scope != manifest.Application && f.Scope != manifest.Platform {
		return f, fmt.Errorf("read what this device is: no releases are of scope %q", f.Scope)
	}
	if f.Hardware != "" {
		err = f.Hardware.Validate()
	}
	return f, err
}

// Rules are what the policy file says of a start.
type Rules struct {
	Signers *manifest.Policy
	Log     *proof.Policy // nil: releases need no proof of being logged
}

// trustPolicy is the format of package update/trust.
const trustPolicy = "plomb-trust-policy/1"

// ParseRules reads a policy file in either format.
func ParseRules(text []byte) (r Rules, err error) {
	if len(text) > manifest.MaxBytes {
		return r, fmt.Errorf("%w: %d bytes", manifest.ErrPolicy, len(text))
	}
	var t struct {
		Format string         `json:"format"`
		Boot   jsontext.Value `json:"boot"`
		Log    string         `json:"log"`
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return r, fmt.Errorf("%w: %w", manifest.ErrPolicy, err)
	}
	if t.Format != trustPolicy {
		r.Signers, err = manifest.ParsePolicy(text)
		return r, err
	}
	if r.Log, err = proof.ParsePolicy([]byte(t.Log)); err != nil {
		return r, fmt.Errorf("%w: %w", manifest.ErrPolicy, err)
	}
	if len(r.Log.LogKeys()) == 0 {
		return r, fmt.Errorf("%w: no release log", manifest.ErrPolicy)
	}
	r.Signers, err = manifest.ParsePolicy(t.Boot)
	return r, err
}

// Device is a device's disk. It holds no open files.
type Device struct {
	FS    durable.FS
	Root  string // slash-separated
	Rules Rules
	Facts Facts
	Floor counter.Counter // beside the floors of the slot table
}

// Open reads what a device is; table and slots are read when needed.
func Open(fsys durable.FS, root string) (*Device, error) {
	d := &Device{FS: fsys, Root: filepath.ToSlash(root)}
	if err := d.ReadRules(); err != nil {
		return nil, err
	}
	text, err := durable.ReadFile(fsys, d.Path("boot", FactsFile), maxFacts)
	if err != nil {
		return nil, fmt.Errorf("read what this device is: %w", err)
	}
	if d.Facts, err = ParseFacts(text); err != nil {
		return nil, err
	}
	d.Floor, err = counter.Open(fsys, d.Path("boot"))
	return d, err
}

// ReadRules reads the policy file again: a new one may have come with an update.
func (d *Device) ReadRules() error {
	text, err := durable.ReadFile(d.FS, d.Path("boot", PolicyFile), manifest.MaxBytes)
	if err != nil {
		return fmt.Errorf("read the boot policy: %w: %w", manifest.ErrPolicy, err)
	}
	d.Rules, err = ParseRules(text)
	return err
}

// Path is a name below the device's root.
func (d *Device) Path(elem ...string) string { return path.Join(append([]string{d.Root}, elem...)...) }

// SlotDir is the folder of a slot.
func (d *Device) SlotDir(s slot.Slot) string { return d.Path("slots", s.String()) }

// Table reads the slot table and writes nothing.
func (d *Device) Table() (slot.Table, error) {
	f, _, err := slot.Open(slot.ReadOnly{FS: d.FS}, d.Path("boot", TableFile))
	if err != nil {
		return slot.Table{}, err
	}
	return f.Table(), nil
}

// Check is what a slot has to pass.
func (d *Device) Check(floors counter.Floors) slot.Check {
	c := slot.Check{
		Policy: d.Rules.Signers, Floors: floors, Scope: d.Facts.Line(),
		Device: slot.Device{
			Hardware: d.Facts.Hardware, Model: d.Facts.Model, Jurisdiction: d.Facts.Jurisdiction,
			Platform: runtime.GOOS + "/" + runtime.GOARCH,
		},
	}
	if d.Rules.Log != nil {
		c.Log = releaselog.Check(d.Rules.Log)
	}
	return c
}

// Floors are those in force: what the table says, and the counter where it says more.
// Errors wrap ErrFloor.
func (d *Device) Floors(t slot.Table) (counter.Floors, error) {
	f, err := d.Floor.Floors()
	if err != nil {
		return f, fmt.Errorf("%w: %w", ErrFloor, err)
	}
	return f.Max(t.Floors), nil
}

// Say writes one line of the launcher's log.
func (d *Device) Say(text string) error {
	ring, _, err := slot.OpenRing(d.FS, d.Path("boot", RingFile))
	if err != nil {
		return err
	}
	return ring.Append(time.Now(), text)
}
