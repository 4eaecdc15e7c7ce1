package till

import (
	"context"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/till/sqlite"
)

// SoftwareAnswer is the history of the till's software, newest first.
type SoftwareAnswer struct {
	Entries []SoftwareRow `json:"entries"`
	More    bool          `json:"more"`
}

// SoftwareRow is one entry of the history. Fields that its kind has not are left out.
type SoftwareRow struct {
	Index    uint64    `json:"index"` // of the entry
	Time     time.Time `json:"time"`  // when it was recorded
	Kind     string    `json:"kind"`  // "software-start", "software-change", "software-stage", "software-consent"
	Stage    string    `json:"stage,omitzero"`
	Outcome  string    `json:"outcome,omitzero"`
	At       time.Time `json:"at,omitzero"` // when it happened: a launcher's line is older than its entry
	Identity string    `json:"identity,omitzero"`
	Counter  uint64    `json:"counter,omitzero"`
	Digest   string    `json:"digest,omitzero"`
	Version  string    `json:"version,omitzero"` // of a start or change: what runs
	From     string    `json:"from,omitzero"`    // of a change: what ran
	Slot     string    `json:"slot,omitzero"`
	Trial    bool      `json:"trial,omitzero"`
	// Of a start that the launcher made: the certificate's number, and whose signatures
	// over the release verified.
	Certificate string    `json:"certificate,omitzero"`
	Approved    string    `json:"approved,omitzero"` // identity of the release whose legally relevant part it has unchanged; empty: its own
	Signers     []string  `json:"signers,omitempty"`
	Who         string    `json:"who,omitzero"` // name and number of who decided
	Policy      bool      `json:"policy,omitzero"`
	Detail      string    `json:"detail,omitzero"`
	For         string    `json:"for,omitzero"` // of a consent: "install" or "spend"
	Agreed      bool      `json:"agreed,omitzero"`
	Until       time.Time `json:"until,omitzero"`
	Text        string    `json:"text,omitzero"`    // of a consent: as it was shown
	Consent     *uint64   `json:"consent,omitzero"` // index of the consent that a stage rests on
	Line        uint64    `json:"line,omitzero"`    // in the launcher's log
	Again       *uint64   `json:"again,omitzero"`   // index of the entry that said the same before the program's last start
}

// softwareKinds are the entries that tell of software.
var softwareKinds = []uint16{
	uint16(fiscal.KindSoftwareStart), uint16(fiscal.KindSoftwareChange), uint16(fiscal.KindSoftwareStage), uint16(fiscal.KindSoftwareConsent),
}

// Software shows the history of the till's software and its updates.
func (n *Node) Software(ctx context.Context, token Token, q ListQuery) (*SoftwareAnswer, error) {
	if _, err := n.ask(token, staff.SoftwareView); err != nil {
		return nil, err
	}
	if err := n.caughtUp(ctx, n.journal.Size()); err != nil {
		return nil, err
	}
	query := q.oneMore()
	query.Kinds = softwareKinds
	rows, err := n.projection.Entries(ctx, query)
	if err != nil {
		return nil, n.searchFailed(err)
	}
	out := &SoftwareAnswer{Entries: []SoftwareRow{}, More: len(rows) > q.limit()}
	for _, r := range rows[:min(len(rows), q.limit())] {
		out.Entries = append(out.Entries, n.softwareRow(ctx, r))
	}
	return out, nil
}

// softwareRow reads the entry itself; of one that cannot be read there is its place.
func (n *Node) softwareRow(ctx context.Context, r sqlite.Row) SoftwareRow {
	row := SoftwareRow{Index: r.Index, Time: r.At.UTC(), Kind: r.Words}
	e, err := n.journal.Entry(ctx, r.Index)
	if err != nil {
		row.Detail = oneLine(err.Error())
		return row
	}
	row.read(n, e)
	return row
}

func (row *SoftwareRow) read(n *Node, e journal.Entry) {
	row.Kind = fiscal.KindName(e.Head.Kind)
	body, err := fiscal.Decode(e.Head.Kind, e.Body)
	if err != nil {
		row.Detail = oneLine(err.Error())
		return
	}
	switch b := body.(type) {
	case *fiscal.SoftwareStart:
		row.Version = b.Version
		row.release(b.Release)
	case *fiscal.SoftwareChange:
		row.Version, row.From, row.Stage, row.Detail, row.Who = b.New, b.Old, b.Stage, b.Why, n.nameOf(b.By)
		row.release(b.Release)
	case *fiscal.SoftwareStage:
		row.stage(b)
		row.Who = n.nameOf(b.By)
	case *fiscal.SoftwareConsent:
		row.Identity, row.Counter, row.Digest, row.For, row.Agreed, row.Until, row.Text = b.Identity, b.Counter, b.Manifest, b.For, b.Agreed, b.Until, b.Text
		row.Who = n.nameOf(b.By)
	}
}

func (row *SoftwareRow) release(r *fiscal.Release) {
	if r != nil {
		row.Identity, row.Counter, row.Digest, row.Slot, row.Trial = r.Identity, r.Counter, r.Manifest, r.Slot, r.Trial
		row.Certificate, row.Signers, row.Approved = r.Certificate, r.Signers, r.Approved
	}
}

func (row *SoftwareRow) stage(b *fiscal.SoftwareStage) {
	row.Stage, row.Outcome, row.At, row.Identity, row.Counter, row.Digest = b.Stage, b.Outcome, b.At, b.Identity, b.Counter, b.Manifest
	row.Policy, row.Detail, row.Consent, row.Line, row.Again = b.Policy, b.Detail, b.Consent, b.Line, b.Again
}
