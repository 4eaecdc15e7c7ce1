package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/update/release"
)

type releaseInspect struct {
	Path    string `arg:"" type:"path" help:"A release's folder, a repository, or a bundle."`
	Parties string `type:"path" help:"Your own copy of the parties file; without it nothing is said of who signed, only who claims to."`
	JSON    bool   `name:"json" help:"One line of JSON a release."`
}

// Help says what is checked.
func (releaseInspect) Help() string {
	return `Shows manifest, reports, packs, signers and steps. A release's folder and a bundle are
read and checked whole; a repository's manifests are checked, its packs are not read.`
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
	fmt.Fprintf(t, "identity\t%s\nscope\t%s %d\nstate\t%s\nmanifest\t%s\nlegal\t%t\ncertificate\t%s\njurisdictions\t%s\nplatforms\t%s\n",
		m.Identity, m.Scope, m.Counter, i.State, i.Digest, m.Legal, m.Certificate, strings.Join(m.Jurisdictions, " "), strings.Join(m.Compatibility.Platforms, " "))
	fmt.Fprintf(t, "signed by\t%s\nsignatures\t%s\n", signedBy(c.Parties, i.Signed), strings.Join(i.Claimed, " "))
	for _, k := range m.Components {
		fmt.Fprintf(t, "component\t%s  %s  %d bytes  %s\n", k.Path, k.Kind, k.Length, k.SHA256)
		for _, p := range k.Packs {
			fmt.Fprintf(t, "  pack\t%d bytes  %s  %s\n", p.Bytes, packFrom(p.From != nil, fmt.Sprint(p.From)), p.SHA256)
		}
	}
	for _, r := range m.Reports {
		fmt.Fprintf(t, "report\t%s  %s  %s\n", r.Kind, r.SHA256, r.Name)
	}
	for _, e := range i.Steps {
		fmt.Fprintf(t, "step\t%s  %s  %s  %s\n", e.At.Format("2006-01-02 15:04:05"), e.Step, e.By, e.Subject)
	}
	return t.Flush()
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
