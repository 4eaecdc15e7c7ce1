package software

import (
	"context"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/till"
)

// Metadata are what a till's journal remembers of a device's repositories, so that an
// older copy of the device's folder that is put back is found out. A device.Device has
// both answers; neither may wait for a network.
type Metadata struct {
	// Seen is what was seen by now, durable on the device's disk already.
	Seen func() *fiscal.Metadata
	// Older says what the disk has older than the journal; empty: nothing.
	Older func() string
}

// metadataEvery is how often metadata that changed have an entry of their own. Any step
// of an update takes them along, so that this is for a till that hears nothing new.
const metadataEvery = 24 * time.Hour

// metadata are what an entry takes along: none while the disk has older ones, which the
// journal must not believe.
func (p *Parts) metadata() *fiscal.Metadata {
	if p.config.Metadata == nil || p.olderNow() {
		return nil
	}
	return p.config.Metadata.Seen()
}

// olderNow reports whether the disk has older metadata than the journal.
func (p *Parts) olderNow() bool {
	return p.config.Metadata != nil && p.config.Metadata.Older() != ""
}

// recordMetadata says that the disk has older metadata than the journal, once a start
// and when it has others; that they are mended; and what was seen, once a day at most.
func (p *Parts) recordMetadata(ctx context.Context) error {
	if p.config.Metadata == nil || !p.node.RecordsMetadata() {
		return nil
	}
	older := p.config.Metadata.Older()
	if older == p.older && !p.metadataDue() {
		return nil
	}
	b := fiscal.SoftwareStage{Stage: fiscal.StageMetadata, Outcome: fiscal.OutcomeDone, At: time.Now(), Metadata: p.metadata()}
	if older != "" {
		b.Outcome, b.Detail = fiscal.OutcomeFailed, "older than what this journal has seen: "+older
	} else if p.older != "" {
		b.Detail = "as new as what this journal has seen again"
	}
	if err := p.node.RecordStage(ctx, b); err != nil {
		return err
	}
	p.older = older
	return nil
}

// metadataDue reports whether there are metadata to record that were not for a day. A
// clock that stands elsewhere than at the last record prolongs nothing.
func (p *Parts) metadataDue() bool {
	m := p.metadata()
	if m == nil || !heard(m) {
		return false
	}
	last := p.node.Metadata(m.Scope)
	return last == nil || !last.Same(m) && time.Since(last.At).Abs() >= metadataEvery
}

// heard reports whether a repository was ever seen.
func heard(m *fiscal.Metadata) bool {
	for _, p := range m.Parties {
		if p.Timestamp > 0 {
			return true
		}
	}
	return false
}

// withdrawals are the statements against what runs: while the metadata are older than
// the journal has seen, also the one that the journal has.
func (p *Parts) withdrawals() []till.Withdrawal {
	if p.config.Withdrawn == nil {
		return nil
	}
	out := p.config.Withdrawn()
	if !p.olderNow() {
		return out
	}
	seen, r := p.node.LastStage(fiscal.StageWithdrawn), p.node.Release()
	if seen == nil || seen.Outcome == fiscal.OutcomeDone || r == nil || r.Manifest != seen.Manifest || seen.Detail == withdrawnStage(out).Detail {
		return out
	}
	w := till.Withdrawal{By: "journal", Reason: seen.Detail, Action: "warn"}
	if seen.Outcome == fiscal.OutcomeFailed {
		w.Action, w.Blocks = "block", true
	}
	return append(out, w)
}
