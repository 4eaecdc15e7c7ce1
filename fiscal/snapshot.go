package fiscal

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/journal/proof"
)

// SnapshotEvery is the most entries between two snapshots; one follows each Z
// report besides.
const SnapshotEvery = 10_000

// Snapshot is the state before its own entry. A start reads the last one and
// the entries after it; whoever verifies compares it with the fold.
type Snapshot struct {
	plain
	State jsontext.Value `json:"state"`
}

// Kind is snapshot.
func (*Snapshot) Kind() proof.Kind   { return KindSnapshot }
func (*Snapshot) flags() proof.Flags { return proof.FlagSnapshot }

// NewSnapshot makes the body of a snapshot entry.
func (s *State) NewSnapshot() (*Snapshot, error) {
	data, err := s.Snapshot()
	if err != nil {
		return nil, err
	}
	return &Snapshot{State: data}, nil
}

func (b *Snapshot) check(s *State) error {
	want, err := s.Snapshot()
	if err != nil {
		return err
	}
	if !bytes.Equal(want, b.State) {
		return refuse(CodeSnapshot, "the snapshot is not what the entries before it add up to")
	}
	return nil
}

// restoreAt starts from a snapshot entry: the state that it holds, and itself
// counted.
func (s *State) restoreAt(h *proof.Head, b *Snapshot) error {
	next, err := Restore(b.State)
	if err != nil {
		return err
	}
	if next.Size != h.Index || next.Origin != h.Origin || h.Time < next.Time || h.Flags&proof.FlagSnapshot == 0 {
		return refuse(CodeSnapshot, "snapshot of size %d of %q in entry %d of %q", next.Size, next.Origin, h.Index, h.Origin)
	}
	next.passed(h)
	*s = *next
	return nil
}
