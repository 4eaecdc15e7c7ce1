package attest

import (
	"path"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/counter"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// Look reads what lies on a device that plomb-boot starts: both slots are verified
// byte by byte, which reads them whole. It writes nothing. A slot that does not
// verify is told with the reason; without slot table or floors it returns an error.
// Program, Version and Journals are the caller's.
func Look(fsys durable.FS, root string) (Device, error) {
	on, err := boot.Open(fsys, root)
	if err != nil {
		return Device{}, err
	}
	table, err := on.Table()
	if err != nil {
		return Device{}, err
	}
	d := Device{Hardware: string(on.Facts.Hardware), Model: on.Facts.Model, Jurisdiction: on.Facts.Jurisdiction, Active: table.Active.String(), Trial: table.Trial}
	floors, err := on.Floors(table)
	if err != nil {
		return Device{}, err
	}
	_, tpm := on.Floor.(counter.TPM)
	d.Floors = Floors{Application: floors[slot.Application], Platform: floors[slot.Platform], TPM: tpm}
	for _, s := range []slot.Slot{slot.A, slot.B} {
		d.Slots = append(d.Slots, look(fsys, on.SlotDir(s), s, on.Check(floors)))
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
