package release

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/update/manifest"
)

// hardwareStep is the entry of a hardware version in the maker's register.
const hardwareStep = "hardware"

func (o *Office) knowsHardware(own *record, m *manifest.Manifest) error {
	for _, h := range m.Compatibility.Hardware {
		if !own.has(hardwareStep, string(h)) {
			return fmt.Errorf("hardware %s is not registered: %w", h, ErrReports)
		}
	}
	return nil
}

// RegisterHardware registers a hardware version with its reports (requirement FM-19)
// and puts it into the maker's repository. Reports are bound by hash; keep them.
func (o *Office) RegisterHardware(identity manifest.Identity, reports []manifest.Report, now time.Time) error {
	if o.Card.Party != Maker {
		return fmt.Errorf("register hardware: %w", ErrParty)
	}
	err := o.do("register hardware "+string(identity), now, nil, func(now time.Time) error {
		return o.whole(func() error { return o.registerHardware(identity, reports, now) })
	})
	if err != nil {
		return fmt.Errorf("register hardware: %w", err)
	}
	return nil
}

func (o *Office) registerHardware(identity manifest.Identity, reports []manifest.Report, now time.Time) error {
	h := &manifest.Hardware{Format: manifest.HardwareFormat, Identity: identity, Registered: now.UTC().Truncate(time.Second), Reports: reports}
	text, err := manifest.EncodeDocument(h)
	if err != nil {
		return err
	}
	own, err := o.own()
	if err != nil {
		return err
	}
	if own.has(hardwareStep, string(identity)) {
		return fmt.Errorf("%s %w", identity, ErrExists)
	}
	if err := o.add(now, map[string][]byte{"hardware/" + string(identity): text}); err != nil {
		return err
	}
	return o.enter(Entry{At: now, Step: hardwareStep, Subject: string(identity), Digests: []digestName{{"hardware", manifest.Sum(text)}}})
}

// Hardware are the versions that the office registered, in the order of their names.
func (o *Office) Hardware() ([]manifest.Hardware, error) {
	t, err := readTree(o.fsys, o.path("metadata"))
	if err != nil {
		return nil, fmt.Errorf("list hardware: %w", err)
	}
	list, err := t.hardware(func(name string) ([]byte, error) { return t.target(o.fsys, o.path("targets"), name) })
	if err != nil {
		return nil, fmt.Errorf("list hardware: %w", err)
	}
	return list, nil
}

// Hardware are the versions in a repository. Its metadata are checked against its own
// newest root, which proves nothing of who made them: a device asks package trust.
func (p *Repository) Hardware() (out []manifest.Hardware, err error) {
	makers, err := p.fsys.ReadDir(p.path(string(Maker)))
	if err != nil {
		return nil, fmt.Errorf("list hardware: %w", err)
	}
	for _, name := range makers {
		t, err := readTree(p.fsys, p.path(p.treeDir(Maker, name)))
		if err != nil {
			return nil, fmt.Errorf("list hardware: %s: %w", name, err)
		}
		list, err := t.hardware(func(target string) ([]byte, error) { return t.target(p.fsys, p.path("targets"), target) })
		if err != nil {
			return nil, fmt.Errorf("list hardware: %s: %w", name, err)
		}
		out = append(out, list...)
	}
	slices.SortFunc(out, func(a, b manifest.Hardware) int { return strings.Compare(string(a.Identity), string(b.Identity)) })
	return out, nil
}

func (t *tree) hardware(read func(name string) ([]byte, error)) (out []manifest.Hardware, err error) {
	for _, name := range t.names("hardware") {
		text, err := read(name)
		if err != nil {
			return nil, err
		}
		var h manifest.Hardware
		if err := manifest.ParseDocument(text, &h); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, h)
	}
	return out, nil
}
