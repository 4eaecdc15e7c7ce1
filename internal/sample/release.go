package sample

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/slot"
	"github.com/plomb-pos/plomb/update/trust"
)

// Version is what is to be released.
type Version struct {
	Program string          // file of the program
	Image   string          // file of an operating system, of a world of platforms, instead
	Over    manifest.Digest // manifest of the release that tills run: deltas are built against it, and it may start again; zero: none
	Spoiled bool            // a program with its entry point destroyed, which crashes when it is started; an image with a self-test that nobody passes
	Shipped bool            // it comes with the device: no packs are built
	Reads   []int           // formats of the journal that it reads, in order; it writes the first where it has to; nil: not said
}

// Step is one step that was taken.
type Step struct {
	Step string `json:"step"` // as in package release; "entitled" and "campaign" are the deployer's
	By   string `json:"by"`
	What string `json:"what"`
}

// Watcher is told what goes on. Either function may be nil.
type Watcher struct {
	Step     func(Step)
	Progress func(what string, done, total int) // of the build
}

func (w Watcher) step(name release.Step, by *release.Office, format string, args ...any) {
	if w.Step != nil {
		w.Step(Step{string(name), by.Card.Name, fmt.Sprintf(format, args...)})
	}
}

// programPath is where a release's program lies below its slot.
const programPath = "bin/plomb"

// Release takes a version through all steps, from the build to the repository.
func (w *World) Release(ctx context.Context, v Version, watch Watcher) (*release.Release, error) {
	counter, err := w.next()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	identity, err := v.identity(counter, now)
	if err != nil {
		return nil, err
	}
	r, err := w.build(ctx, v, counter, identity, watch)
	if err != nil {
		return nil, err
	}
	watch.step(release.Built, w.Maker, "%s, %d components, %s", identity, len(r.Draft.Components), travels(r.Draft))
	if err := w.confirm(r, watch); err != nil {
		return nil, err
	}
	if err := w.publish(ctx, r, watch); err != nil {
		return nil, err
	}
	if err := w.prune(v.Over); err != nil {
		return nil, err
	}
	if v.Image != "" {
		return r, nil
	}
	return r, w.remember(v.Program)
}

