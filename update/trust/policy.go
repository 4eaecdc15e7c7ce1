package trust

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/update/manifest"
)

// PolicyFormat is the version of the trust policy that this package reads.
const PolicyFormat = "plomb-trust-policy/1"

// Policy says whom a device believes. It holds the boot policy, which says who has
// to sign what, and the first roots of the parties' repositories, the release log
// and its witnesses, and how old metadata may be:
//
//	{"format":"plomb-trust-policy/1","serial":1,
//	 "boot":{…},
//	 "maker":{"name":"maker","root":"SHA-256","rootThreshold":2,"targetsThreshold":2},
//	 "bodies":[{"name":"ptb","root":"SHA-256","rootThreshold":2,"targetsThreshold":1}],
//	 "log":"log …\nwitness …\nquorum …\n",
//	 "freshness":{"warn":"168h","stop":"720h"}}
type Policy struct {
	Format    string         `json:"format"`
	Serial    uint64         `json:"serial"` // from 1
	BootText  jsontext.Value `json:"boot"`
	Maker     Repository     `json:"maker"`
	Bodies    []Repository   `json:"bodies,omitempty"`
	LogText   string         `json:"log"` // c2sp.org/tlog-policy
	Freshness struct {
		Warn string `json:"warn"` // duration before expiry
		Stop string `json:"stop"` // duration after expiry from when on nothing is sold; or "never"
	} `json:"freshness"`

	boot *manifest.Policy
	log  *proof.Policy
	warn time.Duration
	stop time.Duration // negative: never
}

// ParsePolicy reads a trust policy strictly: an unknown or repeated member, a
// threshold below 1, a party of the boot policy without a repository or a
// repository without a party refuses the whole. Errors wrap ErrPolicy.
func ParsePolicy(data []byte) (*Policy, error) {
	if len(data) > manifest.MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrPolicy, len(data))
	}
	p := new(Policy)
	if err := json.Unmarshal(data, p, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	if err := p.prepare(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	return p, nil
}

func (p *Policy) prepare() (err error) {
	if p.Format != PolicyFormat || p.Serial == 0 {
		return fmt.Errorf("format %q or serial %d", p.Format, p.Serial)
	}
	if p.boot, err = manifest.ParsePolicy(p.BootText); err != nil {
		return err
	}
	if p.log, err = proof.ParsePolicy([]byte(p.LogText)); err != nil {
		return err
	}
	if len(p.log.LogKeys()) == 0 {
		return fmt.Errorf("no release log")
	}
	if err := p.checkRepositories(); err != nil {
		return err
	}
	return p.parseFreshness()
}

func (p *Policy) checkRepositories() error {
	if p.Maker.Name != p.boot.Maker.Name || len(p.Bodies) != len(p.boot.Bodies) {
		return fmt.Errorf("repositories of %q and %d bodies, the boot policy has %q and %d", p.Maker.Name, len(p.Bodies), p.boot.Maker.Name, len(p.boot.Bodies))
	}
	for i, b := range p.Bodies {
		if b.Name != p.boot.Bodies[i].Name {
			return fmt.Errorf("body %q stands where the boot policy has %q", b.Name, p.boot.Bodies[i].Name)
		}
	}
	roots := map[manifest.Digest]bool{}
	for _, r := range p.Repositories() {
		switch {
		case !isPartyName(r.Name):
			return fmt.Errorf("%q cannot name a repository", r.Name)
		case r.RootThreshold < 1 || r.TargetsThreshold < 1:
			return fmt.Errorf("thresholds %d and %d of %q", r.RootThreshold, r.TargetsThreshold, r.Name)
		case roots[r.Root] || r.Root == manifest.Digest{}:
			return fmt.Errorf("the root of %q is missing or stands twice", r.Name)
		}
		roots[r.Root] = true
	}
	return nil
}

func (p *Policy) parseFreshness() (err error) {
	if p.warn, err = time.ParseDuration(p.Freshness.Warn); err != nil || p.warn < 0 {
		return fmt.Errorf("freshness: warn %q", p.Freshness.Warn)
	}
	if p.Freshness.Stop == "never" {
		p.stop = -1
		return nil
	}
	if p.stop, err = time.ParseDuration(p.Freshness.Stop); err != nil || p.stop < 0 {
		return fmt.Errorf("freshness: stop %q", p.Freshness.Stop)
	}
	return nil
}

// Boot is the boot policy inside.
func (p *Policy) Boot() *manifest.Policy { return p.boot }

// Age says how old metadata may be: warn is before they expire, stop after it from
// when on nothing is sold; stops is false when that never comes.
func (p *Policy) Age() (warn, stop time.Duration, stops bool) { return p.warn, p.stop, p.stop >= 0 }

// Log is the policy of the release log inside, for releaselog.Check.
func (p *Policy) Log() *proof.Policy { return p.log }

// Repositories are the maker's, then the bodies'.
func (p *Policy) Repositories() []Repository {
	return append([]Repository{p.Maker}, p.Bodies...)
}

// Folder is where a repository lies in a source's tree.
func (p *Policy) Folder(r Repository) string {
	if r.Name == p.Maker.Name {
		return "maker/" + r.Name
	}
	return "authority/" + r.Name
}

// noteKeys are the bytes of the Ed25519 keys that sign notes.
func (p *Policy) noteKeys() map[string]string {
	out := map[string]string{}
	add := func(s manifest.Signers) {
		for _, text := range s.Keys {
			parts := strings.SplitN(text, "+", 3) // name, hash, algorithm and key
			if raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1]); err == nil && len(raw) > 1 {
				out[string(raw[1:])] = "the notes of " + s.Name
			}
		}
	}
	add(p.boot.Maker)
	for _, b := range p.boot.Bodies {
		add(b.Signers)
	}
	return out
}

// isPartyName: a name that is a folder's name everywhere.
func isPartyName(s string) bool {
	return s != "" && len(s) <= 64 && s[0] != '-' && s[0] != '.' && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.'
	})
}
