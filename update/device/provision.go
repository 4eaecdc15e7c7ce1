package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
	"github.com/plomb-pos/plomb/update/trust"
)

// ErrHardware says that hardware may not be commissioned.
var ErrHardware = errors.New("hardware that is not registered")

// New is what a device is provisioned with.
type New struct {
	FS   durable.FS // nil: the operating system's
	Root string     // folder of the device; made when it is missing

	Policy []byte            // trust policy, as update/trust reads it
	Roots  map[string][]byte // by party, the first root.json; those that are left out come from Repository, and have to be what the policy names
	Facts  boot.Facts        // hardware that is named has to be registered in Repository: ErrHardware
	Config Config            // Format and Made are filled in; Take is Released where nothing is said
	Key    *Key              // nil: one is drawn
	TPM    string            // that holds the version floor

	// The first release comes out of a published repository, where it passes every
	// check that an update passes, or lies unpacked in a folder; with both, the
	// repository gives first roots and fresh metadata.
	Repository string          // folder or http address
	Release    manifest.Digest // of its manifest; zero: the newest that is allowed
	Unpacked   string          // folder as a slot: manifest.json, manifest.note, log.proof and the files

	Now   func() time.Time // nil: time.Now
	Built time.Time        // of this program
}

// Provision makes a device that Open opens and plomb-boot starts, and gives the
// release in its slot a. It is the last step of a maker's commissioning. What is there
// is never replaced: a folder in which it was cut short is removed first.
func Provision(ctx context.Context, n New) (*slot.Release, error) {
	p, err := prepare(n)
	if err != nil {
		return nil, fmt.Errorf("provision a device: %w", err)
	}
	r, err := p.make(ctx)
	if err != nil {
		return nil, fmt.Errorf("provision a device in %s: %w", n.Root, err)
	}
	return r, nil
}

// provision is one that is under way.
type provision struct {
	New
	policy *trust.Policy
	from   place // nil: no repository
}

