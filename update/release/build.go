package release

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/mapped"
	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/manifest"
)

func newHash() hash.Hash { return sha256.New() }

// Source is a file that becomes a component.
type Source struct {
	Name string // empty: from the path
	Kind manifest.Kind
	Path string // below the slot
	Mode uint32
	File string   // where it is now
	Old  []string // files of earlier releases to make deltas against
}

// Plan is what to build.
type Plan struct {
	Manifest manifest.Manifest // without components, reports and time
	Sources  []Source
	Builder  string                             // who or what built, for the provenance
	Progress func(what string, done, total int) // may be nil
	// Shipped releases come with the devices that they are for: no packs are built, so
	// no device can fetch them.
	Shipped bool
}

// Build makes a release's folder in dir, which must not exist: it measures the
// components, builds a whole pack and the deltas of each, sealed under a new content
// key, and attaches bill of materials and provenance. A component and the one it is
// compared with are mapped while their packs are built: nobody may write to the earlier
// release's files meanwhile.
func (o *Office) Build(ctx context.Context, dir string, parties *Parties, plan Plan, now time.Time) (*Release, error) {
	r := &Release{Parties: parties, dir: absolute(durable.OS{}, dir), fsys: durable.OS{}}
	if o.Card.Name != parties.policy.Maker.Name {
		return nil, fmt.Errorf("build: %s: %w", o.Card.Name, ErrParty)
	}
	if err := r.buildOrGoOn(ctx, o, plan, now); err != nil {
		return nil, fmt.Errorf("build: %w", err)
	}
	return OpenRelease(dir, parties)
}

// buildOrGoOn builds, or ends a build that waited for signatures.
func (r *Release) buildOrGoOn(ctx context.Context, o *Office, plan Plan, now time.Time) error {
	if _, err := os.Stat(filepath.FromSlash(r.dir)); err != nil {
		return r.build(ctx, o, plan, now)
	}
	waits, _, err := o.pending()
	if err != nil {
		return err
	}
	if waits == nil || waits.Act != r.begun() {
		return fmt.Errorf("%s %w", r.dir, ErrExists)
	}
	draft, err := durable.ReadFile(r.fsys, r.path("draft.json"), manifest.MaxBytes)
	if err != nil {
		return err
	}
	if r.Draft, err = manifest.Parse(draft); err != nil {
		return err
	}
	return r.beginRecord(o, draft, plan.Builder, now)
}

// begun is the name of the act that a build ends with.
func (r *Release) begun() string { return "build " + r.dir }

func (r *Release) build(ctx context.Context, o *Office, plan Plan, now time.Time) error {
	for _, folder := range []string{"components", "packs", "tables", "reports"} {
		if err := mkdirs(r.fsys, r.path(folder)); err != nil {
			return err
		}
	}
	content := make([]byte, frame.KeySize)
	rand.Read(content)
	if err := durable.Replace(r.fsys, r.path("content.key"), content); err != nil {
		return err
	}
	m := plan.Manifest
	m.Format, m.Issued, m.Reports = manifest.Format, now.UTC().Truncate(time.Second), nil
	var err error
	if m.Components, err = r.components(ctx, &m, plan, content); err != nil {
		return err
	}
	slices.SortFunc(m.Components, func(a, b manifest.Component) int { return strings.Compare(a.Path, b.Path) })
	for _, c := range m.Components {
		m.Legal = m.Legal || c.Legal
	}
	return r.begin(o, &m, plan.Builder, now)
}

// begin writes the draft and the record's first entries.
func (r *Release) begin(o *Office, m *manifest.Manifest, builder string, now time.Time) error {
	draft, err := m.Encode()
	if err != nil {
		return err
	}
	if err := durable.Replace(r.fsys, r.path("draft.json"), draft); err != nil {
		return err
	}
	r.Draft = m
	return r.beginRecord(o, draft, builder, now)
}

func (r *Release) beginRecord(o *Office, draft []byte, builder string, now time.Time) error {
	parties, err := r.Parties.Encode()
	if err != nil {
		return err
	}
	if err := durable.Replace(r.fsys, r.path("parties.json"), parties); err != nil {
		return err
	}
	return o.do(r.begun(), now, r, func(now time.Time) error {
		r.record = &record{fsys: r.fsys, dir: r.path("record")}
		if err := r.enter(o, Entry{Step: string(Built), Subject: string(r.Draft.Identity), Digests: []digestName{
			{"draft.json", manifest.Sum(draft)}, {"parties.json", manifest.Sum(parties)}}}, now); err != nil {
			return err
		}
		return r.attachOrigin(o, builder, now)
	})
}

// attachOrigin attaches what the build knows of itself.
func (r *Release) attachOrigin(o *Office, builder string, now time.Time) error {
	bom, err := r.billOfMaterials()
	if err != nil {
		return err
	}
	if err := r.Attach(o, "bom", "bom.cdx.json", bom, now); err != nil {
		return err
	}
	prov, err := r.provenance(builder)
	if err != nil {
		return err
	}
	return r.Attach(o, "provenance", "provenance.intoto.json", prov, now)
}

