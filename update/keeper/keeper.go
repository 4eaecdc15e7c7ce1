// Package keeper keeps the private keys of those who release software: in files, in a
// TPM 2.0, on a PKCS#11 token, or not here at all.
//
//	f := keeper.Folder{FS: durable.OS{}, Dir: "maker/keys"}
//	k, err := f.Draw("plomb/root-1", keeper.Ed25519, "pkcs11:token=maker?module-path=/usr/lib/softhsm/libsofthsm2.so", pin)
//	k, err = f.Open("plomb/root-1", keeper.Ed25519, k.Place, k.Public, pin)
//	sig, err := k.Sign(message)
//
// # Places
//
//   - "" is a file, DIR/NAME.age: encrypted with age under a passphrase (scrypt).
//   - "tpm:PATH" is the chip at PATH (/dev/tpmrm0). An ECDSA key is made in it and
//     never leaves it. A TPM knows neither Ed25519 nor ML-KEM: those secrets are
//     sealed to the chip, under the passphrase, and are in memory while they are
//     used. DIR/NAME.tpm is of no use without the chip, and the chip counts wrong
//     passphrases (its dictionary attack lockout).
//   - "pkcs11:..." (RFC 7512, with module-path) is a token: the key is made on it,
//     not extractable, and never leaves it. The token's library is a foreign one in C;
//     it runs in the program plomb-token, never in this one.
//   - "elsewhere" is a key of which only the public half is known here.
//
// # What it does not do
//
// It neither knows what a key is for nor what it signs (package release), and keeps no
// passphrase. It does not make a token or a chip ready: that is their vendors' tools'.
package keeper

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/plomb-pos/plomb/internal/durable"
)

// Errors. They are wrapped with what was being done.
var (
	ErrFormat    = errors.New("malformed")
	ErrOther     = errors.New("another key than the one that was asked for")
	ErrKind      = errors.New("not a kind of key for this place")
	ErrElsewhere = errors.New("the key is kept elsewhere")
)

// Kind is what a key is.
type Kind string

// The kinds. Public halves: 32 bytes; the uncompressed point of SEC 1, 65 bytes; as
// crypto/hpke encodes it.
const (
	Ed25519 Kind = "ed25519"
	P256    Kind = "ecdsa-p256"     // with SHA-256; signatures are ASN.1
	HPKE    Kind = "mlkem768x25519" // crypto/hpke's hybrid
)

// Place says where the private half of a key is.
type Place string

// Elsewhere is a place that is not here.
const Elsewhere Place = "elsewhere"

// Check refuses a place that nothing is known about, and a kind of key that cannot
// be there.
func (p Place) Check(kind Kind) error {
	switch p.scheme() {
	case "":
		return nil
	case string(p): // without a colon
		if p == Elsewhere && kind != HPKE {
			return nil
		}
	case "pkcs11":
		if kind == HPKE {
			return fmt.Errorf("%w: %s on a token", ErrKind, kind)
		}
		_, err := ParseToken(p)
		return err
	case "tpm":
		if p == "tpm:" {
			return fmt.Errorf("%w: %q names no TPM", ErrFormat, p)
		}
		return nil
	}
	return fmt.Errorf("%w: place %q", ErrFormat, p)
}

func (p Place) scheme() string {
	s, _, _ := strings.Cut(string(p), ":")
	return s
}

// Folder is where files of keys lie.
type Folder struct {
	FS   durable.FS
	Dir  string
	Work int // scrypt's work factor as a power of two; 0: age's own (18)
}

// Key is a key that was opened.
type Key struct {
	Kind   Kind
	Place  Place  // complete: Open finds the key by it
	Public []byte // see Kind

	secret []byte                               // where the place gives it out
	sign   func(message []byte) ([]byte, error) // where it does not
}

// Draw makes a new key at a place. name is the key's full name: OFFICE/KEY; what
// stands after the last slash names its file.
func (f Folder) Draw(name string, kind Kind, at Place, passphrase string) (*Key, error) {
	if err := at.Check(kind); err != nil {
		return nil, fmt.Errorf("draw key %s: %w", name, err)
	}
	k, err := f.draw(name, kind, at, passphrase)
	if err != nil {
		return nil, fmt.Errorf("draw key %s: %w", name, err)
	}
	return k, nil
}

func (f Folder) draw(name string, kind Kind, at Place, passphrase string) (*Key, error) {
	switch {
	case at == Elsewhere:
		return nil, ErrElsewhere
	case at.scheme() == "pkcs11":
		return drawToken(name, kind, at, passphrase)
	case at.scheme() == "tpm" && kind == P256:
		return f.drawInTPM(name, at, passphrase)
	}
	secret, err := newSecret(kind)
	if err != nil {
		return nil, err
	}
	k, err := opened(kind, at, secret)
	if err != nil {
		return nil, err
	}
	if at == "" {
		return k, f.writeFile(name, kind, secret, passphrase)
	}
	return k, f.seal(name, kind, at, secret, passphrase)
}

