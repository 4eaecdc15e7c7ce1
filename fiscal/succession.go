package fiscal

import (
	"fmt"

	"github.com/plomb-pos/plomb/drawer"
	"github.com/plomb-pos/plomb/journal/proof"
)

// LastKnown parses the checkpoint in an epoch's first entry: a signed note, or
// the text alone where no signature was left (then signed is false). The
// signature is not verified. A nil point: the epoch names none.
func (b *Epoch) LastKnown() (point *proof.Checkpoint, signed bool, err error) {
	if b.Checkpoint == "" {
		return nil, false, nil
	}
	c, _, err := proof.ParseNote([]byte(b.Checkpoint))
	if err == nil {
		return &c, true, nil
	}
	c, err = proof.ParseCheckpoint([]byte(b.Checkpoint))
	if err != nil {
		return nil, false, fmt.Errorf("checkpoint that the epoch goes on from: %w", err)
	}
	return &c, false, nil
}

// Follows says why an epoch's first entry cannot follow the epoch before, whose
// origin and end are given; end is nil where it is not known in full. Numbers and
// grand totals go on; where the end of the epoch before may be lost (AtLeast)
// they may have become more, never less. Codes: wrong-origin,
// document-number, malformed-body.
func (b *Epoch) Follows(origin string, end *State) error {
	if b.Origin != origin {
		return refuse(CodeOrigin, "goes on from %s, the epoch before is %s", b.Origin, origin)
	}
	point, _, err := b.LastKnown()
	if err != nil {
		return because(CodeMalformed, "first entry", err)
	}
	if point != nil && point.Origin != b.Origin {
		return refuse(CodeOrigin, "the checkpoint of %s that it goes on from is of %s", b.Origin, point.Origin)
	}
	if end == nil || b.goesOn(end) {
		return nil
	}
	return refuse(CodeDocumentNumber, "goes on with %s, the epoch before ended with %s", figuresOf(b.Next, b.Grand), figuresOf(end.Next, end.Grand))
}

func (b *Epoch) goesOn(s *State) bool {
	if !b.AtLeast {
		return b.Next == s.Next && b.Grand == s.Grand
	}
	return b.Next.Document >= s.Next.Document && b.Next.Z >= s.Next.Z && b.Next.Training >= s.Next.Training &&
		b.Grand.Sale >= s.Grand.Sale && b.Grand.Return >= s.Grand.Return
}

func figuresOf(n Next, g drawer.Grand) string {
	return fmt.Sprintf("document %d, Z %d, training %d, grand totals %d less %d", n.Document, n.Z, n.Training, g.Sale, g.Return)
}
