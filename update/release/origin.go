package release

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/manifest"
)

// billOfMaterials lists the components and, of those that are Go programs, the
// modules that their build recorded: CycloneDX 1.6. It depends on the components
// alone, so a reproduced build has the same.
func (r *Release) billOfMaterials() ([]byte, error) {
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &cdx.Component{Type: cdx.ComponentTypeApplication, BOMRef: "release",
		Name: r.Draft.Identity.Model(), Version: string(r.Draft.Identity), Publisher: r.Draft.Identity.Company()}}
	var list []cdx.Component
	for _, c := range r.Draft.Components {
		list = append(list, r.bomComponent(&c))
	}
	bom.Components = &list
	var out bytes.Buffer
	enc := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON)
	enc.SetPretty(true)
	if err := enc.EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return nil, fmt.Errorf("bill of materials: %w", err)
	}
	return out.Bytes(), nil
}

func (r *Release) bomComponent(c *manifest.Component) cdx.Component {
	out := cdx.Component{Type: cdx.ComponentTypeFile, BOMRef: c.Name, Name: c.Path, Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: c.SHA256.String()}}}
	info := r.buildInfo(c)
	if info == nil {
		return out
	}
	out.Type = cdx.ComponentTypeApplication
	out.Version = info.Main.Version
	modules := []cdx.Component{{Type: cdx.ComponentTypePlatform, BOMRef: c.Name + "/go", Name: "go", Version: strings.TrimPrefix(info.GoVersion, "go")}}
	for _, d := range info.Deps {
		modules = append(modules, bomModule(c.Name, d))
	}
	out.Components = &modules
	return out
}

func bomModule(component string, d *debug.Module) cdx.Component {
	if d.Replace != nil {
		d = d.Replace
	}
	purl := "pkg:golang/" + strings.ToLower(d.Path) + "@" + d.Version
	out := cdx.Component{Type: cdx.ComponentTypeLibrary, BOMRef: component + "/" + purl, Name: d.Path, Version: d.Version, PackageURL: purl}
	if d.Sum != "" {
		out.Properties = &[]cdx.Property{{Name: "go:sum", Value: d.Sum}}
	}
	return out
}

// buildInfo is what a Go program says of its build; nil for anything else.
func (r *Release) buildInfo(c *manifest.Component) *debug.BuildInfo {
	f, err := os.Open(r.path("components", c.Name))
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := buildinfo.Read(f)
	if err != nil {
		return nil
	}
	return info
}

// The in-toto statement (in-toto.io/Statement/v1) with SLSA provenance
// (slsa.dev/provenance/v1).
type statement struct {
	Type          string     `json:"_type"`
	Subject       []resource `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     predicate  `json:"predicate"`
}

type resource struct {
	Name   string            `json:"name,omitempty"`
	URI    string            `json:"uri,omitempty"`
	Digest map[string]string `json:"digest,omitempty"`
}

type predicate struct {
	BuildDefinition struct {
		BuildType            string            `json:"buildType"`
		ExternalParameters   map[string]string `json:"externalParameters"`
		InternalParameters   map[string]string `json:"internalParameters,omitempty"`
		ResolvedDependencies []resource        `json:"resolvedDependencies,omitempty"`
	} `json:"buildDefinition"`
	RunDetails struct {
		Builder struct {
			ID string `json:"id"`
		} `json:"builder"`
	} `json:"runDetails"`
}

// provenance says out of what the components were built, as far as they know.
func (r *Release) provenance(builder string) ([]byte, error) {
	s := statement{Type: "https://in-toto.io/Statement/v1", PredicateType: "https://slsa.dev/provenance/v1"}
	d := &s.Predicate.BuildDefinition
	d.BuildType = "https://github.com/plomb-pos/plomb/release/1"
	d.ExternalParameters = map[string]string{"identity": string(r.Draft.Identity), "scope": string(r.Draft.Scope)}
	d.InternalParameters = map[string]string{}
	s.Predicate.RunDetails.Builder.ID = builder
	for _, c := range r.Draft.Components {
		s.Subject = append(s.Subject, resource{Name: c.Path, Digest: map[string]string{"sha256": c.SHA256.String()}})
		if info := r.buildInfo(&c); info != nil {
			addOrigin(d.InternalParameters, &d.ResolvedDependencies, c.Name, info)
		}
	}
	text, err := json.Marshal(s, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("provenance: %w", err)
	}
	return append(text, '\n'), nil
}

// addOrigin adds compiler, settings and modules of one program.
func addOrigin(settings map[string]string, deps *[]resource, name string, info *debug.BuildInfo) {
	settings[name+"/go"] = info.GoVersion
	for _, s := range info.Settings {
		settings[name+"/"+s.Key] = s.Value
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		uri := "pkg:golang/" + strings.ToLower(m.Path) + "@" + m.Version
		if !slices.ContainsFunc(*deps, func(d resource) bool { return d.URI == uri }) {
			*deps = append(*deps, resource{URI: uri})
		}
	}
}

// Origin is what bill of materials and provenance say.
type Origin struct {
	Builder  string            `json:"builder,omitempty"`  // who or what built
	Settings map[string]string `json:"settings,omitempty"` // of the compiler, by component/setting
	Modules  []string          `json:"modules,omitempty"`  // package URLs, sorted
}

// isOrigin reports whether a report is one of the two.
func isOrigin(r manifest.Report) bool { return r.Kind == "bom" || r.Kind == "provenance" }

// maxOrigin bounds such a report, in bytes.
const maxOrigin = 16 << 20

// readOrigin reads them out of a folder of reports; nil where none is there. One that is
// not what the manifest names is ErrTampered.
func readOrigin(fsys durable.FS, dir string, m *manifest.Manifest) (*Origin, error) {
	var out *Origin
	for _, x := range m.Reports {
		text, err := durable.ReadFile(fsys, path.Join(dir, x.SHA256.String()), maxOrigin)
		if !isOrigin(x) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && manifest.Sum(text) != x.SHA256 {
			err = ErrTampered
		}
		if out == nil {
			out = new(Origin)
		}
		if err != nil {
			return nil, fmt.Errorf("report %s: %w", x.Name, err)
		}
		out.read(x.Kind, text)
	}
	return out, nil
}

// read takes what it can: a party may attach papers in other formats.
func (o *Origin) read(kind string, text []byte) {
	var bom cdx.BOM
	var s statement
	switch {
	case kind == "bom" && cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&bom) == nil:
		o.add(bom.Components)
		slices.Sort(o.Modules)
		o.Modules = slices.Compact(o.Modules)
	case kind == "provenance" && json.Unmarshal(text, &s) == nil:
		o.Builder, o.Settings = s.Predicate.RunDetails.Builder.ID, s.Predicate.BuildDefinition.InternalParameters
	}
}

// add takes the packages of components, and of what they are made of.
func (o *Origin) add(list *[]cdx.Component) {
	if list == nil {
		return
	}
	for _, c := range *list {
		if c.PackageURL != "" {
			o.Modules = append(o.Modules, c.PackageURL)
		}
		o.add(c.Components)
	}
}