func prepare(n New) (p *provision, err error) {
	p = &provision{New: n}
	if p.FS == nil {
		p.FS = durable.OS{}
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	p.Config.Format, p.Config.Made = ConfigFormat, p.Now().UTC().Truncate(time.Second)
	if p.Config.Take == "" {
		p.Config.Take = Released
	}
	if p.policy, err = trust.ParsePolicy(n.Policy); err != nil {
		return nil, err
	}
	if p.Key == nil {
		if p.Key, err = NewKey(); err != nil {
			return nil, err
		}
	}
	if n.Repository == "" && n.Unpacked == "" {
		return nil, errors.New("the first release comes out of a repository or lies unpacked in a folder")
	}
	if n.Repository == "" && n.asksForHardware() {
		return nil, fmt.Errorf("whether hardware %s is registered stands in its maker's repository, and none is named: %w", n.Facts.Hardware, ErrHardware)
	}
	if n.Repository != "" {
		p.from, err = p.open(n.Repository)
	}
	return p, err
}

// asksForHardware says whether hardware has to be registered. That of a platform was
// when the device of applications, below which it lies, was made.
func (n New) asksForHardware() bool {
	return n.Facts.Hardware != "" && n.Facts.Line() == manifest.Application
}

func (p *provision) open(at string) (place, error) {
	if !isURL(at) {
		return folder(at), nil
	}
	client, err := webClient(p.Config.Proxy)
	if err != nil {
		return nil, err
	}
	return newWeb(at, client)
}

func (p *provision) make(ctx context.Context) (*slot.Release, error) {
	if err := p.roots(ctx); err != nil {
		return nil, err
	}
	first, err := p.first(ctx)
	if err != nil {
		return nil, err
	}
	n := boot.New{Policy: p.Policy, TPM: p.TPM, First: first}
	if n.Facts, err = json.Marshal(p.Facts); err != nil {
		return nil, err
	}
	if n.Files, err = p.files(); err != nil {
		return nil, err
	}
	_, r, err := boot.Make(p.FS, p.Root, n)
	return r, err
}

// roots completes the first roots.
func (p *provision) roots(ctx context.Context) error {
	all := map[string][]byte{}
	for _, r := range p.policy.Repositories() {
		data := p.Roots[r.Name]
		if data == nil && p.from != nil {
			var err error
			if data, err = p.from.Fetch(ctx, p.policy.Folder(r)+"/metadata/1.root.json", maxRoot); err != nil {
				return fmt.Errorf("first root of %s: %w", r.Name, err)
			}
		}
		if manifest.Sum(data) != r.Root {
			return fmt.Errorf("first root of %s is not the one that the policy names: %w", r.Name, ErrConfig)
		}
		all[r.Name] = data
	}
	p.Roots = all
	return nil
}

// files are those of the folder boot beside boot.New's.
func (p *provision) files() (files map[string][]byte, err error) {
	files = map[string][]byte{}
	for _, r := range p.policy.Repositories() {
		files[rootFile(r.Root)] = p.Roots[r.Name]
	}
	if files[keyFile], err = p.Key.Secret(); err != nil {
		return nil, err
	}
	files[ConfigFile], err = p.Config.encode()
	return files, err
}

// maxRoot bounds a root.json, in bytes.
const maxRoot = 512 << 10

// rootFile is the name of a first root in the folder boot.
func rootFile(d manifest.Digest) string { return "root-" + d.String() + ".json" }

// first is the first release.
func (p *provision) first(ctx context.Context) (boot.Release, error) {
	if p.from == nil {
		return boot.FromFolder(p.Unpacked)
	}
	t, err := p.trust(ctx)
	if err != nil {
		return boot.Release{}, err
	}
	if err := p.hardware(ctx, t); err != nil {
		return boot.Release{}, err
	}
	if p.Unpacked != "" {
		return boot.FromFolder(p.Unpacked)
	}
	d, err := p.choose(ctx, t)
	if err != nil {
		return boot.Release{}, err
	}
	content, err := p.content(ctx, d.Manifest, d.Digest)
	if err != nil {
		return boot.Release{}, err
	}
	return boot.Release{Manifest: d.Encoded, Note: d.Note, Proof: d.Proof, Write: func(c *manifest.Component, w io.Writer) error {
		return update.Unpack(ctx, p.from, d.Manifest, c, content, w)
	}}, nil
}

// trust fills the device's store of metadata, so that it begins with what was fresh.
func (p *provision) trust(ctx context.Context) (*trust.Trust, error) {
	root := filepath.ToSlash(p.Root)
	if err := p.FS.Mkdir(root); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	t, err := trust.Open(trust.Config{Policy: p.policy, Anchors: p.Roots, Sources: []trust.Source{p.from}, FS: p.FS, Dir: root + "/" + trustDir, Now: p.Now, Built: p.Built})
	if err != nil {
		return nil, err
	}
	return t, t.Refresh(ctx)
}

// hardware refuses a device whose hardware the maker has not registered (requirement
// FM-19).
func (p *provision) hardware(ctx context.Context, t *trust.Trust) error {
	if !p.asksForHardware() {
		return nil
	}
	_, err := t.Hardware(ctx, p.Facts.Hardware)
	if errors.Is(err, trust.ErrNotFound) {
		return fmt.Errorf("%w with %s: %w", ErrHardware, p.policy.Maker.Name, err)
	}
	return err
}

// fits says whether a release may run on what the device is.
func (p *provision) fits(m *manifest.Manifest) error {
	is := slot.Device{Hardware: p.Facts.Hardware, Model: p.Facts.Model, Platform: runtime.GOOS + "/" + runtime.GOARCH, Jurisdiction: p.Facts.Jurisdiction}
	return slot.Check{Device: is, Scope: p.Facts.Line()}.Fits(m)
}

// choose takes the release that was asked for, or the newest of the device's line
// that is allowed.
func (p *provision) choose(ctx context.Context, t *trust.Trust) (best trust.Decision, err error) {
	digests := []manifest.Digest{p.Release}
	if p.Release == (manifest.Digest{}) {
		digests = t.Releases()
	}
	refused := fmt.Errorf("it names no release of the %s: %w", p.Facts.Line(), trust.ErrNotFound)
	for _, digest := range digests {
		d := t.Decide(ctx, digest, trust.Device{Model: p.Facts.Model, Jurisdiction: p.Facts.Jurisdiction})
		if err := p.allowed(d); err != nil {
			refused = fmt.Errorf("release %s: %w", digest, err)
			continue
		}
		if best.Manifest == nil || d.Manifest.Counter > best.Manifest.Counter {
			best = d
		}
	}
	if best.Manifest == nil {
		return best, refused
	}
	return best, nil
}

// allowed says whether a release may be the first one here.
func (p *provision) allowed(d trust.Decision) error {
	if !d.Allowed() {
		return d.Err()
	}
	return p.fits(d.Manifest)
}

// content is the content key of the first release; nil where nobody entitles.
func (p *provision) content(ctx context.Context, m *manifest.Manifest, digest manifest.Digest) ([]byte, error) {
	if p.Config.Deployer == nil {
		return nil, nil
	}
	signed, err := p.from.Fetch(ctx, manifest.EntitlementName(digest, p.Key.ID()), maxNote)
	if err != nil {
		return nil, fmt.Errorf("%w: device %s, for %s: %w", ErrEntitlement, p.Key.ID(), m.Identity, err)
	}
	e, err := openEntitlement(p.Config.Deployer, signed, digest, p.Key.ID())
	if err != nil {
		return nil, err
	}
	if p.Now().After(e.NotAfter) {
		return nil, ErrRanOut
	}
	if err := durable.Replace(p.FS, filepath.ToSlash(p.Root)+"/"+trustDir+"/"+entitlementFile(digest), signed); err != nil {
		return nil, err
	}
	return e.Open(p.Key.private)
}
