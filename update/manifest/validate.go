package manifest

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Validate says what is wrong with a manifest, the first thing found.
func (m *Manifest) Validate() error {
	if m.Format != Format {
		return fmt.Errorf("%w: format %q, not %q", ErrFormat, m.Format, Format)
	}
	for _, check := range []func() error{
		m.checkNames, m.checkComponents, m.checkLegal, m.checkCompatibility, m.checkConsent, m.checkReports, m.checkApproved,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (m *Manifest) checkNames() error {
	if err := m.Identity.Validate(); err != nil {
		return err
	}
	for _, i := range m.Supersedes {
		if err := i.Validate(); err != nil {
			return err
		}
	}
	switch {
	case m.Identity.Hardware():
		return fmt.Errorf("%w: %s is the identity of hardware", ErrFormat, m.Identity)
	case m.Scope != Application && m.Scope != Platform:
		return fmt.Errorf("%w: unknown scope %q", ErrFormat, m.Scope)
	case m.Counter == 0 || m.Counter > 1<<53:
		return fmt.Errorf("%w: counter %d is not between 1 and 2^53", ErrFormat, m.Counter)
	case m.Floor > m.Counter:
		return fmt.Errorf("%w: floor %d above its own counter %d", ErrFormat, m.Floor, m.Counter)
	case m.Issued.Location() != time.UTC || m.Issued.Nanosecond() != 0 || m.Issued.Year() < 2000 || m.Issued.Year() > 9999:
		return fmt.Errorf("%w: issued %v is not a whole second in UTC from 2000 on", ErrFormat, m.Issued)
	case !sortedSet(m.Supersedes):
		return fmt.Errorf("%w: supersedes is not in order or names one twice", ErrFormat)
	}
	return nil
}

// sortedSet is the one order of a list whose order means nothing.
func sortedSet[T ~string](list []T) bool {
	for i := 1; i < len(list); i++ {
		if list[i-1] >= list[i] {
			return false
		}
	}
	return true
}

func (m *Manifest) checkComponents() error {
	if n := len(m.Components); n == 0 || n > MaxComponents {
		return fmt.Errorf("%w: %d components are not between 1 and %d", ErrFormat, n, MaxComponents)
	}
	names, paths := map[string]bool{}, map[string]bool{}
	for i := range m.Components {
		c := &m.Components[i]
		if err := c.validate(); err != nil {
			return fmt.Errorf("%w: component %q: %w", ErrFormat, c.Name, err)
		}
		if c.Kind == Image && m.Scope != Platform {
			return fmt.Errorf("%w: component %q: an image belongs to a platform, not to an %s", ErrFormat, c.Name, m.Scope)
		}
		folded := strings.ToLower(c.Path) // two files on some systems, one on others
		if names[c.Name] || paths[folded] {
			return fmt.Errorf("%w: component %q stands twice, or its path %q", ErrFormat, c.Name, c.Path)
		}
		names[c.Name], paths[folded] = true, true
	}
	return noneInside(paths)
}

// noneInside refuses a path that is also the folder of another.
func noneInside(paths map[string]bool) error {
	for p := range paths {
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			if paths[dir] {
				return fmt.Errorf("%w: path %q is a file and a folder", ErrFormat, dir)
			}
		}
	}
	return nil
}

var kinds = []Kind{Program, Launcher, BootPolicy, Anchors, Profile, Image, Page, Data}

func (c *Component) validate() error {
	switch {
	case !validName(c.Name):
		return fmt.Errorf("a name has 1 to 64 lower-case letters, digits and '-'")
	case !slices.Contains(kinds, c.Kind):
		return fmt.Errorf("unknown kind %q", c.Kind)
	case !ValidPath(c.Path):
		return fmt.Errorf("path %q is not a plain path below the slot", c.Path)
	case c.Mode&^uint32(fs.ModePerm) != 0:
		return fmt.Errorf("mode %o has more than permission bits", c.Mode)
	case c.Length < 1 || c.Length > 1<<40:
		return fmt.Errorf("length %d is not between 1 and 2^40", c.Length)
	case c.mustBeLegal() && !c.Legal:
		return fmt.Errorf("a %s at %q is legally relevant and says that it is not", c.Kind, c.Path)
	}
	return c.checkPacks()
}

func validName(s string) bool {
	if len(s) < 1 || len(s) > 64 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}

// reserved are the files of a slot that are no component.
var reserved = []string{"manifest.json", "manifest.note", "log.proof"}

// ValidPath reports whether a component may lie at p below its slot: a clean
// relative path of letters, digits, '.', '_', '-', without hidden or reserved
// names.
func ValidPath(p string) bool {
	if len(p) == 0 || len(p) > 200 || path.Clean(p) != p || path.IsAbs(p) || slices.Contains(reserved, strings.ToLower(p)) {
		return false
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || part[0] == '.' || part[len(part)-1] == '.' {
			return false
		}
	}
	return !strings.ContainsFunc(p, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-/", r)
	})
}

