package catalog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
)

// ErrEncoding is returned for bytes that Encode would not have written.
var ErrEncoding = errors.New("not a canonical catalogue")

// Hash is the SHA-256 of a set's canonical bytes.
type Hash [sha256.Size]byte

// hashDomain separates these hashes from all others; the number is the version
// of the canonical form.
const hashDomain = "plomb catalogue 1\n"

// HashOf returns the hash of canonical bytes as they were stored or received,
// without looking into them.
func HashOf(encoded []byte) Hash {
	return sha256.Sum256(append([]byte(hashDomain), encoded...))
}

// String writes 64 hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes what String writes.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads 64 lower-case hexadecimal digits.
func (h *Hash) UnmarshalText(b []byte) error {
	var v Hash
	if len(b) == 2*len(v) {
		if _, err := hex.Decode(v[:], b); err == nil && v.String() == string(b) {
			*h = v
			return nil
		}
	}
	return errors.New("catalogue hash: want 64 lower-case hexadecimal digits")
}

// Encode writes the set in its one canonical form: JSON without blanks, keys
// and articles in order. Equal sets have equal bytes.
func (s Set) Encode() ([]byte, error) {
	b, err := json.Marshal(s.canonical(), json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode catalogue: %w", err)
	}
	return b, nil
}

// Decode reads what Encode wrote, and refuses everything else with
// ErrEncoding: unknown or doubled keys, another order, blanks. The set is not
// checked further; New does that.
func Decode(b []byte) (Set, error) {
	var s Set
	if err := json.Unmarshal(b, &s, json.RejectUnknownMembers(true)); err != nil {
		return Set{}, fmt.Errorf("decode catalogue: %w: %w", ErrEncoding, err)
	}
	again, err := s.Encode()
	if err != nil || !bytes.Equal(again, b) {
		return Set{}, fmt.Errorf("decode catalogue: %w", ErrEncoding)
	}
	return s, nil
}
