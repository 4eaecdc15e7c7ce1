package manifest

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"
)

// Formats of the documents that stand beside a manifest.
const (
	CampaignFormat    = "plomb-campaign/1"
	EntitlementFormat = "plomb-entitlement/1"
	HardwareFormat    = "plomb-hardware/1"
)

// MaxDocument bounds each of them, in bytes.
const MaxDocument = 64 << 10

// Campaign is the deployer's decision: which release goes to whom and when. It
// travels as a signed note, see SignDocument.
type Campaign struct {
	Format   string    `json:"format"`
	Serial   uint64    `json:"serial"`           // rises with every statement of a deployer
	Device   string    `json:"device,omitempty"` // one device, or
	Cohort   string    `json:"cohort,omitempty"` // a group of them; "*" is all
	Release  Digest    `json:"release"`
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"` // nothing is begun later; urgent ones are forced before
	Waves    []Wave    `json:"waves,omitempty"`
	Urgency  Urgency   `json:"urgency"`
	Attempts int       `json:"attempts"` // of one device, 1 to 10
}

// Wave lets a share of the devices begin at a time; the share grows.
type Wave struct {
	From    time.Time `json:"from"`
	Percent int       `json:"percent"` // of the devices, this and the waves before together
}

// Urgency says whether a till may postpone.
type Urgency string

// The urgencies.
const (
	Normal Urgency = "normal" // the user chooses the moment
	Urgent Urgency = "urgent" // at Until the till chooses
)

// Entitlement gives one device the content key of one release; a signed note.
type Entitlement struct {
	Format   string    `json:"format"`
	Release  Digest    `json:"release"`
	Device   Digest    `json:"device"` // SHA-256 of the device's public key
	NotAfter time.Time `json:"notAfter"`
	Key      []byte    `json:"key"` // HPKE: encapsulated key and sealed content key
}

// Hardware registers a version of hardware with its reports (requirement FM-19):
// the target hardware/IDENTITY of the maker's repository.
type Hardware struct {
	Format     string    `json:"format"`
	Identity   Identity  `json:"identity"`
	Registered time.Time `json:"registered"`
	Reports    []Report  `json:"reports"`
}

// document is what they have in common.
type document interface{ validate() error }

// EncodeDocument writes one of the documents in its one encoding: members in order,
// no white space. It refuses what ParseDocument refuses.
func EncodeDocument(d document) ([]byte, error) {
	if err := d.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	text, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(text) > MaxDocument {
		return nil, fmt.Errorf("%w: document of %d bytes", ErrFormat, len(text))
	}
	return text, nil
}

// ParseDocument reads one of the documents into d, strictly.
func ParseDocument(data []byte, d document) error {
	if len(data) > MaxDocument {
		return fmt.Errorf("%w: document of %d bytes", ErrFormat, len(data))
	}
	if err := json.Unmarshal(data, d, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	again, err := EncodeDocument(d)
	if err != nil {
		return err
	}
	if !bytes.Equal(data, again) {
		return fmt.Errorf("%w: not in the canonical encoding", ErrFormat)
	}
	return nil
}

// SignDocument makes the signed note of a document: one line of its encoding.
func SignDocument(d document, signers ...note.Signer) ([]byte, error) {
	text, err := EncodeDocument(d)
	if err != nil {
		return nil, err
	}
	return note.Sign(&note.Note{Text: string(text) + "\n"}, signers...)
}

// OpenDocument checks a signed note by the party's threshold and reads its document
// into d.
func (s Signers) OpenDocument(signed []byte, d document) error {
	if len(signed) > MaxDocument+maxNote {
		return fmt.Errorf("%w: note of %d bytes", ErrFormat, len(signed))
	}
	p := &Policy{Maker: s, keys: map[string]note.Verifier{}}
	if err := p.addKeys(s, map[string]bool{}); err != nil {
		return fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	var known []note.Verifier
	for _, v := range p.keys {
		known = append(known, v)
	}
	n, err := note.Open(signed, note.VerifierList(known...))
	if err != nil {
		return fmt.Errorf("open the statement's note: %w", err)
	}
	if p.count(s, n.Sigs) < s.Threshold {
		return fmt.Errorf("%q has not signed the statement: %w", s.Name, ErrUnsigned)
	}
	return ParseDocument([]byte(strings.TrimSuffix(n.Text, "\n")), d)
}

func (c *Campaign) validate() error {
	switch {
	case c.Format != CampaignFormat:
		return fmt.Errorf("format %q, not %q", c.Format, CampaignFormat)
	case c.Serial == 0 || c.Serial > 1<<53:
		return fmt.Errorf("serial %d", c.Serial)
	case (c.Device == "") == (c.Cohort == "") || !printable(c.Device+c.Cohort, 128):
		return fmt.Errorf("a campaign is for a device or for a cohort")
	case c.Urgency != Normal && c.Urgency != Urgent:
		return fmt.Errorf("unknown urgency %q", c.Urgency)
	case c.Attempts < 1 || c.Attempts > 10:
		return fmt.Errorf("%d attempts are not between 1 and 10", c.Attempts)
	}
	if err := c.checkWaves(); err != nil {
		return err
	}
	return between(c.From, c.Until)
}

func (c *Campaign) checkWaves() error {
	last := Wave{From: c.From}
	for _, w := range c.Waves {
		if err := wholeSecond(w.From); err != nil {
			return err
		}
		if w.Percent <= last.Percent || w.Percent > 100 || w.From.Before(last.From) || !w.From.Before(c.Until) {
			return fmt.Errorf("waves grow in time and share, up to 100 percent and before the end")
		}
		last = w
	}
	return nil
}

func (e *Entitlement) validate() error {
	switch {
	case e.Format != EntitlementFormat:
		return fmt.Errorf("format %q, not %q", e.Format, EntitlementFormat)
	case len(e.Key) == 0 || len(e.Key) > 4<<10:
		return fmt.Errorf("wrapped key of %d bytes", len(e.Key))
	}
	return wholeSecond(e.NotAfter)
}

func (h *Hardware) validate() error {
	if h.Format != HardwareFormat {
		return fmt.Errorf("format %q, not %q", h.Format, HardwareFormat)
	}
	if err := h.Identity.Validate(); err != nil {
		return err
	}
	if !h.Identity.Hardware() || len(h.Reports) == 0 {
		return fmt.Errorf("%s is not a hardware version with its reports", h.Identity)
	}
	for _, r := range h.Reports {
		if !validName(r.Kind) || r.Name == "" || !printable(r.Name, 200) {
			return fmt.Errorf("report %q of kind %q", r.Name, r.Kind)
		}
	}
	return wholeSecond(h.Registered)
}

func wholeSecond(t time.Time) error {
	if t.Location() != time.UTC || t.Nanosecond() != 0 || t.Year() < 2000 || t.Year() > 9999 {
		return fmt.Errorf("%v is not a whole second in UTC from 2000 on", t)
	}
	return nil
}

func between(from, to time.Time) error {
	for _, t := range []time.Time{from, to} {
		if err := wholeSecond(t); err != nil {
			return err
		}
	}
	if !from.Before(to) {
		return fmt.Errorf("the time ends before it begins")
	}
	return nil
}
