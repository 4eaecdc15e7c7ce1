package release

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/update/manifest"
)

// Describe says in words what a message is that somebody is asked to sign, one fact a
// line. It reads the message itself, not what the request says of it; what it cannot
// read is an error, and is not signed.
func Describe(message []byte) (lines []string, err error) {
	text := string(message)
	switch {
	case strings.HasPrefix(text, "plomb release/1\n"):
		return describeNote(text)
	case strings.HasPrefix(text, recordHead):
		return describeEntry(strings.TrimPrefix(text, recordHead))
	case strings.HasPrefix(text, "{"):
		return describeJSON(message)
	}
	return nil, fmt.Errorf("describe what is to be signed: %w: neither metadata, manifest, entry nor statement", ErrFormat)
}

// describeNote: what a party signs of a manifest (docs/design/0004-update.md, section 2).
func describeNote(text string) ([]string, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 5 || lines[4] != "" {
		return nil, fmt.Errorf("describe a manifest's note: %w", ErrFormat)
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(lines[3])
	if err != nil || len(sum) != len(manifest.Digest{}) {
		return nil, fmt.Errorf("describe a manifest's note: %w", ErrFormat)
	}
	return []string{"signs the release " + lines[1] + ", " + lines[2], fmt.Sprintf("its manifest has SHA-256 %x", sum), "devices install it when every party has signed"}, nil
}

func describeEntry(line string) ([]string, error) {
	var e Entry
	if err := json.Unmarshal([]byte(line), &e, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("describe an entry: %w: %w", ErrFormat, err)
	}
	out := []string{fmt.Sprintf("enters into the record of %s, as entry %d of %s: %s %s", e.By, e.Seq, e.At.Format(time.RFC3339), e.Step, e.Subject)}
	for _, d := range e.Digests {
		out = append(out, fmt.Sprintf("about %s with SHA-256 %s", d.Name, d.SHA256))
	}
	if e.Remark != "" {
		out = append(out, "remark: "+e.Remark)
	}
	return out, nil
}

// kinds of messages that are JSON.
type anyMessage struct {
	Type    string         `json:"_type"`
	Format  string         `json:"format"`
	Version int64          `json:"version"`
	Expires string         `json:"expires"`
	Keys    jsontext.Value `json:"keys"`
	Roles   map[string]struct {
		KeyIDs    []string `json:"keyids"`
		Threshold int      `json:"threshold"`
	} `json:"roles"`
	Targets map[string]struct {
		Length int64             `json:"length"`
		Hashes map[string]string `json:"hashes"`
	} `json:"targets"`
}

func describeJSON(message []byte) ([]string, error) {
	var m anyMessage
	if err := json.Unmarshal(message, &m); err != nil {
		return nil, fmt.Errorf("describe what is to be signed: %w: %w", ErrFormat, err)
	}
	switch {
	case m.Type == "root":
		return m.root(), nil
	case m.Type == "targets":
		return m.targets(), nil
	case m.Type == "snapshot" || m.Type == "timestamp":
		return []string{fmt.Sprintf("signs %s %d of a repository, until %s", m.Type, m.Version, m.Expires)}, nil
	case m.Format == manifest.CampaignFormat:
		return describeCampaign(message)
	case m.Format == manifest.EntitlementFormat:
		return describeEntitlement(message)
	}
	return nil, fmt.Errorf("describe what is to be signed: %w: JSON of type %q, format %q", ErrFormat, m.Type, m.Format)
}

func (m *anyMessage) root() []string {
	out := []string{fmt.Sprintf("signs root %d of a repository, until %s: from now on these keys count in it", m.Version, m.Expires)}
	for _, role := range slices.Sorted(maps.Keys(m.Roles)) {
		r := m.Roles[role]
		var ids []string
		for _, id := range r.KeyIDs {
			ids = append(ids, id[:min(12, len(id))])
		}
		out = append(out, fmt.Sprintf("%s: %d of %d keys: %s", role, r.Threshold, len(ids), strings.Join(ids, " ")))
	}
	return out
}

func (m *anyMessage) targets() []string {
	out := []string{fmt.Sprintf("signs targets %d of a repository, until %s: it holds these and no others", m.Version, m.Expires)}
	for _, name := range slices.Sorted(maps.Keys(m.Targets)) {
		out = append(out, fmt.Sprintf("%s, %d bytes, SHA-256 %s", name, m.Targets[name].Length, m.Targets[name].Hashes["sha256"]))
	}
	return out
}

func describeCampaign(message []byte) ([]string, error) {
	var c manifest.Campaign
	if err := manifest.ParseDocument([]byte(strings.TrimSuffix(string(message), "\n")), &c); err != nil {
		return nil, fmt.Errorf("describe a campaign: %w", err)
	}
	out := []string{fmt.Sprintf("lets %s%s begin with the release %s from %s until %s, %s, %d attempts", c.Device, c.Cohort, c.Release,
		c.From.Format(time.RFC3339), c.Until.Format(time.RFC3339), c.Urgency, c.Attempts)}
	for _, w := range c.Waves {
		out = append(out, fmt.Sprintf("%d percent from %s on", w.Percent, w.From.Format(time.RFC3339)))
	}
	return out, nil
}

func describeEntitlement(message []byte) ([]string, error) {
	var e manifest.Entitlement
	if err := manifest.ParseDocument([]byte(strings.TrimSuffix(string(message), "\n")), &e); err != nil {
		return nil, fmt.Errorf("describe an entitlement: %w", err)
	}
	return []string{fmt.Sprintf("gives device %s the content key of release %s until %s", e.Device, e.Release, e.NotAfter.Format(time.RFC3339))}, nil
}
