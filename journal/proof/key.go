package proof

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Signature types of c2sp.org/signed-note, "Signature types".
const (
	algEd25519     = 0x01
	algCosignature = 0x04
	algMLDSA44     = 0x06
)

// Errors about signatures.
var (
	// ErrSignature says that a signature does not match text and key.
	ErrSignature = errors.New("signature does not verify")
	// ErrUnknownKey says that no known key has the name and key hash of a signature.
	ErrUnknownKey = errors.New("unknown key")
)

// Signer signs checkpoints with the key of one journal.
//
// Sign returns the bare signature (64 bytes for Ed25519) over c.Text(). It may
// block for as long as a security chip takes and may be called again for the
// same checkpoint; it must never be handed two roots for one size. Safe for
// concurrent use.
type Signer interface {
	// KeyHash is the key id of signed notes: it depends on key and origin.
	KeyHash() uint32
	Sign(ctx context.Context, c Checkpoint) ([]byte, error)
}

// Ed25519Signer is a Signer with its key in memory.
type Ed25519Signer struct {
	verifier *Verifier
	priv     ed25519.PrivateKey
}

// NewEd25519Signer makes a signer for the journal whose origin is name.
func NewEd25519Signer(name string, priv ed25519.PrivateKey) (*Ed25519Signer, error) {
	if len(priv) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("new signer %s: %w: private key of %d bytes", name, ErrFormat, len(priv))
	}
	v, err := NewVerifier(name, priv.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	return &Ed25519Signer{verifier: v, priv: priv}, nil
}

// KeyHash implements Signer.
func (s *Ed25519Signer) KeyHash() uint32 { return s.verifier.hash }

// Verifier is the public half.
func (s *Ed25519Signer) Verifier() *Verifier { return s.verifier }

// Sign implements Signer. It refuses checkpoints of another origin.
func (s *Ed25519Signer) Sign(ctx context.Context, c Checkpoint) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if c.Origin != s.verifier.name {
		return nil, fmt.Errorf("sign checkpoint of %s with key of %s: %w", c.Origin, s.verifier.name, ErrUnknownKey)
	}
	return ed25519.Sign(s.priv, c.Text()), nil
}

// Verifier checks signatures of one public key under one name. It implements
// note.Verifier, for journals' keys (type 0x01) and witnesses' (type 0x04).
// Immutable.
type Verifier struct {
	name string
	hash uint32
	alg  byte
	pub  ed25519.PublicKey
}

// NewVerifier makes the verifier of a journal's Ed25519 key.
func NewVerifier(name string, pub ed25519.PublicKey) (*Verifier, error) {
	return newVerifier(name, algEd25519, pub)
}

// NewWitnessVerifier makes the verifier of a witness's or mirror's Ed25519
// key, which signs timestamped cosignatures only.
func NewWitnessVerifier(name string, pub ed25519.PublicKey) (*Verifier, error) {
	return newVerifier(name, algCosignature, pub)
}

func newVerifier(name string, alg byte, pub []byte) (*Verifier, error) {
	if !validKeyName(name) || len(pub) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("verifier %q: %w", name, ErrFormat)
	}
	pub = append([]byte(nil), pub...)
	return &Verifier{name: name, hash: keyHash(name, alg, pub), alg: alg, pub: pub}, nil
}

// keyHash is the key id: SHA-256(name || "\n" || type || key)[:4] (c2sp.org/signed-note, "Signatures").
func keyHash(name string, alg byte, key []byte) uint32 {
	h := sha256.New()
	h.Write([]byte(name))
	h.Write([]byte{'\n', alg})
	h.Write(key)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// ParseVerifier parses a vkey, "name+hash+base64": types 0x01 and 0x04.
// It accepts exactly what String writes, so note.NewVerifier's forms but with
// the hash in lower case. Errors wrap ErrFormat.
func ParseVerifier(vkey string) (*Verifier, error) {
	k, err := parseVkey(vkey)
	if err != nil {
		return nil, err
	}
	if k.alg != algEd25519 && k.alg != algCosignature {
		return nil, fmt.Errorf("parse verifier key of %s: %w: signature type %#02x", k.name, ErrFormat, k.alg)
	}
	return newVerifier(k.name, k.alg, k.pub)
}

// vkey is a parsed verifier key of any algorithm.
type vkey struct {
	name string
	alg  byte
	pub  []byte
}

func parseVkey(s string) (vkey, error) {
	name, rest, _ := strings.Cut(s, "+")
	hash, key64, _ := strings.Cut(rest, "+")
	key, err := decodeBase64(key64)
	if err != nil || len(key) < 2 || !validKeyName(name) {
		return vkey{}, fmt.Errorf("parse verifier key %q: %w", s, ErrFormat)
	}
	k := vkey{name: name, alg: key[0], pub: key[1:]}
	if hash != fmt.Sprintf("%08x", keyHash(name, k.alg, k.pub)) {
		return vkey{}, fmt.Errorf("parse verifier key %q: %w: key hash", s, ErrFormat)
	}
	return k, nil
}

// Name is the key's name: the journal's origin, or the witness's name.
func (v *Verifier) Name() string { return v.name }

// KeyHash is the key id of signed notes.
func (v *Verifier) KeyHash() uint32 { return v.hash }

// Witness reports whether the key signs cosignatures (type 0x04).
func (v *Verifier) Witness() bool { return v.alg == algCosignature }

// PublicKey returns a copy of the Ed25519 key.
func (v *Verifier) PublicKey() ed25519.PublicKey { return append(ed25519.PublicKey(nil), v.pub...) }

// String is the vkey: name, key hash in hex, base64 of type and key.
func (v *Verifier) String() string {
	hash := strconv.FormatUint(1<<32|uint64(v.hash), 16)[1:]
	return v.name + "+" + hash + "+" + base64.StdEncoding.EncodeToString(append([]byte{v.alg}, v.pub...))
}

// Verify reports whether sig is v's signature over text. For a witness sig
// holds the time and the signature (c2sp.org/tlog-cosignature, "Format").
func (v *Verifier) Verify(text, sig []byte) bool {
	if v.alg == algEd25519 {
		return len(sig) == ed25519.SignatureSize && ed25519.Verify(v.pub, text, sig)
	}
	t, bare, ok := cutTimestamp(sig)
	return ok && ed25519.Verify(v.pub, cosignedText(t, text), bare)
}

// VerifyCheckpoint checks a signature over c. It refuses a journal's key whose
// name is not c's origin.
func (v *Verifier) VerifyCheckpoint(c Checkpoint, sig []byte) error {
	if v.alg == algEd25519 && v.name != c.Origin {
		return fmt.Errorf("checkpoint of %s, key of %s: %w", c.Origin, v.name, ErrUnknownKey)
	}
	if !v.Verify(c.Text(), sig) {
		return fmt.Errorf("checkpoint of %s at %d: %w", c.Origin, c.Size, ErrSignature)
	}
	return nil
}

// VerifySignature checks one signature over c with a key in vkey form. Where
// many are checked, ParseVerifier once and VerifyCheckpoint are cheaper.
func VerifySignature(c Checkpoint, vkey string, sig []byte) error {
	v, err := ParseVerifier(vkey)
	if err != nil {
		return err
	}
	return v.VerifyCheckpoint(c, sig)
}
