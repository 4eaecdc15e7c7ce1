package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
)

type releaseBuild struct {
	Release      string            `arg:"" type:"path" help:"Folder to make."`
	Files        []string          `arg:"" help:"A folder laid out like a slot, or PATH=FILE of each component."`
	Parties      string            `required:"" type:"path" help:"Your own copy of the parties file."`
	Identity     string            `required:"" help:"18 characters: 0, company, model, version, - and date."`
	Scope        string            `default:"application" enum:"application,platform" help:"Which line of releases it belongs to."`
	Counter      uint64            `required:"" help:"Above that of every release of the scope before."`
	Floor        uint64            `help:"Lowest counter that may still start once this one is kept (default: its own)."`
	Certificate  string            `help:"Number of the type examination certificate."`
	Jurisdiction []string          `help:"Country codes it may run in."`
	Model        []string          `help:"Models it is for."`
	Hardware     []string          `help:"Registered hardware versions it is for."`
	Platform     []string          `help:"GOOS/GOARCH (default: this one)."`
	Reads        []int             `help:"Formats of the till's data that it reads; a till with another refuses it (default: not said)."`
	Writes       int               `help:"The lowest format that it can keep to; a till whose version does not read it refuses it (default: not said)."`
	Kind         map[string]string `help:"PATH=KIND where the path does not say it."`
	Test         []string          `help:"Self-tests that a trial has to pass."`
	From         []string          `type:"path" help:"Earlier releases' folders to build deltas against."`
	Unchanged    string            `type:"path" help:"REPOSITORY/IDENTITY of an approved release whose legally relevant components are these, byte by byte: the maker alone releases it."`
	Builder      string            `default:"unknown" help:"Who or what built it, a URI, for the provenance."`
	officeFlags
}

// Help shows a first release.
func (releaseBuild) Help() string {
	return `Measures the components, builds a whole pack and a delta against each earlier release,
sealed under a new content key, and attaches bill of materials and provenance as the
programs tell them. What a component is follows from its path: below data/ pages and
data, plomb-boot the launcher, *.raucb the image of a platform (--scope platform),
anything else a program; --kind says otherwise.

  plomb release build till-1.4 slot/ --office maker --parties parties.json \
    --identity 0PLMTIL14-20261122 --counter 14 --certificate T10001 --jurisdiction NL \
    --from till-1.3`
}

func (c releaseBuild) Run(ctx context.Context, s streams) error {
	o, p, err := c.openWith(s, c.Parties)
	if err != nil {
		return err
	}
	plan, err := c.plan()
	if err != nil {
		return usageError{err}
	}
	bar := newBar(s.Err, "build")
	plan.Progress = func(what string, done, total int) {
		bar.Describe(what)
		bar.ChangeMax(total)
		_ = bar.Set(done) // a terminal that is gone is no reason to stop
	}
	r, err := o.Build(ctx, c.Release, p, plan, time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "built %s  %d components; reports missing: %s\n", r.Draft.Identity, len(r.Draft.Components), orNone(r.Missing()))
	return err
}

func (c releaseBuild) plan() (plan release.Plan, err error) {
	m := &plan.Manifest
	m.Identity, m.Scope, m.Counter, m.Floor = manifest.Identity(c.Identity), manifest.Scope(c.Scope), c.Counter, c.Floor
	m.Certificate, m.Tests = c.Certificate, c.Test
	m.Jurisdictions, m.Compatibility.Models = sortedSet(c.Jurisdiction), sortedSet(c.Model)
	m.Compatibility.Reads, m.Compatibility.Writes = slices.Compact(slices.Sorted(slices.Values(c.Reads))), c.Writes
	for _, h := range sortedSet(c.Hardware) {
		m.Compatibility.Hardware = append(m.Compatibility.Hardware, manifest.Identity(h))
	}
	if m.Compatibility.Platforms = sortedSet(c.Platform); len(c.Platform) == 0 {
		m.Compatibility.Platforms = []string{release.Platform()}
	}
	plan.Builder = c.Builder
	if m.Approved, err = c.approved(); err != nil {
		return plan, err
	}
	plan.Sources, err = c.sources()
	return plan, err
}

// approved is the release that --unchanged names; nil without it.
func (c releaseBuild) approved() (*manifest.Approved, error) {
	if c.Unchanged == "" {
		return nil, nil
	}
	dir, identity := filepath.Dir(c.Unchanged), filepath.Base(c.Unchanged)
	all, err := release.InspectPublished(dir, nil)
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		if string(i.Manifest.Identity) != identity {
			continue
		}
		repo, err := release.OpenRepository(dir)
		if err != nil {
			return nil, err
		}
		return repo.Approved(i.Digest)
	}
	return nil, fmt.Errorf("--unchanged: %s has no release %s", dir, identity)
}

func sortedSet(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// sources are the files, with what they are.
func (c releaseBuild) sources() (out []release.Source, err error) {
	for _, f := range c.Files {
		if p, file, ok := strings.Cut(f, "="); ok {
			out = append(out, release.Source{Path: p, File: file})
			continue
		}
		below, err := slotFiles(f)
		if err != nil {
			return nil, err
		}
		out = append(out, below...)
	}
	for i := range out {
		if err := c.describe(&out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func slotFiles(dir string) (out []release.Source, err error) {
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is not a plain file", name)
		}
		rel, err := filepath.Rel(dir, name)
		out = append(out, release.Source{Path: filepath.ToSlash(rel), File: name})
		return err
	})
	return out, err
}

// describe finds kind, mode and earlier versions of a component.
func (c releaseBuild) describe(s *release.Source) error {
	s.Kind = kindOf(s.Path)
	if k, ok := c.Kind[s.Path]; ok {
		s.Kind = manifest.Kind(k)
	}
	if s.Kind == manifest.Program || s.Kind == manifest.Launcher {
		s.Mode = 0o755
	}
	for _, dir := range c.From {
		old, err := release.OpenRelease(dir, nil)
		if err != nil {
			return err
		}
		for _, o := range old.Draft.Components {
			if file := filepath.Join(dir, "components", o.Name); o.Path == s.Path {
				if _, err := os.Stat(file); err != nil {
					return err
				}
				s.Old = append(s.Old, file)
			}
		}
	}
	return nil
}

// kindOf is what a path says of its file.
func kindOf(p string) manifest.Kind {
	switch {
	case strings.HasPrefix(p, "data/") && slices.Contains([]string{".html", ".js", ".css"}, filepath.Ext(p)):
		return manifest.Page
	case strings.HasPrefix(p, "data/"):
		return manifest.Data
	case filepath.Base(p) == "plomb-boot":
		return manifest.Launcher
	case filepath.Ext(p) == ".raucb":
		return manifest.Image
	}
	return manifest.Program
}
