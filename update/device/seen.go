package device

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/trust"
)

// Seen is what a device has seen of what only rises. It is for a record that an older
// copy of the device's folder does not take back with it: a till keeps it in its
// journal, and gives it to Open.
//
// A record that is older than the folder says less, and changes nothing.
type Seen struct {
	Device   manifest.Digest       `json:"device"`            // its name: what another one saw does not count
	Policy   uint64                `json:"policy"`            // serial of the trust policy
	Campaign uint64                `json:"campaign,omitzero"` // serial of the deployer's last statement; 0: none was followed
	Deployer manifest.Digest       `json:"deployer,omitzero"` // names the deployer's keys: with others serials begin anew
	Parties  map[string]trust.Seen `json:"parties,omitempty"` // by party
}

// Seen is what was seen by now, never less than what Open was given. All of it is
// durable on the device's disk before: whatever is cut between that disk and the
// record, the disk has as much as the record says.
func (d *Device) Seen() Seen {
	t := d.trusting()
	out := Seen{Device: d.Key.ID(), Policy: max(t.Policy().Serial, d.options.Seen.Policy), Deployer: d.deployer(), Parties: t.Seen()}
	out.Campaign = d.seenCampaign()
	if d.Config.Deployer != nil {
		if c, _ := d.keptCampaign(); c != nil {
			out.Campaign = max(out.Campaign, c.Serial)
		}
	}
	return out
}

// deployer names the deployer's keys; zero: there is no deployer.
func (d *Device) deployer() manifest.Digest {
	if d.Config.Deployer == nil {
		return manifest.Digest{}
	}
	keys := slices.Sorted(slices.Values(d.Config.Deployer.Keys))
	return manifest.Sum([]byte(strings.Join(append(keys, d.Config.Deployer.Name), "\n")))
}

// seenCampaign is the serial that Open was told of, of the deployer that is configured.
func (d *Device) seenCampaign() uint64 {
	if d.options.Seen.Deployer != d.deployer() {
		return 0
	}
	return d.options.Seen.Campaign
}

// policyInForce refuses to decide by a trust policy that is older than one that was in
// force: it may trust keys that were given up since.
func (d *Device) policyInForce() error {
	if have, seen := d.Serial(), d.options.Seen.Policy; have < seen {
		return fmt.Errorf("trust policy %d, and %d was in force: %w", have, seen, trust.ErrRollback)
	}
	return nil
}

// Older says what on the device's disk is older than Open was told; empty: nothing is.
// Nothing is installed by what is older; metadata and policy that a source has newer
// mend it, and then it is empty again.
func (d *Device) Older() string {
	var out []string
	if have, seen := d.Serial(), d.options.Seen.Policy; have < seen {
		out = append(out, fmt.Sprintf("trust policy %d, and %d was in force", have, seen))
	}
	if seen := d.seenCampaign(); seen > 0 {
		if c, _ := d.keptCampaign(); c == nil || c.Serial < seen {
			out = append(out, fmt.Sprintf("the campaign %d that was followed is not there", seen))
		}
	}
	parties := d.trusting().Older()
	for _, party := range slices.Sorted(maps.Keys(parties)) {
		out = append(out, party+": "+parties[party])
	}
	return strings.Join(out, "; ")
}