// dataDir is where software that is not legally relevant lies.
const dataDir = "data/"

// mustBeLegal says what the component is, whatever it says of itself.
func (c *Component) mustBeLegal() bool {
	if c.Kind != Page && c.Kind != Data {
		return true
	}
	return !strings.HasPrefix(c.Path, dataDir)
}

func (c *Component) checkPacks() error {
	if len(c.Packs) > MaxPacks {
		return fmt.Errorf("%d packs are more than %d", len(c.Packs), MaxPacks)
	}
	from := map[Digest]bool{}
	for _, p := range c.Packs {
		var key Digest // all zero: whole; no file has that hash
		if p.From != nil {
			key = *p.From
		}
		if from[key] {
			return fmt.Errorf("two packs against %s", key)
		}
		// A delta of a component that lies in the old one whole has no bytes.
		if from[key] = true; p.Bytes < 0 || (p.Bytes == 0 && p.From == nil) || p.Bytes > 1<<41 {
			return fmt.Errorf("a pack of %d bytes", p.Bytes)
		}
	}
	return nil
}

func (m *Manifest) checkLegal() error {
	legal := false
	for _, c := range m.Components {
		legal = legal || c.Legal
	}
	switch {
	case legal != m.Legal:
		return fmt.Errorf("%w: legal is %t, but of its components %t", ErrFormat, m.Legal, legal)
	case legal && (m.Certificate == "" || len(m.Jurisdictions) == 0):
		return fmt.Errorf("%w: a legally relevant release names its certificate and jurisdictions", ErrFormat)
	case !printable(m.Certificate, 128):
		return fmt.Errorf("%w: certificate %q", ErrFormat, m.Certificate)
	case !sortedSet(m.Jurisdictions) || slices.ContainsFunc(m.Jurisdictions, notCountry):
		return fmt.Errorf("%w: jurisdictions are not country codes in order", ErrFormat)
	}
	return nil
}

func notCountry(s string) bool {
	return len(s) != 2 || s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z'
}

func printable(s string, most int) bool {
	return len(s) <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func (m *Manifest) checkCompatibility() error {
	c := m.Compatibility
	for _, h := range c.Hardware {
		if err := h.Validate(); err != nil {
			return err
		}
		if !h.Hardware() {
			return fmt.Errorf("%w: %s is the identity of software", ErrFormat, h)
		}
	}
	switch {
	case len(c.Platforms) == 0 || !sortedSet(c.Platforms) || slices.ContainsFunc(c.Platforms, notPlatform):
		return fmt.Errorf("%w: platforms are one or more of GOOS/GOARCH, in order", ErrFormat)
	case !sortedSet(c.Models) || slices.ContainsFunc(c.Models, func(s string) bool { return len(s) != 3 || !printable(s, 3) }):
		return fmt.Errorf("%w: models have three characters and stand in order", ErrFormat)
	case !sortedSet(c.Hardware):
		return fmt.Errorf("%w: hardware identities do not stand in order", ErrFormat)
	case c.From >= m.Counter:
		return fmt.Errorf("%w: it can be installed over counter %d only, and is %d itself", ErrFormat, c.From, m.Counter)
	case !slices.IsSorted(c.Reads) || c.Writes < 0 || slices.ContainsFunc(c.Reads, func(v int) bool { return v < 1 }):
		return fmt.Errorf("%w: journal formats are numbers from 1, in order", ErrFormat)
	}
	return checkPeers(c.Peers)
}

func notPlatform(s string) bool {
	system, machine, ok := strings.Cut(s, "/")
	return !ok || !validName(system) || !validName(machine)
}

func checkPeers(peers []Peer) error {
	for i, p := range peers {
		if !validName(p.Name) || (i > 0 && peers[i-1].Name >= p.Name) {
			return fmt.Errorf("%w: peers stand in order of their names", ErrFormat)
		}
	}
	return nil
}

func (m *Manifest) checkConsent() error {
	for i, t := range m.Consent {
		if len(t.Language) < 2 || !printable(t.Language, 16) || (i > 0 && m.Consent[i-1].Language >= t.Language) {
			return fmt.Errorf("%w: consent texts stand in order of their languages", ErrFormat)
		}
		if t.Text == "" || len(t.Text) > MaxText || !utf8.ValidString(t.Text) {
			return fmt.Errorf("%w: a consent text has 1 to %d bytes", ErrFormat, MaxText)
		}
	}
	for _, name := range m.Tests {
		if !validName(name) {
			return fmt.Errorf("%w: self-test %q", ErrFormat, name)
		}
	}
	return nil
}

func (m *Manifest) checkReports() error {
	for _, r := range m.Reports {
		if !validName(r.Kind) || r.Name == "" || !printable(r.Name, 200) {
			return fmt.Errorf("%w: report %q of kind %q", ErrFormat, r.Name, r.Kind)
		}
	}
	return nil
}
