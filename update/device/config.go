package device

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/slot"
)

// ConfigFormat is the version of ConfigFile that this package reads.
const ConfigFormat = "plomb-device/1"

// ConfigFile lies in the folder boot.
const ConfigFile = "update.json"

// ErrConfig says that a device's configuration cannot be used.
var ErrConfig = errors.New("the device's configuration cannot be used")

// Take says which of the releases for it a device takes.
type Take string

// The choices.
const (
	Released Take = "released" // the newest that maker and authorities released; a campaign may put it off
	Campaign Take = "campaign" // only what the deployer's campaign gives it
)

// Config is how a device keeps its software up to date. What it says can be late or
// silent, never a release that maker and authorities did not sign.
type Config struct {
	Format string    `json:"format"` // ConfigFormat
	Made   time.Time `json:"made"`   // when the device was provisioned

	// Sources are repositories, the preferred first: https and http addresses, and
	// folders. A folder is a repository itself, or a place where sticks appear: then
	// every repository and every bundle (*.plomb) directly in it or in a folder of it.
	Sources []string `json:"sources,omitempty"`
	Proxy   string   `json:"proxy,omitempty"` // address of an HTTP proxy; empty: as HTTPS_PROXY and NO_PROXY say
	Shop    []string `json:"shop,omitempty"`  // addresses of the relays of the shop's other tills, asked before Sources for packs
	Relay   string   `json:"relay,omitempty"` // address to serve a relay at; empty: none

	Deployer *manifest.Signers `json:"deployer,omitempty"` // signs campaigns and entitlements; nil: packs are not sealed
	Cohorts  []string          `json:"cohorts,omitempty"`  // groups of campaigns that the device belongs to, beside "*"
	Take     Take              `json:"take"`
	Rent     bool              `json:"rent,omitzero"` // the end of an entitlement ends the right to run, not only to install

	Machine *Machine `json:"machine,omitempty"` // of a device of platforms

	Policy Policy `json:"policy"`
}

// Machine is how the image of a platform reaches the machine.
type Machine struct {
	Bus     string   `json:"bus,omitempty"` // address of the one that RAUC serves on; empty: the system bus
	Restart []string `json:"restart"`       // command that starts the machine again, such as ["/usr/bin/systemctl","reboot"]
}

// Policy is update.Policy in JSON; what is left out takes the default there. Warning
// and stop for old metadata stand in the trust policy.
type Policy struct {
	Every    Duration `json:"every,omitzero"`
	Spacing  Duration `json:"spacing,omitzero"`
	Postpone Duration `json:"postpone,omitzero"`
	AtEnd    string   `json:"at_end,omitzero"` // install, or stop-selling
	Consent  bool     `json:"consent,omitzero"`

	ClosedDay bool   `json:"closed_day,omitzero"`
	Fallback  string `json:"fallback,omitzero"` // return, or block

	Budget  int64 `json:"budget,omitzero"`
	Metered int64 `json:"metered,omitzero"` // bytes without asking while the link is metered

	MeteredAt Metered `json:"metered_at,omitzero"`

	Low      int64    `json:"low,omitzero"` // bytes a second
	Normal   int64    `json:"normal,omitzero"`
	Urgent   int64    `json:"urgent,omitzero"`
	Stall    Duration `json:"stall,omitzero"`
	Attempts int      `json:"attempts,omitzero"`
}

// Duration is written as in "6h" or "336h30m".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// ParseConfig reads a configuration strictly. Errors wrap ErrConfig.
func ParseConfig(text []byte) (*Config, error) {
	c := new(Config)
	if err := json.Unmarshal(text, c, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return c, nil
}

func (c *Config) encode() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	text, err := json.Marshal(c, jsontext.WithIndent("  "))
	return append(text, '\n'), err
}

func (c *Config) check() error {
	switch {
	case c.Format != ConfigFormat:
		return fmt.Errorf("format %q, not %q", c.Format, ConfigFormat)
	case c.Take != Released && c.Take != Campaign:
		return fmt.Errorf("take %q is neither %q nor %q", c.Take, Released, Campaign)
	case c.Take == Campaign && c.Deployer == nil:
		return errors.New("campaigns without a deployer who signs them")
	case c.Policy.AtEnd != "" && c.Policy.AtEnd != "install" && c.Policy.AtEnd != "stop-selling":
		return fmt.Errorf("at_end %q", c.Policy.AtEnd)
	case c.Policy.Fallback != "" && c.Policy.Fallback != "return" && c.Policy.Fallback != "block":
		return fmt.Errorf("fallback %q", c.Policy.Fallback)
	case c.Policy.Every < 0 || c.Policy.Spacing < 0 || c.Policy.Postpone < 0 || c.Policy.Stall < 0 || c.Policy.Attempts < 0:
		return errors.New("a negative duration or number in the policy")
	}
	if m := c.Machine; m != nil && (len(m.Restart) == 0 || !filepath.IsAbs(m.Restart[0])) {
		return fmt.Errorf("the machine is started again by %q, which is no command by its whole path", m.Restart)
	}
	for _, s := range append(append([]string{}, c.Sources...), c.Shop...) {
		if err := checkPlace(s); err != nil {
			return err
		}
	}
	if c.Proxy != "" {
		return checkURL(c.Proxy)
	}
	return nil
}

func isURL(s string) bool { return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") }

func checkPlace(s string) error {
	if isURL(s) {
		return checkURL(s)
	}
	if !filepath.IsAbs(s) {
		return fmt.Errorf("source %q is neither an http address nor an absolute path", s)
	}
	return nil
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return err
	}
	if u.Host == "" {
		return fmt.Errorf("address %q names no host", s)
	}
	return nil
}

// agent is the policy for the agent, without freshness.
func (p Policy) agent() update.Policy {
	out := update.Policy{
		Every: time.Duration(p.Every), Spacing: time.Duration(p.Spacing), Postpone: time.Duration(p.Postpone), Consent: p.Consent, ClosedDay: p.ClosedDay,
		Budget: p.Budget, Metered: p.Metered, Rate: update.Rate{Low: p.Low, Normal: p.Normal, Urgent: p.Urgent},
		Stall: time.Duration(p.Stall), Attempts: p.Attempts,
	}
	if p.AtEnd == "stop-selling" {
		out.AtEnd = update.StopSelling
	}
	if p.Fallback == "block" {
		out.Fallback = slot.Block
	}
	return out
}