// next is the counter of the next release: a folder is there for each, and one that
// was cut off is not used again.
func (w *World) next() (uint64, error) {
	names, err := os.ReadDir(w.path(releasesDir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	highest := uint64(0)
	for _, d := range names {
		if n, err := strconv.ParseUint(d.Name(), 10, 64); err == nil {
			highest = max(highest, n)
		}
	}
	return highest + 1, nil
}

// digits are what the two characters of a version count with.
const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// identity is that of the release with a counter.
func (v Version) identity(counter uint64, day time.Time) (manifest.Identity, error) {
	n := uint64(len(digits))
	if counter >= n*n {
		return "", fmt.Errorf("the sample maker has no version after %d; remove its folder to begin anew", n*n-1)
	}
	version := string([]byte{digits[counter/n], digits[counter%n]})
	if v.Image != "" {
		return manifest.NewIdentity(false, Company, systemModel, version, day)
	}
	return manifest.NewIdentity(false, Company, Model, version, day)
}

func (w *World) build(ctx context.Context, v Version, counter uint64, identity manifest.Identity, watch Watcher) (*release.Release, error) {
	staging, err := os.MkdirTemp(w.Dir, buildPrefix)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(staging)
	over, err := w.find(v.Over)
	if err != nil {
		return nil, err
	}
	sources, err := prepare(staging, v, identity, over)
	if err != nil {
		return nil, err
	}
	plan := release.Plan{
		Manifest: manifest.Manifest{
			Identity: identity, Scope: v.scope(), Counter: counter, Floor: over.counter(counter),
			Jurisdictions: []string{Jurisdiction}, Certificate: certificate, Consent: v.consent(identity), Tests: v.tests(),
			Compatibility: manifest.Compatibility{Models: []string{Model}, Platforms: []string{release.Platform()}, Reads: v.Reads},
		},
		Sources: sources, Builder: "plomb release demo", Progress: watch.Progress, Shipped: v.Shipped,
	}
	if len(v.Reads) > 0 {
		plan.Manifest.Compatibility.Writes = v.Reads[0]
	}
	if err := os.MkdirAll(w.path(releasesDir), 0o755); err != nil {
		return nil, err
	}
	return w.Maker.Build(ctx, w.path(releasesDir, fmt.Sprintf("%04d", counter)), w.Parties, plan, time.Now())
}

// tests are the self-tests that a till has to pass, in order.
func (v Version) tests() []string {
	if v.Image != "" && v.Spoiled {
		return []string{"devices", "journal", "nobody-passes"}
	}
	return []string{"devices", "journal"}
}

func (v Version) scope() manifest.Scope {
	if v.Image != "" {
		return manifest.Platform
	}
	return manifest.Application
}

// made is a release that was made before.
type made struct {
	dir string
	*manifest.Manifest
}

// counter is the lowest counter that may still start beside the next one.
func (m made) counter(next uint64) uint64 {
	if m.Manifest == nil {
		return next
	}
	return m.Counter
}

// component is the file of one of its components; empty where there is none.
func (m made) component(path string) string {
	if m.Manifest == nil {
		return ""
	}
	for _, c := range m.Components {
		if c.Path == path {
			return filepath.Join(m.dir, "components", c.Name)
		}
	}
	return ""
}

// find finds a release by its manifest's digest.
func (w *World) find(d manifest.Digest) (made, error) {
	if d == (manifest.Digest{}) {
		return made{}, nil
	}
	dirs, err := filepath.Glob(w.path(releasesDir, "*"))
	if err != nil {
		return made{}, err
	}
	for _, dir := range slices.Backward(dirs) {
		text, err := os.ReadFile(filepath.Join(dir, slot.ManifestFile))
		if err == nil && manifest.Sum(text) == d {
			m, err := manifest.Parse(text)
			return made{dir, m}, err
		}
	}
	return made{}, fmt.Errorf("the sample maker has no release with manifest %s", d)
}

// travels says how large the packs are.
func travels(m *manifest.Manifest) string {
	var whole, delta int64
	for _, c := range m.Components {
		for _, p := range c.Packs {
			if p.From == nil {
				whole += p.Bytes
			} else {
				delta += p.Bytes
			}
		}
	}
	if whole == 0 {
		return "comes with the till"
	}
	return fmt.Sprintf("whole %d bytes, differences %d bytes, sealed", whole, delta)
}

// confirm takes a built release to where its content key is the deployer's.
func (w *World) confirm(r *release.Release, watch Watcher) error {
	now := time.Now()
	for _, kind := range []string{"test", "assessor"} {
		if err := r.Attach(w.Maker, kind, kind+".txt", []byte(noReport), now); err != nil {
			return err
		}
	}
	watch.step(release.Attached, w.Maker, "reports: test and assessor (samples), bill of materials and provenance (read from the program)")
	if err := r.Register(w.Maker, now); err != nil {
		return err
	}
	watch.step(release.Registered, w.Maker, "manifest %s, final and signed", r.Digest())
	valid := release.Certificate{Models: []string{Model}, NotBefore: now, NotAfter: now.AddDate(10, 0, 0)}
	if err := r.Approve(w.Authority, valid, now); err != nil {
		return err
	}
	watch.step(release.Confirmed, w.Authority, "read again, signed the same bytes, certificate %s", certificate)
	if err := r.Encrypt(w.Maker, now); err != nil {
		return err
	}
	watch.step(release.Encrypted, w.Maker, "content key handed to %s, its clear copy removed", w.Deployer.Card.Name)
	return nil
}

const noReport = "This is a sample. Nobody tested or assessed anything.\n"

func (w *World) publish(ctx context.Context, r *release.Release, watch Watcher) error {
	repo, err := release.OpenRepository(w.Repository())
	if err != nil {
		return err
	}
	if err := w.Authority.Push(repo); err != nil {
		return err
	}
	witness := release.OfficeWitness{Office: w.Authority, LogKey: w.Parties.Log, Now: time.Now}
	if err := w.Maker.Publish(ctx, repo, r, []release.Witness{witness}, time.Now()); err != nil {
		return err
	}
	watch.step(release.Published, w.Maker, "entered in the log of releases, cosigned by %s, put into the repository", w.Authority.Card.Name)
	return nil
}

// Deploy is the deployer's part: the device's content key, and the campaign that tells
// every till of the sample to install the release now.
func (w *World) Deploy(r *release.Release, device []byte, watch Watcher) error {
	repo, err := release.OpenRepository(w.Repository())
	if err != nil {
		return err
	}
	now := time.Now()
	id := manifest.Sum(device)
	signed, err := r.Entitle(w.Deployer, device, now.AddDate(10, 0, 0), now)
	if err != nil {
		return err
	}
	if err := repo.Put(manifest.EntitlementName(r.Digest(), id), signed); err != nil {
		return err
	}
	watch.step("entitled", w.Deployer, "content key sealed to device %.16s", id)
	return w.campaign(repo, r.Digest(), "all tills, from now on", watch)
}

// campaign tells every till which release is meant for it.
func (w *World) campaign(repo *release.Repository, d manifest.Digest, what string, watch Watcher) error {
	now := time.Now()
	from := now.UTC().Truncate(time.Second)
	signed, err := w.Deployer.Campaign(manifest.Campaign{
		Cohort: "*", Release: d, From: from, Until: from.AddDate(0, 0, 14), Urgency: manifest.Normal, Attempts: 3,
	}, now)
	if err != nil {
		return err
	}
	if err := repo.Put("campaign.json", signed); err != nil {
		return err
	}
	watch.step("campaign", w.Deployer, "%s", what)
	return nil
}

// Withdraw takes a release back: its deployer goes back to another one, and its maker
// says why.
func (w *World) Withdraw(d, instead manifest.Digest, reason string, watch Watcher) error {
	repo, err := release.OpenRepository(w.Repository())
	if err != nil {
		return err
	}
	if err := w.campaign(repo, instead, "all tills back to the version before", watch); err != nil {
		return err
	}
	now := time.Now()
	if err := w.Maker.Withdraw(d, reason, now.AddDate(0, 0, 7), trust.Warn, now); err != nil {
		return err
	}
	if err := w.Maker.Push(repo); err != nil {
		return err
	}
	watch.step("withdrawn", w.Maker, "%s", reason)
	return nil
}

// Unpack lays a published release out as a slot in a new folder, for a device that is
// being made. The files are links to the maker's: remove the folder afterwards.
func (w *World) Unpack(r *release.Release) (dir string, err error) {
	if dir, err = os.MkdirTemp(w.Dir, slotPrefix); err != nil {
		return "", err
	}
	from := w.path(releasesDir, fmt.Sprintf("%04d", r.Manifest.Counter))
	files := map[string]string{
		slot.ManifestFile: filepath.Join(from, slot.ManifestFile), slot.NoteFile: filepath.Join(from, slot.NoteFile),
		slot.ProofFile: w.path(repositoryDir, "proofs", r.Digest().String()),
	}
	for _, c := range r.Manifest.Components {
		files[filepath.FromSlash(c.Path)] = filepath.Join(from, "components", c.Name)
	}
	for name, source := range files {
		to := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.Link(source, to)); err != nil {
			return "", errors.Join(fmt.Errorf("unpack release %s: %w", r.Manifest.Identity, err), os.RemoveAll(dir))
		}
	}
	return dir, nil
}
