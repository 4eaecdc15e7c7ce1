package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/counter"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
	"github.com/plomb-pos/plomb/update/trust"
)

// PlatformDir is the folder of a machine's platforms in the device of its applications:
// a device's folder of its own, whose releases have a counter, keys and checks of their
// own (requirement CU-19).
const PlatformDir = "platform"

// Beside PlatformDir: it is made here and renamed as the last step, by one at a time.
const (
	platformMaking = PlatformDir + ".making"
	platformLock   = PlatformDir + ".lock"
)

// Accept says whether the machine takes the image of its first platform, a file of the
// operating system; nil asks nobody.
type Accept func(ctx context.Context, image string) error

// ProvisionPlatform makes the device of platforms below that of applications in root,
// and gives the release in its slot a: the one that the machine runs. What the machine
// is and its TPM are taken from the device of applications; n.Root, n.Facts and n.TPM
// count for nothing. A key that both lines have is refused. There is the whole
// device or none, wherever the power is cut; one that is there is never replaced: the
// error wraps fs.ErrExist.
func ProvisionPlatform(ctx context.Context, root string, n New, accept Accept) (r *slot.Release, err error) {
	if n, err = n.platformOf(root); err != nil {
		return nil, fmt.Errorf("provision the platform of %s: %w", root, err)
	}
	lock, err := n.FS.Lock(path.Join(filepath.ToSlash(root), platformLock))
	if err != nil {
		return nil, fmt.Errorf("provision the platform of %s, as another one seems to do: %w", root, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if r, err = n.makePlatform(ctx, filepath.ToSlash(root), accept); err != nil {
		return nil, fmt.Errorf("provision the platform of %s: %w", root, err)
	}
	return r, nil
}

// platformOf is n for the machine whose applications lie in root.
func (n New) platformOf(root string) (New, error) {
	if n.FS == nil {
		n.FS = durable.OS{}
	}
	below, err := boot.Open(n.FS, root)
	if err != nil {
		return n, err
	}
	if below.Facts.Line() != manifest.Application {
		return n, fmt.Errorf("%w: it holds releases of the %s itself", ErrConfig, below.Facts.Line())
	}
	if n.Config.Machine == nil {
		return n, fmt.Errorf("%w: it does not say how images reach the machine", ErrConfig)
	}
	n.Root, n.Facts, n.TPM = below.Path(platformMaking), below.Facts, ""
	n.Facts.Scope = manifest.Platform
	if tpm, ok := below.Floor.(counter.TPM); ok {
		n.TPM = string(tpm)
	}
	return n, nil
}

func (n New) makePlatform(ctx context.Context, root string, accept Accept) (*slot.Release, error) {
	at := path.Join(root, PlatformDir)
	if _, err := n.FS.ReadDir(at); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("%s is there: %w", at, fs.ErrExist), err)
	}
	if err := durable.RemoveAll(n.FS, n.Root); err != nil {
		return nil, err
	}
	r, err := Provision(ctx, n)
	if err == nil {
		err = n.mayJoin(ctx, root, r, accept)
	}
	if err != nil {
		return nil, errors.Join(err, durable.RemoveAll(n.FS, n.Root))
	}
	return r, errors.Join(n.FS.Rename(n.Root, at), n.FS.SyncDir(root))
}

// mayJoin says whether what was made may be the platform of the device in root.
func (n New) mayJoin(ctx context.Context, root string, r *slot.Release, accept Accept) error {
	if err := n.apart(root, n.Root); err != nil {
		return err
	}
	image, err := imageOf(r.Manifest)
	if err != nil || accept == nil {
		return err
	}
	return accept(ctx, path.Join(n.Root, "slots", slot.A.String(), image.Path))
}

// apart opens both devices and sees that they have no key in common.
func (n New) apart(application, platform string) error {
	below, err := Open(Options{FS: n.FS, Root: application, Now: n.Now, Built: n.Built})
	if err != nil {
		return err
	}
	above, err := Open(Options{FS: n.FS, Root: platform, Now: n.Now, Built: n.Built})
	if err != nil {
		return err
	}
	return above.Separate(below)
}

// Separate refuses two devices of one machine that have a key in common: of their
// parties, for notes or metadata, or their own. Errors wrap trust.ErrKeys.
func (d *Device) Separate(other *Device) error {
	if d.Key.ID() == other.Key.ID() {
		return fmt.Errorf("%w: both devices have the key %s", trust.ErrKeys, d.Key.ID())
	}
	return d.trusting().Separate(other.trusting())
}

// Active is the slot in force by the table: what runs, but during a trial.
func (d *Device) Active() (slot.Slot, error) {
	t, err := d.boot.Table()
	return t.Active, err
}

