package till

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"rsc.io/qr"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/staff"
)

// ProofAnswer is what shows that an entry is in the journal: the steps from its
// leaf to a signed root. Hashes are in hex.
type ProofAnswer struct {
	Index      uint64          `json:"index"`
	Size       uint64          `json:"size"`
	Origin     string          `json:"origin"`
	Leaf       string          `json:"leaf"`
	Root       string          `json:"root"`
	Steps      []ProofStep     `json:"steps"`
	Checkpoint string          `json:"checkpoint"`
	Proof      string          `json:"proof"` // c2sp.org/tlog-proof
	Signatures []SignatureView `json:"signatures"`
	Holds      bool            `json:"holds"`
}

// ProofStep is one step: hash stands on this side of the node before it, node is
// the hash of the two.
type ProofStep struct {
	Hash string `json:"hash"`
	Side string `json:"side"` // "left" or "right"
	Node string `json:"node"`
}

// SignatureView is a signature's name and key.
type SignatureView struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

// Proof proves one entry against the newest signed checkpoint that covers it.
func (n *Node) Proof(ctx context.Context, token Token, index uint64) (*ProofAnswer, error) {
	if _, err := n.ask(token, staff.Prove); err != nil {
		return nil, err
	}
	signed, ok := n.journal.Checkpoint()
	if !ok || signed.Checkpoint.Size <= index {
		return nil, refuse(Unavailable, "not-signed-yet")
	}
	e, err := n.journal.Entry(ctx, index)
	if err != nil {
		return nil, entryRefusal(err)
	}
	c := signed.Checkpoint
	path, root, err := n.journal.Prove(ctx, index, c.Size)
	if err != nil {
		return nil, err
	}
	noteText := proof.Note(c, c.Origin, signed.KeyHash, signed.Sig)
	inclusion := proof.Inclusion{Extra: e.HeadBytes, Index: index, Path: path, Note: noteText}
	out := &ProofAnswer{
		Index: index, Size: c.Size, Origin: c.Origin, Leaf: hex.EncodeToString(e.Leaf[:]), Root: hex.EncodeToString(root[:]),
		Steps: stepsOf(index, c.Size, e.Leaf, path), Checkpoint: string(noteText), Proof: string(inclusion.Text()),
	}
	out.Signatures = []SignatureView{{Name: c.Origin, Key: n.key}}
	out.Holds = holds(&inclusion, e.Leaf, n.key, root, c.Root)
	return out, nil
}

func holds(i *proof.Inclusion, leaf tlog.Hash, key string, root, signed tlog.Hash) bool {
	v, err := proof.ParseVerifier(key)
	if err != nil || root != signed {
		return false
	}
	_, err = i.Verify(leaf, note.VerifierList(v))
	return err == nil
}

// stepsOf walks an audit path (RFC 6962 section 2.1.1) and keeps each node.
func stepsOf(index, size uint64, leaf tlog.Hash, path tlog.RecordProof) []ProofStep {
	out := []ProofStep{}
	node, at, last := leaf, index, size-1
	for _, sibling := range path {
		for at&1 == 0 && at == last { // no sibling on this level: the node moves up
			at, last = at>>1, last>>1
		}
		side := "right"
		if at&1 == 1 {
			side = "left"
			node = tlog.NodeHash(sibling, node)
		} else {
			node = tlog.NodeHash(node, sibling)
		}
		out = append(out, ProofStep{Hash: hex.EncodeToString(sibling[:]), Side: side, Node: hex.EncodeToString(node[:])})
		at, last = at>>1, last>>1
	}
	return out
}

// CheckRequest is a receipt code that somebody wants checked.
type CheckRequest struct {
	Code     string `json:"code"`
	Language string `json:"language,omitzero"`
}

// CheckAnswer says what a receipt code says, and whether it holds.
type CheckAnswer struct {
	Holds bool   `json:"holds"`
	Words string `json:"words"`
	Hint  string `json:"hint"`
	Facts []Fact `json:"facts"`
}

// Check verifies a receipt code for anybody: its signature by this till's key,
// and its leaf in this till's journal. It tells nothing that the code does not.
func (n *Node) Check(ctx context.Context, in CheckRequest) (*CheckAnswer, error) {
	n.mu.Lock()
	language := n.state.Shop.Language
	n.mu.Unlock()
	if in.Language != "" {
		language = in.Language
	}
	keys, err := n.keys()
	if err != nil {
		return nil, err
	}
	code := strings.TrimSpace(in.Code)
	x, err := fiscal.Explain(code, keys)
	verdict := n.verdict(ctx, code, x, err)
	p := say(language, verdict)
	out := &CheckAnswer{Holds: verdict == "check-holds", Words: p.Text, Hint: p.Hint, Facts: []Fact{}}
	if err == nil {
		out.Facts = explained(x, language)
	}
	return out, nil
}

func (n *Node) verdict(ctx context.Context, code string, x fiscal.Explanation, err error) string {
	switch {
	case errors.Is(err, proof.ErrSignature):
		return "check-forged"
	case err != nil:
		return "check-not-a-code"
	case x.Origin != n.journal.Origin() && n.older.epoch(x.Origin) == nil || !x.Verified:
		return "check-foreign"
	}
	if _, err := n.placeOfCode(ctx, code); err != nil {
		return "check-not-in-journal"
	}
	return "check-holds"
}

func explained(x fiscal.Explanation, language string) []Fact {
	facts := []Fact{
		{label(language, "fact-what"), label(language, "kind-of-"+x.Kind)},
		{label(language, "fact-number"), strconv.FormatInt(x.Number, 10)},
		{label(language, "fact-time"), x.At.Format(time.RFC3339)},
		{label(language, "fact-amount"), x.Total.Text(x.Currency) + " " + string(x.Currency)},
		{label(language, "fact-tax"), x.Tax.Text(x.Currency) + " " + string(x.Currency)},
		{label(language, "fact-till"), x.Origin},
		{label(language, "fact-entry"), strconv.FormatUint(x.Index, 10)},
	}
	for _, mark := range []struct {
		on   bool
		code string
	}{{x.Training, "fact-training"}, {x.Outage, "fact-outage"}, {x.Late, "fact-late"}, {x.Unsure, "fact-unsure"}} {
		if mark.on {
			facts = append(facts, Fact{label(language, mark.code), label(language, "yes")})
		}
	}
	return facts
}

// svgOf draws a receipt code as a QR code of one path, in whole modules.
func svgOf(code string) (string, error) {
	q, err := qr.Encode(code, qr.M)
	if err != nil {
		return "", err
	}
	size := q.Size
	side := strconv.Itoa(size + 8) // quiet zone of 4 modules (ISO/IEC 18004, 6.3.8)
	var b strings.Builder
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ` + side + ` ` + side + `" shape-rendering="crispEdges">`)
	b.WriteString(`<rect width="` + side + `" height="` + side + `" fill="#fff"/><path fill="#000" d="`)
	for y := range size {
		for x := range size {
			if q.Black(x, y) {
				b.WriteString("M" + strconv.Itoa(x+4) + " " + strconv.Itoa(y+4) + "h1v1h-1z")
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.String(), nil
}