// Open opens the key that Draw made and checks that it is the one with this public
// half.
func (f Folder) Open(name string, kind Kind, at Place, public []byte, passphrase string) (*Key, error) {
	k, err := f.open(name, kind, at, public, passphrase)
	if err != nil {
		return nil, fmt.Errorf("open key %s: %w", name, err)
	}
	if string(k.Public) != string(public) {
		return nil, fmt.Errorf("open key %s: %w", name, ErrOther)
	}
	return k, nil
}

func (f Folder) open(name string, kind Kind, at Place, public []byte, passphrase string) (*Key, error) {
	switch {
	case at == Elsewhere:
		return nil, ErrElsewhere
	case at.scheme() == "pkcs11":
		return openToken(kind, at, public, passphrase)
	case at.scheme() == "tpm":
		return f.openTPM(name, kind, at, passphrase)
	case at != "":
		return nil, fmt.Errorf("%w: place %q", ErrFormat, at)
	}
	secret, err := f.readFile(name, kind, passphrase)
	if err != nil {
		return nil, err
	}
	return opened(kind, at, secret)
}

// file is where a key's own file lies.
func (f Folder) file(name, suffix string) string { return path.Join(f.Dir, path.Base(name)+suffix) }

// newSecret draws the secret half of a key that is not made inside of a place.
func newSecret(kind Kind) ([]byte, error) {
	switch kind {
	case HPKE:
		k, err := hpke.MLKEM768X25519().GenerateKey()
		if err != nil {
			return nil, err
		}
		return k.Bytes()
	case P256:
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return k.Bytes()
	case Ed25519:
		seed := make([]byte, ed25519.SeedSize)
		rand.Read(seed)
		return seed, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrKind, kind)
}

// opened is a key whose secret is at hand.
func opened(kind Kind, at Place, secret []byte) (*Key, error) {
	k := &Key{Kind: kind, Place: at, secret: secret}
	switch kind {
	case HPKE:
		priv, err := hpke.MLKEM768X25519().NewPrivateKey(secret)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		k.Public = priv.PublicKey().Bytes()
	case P256:
		priv, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secret)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		k.Public, err = priv.PublicKey.Bytes()
		k.sign = func(m []byte) ([]byte, error) {
			sum := sha256.Sum256(m)
			return ecdsa.SignASN1(rand.Reader, priv, sum[:])
		}
		return k, err
	case Ed25519:
		if len(secret) != ed25519.SeedSize {
			return nil, fmt.Errorf("%w: a seed of %d bytes", ErrFormat, len(secret))
		}
		priv := ed25519.NewKeyFromSeed(secret)
		k.Public = priv.Public().(ed25519.PublicKey)
		k.sign = func(m []byte) ([]byte, error) { return ed25519.Sign(priv, m), nil }
	default:
		return nil, fmt.Errorf("%w: %q", ErrKind, kind)
	}
	return k, nil
}

// Sign signs a message of any length. What comes back was verified with the public
// half: no place can hand out a signature that others would refuse.
func (k *Key) Sign(message []byte) ([]byte, error) {
	if k.sign == nil {
		return nil, fmt.Errorf("sign: %w: %s", ErrKind, k.Kind)
	}
	sig, err := k.sign(message)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if err := Verify(k.Kind, k.Public, message, sig); err != nil {
		return nil, fmt.Errorf("sign: the key's keeper gave a signature that does not hold: %w", err)
	}
	return sig, nil
}

// Secret is the secret half, where the place gives it out: an Ed25519 seed, or what
// crypto/hpke reads.
func (k *Key) Secret() ([]byte, bool) { return k.secret, k.secret != nil && k.Kind != P256 }

// PublicKey is a public half as crypto's packages have it; an HPKE key is none.
func PublicKey(kind Kind, public []byte) (crypto.PublicKey, error) {
	switch {
	case kind == Ed25519 && len(public) == ed25519.PublicKeySize:
		return ed25519.PublicKey(public), nil
	case kind == P256:
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), public)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return key, nil
	}
	return nil, fmt.Errorf("%w: public key of kind %q with %d bytes", ErrFormat, kind, len(public))
}

// Verify checks a signature over a message; its error wraps ErrOther.
func Verify(kind Kind, public, message, sig []byte) error {
	key, err := PublicKey(kind, public)
	if err != nil {
		return err
	}
	ok := false
	switch key := key.(type) {
	case ed25519.PublicKey:
		ok = ed25519.Verify(key, message, sig)
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(message)
		ok = ecdsa.VerifyASN1(key, sum[:], sig)
	}
	if !ok {
		return fmt.Errorf("the signature does not verify: %w", ErrOther)
	}
	return nil
}
