package attest

import (
	"fmt"
	"path"
	"runtime"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/counter"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// maxFacts bounds boot/device.json, in bytes.
const maxFacts = 16 << 10

// Look reads what lies on a device that plomb-boot starts: both slots are verified
// byte by byte, which reads them whole. It writes nothing. A slot that does not
// verify is told with the reason; without slot table or floors it returns an error.
// Program, Version and Journals are the caller's.
func Look(fsys durable.FS, root string) (Device, error) {
	table, policy, err := tableAndPolicy(fsys, root)
	if err != nil {
		return Device{}, err
	}
	check, err := facts(fsys, root)
	if err != nil {
		return Device{}, err
	}
	d := Device{Hardware: string(check.Device.Hardware), Model: check.Device.Model, Jurisdiction: check.Device.Jurisdiction, Active: table.Active.String(), Trial: table.Trial}
	if d.Floors, err = floors(fsys, root, table); err != nil {
		return Device{}, err
	}
	check.Policy, check.Floors = policy, [2]uint64{d.Floors.Application, d.Floors.Platform}
	for _, s := range []slot.Slot{slot.A, slot.B} {
		d.Slots = append(d.Slots, look(fsys, path.Join(root, "slots", s.String()), s, check))
	}
	return d, nil
}

// TPMOf is the TPM that holds the version floor of a device that plomb-boot starts;
// nil where there is none.
func TPMOf(fsys durable.FS, root string) (Quoter, error) {
	c, err := counter.Open(fsys, path.Join(root, "boot"))
	if tpm, ok := c.(counter.TPM); ok {
		return TPM(tpm), nil
	}
	return nil, err
}

func tableAndPolicy(fsys durable.FS, root string) (slot.Table, *manifest.Policy, error) {
	f, _, err := slot.Open(slot.ReadOnly{FS: fsys}, path.Join(root, "boot", "table"))
	if err != nil {
		return slot.Table{}, nil, err
	}
	text, err := durable.ReadFile(fsys, path.Join(root, "boot", "policy.json"), manifest.MaxBytes)
	if err != nil {
		return slot.Table{}, nil, fmt.Errorf("read the boot policy: %w", err)
	}
	policy, err := manifest.ParsePolicy(text)
	return f.Table(), policy, err
}

// facts reads boot/device.json, as plomb-boot does.
func facts(fsys durable.FS, root string) (check slot.Check, err error) {
	text, err := durable.ReadFile(fsys, path.Join(root, "boot", "device.json"), maxFacts)
	if err != nil {
		return check, fmt.Errorf("read what this device is: %w", err)
	}
	var f struct {
		Hardware     manifest.Identity `json:"hardware"`
		Model        string            `json:"model"`
		Jurisdiction string            `json:"jurisdiction"`
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return check, fmt.Errorf("read what this device is: %w", err)
	}
	check.Device = slot.Device{Hardware: f.Hardware, Model: f.Model, Jurisdiction: f.Jurisdiction, Platform: runtime.GOOS + "/" + runtime.GOARCH}
	return check, nil
}

func floors(fsys durable.FS, root string, t slot.Table) (Floors, error) {
	c, err := counter.Open(fsys, path.Join(root, "boot"))
	if err != nil {
		return Floors{}, err
	}
	f, err := c.Floors()
	if err != nil {
		return Floors{}, err
	}
	f = f.Max(t.Floors)
	_, tpm := c.(counter.TPM)
	return Floors{Application: f[slot.Application], Platform: f[slot.Platform], TPM: tpm}, nil
}

// look verifies one slot.
func look(fsys durable.FS, dir string, s slot.Slot, check slot.Check) Slot {
	r, err := check.Verify(fsys, dir, manifest.Digest{})
	if err != nil {
		return Slot{Name: s.String(), Error: err.Error()}
	}
	return Slot{
		Name: s.String(), Identity: string(r.Manifest.Identity), Scope: string(r.Manifest.Scope), Counter: r.Manifest.Counter,
		Manifest: r.Digest[:], Signers: r.Signers,
	}
}
