// Package witness cosigns logs over HTTP as c2sp.org/tlog-witness says, and asks others
// to do so: add-checkpoint, and the newest checkpoint for those who monitor.
//
//	w := &witness.Witness{Logs: []*proof.Verifier{log}, Store: store, Cosign: sign}
//	http.Serve(listener, w)
//
//	c := &witness.Client{URL: "https://witness.example/", Key: key}
//	note, err := c.Cosign(ctx, checkpoint, old, consistency)
//
// # Promises
//
// A witness signs a checkpoint only when the log's known key signed it and its tree
// begins with the one that the witness signed last; what it signs is durable in its
// Store before the signature leaves. Checking and storing are one step, so that two
// requests at once cannot take it back. A client believes no answer: it keeps the
// signatures of the key that it knows, when they verify.
//
// # What it does not do
//
// It knows nothing of what a log's entries mean, and does not hold keys. No TLS: put
// it behind a proxy. sign-subtree, which the specification leaves optional, is not there.
package witness

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

// Errors, each with its status in HTTP.
var (
	ErrFormat   = errors.New("malformed request")                                // 400
	ErrUnsigned = errors.New("no good signature of the log's key")               // 403
	ErrUnknown  = errors.New("a log that is not watched")                        // 404
	ErrProof    = errors.New("the tree does not go on from the one seen before") // 422
)

// ConflictError says that the witness has cosigned another size last than the request
// goes on from (409).
type ConflictError struct{ Size uint64 }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("the witness has seen %d entries", e.Size)
}

// maxProof is how many hashes a consistency proof may have.
const maxProof = 63

// Request is what add-checkpoint is asked.
type Request struct {
	Old        uint64 // size that the witness saw last, as far as the client knows
	Proof      tlog.TreeProof
	Checkpoint []byte // signed note
}

// Encode writes the body of a request.
func (r Request) Encode() []byte {
	out := fmt.Appendf(nil, "old %d\n", r.Old)
	for _, h := range r.Proof {
		out = fmt.Appendf(out, "%s\n", h)
	}
	return append(append(out, '\n'), r.Checkpoint...)
}

// ParseRequest reads exactly what Encode writes; errors wrap ErrFormat.
func ParseRequest(body []byte) (r Request, err error) {
	head, checkpoint, ok := strings.Cut(string(body), "\n\n")
	if !ok {
		return r, fmt.Errorf("%w: no empty line", ErrFormat)
	}
	lines := strings.Split(head, "\n")
	size, ok := strings.CutPrefix(lines[0], "old ")
	if r.Old, err = strconv.ParseUint(size, 10, 63); !ok || err != nil || strconv.FormatUint(r.Old, 10) != size {
		return r, fmt.Errorf("%w: first line %q", ErrFormat, lines[0])
	}
	if len(lines)-1 > maxProof {
		return r, fmt.Errorf("%w: a proof of %d lines", ErrFormat, len(lines)-1)
	}
	for _, line := range lines[1:] {
		h, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(h) != tlog.HashSize || base64.StdEncoding.EncodeToString(h) != line { // a line feed in between would pass
			return r, fmt.Errorf("%w: proof line %q", ErrFormat, line)
		}
		r.Proof = append(r.Proof, tlog.Hash(h))
	}
	r.Checkpoint = []byte(checkpoint)
	return r, nil
}

// Store is what a witness remembers.
type Store interface {
	// Latest is the checkpoint of a log that was cosigned last; of size 0 where there is
	// none.
	Latest(origin string) (proof.Checkpoint, error)
	// Keep makes a checkpoint the latest, durably.
	Keep(cp proof.Checkpoint) error
}

// Witness watches logs. Its methods may be called concurrently; its fields must not
// change any more.
type Witness struct {
	Logs  []*proof.Verifier // keys, whose names are the logs' origins
	Store Store
	// Cosign gives the signature line for a checkpoint that was found good.
	Cosign func(cp proof.Checkpoint, signed []byte) (line []byte, err error)

	mu     sync.Mutex // checking and storing are one step
	newest map[string][]byte
}

// Add answers add-checkpoint: the lines of its signatures, or one of the errors above.
func (w *Witness) Add(_ context.Context, r Request) (lines []byte, err error) {
	cp, err := w.open(r.Checkpoint)
	if err != nil {
		return nil, err
	}
	if r.Old > cp.Size {
		return nil, fmt.Errorf("%w: old size %d of a tree of %d", ErrFormat, r.Old, cp.Size)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	last, err := w.Store.Latest(cp.Origin)
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	if last.Size != r.Old {
		return nil, &ConflictError{last.Size}
	}
	if err := follows(r.Proof, cp, last); err != nil {
		return nil, err
	}
	if err := w.Store.Keep(cp); err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	if lines, err = w.Cosign(cp, r.Checkpoint); err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	if w.newest == nil {
		w.newest = map[string][]byte{}
	}
	w.newest[cp.Origin] = slices.Concat(r.Checkpoint, lines)
	return lines, nil
}

// open checks the log's signature.
func (w *Witness) open(signed []byte) (proof.Checkpoint, error) {
	cp, _, err := proof.ParseNote(signed)
	if err != nil {
		return cp, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	i := slices.IndexFunc(w.Logs, func(v *proof.Verifier) bool { return v.Name() == cp.Origin })
	if i < 0 {
		return cp, fmt.Errorf("%w: %q", ErrUnknown, cp.Origin)
	}
	if _, _, err := proof.OpenNote(signed, note.VerifierList(w.Logs[i])); err != nil {
		return cp, fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	return cp, nil
}

// empty is the root of the empty tree (RFC 6962, section 2.1).
var empty = func() tlog.Hash {
	h, err := tlog.TreeHash(0, nil)
	if err != nil {
		panic("internal error: the root of the empty tree: " + err.Error())
	}
	return h
}()

// follows checks that a tree begins with the one before.
func follows(p tlog.TreeProof, cp, last proof.Checkpoint) error {
	switch {
	case cp.Size == 0 && cp.Root != empty:
		return fmt.Errorf("%w: the empty tree has another root", ErrProof)
	case last.Size == 0 && len(p) > 0:
		return fmt.Errorf("%w: a proof from the empty tree is empty", ErrProof)
	case last.Size == 0:
		return nil
	case cp.Size == last.Size && (cp.Root != last.Root || len(p) > 0):
		return fmt.Errorf("%w: two trees of %d entries, or a proof between them", ErrProof, cp.Size)
	}
	if err := proof.CheckConsistency(p, cp, last); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return nil
}
