package release

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/update/keeper"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/trust"
)

const partiesFormat = "plomb-parties/1"

// Parties says who takes part in releases and with which keys. Every office should
// have its own copy, from the others' hands: what a release's folder says of itself
// proves nothing.
type Parties struct {
	Format   string           `json:"format"`
	Boot     jsontext.Value   `json:"boot"` // the boot policy: maker and bodies
	Deployer manifest.Signers `json:"deployer"`
	Custody  []byte           `json:"custody"` // the deployer's key for content keys
	Log      string           `json:"log"`     // verifier key of the log of releases
	Witness  []string         `json:"witness,omitempty"`

	policy *manifest.Policy
}

// NewParties puts the cards together; serial is that of the boot policy, which has to
// rise with every change. Without an authority legally relevant releases need the
// maker alone, where no law asks for more.
func NewParties(serial uint64, maker, deployer Card, authorities ...Card) (*Parties, error) {
	boot := manifest.Policy{Format: manifest.PolicyFormat, Serial: serial, Legal: manifest.MakerOnly}
	p := &Parties{Format: partiesFormat}
	var err error
	if boot.Maker, err = maker.signers(roleNote); err != nil {
		return nil, err
	}
	if p.Deployer, err = deployer.signers(roleCampaign); err != nil {
		return nil, err
	}
	if p.Log, err = maker.logKey(); err != nil {
		return nil, err
	}
	if p.Custody, err = deployer.custodyKey(); err != nil {
		return nil, err
	}
	for _, a := range authorities {
		if err := p.addBody(&boot, a); err != nil {
			return nil, err
		}
	}
	if p.Boot, err = json.Marshal(boot); err != nil {
		return nil, err
	}
	return p, p.prepare()
}

func (c *Card) custodyKey() ([]byte, error) {
	r := c.role(roleCustody)
	if r == nil {
		return nil, fmt.Errorf("%w: %s %s has no custody of content keys", ErrParty, c.Party, c.Name)
	}
	k, _ := c.key(r.Keys[0])
	return k.Public, nil
}

func (p *Parties) addBody(boot *manifest.Policy, a Card) error {
	signers, err := a.signers(roleNote)
	if err != nil {
		return err
	}
	witness, err := a.witnessKey()
	if err != nil {
		return err
	}
	boot.Legal = manifest.EveryBody
	boot.Bodies = append(boot.Bodies, manifest.Body{Signers: signers, Jurisdictions: a.Jurisdictions})
	p.Witness = append(p.Witness, witness)
	return nil
}

// ParseParties reads a parties file, strictly.
func ParseParties(text []byte) (*Parties, error) {
	p := new(Parties)
	if err := json.Unmarshal(text, p, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("parties: %w: %w", ErrFormat, err)
	}
	if err := p.prepare(); err != nil {
		return nil, fmt.Errorf("parties: %w", err)
	}
	return p, nil
}

// prepare checks the parties and refuses keys that stand under two of them.
func (p *Parties) prepare() (err error) {
	if p.Format != partiesFormat {
		return fmt.Errorf("%w: format %q, not %q", ErrFormat, p.Format, partiesFormat)
	}
	if p.policy, err = manifest.ParsePolicy(p.Boot); err != nil {
		return err
	}
	if p.Deployer.Threshold < 1 || p.Deployer.Threshold > len(p.Deployer.Keys) {
		return fmt.Errorf("%w: threshold of the deployer", ErrFormat)
	}
	seen := map[string]bool{}
	for _, k := range p.keys() {
		_, raw, _ := strings.Cut(k[strings.Index(k, "+")+1:], "+")
		if seen[raw] {
			return fmt.Errorf("%w: key %q stands twice", ErrFormat, k)
		}
		seen[raw] = true
	}
	_, err = p.LogPolicy()
	return err
}

func (p *Parties) keys() []string {
	out := slices.Concat(p.policy.Maker.Keys, p.Deployer.Keys, []string{p.Log}, p.Witness)
	for _, b := range p.policy.Bodies {
		out = append(out, b.Keys...)
	}
	return out
}

