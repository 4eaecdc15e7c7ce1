package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
	"github.com/plomb-pos/plomb/update/trust"
)

// renew puts a newer trust policy in force, when all parties of the one in force name
// it and the release that runs passes it. First its first roots are kept, under their
// hashes, then the one file that counts is replaced: cut anywhere, the old policy or the
// new one is in force, whole.
func (d *Device) renew(ctx context.Context) error {
	p, text, err := d.trusting().Successor(ctx)
	if err != nil || p == nil {
		return err
	}
	if err := d.install(ctx, p, text); err != nil {
		return fmt.Errorf("trust policy %d: %w", p.Serial, err)
	}
	return d.trusting().Refresh(ctx)
}

func (d *Device) install(ctx context.Context, p *trust.Policy, text []byte) error {
	if err := d.starts(text); err != nil {
		return err
	}
	for _, r := range p.Repositories() {
		if err := d.firstRoot(ctx, p, r); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := durable.Replace(d.options.FS, d.boot.Path("boot", boot.PolicyFile), text); err != nil {
		return err
	}
	if err := d.boot.ReadRules(); err != nil {
		return err
	}
	t, err := d.openTrust()
	if err == nil {
		d.trust = t
	}
	return err
}

// starts refuses a policy under which the launcher would not start what runs, and one
// that comes in the middle of a trial.
func (d *Device) starts(text []byte) error {
	rules, err := boot.ParseRules(text)
	if err != nil {
		return err
	}
	table, err := d.boot.Table()
	if err != nil {
		return err
	}
	if table.Trial || table.Blocked != slot.None {
		return errors.New("a trial is not over")
	}
	after := *d.boot
	after.Rules = rules
	floors, err := after.Floors(table)
	if err != nil {
		return err
	}
	_, err = after.Check(floors).Verify(after.FS, after.SlotDir(table.Active), table.Manifests[table.Active])
	if err != nil {
		return fmt.Errorf("the release that runs would not start under it: %w: %w", trust.ErrNotApproved, err)
	}
	return nil
}

// firstRoot keeps the first root of a party that the policy brings.
func (d *Device) firstRoot(ctx context.Context, p *trust.Policy, r trust.Repository) error {
	name := d.boot.Path("boot", rootFile(r.Root))
	if have, err := durable.ReadFile(d.options.FS, name, maxRoot); err == nil && manifest.Sum(have) == r.Root {
		return nil
	}
	errs := []error{fmt.Errorf("no source has the first root of %s: %w", r.Name, fs.ErrNotExist)}
	for _, s := range d.sources.small() {
		data, err := s.Fetch(ctx, p.Folder(r)+"/metadata/1.root.json", maxRoot)
		if err == nil && manifest.Sum(data) == r.Root {
			return durable.Replace(d.options.FS, name, data)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