func (r *Release) components(ctx context.Context, m *manifest.Manifest, plan Plan, content []byte) (out []manifest.Component, err error) {
	for _, s := range plan.Sources {
		if s.Name == "" {
			s.Name = nameOf(s.Path)
		}
		c, err := r.component(ctx, m, s, plan, content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Path, err)
		}
		out = append(out, *c)
	}
	return out, nil
}

// nameOf makes a component's name out of its path.
func nameOf(p string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, p)
}

func (r *Release) component(ctx context.Context, m *manifest.Manifest, s Source, plan Plan, content []byte) (*manifest.Component, error) {
	measured, err := r.copyIn(s)
	if err != nil {
		return nil, err
	}
	c := &manifest.Component{Name: s.Name, Kind: s.Kind, Legal: isLegal(s), Path: s.Path, Mode: s.Mode, Length: measured.Length, SHA256: measured.SHA256, Root: measured.Root}
	if plan.Shipped {
		return c, nil
	}
	data, err := mapped.Open(filepath.FromSlash(r.path("components", s.Name)))
	if err != nil {
		return nil, err
	}
	b := packer{r: r, identity: m.Identity, content: content, c: c, data: data.Bytes(), progress: plan.Progress}
	return c, errors.Join(b.packs(ctx, s.Old), data.Close())
}

// copyIn copies a source into the release's folder, and measures what it copied.
func (r *Release) copyIn(s Source) (c manifest.Content, err error) {
	in, err := os.Open(s.File)
	if err != nil {
		return c, err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.FromSlash(r.path("components")), "component-*.new")
	if err != nil {
		return c, err
	}
	defer os.Remove(out.Name())
	c, err = manifest.Measure(io.TeeReader(in, out))
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return c, err
	}
	if err := r.fsys.Rename(filepath.ToSlash(out.Name()), r.path("components", s.Name)); err != nil {
		return c, err
	}
	return c, r.fsys.SyncDir(r.path("components"))
}

// isLegal is what the manifest asks for at least.
func isLegal(s Source) bool {
	return (s.Kind != manifest.Page && s.Kind != manifest.Data) || !strings.HasPrefix(s.Path, "data/")
}

// packer builds the packs of one component.
type packer struct {
	r        *Release
	identity manifest.Identity
	content  []byte
	c        *manifest.Component
	data     []byte // must not be written to
	progress func(what string, done, total int)
}

// packs builds the whole pack and a delta against each earlier file.
func (b *packer) packs(ctx context.Context, old []string) error {
	if err := b.pack(ctx, nil); err != nil {
		return err
	}
	for _, name := range old {
		from, err := mapped.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(b.pack(ctx, from), from.Close()); err != nil {
			return err
		}
	}
	return nil
}

// pack builds one pack, whole where earlier is nil; a component that did not change, or
// was an earlier source already, gets no delta.
func (b *packer) pack(ctx context.Context, earlier *mapped.File) error {
	var from manifest.Digest
	var old []byte
	p := manifest.Pack{}
	if earlier != nil {
		old = earlier.Bytes()
		from = manifest.Sum(old)
		if from == b.c.SHA256 || b.c.Delta(from) != nil {
			return nil
		}
		p.From = &from
	}
	key, err := frame.NewKey(b.content, b.identity, b.c.Name, from, b.c.SHA256)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.FromSlash(b.r.path("packs")), "pack-*.new")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	table, err := frame.Build(ctx, file, old, b.data, frame.Options{Key: key, Progress: b.told(earlier != nil)})
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return b.finish(&p, file.Name(), table)
}

func (b *packer) told(delta bool) func(done, total int) {
	if b.progress == nil {
		return nil
	}
	what := b.c.Name
	if delta {
		what += " (delta)"
	}
	return func(done, total int) { b.progress(what, done, total) }
}

// finish puts pack and table under their hashes.
func (b *packer) finish(p *manifest.Pack, file string, table *frame.Table) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	p.SHA256, p.Bytes, err = sum(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if p.Bytes == 0 {
		return nil // every frame is in the old one: nothing travels, and the manifest knows no empty pack
	}
	text := table.Encode()
	p.Table = manifest.Sum(text)
	if err := b.r.store("tables", p.Table, text); err != nil {
		return err
	}
	if err := b.r.fsys.Rename(filepath.ToSlash(file), b.r.path("packs", p.SHA256.String())); err != nil {
		return err
	}
	b.c.Packs = append(b.c.Packs, *p)
	return b.r.fsys.SyncDir(b.r.path("packs"))
}

// Platform is the platform of this program, GOOS/GOARCH.
func Platform() string { return runtime.GOOS + "/" + runtime.GOARCH }
