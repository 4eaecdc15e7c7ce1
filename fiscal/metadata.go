package fiscal

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// Metadata are the versions of what a device has seen of its repositories, its trust
// policy and its deployer's campaigns. They only rise. An older copy of the device's
// folder that is put back says less than the journal, and is found out by it.
type Metadata struct {
	Scope    string          `json:"scope"`             // whose releases: "application" or "platform"
	Device   string          `json:"device"`            // the device's name, hexadecimal: another device's say nothing of this one
	Policy   uint64          `json:"policy"`            // serial of the trust policy in force
	Campaign uint64          `json:"campaign,omitzero"` // highest serial that was followed; 0: none was
	Deployer string          `json:"deployer,omitzero"` // names the deployer's keys, hexadecimal: with others campaigns begin anew
	Parties  []PartyMetadata `json:"parties"`           // in the order of their names
}

// PartyMetadata are the versions seen of one party's repository (The Update Framework).
type PartyMetadata struct {
	Party     string `json:"party"`
	Anchor    string `json:"anchor"` // SHA-256 of its first root, hexadecimal: another one is another repository
	Root      int64  `json:"root"`
	Timestamp int64  `json:"timestamp"`
	Snapshot  int64  `json:"snapshot"`
	Targets   int64  `json:"targets"`
	Online    string `json:"online,omitzero"` // names the keys of timestamp and snapshot; with others the three begin anew
}

var scopes = []string{"application", "platform"}

// maxParties bounds what one entry says.
const maxParties = 32

// check accepts nil.
func (m *Metadata) check() error {
	switch {
	case m == nil:
		return nil
	case !slices.Contains(scopes, m.Scope) || len(m.Parties) > maxParties || !isSum(m.Device) || m.Deployer != "" && !isSum(m.Deployer):
		return refuse(CodeSoftware, "metadata of scope %.40q, device %.80q and %d parties", m.Scope, m.Device, len(m.Parties))
	case !slices.IsSortedFunc(m.Parties, func(a, b PartyMetadata) int { return strings.Compare(a.Party, b.Party) }):
		return refuse(CodeSoftware, "parties of metadata are not in order")
	}
	for _, p := range m.Parties {
		if p.Party == "" || !isSum(p.Anchor) || min(p.Root, p.Timestamp, p.Snapshot, p.Targets) < 0 {
			return refuse(CodeSoftware, "metadata of party %.40q", p.Party)
		}
	}
	return nil
}

func isSum(text string) bool {
	raw, err := hex.DecodeString(text)
	return err == nil && len(raw) == 32
}

// Same reports whether two say the same. Either may be nil.
func (m *Metadata) Same(o *Metadata) bool {
	if m == nil || o == nil {
		return m == o
	}
	return m.Scope == o.Scope && m.Device == o.Device && m.Policy == o.Policy && m.Campaign == o.Campaign && m.Deployer == o.Deployer && slices.Equal(m.Parties, o.Parties)
}

// SeenMetadata are metadata with their place.
type SeenMetadata struct {
	Index uint64    `json:"index"`
	At    time.Time `json:"at"` // of the step that told them
	Metadata
}

// keep remembers what a step says of metadata.
func (u *Updates) keep(b *SoftwareStage, index uint64) {
	if b.Metadata == nil {
		return
	}
	u.Metadata = slices.DeleteFunc(u.Metadata, func(m SeenMetadata) bool { return m.Scope == b.Metadata.Scope })
	u.Metadata = append(u.Metadata, SeenMetadata{Index: index, At: b.At, Metadata: *b.Metadata})
}

// MetadataOf is what was last recorded of a scope, nil if nothing was. It may be asked
// of nil.
func (u *Updates) MetadataOf(scope string) *SeenMetadata {
	if u == nil {
		return nil
	}
	i := slices.IndexFunc(u.Metadata, func(m SeenMetadata) bool { return m.Scope == scope })
	if i < 0 {
		return nil
	}
	return &u.Metadata[i]
}
