package till

import (
	"context"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
)

// RecordStage journals a step of an update and returns nil once it survives loss of
// power. A step that is in the journal already is not recorded again when its time is
// the same; told anew after a start it is, and names the entry before. A line of the
// launcher that names no release is about the one that it was last told to try.
func (n *Node) RecordStage(ctx context.Context, b fiscal.SoftwareStage) error {
	index, err := n.stageStep(&b)
	if err != nil {
		return err
	}
	defer n.stream.changed()
	return n.waitDurable(ctx, index)
}

// stageStep stages a step, or finds it.
func (n *Node) stageStep(b *fiscal.SoftwareStage) (index uint64, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	b.At, b.Detail = atNow(b.At), lineOf(b.Detail, maxDetail)
	b.Metadata = n.newMetadata(b.Metadata)
	n.nameLine(b)
	seen, sameTime := n.state.Updates.Told(b)
	switch {
	case seen != nil && sameTime:
		return seen.Index, nil
	case seen != nil && b.Line == 0 && !n.updating.told[b.Stage+b.Manifest] && b.Stage != fiscal.StageAsked:
		b.Again = &seen.Index
	}
	at := n.state.Size
	if _, err := n.stage([16]byte{}, b); err != nil {
		return 0, err
	}
	n.updating.told[b.Stage+b.Manifest] = true
	return at, nil
}

// newMetadata gives metadata that are to be recorded: none where they say what the
// journal has already, or where they cannot be written yet. The book is held.
func (n *Node) newMetadata(m *fiscal.Metadata) *fiscal.Metadata {
	if m == nil || n.format() < metadataFormat {
		return nil
	}
	if last := n.state.Updates.MetadataOf(m.Scope); last != nil && last.Same(m) {
		return nil
	}
	return m
}

// metadataFormat is the first format that has metadata.
const metadataFormat = 2

// Metadata is what the journal says that a device of a scope had seen, nil where it
// says nothing.
func (n *Node) Metadata(scope string) *fiscal.SeenMetadata {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := n.state.Updates.MetadataOf(scope)
	if m == nil {
		return nil
	}
	out := *m
	return &out
}

// RecordsMetadata reports whether metadata can be recorded: not while a version that may
// be fallen back to does not read them.
func (n *Node) RecordsMetadata() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.format() >= metadataFormat
}

// maxDetail bounds what a step says of itself: a line of the launcher fits.
const maxDetail = 500

// nameLine says which release a line of the launcher is about.
func (n *Node) nameLine(b *fiscal.SoftwareStage) {
	if b.Line == 0 || b.Manifest != "" || b.Stage == fiscal.StageLauncher || n.state.Updates == nil {
		return
	}
	if p := n.state.Updates.Pointed; p != nil {
		b.Identity, b.Counter, b.Manifest = p.Identity, p.Counter, p.Manifest
	}
}

// LauncherLine is the line of the launcher's log that was recorded last: number and
// time; 0: none was.
func (n *Node) LauncherLine() (sequence uint64, at time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if u := n.state.Updates; u != nil && u.Line != nil {
		return u.Line.Sequence, u.Line.At
	}
	return 0, time.Time{}
}

// Decision is what a person decided about a release, by the SHA-256 of its manifest,
// and still counts; what is [fiscal.ForInstall] or [fiscal.ForSpend].
func (n *Node) Decision(manifest, what string) (fiscal.SoftwareDecision, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state.Updates.Decision(manifest, what)
}

// SignedEntry is the text of an entry's own signature, which verifies alone with the
// till's key (fiscal.Code). It is "" while the signer is down.
func (n *Node) SignedEntry(ctx context.Context, index uint64) string { return n.codeAgain(ctx, index) }

// Language is the shop's.
func (n *Node) Language() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state.Shop.Language
}

// Origin is the name of the journal that the till writes.
func (n *Node) Origin() string { return n.journal.Origin() }

// Release is what the program came with, nil where the launcher did not start it.
func (n *Node) Release() *fiscal.Release { return n.opts.Release }

// LastStage is the entry of a stage that was recorded last, nil if there is none.
func (n *Node) LastStage(stage string) *fiscal.SeenStage {
	n.mu.Lock()
	defer n.mu.Unlock()
	x := n.state.Updates.Seen(stage)
	if x == nil {
		return nil
	}
	out := *x
	return &out
}
