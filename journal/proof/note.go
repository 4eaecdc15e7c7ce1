package proof

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

// maxNote bounds a signed checkpoint in bytes; 16 post-quantum signatures fit (c2sp.org/signed-note, "Format").
const maxNote = 128 << 10

// Note is the signed note of c with one signature: c.Text(), an empty line,
// and "— name base64(key hash || sig)".
func Note(c Checkpoint, name string, keyHash uint32, sig []byte) []byte {
	return appendSignature(append(c.Text(), '\n'), name, keyHash, sig)
}

// AddSignature appends one more signature line to a signed note, a witness's
// for example.
func AddSignature(signed []byte, name string, keyHash uint32, sig []byte) []byte {
	return appendSignature(append([]byte(nil), signed...), name, keyHash, sig)
}

func appendSignature(dst []byte, name string, keyHash uint32, sig []byte) []byte {
	dst = append(dst, "— "...)
	dst = append(dst, name...)
	dst = append(dst, ' ')
	raw := append(binary.BigEndian.AppendUint32(nil, keyHash), sig...)
	dst = base64.StdEncoding.AppendEncode(dst, raw)
	return append(dst, '\n')
}

// ParseNote splits a signed checkpoint without checking any signature: for
// showing what somebody claims. Errors wrap ErrFormat.
func ParseNote(signed []byte) (Checkpoint, []note.Signature, error) {
	n, err := openNote(signed, note.VerifierList())
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		n, err = unverified.Note, nil
	}
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("parse signed checkpoint: %w", explainNote(err))
	}
	c, err := ParseCheckpoint([]byte(n.Text))
	return c, n.UnverifiedSigs, err
}

// OpenNote verifies a signed checkpoint. At least one signature must be by a
// known key whose name is the origin, and no signature by a known key may
// fail; signatures by unknown keys are ignored. It returns the checkpoint and
// the signatures that verified. keys: note.VerifierList(verifier, ...).
//
// Errors wrap ErrFormat, ErrSignature or ErrUnknownKey.
func OpenNote(signed []byte, keys note.Verifiers) (Checkpoint, []note.Signature, error) {
	n, err := openNote(signed, keys)
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("open signed checkpoint: %w", explainNote(err))
	}
	c, err := ParseCheckpoint([]byte(n.Text))
	if err != nil {
		return Checkpoint{}, nil, err
	}
	for _, s := range n.Sigs {
		if s.Name == c.Origin {
			return c, n.Sigs, nil
		}
	}
	return Checkpoint{}, nil, fmt.Errorf("open signed checkpoint of %s: no signature by its own key: %w", c.Origin, ErrUnknownKey)
}

func openNote(signed []byte, keys note.Verifiers) (*note.Note, error) {
	if len(signed) > maxNote {
		return nil, fmt.Errorf("%w: %d bytes", ErrFormat, len(signed))
	}
	return note.Open(signed, keys)
}

func explainNote(err error) error {
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.Is(err, ErrFormat):
		return err
	case errors.As(err, &unverified):
		return ErrUnknownKey
	case errors.As(err, &invalid):
		return fmt.Errorf("%s: %w", invalid.Name, ErrSignature)
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}
