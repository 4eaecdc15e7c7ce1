package proof

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

const cosignatureSize = 8 + ed25519.SignatureSize

// Cosigner makes Ed25519 cosignatures, version 1 (c2sp.org/tlog-cosignature,
// "Ed25519 signed message"). What one states beyond "I saw no fork" is for the
// owner of the key to say; a mirror and a witness must not share a key.
type Cosigner struct {
	verifier *Verifier
	priv     ed25519.PrivateKey
}

// NewCosigner makes a cosigner.
func NewCosigner(name string, priv ed25519.PrivateKey) (*Cosigner, error) {
	if len(priv) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("new cosigner %s: %w: private key of %d bytes", name, ErrFormat, len(priv))
	}
	v, err := NewWitnessVerifier(name, priv.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	return &Cosigner{verifier: v, priv: priv}, nil
}

// Verifier is the public half.
func (c *Cosigner) Verifier() *Verifier { return c.verifier }

// Sign states that at the given time (seconds since 1970) cp was the largest
// consistent tree of its origin that the cosigner had seen. The caller has
// made sure that this is so.
func (c *Cosigner) Sign(cp Checkpoint, seconds uint64) ([]byte, error) {
	if seconds > math.MaxInt64 {
		return nil, fmt.Errorf("cosign %s: %w: time %d", cp.Origin, ErrFormat, seconds)
	}
	sig := binary.BigEndian.AppendUint64(make([]byte, 0, cosignatureSize), seconds)
	return append(sig, ed25519.Sign(c.priv, cosignedText(seconds, cp.Text()))...), nil
}

func cosignedText(seconds uint64, text []byte) []byte {
	msg := append(make([]byte, 0, 48+len(text)), "cosignature/v1\ntime "...)
	msg = strconv.AppendUint(msg, seconds, 10)
	msg = append(msg, '\n')
	return append(msg, text...)
}

func cutTimestamp(sig []byte) (seconds uint64, bare []byte, ok bool) {
	if len(sig) != cosignatureSize {
		return 0, nil, false
	}
	seconds = binary.BigEndian.Uint64(sig)
	return seconds, sig[8:], seconds <= math.MaxInt64
}