// Known is what a device's table and slots say of its line.
type Known struct {
	Running   *manifest.Manifest // in the slot in force; nil: it cannot be read
	Manifests []manifest.Digest  // of both slots, and the last one whose trial failed
}

// Known reads the table and the manifest in force; nothing is verified.
func (d *Device) Known() (k Known, err error) {
	t, err := d.boot.Table()
	if err != nil {
		return k, err
	}
	for _, x := range append(t.Manifests[:], t.Failed) {
		if x != (manifest.Digest{}) {
			k.Manifests = append(k.Manifests, x)
		}
	}
	k.Running, _, _ = d.Manifest(t.Active) // what cannot be read is left out
	return k, nil
}

func imageOf(m *manifest.Manifest) (*manifest.Component, error) {
	for i := range m.Components {
		if m.Components[i].Kind == manifest.Image {
			return &m.Components[i], nil
		}
	}
	return nil, fmt.Errorf("release %s has no image: %w", m.Identity, slot.ErrIncompatible)
}

// First is what a device would begin with.
type First struct {
	Manifest *manifest.Manifest
	Digest   manifest.Digest
	Facts    boot.Facts
}

// Rehearse says with which release a device would be made, and makes nothing: every
// check of Provision but those of the bytes that would still have to be fetched. What it
// needs for that lies in a temporary folder meanwhile.
func Rehearse(ctx context.Context, n New) (f First, err error) {
	dir, err := os.MkdirTemp("", "plomb-rehearsal")
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	n.FS, n.Root = durable.OS{}, filepath.ToSlash(dir)
	p, err := prepare(n)
	if err != nil {
		return f, err
	}
	if err := p.roots(ctx); err != nil {
		return f, err
	}
	f.Facts = p.Facts
	f.Manifest, f.Digest, err = p.rehearse(ctx)
	return f, err
}

// RehearsePlatform is Rehearse for ProvisionPlatform. It looks at the keys that the
// policies name, not at those that their repositories brought since.
func RehearsePlatform(ctx context.Context, root string, n New) (f First, err error) {
	if n, err = n.platformOf(root); err != nil {
		return f, err
	}
	if _, err := n.FS.ReadDir(path.Join(filepath.ToSlash(root), PlatformDir)); !errors.Is(err, fs.ErrNotExist) {
		return f, errors.Join(fmt.Errorf("%s has a platform: %w", root, fs.ErrExist), err)
	}
	below, err := Open(Options{FS: n.FS, Root: root, Now: n.Now, Built: n.Built})
	if err != nil {
		return f, err
	}
	p, err := trust.ParsePolicy(n.Policy)
	if err != nil {
		return f, err
	}
	if err := manifest.Disjoint(p.Boot(), below.BootPolicy()); err != nil {
		return f, err
	}
	return Rehearse(ctx, n)
}

func (p *provision) rehearse(ctx context.Context) (*manifest.Manifest, manifest.Digest, error) {
	var t *trust.Trust
	if p.from != nil {
		var err error
		if t, err = p.trust(ctx); err != nil {
			return nil, manifest.Digest{}, err
		}
		if err := p.hardware(ctx, t); err != nil {
			return nil, manifest.Digest{}, err
		}
	}
	if p.Unpacked != "" {
		return p.unpacked()
	}
	d, err := p.choose(ctx, t)
	if err != nil {
		return nil, manifest.Digest{}, err
	}
	_, err = p.content(ctx, d.Manifest, d.Digest)
	return d.Manifest, d.Digest, err
}

// unpacked verifies a release in a folder, as it will be in its slot.
func (p *provision) unpacked() (*manifest.Manifest, manifest.Digest, error) {
	r, err := boot.FromFolder(p.Unpacked)
	if err != nil {
		return nil, manifest.Digest{}, err
	}
	d := boot.Device{FS: p.FS, Facts: p.Facts}
	if d.Rules, err = boot.ParseRules(p.Policy); err != nil {
		return nil, manifest.Digest{}, err
	}
	digest := manifest.Sum(r.Manifest)
	v, err := d.Check(counter.Floors{}).Verify(p.FS, filepath.ToSlash(p.Unpacked), digest)
	if err != nil {
		return nil, digest, err
	}
	return v.Manifest, digest, nil
}

// PlatformFolder is where the device of platforms lies below that of applications, and
// whether it is there.
func PlatformFolder(root string) (at string, there bool) {
	at = filepath.Join(root, PlatformDir)
	_, err := os.Stat(filepath.Join(at, "boot", ConfigFile))
	return at, err == nil
}
