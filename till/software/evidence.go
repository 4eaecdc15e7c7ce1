package software

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/till"
)

// evidence is what the agent keeps of a person's consent: the entry that holds what was
// agreed to, and that entry's own signature, which verifies alone with the till's key.
type evidence struct {
	Origin string `json:"origin"`
	Entry  uint64 `json:"entry"`
	Code   string `json:"code,omitzero"` // empty: the signer was down
}

func evidenceOf(ctx context.Context, n *till.Node, entry uint64) ([]byte, error) {
	out, err := json.Marshal(evidence{n.Origin(), entry, n.SignedEntry(ctx, entry)}, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("write evidence of consent: %w", err)
	}
	return out, nil
}

// entryOf is the entry that evidence names, nil where it is none of this journal.
func entryOf(n *till.Node, text []byte) *uint64 {
	var e evidence
	if len(text) == 0 || json.Unmarshal(text, &e, json.RejectUnknownMembers(true)) != nil || e.Origin != n.Origin() {
		return nil
	}
	return &e.Entry
}
