package frame

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/plomb-pos/plomb/update/manifest"
)

// Key seals and opens the frames of one pack with AES-256-GCM. The nonce is the
// frame's index, so a key must never seal two packs: NewKey derives one for each.
type Key struct {
	aead  cipher.AEAD
	about []byte // associated data of all frames
}

// KeySize is the length of a release's content key in bytes.
const KeySize = 32

// ErrSeal says that a frame was not sealed with this key for this place.
var ErrSeal = errors.New("the frame does not open under its key")

// NewKey derives the key of one pack from the release's content key: HKDF-SHA256
// with the release's identity, the component, what it is a delta against and what it
// makes as info.
func NewKey(content []byte, release manifest.Identity, component string, from, to manifest.Digest) (*Key, error) {
	if len(content) != KeySize {
		return nil, fmt.Errorf("a content key has %d bytes, not %d", KeySize, len(content))
	}
	about := fmt.Appendf(nil, "plomb pack/1\n%s\n%s\n%s\n%s\n", release, component, from, to)
	raw, err := hkdf.Key(sha256.New, content, nil, string(about), KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive the key of a pack: %w", err)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, fmt.Errorf("derive the key of a pack: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("derive the key of a pack: %w", err)
	}
	return &Key{aead: aead, about: about}, nil
}

func (k *Key) nonce(i int) []byte {
	n := make([]byte, k.aead.NonceSize())
	binary.BigEndian.PutUint64(n[len(n)-8:], uint64(i))
	return n
}

func (k *Key) seal(i int, data []byte) []byte {
	n := k.nonce(i)
	return k.aead.Seal(nil, n, data, append(n, k.about...))
}

// open gives what was sealed, in dst where that has room; it may be wire[:0].
func (k *Key) open(dst []byte, i int, wire []byte) ([]byte, error) {
	n := k.nonce(i)
	out, err := k.aead.Open(dst, n, wire, append(n, k.about...))
	if err != nil {
		return nil, ErrSeal
	}
	return out, nil
}
