package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
)

type releaseInspect struct {
	Path    string `arg:"" type:"path" help:"A release's folder, a repository, or a bundle."`
	Parties string `type:"path" help:"Your own copy of the parties file; without it nothing is said of who signed, only who claims to."`
	JSON    bool   `name:"json" help:"One line of JSON a release."`
}

// Help says what is checked.
func (releaseInspect) Help() string {
	return `Shows all that the manifest says, packs, signers and steps, and what the bill of materials
and the provenance say where they are there: in a release's folder, and in a bundle that
was made with --origin. A release's folder and a bundle are read and checked whole; a
repository's manifests are checked, its packs are not read.`
}

func (c releaseInspect) Run(s streams) error {
	list, err := c.inspect()
	if err != nil {
		return err
	}
	for _, i := range list {
		if err := c.show(s.Out, i); err != nil {
			return err
		}
	}
	return nil
}

func (c releaseInspect) inspect() (list []*release.Inspection, err error) {
	var p *release.Parties
	if c.Parties != "" {
		if p, err = readParties(c.Parties); err != nil {
			return nil, err
		}
	}
	if _, err := os.Stat(filepath.Join(c.Path, "record")); err == nil {
		one, err := release.Inspect(c.Path, p)
		return []*release.Inspection{one}, err
	}
	if info, err := os.Stat(c.Path); err == nil && info.IsDir() {
		return release.InspectPublished(c.Path, p)
	}
	f, err := os.Open(c.Path)
	if err != nil {
		return nil, usageError{err}
	}
	defer f.Close()
	return release.InspectBundle(f, p)
}

func (c releaseInspect) show(w io.Writer, i *release.Inspection) error {
	if c.JSON {
		text, err := json.Marshal(i)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", text)
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	m := i.Manifest
	fmt.Fprintf(t, "identity\t%s\nscope\t%s %d\nfloor\t%d\nstate\t%s\nmanifest\t%s\nissued\t%s\nlegal\t%t\ncertificate\t%s\njurisdictions\t%s\n",
		m.Identity, m.Scope, m.Counter, m.Lowest(), i.State, i.Digest, m.Issued.Format("2006-01-02 15:04:05"), m.Legal, m.Certificate, strings.Join(m.Jurisdictions, " "))
	if base, digest := m.Base(); base != nil {
		fmt.Fprintf(t, "legal part\tthat of %s, unchanged  %s\n", base.Identity, digest)
	}
	showCompatibility(t, m.Compatibility)
	fmt.Fprintf(t, "signed by\t%s\nsignatures\t%s\n", signedBy(c.Parties, i.Signed), strings.Join(i.Claimed, " "))
	for _, k := range m.Components {
		showComponent(t, k)
	}
	for _, x := range m.Consent {
		fmt.Fprintf(t, "consent\t%s  %s\n", x.Language, strings.Join(strings.Fields(x.Text), " "))
	}
	fmt.Fprintf(t, "self-tests\t%s\n", strings.Join(m.Tests, " "))
	for _, x := range m.Supersedes {
		fmt.Fprintf(t, "supersedes\t%s\n", x)
	}
	for _, r := range m.Reports {
		fmt.Fprintf(t, "report\t%s  %s  %s\n", r.Kind, r.SHA256, r.Name)
	}
	showOrigin(t, i.Origin)
	for _, e := range i.Steps {
		fmt.Fprintf(t, "step\t%s  %s  %s  %s\n", e.At.Format("2006-01-02 15:04:05"), e.Step, e.By, e.Subject)
	}
	return t.Flush()
}

// showCompatibility says where a release may be installed; what is open is said too.
func showCompatibility(t io.Writer, k manifest.Compatibility) {
	fmt.Fprintf(t, "platforms\t%s\nmodels\t%s\nhardware\t%s\n", strings.Join(k.Platforms, " "), anyOf(k.Models), anyOf(k.Hardware))
	if k.From != 0 {
		fmt.Fprintf(t, "installs over\tcounter %d and later\n", k.From)
	}
	fmt.Fprintf(t, "journal\treads formats %s, writes %d\n", anyOf(k.Reads), k.Writes)
	for _, p := range k.Peers {
		fmt.Fprintf(t, "needs\t%s, counter %d and later\n", p.Name, p.Counter)
	}
}

func anyOf[T any](list []T) string {
	if len(list) == 0 {
		return "any"
	}
	return strings.Trim(fmt.Sprint(list), "[]")
}

func showComponent(t io.Writer, k manifest.Component) {
	legal := ""
	if k.Legal {
		legal = "  legally relevant"
	}
	fmt.Fprintf(t, "component\t%s  %s  %d bytes  %s%s\n  frames\t%d  root %s\n", k.Path, k.Kind, k.Length, k.SHA256, legal, manifest.Frames(k.Length), k.Root)
	for _, p := range k.Packs {
		fmt.Fprintf(t, "  pack\t%d bytes  %s  %s  table %s\n", p.Bytes, packFrom(p.From != nil, fmt.Sprint(p.From)), p.SHA256, p.Table)
	}
}

// showOrigin says of what a release was built, where its papers are there.
func showOrigin(t io.Writer, o *release.Origin) {
	if o == nil {
		fmt.Fprintf(t, "origin\tbill of materials and provenance are not here, only their digests\n")
		return
	}
	fmt.Fprintf(t, "built by\t%s\n", o.Builder)
	for _, name := range slices.Sorted(maps.Keys(o.Settings)) {
		fmt.Fprintf(t, "setting\t%s=%s\n", name, o.Settings[name])
	}
	for _, m := range o.Modules {
		fmt.Fprintf(t, "made of\t%s\n", m)
	}
}

func signedBy(parties string, names []string) string {
	if parties == "" {
		return "not checked: name your parties file with --parties"
	}
	return strings.Join(names, ", ")
}

func packFrom(delta bool, from string) string {
	if delta {
		return "from " + from
	}
	return "whole"
}