// Encode writes the parties file.
func (p *Parties) Encode() ([]byte, error) {
	text, err := json.Marshal(p, jsontext.WithIndent("  "))
	return append(text, '\n'), err
}

// BootPolicy is the boot policy for the launcher, as bytes and parsed.
func (p *Parties) BootPolicy() ([]byte, *manifest.Policy, error) {
	text := slices.Clone(p.Boot)
	if err := text.Compact(); err != nil {
		return nil, nil, err
	}
	return text, p.policy, nil
}

// LogPolicy is the trust policy for the log of releases (c2sp.org/tlog-policy): its
// key and every witness.
func (p *Parties) LogPolicy() (*proof.Policy, error) { return proof.ParsePolicy(p.LogPolicyText()) }

// LogPolicyText is LogPolicy as a file.
func (p *Parties) LogPolicyText() []byte {
	text := fmt.Appendf(nil, "log %s\n", p.Log)
	if len(p.Witness) == 0 {
		return append(text, "quorum none\n"...)
	}
	var names []string
	for i, w := range p.Witness {
		names = append(names, fmt.Sprintf("w%d", i+1))
		text = fmt.Appendf(text, "witness %s %s\n", names[i], w)
	}
	return fmt.Appendf(text, "group witnesses all %s\nquorum witnesses\n", strings.Join(names, " "))
}

// all are the parties whose entries may stand in a release's record.
func (p *Parties) all() []manifest.Signers {
	out := []manifest.Signers{p.policy.Maker, p.Deployer}
	for _, b := range p.policy.Bodies {
		out = append(out, b.Signers)
	}
	return out
}

// body finds an approval body by its name.
func (p *Parties) body(name string) *manifest.Body {
	for i := range p.policy.Bodies {
		if p.policy.Bodies[i].Name == name {
			return &p.policy.Bodies[i]
		}
	}
	return nil
}

// TrustPolicy is what a device is commissioned with: the boot policy, the parties'
// repositories by their first roots, and the log. warn is how long before the end of
// metadata a device says so, stop how long after it a device stops selling.
func (p *Parties) TrustPolicy(warn, stop time.Duration, maker Card, authorities ...Card) ([]byte, error) {
	_, boot, err := p.BootPolicy()
	if err != nil {
		return nil, err
	}
	t := &trust.Policy{Format: trust.PolicyFormat, Serial: boot.Serial, BootText: p.Boot, LogText: string(p.LogPolicyText())}
	t.Freshness.Warn, t.Freshness.Stop = warn.String(), stop.String()
	t.Maker = maker.repository()
	for _, a := range authorities {
		t.Bodies = append(t.Bodies, a.repository())
	}
	text, err := json.Marshal(t, jsontext.WithIndent("  "))
	if err != nil {
		return nil, err
	}
	_, err = trust.ParsePolicy(text)
	return append(text, '\n'), err
}

func (c *Card) repository() trust.Repository {
	out := trust.Repository{Name: c.Name, Root: c.Root}
	if r, t := c.role(roleRoot), c.role(roleTargets); r != nil && t != nil {
		out.RootThreshold, out.TargetsThreshold = r.Threshold, t.Threshold
	}
	return out
}

// WithRetired is the card with the keys that were replaced beside those in force, for
// the time in which devices run releases that the old ones signed.
func (c Card) WithRetired() (Card, error) {
	out := c.clone()
	r := out.role(out.recordRole())
	for _, set := range c.Retired {
		for _, text := range set.Keys {
			v, err := proof.ParseVerifier(text)
			if err != nil {
				return out, fmt.Errorf("replaced key of %s: %w", c.Name, err)
			}
			public := v.PublicKey()
			if slices.ContainsFunc(out.Keys, func(k Key) bool { return string(k.Public) == string(public) }) {
				continue
			}
			name := fmt.Sprintf("replaced-%d", len(out.Keys))
			out.Keys = append(out.Keys, Key{Name: name, Kind: string(keeper.Ed25519), Public: public, Place: keeper.Elsewhere})
			r.Keys = append(r.Keys, name)
		}
	}
	return out, nil
}
